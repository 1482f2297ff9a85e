/* grpc_tls: TLS of the gRPC ports.
 *
 * libgrpc asks before every handshake whether there are new certificates, each
 * port for itself: the set in use is held for a moment and handed over when its
 * number is another one than this port has. Connections that stand keep what
 * they began with. A set that libgrpc cannot take leaves the old one in use.
 *
 * Why a handshake failed. libgrpc says so only in its log, and there only that
 * verification failed, not why. X509_verify_cert is libcrypto's one door for
 * that, and libssl calls it through the PLT: ours stands before it (as accept4
 * does, collector/accept.c), asks the real one, and counts its reason. What is
 * not a matter of the certificate is told by the log:
 *
 *   expired         not valid now                      ┐
 *   self_signed     signed by itself                   │ X509_verify_cert
 *   untrusted       another CA's, not for clients, …   ┘
 *   no_certificate  none was shown, and one is required ┐
 *   protocol        no TLS, too old a version, no HTTP/2 │ libgrpc's log
 *   other           broken off by the client, …         ┘
 *
 * weir is nobody's TLS client through libssl, so every verification is of a
 * client of ours. A handshake that never ends is cut off by libgrpc after
 * grpc.c's HANDSHAKE_MS and counted as other.
 *
 * Threads: libgrpc's, several at once; a port is asked under its own lock. */
#include "serve/grpc_tls.h"

#include <dlfcn.h>
#include <string.h>

#include <openssl/x509_vfy.h>

#include "base/err.h"
#include "base/stat.h"

static grpc_ssl_certificate_config_reload_status fetch(void *ctx, grpc_ssl_server_certificate_config **ret_config)
{
	struct weir_grpc_tls_port *port = ctx;
	const struct weir_tls_set *set = weir_tls_hold(port->tls);
	grpc_ssl_certificate_config_reload_status status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
	grpc_ssl_pem_key_cert_pair pair = { set->key, set->cert };

	if (set->number != port->number) {
		/* without roots libgrpc aborts; a port that asks for no certificate never looks at them */
		*ret_config =
			grpc_ssl_server_certificate_config_create(set->ca != NULL ? set->ca : set->cert, &pair, 1);
		port->number = set->number;
		status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
	}
	weir_tls_let_go(set);
	return status;
}

grpc_server_credentials *weir_grpc_tls_credentials(struct weir_tls *tls, struct weir_grpc_tls_port *port)
{
	const struct weir_tls_set *set = weir_tls_hold(tls);
	grpc_ssl_client_certificate_request_type request = GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;

	if (set->ca != NULL) {
		request = set->is_client_required ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
						  : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
	}
	weir_tls_let_go(set);
	port->tls = tls; /* its number is 0: nothing was given yet */
	return grpc_ssl_server_credentials_create_with_options(
		grpc_ssl_server_credentials_create_options_using_config_fetcher(request, fetch, port));
}

/* ---- why handshakes fail ------------------------------------------------- */

static void count_verification(int error)
{
	enum weir_stat stat = WEIR_STAT_TLS_REFUSED_UNTRUSTED;

	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		stat = WEIR_STAT_TLS_REFUSED_EXPIRED;
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		stat = WEIR_STAT_TLS_REFUSED_SELF_SIGNED;
		break;
	default:
		break;
	}
	weir_stat_add(stat, 1);
}

/* libcrypto's, for everybody in this process. */
__attribute__((visibility("default"))) int X509_verify_cert(X509_STORE_CTX *context)
{
	union {
		void *found;
		int (*verify)(X509_STORE_CTX *);
	} real = { dlsym(RTLD_NEXT, "X509_verify_cert") };
	int result;

	weir_assert(real.found != NULL);
	result = real.verify(context);
	if (result <= 0) {
		count_verification(X509_STORE_CTX_get_error(context));
	}
	return result;
}

static bool has_any(const char *sentence, const char *const *words)
{
	while (*words != NULL && strstr(sentence, *words) == NULL) {
		words++;
	}
	return *words != NULL;
}

bool weir_grpc_tls_heard(const char *sentence)
{
	static const char *const handshake[] = { "Handshake failed", "missing selected ALPN", NULL };
	static const char *const counted[] = { "certificate verify failed", NULL };
	static const char *const none[] = { "peer did not return a certificate", NULL };
	static const char *const protocol[] = { "http request", "https proxy request", "wrong version number",
		"unsupported protocol", "unknown protocol", "no shared cipher", "no suitable", "missing selected ALPN",
		"no application protocol", "packet length too long", "record", NULL };
	enum weir_stat stat = WEIR_STAT_TLS_REFUSED_OTHER;

	if (!has_any(sentence, handshake)) {
		return false;
	}
	if (has_any(sentence, counted)) {
		return true;
	}
	if (has_any(sentence, none)) {
		stat = WEIR_STAT_TLS_REFUSED_NO_CERTIFICATE;
	} else if (has_any(sentence, protocol)) {
		stat = WEIR_STAT_TLS_REFUSED_PROTOCOL;
	}
	weir_stat_add(stat, 1);
	return true;
}
