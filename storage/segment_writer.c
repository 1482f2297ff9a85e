/* segment_writer: rows of batches in, one segment out (format: segment.c).
 *
 * Adding only notes where the rows are; finish goes over them column by
 * column. Distinct resources and workloads are found first, so that a resource
 * that every batch repeats is one row; the rows of events and links are noted
 * while their column is written and become tables in their turn.
 *
 * Everything is allocated once and grows to what the largest segment needed:
 * the usual segment allocates nothing. One thread (the writer's). */
#include "storage/segment_writer.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <zstd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/err.h"
#include "storage/attrs.h"

#define TABLE_SLOTS (2 * WEIR_SEGMENT_ROWS) /* of ids and pairs: at most half full */
#define CACHE_ROWS 64u                      /* resources of the present batch whose place is known */
#define PAIRS 1024u                         /* distinct pairs of names that are reported of one segment */

struct rows { /* of one table: where each is */
	const void **rows;
	const struct weir_batch **batches;
	uint32_t count, capacity;
};

struct weir_segment_writer {
	uint64_t seed;
	enum weir_rows kind;
	struct rows tables[WEIR_ROWS_COUNT];
	uint64_t source_bytes, min_arrival, max_arrival;
	uint64_t *scratch; /* one column */
	uint32_t scratch_capacity;
	struct weir_dictionary strings, values;
	struct weir_attrs attrs;
	struct weir_buf ids, core, rest, plain, data;
	struct ZSTD_CCtx_s *zstd;
	uint32_t foreign_parents, trace_count;
	/* by row of spans */
	uint32_t trace_of[WEIR_SEGMENT_ROWS], resource_of[WEIR_SEGMENT_ROWS];
	uint32_t name_of[WEIR_SEGMENT_ROWS], peer_of[WEIR_SEGMENT_ROWS];
	/* by trace */
	uint64_t trace_start[WEIR_SEGMENT_ROWS];
	uint32_t trace_hashes[WEIR_SEGMENT_ROWS], sorting[WEIR_SEGMENT_ROWS];
	const uint8_t *trace_ids[WEIR_SEGMENT_ROWS];
	/* open addressing, place + 1 */
	uint16_t trace_slots[TABLE_SLOTS], span_slots[TABLE_SLOTS];
	/* distinct resources and workloads */
	uint32_t *shared_slots, shared_capacity;
	uint32_t *service_ids, service_capacity; /* by resource: its service's string */
	struct weir_segment_pair pairs[PAIRS];
	uint64_t pair_slots[TABLE_SLOTS];
	struct weir_buf pair_text;
	bool is_full; /* sticky: memory ran out */
};

int weir_segment_writer_create(uint64_t seed, struct weir_segment_writer **ret_writer)
{
	struct weir_segment_writer *writer = calloc(1, sizeof(*writer));

	*ret_writer = NULL;
	if (writer == NULL) {
		return -ENOMEM;
	}
	writer->seed = seed;
	writer->zstd = ZSTD_createCCtx();
	writer->scratch_capacity = WEIR_SEGMENT_ROWS;
	writer->scratch = malloc(WEIR_SEGMENT_ROWS * sizeof(*writer->scratch));
	if (writer->zstd == NULL || writer->scratch == NULL || weir_dictionary_init(&writer->strings, seed) < 0 ||
		weir_dictionary_init(&writer->values, seed) < 0 ||
		weir_attrs_init(&writer->attrs, &writer->strings, &writer->values) < 0) {
		weir_segment_writer_destroy(writer);
		return -ENOMEM;
	}
	*ret_writer = writer;
	return 0;
}

void weir_segment_writer_destroy(struct weir_segment_writer *writer)
{
	if (writer == NULL) {
		return;
	}
	for (unsigned i = 0; i < WEIR_ROWS_COUNT; i++) {
		free(writer->tables[i].rows);
		free(writer->tables[i].batches);
	}
	weir_attrs_fini(&writer->attrs);
	weir_dictionary_fini(&writer->strings);
	weir_dictionary_fini(&writer->values);
	weir_buf_fini(&writer->ids);
	weir_buf_fini(&writer->core);
	weir_buf_fini(&writer->rest);
	weir_buf_fini(&writer->plain);
	weir_buf_fini(&writer->data);
	weir_buf_fini(&writer->pair_text);
	ZSTD_freeCCtx(writer->zstd);
	free(writer->shared_slots);
	free(writer->service_ids);
	free(writer->scratch);
	free(writer);
}

