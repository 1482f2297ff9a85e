/* extract: a few rows of a large batch as a small batch of their own.
 *
 * What a query returns must outlive the ring's batch and the decoded segment
 * that it was found in; copying those whole would cost a hundred times the
 * trace. The same walk over the rows runs twice: once to count, once to copy. */
#include "storage/extract.h"

#include <string.h>

struct extraction {
	const struct weir_batch *from;
	struct weir_batch *to; /* NULL: counting */
	uint32_t counts[WEIR_ROWS_COUNT], attrs;
	uint64_t pool;       /* bytes so far */
	uint32_t pool_place; /* offset in `to` */
	bool is_core;        /* lists stay behind */
	uint32_t *resources; /* by row in `from`: row in `to` + 1, or 0 */
};

static void text_take(struct extraction *extraction, struct weir_ref *ref)
{
	if (ref->length > 0 && extraction->to != NULL) {
		uint32_t place = extraction->pool_place + (uint32_t)extraction->pool;

		memcpy((char *)extraction->to + place, weir_batch_at(extraction->from, ref->offset), ref->length);
		extraction->pool += ref->length;
		ref->offset = place;
		return;
	}
	extraction->pool += ref->length;
}

static void list_take(struct extraction *extraction, uint32_t *range)
{
	const struct weir_attr *list = weir_batch_attrs(extraction->from) + range[0];
	uint32_t first = extraction->attrs;

	range[1] = extraction->is_core ? 0 : range[1];
	for (uint32_t i = 0; i < range[1]; i++) {
		struct weir_attr attr = list[i];

		text_take(extraction, &attr.key);
		if (attr.type == WEIR_ATTR_STRING || attr.type == WEIR_ATTR_BYTES || attr.type == WEIR_ATTR_JSON) {
			text_take(extraction, &attr.value.text);
		}
		if (extraction->to != NULL) {
			((struct weir_attr *)((char *)extraction->to +
					      extraction->to->attrs.offset))[extraction->attrs] = attr;
		}
		extraction->attrs++;
	}
	range[0] = range[1] > 0 ? first : 0;
}

/* The largest row type fits; a row is copied here and its references are moved. */
union row {
	struct weir_span span;
	struct weir_resource resource;
	struct weir_event event;
	struct weir_link link;
	char bytes[sizeof(struct weir_span)];
};

/* Takes one row of a table that refers to texts and attributes only. */
static uint32_t leaf_take(struct extraction *extraction, enum weir_rows which, uint32_t number)
{
	const struct weir_column_list *list = &weir_columns[which];
	const char *from = (const char *)extraction->from + weir_columns_table_of(extraction->from, which)->offset +
			   number * list->row_bytes;
	uint32_t place = extraction->counts[which]++;
	union row row;

	memcpy(&row, from, list->row_bytes);
	for (uint32_t i = 0; i < list->count; i++) {
		void *field = row.bytes + list->columns[i].offset;

		if (list->columns[i].kind == WEIR_COLUMN_REF) {
			text_take(extraction, field);
		} else if (list->columns[i].kind == WEIR_COLUMN_ATTRS) {
			list_take(extraction, field);
		}
	}
	if (extraction->to != NULL) {
		memcpy((char *)extraction->to + weir_columns_table(extraction->to, which)->offset +
				place * list->row_bytes,
			&row, list->row_bytes);
	}
	return place;
}

static void children_take(struct extraction *extraction, enum weir_rows which, uint32_t *range)
{
	uint32_t first = extraction->counts[which];

	range[1] = extraction->is_core ? 0 : range[1];
	for (uint32_t i = 0; i < range[1]; i++) {
		leaf_take(extraction, which, range[0] + i);
	}
	range[0] = range[1] > 0 ? first : 0;
}

static void span_take(struct extraction *extraction, uint32_t number)
{
	struct weir_span span = weir_batch_spans(extraction->from)[number];
	uint32_t place = extraction->counts[WEIR_ROWS_SPANS]++;
	uint32_t *resource = &extraction->resources[span.resource];

	if (*resource == 0) {
		*resource = leaf_take(extraction, WEIR_ROWS_RESOURCES, span.resource) + 1;
	}
	span.resource = *resource - 1;
	text_take(extraction, &span.name);
	text_take(extraction, &span.trace_state);
	text_take(extraction, &span.status_message);
	text_take(extraction, &span.peer);
	list_take(extraction, &span.attr_first);
	children_take(extraction, WEIR_ROWS_EVENTS, &span.event_first);
	children_take(extraction, WEIR_ROWS_LINKS, &span.link_first);
	if (extraction->to != NULL) {
		((struct weir_span *)((char *)extraction->to + extraction->to->spans.offset))[place] = span;
	}
}

static void all_take(struct extraction *extraction, const uint32_t *rows, uint32_t count)
{
	memset(extraction->counts, 0, sizeof(extraction->counts));
	memset(extraction->resources, 0, extraction->from->resources.count * sizeof(*extraction->resources));
	extraction->attrs = 0;
	extraction->pool = 0;
	for (uint32_t i = 0; i < count; i++) {
		span_take(extraction, rows[i]);
	}
}

const struct weir_batch *weir_extract_spans(
	struct weir_arena *arena, const struct weir_batch *batch, const uint32_t *rows, uint32_t count, bool is_core)
{
	struct extraction extraction = { .from = batch, .is_core = is_core };
	uint64_t at = sizeof(*batch), size;
	struct weir_batch *to;

	extraction.resources = weir_arena_alloc(arena, batch->resources.count * sizeof(*extraction.resources) + 1);
	if (extraction.resources == NULL) {
		return NULL;
	}
	all_take(&extraction, rows, count);
	size = at + (uint64_t)extraction.attrs * sizeof(struct weir_attr) + ((extraction.pool + 7) & ~(uint64_t)7);
	for (unsigned i = 0; i < WEIR_ROWS_COUNT; i++) {
		size += (uint64_t)extraction.counts[i] * weir_columns[i].row_bytes;
	}
	to = size <= UINT32_MAX ? weir_arena_zalloc(arena, size) : NULL;
	if (to == NULL) {
		return NULL;
	}
	to->size_bytes = (uint32_t)size;
	to->version = batch->version;
	to->protocol = batch->protocol;
	to->signal = batch->signal;
	to->received_ns = batch->received_ns;
	to->offered = to->kept = count;
	for (unsigned i = 0; i < WEIR_ROWS_COUNT; i++) {
		*weir_columns_table(to, i) = (struct weir_table){ (uint32_t)at, extraction.counts[i] };
		at += (uint64_t)extraction.counts[i] * weir_columns[i].row_bytes;
	}
	to->attrs = (struct weir_table){ (uint32_t)at, extraction.attrs };
	extraction.pool_place = (uint32_t)(at + (uint64_t)extraction.attrs * sizeof(struct weir_attr));
	extraction.to = to;
	all_take(&extraction, rows, count);
	return to;
}
