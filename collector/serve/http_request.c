/* http_request: one request through libmicrohttpd's callbacks.
 *
 *   headers ─→ refused at once (431, 413 far above the limit)
 *        └──→ body (gathered, inflated; or thrown away when it is refused)
 *               └─→ ingest: handled here ─→ answered, or parked
 *               └─→ query: suspended, queued ─pool→ answer made, resumed
 *        └──→ asked again with the answer made: sent
 *
 * Threads: a connection's daemon's one thread runs all of it (ingest handlers
 * under a lock: there may be a second daemon, for TLS). While a request is
 * suspended it belongs to a pool thread, or to the writer's thread that
 * resumes a parked one; suspend and resume are the hand-over.
 *
 * Invariants: 1. body.length <= max_body_bytes, inflated. 2. At most
 * DISCARD_BODIES times that is read of a refused request; who sends more is cut
 * off. 3. `ready` is queued once and then given up. 4. `answering` counts the
 * requests from the end of their body to the end of their answer.
 *
 * Why a refusal mostly reads the body first: closing a socket with unread
 * bytes resets it, and the client might never see why. */
#include "serve/http_request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/stat.h"

#define DISCARD_BODIES 16u
#define IDLE_REQUESTS 32u
#define IDLE_BODY_BYTES (1u << 20)

/* ---- what handlers may ask (route.h) ------------------------------------ */

struct weir_str weir_http_request_rest(const struct weir_http_request *request)
{
	return request->rest;
}

static struct weir_str value_of(const struct weir_http_request *request, enum MHD_ValueKind kind, const char *name)
{
	struct weir_str value = { NULL, 0 };

	if (MHD_lookup_connection_value_n(request->connection, kind, name, strlen(name), &value.data, &value.length) !=
		MHD_YES) {
		return weir_str_make(NULL, 0);
	}
	return value.data != NULL ? value : weir_str_of("");
}

struct weir_str weir_http_request_argument(const struct weir_http_request *request, const char *name)
{
	return value_of(request, MHD_GET_ARGUMENT_KIND, name);
}

struct wanted { /* of an argument that may come several times */
	struct weir_str name, *values;
	size_t most, count;
};

static enum MHD_Result argument_take(
	void *ctx, enum MHD_ValueKind kind, const char *key, size_t key_length, const char *value, size_t value_length)
{
	struct wanted *wanted = ctx;

	(void)kind;
	if (weir_str_equal(wanted->name, weir_str_make(key, key_length))) {
		if (wanted->count < wanted->most) {
			wanted->values[wanted->count] = weir_str_make(value != NULL ? value : "", value_length);
		}
		wanted->count++;
	}
	return MHD_YES;
}

size_t weir_http_request_arguments(
	const struct weir_http_request *request, const char *name, struct weir_str *ret_values, size_t most)
{
	struct wanted wanted = { .name = weir_str_of(name), .values = ret_values, .most = most };

	MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, argument_take, &wanted);
	return wanted.count;
}

struct weir_str weir_http_request_header(const struct weir_http_request *request, const char *name)
{
	return value_of(request, MHD_HEADER_KIND, name);
}

struct weir_str weir_http_request_body(const struct weir_http_request *request)
{
	return weir_str_make(request->body.data != NULL ? request->body.data : "", request->body.length);
}

struct weir_str weir_http_request_peer(const struct weir_http_request *request)
{
	return weir_str_of(request->peer);
}

struct weir_str weir_http_request_identity(const struct weir_http_request *request)
{
	return request->socket != NULL ? weir_str_of(request->socket->identity) : weir_str_make(NULL, 0);
}

uint64_t weir_http_request_deadline_ns(const struct weir_http_request *request)
{
	return request->deadline_ns;
}

/* ---- a request's beginning ---------------------------------------------- */

static struct weir_http_request *request_get(struct weir_http *http)
{
	struct weir_http_request *request;

	pthread_mutex_lock(&http->lock);
	request = http->idle;
	if (request != NULL) {
		http->idle = request->next;
		http->idle_count--;
	}
	pthread_mutex_unlock(&http->lock);
	if (request == NULL) {
		request = calloc(1, sizeof(*request));
		if (request != NULL) {
			request->http = http;
			weir_buf_init(
				&request->body, http->opts.max_body_bytes + 1); /* one to see that there is more */
		}
		return request;
	}
	request->next = NULL;
	return request;
}

