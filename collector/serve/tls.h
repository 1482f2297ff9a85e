/* tls: the certificates of the listeners: read, checked, watched, handed to
 * whoever makes a handshake. <openssl/…> is known here, to grpc_tls.c (why a client's
 * chain was refused) and to the executable's guard.c (SSL_read), to nobody else.
 *
 * A set of certificate, key and CA is immutable once read and reference
 * counted; a reload swaps the whole set, so a handshake sees the old one or the
 * new one and never a mixture. What cannot be used (unreadable, a key of
 * another certificate, an expired certificate) leaves the old set in use. */
#ifndef WEIR_SERVE_TLS_H
#define WEIR_SERVE_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct weir_tls;

struct weir_tls_opts {
	const char *cert, *key;  /* PEM files: the chain, leaf first; the key */
	const char *ca;          /* PEM file of those who sign clients; "": clients need no certificate */
	bool is_client_required; /* with a CA: refuse a client without a certificate */
};

enum { WEIR_TLS_BAD = 1 }; /* outcome: *ret_why says which file, and what is wrong with it */

int weir_tls_create(const struct weir_tls_opts *opts, struct weir_buf *ret_why, struct weir_tls **ret_tls);
void weir_tls_destroy(struct weir_tls *tls); /* NULL is ignored */

/* Reads the files again if one of them changed since (or always, when forced: SIGHUP). 0: nothing to do, or a new set
 * is in use (*ret_is_new); WEIR_TLS_BAD: the old one stays, *ret_why says why. One thread: main. */
int weir_tls_reload(struct weir_tls *tls, bool is_forced, bool *ret_is_new, struct weir_buf *ret_why);

struct weir_tls_set {                /* PEM texts, NUL-terminated */
	const char *cert, *key, *ca; /* ca NULL: none */
	bool is_client_required;
	uint64_t number; /* 1, 2, …: of this process */
};

/* Any thread, cheap: the set in use, held until let go. */
const struct weir_tls_set *weir_tls_hold(struct weir_tls *tls);
void weir_tls_let_go(const struct weir_tls_set *set);

/* When the certificate in use stops being valid, Unix seconds: a gauge. */
int64_t weir_tls_not_after(const struct weir_tls *tls);

/* The first URI among the subject's alternative names of a PEM or DER
 * certificate (its SPIFFE id), into `buffer`; empty: none. */
struct weir_str weir_tls_uri_of(struct weir_str certificate, char *buffer, uint32_t size);

/* "tls:host:port" and "plain:host:port" say how an address is served; a bare
 * one is TLS exactly when certificates are configured and it is no Unix
 * socket. *ret_bare is the address without its scheme. */
bool weir_tls_is_wanted(const char *address, bool has_certificates, const char **ret_bare);

/* Does the address reach beyond this machine? Not 127.0.0.0/8, ::1, "localhost" or a Unix socket. */
bool weir_tls_is_exposed(const char *bare_address);

#endif
