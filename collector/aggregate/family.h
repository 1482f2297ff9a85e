/* family: the families and series of passed-through metrics, and their cells.
 * Private to the room. */
#ifndef WEIR_AGGREGATE_FAMILY_H
#define WEIR_AGGREGATE_FAMILY_H

#include "aggregate/expo.h"
#include "aggregate/snapshot.h"
#include "aggregate/text.h"
#include "rules/passthrough.h"
#include "rules/standard.h"

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

struct weir_family {       /* its number is its name's */
	uint32_t help;     /* number of its text */
	uint32_t overflow; /* its overflow series, or WEIR_NONE */
	uint32_t standard; /* enum weir_standard_metric of the same name, or WEIR_NONE */
	uint8_t exposed /* enum weir_exposed */, is_known, padding[2];
};

struct weir_family_series { /* its number is its labels' */
	uint64_t created_ns;
	uint64_t *words;
	uint32_t word_count, family;
	uint32_t bounds; /* HISTOGRAM: row of `bounds` */
	uint8_t cell, is_dirty, is_overflow, padding;
};

struct weir_family_bounds { /* upper bounds that some histograms share; immutable */
	double *at;
	uint32_t count;
};

struct weir_families {
	struct weir_text names, helps, labels; /* labels: salted with the family */
	struct weir_family *rows;
	uint32_t row_capacity, cut_families; /* families below cut_families are in an earlier cut */
	struct weir_family_series *series;
	uint32_t series_capacity, max_series, live_series;
	uint64_t word_total, max_words; /* of cells */
	uint64_t overflow_words;        /* of cells of overflow series */
	uint64_t raw_total;             /* words that streams keep of what they said last; at most max_words too */
	uint32_t *dirty, dirty_count;
	struct weir_family_bounds *bounds;
	uint32_t bounds_count, cut_bounds;
	uint64_t overflowed;  /* points counted in an overflow series, or in none for lack of room */
	uint64_t conflicting; /* points whose family's name is taken by another type */
	struct weir_buf scratch;
};

void weir_families_init(struct weir_families *families, uint32_t max_series, uint64_t seed);
void weir_families_fini(struct weir_families *families);
void weir_families_clear(struct weir_families *families);

/* The family of this name, made when it is new. WEIR_NONE: the name is weir's
 * own or has another type (`conflicting` is counted), or there are too many. */
uint32_t weir_families_find(
	struct weir_families *families, struct weir_str name, struct weir_str help, enum weir_exposed exposed);

struct weir_family_wish { /* a series */
	uint32_t family, bounds, word_count;
	enum weir_cell cell;
	struct weir_str labels;
	uint64_t created_ns;
};
/* The series of these labels, made when it is new; beyond the budget its
 * family's overflow series (gauges and summaries: WEIR_NONE). */
uint32_t weir_families_series(struct weir_families *families, const struct weir_family_wish *wish);

/* Its cells change. */
static inline void weir_families_touch(struct weir_families *families, uint32_t number)
{
	if (!families->series[number].is_dirty) {
		families->series[number].is_dirty = true;
		families->dirty[families->dirty_count++] = number;
	}
}

/* Its cells anew, all 0, of another shape. False: no room. */
bool weir_families_reshape(
	struct weir_families *families, uint32_t number, uint32_t bounds, uint32_t word_count, uint64_t created_ns);

/* The row of these upper bounds, or WEIR_NONE when there are too many. */
uint32_t weir_families_bounds(struct weir_families *families, const double *at, uint32_t count);

void weir_families_save(struct weir_families *families, bool all, struct weir_buf *buf);
int weir_families_load(struct weir_families *families, struct weir_blob_reader *reader);
void weir_families_digest(const struct weir_families *families, XXH3_state_t *state);

#endif
