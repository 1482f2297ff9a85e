/* family: the families and series of passed-through metrics, and their cells.
 * Private to the room. */
#ifndef WEIR_AGGREGATE_FAMILY_H
#define WEIR_AGGREGATE_FAMILY_H

#include "aggregate/points/expo.h"
#include "aggregate/snapshot.h"
#include "aggregate/text.h"
#include "rules/metric.h"
#include "rules/passthrough.h"

#define WEIR_FAMILY_BOUNDS_MAX 256u   /* of one histogram */
#define WEIR_FAMILY_QUANTILES_MAX 32u /* of one summary */

enum weir_cell {
	WEIR_CELL_NUMBER,      /* whole | real as bits | time (gauges) */
	WEIR_CELL_HISTOGRAM,   /* sum as bits | has a sum | a count for each bound, then beyond */
	WEIR_CELL_EXPONENTIAL, /* struct weir_expo */
	WEIR_CELL_SUMMARY,     /* count | sum as bits | time | quantile, value … as bits */
	WEIR_CELLS
};

enum { WEIR_NUMBER_WHOLE, WEIR_NUMBER_REAL, WEIR_NUMBER_TIME, WEIR_NUMBER_WORDS };
enum { WEIR_HISTOGRAM_SUM, WEIR_HISTOGRAM_HAS_SUM, WEIR_HISTOGRAM_COUNTS };
enum { WEIR_SUMMARY_COUNT, WEIR_SUMMARY_SUM, WEIR_SUMMARY_TIME, WEIR_SUMMARY_QUANTILES };

struct weir_family_total { /* what went with series that expired: a counter's value, a histogram's observations and sum */
	uint64_t whole;
	double real;
};

struct weir_family {       /* its number is its name's */
	uint32_t help;     /* number of its text */
	uint32_t overflow; /* its overflow series, or WEIR_NONE */
	uint32_t series;   /* of its own, that one included */
	uint32_t metric;   /* of the schemas', of the same name and type; or WEIR_NONE */
	uint8_t exposed /* enum weir_exposed */, is_known;
	uint8_t is_hidden; /* a metric of the schemas' has its name, or a sample's, and another type */
	uint8_t is_dirty;
	struct weir_family_total expired;
};

struct weir_family_series { /* its number is its labels' */
	uint64_t created_ns;
	uint64_t *words;                     /* NULL: no series has this number */
	struct weir_exemplar_view *exemplar; /* of a counter or a histogram, the newest; NULL: none yet */
	uint32_t word_count, family;
	uint32_t bounds;  /* HISTOGRAM: row of `bounds` */
	uint32_t streams; /* that feed it; without any it expires */
	uint8_t cell, is_dirty, is_overflow, padding[5];
};

struct weir_family_bounds { /* upper bounds that some histograms share */
	double *at;         /* NULL: the number is free */
	uint32_t count, series /* that have them; without any they go at a sweep */;
	uint64_t hash; /* of them all, never 0: equal in every database */
	bool is_dirty;
};

#define WEIR_FAMILY_SCHEMAS 2u /* that name metrics of weir's own: of the rules, of traces */

struct weir_families {
	struct weir_text names, helps, labels; /* helps, labels: salted with the family */
	struct weir_family *rows;
	uint32_t row_capacity, idle; /* families without a series */
	uint32_t *dirty_rows, dirty_row_count;
	struct weir_family_series *series;
	uint32_t series_capacity, max_series, live_series, overflow_series;
	uint64_t word_total, max_words; /* of cells */
	uint64_t overflow_words;        /* of cells of overflow series */
	uint64_t raw_total;             /* words that streams keep of what they said last; at most max_words too */
	uint32_t *dirty, dirty_count;
	struct weir_family_bounds *bounds;
	uint32_t bounds_count; /* numbers below it were given once; some may be free again */
	uint64_t overflowed;   /* points counted in an overflow series, or in none for lack of room */
	uint64_t conflicting;  /* points whose family's name is taken by another type */
	uint64_t cut_values;   /* label values of series that were cut to the limit when the series was made */
	struct weir_family_total lost_counters, lost_histograms; /* expired, of families that had to make room */
	const struct weir_schema *schemas[WEIR_FAMILY_SCHEMAS];  /* or NULL */
	struct weir_buf scratch;
};

void weir_families_init(struct weir_families *families, uint32_t max_series, uint64_t seed);
void weir_families_fini(struct weir_families *families);
void weir_families_clear(struct weir_families *families); /* schemas, and where removed texts go, stay */

/* Where texts go that are removed; NULL: nobody looks at them. */
void weir_families_retire(struct weir_families *families, struct weir_retire *retire);

/* Which metrics weir makes itself, from now on: families of their names join
 * them, families of another type are hidden while they are there. At most
 * WEIR_FAMILY_SCHEMAS, any of them NULL; they stay until the next call. */
void weir_families_schema(
	struct weir_families *families, const struct weir_schema *const *schemas, uint32_t schema_count);

