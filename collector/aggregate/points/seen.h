/* seen: which points of a delta stream have come. Private to the room. */
#ifndef WEIR_AGGREGATE_SEEN_H
#define WEIR_AGGREGATE_SEEN_H

#include "aggregate/points/point.h"

#define WEIR_SEEN_MAX 128u /* times that a stream remembers */

/* Has no point of these times come, as far as the stream can tell? */
bool weir_seen_is_new(const struct weir_point_stream *stream, const struct weir_point *point);
/* Is it before another that came? */
bool weir_seen_is_behind(const struct weir_point_stream *stream, const struct weir_point *point);
/* It has come now. */
void weir_seen_add(struct weir_families *families, struct weir_point_stream *stream, const struct weir_point *point);

#endif