static void request_free(struct weir_http_request *request)
{
	weir_coding_close(&request->coding);
	weir_buf_fini(&request->body);
	free(request);
}

static void request_put(struct weir_http_request *request)
{
	struct weir_http *http = request->http;
	struct weir_http_request fresh = { .http = http, .body = request->body, .coding = request->coding };
	bool is_kept;

	if (request->body.capacity > IDLE_BODY_BYTES) {
		request_free(request);
		return;
	}
	*request = fresh;
	weir_buf_clear(&request->body);
	pthread_mutex_lock(&http->lock);
	is_kept = http->idle_count < IDLE_REQUESTS;
	if (is_kept) {
		request->next = http->idle;
		http->idle = request;
		http->idle_count++;
	}
	pthread_mutex_unlock(&http->lock);
	if (!is_kept) {
		request_free(request);
	}
}

void weir_http_request_free_idle(struct weir_http *http)
{
	while (http->idle != NULL) {
		struct weir_http_request *request = http->idle;

		http->idle = request->next;
		request_free(request);
	}
	http->idle_count = 0;
}

static void peer_write(struct weir_http_request *request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info != NULL ? info->client_addr : NULL;
	const void *bytes = NULL;

	snprintf(request->peer, sizeof(request->peer), "unix:");
	if (address != NULL && address->sa_family == AF_INET) {
		bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
	} else if (address != NULL && address->sa_family == AF_INET6) {
		bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
	}
	if (bytes != NULL) {
		inet_ntop(address->sa_family, bytes, request->peer, sizeof(request->peer));
	}
}

static void refuse(struct weir_http_request *request, unsigned status, const char *text)
{
	if (request->refusal == 0) {
		request->refusal = status;
		request->refusal_text = text;
	}
}

/* The bank whose body this was counts it. */
static void tell_refused(const struct weir_http_request *request)
{
	const struct weir_http_route *route = request->route;

	if (route == NULL || route->refused == NULL) {
		return;
	}
	if (request->refusal == 413) {
		route->refused(route->ctx, WEIR_ROUTE_TOO_LARGE);
	} else if (request->refusal == 400 || request->refusal == 415) {
		route->refused(route->ctx, WEIR_ROUTE_MALFORMED);
	}
}

static bool is_path_of(const struct weir_http_route *route, struct weir_str path, struct weir_str *ret_rest)
{
	size_t length = strlen(route->path);

	if (length > 0 && route->path[length - 1] == '*') {
		if (path.length < length - 1 || memcmp(path.data, route->path, length - 1) != 0) {
			return false;
		}
		*ret_rest = weir_str_make(path.data + length - 1, path.length - length + 1);
		return true;
	}
	*ret_rest = weir_str_of("");
	return weir_str_is(path, route->path);
}

static void allow_add(struct weir_http_request *request, const char *method)
{
	size_t used = strlen(request->allow);

	if (strstr(request->allow, method) == NULL) {
		snprintf(request->allow + used, sizeof(request->allow) - used, "%s%s", used > 0 ? ", " : "", method);
	}
}

/* First match wins. Without one: 404, or 405 with all methods of that path. */
static void route_find(struct weir_http_request *request)
{
	struct weir_str wanted = weir_str_is(request->method, "HEAD") ? weir_str_of("GET") : request->method;

	for (size_t i = 0; i < request->http->opts.route_count; i++) {
		const struct weir_http_route *route = &request->http->routes[i];
		struct weir_str rest;

		if (!is_path_of(route, request->path, &rest)) {
			continue;
		}
		if (weir_str_is(wanted, route->method)) {
			request->route = route;
			request->rest = rest;
			request->allow[0] = '\0';
			return;
		}
		allow_add(request, route->method);
		if (strcmp(route->method, "GET") == 0) {
			allow_add(request, "HEAD");
		}
	}
	if (request->allow[0] != '\0') {
		refuse(request, 405, "this path has other methods\n");
	} else {
		refuse(request, 404, "there is nothing at this path\n");
	}
}

