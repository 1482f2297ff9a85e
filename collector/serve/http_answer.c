/* http_answer: a handler's response becomes libmicrohttpd's: entity tag,
 * compression, headers, body (handed over, not copied).
 *
 * Runs on whatever thread has the request in hand: the query pool, which is
 * where compression belongs, or libmicrohttpd's thread for ingest and refusals,
 * whose bodies are too short for it. */
#include "serve/http_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

#define GZIP_FROM_BYTES 1024u

void weir_http_response_text(struct weir_http_response *response, unsigned status, const char *text)
{
	response->status = status;
	response->content_type = NULL;
	weir_http_answer_body_fini(response);
	weir_buf_add_text(&response->body, text);
}

void weir_http_answer_body_fini(struct weir_http_response *response)
{
	weir_buf_fini(&response->body);
	weir_http_packed_destroy(response->packed);
	response->packed = NULL;
}

static void header_add(struct MHD_Response *ready, const char *name, const char *value)
{
	if (value != NULL) {
		MHD_add_response_header(ready, name, value); /* fails for want of memory only: one header less */
	}
}

static void number_add(struct MHD_Response *ready, const char *name, int64_t value)
{
	char text[24];

	if (value > 0) {
		snprintf(text, sizeof(text), "%" PRId64, value);
		header_add(ready, name, text);
	}
}

static bool is_known_to_client(const struct weir_http_request *request)
{
	struct weir_str tags = weir_http_request_header(request, "If-None-Match");

	if (request->response.etag == NULL) {
		return false;
	}
	while (tags.length > 0) {
		struct weir_str tag = weir_str_trim(weir_str_cut(&tags, ','));

		if (tag.length > 2 && memcmp(tag.data, "W/", 2) == 0) {
			tag = weir_str_make(tag.data + 2, tag.length - 2);
		}
		if (weir_str_is(tag, "*") || weir_str_is(tag, request->response.etag)) {
			return true;
		}
	}
	return false;
}

/* Compresses the body in place when that was asked for and pays. */
static bool gzip_body(const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_buf small;

	if (response->body.length <= GZIP_FROM_BYTES ||
		!weir_coding_accepts_gzip(weir_http_request_header(request, "Accept-Encoding"))) {
		return false;
	}
	weir_buf_init(&small, 0);
	if (weir_coding_gzip(weir_buf_str(&response->body), &small) != 0) {
		weir_buf_fini(&small); /* no memory: the plain body serves as well */
		return false;
	}
	weir_buf_fini(&response->body);
	response->body = small;
	return true;
}

static void headers_add(
	const struct weir_http_request *request, const struct weir_http_response *response, struct MHD_Response *ready)
{
	if (response->status != 304) {
		header_add(ready, "Content-Type",
			response->content_type != NULL ? response->content_type : "text/plain; charset=utf-8");
	}
	header_add(ready, "X-Content-Type-Options", "nosniff");
	header_add(ready, "Cache-Control", response->cache_control);
	header_add(ready, "Content-Security-Policy", response->content_security_policy);
	header_add(ready, "Location", response->location);
	header_add(ready, "ETag", response->etag);
	header_add(ready, "Vary", response->vary);
	header_add(ready, "Allow", request->allow[0] != '\0' ? request->allow : NULL);
	number_add(ready, "Retry-After", response->retry_after_s);
	number_add(ready, "Weir-Behind-Ms", response->behind_ms);
}

void weir_http_answer_make(struct weir_http_request *request)
{
	struct weir_http_response *response = &request->response;
	bool is_query = request->route != NULL && request->route->kind == WEIR_ROUTE_QUERY, is_gzip, is_packed;

	if (response->status == 0) {
		response->status = 200;
	}
	if (weir_buf_error(&response->body) != 0) {
		weir_http_response_text(response, 500, "the answer did not fit into memory\n");
	}
	if (response->status == 200 && is_known_to_client(request)) {
		response->status = 304;
		weir_http_answer_body_fini(response);
	}
	weir_assert(request->ready == NULL);
	is_packed = response->packed != NULL;
	if (is_packed) {
		is_gzip = weir_coding_accepts_gzip(weir_http_request_header(request, "Accept-Encoding"));
		request->ready = weir_http_packed_answer(response, is_gzip);
	} else {
		is_gzip = is_query && gzip_body(request, response);
		request->ready = MHD_create_response_from_buffer(
			response->body.length, response->body.data, MHD_RESPMEM_MUST_FREE);
	}
	if (request->ready == NULL) {
		weir_http_answer_body_fini(response);
		return; /* no memory: the connection is closed */
	}
	if (is_packed) {
		weir_http_answer_body_fini(response);
	} else {
		weir_buf_init(&response->body, 0); /* its bytes are libmicrohttpd's now */
	}
	headers_add(request, response, request->ready);
	header_add(request->ready, "Content-Encoding", is_gzip ? "gzip" : NULL);
	header_add(request->ready, "Vary", is_query ? "Accept-Encoding" : NULL);
	request->ready_status = response->status;
}

void weir_http_answer_refuse(struct weir_http_request *request, unsigned status, const char *text, unsigned retry_s)
{
	if (request->ready != NULL) {
		MHD_destroy_response(request->ready);
		request->ready = NULL;
	}
	weir_http_answer_body_fini(&request->response);
	request->response = (struct weir_http_response){ .retry_after_s = retry_s };
	weir_http_response_text(&request->response, status, text);
	if (request->route != NULL && request->route->spell != NULL) {
		request->route->spell(request->route->ctx, request, status, text, &request->response);
	}
	weir_http_answer_make(request);
}