void weir_segment_writer_begin(struct weir_segment_writer *writer, enum weir_rows kind)
{
	writer->kind = kind;
	for (unsigned i = 0; i < WEIR_ROWS_COUNT; i++) {
		writer->tables[i].count = 0;
	}
	writer->source_bytes = 0;
	writer->min_arrival = UINT64_MAX;
	writer->max_arrival = 0;
	writer->foreign_parents = writer->trace_count = 0;
	writer->is_full = false;
	weir_dictionary_clear(&writer->strings);
	weir_dictionary_clear(&writer->values);
	weir_attrs_clear(&writer->attrs);
	weir_buf_clear(&writer->ids);
	weir_buf_clear(&writer->core);
	weir_buf_clear(&writer->rest);
	weir_buf_clear(&writer->plain);
	weir_buf_clear(&writer->data);
	weir_buf_clear(&writer->pair_text);
}

uint32_t weir_segment_writer_rows(const struct weir_segment_writer *writer)
{
	return writer->tables[writer->kind].count;
}

/* Room for `more` rows of a table, or false. */
static bool rows_reserve(struct weir_segment_writer *writer, struct rows *table, uint32_t more)
{
	uint64_t capacity = table->capacity != 0 ? table->capacity : WEIR_SEGMENT_ROWS;
	const void **rows;
	const struct weir_batch **batches;

	if (table->count + (uint64_t)more <= table->capacity) {
		return true;
	}
	while (capacity < table->count + (uint64_t)more) {
		capacity *= 2;
	}
	rows = realloc(table->rows, capacity * sizeof(*rows));
	if (rows != NULL) {
		table->rows = rows;
	}
	batches = realloc(table->batches, capacity * sizeof(*batches));
	if (batches != NULL) {
		table->batches = batches;
	}
	if (rows == NULL || batches == NULL || capacity > UINT32_MAX) {
		writer->is_full = true;
		return false;
	}
	table->capacity = (uint32_t)capacity;
	return true;
}

static void rows_add(struct weir_segment_writer *writer, enum weir_rows which, const struct weir_batch *batch,
	uint32_t first, uint32_t count)
{
	const struct weir_table *from = weir_columns_table_of(batch, which);
	const char *row = weir_batch_at(batch, from->offset);
	struct rows *table = &writer->tables[which];
	size_t row_bytes = weir_columns[which].row_bytes;

	if (count == 0 || !rows_reserve(writer, table, count)) {
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		table->rows[table->count] = row + (first + i) * row_bytes;
		table->batches[table->count++] = batch;
	}
}

uint32_t weir_segment_writer_add(struct weir_segment_writer *writer, const struct weir_batch *batch, uint32_t first)
{
	uint32_t have = weir_segment_writer_rows(writer), in_batch = weir_columns_table_of(batch, writer->kind)->count;
	uint32_t take = in_batch > first ? in_batch - first : 0;
	uint64_t row_bytes = batch->size_bytes / (in_batch != 0 ? in_batch : 1) + 1;
	uint64_t room = writer->source_bytes < WEIR_SEGMENT_BYTES ? WEIR_SEGMENT_BYTES - writer->source_bytes : 0;

	take = take < WEIR_SEGMENT_ROWS - have ? take : WEIR_SEGMENT_ROWS - have;
	if (take * row_bytes > room) {
		take = (uint32_t)(room / row_bytes);
		take = take == 0 && have == 0 ? 1 : take; /* a row that is larger than a segment is one */
	}
	rows_add(writer, writer->kind, batch, first, take);
	if (take > 0) {
		writer->source_bytes += take * row_bytes;
		writer->min_arrival =
			batch->received_ns < writer->min_arrival ? batch->received_ns : writer->min_arrival;
		writer->max_arrival =
			batch->received_ns > writer->max_arrival ? batch->received_ns : writer->max_arrival;
	}
	return take;
}

/* ---- distinct resources and workloads ----------------------------------- */

