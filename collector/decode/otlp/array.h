/* array: a point's repeated numbers, however they are spelled, as refs to
 * little-endian 8-byte numbers. Inside decode only. */
#ifndef WEIR_DECODE_OTLP_ARRAY_H
#define WEIR_DECODE_OTLP_ARRAY_H

#include "decode/draft.h"
#include "decode/wire.h"

struct weir_otlp_array {        /* as its fields came; zero at first */
	struct weir_str packed; /* the last packed field with anything in it */
	uint64_t fields, count; /* fields with anything in them; numbers */
};

/* Takes note of 8-byte numbers, packed or not. False: malformed. */
bool weir_otlp_array_note(struct weir_otlp_array *array, const struct weir_wire_field *field);

/* Where the numbers of `message`'s fields of this number are, or are put. */
struct weir_ref weir_otlp_array_place(
	struct weir_draft *draft, struct weir_str message, uint32_t number, const struct weir_otlp_array *array);

/* Buckets { 1 offset, 2 counts }: counts the counts. False: malformed. */
bool weir_otlp_array_note_buckets(struct weir_str message, struct weir_otlp_array *array, int32_t *offset);

/* Where the counts of `message`'s Buckets with this tag are put. */
struct weir_ref weir_otlp_array_place_buckets(
	struct weir_draft *draft, struct weir_str message, uint32_t tag, const struct weir_otlp_array *array);

/* ValueAtQuantile { 1 quantile, 2 value }. False: malformed. */
bool weir_otlp_array_read_quantile(struct weir_str message, uint64_t *ret_quantile, uint64_t *ret_value);

/* Puts the `count` ValueAtQuantile of `message` with this tag into bounds and counts of the point. */
void weir_otlp_array_place_quantiles(
	struct weir_draft *draft, struct weir_str message, uint32_t tag, uint64_t count, struct weir_point *point);

/* A number as arrays have it. */
void weir_otlp_array_store(char *at, uint64_t number);

static inline int32_t weir_otlp_array_zigzag(uint64_t value)
{
	uint32_t bits = (uint32_t)value;

	return (int32_t)(bits >> 1 ^ (0 - (bits & 1)));
}

#endif
