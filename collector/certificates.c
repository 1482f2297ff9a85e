/* certificates: TLS as main sees it; see the header. Main's thread only.
 *
 * Whoever sets security.key or security.ca and no security.cert meant TLS and
 * would get none: refused. */
#include "certificates.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/stat.h"

static int complain(struct weir_buf *ret_why, const char *what, const char *which)
{
	weir_buf_clear(ret_why);
	weir_buf_addf(ret_why, "%s: %s", what, which);
	return WEIR_CERTIFICATES_BAD;
}

/* 0, WEIR_CERTIFICATES_BAD or a fault; *ret_tls NULL: none configured. */
static int create(const struct weir_conf *conf, struct weir_buf *ret_why, struct weir_tls **ret_tls)
{
	struct weir_tls_opts opts = { .cert = conf->security_cert,
		.key = conf->security_key,
		.ca = conf->security_ca,
		.is_client_required = strcmp(conf->security_client, "require") == 0 };
	int r;

	*ret_tls = NULL;
	if (conf->security_cert[0] == '\0') {
		const char *without = conf->security_key[0] != '\0'  ? "security.key"
				      : conf->security_ca[0] != '\0' ? "security.ca"
								     : NULL;

		return without != NULL ? complain(ret_why, "security.cert is missing beside", without) : 0;
	}
	if (conf->security_key[0] == '\0') {
		return complain(ret_why, "security.key is missing beside", "security.cert");
	}
	r = weir_tls_create(&opts, ret_why, ret_tls);
	return r == WEIR_TLS_BAD ? WEIR_CERTIFICATES_BAD : r;
}

static int addresses_check(
	const struct weir_conf *conf, const struct weir_conf_list *addresses, bool has_tls, struct weir_buf *ret_why)
{
	bool is_allowed = strcmp(conf->security_allow_insecure, "true") == 0;

	for (size_t i = 0; i < addresses->count; i++) {
		const char *address = addresses->items[i], *bare;
		bool is_wanted = weir_tls_is_wanted(address, has_tls, &bare);

		if (is_wanted && !has_tls) {
			return complain(ret_why, "an address with tls: needs security.cert and security.key", address);
		}
		if (!is_wanted && weir_tls_is_exposed(bare) && !is_allowed) {
			return complain(ret_why,
				"an address beyond this machine without TLS needs security.allow_insecure: true",
				address);
		}
	}
	return 0;
}

/* All of it: the files, then the addresses. */
static int check(const struct weir_conf *conf, struct weir_buf *ret_why, struct weir_tls **ret_tls)
{
	int r = create(conf, ret_why, ret_tls);

	r = r == 0 ? addresses_check(conf, &conf->listen_grpc, *ret_tls != NULL, ret_why) : r;
	return r == 0 ? addresses_check(conf, &conf->listen_http, *ret_tls != NULL, ret_why) : r;
}

static void gauge_set(const struct weir_tls *tls)
{
	int64_t not_after = weir_tls_not_after(tls);

	weir_stat_set(WEIR_STAT_TLS_NOT_AFTER, not_after > 0 ? (uint64_t)not_after : 0);
}

int weir_certificates_load(const struct weir_conf *conf, struct weir_tls **ret_tls)
{
	struct weir_tls *tls = NULL;
	struct weir_buf why;
	int r;

	weir_buf_init(&why, 0);
	r = check(conf, &why, &tls);
	if (r == WEIR_CERTIFICATES_BAD) {
		weir_log(WEIR_LOG_ERROR, "main", "cannot start: %.*s", (int)why.length, why.length > 0 ? why.data : "");
		r = -EINVAL;
	} else if (r < 0) {
		weir_log(WEIR_LOG_ERROR, "main", "cannot start: the certificates cannot be read why=\"%s\"",
			strerror(-r));
	}
	weir_buf_fini(&why);
	if (r != 0) {
		weir_tls_destroy(tls);
		return r;
	}
	if (tls != NULL) {
		gauge_set(tls);
	}
	*ret_tls = tls;
	return 0;
}

int weir_certificates_check(const struct weir_conf *conf, struct weir_buf *ret_why)
{
	struct weir_tls *tls = NULL;
	int r = check(conf, ret_why, &tls);

	weir_tls_destroy(tls);
	return r;
}

void weir_certificates_reload(struct weir_tls *tls, struct weir_http *http, bool is_forced)
{
	struct weir_buf why;
	bool is_new = false;
	int r;

	if (tls == NULL) {
		if (is_forced) {
			weir_log(WEIR_LOG_INFO, "main", "nothing to reload: no certificates are configured");
		}
		return;
	}
	weir_buf_init(&why, 0);
	r = weir_tls_reload(tls, is_forced, &is_new, &why);
	if (r == 0 && is_new) {
		r = weir_http_renew(http);
		if (r < 0) {
			complain(&why, "HTTP goes on with the old ones", strerror(-r));
		}
		gauge_set(tls);
	}
	if (r != 0) {
		weir_stat_add(WEIR_STAT_TLS_RELOAD_FAILED, 1);
		weir_log(WEIR_LOG_WARN, "main", "the new certificates cannot be used, the old ones stay why=\"%.*s\"",
			(int)why.length, why.length > 0 ? why.data : "");
	} else if (is_new) {
		weir_stat_add(WEIR_STAT_TLS_RELOADED, 1);
		weir_log(WEIR_LOG_INFO, "main", "new certificates are in use not_after=%lld",
			(long long)weir_tls_not_after(tls));
	}
	weir_buf_fini(&why);
}
