/* facts: what the maker of a capture counted, and a table in which counts are compared. */
#include "tests/support/facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FLAGS_MAX 32u

/* ---- rows --------------------------------------------------------------- */

/* Its place, or where it would stand. */
static size_t row_find(const struct rows *rows, const char *text)
{
	size_t i = 0;

	while (i < rows->count && strcmp(rows->row[i].text, text) != 0) {
		i++;
	}
	return i;
}

void rows_add(struct rows *rows, const char *text, long long n)
{
	size_t i = row_find(rows, text);

	assert_true(i < FACTS_ROWS_MAX && strlen(text) < sizeof(rows->row[i].text));
	if (i == rows->count) {
		rows->count++;
		strcpy(rows->row[i].text, text);
		rows->row[i].n = 0;
	}
	rows->row[i].n += n;
}

long long rows_get(const struct rows *rows, const char *text)
{
	size_t i = row_find(rows, text);

	return i < rows->count ? rows->row[i].n : 0;
}

int rows_differences(const struct rows *want, const struct rows *have)
{
	int n = 0;

	for (size_t i = 0; i < want->count; i++) {
		long long found = rows_get(have, want->row[i].text);

		if (want->row[i].n != found) {
			print_error("want %lld have %lld: %s\n", want->row[i].n, found, want->row[i].text);
			n++;
		}
	}
	for (size_t i = 0; i < have->count; i++) {
		if (rows_get(want, have->row[i].text) == 0 && have->row[i].n != 0) {
			print_error("have only %lld: %s\n", have->row[i].n, have->row[i].text);
			n++;
		}
	}
	return n;
}

/* ---- files -------------------------------------------------------------- */

struct weir_mtcap *facts_capture(const char *folder, const char *name)
{
	struct weir_mtcap *mtcap;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s.mtcap", folder, name);
	assert_int_equal(weir_mtcap_open(path, &mtcap), 0);
	return mtcap;
}

json_t *facts_load(const char *folder, const char *name)
{
	json_error_t error;
	char path[4096];
	json_t *facts;

	snprintf(path, sizeof(path), "%s/%s.facts.json", folder, name);
	facts = json_load_file(path, 0, &error);
	if (facts == NULL) {
		fail_msg("%s: %s", path, error.text);
	}
	return facts;
}

const char *facts_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

long long facts_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* ---- edges -------------------------------------------------------------- */

void facts_flags_sort(char flags[FACTS_FLAGS_BYTES])
{
	char copy[FACTS_FLAGS_BYTES], *parts[FLAGS_MAX], *save = NULL;
	size_t count = 0;

	assert_true(strlen(flags) < sizeof(copy));
	strcpy(copy, flags);
	for (char *part = strtok_r(copy, ",", &save); part != NULL; part = strtok_r(NULL, ",", &save)) {
		size_t at = count++;

		assert_true(at < FLAGS_MAX);
		for (; at > 0 && strcmp(parts[at - 1], part) > 0; at--) {
			parts[at] = parts[at - 1];
		}
		parts[at] = part;
	}
	flags[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		strcat(flags, i > 0 ? "," : "");
		strcat(flags, parts[i]);
	}
}

void facts_end(const json_t *edge, char *end, size_t size)
{
	bool is_source = strcmp(facts_text(edge, "reporter"), "source") == 0;
	const char *flags = facts_text(edge, "response_flags");

	snprintf(end, size, "%s", facts_text(edge, is_source ? "destination_service" : "destination_workload"));
	if (is_source && strcmp(flags, "FI") == 0) {
		*strchrnul(end, '.') = '\0';
	} else if (is_source && end[0] == '\0') {
		snprintf(end, size, "%s", strcmp(flags, "NR") == 0 ? "unknown" : "BlackHoleCluster");
	}
}