static struct weir_str address_text(const struct weir_address *address)
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
			hash = text_hash(address_text(field), hash);
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
			is_equal = weir_str_equal(address_text(left), address_text(right));
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
	const struct rows *table = &writer->tables[which];

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
	struct rows *table = &writer->tables[which];
	const char *row = (const char *)weir_batch_at(batch, weir_columns_table_of(batch, which)->offset) +
			  (size_t)number * weir_columns[which].row_bytes;
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
	rows_add(writer, which, batch, number, 1);
	writer->shared_slots[at] = table->count;
	return table->count - 1;
}

static void gather_shared(struct weir_segment_writer *writer, enum weir_rows which, const struct rows *from,
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
		if (number < CACHE_ROWS && cache[number] != 0) {
			place = cache[number] - 1;
		} else {
			place = shared_place(writer, which, batch, number);
			if (number < CACHE_ROWS) {
				cache[number] = place + 1;
			}
		}
		ret_values[i] = place;
		if (ret_places != NULL) {
			ret_places[i] = place;
		}
	}
}

/* ---- columns ------------------------------------------------------------ */

static uint64_t load64(const void *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* Ids are mostly random, but nobody promises it. */
static uint32_t id_slot(uint64_t id, uint64_t seed)
{
	return (uint32_t)(((id ^ seed) * 0x9e3779b97f4a7c15u) >> 52) & (TABLE_SLOTS - 1);
}

static void gather_traces(struct weir_segment_writer *writer, const struct rows *table)
{
	uint64_t known_start = 0;
	uint32_t last = 0;

	memset(writer->trace_slots, 0, sizeof(writer->trace_slots));
	for (uint32_t i = 0; i < table->count; i++) {
		const struct weir_span *span = table->rows[i];
		uint32_t slot, trace;

		known_start = (span->flags & WEIR_SPAN_NO_START) == 0 ? span->start_ns : known_start;
		if (i > 0 && memcmp(writer->trace_ids[last], span->trace_id, 16) == 0) {
			writer->trace_of[i] = last;
			continue;
		}
		slot = id_slot(load64(span->trace_id + 8), writer->seed);
		while ((trace = writer->trace_slots[slot]) != 0 &&
			memcmp(writer->trace_ids[trace - 1], span->trace_id, 16) != 0) {
			slot = (slot + 1) & (TABLE_SLOTS - 1);
		}
		if (trace == 0) {
			trace = ++writer->trace_count;
			writer->trace_slots[slot] = (uint16_t)trace;
			writer->trace_ids[trace - 1] = span->trace_id;
			writer->trace_start[trace - 1] = known_start;
			weir_buf_add(&writer->ids, span->trace_id, 16);
		}
		last = writer->trace_of[i] = trace - 1;
	}
}

static void gather_span_ids(struct weir_segment_writer *writer, const struct rows *table)
{
	memset(writer->span_slots, 0, sizeof(writer->span_slots));
	for (uint32_t i = 0; i < table->count; i++) {
		const struct weir_span *span = table->rows[i];
		uint32_t slot = id_slot(load64(span->span_id), writer->seed);

		while (writer->span_slots[slot] != 0) {
			slot = (slot + 1) & (TABLE_SLOTS - 1);
		}
		writer->span_slots[slot] = (uint16_t)(i + 1);
		weir_buf_add(&writer->ids, span->span_id, 8);
	}
}

static void gather_parents(struct weir_segment_writer *writer, const struct rows *table, uint64_t *ret_values)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct weir_span *span = table->rows[i], *other;
		uint64_t parent = load64(span->parent_id);
		uint32_t slot, row;

		ret_values[i] = 0;
		if (parent == 0) {
			continue;
		}
		for (slot = id_slot(parent, writer->seed); (row = writer->span_slots[slot]) != 0;
			slot = (slot + 1) & (TABLE_SLOTS - 1)) {
			other = table->rows[row - 1];
			if (load64(other->span_id) == parent) {
				break;
			}
		}
		if (row != 0) {
			ret_values[i] = 2 + weir_codec_zigzag((int64_t)row - 1 - (int64_t)i);
		} else {
			ret_values[i] = 1;
			writer->foreign_parents++;
			weir_buf_add(&writer->ids, &parent, 8);
		}
	}
}

