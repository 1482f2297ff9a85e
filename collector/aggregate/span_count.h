/* span_count: spans and calls become the metrics of rules/traces.h. Private to the room. */
#ifndef WEIR_AGGREGATE_SPAN_COUNT_H
#define WEIR_AGGREGATE_SPAN_COUNT_H

#include "aggregate/series.h"
#include "rules/traces.h"

#define WEIR_SPAN_COUNT_KNOWN 8192u /* label sets that are found without a text */

struct weir_span_counts {
	struct weir_series *series; /* over weir_traces_schema */
	struct weir_text *names;    /* of services */
	uint64_t seed;
	struct weir_span_known { /* a cache, no state */
		uint64_t low, high;
		struct weir_series_hit hits[2];
		uint32_t count;
		uint32_t changes; /* of the series: a hit in an overflow set holds as long as they are so many */
	} * known;
	struct weir_buf text;
};

void weir_span_counts_init(
	struct weir_span_counts *counts, struct weir_series *series, struct weir_text *names, uint64_t seed);
void weir_span_counts_fini(struct weir_span_counts *counts);
/* Sets were removed: what was known is not true any more. */
void weir_span_counts_forget(struct weir_span_counts *counts);

struct weir_span_moment { /* of the batch at hand */
	uint64_t created_ns, received_ns;
	uint32_t now; /* weir_fold_moment() */
};

/* One span; `service` is the number of its name. */
void weir_span_count(struct weir_span_counts *counts, const struct weir_batch *batch, const struct weir_span *span,
	uint32_t service, const struct weir_span_moment *moment);

struct weir_span_call {          /* two spans that met, or one that nobody came for */
	uint32_t client, server; /* numbers of services; WEIR_TEXT_EMPTY: not known */
	enum weir_traces_connection connection;
	bool is_error, is_unpaired;
	bool has_client, has_server; /* durations */
	uint64_t client_us, server_us;
};
void weir_span_call(
	struct weir_span_counts *counts, const struct weir_span_call *call, const struct weir_span_moment *moment);

#endif
