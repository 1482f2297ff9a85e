/* series: the metrics' cells, by label text. Private to the room. */
#ifndef WEIR_AGGREGATE_SERIES_H
#define WEIR_AGGREGATE_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/histogram.h"
#include "aggregate/snapshot.h"
#include "aggregate/text.h"
#include "rules/metric.h"

#define WEIR_SERIES_USED_SHIFT 30u
#define WEIR_SERIES_EXEMPLARS 2u     /* of one set: of neighbouring buckets each has its own */
#define WEIR_SERIES_EXEMPLAR_HEAD 4u /* words: trace, span, time */

struct weir_series_metric { /* where a metric's cells are, and how they are counted */
	uint32_t word, words;
	enum weir_metric_kind kind;
	enum weir_metric_unit unit;
	const double *bounds;
	uint32_t bound_count;
	struct weir_histogram whole_bounds; /* WHOLE, DURATION */
};

struct weir_series_group { /* of the schema, laid out */
	uint64_t id;
	uint32_t words, metric_count, exemplar_words;
	uint32_t first; /* of `metrics`: its own by place */
};

struct weir_series_set { /* the series of one label text; its number is the text's */
	uint64_t created_ns;
	uint64_t *words;     /* NULL: no set */
	uint64_t *exemplars; /* NULL: none yet */
	uint64_t example_ns; /* of the newest of them */
	uint32_t mask;       /* which of its group's metrics there are */
	uint32_t used;       /* when it last counted, in units of 2^WEIR_SERIES_USED_SHIFT ns */
	uint16_t group;
	uint8_t is_dirty, is_overflow;
};

#define WEIR_SERIES_UNTOLD UINT64_MAX /* of since_ns: what was loaded does not know this metric */

struct weir_series_gone { /* of one metric: what its expired series had */
	uint64_t id, count, number;
	double real;
	uint64_t since_ns; /* none of its series began before; 0: it was there from the beginning */
};

struct weir_series {
	struct weir_text labels;
	struct weir_series_set *sets;
	uint32_t set_capacity;
	uint32_t *dirty, dirty_count;
	const struct weir_schema *schema;
	struct weir_series_group *groups;
	struct weir_series_metric *metrics; /* group by group */
	const struct weir_metric **order;   /* the same, as the schema has them */
	struct weir_series_gone *gone;      /* in the schema's order */
	uint32_t max_series, live_series, overflow_sets;
	uint64_t max_words, words, overflow_words; /* of cells and examples */
	uint32_t changes;    /* how often a set was made or grew: what was beyond the budget may not be now; no state */
	uint64_t overflowed; /* records counted in an overflow series */
	uint64_t cut_values; /* label values that were too long, of texts when they were made */
	bool has_strange;    /* what was loaded had metrics that are not here */
	struct weir_buf scratch;
};

/* The schema must outlive the table, or its replacement by weir_series_replace. */
void weir_series_init(struct weir_series *series, const struct weir_schema *schema, uint32_t max_series, uint64_t seed);
void weir_series_fini(struct weir_series *series);
void weir_series_clear(struct weir_series *series); /* no series, as after init */

/* Another schema: metrics of equal ids go on, the others' series are gone, and new ones begin at `since_ns`, which
 * is later than any time at which a series was created. */
void weir_series_replace(struct weir_series *series, const struct weir_schema *schema, uint64_t since_ns);
/* After the last load, before a find: metrics that it did not know begin then, and texts that only others had are
 * gone. True: the table differs from what was loaded. */
bool weir_series_begin(struct weir_series *series, uint64_t since_ns);

struct weir_series_hit { /* where a record counts: these metrics of this set */
	uint32_t set, mask;
};
/* The sets of this label text for these metrics of its group: one, made when it
 * is new, or what does not fit the budget in an overflow set. Returns how many (1 or 2).
 * A hit is the same until sets are removed; one in an overflow set until `changes` moves. */
uint32_t weir_series_find(struct weir_series *series, uint32_t group, struct weir_str labels,
	struct weir_series_hit wish, uint64_t created_ns, struct weir_series_hit ret_hits[2]);

/* Counts one record: `observed` by place. A set whose sum is full begins anew, as if it had expired. */
void weir_series_count(
	struct weir_series *series, struct weir_series_hit hit, const struct weir_observation *observed, uint32_t now);

struct weir_series_example {
	uint8_t trace_id[16], span_id[8];
	uint64_t time_ns;
};
/* … whose trace this is. One of a moment suffices: what is not newer is passed over. */
void weir_series_exemplar(struct weir_series *series, struct weir_series_hit hit,
	const struct weir_observation *observed, const struct weir_series_example *example);

/* Removes what has not counted since `from`, in overflow sets too. Returns how many sets went. */
uint32_t weir_series_expire(struct weir_series *series, uint32_t from);

/* The cache is asked for what counting a request will touch: first the set, then its cells. */
static inline void weir_series_prefetch(const struct weir_series *series, uint32_t set)
{
	__builtin_prefetch(&series->sets[set], 1);
}

static inline void weir_series_prefetch_cells(const struct weir_series *series, uint32_t set)
{
	const struct weir_series_set *row = &series->sets[set];

	for (uint32_t at = 0; at < series->groups[row->group].words; at += 8) {
		__builtin_prefetch(row->words + at, 1);
	}
}

void weir_series_save(struct weir_series *series, bool all, struct weir_buf *buf);
int weir_series_load(struct weir_series *series, struct weir_blob_reader *reader);
void weir_series_digest(const struct weir_series *series, XXH3_state_t *state);

#endif
