/* page: its files, their policy and their entity tags; durations of arguments. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "exporters/page.h"
#include "fakes.h"

static int reset(void **state)
{
	(void)state;
	fakes = (struct fakes){ 0 };
	return 0;
}

static void index_is_served_with_a_strict_policy(void **state)
{
	struct weir_http_response response = fakes_call(weir_page_index);

	(void)state;
	assert_int_equal(response.status, 200);
	assert_string_equal(response.content_type, "text/html; charset=utf-8");
	assert_non_null(strstr(response.body.data, "<title>weir</title>"));
	assert_non_null(strstr(response.content_security_policy, "default-src 'none'"));
	assert_null(strstr(response.content_security_policy, "unsafe"));
	assert_non_null(response.etag);
	fakes_free(&response);
}

static void known_tag_is_304_without_a_body(void **state)
{
	struct weir_http_response response;
	char tags[64];

	(void)state;
	fakes.rest = "app.js";
	response = fakes_call(weir_page_file);
	assert_string_equal(response.content_type, "text/javascript; charset=utf-8");
	snprintf(tags, sizeof(tags), "\"other\", W/%s", response.etag);
	fakes_free(&response);
	fakes.if_none_match = tags;
	response = fakes_call(weir_page_file);
	assert_int_equal(response.status, 304);
	assert_int_equal(response.body.length, 1); /* the test's own NUL */
	assert_non_null(response.etag);
	fakes_free(&response);
	fakes.if_none_match = "\"other\"";
	response = fakes_call(weir_page_file);
	assert_int_equal(response.status, 200);
	fakes_free(&response);
}

static void files_ask_for_nothing_foreign(void **state)
{
	static const char *const names[] = { "index.html", "style.css", "app.js" };
	static const char *const foreign[] = { "https://", "//cdn", "@import", "style=\"", "onclick=\"", "<script>" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct weir_http_response response;

		fakes.rest = names[i];
		response = fakes_call(weir_page_file);
		assert_int_equal(response.status, 200);
		for (size_t j = 0; j < sizeof(foreign) / sizeof(foreign[0]); j++) {
			assert_null(strstr(response.body.data, foreign[j]));
		}
		fakes_free(&response);
	}
}

static void other_names_are_404(void **state)
{
	static const char *const names[] = { "", "app", "../app.js", "app.js.map" };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct weir_http_response response;

		fakes.rest = names[i];
		response = fakes_call(weir_page_file);
		assert_int_equal(response.status, 404);
		fakes_free(&response);
	}
}

static void durations_are_read_as_go_writes_them(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = { { "5m", 300000000000u }, { "1h30m", 5400000000000u }, { "1.5s", 1500000000u },
		{ "10ms", 10000000u }, { "0", 0 }, { "1us", 1000 }, { "1\xc2\xb5s", 1000 },
		{ "168h", 604800000000000u } };
	static const char *const bad[] = { "", "5", "m", "-5m", "5m ", "1.2.3s", "5x", "169h", "1e3s",
		"99999999999999999999h" };
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(weir_answer_duration(weir_str_of(good[i].text), &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(weir_answer_duration(weir_str_of(bad[i]), &ns) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(index_is_served_with_a_strict_policy, reset),
		cmocka_unit_test_setup(known_tag_is_304_without_a_body, reset),
		cmocka_unit_test_setup(files_ask_for_nothing_foreign, reset),
		cmocka_unit_test_setup(other_names_are_404, reset),
		cmocka_unit_test_setup(durations_are_read_as_go_writes_them, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