static void gather_texts(struct weir_segment_writer *writer, const struct rows *table, const struct weir_column *column,
	uint64_t *ret_values)
{
	uint32_t last = 0;
	bool is_new;

	for (uint32_t i = 0; i < table->count; i++) {
		const void *field = (const char *)table->rows[i] + column->offset;
		struct weir_str text = column->kind == WEIR_COLUMN_ADDRESS
					       ? address_text(field)
					       : weir_batch_str(table->batches[i], *(const struct weir_ref *)field);

		if (text.length == 0) {
			ret_values[i] = 0;
			continue;
		}
		if (!weir_dictionary_is(&writer->strings, last, text)) {
			last = weir_dictionary_add(&writer->strings, text, &is_new);
		}
		ret_values[i] = last;
	}
}

/* Rows of one name and kind have lists of one shape, mostly. */
static uint32_t hint_of(const struct weir_segment_writer *writer, enum weir_rows which, const void *row, uint32_t i)
{
	const struct weir_span *span = row;

	if (which == WEIR_ROWS_SPANS) {
		return writer->name_of[i] * 8 + span->kind;
	}
	return 7 + 8 * (uint32_t)which;
}

static void gather_children(struct weir_segment_writer *writer, enum weir_rows which, const struct rows *table,
	const struct weir_column *column, uint64_t *ret_values)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct weir_batch *batch = table->batches[i];
		const uint32_t *range = (const uint32_t *)((const char *)table->rows[i] + column->offset);

		if (column->kind == WEIR_COLUMN_ATTRS) {
			ret_values[i] = weir_attrs_write(&writer->attrs, batch, weir_batch_attrs(batch) + range[0],
				range[1], hint_of(writer, which, table->rows[i], i));
			continue;
		}
		ret_values[i] = range[1];
		rows_add(writer, column->kind == WEIR_COLUMN_EVENTS ? WEIR_ROWS_EVENTS : WEIR_ROWS_LINKS, batch,
			range[0], range[1]);
	}
}

static void gather_numbers(const struct rows *table, const struct weir_column *column, uint64_t *ret_values)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const char *field = (const char *)table->rows[i] + column->offset;

		switch (column->kind) {
		case WEIR_COLUMN_U8:
			ret_values[i] = *(const uint8_t *)field;
			break;
		case WEIR_COLUMN_U16:
			ret_values[i] = *(const uint16_t *)field;
			break;
		case WEIR_COLUMN_U32:
			ret_values[i] = *(const uint32_t *)field;
			break;
		default:
			ret_values[i] = *(const uint64_t *)field;
			break;
		}
	}
}

static void gather_starts(const struct weir_segment_writer *writer, const struct rows *table, uint64_t *ret_values)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const struct weir_span *span = table->rows[i];

		ret_values[i] = (span->flags & WEIR_SPAN_NO_START) != 0
					? 0
					: weir_codec_zigzag(
						  (int64_t)(span->start_ns - writer->trace_start[writer->trace_of[i]]));
	}
}

static void keep_places(const struct weir_column *column, struct weir_segment_writer *writer, uint32_t count)
{
	uint32_t *places = column->offset == offsetof(struct weir_span, name)   ? writer->name_of
			   : column->offset == offsetof(struct weir_span, peer) ? writer->peer_of
										: NULL;

	for (uint32_t i = 0; places != NULL && i < count; i++) {
		places[i] = (uint32_t)writer->scratch[i];
	}
}

static void column_write(struct weir_segment_writer *writer, enum weir_rows which, const struct weir_column *column)
{
	struct rows *table = &writer->tables[which];
	struct weir_buf *out = column->is_core ? &writer->core : &writer->rest;
	uint64_t *values = writer->scratch;

	switch ((enum weir_column_kind)column->kind) {
	case WEIR_COLUMN_TRACE:
		gather_traces(writer, table);
		memcpy(values, writer->trace_start, writer->trace_count * sizeof(*values));
		weir_codec_pack(out, values, writer->trace_count);
		for (uint32_t i = 0; i < table->count; i++) {
			values[i] = writer->trace_of[i];
		}
		break;
	case WEIR_COLUMN_SPAN_ID:
		gather_span_ids(writer, table);
		return;
	case WEIR_COLUMN_BYTES16:
	case WEIR_COLUMN_BYTES8:
		for (uint32_t i = 0; i < table->count; i++) {
			weir_buf_add(&writer->ids, (const char *)table->rows[i] + column->offset,
				column->kind == WEIR_COLUMN_BYTES16 ? 16 : 8);
		}
		return;
	case WEIR_COLUMN_PARENT:
		gather_parents(writer, table, values);
		break;
	case WEIR_COLUMN_START:
		gather_starts(writer, table, values);
		break;
	case WEIR_COLUMN_REF:
	case WEIR_COLUMN_ADDRESS:
		gather_texts(writer, table, column, values);
		if (which == WEIR_ROWS_SPANS) {
			keep_places(column, writer, table->count);
		}
		break;
	case WEIR_COLUMN_RESOURCE:
		gather_shared(writer, WEIR_ROWS_RESOURCES, table, column->offset, writer->resource_of, values);
		break;
	case WEIR_COLUMN_WORKLOAD:
		gather_shared(writer, WEIR_ROWS_WORKLOADS, table, column->offset, NULL, values);
		break;
	case WEIR_COLUMN_ATTRS:
	case WEIR_COLUMN_EVENTS:
	case WEIR_COLUMN_LINKS:
		gather_children(writer, which, table, column, values);
		break;
	case WEIR_COLUMN_U8:
	case WEIR_COLUMN_U16:
	case WEIR_COLUMN_U32:
	case WEIR_COLUMN_U64:
		gather_numbers(table, column, values);
		break;
	}
	weir_codec_pack(out, values, table->count);
}

