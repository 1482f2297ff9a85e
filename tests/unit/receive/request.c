/* request: a listener's side, without sockets; see the header. */
#include "request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct weir_str weir_http_request_body(const struct weir_http_request *request)
{
	return request->body;
}

struct weir_str weir_http_request_peer(const struct weir_http_request *request)
{
	return request->peer;
}

struct weir_str weir_http_request_identity(const struct weir_http_request *request)
{
	return request->identity;
}

struct weir_str weir_http_request_header(const struct weir_http_request *request, const char *name)
{
	assert_string_equal(name, "content-type");
	return request->content_type;
}

void weir_http_response_text(struct weir_http_response *response, unsigned status, const char *text)
{
	response->status = status;
	weir_buf_add_text(&response->body, text);
}

static bool is_failing(void *ctx)
{
	const struct bench *bench = ctx;

	return bench->is_failing;
}

void bench_open(struct bench *bench, uint64_t ring_bytes)
{
	static const uint8_t id[16] = { 1, 2, 3 };
	struct weir_ring_opts opts = { bench->folder, ring_bytes, id, NULL };
	struct weir_ring_recovery recovery;
	struct weir_ring_found found;

	*bench = (struct bench){ .folder = "/tmp/weir-receive-XXXXXX" };
	assert_non_null(mkdtemp(bench->folder));
	opts.directory = bench->folder;
	assert_int_equal(weir_ring_open(&opts, &bench->ring, &found), 0);
	assert_int_equal(weir_ring_recover(bench->ring, 0, 0, &recovery), 0);
	bench->opts = (struct weir_receive_opts){
		.ring = bench->ring, .max_message_bytes = 1 << 20, .is_storage_failing = is_failing, .ctx = bench
	};
}

void bench_close(struct bench *bench)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s", weir_ring_path(bench->ring));
	weir_ring_close(bench->ring);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(bench->folder), 0);
}

const struct weir_batch *bench_next(struct bench *bench)
{
	struct weir_ring_entry entry;

	if (weir_ring_next(bench->ring, 0, &entry) != 0) {
		return NULL;
	}
	assert_true(weir_batch_is_sound(entry.batch, entry.batch->size_bytes));
	return entry.batch;
}

struct weir_http_response post(const struct weir_http_route *route, struct weir_str body, const char *content_type)
{
	struct weir_http_request request = { body, weir_str_of(content_type), weir_str_of("10.0.0.9"),
		weir_str_make(NULL, 0) };
	struct weir_http_response response = { .status = 200 };

	weir_buf_init(&response.body, 0);
	route->fn(route->ctx, &request, &response);
	return response;
}

struct weir_grpc_answer call(const struct weir_grpc_method *method, struct weir_str message)
{
	struct weir_grpc_peer peer = { .address = weir_str_of("ipv4:10.0.0.9:4242") };
	struct weir_grpc_answer answer = { .code = WEIR_GRPC_OK };

	weir_buf_init(&answer.body, 0);
	method->unary(method->ctx, &peer, message, &answer);
	return answer;
}
