/* federate: text in, chosen lines out; and the route around it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "exporters/metrics/federate.h"
#include "exporters/metrics/scrape.h"
#include "fakes.h"

static const char exposition[] = "# HELP istio_requests_total Requests.\n"
				 "# TYPE istio_requests_total counter\n"
				 "istio_requests_total{reporter=\"source\",response_code=\"200\"} 17\n"
				 "istio_requests_total{reporter=\"destination\",response_code=\"503\"} 2\n"
				 "istio_requests_total 1\n"
				 "# HELP lone_total Never chosen: \"istio_requests_total\".\n"
				 "# TYPE lone_total counter\n"
				 "lone_total{path=\"a\\\\b \\\"c\\\" {d} e\\nf\",z=\"1\"} 3 1700000000000\n"
				 "# HELP istio_request_bytes Bytes.\n"
				 "# TYPE istio_request_bytes histogram\n"
				 "istio_request_bytes_bucket{reporter=\"source\",le=\"1\"} 1\n"
				 "istio_request_bytes_bucket{reporter=\"source\",le=\"+Inf\"} 7\n"
				 "istio_request_bytes_sum{reporter=\"source\"} 1234.5\n"
				 "istio_request_bytes_count{reporter=\"source\"} 7\n"
				 "# EOF\n";

static char *filtered(const char *const *texts, size_t piece_lines)
{
	struct weir_federate federate;
	struct weir_selectors selectors;
	struct weir_arena arena;
	struct weir_buf out, why;
	const char *at = exposition;

	weir_arena_init(&arena, 65536, 1u << 20);
	weir_buf_init(&out, 0);
	weir_buf_init(&why, 0);
	assert_int_equal(weir_selectors_init(&selectors, &arena, 0), 0);
	for (; *texts != NULL; texts++) {
		assert_int_equal(weir_selectors_add(&selectors, weir_str_of(*texts), &why), 0);
	}
	weir_federate_init(&federate, &selectors);
	while (*at != '\0') {
		const char *end = at;
		char *piece;

		for (size_t i = 0; i < piece_lines && *end != '\0'; i++) {
			end = strchr(end, '\n') + 1;
		}
		piece = strndup(at, (size_t)(end - at)); /* which is gone when the next one comes */
		assert_int_equal(weir_federate_take(&federate, weir_str_of(piece), &out), 0);
		free(piece);
		at = end;
	}
	weir_federate_fini(&federate);
	weir_buf_fini(&why);
	weir_arena_fini(&arena);
	weir_buf_add_char(&out, '\0');
	assert_int_equal(weir_buf_error(&out), 0);
	return out.data;
}

static void assert_chosen(const char *expected, const char *const *texts)
{
	for (size_t piece_lines = 1; piece_lines < 20; piece_lines++) {
		char *text = filtered(texts, piece_lines);

		assert_string_equal(text, expected);
		free(text);
	}
}

static void chosen_samples_stand_with_their_head(void **state)
{
	(void)state;
	assert_chosen("# HELP istio_requests_total Requests.\n"
		      "# TYPE istio_requests_total counter\n"
		      "istio_requests_total{reporter=\"destination\",response_code=\"503\"} 2\n",
		(const char *const[]){ "{response_code=~\"5..\"}", NULL });
	assert_chosen("# HELP istio_requests_total Requests.\n"
		      "# TYPE istio_requests_total counter\n"
		      "istio_requests_total 1\n",
		(const char *const[]){ "istio_requests_total{reporter=\"\"}", NULL });
	assert_chosen("", (const char *const[]){ "istio_requests", "{le=\"2\"}", NULL });
}

static void a_histograms_samples_go_by_their_own_names(void **state)
{
	(void)state;
	assert_chosen("# HELP istio_request_bytes Bytes.\n"
		      "# TYPE istio_request_bytes histogram\n"
		      "istio_request_bytes_bucket{reporter=\"source\",le=\"+Inf\"} 7\n"
		      "istio_request_bytes_count{reporter=\"source\"} 7\n",
		(const char *const[]){ "istio_request_bytes_bucket{le=\"+Inf\"}", "istio_request_bytes_count", NULL });
	assert_chosen("", (const char *const[]){ "istio_request_bytes", NULL });
}

static void escaped_values_are_compared_as_they_are_meant(void **state)
{
	static const char expected[] = "# HELP lone_total Never chosen: \"istio_requests_total\".\n"
				       "# TYPE lone_total counter\n"
				       "lone_total{path=\"a\\\\b \\\"c\\\" {d} e\\nf\",z=\"1\"} 3 1700000000000\n";

	(void)state;
	assert_chosen(expected, (const char *const[]){ "{path=`a\\b \"c\" {d} e\nf`,z=\"1\"}", NULL });
	assert_chosen(expected, (const char *const[]){ "{path=~\"a.b .c. .d. e\\nf\"}", NULL });
	assert_chosen("", (const char *const[]){ "{path=`a\\\\b`}", NULL });
}

