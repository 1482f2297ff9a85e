/* series_part: what series.c, series_find.c and series_image.c share. Private to these. */
#ifndef WEIR_AGGREGATE_SERIES_PART_H
#define WEIR_AGGREGATE_SERIES_PART_H

#include "aggregate/series.h"

static inline uint32_t weir_series_bits(uint32_t mask)
{
	return (uint32_t)__builtin_popcount(mask);
}

/* What a set of the group takes up, examples included: they come soon enough. */
static inline uint32_t weir_series_words(const struct weir_series *series, uint32_t group)
{
	return series->groups[group].words + series->groups[group].exemplar_words;
}

/* Room for sets of all numbers that texts have. */
void weir_series_room(struct weir_series *series);
/* A set of a text that is in the table but has none; `made` says all but its cells. */
void weir_series_make(struct weir_series *series, uint32_t set, const struct weir_series_set *made);
void weir_series_unmake(struct weir_series *series, uint32_t set);
/* It differs from the last cut. */
void weir_series_touch(struct weir_series *series, uint32_t set);

#endif