enum { WEIR_FAMILY_CONFLICTS = 1, WEIR_FAMILY_FULL = 2 };
/* The family of this name, made when it is new. WEIR_FAMILY_CONFLICTS: the name
 * is weir's own or has another type. WEIR_FAMILY_FULL: there are too many. */
int weir_families_find(struct weir_families *families, struct weir_str name, struct weir_str help,
	enum weir_exposed exposed, uint32_t *ret_family);

struct weir_family_wish { /* a series */
	uint32_t family, bounds, word_count;
	enum weir_cell cell;
	struct weir_str labels;
	uint64_t created_ns;
};
/* The series of these labels, made when it is new; beyond the budget its
 * family's overflow series (gauges and summaries: WEIR_NONE). */
uint32_t weir_families_series(struct weir_families *families, const struct weir_family_wish *wish);

/* Is there a series of these labels, though perhaps of another kind of cells? */
bool weir_families_has(const struct weir_families *families, const struct weir_family_wish *wish);

/* A series that no stream feeds goes; what it counted stays in its family's `expired`. */
void weir_families_expire(struct weir_families *families, uint32_t number);

/* Families without a series go, unless something expired in them; bounds that no series has. */
void weir_families_sweep(struct weir_families *families);

/* Does the family count, so that its series may have exemplars, and one of them what overflows? */
static inline bool weir_families_counts(const struct weir_families *families, uint32_t family)
{
	return families->rows[family].exposed == WEIR_EXPOSED_COUNTER ||
	       families->rows[family].exposed == WEIR_EXPOSED_HISTOGRAM;
}

/* Is there a series of this number? */
static inline bool weir_families_is_live(const struct weir_families *families, uint32_t number)
{
	return number < families->series_capacity && families->series[number].words != NULL;
}

/* Its cells change. */
static inline void weir_families_touch(struct weir_families *families, uint32_t number)
{
	if (!families->series[number].is_dirty) {
		families->series[number].is_dirty = true;
		families->dirty[families->dirty_count++] = number;
	}
}

/* A trace that is an example of what it counts: kept if it counts, and none of this time or a later one is kept. */
void weir_families_exemplar(struct weir_families *families, uint32_t number, const struct weir_exemplar_view *exemplar);

/* Its cells anew, all 0, of the shape and created time that is wished for; what
 * they held, but for what is said `again`, is of the expired. False: no room. */
bool weir_families_reshape(struct weir_families *families, uint32_t number, const struct weir_family_wish *shape,
	const struct weir_family_total *again);

/* The row of these upper bounds, or WEIR_NONE when there are too many. */
uint32_t weir_families_bounds(struct weir_families *families, const double *at, uint32_t count);

void weir_families_save(struct weir_families *families, bool all, struct weir_buf *buf);
int weir_families_load(struct weir_families *families, struct weir_blob_reader *reader);
void weir_families_digest(const struct weir_families *families, XXH3_state_t *state);

/* ---- shared by family.c, family_bounds.c, family_name.c and family_save.c ---- */

/* A series has its bounds from now on, or no more. */
void weir_families_bounds_hold(struct weir_families *families, const struct weir_family_series *series);
void weir_families_bounds_let_go(struct weir_families *families, const struct weir_family_series *series);
void weir_families_bounds_sweep(struct weir_families *families);
void weir_families_bounds_fini(struct weir_families *families);
void weir_families_bounds_save(struct weir_families *families, bool all, struct weir_buf *buf);
/* `is_numbered`: rows say their numbers (version 4 and later). */
int weir_families_bounds_load(struct weir_families *families, struct weir_blob_reader *reader, bool is_numbered);
void weir_families_bounds_digest(const struct weir_families *families, XXH3_state_t *state);

/* The family of this name, or WEIR_NONE. */
uint32_t weir_families_named(const struct weir_families *families, struct weir_str name);
/* Would a family of this name and type have a name in common with one of weir's, or of a sender's, that is of another
 * type? */
bool weir_families_clash(struct weir_families *families, struct weir_str name, enum weir_exposed exposed);
/* What the schemas say of a family: `metric`, `is_hidden`. */
void weir_families_place(struct weir_families *families, uint32_t family);
/* The rows of a family and of a series that a blob tells of. */
void weir_families_row_make(struct weir_families *families, uint32_t family, uint32_t help, uint8_t exposed);
void weir_families_row_drop(struct weir_families *families, uint32_t family);
void weir_families_row_touch(struct weir_families *families, uint32_t family);
void weir_families_series_make(struct weir_families *families, uint32_t number, const struct weir_family_series *made);
void weir_families_series_drop(struct weir_families *families, uint32_t number);
/* Words of cells for a series that is there, all 0; no exemplar. */
void weir_families_series_shape(
	struct weir_families *families, uint32_t number, uint32_t bounds, uint32_t word_count, uint64_t created_ns);

#endif
