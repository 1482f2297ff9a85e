/* test_attribute_request: what the attributes of a request are, by its row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attribute_scene.h"

/* ---- requests ----------------------------------------------------------- */

static void requests_are_told_by_their_row(void **state)
{
	struct attribute_scene scene;
	struct weir_request *request;

	(void)state;
	attribute_scene_begin(&scene, WEIR_SIGNAL_ACCESS_LOG);
	request = batch_maker_request(&scene.maker);
	request->start_ns = 1000000000;
	request->duration_ns = 2500000;
	request->request_bytes = 17;
	request->response_bytes = 1234;
	request->request_messages = 2;
	request->response_messages = 3;
	request->grpc_status = 14;
	request->response_code = 503;
	request->method = WEIR_METHOD_POST;
	request->http_version = 3;
	request->attempts = 2;
	request->authority = attribute_scene_text(&scene, "reviews:9080");
	request->path = attribute_scene_text(&scene, "/a/b?x=1&y=&z#frag");
	request->user_agent = attribute_scene_text(&scene, "curl/8");
	request->request_id = attribute_scene_text(&scene, "id-1");
	request->route = attribute_scene_text(&scene, "default");
	request->code_details = attribute_scene_text(&scene, "via_upstream");
	request->trace_id = attribute_scene_text(&scene, "0af7651916cd43dd");
	attribute_scene_finish(&scene, true, 0);
	attribute_scene_are(&scene, (const struct attribute_row[]){
					    { "request.method", "POST" },
					    { "request.path", "/a/b?x=1&y=&z#frag" },
					    { "request.url_path", "/a/b" },
					    { "request.query_params[x]", "1" },
					    { "request.query_params[y]", NULL },
					    { "request.query_params[z]", NULL },
					    { "request.host", "reviews:9080" },
					    { "request.useragent", "curl/8" },
					    { "request.id", "id-1" },
					    { "request.time", "1970-01-01T00:00:01.000000Z" },
					    { "response.time", "1970-01-01T00:00:01.002500Z" },
					    { "context.time", "1970-01-01T00:00:01.002500Z" },
					    { "response.duration", "2.5ms" },
					    { "weir.duration_ms", "2" },
					    { "request.size", "17" },
					    { "request.total_size", "17" },
					    { "response.size", "1234" },
					    { "response.total_size", "1234" },
					    { "request.messages", "2" },
					    { "response.messages", "3" },
					    { "response.code", "503" },
					    { "response.grpc_status", "14" },
					    { "response.code_details", "via_upstream" },
					    { "request.protocol", "HTTP/2" },
					    { "request.attempts", "2" },
					    { "weir.route", "default" },
					    { "weir.trace_id", "0af7651916cd43dd" },
					    { "connection.id", NULL },
					    { "connection.sent.bytes", NULL },
					    /* What is a field is no attribute beside it: the header is the field. */
					    { "request.headers", "" },
					    { "request.headers[:path]", "/a/b?x=1&y=&z#frag" },
					    { "request.headers[:method]", "POST" },
					    { "request.headers[:authority]", "reviews:9080" },
					    { "request.headers[user-agent]", "curl/8" },
					    { "request.headers[x-request-id]", "id-1" },
					    { "request.headers[x-other]", NULL },
					    { "response.headers[:status]", "503" },
					    { NULL, NULL },
				    });
	batch_maker_fini(&scene.maker);
}

static void empty_texts_are_unset_and_numbers_are_not(void **state)
{
	struct attribute_scene scene;

	(void)state;
	attribute_scene_begin(&scene, WEIR_SIGNAL_ACCESS_LOG);
	(void)batch_maker_request(&scene.maker);
	attribute_scene_finish(&scene, true, 0);
	attribute_scene_are(&scene, (const struct attribute_row[]){
					    { "request.method", NULL },
					    { "request.path", NULL },
					    { "request.url_path", NULL },
					    { "request.protocol", NULL },
					    { "request.time", NULL },
					    { "response.time", NULL },
					    { "response.grpc_status", NULL },
					    { "response.code", "0" },
					    { "request.size", "0" },
					    { "response.duration", "0s" },
					    { "response.headers[:status]", NULL },
					    { NULL, NULL },
				    });
	batch_maker_fini(&scene.maker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_told_by_their_row),
		cmocka_unit_test(empty_texts_are_unset_and_numbers_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
