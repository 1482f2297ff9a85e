/* segment_reader: a segment's bytes in, a batch out (format: segment.c).
 *
 * The counts in the header give the batch's size, so it is one allocation: the
 * tables, and behind them the pool, which is the strings' bytes followed by the
 * values' bytes; a ref is then two look-ups in the offsets of the strings.
 * Every number is checked against what it numbers, whatever the checks of the
 * sections said: a sound batch or -EBADMSG. */
#include "storage/segment_reader.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include <zstd.h>

#include "storage/attrs.h"

#define SCRATCH_CHUNK (1u << 20)
#define SCRATCH_LIMIT (64u << 20)

struct weir_segment_reader {
	struct ZSTD_DCtx_s *zstd;
	struct weir_arena scratch; /* reset at each decode */
};

struct strings {                        /* offsets[count] is the end */
	uint32_t *offsets, count, base; /* base: where their bytes lie in the batch */
	const uint8_t *bytes;
};

struct decoding {
	struct weir_segment_reader *reader;
	const struct weir_segment_head *head;
	struct weir_str bytes;
	enum weir_segment_part part;
	struct weir_batch *batch;
	struct weir_codec_cursor ids, core, rest;
	const uint8_t *trace_ids, *span_ids, *foreign;
	uint64_t *trace_starts, *values;
	uint32_t *trace_of;
	struct strings strings, texts;
	struct weir_attrs_reader attrs;
	uint32_t next_attr, next_event, next_link;
};

int weir_segment_reader_create(struct weir_segment_reader **ret_reader)
{
	struct weir_segment_reader *reader = calloc(1, sizeof(*reader));

	*ret_reader = NULL;
	if (reader == NULL) {
		return -ENOMEM;
	}
	reader->zstd = ZSTD_createDCtx();
	if (reader->zstd == NULL) {
		free(reader);
		return -ENOMEM;
	}
	weir_arena_init(&reader->scratch, SCRATCH_CHUNK, SCRATCH_LIMIT);
	*ret_reader = reader;
	return 0;
}

void weir_segment_reader_destroy(struct weir_segment_reader *reader)
{
	if (reader != NULL) {
		weir_arena_fini(&reader->scratch);
		ZSTD_freeDCtx(reader->zstd);
		free(reader);
	}
}

static int section_open(struct decoding *decoding, enum weir_segment_section which, struct weir_codec_cursor *ret)
{
	const struct weir_codec_section *section = &decoding->head->sections[which];
	struct weir_str stored = { decoding->bytes.data + weir_segment_offset(decoding->head, which),
		section->stored_bytes };
	uint8_t *raw = weir_arena_alloc(&decoding->reader->scratch, (size_t)section->raw_bytes + 1);
	int result;

	if (raw == NULL) {
		return -ENOMEM;
	}
	result = weir_codec_section_read(decoding->reader->zstd, stored, section, raw);
	*ret = (struct weir_codec_cursor){ raw, raw + section->raw_bytes, false };
	return result;
}

static int strings_open(
	struct decoding *decoding, enum weir_segment_section which, uint32_t count, struct strings *ret_strings)
{
	struct weir_codec_cursor in;
	uint64_t end = 0;
	int result = section_open(decoding, which, &in);

	if (result < 0) {
		return result;
	}
	if (count == 0 || count > decoding->head->sections[which].raw_bytes) {
		return -EBADMSG;
	}
	ret_strings->offsets =
		weir_arena_alloc(&decoding->reader->scratch, ((size_t)count + 1) * sizeof(*ret_strings->offsets));
	if (ret_strings->offsets == NULL) {
		return -ENOMEM;
	}
	ret_strings->count = count;
	for (uint32_t i = 0; i < count; i++) {
		ret_strings->offsets[i] = (uint32_t)end;
		end += weir_codec_read_varint(&in);
		if (end > UINT32_MAX) {
			return -EBADMSG;
		}
	}
	ret_strings->offsets[count] = (uint32_t)end;
	ret_strings->bytes = in.at;
	return in.is_bad || (uint64_t)(in.end - in.at) != end ? -EBADMSG : 0;
}

/* ---- the batch ---------------------------------------------------------- */

static bool wants(const struct decoding *decoding, unsigned which)
{
	return decoding->part == WEIR_SEGMENT_PART_ALL || (which != WEIR_ROWS_EVENTS && which != WEIR_ROWS_LINKS);
}

