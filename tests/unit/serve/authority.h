/* authority: certificates made on the spot, in a folder of their own. */
#ifndef WEIR_TESTS_SERVE_AUTHORITY_H
#define WEIR_TESTS_SERVE_AUTHORITY_H

#include <openssl/evp.h>
#include <openssl/x509.h>

struct identity { /* a certificate and its key; also a CA */
	X509 *certificate;
	EVP_PKEY *key;
};

struct identity_opts {
	const char *name;
	const struct identity *issuer; /* NULL: self-signed */
	const char *alternative;       /* "URI:spiffe://…", "DNS:…,URI:…"; NULL: none */
	bool is_ca, is_expired, is_future;
};

struct identity identity_make(const struct identity_opts *opts);
void identity_free(struct identity *identity);

/* PEM files, written whole: `certificates` one behind the other, NULL at the end. */
void identity_write_key(const struct identity *identity, const char *path);
void identity_write_certificates(const char *path, ...) __attribute__((sentinel));
/* The files that a listener is configured with, in a folder of their own. */
struct identity_files {
	char folder[32], cert[64], key[64], ca[64];
};

void identity_files_init(struct identity_files *files); /* their names; nothing is written yet */
void identity_files_write(
	const struct identity_files *files, const struct identity *server, const struct identity *root);
void identity_files_remove(const struct identity_files *files);

/* The PEM text of one; free it. */
char *identity_pem(const struct identity *identity);
char *identity_key_pem(const struct identity *identity);

#endif
