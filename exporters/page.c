/* page: serves dashboards/page.
 *
 * Script and style are files of the same origin, so the content security policy
 * can forbid everything inline and everything foreign. The entity tag is a hash
 * of the content: a browser asks each time and is told 304, and a new binary
 * shows its new page at once. Runs on the listener's thread: it only copies. */
#include "exporters/page.h"

#include "exporters/page_assets.h"

static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
			     "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/* Does If-None-Match name this tag? Weak tags count, and `*` is any. */
static bool is_fresh(struct weir_str sent, const char *etag)
{
	while (sent.length > 0) {
		struct weir_str tag = weir_str_trim(weir_str_cut(&sent, ','));

		if (weir_str_starts_with(tag, "W/")) {
			tag = weir_str_make(tag.data + 2, tag.length - 2);
		}
		if (weir_str_is(tag, etag) || weir_str_is(tag, "*")) {
			return true;
		}
	}
	return false;
}

static void serve(
	const char *name, size_t length, const struct weir_http_request *request, struct weir_http_response *response)
{
	for (size_t i = 0; i < weir_page_asset_count; i++) {
		const struct weir_page_asset *asset = &weir_page_assets[i];

		if (!weir_str_is(weir_str_make(name, length), asset->name)) {
			continue;
		}
		response->etag = asset->etag;
		response->cache_control = "no-cache";
		response->content_security_policy = policy;
		response->content_type = asset->content_type;
		if (is_fresh(weir_http_request_header(request, "If-None-Match"), asset->etag)) {
			response->status = 304;
			return;
		}
		weir_buf_add(&response->body, asset->data, asset->length);
		return;
	}
	weir_http_response_text(response, 404, "not found\n");
}

void weir_page_index(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	static const char index[] = "index.html";

	(void)ctx;
	serve(index, sizeof(index) - 1, request, response);
}

void weir_page_file(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_str name = weir_http_request_rest(request);

	(void)ctx;
	serve(name.data, name.length, request, response);
}
