/* test_path_template: which parts of a path are ids, and how much of it there may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/label.h"
#include "rules/ruleset/path_template.h"

static struct weir_scratch scratch;

static void expect(const char *path, const char *want)
{
	struct weir_str got;
	char text[WEIR_LABEL_VALUE_MAX + 1];

	weir_scratch_reset(&scratch);
	got = weir_path_template(weir_str_of(path), &scratch);
	assert_non_null(got.data);
	assert_true(got.length <= WEIR_LABEL_VALUE_MAX);
	memcpy(text, got.data, got.length);
	text[got.length] = '\0';
	assert_string_equal(text, want);
}

static void what_looks_like_one_of_many_is_an_id(void **state)
{
	static const struct {
		const char *path, *want;
	} cases[] = {
		{ "/", "/" },
		{ "/users", "/users" },
		{ "/users/", "/users/" },
		{ "/users/4711", "/users/{id}" },
		{ "/users/4711/orders?page=2", "/users/{id}/orders" },
		{ "/users/4711#top", "/users/{id}" },
		{ "/?q=1", "/" },
		{ "//x//", "//x//" },
		{ "/v1/items", "/v1/items" },
		{ "/v1/items/3f2c9a52-11aa-4c0e-9d7f-6f1f0a2b3c4d", "/v1/items/{id}" },
		{ "/v1/items/3f2c9a52-11aa-4c0e-9d7f-6f1f0a2b3c4d.png", "/v1/items/{id}" },
		{ "/blobs/9f86d081884c7d65", "/blobs/{id}" },
		{ "/blobs/9F86D081884C7D65", "/blobs/{id}" },
		{ "/blobs/9f86d081", "/blobs/9f86d081" },
		{ "/words/feedfacefeedface", "/words/feedfacefeedface" },
		{ "/reports/2026-11-23", "/reports/{id}" },
		{ "/at/10.0.0.7:8080", "/at/{id}" },
		{ "/at/52.5,13.4", "/at/{id}" },
		{ "/reset/eyJhbGciOiJIUzI1NiIsInR5cCI6", "/reset/{id}" },
		{ "/a-rather-long-word-of-the-path", "/a-rather-long-word-of-the-path" },
		{ "/pkg.Service/Method", "/pkg.Service/Method" },
		{ "/users/{id}", "/users/{id}" },
		{ "/stra\xc3\x9f"
		  "e/7",
			"/stra\xc3\x9f"
			"e/{id}" },
		{ "yes", "yes" },
		{ "12?3", "12?3" },
		{ "*", "*" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		expect(cases[i].path, cases[i].want);
	}
}

static void what_is_too_much_becomes_an_ellipsis(void **state)
{
	char path[4096], want[4096] = "";

	(void)state;
	path[0] = '\0';
	for (unsigned i = 0; i < WEIR_PATH_SEGMENTS_MAX; i++) {
		strcat(path, "/a");
	}
	expect(path, path);
	strcpy(want, path);
	strcat(path, "/b/c");
	strcat(want, "/\xe2\x80\xa6");
	expect(path, want);

	memset(path, 'x', sizeof(path)); /* a segment that does not fit at all */
	path[0] = '/';
	path[4000] = '\0';
	expect(path, "/\xe2\x80\xa6");
}

static void a_template_is_its_own_template(void **state)
{
	uint64_t seed = 4711;
	char path[1500], once[WEIR_LABEL_VALUE_MAX + 1];

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		static const char letters[] = "/0123456789abcdefghij-_.?\xc3";
		size_t length;
		struct weir_str got;

		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
		length = 1 + (seed >> 33) % (round % 100 == 0 ? 1400 : 60);
		path[0] = '/';
		for (size_t i = 1; i < length; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			path[i] = letters[(seed >> 33) % (sizeof(letters) - 1)];
		}
		path[length] = '\0';
		weir_scratch_reset(&scratch);
		got = weir_path_template(weir_str_make(path, length), &scratch);
		assert_true(got.length > 0 && got.length <= WEIR_LABEL_VALUE_MAX);
		memcpy(once, got.data, got.length);
		once[got.length] = '\0';
		expect(once, once);
	}
}

static void without_room_there_is_no_template(void **state)
{
	(void)state;
	scratch.used = WEIR_SCRATCH_BYTES - 10;
	assert_null(weir_path_template(weir_str_of("/a"), &scratch).data);
	assert_true(weir_str_is(weir_path_template(weir_str_of("no path"), &scratch), "no path"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_looks_like_one_of_many_is_an_id),
		cmocka_unit_test(what_is_too_much_becomes_an_ellipsis),
		cmocka_unit_test(a_template_is_its_own_template),
		cmocka_unit_test(without_room_there_is_no_template),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
