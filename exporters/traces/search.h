/* search: Zipkin's query parameters, checked (wire.md 5.6). */
#ifndef WEIR_EXPORTERS_TRACES_SEARCH_H
#define WEIR_EXPORTERS_TRACES_SEARCH_H

#include "base/arena.h"
#include "storage/query.h"

#define WEIR_SEARCH_TAGS 32u
#define WEIR_SEARCH_IDS 256u
#define WEIR_SEARCH_TRACES 10000 /* a larger limit means this many: each costs memory before it is found */

struct weir_search_numbers { /* as given, or the default that the caller put there */
	int64_t end_ms, lookback_ms, limit, min_us, max_us;
	bool has_min, has_max;
};

/* NULL, or the sentence of the refusal, in the reference's words. Fills the
 * numbers of *ret. */
const char *weir_search_numbers(const struct weir_search_numbers *numbers, struct weir_query_search *ret);

/* `http.method=GET and error`: parts joined by ` and `, trimmed; `key=value` is
 * an exact tag, of equal keys the last wins; a part without `=` is an
 * annotation's value or a tag's key. NULL, or the sentence of the refusal.
 * *ret points into `arena` and `text`. */
const char *weir_search_annotations(struct weir_arena *arena, struct weir_str text, struct weir_query_search *ret);

/* A lower-cased copy; data NULL: the arena is full. */
struct weir_str weir_search_lower(struct weir_arena *arena, struct weir_str text);

/* 1 to 32 lower-case hex digits, padded to 16 or 32. NULL, or the sentence. */
const char *weir_search_trace_id(struct weir_str text, uint8_t ret_id[16], bool *ret_is_short);

#endif
