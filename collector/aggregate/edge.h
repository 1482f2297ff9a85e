/* edge: who calls whom, by evidence. Private to the room. */
#ifndef WEIR_AGGREGATE_EDGE_H
#define WEIR_AGGREGATE_EDGE_H

#include "aggregate/histogram.h"
#include "aggregate/snapshot.h"
#include "aggregate/text.h"

#define WEIR_EDGE_NAME_MAX 256u /* longer names are `_overflow` */

enum {
	WEIR_EDGE_WORKLOAD,
	WEIR_EDGE_NAMESPACE,
	WEIR_EDGE_APP,
	WEIR_EDGE_VERSION,
	WEIR_EDGE_SERVICE,
	WEIR_EDGE_CLUSTER,
	WEIR_EDGE_NAMES
};

struct weir_edge_key { /* numbers of texts */
	uint32_t source[WEIR_EDGE_NAMES], destination[WEIR_EDGE_NAMES];
	uint32_t protocol;
};

struct weir_edge {
	struct weir_edge_key key;
	uint32_t next;                                        /* in its bucket, + 1 */
	uint16_t is_dirty, is_overflow;                       /* is_overflow: one of its names is `_overflow` */
	struct weir_edge_counts *counts[WEIR_EDGE_EVIDENCES]; /* NULL: no such evidence */
};

struct weir_edges {
	struct weir_text *names; /* shared with the pair table */
	struct weir_edge *rows;
	uint32_t count, capacity;
	uint32_t *buckets, bucket_count;
	uint32_t *dirty, dirty_count;
	uint64_t seed, overflowed; /* records counted in an overflow edge */
	struct weir_histogram bounds_us;
};

void weir_edges_init(struct weir_edges *edges, struct weir_text *names, uint64_t seed);
void weir_edges_fini(struct weir_edges *edges);
/* Totals to 0; ends and rates stay (they are history by time, not counters). */
void weir_edges_reset(struct weir_edges *edges);

/* A name as an edge end knows it: its number, or that of `_overflow`. */
uint32_t weir_edges_name(struct weir_edges *edges, struct weir_str name);

/* The edge of this key; when the table is full the overflow edge of its protocol. */
uint32_t weir_edges_find(struct weir_edges *edges, const struct weir_edge_key *key);

struct weir_edge_record { /* one call, or one report about a connection */
	uint64_t time_ns; /* of arrival */
	bool is_error;
	uint64_t duration_us;
	uint64_t opened, closed, sent_bytes, received_bytes; /* connections only */
};
/* The cache is asked for what counting a request will touch: first the edge, then its counts. */
static inline void weir_edges_prefetch(const struct weir_edges *edges, uint32_t edge)
{
	__builtin_prefetch(&edges->rows[edge], 1);
	__builtin_prefetch(&edges->rows[edge].counts, 1);
}

static inline void weir_edges_prefetch_counts(const struct weir_edges *edges, uint32_t edge, unsigned evidence)
{
	const struct weir_edge_counts *counts = edges->rows[edge].counts[evidence];

	__builtin_prefetch(counts, 1); /* NULL does no harm */
	if (counts != NULL) {
		__builtin_prefetch(&counts->buckets[8], 1);
		__builtin_prefetch(&counts->last_ns, 1);
		__builtin_prefetch(&counts->fine_last, 1);
	}
}

void weir_edges_count_request(
	struct weir_edges *edges, uint32_t edge, unsigned evidence, const struct weir_edge_record *record);
void weir_edges_count_connection(
	struct weir_edges *edges, uint32_t edge, unsigned evidence, const struct weir_edge_record *record);

void weir_edges_save(struct weir_edges *edges, bool all, struct weir_buf *buf);
int weir_edges_load(struct weir_edges *edges, struct weir_blob_reader *reader);
void weir_edges_digest(const struct weir_edges *edges, XXH3_state_t *state);

#endif
