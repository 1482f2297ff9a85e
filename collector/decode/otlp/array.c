/* array: a point's repeated numbers.
 *
 *   one packed field of 8-byte numbers    stays where it is in the body
 *   several fields, or one number each    put together in the pool
 *   varints (exponential buckets)         written out in the pool
 *   { quantile, value } messages          all quantiles, then all values, in the pool
 *
 * A first pass over the point counts, so that a point with absurdly many costs
 * nothing but reading; the second one writes.
 *
 * One thread: the listener's. */
#include "decode/otlp/array.h"

enum { /* tags */
	BUCKETS_OFFSET = 1 << 3 | WEIR_WIRE_VARINT,
	BUCKETS_COUNT = 2 << 3 | WEIR_WIRE_VARINT,
	BUCKETS_COUNTS = 2 << 3 | WEIR_WIRE_BYTES,
	QUANTILE_QUANTILE = 1 << 3 | WEIR_WIRE_FIXED64,
	QUANTILE_VALUE = 2 << 3 | WEIR_WIRE_FIXED64,
};

void weir_otlp_array_store(char *at, uint64_t number)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	number = __builtin_bswap64(number);
#endif
	memcpy(at, &number, sizeof(number));
}

bool weir_otlp_array_note(struct weir_otlp_array *array, const struct weir_wire_field *field)
{
	if (field->type == WEIR_WIRE_FIXED64) {
		array->fields++;
		array->count++;
	} else if (field->type == WEIR_WIRE_BYTES && field->bytes.length > 0) {
		array->fields++;
		array->count += field->bytes.length / 8;
		array->packed = field->bytes;
		return field->bytes.length % 8 == 0;
	}
	return true;
}

struct weir_ref weir_otlp_array_place(
	struct weir_draft *draft, struct weir_str message, uint32_t number, const struct weir_otlp_array *array)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	char *begin, *at;

	if (array->fields == 1 && array->packed.length > 0) {
		return weir_draft_ref(draft, array->packed);
	}
	begin = at = array->count > 0 ? weir_draft_reserve(draft, array->count * 8) : NULL;
	while (at != NULL && weir_wire_next(&wire, &field)) {
		if (field.number != number) {
			continue;
		}
		if (field.type == WEIR_WIRE_FIXED64) {
			weir_otlp_array_store(at, field.value);
			at += 8;
		} else if (field.type == WEIR_WIRE_BYTES && field.bytes.length > 0) {
			memcpy(at, field.bytes.data, field.bytes.length);
			at += field.bytes.length;
		}
	}
	return at != NULL ? weir_draft_commit(draft, (size_t)(at - begin)) : (struct weir_ref){ 0, 0 };
}

/* The varints of a packed field; each is written to `at` unless that is NULL. False: malformed. */
static bool varints_read(struct weir_str packed, char *at, uint64_t *ret_count)
{
	const uint8_t *from = (const uint8_t *)packed.data, *end = from + packed.length;
	uint64_t number;

	*ret_count = 0;
	while (from != end) {
		from = weir_wire_varint(from, end, &number);
		if (from == NULL) {
			return false;
		}
		if (at != NULL) {
			weir_otlp_array_store(at + *ret_count * 8, number);
		}
		++*ret_count;
	}
	return true;
}

bool weir_otlp_array_note_buckets(struct weir_str message, struct weir_otlp_array *array, int32_t *offset)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	uint64_t more = 0;

	while (weir_wire_next(&wire, &field)) {
		if (field.tag == BUCKETS_OFFSET) {
			*offset = weir_otlp_array_zigzag(field.value);
		} else if (field.tag == BUCKETS_COUNT) {
			array->count++;
		} else if (field.tag == BUCKETS_COUNTS) {
			if (!varints_read(field.bytes, NULL, &more)) {
				return false;
			}
			array->count += more;
		}
	}
	return !wire.is_malformed;
}

static char *buckets_write(struct weir_str message, char *at)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	uint64_t more = 0;

	while (weir_wire_next(&wire, &field)) {
		if (field.tag == BUCKETS_COUNT) {
			weir_otlp_array_store(at, field.value);
			at += 8;
		} else if (field.tag == BUCKETS_COUNTS) {
			varints_read(field.bytes, at, &more);
			at += more * 8;
		}
	}
	return at;
}

struct weir_ref weir_otlp_array_place_buckets(
	struct weir_draft *draft, struct weir_str message, uint32_t tag, const struct weir_otlp_array *array)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	char *begin = array->count > 0 ? weir_draft_reserve(draft, array->count * 8) : NULL, *at = begin;

	while (at != NULL && weir_wire_next(&wire, &field)) {
		if (field.tag == tag) {
			at = buckets_write(field.bytes, at);
		}
	}
	return at != NULL ? weir_draft_commit(draft, (size_t)(at - begin)) : (struct weir_ref){ 0, 0 };
}

bool weir_otlp_array_read_quantile(struct weir_str message, uint64_t *ret_quantile, uint64_t *ret_value)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	*ret_quantile = *ret_value = 0;
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == QUANTILE_QUANTILE) {
			*ret_quantile = field.value;
		} else if (field.tag == QUANTILE_VALUE) {
			*ret_value = field.value;
		}
	}
	return !wire.is_malformed;
}

void weir_otlp_array_place_quantiles(
	struct weir_draft *draft, struct weir_str message, uint32_t tag, uint64_t count, struct weir_point *point)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	size_t bytes = count * 8;
	char *at = bytes > 0 ? weir_draft_reserve(draft, 2 * bytes) : NULL;

	if (at == NULL) {
		return;
	}
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == tag) {
			uint64_t quantile, value;

			weir_otlp_array_read_quantile(field.bytes, &quantile, &value);
			weir_otlp_array_store(at, quantile);
			weir_otlp_array_store(at + bytes, value);
			at += 8;
		}
	}
	point->bounds = weir_draft_commit(draft, bytes);
	point->counts = weir_draft_commit(draft, bytes);
}