static uint64_t table_place(struct weir_table *table, uint64_t offset, uint32_t count, uint32_t row_bytes)
{
	table->offset = (uint32_t)offset;
	table->count = count;
	return offset + (uint64_t)count * row_bytes;
}

static int batch_make(struct decoding *decoding, struct weir_arena *arena)
{
	const struct weir_segment_head *head = decoding->head;
	uint64_t pool = decoding->strings.offsets[decoding->strings.count], at = sizeof(struct weir_batch), size = at;
	struct weir_batch *batch;

	if (decoding->part == WEIR_SEGMENT_PART_ALL) {
		pool += decoding->texts.offsets[decoding->texts.count];
		size += (uint64_t)head->attrs * sizeof(struct weir_attr);
	}
	for (unsigned i = 0; i < WEIR_ROWS_COUNT; i++) {
		size += wants(decoding, i) ? (uint64_t)head->rows[i] * weir_columns[i].row_bytes : 0;
	}
	size += (pool + 7) & ~(uint64_t)7;
	if (size > UINT32_MAX) {
		return -EBADMSG;
	}
	batch = weir_arena_alloc(arena, size);
	if (batch == NULL) {
		return -ENOMEM;
	}
	decoding->batch = batch;
	memset(batch, 0, size - pool);
	batch->size_bytes = (uint32_t)size;
	batch->version = WEIR_BATCH_VERSION;
	batch->protocol = head->protocol;
	batch->signal = head->kind == WEIR_ROWS_SPANS  ? WEIR_SIGNAL_SPAN
			: head->kind == WEIR_ROWS_LOGS ? WEIR_SIGNAL_LOG
						       : WEIR_SIGNAL_ACCESS_LOG;
	batch->received_ns = head->received_ns;
	batch->offered = batch->kept = head->rows[head->kind];
	for (unsigned i = 0; i < WEIR_ROWS_COUNT; i++) {
		at = table_place(weir_columns_table(batch, i), at, wants(decoding, i) ? head->rows[i] : 0,
			weir_columns[i].row_bytes);
	}
	at = table_place(
		&batch->attrs, at, decoding->part == WEIR_SEGMENT_PART_ALL ? head->attrs : 0, sizeof(struct weir_attr));
	decoding->strings.base = (uint32_t)at;
	memcpy((char *)batch + at, decoding->strings.bytes, decoding->strings.offsets[decoding->strings.count]);
	at += decoding->strings.offsets[decoding->strings.count];
	if (decoding->part == WEIR_SEGMENT_PART_ALL) {
		decoding->texts.base = (uint32_t)at;
		memcpy((char *)batch + at, decoding->texts.bytes, decoding->texts.offsets[decoding->texts.count]);
		at += decoding->texts.offsets[decoding->texts.count];
	}
	memset((char *)batch + at, 0, size - at);
	return 0;
}

/* ---- columns ------------------------------------------------------------ */

static struct weir_ref ref_of(const struct strings *strings, uint32_t number)
{
	uint32_t length = strings->offsets[number + 1] - strings->offsets[number];

	return length == 0 ? (struct weir_ref){ 0, 0 }
			   : (struct weir_ref){ strings->base + strings->offsets[number], length };
}

static int list_read(struct decoding *decoding, uint64_t shape, uint32_t *range)
{
	struct weir_attr *list =
		(struct weir_attr *)((char *)decoding->batch + decoding->batch->attrs.offset) + decoding->next_attr;
	uint32_t count = weir_attrs_count(&decoding->attrs, shape);

	if (count == UINT32_MAX || count > decoding->head->attrs - decoding->next_attr ||
		weir_attrs_read(&decoding->attrs, (uint32_t)shape, list) < 0) {
		return -EBADMSG;
	}
	for (uint32_t i = 0; i < count; i++) {
		list[i].key = ref_of(&decoding->strings, list[i].key.offset);
		if (list[i].type == WEIR_ATTR_STRING || list[i].type == WEIR_ATTR_BYTES ||
			list[i].type == WEIR_ATTR_JSON) {
			list[i].value.text = ref_of(&decoding->texts, list[i].value.text.offset);
		}
	}
	range[0] = count > 0 ? decoding->next_attr : 0;
	range[1] = count;
	decoding->next_attr += count;
	return 0;
}

