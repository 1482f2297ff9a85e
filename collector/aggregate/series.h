/* series: the metrics' cells, by label text. Private to the room. */
#ifndef WEIR_AGGREGATE_SERIES_H
#define WEIR_AGGREGATE_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/histogram.h"
#include "aggregate/snapshot.h"
#include "aggregate/text.h"

enum weir_series_group {      /* metrics that share a label text */
	WEIR_SERIES_REQUEST,  /* requests, duration, bytes in, bytes out */
	WEIR_SERIES_MESSAGES, /* gRPC messages in, out */
	WEIR_SERIES_TCP,      /* opened, closed, sent, received */
	WEIR_SERIES_GROUPS
};

#define WEIR_SERIES_REQUEST_LINES 8u /* of the cache, that the cells of such a set lie in */

struct weir_series_set { /* the series of one label text; its number is the text's */
	uint64_t created_ns;
	uint32_t cells; /* first word of `cells` */
	uint8_t group, is_dirty, is_overflow, padding;
};

struct weir_series {
	struct weir_text labels;
	struct weir_series_set *sets;
	uint32_t set_capacity;
	uint64_t *cells;
	uint32_t cell_count, cell_capacity;
	uint32_t *dirty, dirty_count, dirty_capacity;
	uint32_t max_series, live_series, overflow_sets;
	uint64_t overflowed; /* records counted in an overflow series */
	struct weir_histogram bounds;
	struct weir_buf scratch;
	struct weir_metric metrics[WEIR_STANDARD_METRICS];
	const struct weir_metric *metric_list[WEIR_STANDARD_METRICS];
};

void weir_series_init(struct weir_series *series, uint32_t max_series, uint64_t seed);
void weir_series_fini(struct weir_series *series);
void weir_series_clear(struct weir_series *series); /* no series, as after init */

/* The set of this label text, made when it is new; beyond the budget an overflow set. */
uint32_t weir_series_set(
	struct weir_series *series, enum weir_series_group group, struct weir_str labels, uint64_t created_ns);

void weir_series_count_request(struct weir_series *series, uint32_t set, uint64_t duration_ms, uint64_t request_bytes,
	uint64_t response_bytes);
void weir_series_count_messages(struct weir_series *series, uint32_t set, uint64_t request, uint64_t response);

/* The cache is asked for what counting a request will touch: first the set, then its cells. */
static inline void weir_series_prefetch(const struct weir_series *series, uint32_t set)
{
	__builtin_prefetch(&series->sets[set], 1);
}

static inline void weir_series_prefetch_cells(const struct weir_series *series, uint32_t set)
{
	const char *cells = (const char *)(series->cells + series->sets[set].cells);

	for (unsigned line = 0; line < WEIR_SERIES_REQUEST_LINES; line++) {
		__builtin_prefetch(cells + line * 64u, 1);
	}
}

struct weir_series_tcp {
	uint64_t opened, closed, sent_bytes, received_bytes;
};
void weir_series_count_tcp(struct weir_series *series, uint32_t set, const struct weir_series_tcp *more);

/* What snapshots are made of: metric `metric` of `set`, if its group has it. */
uint32_t weir_series_words(enum weir_series_group group);
bool weir_series_view(const struct weir_series *series, uint32_t set, uint32_t metric, const uint64_t **ret_words,
	bool *ret_is_histogram);
uint32_t weir_series_count(const struct weir_series *series, uint32_t metric);

void weir_series_save(struct weir_series *series, bool all, struct weir_buf *buf);
int weir_series_load(struct weir_series *series, struct weir_blob_reader *reader);
void weir_series_digest(const struct weir_series *series, XXH3_state_t *state);

#endif
