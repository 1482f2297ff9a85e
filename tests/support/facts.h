/* facts: what the maker of a capture counted, and a table in which counts are
 * compared. A capture is NAME.mtcap, its facts are NAME.facts.json beside it.
 * For tests of cmocka: what cannot be read fails the test. */
#ifndef WEIR_TESTS_FACTS_H
#define WEIR_TESTS_FACTS_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "tests/support/mtcap.h"

#define FACTS_ROWS_MAX 512u
#define FACTS_FLAGS_BYTES 256u

struct rows { /* text → count; zeroed: none; half a megabyte, so on the heap */
	struct {
		char text[1024];
		long long n;
	} row[FACTS_ROWS_MAX];
	size_t count;
};

/* `n` more of this text. */
void rows_add(struct rows *rows, const char *text, long long n);
/* 0: there is no such row. */
long long rows_get(const struct rows *rows, const char *text);
/* In how many rows the two differ; each is printed. */
int rows_differences(const struct rows *want, const struct rows *have);

/* weir_mtcap_close() ends it. */
struct weir_mtcap *facts_capture(const char *folder, const char *name);
/* json_decref() ends it. */
json_t *facts_load(const char *folder, const char *name);
/* A member of an object; "" and 0 when it has none. */
const char *facts_text(const json_t *object, const char *key);
long long facts_number(const json_t *object, const char *key);

/* Facts name response flags in the order of the alphabet: so does this, in place, with commas between. */
void facts_flags_sort(char flags[FACTS_FLAGS_BYTES]);
/* What an edge's far end is called: the service at the caller's side, the workload at the callee's. As
 * tests/support/facts.py has it: a fault that was injected has the authority without its domain, a call without a
 * cluster is of "unknown" (no route) or of BlackHoleCluster. */
void facts_end(const json_t *edge, char *end, size_t size);

#endif