static void table_write(struct weir_segment_writer *writer, enum weir_rows which)
{
	struct rows *table = &writer->tables[which];

	if (table->count > writer->scratch_capacity) {
		uint64_t *grown = realloc(writer->scratch, table->count * sizeof(*grown));

		if (grown == NULL) {
			writer->is_full = true;
			return;
		}
		writer->scratch = grown;
		writer->scratch_capacity = table->count;
	}
	for (uint32_t i = 0; table->count > 0 && i < weir_columns[which].count; i++) {
		column_write(writer, which, weir_columns[which].columns + i);
	}
}

/* ---- what is known of it ------------------------------------------------ */

/* A radix sort by bytes: for about a thousand numbers a third of qsort's time. */
static void hashes_sort(uint32_t *hashes, uint32_t *other, uint32_t count)
{
	for (unsigned shift = 0; shift < 32; shift += 8) {
		uint32_t starts[257] = { 0 };

		for (uint32_t i = 0; i < count; i++) {
			starts[(hashes[i] >> shift & 0xff) + 1]++;
		}
		for (unsigned i = 1; i < 256; i++) {
			starts[i] += starts[i - 1];
		}
		for (uint32_t i = 0; i < count; i++) {
			other[starts[hashes[i] >> shift & 0xff]++] = hashes[i];
		}
		memcpy(hashes, other, count * sizeof(*hashes));
	}
}

static uint32_t hashes_make(struct weir_segment_writer *writer)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < writer->trace_count; i++) {
		writer->trace_hashes[i] = weir_segment_trace_hash(writer->trace_ids[i], writer->seed);
	}
	hashes_sort(writer->trace_hashes, writer->sorting, writer->trace_count);
	for (uint32_t i = 0; i < writer->trace_count; i++) {
		if (i == 0 || writer->trace_hashes[i] != writer->trace_hashes[count - 1]) {
			writer->trace_hashes[count++] = writer->trace_hashes[i];
		}
	}
	return count;
}

static struct weir_str lower_copy(struct weir_segment_writer *writer, uint32_t string)
{
	struct weir_str text = weir_dictionary_at(&writer->strings, string);
	char *at = weir_buf_reserve(&writer->pair_text, text.length + 1);

