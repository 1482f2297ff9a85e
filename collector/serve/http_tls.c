/* http_tls: HTTPS: libmicrohttpd makes the handshakes (with GnuTLS), we say with
 * which certificates and who may come in. The only file that knows <gnutls/…>.
 *
 * libmicrohttpd has one certificate a daemon, from its start on. But it tells
 * of a connection before its first byte is read, and gives the session away:
 * there the credentials that are in use now take the place of the daemon's.
 * So one daemon serves all sets of certificates, one after the other:
 *
 *   tls ─renew─▶ credentials in use ─begin─▶ held by a connection ─end─▶ let go
 *                                                │ handshake
 *                                                └ verify: identity, or refused
 *
 * Clients without a certificate are refused here and not by GnuTLS, which is
 * told to ask and not to insist: so the reason can be counted.
 *
 *   refused for     when
 *   expired         the certificate, or one of its chain, is not valid now
 *   self_signed     nobody signed it but itself
 *   untrusted       another CA's, or not for clients, or broken
 *   no_certificate  none was shown, and one is required
 *   protocol        what came was no TLS (counted at the end)
 *   other           the handshake began and was given up: by the client (it
 *                   does not trust us, say), or by us after handshake_ms
 *
 * Who connects and goes without a byte is nobody's failure: not counted.
 *
 * Invariants: 1. Credentials live as long as a connection holds them. 2. A
 * connection has been through verify() before its first request is read: there
 * is no resumption of sessions.
 *
 * Threads: renew is main's; begin, end and verify run on the daemon's. */
#include "serve/http_request.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/tcp.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "base/stat.h"

#define IDENTITY_BYTES 2048u /* SPIFFE's own limit */

struct weir_http_credentials {
	gnutls_certificate_credentials_t of_gnutls;
	const struct weir_tls_set *set;
	_Atomic unsigned holders;
};

static void let_go(struct weir_http_credentials *credentials)
{
	if (credentials != NULL && atomic_fetch_sub(&credentials->holders, 1) == 1) {
		gnutls_certificate_free_credentials(credentials->of_gnutls);
		weir_tls_let_go(credentials->set);
		free(credentials);
	}
}

static gnutls_datum_t datum_of(const char *text)
{
	return (gnutls_datum_t){ (unsigned char *)(uintptr_t)text, (unsigned)strlen(text) }; /* it only reads */
}

static int load(gnutls_certificate_credentials_t to, const struct weir_tls_set *set)
{
	gnutls_datum_t cert = datum_of(set->cert), key = datum_of(set->key), ca;

	if (gnutls_certificate_set_x509_key_mem(to, &cert, &key, GNUTLS_X509_FMT_PEM) < 0) {
		return -EINVAL;
	}
	if (set->ca != NULL) {
		ca = datum_of(set->ca);
		if (gnutls_certificate_set_x509_trust_mem(to, &ca, GNUTLS_X509_FMT_PEM) <= 0) {
			return -EINVAL;
		}
	}
	return 0;
}

int weir_http_tls_renew(struct weir_http *http)
{
	struct weir_http_credentials *fresh = calloc(1, sizeof(*fresh)), *old;
	int r = -ENOMEM;

	if (fresh == NULL) {
		return r;
	}
	fresh->set = weir_tls_hold(http->opts.tls);
	atomic_init(&fresh->holders, 1);
	if (gnutls_certificate_allocate_credentials(&fresh->of_gnutls) == 0) {
		r = load(fresh->of_gnutls, fresh->set);
		if (r != 0) {
			gnutls_certificate_free_credentials(fresh->of_gnutls);
		}
	}
	if (r != 0) {
		weir_tls_let_go(fresh->set);
		free(fresh);
		return r;
	}
	pthread_mutex_lock(&http->lock);
	old = http->credentials;
	http->credentials = fresh;
	pthread_mutex_unlock(&http->lock);
	let_go(old);
	return 0;
}

void weir_http_tls_fini(struct weir_http *http)
{
	let_go(http->credentials);
	http->credentials = NULL;
}

const struct weir_tls_set *weir_http_tls_set(const struct weir_http *http)
{
	return http->credentials->set;
}

/* ---- a handshake ----------------------------------------------------------- */

static int refuse(gnutls_session_t session, struct weir_http_connection *socket, enum weir_stat reason,
	gnutls_alert_description_t alert)
{
	weir_stat_add(reason, 1);
	socket->tls_state = WEIR_HTTP_TLS_REFUSED;
	gnutls_alert_send(session, GNUTLS_AL_FATAL, alert); /* else the client would only see the connection end */
	return -1;
}

static gnutls_x509_crt_t leaf_of(const gnutls_datum_t *der)
{
	gnutls_x509_crt_t leaf;

	if (gnutls_x509_crt_init(&leaf) != 0) {
		return NULL;
	}
	if (gnutls_x509_crt_import(leaf, der, GNUTLS_X509_FMT_DER) != 0) {
		gnutls_x509_crt_deinit(leaf);
		return NULL;
	}
	return leaf;
}