static void coding_find(struct weir_http_request *request)
{
	struct weir_str coding = weir_str_trim(weir_http_request_header(request, "Content-Encoding"));

	if (coding.length == 0 || weir_str_equal_ignoring_case(coding, "identity")) {
		return;
	}
	if (!weir_str_equal_ignoring_case(coding, "gzip") && !weir_str_equal_ignoring_case(coding, "x-gzip") &&
		!weir_str_equal_ignoring_case(coding, "deflate")) {
		refuse(request, 415, "weir reads gzip, deflate and plain bodies\n");
		return;
	}
	request->is_gzip = true;
	if (weir_coding_open(&request->coding) != 0) {
		refuse(request, 503, "out of memory\n");
	}
}

/* A header block that is too large is not worth reading on for, nor a body far
 * above the limit, nor one that the client asks about first (Expect). */
static bool is_hopeless(const struct weir_http_request *request)
{
	unsigned long long length;

	if (request->refusal == 431) {
		return true;
	}
	return request->refusal == 413 &&
	       (weir_str_to_u64(weir_http_request_header(request, "Content-Length"), &length) != 0 ||
		       length / DISCARD_BODIES > request->http->opts.max_body_bytes ||
		       weir_http_request_header(request, "Expect").length > 0);
}

static void sizes_check(struct weir_http_request *request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	unsigned long long length;
	int fault = weir_str_to_u64(weir_http_request_header(request, "Content-Length"), &length);

	if (info != NULL && info->header_size > request->http->opts.max_header_bytes) {
		refuse(request, 431, "the headers are larger than limits.header\n");
	} else if (fault == -ERANGE || (fault == 0 && length > request->http->opts.max_body_bytes)) {
		refuse(request, 413, "the body is larger than limits.message\n");
	} else if (fault == 0 && weir_http_request_header(request, "Content-Encoding").length == 0) {
		weir_buf_reserve(&request->body, (size_t)length); /* in one piece; if it fails, so will the append */
		if (length == 0) {
			weir_buf_clear(&request->body);
		}
	}
}

static enum MHD_Result queue_ready(struct weir_http_request *request);

static enum MHD_Result begin(struct weir_http *http, struct MHD_Connection *connection, const char *url,
	const char *method, void **request_ctx)
{
	struct weir_http_request *request = request_get(http);
	const union MHD_ConnectionInfo *info;

	if (request == NULL) {
		return MHD_NO;
	}
	*request_ctx = request;
	request->connection = connection;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	request->socket = info != NULL ? info->socket_context : NULL;
	request->method = weir_str_of(method);
	request->path = weir_str_of(url);
	request->deadline_ns = weir_clock_monotonic_ns() + http->opts.query_s * UINT64_C(1000000000);
	peer_write(request);
	route_find(request);
	sizes_check(request);
	if (is_hopeless(request)) {
		tell_refused(request);
		weir_http_answer_refuse(request, request->refusal, request->refusal_text, 0);
		return queue_ready(request);
	}
	coding_find(request);
	return MHD_YES;
}

/* ---- the body ------------------------------------------------------------ */

static enum MHD_Result take_body(struct weir_http_request *request, struct weir_str piece)
{
	size_t limit = request->http->opts.max_body_bytes;
	int outcome = 0;

	if (request->refusal != 0) {
		request->discarded_bytes += piece.length;
		return request->discarded_bytes / DISCARD_BODIES > limit ? MHD_NO : MHD_YES;
	}
	if (request->is_gzip) {
		outcome = weir_coding_read(&request->coding, piece, limit, &request->body);
	} else if (piece.length > limit - request->body.length) {
		outcome = WEIR_CODING_TOO_LARGE;
	} else {
		weir_buf_add_str(&request->body, piece);
		outcome = weir_buf_error(&request->body);
	}
	if (outcome == WEIR_CODING_TOO_LARGE) {
		refuse(request, 413, "the body is larger than limits.message\n");
	} else if (outcome == WEIR_CODING_MALFORMED) {
		weir_stat_add(WEIR_STAT_MALFORMED_GZIP, 1);
		refuse(request, 400, "the body is not what its Content-Encoding says\n");
	} else if (outcome < 0) {
		refuse(request, 503, "out of memory\n");
	}
	return MHD_YES;
}

/* ---- the answer ---------------------------------------------------------- */