static int children_read(uint32_t *next, uint32_t total, uint64_t count, uint32_t *range)
{
	if (count > total - *next) {
		return -EBADMSG;
	}
	range[0] = count > 0 ? *next : 0;
	range[1] = (uint32_t)count;
	*next += (uint32_t)count;
	return 0;
}

static int parent_read(struct decoding *decoding, uint64_t value, uint32_t row, uint32_t *next_foreign, void *field)
{
	if (value == 1) {
		if (*next_foreign >= decoding->head->foreign_parents) {
			return -EBADMSG;
		}
		memcpy(field, decoding->foreign + (size_t)8 * (*next_foreign)++, 8);
	} else if (value >= 2) {
		uint64_t parent = row + (uint64_t)weir_codec_unzigzag(value - 2);

		if (parent >= decoding->head->rows[WEIR_ROWS_SPANS]) {
			return -EBADMSG;
		}
		memcpy(field, decoding->span_ids + 8 * parent, 8);
	}
	return 0;
}

/* Bytes that lie in `strings`; 0 is none. */
static int text_bytes_read(struct decoding *decoding, uint64_t value, size_t bytes, void *field)
{
	struct weir_ref ref;

	if (value >= decoding->strings.count) {
		return -EBADMSG;
	}
	ref = ref_of(&decoding->strings, (uint32_t)value);
	if (value != 0 && ref.length != bytes) {
		return -EBADMSG;
	}
	if (value != 0) {
		memcpy(field, weir_batch_at(decoding->batch, ref.offset), bytes);
	}
	return 0;
}

/* A list of one; it stays in the batch's attributes as well, where nobody refers to it. */
static int body_read(struct decoding *decoding, uint64_t shape, struct weir_attr *field)
{
	const struct weir_attr *list = weir_batch_attrs(decoding->batch);
	uint32_t range[2];

	if (list_read(decoding, shape, range) < 0 || range[1] != 1) {
		return -EBADMSG;
	}
	*field = list[range[0]];
	return 0;
}

/* One field from its number. 0 or -EBADMSG. */
static int field_read(
	struct decoding *decoding, const struct weir_column *column, uint64_t value, uint32_t row, void *field)
{
	const struct weir_segment_head *head = decoding->head;

	switch ((enum weir_column_kind)column->kind) {
	case WEIR_COLUMN_TRACE:
		if (value >= head->traces) {
			return -EBADMSG;
		}
		decoding->trace_of[row] = (uint32_t)value;
		memcpy(field, decoding->trace_ids + 16 * value, 16);
		return 0;
	case WEIR_COLUMN_START:
		*(uint64_t *)field =
			decoding->trace_starts[decoding->trace_of[row]] + (uint64_t)weir_codec_unzigzag(value);
		return 0;
	case WEIR_COLUMN_REF:
		if (value >= decoding->strings.count) {
			return -EBADMSG;
		}
		*(struct weir_ref *)field = ref_of(&decoding->strings, (uint32_t)value);
		return 0;
	case WEIR_COLUMN_ADDRESS:
		return text_bytes_read(decoding, value, offsetof(struct weir_address, padding), field);
	case WEIR_COLUMN_ID16:
		return text_bytes_read(decoding, value, 16, field);
	case WEIR_COLUMN_ID8:
		return text_bytes_read(decoding, value, 8, field);
	case WEIR_COLUMN_RESOURCE:
		if (value >= head->rows[WEIR_ROWS_RESOURCES]) {
			return -EBADMSG;
		}
		*(uint32_t *)field = (uint32_t)value;
		return 0;
	case WEIR_COLUMN_WORKLOAD:
		value -= head->version == 1 ? 0 : 1; /* 0 becomes UINT64_MAX */
		if (value >= head->rows[WEIR_ROWS_WORKLOADS] && value != UINT64_MAX) {
			return -EBADMSG;
		}
		*(uint32_t *)field = (uint32_t)value; /* WEIR_NONE of UINT64_MAX */
		return 0;
	case WEIR_COLUMN_ATTRS:
		return list_read(decoding, value, field);
	case WEIR_COLUMN_BODY:
		return body_read(decoding, value, field);
	case WEIR_COLUMN_EVENTS:
		return children_read(&decoding->next_event, head->rows[WEIR_ROWS_EVENTS], value, field);
	case WEIR_COLUMN_LINKS:
		return children_read(&decoding->next_link, head->rows[WEIR_ROWS_LINKS], value, field);
	default:
		return -EBADMSG;
	}
}