static bool is_self_signed(const gnutls_datum_t *der)
{
	gnutls_x509_crt_t leaf = leaf_of(der);
	bool is = leaf != NULL && gnutls_x509_crt_check_issuer(leaf, leaf) != 0;

	if (leaf != NULL) {
		gnutls_x509_crt_deinit(leaf);
	}
	return is;
}

static int judge(gnutls_session_t session, struct weir_http_connection *socket, const gnutls_datum_t *leaf)
{
	gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT };
	unsigned wrong = 0;

	if (gnutls_certificate_verify_peers(session, &purpose, 1, &wrong) < 0) {
		return refuse(session, socket, WEIR_STAT_TLS_REFUSED_UNTRUSTED, GNUTLS_A_BAD_CERTIFICATE);
	}
	if (wrong == 0) {
		return 0;
	}
	if ((wrong & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0) {
		return refuse(session, socket,
			is_self_signed(leaf) ? WEIR_STAT_TLS_REFUSED_SELF_SIGNED : WEIR_STAT_TLS_REFUSED_UNTRUSTED,
			GNUTLS_A_UNKNOWN_CA);
	}
	if ((wrong & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED)) != 0) {
		return refuse(session, socket, WEIR_STAT_TLS_REFUSED_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED);
	}
	return refuse(session, socket, WEIR_STAT_TLS_REFUSED_UNTRUSTED, GNUTLS_A_BAD_CERTIFICATE);
}

/* GnuTLS calls it with the client's certificate, or where that should have come. 0, or the handshake ends. */
static int verify(gnutls_session_t session)
{
	struct weir_http_connection *socket = gnutls_session_get_ptr(session);
	char buffer[IDENTITY_BYTES];
	struct weir_str uri;
	unsigned count = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);

	if (chain == NULL || count == 0) {
		return socket->credentials->set->is_client_required
			       ? refuse(session, socket, WEIR_STAT_TLS_REFUSED_NO_CERTIFICATE,
					 GNUTLS_A_CERTIFICATE_REQUIRED)
			       : 0;
	}
	if (judge(session, socket, &chain[0]) != 0) {
		return -1;
	}
	uri = weir_tls_uri_of(weir_str_make((const char *)chain[0].data, chain[0].size), buffer, sizeof(buffer));
	free(socket->identity);
	socket->identity = uri.length > 0 ? strndup(uri.data, uri.length) : NULL;
	return uri.length > 0 && socket->identity == NULL ? -1 : 0;
}

/* Whenever a handshake message was read or written. */
static int notice(
	gnutls_session_t session, unsigned type, unsigned when, unsigned is_incoming, const gnutls_datum_t *message)
{
	struct weir_http_connection *socket = gnutls_session_get_ptr(session);

	(void)when;
	(void)message;
	if (is_incoming != 0 && socket->tls_state == WEIR_HTTP_TLS_SILENT) {
		socket->tls_state = WEIR_HTTP_TLS_BEGUN;
	}
	if (is_incoming != 0 && type == GNUTLS_HANDSHAKE_FINISHED && socket->tls_state == WEIR_HTTP_TLS_BEGUN) {
		socket->tls_state = WEIR_HTTP_TLS_DONE;
		weir_http_accept_doing(socket->http, socket, WEIR_HTTP_READING);
	}
	return 0;
}

bool weir_http_tls_begin(struct weir_http *http, struct MHD_Connection *connection, struct weir_http_connection *socket)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	gnutls_session_t session = info != NULL ? info->tls_session : NULL;

	if (session == NULL) {
		return false;
	}
	pthread_mutex_lock(&http->lock);
	socket->credentials = http->credentials;
	atomic_fetch_add(&socket->credentials->holders, 1);
	pthread_mutex_unlock(&http->lock);
	socket->doing = WEIR_HTTP_GREETING;
	gnutls_session_set_ptr(session, socket);
	gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_POST, notice);
	if (socket->credentials->set->ca != NULL) {
		gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
		gnutls_session_set_verify_function(session, verify);
	}
	return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, socket->credentials->of_gnutls) == 0;
}

/* Did anything come? The kernel counts the end of the stream as a byte. A socket that does not tell (no TCP) is taken
 * to have spoken. */
static bool has_spoken(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 || info.tcpi_bytes_received > 1;
}

void weir_http_tls_end(struct weir_http_connection *socket)
{
	if (socket->credentials != NULL) {
		if (socket->tls_state == WEIR_HTTP_TLS_BEGUN ||
			(socket->is_cut && socket->tls_state == WEIR_HTTP_TLS_SILENT)) {
			weir_stat_add(WEIR_STAT_TLS_REFUSED_OTHER, 1);
		} else if (socket->tls_state == WEIR_HTTP_TLS_SILENT && has_spoken(socket->fd)) {
			weir_stat_add(WEIR_STAT_TLS_REFUSED_PROTOCOL, 1);
		}
		let_go(socket->credentials);
	}
	free(socket->identity);
}