static void count_status(unsigned status)
{
	if (status < 300) {
		weir_stat_add(WEIR_STAT_HTTP_2XX, 1);
	} else if (status < 400) {
		weir_stat_add(WEIR_STAT_HTTP_3XX, 1);
	} else if (status < 500) {
		weir_stat_add(WEIR_STAT_HTTP_4XX, 1);
	} else {
		weir_stat_add(WEIR_STAT_HTTP_5XX, 1);
	}
}

static enum MHD_Result queue_ready(struct weir_http_request *request)
{
	enum MHD_Result result;

	if (request->ready == NULL) {
		return MHD_NO; /* no memory for an answer */
	}
	weir_http_accept_doing(request->http, request->socket, WEIR_HTTP_WRITING);
	count_status(request->ready_status);
	result = MHD_queue_response(request->connection, request->ready_status, request->ready);
	MHD_destroy_response(request->ready);
	request->ready = NULL;
	return result;
}

/* The body is complete: decide who answers. */
static enum MHD_Result body_complete(struct weir_http_request *request)
{
	struct weir_http *http = request->http;

	request->is_answering = true;
	pthread_mutex_lock(&http->lock);
	http->answering++;
	pthread_mutex_unlock(&http->lock);
	if (request->refusal == 0 && request->is_gzip && weir_coding_finish(&request->coding) != 0) {
		weir_stat_add(WEIR_STAT_MALFORMED_GZIP, 1);
		refuse(request, 400, "the compressed body breaks off\n");
	}
	if (request->refusal != 0) {
		tell_refused(request);
		weir_http_answer_refuse(request, request->refusal, request->refusal_text, 0);
		return queue_ready(request);
	}
	weir_http_accept_doing(http, request->socket, WEIR_HTTP_HANDLING);
	if (request->route->kind == WEIR_ROUTE_QUERY) {
		MHD_suspend_connection(request->connection);
		if (weir_http_pool_put(&http->pool, request) == WEIR_HTTP_POOL_FULL) {
			weir_stat_add(WEIR_STAT_QUERY_SHED, 1);
			weir_http_answer_refuse(request, 503, "too many queries wait\n", 1);
			MHD_resume_connection(request->connection);
		}
		return MHD_YES;
	}
	pthread_mutex_lock(&http->ingest_lock);
	request->route->fn(request->route->ctx, request, &request->response);
	pthread_mutex_unlock(&http->ingest_lock);
	weir_http_answer_make(request);
	if (request->response.park_position > 0 && request->ready_status < 300 && http->opts.ack != NULL) {
		weir_http_park(request);
		return MHD_YES;
	}
	return queue_ready(request);
}

enum MHD_Result weir_http_request_access(void *ctx, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size, void **request_ctx)
{
	struct weir_http_request *request = *request_ctx;

	(void)version;
	if (request == NULL) {
		return begin(ctx, connection, url, method, request_ctx);
	}
	if (*upload_size > 0) {
		struct weir_str piece = weir_str_make(upload, *upload_size);

		*upload_size = 0;
		return take_body(request, piece);
	}
	if (!request->is_whole) {
		/* libmicrohttpd 0.9.75 reads once more from a connection that is resumed, if it was last to read: a
		 * client that had ended its half by then would get no answer. Asked again, it was not. */
		request->is_whole = true;
		return MHD_YES;
	}
	return request->is_answering ? queue_ready(request) : body_complete(request);
}

void weir_http_request_completed(
	void *ctx, struct MHD_Connection *connection, void **request_ctx, enum MHD_RequestTerminationCode why)
{
	struct weir_http *http = ctx;
	struct weir_http_request *request = *request_ctx;

	(void)connection;
	(void)why; /* a client that went away misses its answer: its affair */
	if (request == NULL) {
		return;
	}
	*request_ctx = NULL;
	weir_http_accept_doing(http, request->socket, WEIR_HTTP_READING);
	if (request->is_answering) {
		pthread_mutex_lock(&http->lock);
		http->answering--;
		pthread_cond_signal(&http->is_answered);
		pthread_mutex_unlock(&http->lock);
	}
	if (request->ready != NULL) {
		MHD_destroy_response(request->ready);
	}
	weir_http_answer_body_fini(&request->response);
	request_put(request);
}