static int bytes_read(struct decoding *decoding, const struct weir_column *column, char *field, uint32_t count,
	size_t row_bytes, size_t bytes)
{
	const uint8_t *from = weir_codec_read_bytes(&decoding->ids, count * bytes);

	if (from == NULL) {
		return -EBADMSG;
	}
	if (column->kind == WEIR_COLUMN_SPAN_ID) {
		decoding->span_ids = from;
	}
	for (uint32_t i = 0; i < count; i++, from += bytes, field += row_bytes) {
		memcpy(field, from, bytes);
	}
	return 0;
}

static int traces_open(struct decoding *decoding, struct weir_codec_cursor *in)
{
	uint32_t traces = decoding->head->traces;

	decoding->trace_ids = weir_codec_read_bytes(&decoding->ids, (size_t)traces * 16);
	decoding->trace_starts =
		weir_arena_alloc(&decoding->reader->scratch, ((size_t)traces + 1) * sizeof(*decoding->trace_starts));
	decoding->trace_of = weir_arena_alloc(
		&decoding->reader->scratch, decoding->head->rows[WEIR_ROWS_SPANS] * sizeof(*decoding->trace_of));
	if (decoding->trace_starts == NULL || decoding->trace_of == NULL) {
		return -ENOMEM;
	}
	weir_codec_unpack(in, decoding->trace_starts, traces);
	return decoding->trace_ids == NULL || in->is_bad ? -EBADMSG : 0;
}

static void numbers_store(
	const struct weir_column *column, const uint64_t *values, uint32_t count, char *field, size_t row_bytes)
{
	for (uint32_t i = 0; i < count; i++, field += row_bytes) {
		switch (column->kind) {
		case WEIR_COLUMN_U8:
			*(uint8_t *)field = (uint8_t)values[i];
			break;
		case WEIR_COLUMN_U16:
			*(uint16_t *)field = (uint16_t)values[i];
			break;
		case WEIR_COLUMN_U32:
			*(uint32_t *)field = (uint32_t)values[i];
			break;
		default:
			*(uint64_t *)field = values[i];
			break;
		}
	}
}

static int column_read(struct decoding *decoding, unsigned which, const struct weir_column *column)
{
	struct weir_codec_cursor *in = column->is_core ? &decoding->core : &decoding->rest;
	uint32_t count = decoding->head->rows[which], next_foreign = 0;
	size_t row_bytes = weir_columns[which].row_bytes;
	char *field = (char *)decoding->batch + weir_columns_table(decoding->batch, which)->offset + column->offset;
	int result = 0;

	switch (column->kind) {
	case WEIR_COLUMN_SPAN_ID:
	case WEIR_COLUMN_BYTES8:
		return bytes_read(decoding, column, field, count, row_bytes, 8);
	case WEIR_COLUMN_BYTES16:
		return bytes_read(decoding, column, field, count, row_bytes, 16);
	case WEIR_COLUMN_TRACE:
		result = traces_open(decoding, in);
		break;
	case WEIR_COLUMN_PARENT:
		decoding->foreign = weir_codec_read_bytes(&decoding->ids, (size_t)decoding->head->foreign_parents * 8);
		result = decoding->foreign == NULL ? -EBADMSG : 0;
		break;
	default:
		break;
	}
	if (result < 0) {
		return result;
	}
	weir_codec_unpack(in, decoding->values, count);
	if (in->is_bad) {
		return -EBADMSG;
	}
	if (column->kind <= WEIR_COLUMN_SEEN) {
		numbers_store(column, decoding->values, count, field, row_bytes);
		return 0;
	}
	for (uint32_t i = 0; i < count && result == 0; i++, field += row_bytes) {
		result = column->kind == WEIR_COLUMN_PARENT
				 ? parent_read(decoding, decoding->values[i], i, &next_foreign, field)
				 : field_read(decoding, column, decoding->values[i], i, field);
	}
	return result;
}

