/* shared: the distinct resources and workloads of a segment.
 *
 * Every batch repeats them; the segment has each once. Equal means: equal in
 * every field that is kept, attributes included, whatever batch it came in. A
 * table of hashes over their contents finds them; what the present batch's
 * numbers stand for is remembered, so that the contents are hashed once a batch. */
#include "storage/writing.h"

#include <stddef.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/err.h"

#define CACHE_ROWS 64u /* rows of the present batch whose place is remembered */

struct weir_str weir_shared_address(const struct weir_address *address)
{
	static const struct weir_address unset;
	size_t bytes = offsetof(struct weir_address, padding);

	return weir_str_make((const char *)address, memcmp(address, &unset, bytes) == 0 ? 0 : bytes);
}

static bool is_text(uint32_t type)
{
	return type == WEIR_ATTR_STRING || type == WEIR_ATTR_BYTES || type == WEIR_ATTR_JSON;
}

static uint64_t text_hash(struct weir_str text, uint64_t seed)
{
	return XXH3_64bits_withSeed(text.data, text.length, seed);
}

static uint64_t attrs_hash(const struct weir_batch *batch, const uint32_t *range, uint64_t hash)
{
	const struct weir_attr *attrs = weir_batch_attrs(batch) + range[0];

	for (uint32_t i = 0; i < range[1]; i++) {
		hash = text_hash(weir_batch_str(batch, attrs[i].key), hash + attrs[i].type);
		hash = is_text(attrs[i].type) ? text_hash(weir_batch_str(batch, attrs[i].value.text), hash)
					      : XXH3_64bits_withSeed(&attrs[i].value.number, 8, hash);
	}
	return hash;
}

static uint64_t row_hash(enum weir_rows which, const struct weir_batch *batch, const char *row, uint64_t hash)
{
	for (uint32_t i = 0; i < weir_columns[which].count; i++) {
		const struct weir_column *column = weir_columns[which].columns + i;
		const void *field = row + column->offset;

		if (column->kind == WEIR_COLUMN_REF) {
			hash = text_hash(weir_batch_str(batch, *(const struct weir_ref *)field), hash);
		} else if (column->kind == WEIR_COLUMN_ADDRESS) {
			hash = text_hash(weir_shared_address(field), hash);
		} else {
			weir_assert(column->kind == WEIR_COLUMN_ATTRS);
			hash = attrs_hash(batch, field, hash);
		}
	}
	return hash;
}

static bool attrs_equal(
	const struct weir_batch *a, const uint32_t *a_range, const struct weir_batch *b, const uint32_t *b_range)
{
	const struct weir_attr *x = weir_batch_attrs(a) + a_range[0], *y = weir_batch_attrs(b) + b_range[0];

	if (a_range[1] != b_range[1]) {
		return false;
	}
	for (uint32_t i = 0; i < a_range[1]; i++) {
		if (x[i].type != y[i].type ||
			!weir_str_equal(weir_batch_str(a, x[i].key), weir_batch_str(b, y[i].key))) {
			return false;
		}
		if (is_text(x[i].type) ? !weir_str_equal(
						 weir_batch_str(a, x[i].value.text), weir_batch_str(b, y[i].value.text))
				       : x[i].value.number != y[i].value.number) {
			return false;
		}
	}
	return true;
}

static bool rows_equal(
	enum weir_rows which, const struct weir_batch *a, const char *x, const struct weir_batch *b, const char *y)
{
	for (uint32_t i = 0; i < weir_columns[which].count; i++) {
		const struct weir_column *column = weir_columns[which].columns + i;
		const void *left = x + column->offset, *right = y + column->offset;
		bool is_equal;

		if (column->kind == WEIR_COLUMN_REF) {
			is_equal = weir_str_equal(weir_batch_str(a, *(const struct weir_ref *)left),
				weir_batch_str(b, *(const struct weir_ref *)right));
		} else if (column->kind == WEIR_COLUMN_ADDRESS) {
			is_equal = weir_str_equal(weir_shared_address(left), weir_shared_address(right));
		} else {
			is_equal = attrs_equal(a, left, b, right);
		}
		if (!is_equal) {
			return false;
		}
	}
	return true;
}

static void shared_grow(struct weir_segment_writer *writer, enum weir_rows which)
{
	uint32_t capacity = writer->shared_capacity != 0 ? writer->shared_capacity * 4 : 1024;
	uint32_t *slots = calloc(capacity, sizeof(*slots));
	const struct weir_writing_rows *table = &writer->tables[which];

	if (slots == NULL) {
		writer->is_full = true;
		return;
	}
	for (uint32_t i = 0; i < table->count; i++) {
		uint32_t at =
			(uint32_t)row_hash(which, table->batches[i], table->rows[i], writer->seed) & (capacity - 1);

		while (slots[at] != 0) {
			at = (at + 1) & (capacity - 1);
		}
		slots[at] = i + 1;
	}
	free(writer->shared_slots);
	writer->shared_slots = slots;
	writer->shared_capacity = capacity;
}

/* The place of a batch's resource or workload among the segment's distinct ones. */
static uint32_t shared_place(
	struct weir_segment_writer *writer, enum weir_rows which, const struct weir_batch *batch, uint32_t number)
{
	struct weir_writing_rows *table = &writer->tables[which];
	const char *row = (const char *)weir_batch_at(batch, weir_columns_table_of(batch, which)->offset) +
			  (size_t)number * weir_columns_stride(batch, which);
	uint32_t at;

	if (writer->shared_capacity < 2 * (table->count + 1)) {
		shared_grow(writer, which);
		if (writer->is_full) {
			return 0;
		}
	}
	at = (uint32_t)row_hash(which, batch, row, writer->seed) & (writer->shared_capacity - 1);
	while (writer->shared_slots[at] != 0) {
		uint32_t place = writer->shared_slots[at] - 1;

		if (rows_equal(which, table->batches[place], table->rows[place], batch, row)) {
			return place;
		}
		at = (at + 1) & (writer->shared_capacity - 1);
	}
	weir_writing_note(writer, which, batch, number, 1);
	writer->shared_slots[at] = table->count;
	return table->count - 1;
}

void weir_shared_gather(struct weir_segment_writer *writer, enum weir_rows which, const struct weir_writing_rows *from,
	uint32_t offset, uint32_t *ret_places, uint64_t *ret_values)
{
	uint32_t cache[CACHE_ROWS];
	const struct weir_batch *batch = NULL;

	for (uint32_t i = 0; i < from->count; i++) {
		uint32_t number = *(const uint32_t *)((const char *)from->rows[i] + offset), place;

		if (from->batches[i] != batch) {
			batch = from->batches[i];
			memset(cache, 0, sizeof(cache));
		}
		if (number == WEIR_NONE) {
			ret_values[i] = 0;
			continue;
		}
		if (number < CACHE_ROWS && cache[number] != 0) {
			place = cache[number] - 1;
		} else {
			place = shared_place(writer, which, batch, number);
			if (number < CACHE_ROWS) {
				cache[number] = place + 1;
			}
		}
		ret_values[i] = which == WEIR_ROWS_WORKLOADS ? (uint64_t)place + 1 : place;
		if (ret_places != NULL) {
			ret_places[i] = place;
		}
	}
}
