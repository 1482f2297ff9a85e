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

#include "base/err.h"
#include "storage/writing.h"

#define BODY_HINT (6 + 8 * WEIR_ROWS_LOGS)

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
static bool rows_reserve(struct weir_segment_writer *writer, struct weir_writing_rows *table, uint32_t more)
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

void weir_writing_note(struct weir_segment_writer *writer, enum weir_rows which, const struct weir_batch *batch,
	uint32_t first, uint32_t count)
{
	const struct weir_table *from = weir_columns_table_of(batch, which);
	const char *row = weir_batch_at(batch, from->offset);
	struct weir_writing_rows *table = &writer->tables[which];
	size_t row_bytes = weir_columns_stride(batch, which);

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
	weir_writing_note(writer, writer->kind, batch, first, take);
	if (take > 0) {
		writer->source_bytes += take * row_bytes;
		writer->min_arrival =
			batch->received_ns < writer->min_arrival ? batch->received_ns : writer->min_arrival;
		writer->max_arrival =
			batch->received_ns > writer->max_arrival ? batch->received_ns : writer->max_arrival;
	}
	return take;
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
	return (uint32_t)(((id ^ seed) * 0x9e3779b97f4a7c15u) >> 52) & (WEIR_WRITING_SLOTS - 1);
}

static void gather_traces(struct weir_segment_writer *writer, const struct weir_writing_rows *table)
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
			slot = (slot + 1) & (WEIR_WRITING_SLOTS - 1);
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

static void gather_span_ids(struct weir_segment_writer *writer, const struct weir_writing_rows *table)
{
	memset(writer->span_slots, 0, sizeof(writer->span_slots));
	for (uint32_t i = 0; i < table->count; i++) {
		const struct weir_span *span = table->rows[i];
		uint32_t slot = id_slot(load64(span->span_id), writer->seed);

		while (writer->span_slots[slot] != 0) {
			slot = (slot + 1) & (WEIR_WRITING_SLOTS - 1);
		}
		writer->span_slots[slot] = (uint16_t)(i + 1);
		weir_buf_add(&writer->ids, span->span_id, 8);
	}
}

static void gather_parents(
	struct weir_segment_writer *writer, const struct weir_writing_rows *table, uint64_t *ret_values)
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
			slot = (slot + 1) & (WEIR_WRITING_SLOTS - 1)) {
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

/* An id as a text; empty when it is all zero. */
static struct weir_str id_text(const void *id, size_t bytes)
{
	static const uint8_t none[16];

	return weir_str_make(id, memcmp(id, none, bytes) == 0 ? 0 : bytes);
}

static struct weir_str text_of(const struct weir_writing_rows *table, const struct weir_column *column, uint32_t i)
{
	const void *field = (const char *)table->rows[i] + column->offset;

	switch (column->kind) {
	case WEIR_COLUMN_ADDRESS:
		return weir_shared_address(field);
	case WEIR_COLUMN_ID16:
		return id_text(field, 16);
	case WEIR_COLUMN_ID8:
		return id_text(field, 8);
	default:
		return weir_batch_str(table->batches[i], *(const struct weir_ref *)field);
	}
}

static void gather_texts(struct weir_segment_writer *writer, const struct weir_writing_rows *table,
	const struct weir_column *column, uint64_t *ret_values)
{
	uint32_t last = 0;
	bool is_new;

	for (uint32_t i = 0; i < table->count; i++) {
		struct weir_str text = text_of(table, column, i);

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

/* Bodies are mostly text: lists of one shape. */
static void gather_bodies(struct weir_segment_writer *writer, const struct weir_writing_rows *table,
	const struct weir_column *column, uint64_t *ret_values)
{
	for (uint32_t i = 0; i < table->count; i++) {
		const char *body = (const char *)table->rows[i] + column->offset;

		ret_values[i] = weir_attrs_write(
			&writer->attrs, table->batches[i], (const struct weir_attr *)body, 1, BODY_HINT);
	}
}

static void gather_children(struct weir_segment_writer *writer, enum weir_rows which,
	const struct weir_writing_rows *table, const struct weir_column *column, uint64_t *ret_values)
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
		weir_writing_note(writer, column->kind == WEIR_COLUMN_EVENTS ? WEIR_ROWS_EVENTS : WEIR_ROWS_LINKS,
			batch, range[0], range[1]);
	}
}

static void gather_numbers(
	const struct weir_writing_rows *table, const struct weir_column *column, uint64_t *ret_values)
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
		case WEIR_COLUMN_SEEN:
			ret_values[i] = *(const uint64_t *)field;
			ret_values[i] = ret_values[i] != 0 ? ret_values[i] : table->batches[i]->received_ns;
			break;
		default:
			ret_values[i] = *(const uint64_t *)field;
			break;
		}
	}
}

static void gather_starts(
	const struct weir_segment_writer *writer, const struct weir_writing_rows *table, uint64_t *ret_values)
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
	struct weir_writing_rows *table = &writer->tables[which];
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
	case WEIR_COLUMN_ID16:
	case WEIR_COLUMN_ID8:
		gather_texts(writer, table, column, values);
		if (which == WEIR_ROWS_SPANS) {
			keep_places(column, writer, table->count);
		}
		break;
	case WEIR_COLUMN_RESOURCE:
		weir_shared_gather(writer, WEIR_ROWS_RESOURCES, table, column->offset, writer->resource_of, values);
		break;
	case WEIR_COLUMN_WORKLOAD:
		weir_shared_gather(writer, WEIR_ROWS_WORKLOADS, table, column->offset, NULL, values);
		break;
	case WEIR_COLUMN_BODY:
		gather_bodies(writer, table, column, values);
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
	case WEIR_COLUMN_SEEN:
		gather_numbers(table, column, values);
		break;
	}
	weir_codec_pack(out, values, table->count);
}

static void table_write(struct weir_segment_writer *writer, enum weir_rows which)
{
	struct weir_writing_rows *table = &writer->tables[which];

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
	const struct weir_writing_rows *table = &writer->tables[writer->kind];
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
	for (unsigned i = 0; i < WEIR_ROWS_COUNT; i++) {
		enum weir_rows which = weir_columns_order[i];

		table_write(writer, which);
		head.rows[which] = writer->tables[which].count;
	}
	if (!ran_out(writer)) {
		weir_summary_make(writer, ret_info);
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
	return 0;
}
