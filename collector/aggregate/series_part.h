/* series_part: what series.c and series_image.c share. Private to these two. */
#ifndef WEIR_AGGREGATE_SERIES_PART_H
#define WEIR_AGGREGATE_SERIES_PART_H

#include "aggregate/series.h"

/* Room for sets of all numbers that texts have. */
void weir_series_room(struct weir_series *series);
/* A set of a text that is in the table but has none; `made` says all but its cells. */
void weir_series_make(struct weir_series *series, uint32_t set, const struct weir_series_set *made);
void weir_series_unmake(struct weir_series *series, uint32_t set);
/* It differs from the last cut. */
void weir_series_touch(struct weir_series *series, uint32_t set);

#endif