static void everything_chosen_is_everything(void **state)
{
	char *text = filtered((const char *const[]){ "{__name__!=\"\"}", NULL }, 3);
	size_t length = sizeof(exposition) - 1 - strlen("# EOF\n");

	(void)state;
	assert_int_equal(strlen(text), length);
	assert_memory_equal(text, exposition, length);
	free(text);
}

static void what_is_no_exposition_is_a_fault(void **state)
{
	static const char *const texts[] = { "a\n", "{a=\"b\"} 1\n", "a{b=\"c} 1\n", "a{b=c} 1\n", "a{b\n", "a{\n",
		"a{b=\"c\\\"} 1\n", " 1\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct weir_federate federate;
		struct weir_selectors selectors;
		struct weir_arena arena;
		struct weir_buf out, why;

		weir_arena_init(&arena, 65536, 1u << 20);
		weir_buf_init(&out, 0);
		weir_buf_init(&why, 0);
		assert_int_equal(weir_selectors_init(&selectors, &arena, 0), 0);
		assert_int_equal(weir_selectors_add(&selectors, weir_str_of("a{b=\"c\"}"), &why), 0);
		weir_federate_init(&federate, &selectors);
		assert_int_equal(weir_federate_take(&federate, weir_str_of(texts[i]), &out), -EINVAL);
		assert_int_equal(weir_federate_take(&federate, weir_str_of("a{b=\"c\"} 1\n"), &out), -EINVAL);
		assert_int_equal(out.length, 0);
		weir_federate_fini(&federate);
		weir_arena_fini(&arena);
	}
}

/* ---- the route ------------------------------------------------------------- */

static struct weir_http_response call(const char *const *texts)
{
	static const struct weir_snapshot snapshot = { .parts = 0 };

	memset(&fakes, 0, sizeof(fakes));
	fakes.snapshot = &snapshot;
	fakes.deadline_ns = UINT64_MAX;
	for (unsigned i = 0; texts[i] != NULL; i++) {
		fakes.arguments[i].name = "match[]";
		fakes.arguments[i].value = texts[i];
	}
	return fakes_call(weir_scrape_federate);
}

static void the_route_answers_what_is_chosen(void **state)
{
	struct weir_http_response response =
		call((const char *const[]){ "weir_storage_spans", "weir_build_info", NULL });

	(void)state;
	assert_int_equal(response.status, 200);
	assert_string_equal(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
	assert_string_equal(response.body.data, "# HELP weir_build_info Always 1; the version is in the label.\n"
						"# TYPE weir_build_info gauge\n"
						"weir_build_info{version=\"1.2.3\"} 1\n"
						"# HELP weir_storage_spans Spans in the database.\n"
						"# TYPE weir_storage_spans gauge\n"
						"weir_storage_spans 12\n");
	assert_int_equal(fakes.let_go, 1);
	fakes_free(&response);
}

static void nothing_asked_is_nothing_said(void **state)
{
	struct weir_http_response response = call((const char *const[]){ NULL });

	(void)state;
	assert_int_equal(response.status, 200);
	assert_string_equal(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
	assert_string_equal(response.body.data, "");
	fakes_free(&response);
}

static void the_first_bad_selector_is_named(void **state)
{
	struct weir_http_response response = call((const char *const[]){ "up", "{", "}", NULL });

	(void)state;
	assert_int_equal(response.status, 400);
	assert_string_equal(response.body.data,
		"1:2: parse error: unexpected end of input inside braces, expected a label, a name or \"}\"\n");
	assert_int_equal(fakes.let_go, 0);
	fakes_free(&response);
}

static void a_passed_deadline_and_a_stopping_run_are_said(void **state)
{
	struct weir_http_response response;

	(void)state;
	response = call((const char *const[]){ "up", NULL });
	fakes_free(&response);
	fakes.deadline_ns = 1;
	response = fakes_call(weir_scrape_federate);
	assert_int_equal(response.status, 503);
	assert_int_equal(response.retry_after_s, 1);
	fakes_free(&response);
	fakes.snapshot = NULL;
	response = fakes_call(weir_scrape_federate);
	assert_int_equal(response.status, 503);
	fakes_free(&response);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chosen_samples_stand_with_their_head),
		cmocka_unit_test(a_histograms_samples_go_by_their_own_names),
		cmocka_unit_test(escaped_values_are_compared_as_they_are_meant),
		cmocka_unit_test(everything_chosen_is_everything),
		cmocka_unit_test(what_is_no_exposition_is_a_fault),
		cmocka_unit_test(the_route_answers_what_is_chosen),
		cmocka_unit_test(nothing_asked_is_nothing_said),
		cmocka_unit_test(the_first_bad_selector_is_named),
		cmocka_unit_test(a_passed_deadline_and_a_stopping_run_are_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