static int tables_read(struct decoding *decoding)
{
	for (unsigned n = 0; n < WEIR_ROWS_COUNT; n++) {
		enum weir_rows which = weir_columns_order[n];

		for (uint32_t i = 0; decoding->head->rows[which] > 0 && i < weir_columns[which].count; i++) {
			const struct weir_column *column = weir_columns[which].columns + i;
			bool is_there = column->since <= decoding->head->version;
			int result = 0;

			if (is_there && (column->is_core || decoding->part == WEIR_SEGMENT_PART_ALL)) {
				result = column_read(decoding, which, column);
			}
			if (result < 0) {
				return result;
			}
		}
	}
	if (decoding->part == WEIR_SEGMENT_PART_ALL &&
		(decoding->next_attr != decoding->head->attrs ||
			decoding->next_event != decoding->head->rows[WEIR_ROWS_EVENTS] ||
			decoding->next_link != decoding->head->rows[WEIR_ROWS_LINKS])) {
		return -EBADMSG;
	}
	return 0;
}

/* A start that was not known is none. */
static void starts_clear(struct weir_batch *batch)
{
	struct weir_span *spans = (struct weir_span *)((char *)batch + batch->spans.offset);

	for (uint32_t i = 0; i < batch->spans.count; i++) {
		if ((spans[i].flags & WEIR_SPAN_NO_START) != 0) {
			spans[i].start_ns = 0;
		}
	}
}

/* The request that was made of a log is a row of another segment. */
static void requests_clear(struct weir_batch *batch)
{
	struct weir_log *logs = (struct weir_log *)((char *)batch + batch->logs.offset);

	for (uint32_t i = 0; i < batch->logs.count; i++) {
		logs[i].request = WEIR_NONE;
	}
}

static int sections_open(struct decoding *decoding)
{
	const struct weir_segment_head *head = decoding->head;
	struct weir_codec_cursor attrs;
	struct weir_str text;
	int result = section_open(decoding, WEIR_SEGMENT_IDS, &decoding->ids);

	if (result == 0) {
		result = section_open(decoding, WEIR_SEGMENT_CORE, &decoding->core);
	}
	if (result == 0) {
		result = strings_open(decoding, WEIR_SEGMENT_STRINGS, head->strings, &decoding->strings);
	}
	if (result < 0 || decoding->part != WEIR_SEGMENT_PART_ALL) {
		return result;
	}
	result = section_open(decoding, WEIR_SEGMENT_REST, &decoding->rest);
	if (result == 0) {
		result = strings_open(decoding, WEIR_SEGMENT_VALUES, head->values, &decoding->texts);
	}
	if (result == 0) {
		result = section_open(decoding, WEIR_SEGMENT_ATTRS, &attrs);
	}
	if (result == 0) {
		text = weir_str_make((const char *)attrs.at, (size_t)(attrs.end - attrs.at));
		result = weir_attrs_read_begin(
			&decoding->attrs, &decoding->reader->scratch, text, head->strings, head->values);
	}
	return result;
}

int weir_segment_reader_decode(struct weir_segment_reader *reader, struct weir_str bytes, enum weir_segment_part part,
	struct weir_arena *arena, const struct weir_batch **ret_batch)
{
	struct weir_segment_head head;
	struct decoding decoding = { .reader = reader, .head = &head, .bytes = bytes, .part = part };
	uint32_t most = 0;
	int result = weir_segment_head_read(bytes, &head);

	*ret_batch = NULL;
	weir_arena_reset(&reader->scratch);
	if (result == 0) {
		result = sections_open(&decoding);
	}
	if (result == 0) {
		result = batch_make(&decoding, arena);
	}
	for (unsigned i = 0; i < WEIR_ROWS_COUNT; i++) {
		most = head.rows[i] > most && result == 0 ? head.rows[i] : most;
	}
	if (result == 0) {
		decoding.values = weir_arena_alloc(&reader->scratch, most * sizeof(*decoding.values));
		result = decoding.values != NULL ? tables_read(&decoding) : -ENOMEM;
	}
	if (result == 0 && head.protocol >= WEIR_PROTOCOLS) {
		result = -EBADMSG;
	}
	if (result < 0) {
		return result;
	}
	starts_clear(decoding.batch);
	requests_clear(decoding.batch);
	*ret_batch = decoding.batch;
	return 0;
}