	if (at == NULL) {
		writer->is_full = true;
		return weir_str_make("", 0);
	}
	for (size_t i = 0; i < text.length; i++) {
		char c = text.data[i];

		at[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	weir_buf_advance(&writer->pair_text, text.length);
	return weir_str_make(at, text.length);
}

/* Was the pair not yet seen? Beyond half of the slots all are "seen": then the filter cannot say no. */
static bool pair_is_new(struct weir_segment_writer *writer, uint64_t pair, uint32_t *count)
{
	uint32_t at = (uint32_t)((pair * 0x9e3779b97f4a7c15u) >> 52) & (TABLE_SLOTS - 1);

	while (writer->pair_slots[at] != 0) {
		if (writer->pair_slots[at] == pair) {
			return false;
		}
		at = (at + 1) & (TABLE_SLOTS - 1);
	}
	if (*count >= TABLE_SLOTS / 2) {
		return false;
	}
	writer->pair_slots[at] = pair;
	(*count)++;
	return true;
}

static void pair_note(struct weir_segment_writer *writer, struct weir_segment_info *info, uint32_t service,
	uint32_t name, bool is_remote, uint32_t *seen)
{
	enum weir_segment_name what = is_remote ? WEIR_SEGMENT_REMOTE_NAME : WEIR_SEGMENT_SPAN_NAME;
	struct weir_str none = { "", 0 };
	struct weir_segment_pair pair;

	if (!pair_is_new(writer, ((uint64_t)is_remote << 63 | (uint64_t)service << 32 | name) + 1, seen)) {
		return;
	}
	pair.service = weir_dictionary_at(&writer->strings, service);
	pair.name = weir_dictionary_at(&writer->strings, name);
	weir_segment_filter_add(info->filter, what, pair.service, pair.name);
	weir_segment_filter_add(info->filter, what, none, pair.name);
	weir_segment_filter_add(info->filter, what, pair.service, none);
	if (info->pair_count == PAIRS || service == 0) {
		return;
	}
	/* The buffer may move while it grows: lengths now, places when it is complete. */
	pair.service.length = lower_copy(writer, service).length;
	pair.name.length = lower_copy(writer, name).length;
	pair.is_remote = is_remote;
	writer->pairs[info->pair_count++] = pair;
}

static void pairs_make(struct weir_segment_writer *writer, struct weir_segment_info *info)
{
	const struct rows *spans = &writer->tables[WEIR_ROWS_SPANS], *resources = &writer->tables[WEIR_ROWS_RESOURCES];
	uint32_t seen = 0;
	const char *text;
	bool is_new;

	memset(writer->pair_slots, 0, sizeof(writer->pair_slots));
	if (resources->count > writer->service_capacity) {
		free(writer->service_ids);
		writer->service_ids = malloc(resources->count * sizeof(*writer->service_ids));
		writer->service_capacity = writer->service_ids != NULL ? resources->count : 0;
		if (writer->service_ids == NULL) {
			writer->is_full = true;
			return;
		}
	}
	for (uint32_t i = 0; i < resources->count; i++) {
		const struct weir_resource *resource = resources->rows[i];

		writer->service_ids[i] = weir_dictionary_add(
			&writer->strings, weir_batch_str(resources->batches[i], resource->service), &is_new);
	}
	for (uint32_t i = 0; i < spans->count; i++) {
		uint32_t service = writer->service_ids[writer->resource_of[i]];

		pair_note(writer, info, service, writer->name_of[i], false, &seen);
		if (writer->peer_of[i] != 0) {
			pair_note(writer, info, service, writer->peer_of[i], true, &seen);
		}
	}
	if (seen >= TABLE_SLOTS / 2) {
		memset(info->filter, 0xff, sizeof(info->filter));
	}
	text = writer->pair_text.data;
	for (uint32_t i = 0; i < info->pair_count; i++) {
		writer->pairs[i].service.data = text;
		writer->pairs[i].name.data = text + writer->pairs[i].service.length;
		text += writer->pairs[i].service.length + writer->pairs[i].name.length;
	}
	info->pairs = writer->pairs;
}

static void times_make(const struct weir_segment_writer *writer, struct weir_segment_info *info)
{
	const struct rows *table = &writer->tables[writer->kind];
	uint32_t offset = writer->kind == WEIR_ROWS_SPANS      ? (uint32_t)offsetof(struct weir_span, start_ns)
			  : writer->kind == WEIR_ROWS_REQUESTS ? (uint32_t)offsetof(struct weir_request, start_ns)
							       : (uint32_t)offsetof(struct weir_connection, start_ns);

	info->min_time = UINT64_MAX;
	for (uint32_t i = 0; i < table->count; i++) {
		const struct weir_span *span = table->rows[i];
		uint64_t time = load64((const char *)table->rows[i] + offset);

		if (writer->kind == WEIR_ROWS_SPANS && (span->flags & WEIR_SPAN_NO_START) != 0) {
			time = table->batches[i]->received_ns;
		}
		info->min_time = time < info->min_time ? time : info->min_time;
		info->max_time = time > info->max_time ? time : info->max_time;
	}
}

/* ---- finish ------------------------------------------------------------- */

static void strings_write(struct weir_segment_writer *writer, const struct weir_dictionary *dictionary)
{
	weir_buf_clear(&writer->plain);
	for (uint32_t i = 0; i < dictionary->count; i++) {
		weir_codec_varint(&writer->plain, dictionary->offsets[i + 1] - dictionary->offsets[i]);
	}
	weir_buf_add(&writer->plain, dictionary->bytes.data, dictionary->bytes.length);
}

static int sections_write(struct weir_segment_writer *writer, struct weir_segment_head *head)
{
	int result = weir_codec_section_write(
		&writer->data, NULL, weir_buf_str(&writer->ids), &head->sections[WEIR_SEGMENT_IDS]);

	if (result == 0) {
		result = weir_codec_section_write(
			&writer->data, writer->zstd, weir_buf_str(&writer->core), &head->sections[WEIR_SEGMENT_CORE]);
	}
	if (result == 0) {
		strings_write(writer, &writer->strings);
		result = weir_codec_section_write(&writer->data, writer->zstd, weir_buf_str(&writer->plain),
			&head->sections[WEIR_SEGMENT_STRINGS]);
	}
	if (result == 0) {
		result = weir_codec_section_write(
			&writer->data, writer->zstd, weir_buf_str(&writer->rest), &head->sections[WEIR_SEGMENT_REST]);
	}
	if (result == 0) {
		weir_buf_clear(&writer->plain);
		weir_attrs_finish(&writer->attrs, &writer->plain);
		result = weir_codec_section_write(
			&writer->data, writer->zstd, weir_buf_str(&writer->plain), &head->sections[WEIR_SEGMENT_ATTRS]);
	}
	if (result == 0) {
		strings_write(writer, &writer->values);
		result = weir_codec_section_write(&writer->data, writer->zstd, weir_buf_str(&writer->plain),
			&head->sections[WEIR_SEGMENT_VALUES]);
	}
	return result;
}

static bool ran_out(const struct weir_segment_writer *writer)
{
	return writer->is_full || writer->strings.is_full || writer->values.is_full || writer->attrs.is_full ||
	       weir_buf_error(&writer->ids) != 0 || weir_buf_error(&writer->core) != 0 ||
	       weir_buf_error(&writer->rest) != 0 || weir_buf_error(&writer->plain) != 0 ||
	       weir_buf_error(&writer->data) != 0;
}

int weir_segment_writer_finish(
	struct weir_segment_writer *writer, struct weir_str *ret_data, struct weir_segment_info *ret_info)
{
	struct weir_segment_head head = { .magic = { 'w', 's', 'e', 'g' }, .version = WEIR_SEGMENT_VERSION };
	const struct rows *table = &writer->tables[writer->kind];
	int result;

	weir_assert(table->count > 0);
	*ret_info = (struct weir_segment_info){ .kind = writer->kind, .rows = table->count };
	head.kind = (uint8_t)writer->kind;
	head.protocol = table->batches[0]->protocol;
	head.received_ns = writer->min_arrival;
	if (writer->shared_capacity > 0) {
		memset(writer->shared_slots, 0, writer->shared_capacity * sizeof(*writer->shared_slots));
	}
	weir_buf_add(&writer->data, &head, sizeof(head));
	for (unsigned which = 0; which < WEIR_ROWS_COUNT; which++) {
		table_write(writer, which);
		head.rows[which] = writer->tables[which].count;
	}
	if (!ran_out(writer) && writer->kind == WEIR_ROWS_SPANS) {
		pairs_make(writer, ret_info);
	}
	if (ran_out(writer)) {
		return -ENOMEM;
	}
	head.traces = writer->trace_count;
	head.foreign_parents = writer->foreign_parents;
	head.attrs = (uint32_t)writer->attrs.total;
	head.strings = writer->strings.count;
	head.values = writer->values.count;
	result = sections_write(writer, &head);
	if (result < 0 || ran_out(writer) || writer->attrs.total > UINT32_MAX) {
		return result < 0 ? result : -ENOMEM;
	}
	head.check = weir_codec_check(&head, offsetof(struct weir_segment_head, check));
	memcpy(writer->data.data, &head, sizeof(head));
	*ret_data = weir_buf_str(&writer->data);
	times_make(writer, ret_info);
	ret_info->min_arrival = writer->min_arrival;
	ret_info->max_arrival = writer->max_arrival;
	ret_info->trace_count = hashes_make(writer);
	ret_info->traces = writer->trace_hashes;
	return 0;
}
