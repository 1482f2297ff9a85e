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
	uint64_t pool;                   /* bytes so far */
	uint32_t pool_place;             /* offset in `to` */
	bool is_core;                    /* lists stay behind */
	uint32_t *resources, *workloads; /* by row in `from`: row in `to` + 1, or 0 */
	enum weir_rows kind;
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
	struct weir_log log;
	struct weir_request request;
	struct weir_workload workload;
	char bytes[sizeof(struct weir_span)];
};

static bool is_text(uint32_t type)
{
	return type == WEIR_ATTR_STRING || type == WEIR_ATTR_BYTES || type == WEIR_ATTR_JSON;
}

static void shared_take(struct extraction *extraction, enum weir_rows which, uint32_t *number);

/* Takes one row of a table without rows of its own; the requests made of logs stay behind. */
static uint32_t row_take(struct extraction *extraction, enum weir_rows which, uint32_t number)
{
	const struct weir_column_list *list = &weir_columns[which];
	const char *from = (const char *)extraction->from + weir_columns_table_of(extraction->from, which)->offset +
			   number * weir_columns_stride(extraction->from, which);
	uint32_t place = extraction->counts[which]++;
	union row row;

	memcpy(&row, from, weir_columns_stride(extraction->from, which));
	if (which == WEIR_ROWS_WORKLOADS) {
		row.workload.attr_first = row.workload.attr_count = 0; /* labels are no detail */
	}
	for (uint32_t i = 0; i < list->count; i++) {
		void *field = row.bytes + list->columns[i].offset;
		struct weir_attr *body = field;

		switch (list->columns[i].kind) {
		case WEIR_COLUMN_REF:
			text_take(extraction, field);
			break;
		case WEIR_COLUMN_ATTRS:
			list_take(extraction, field);
			break;
		case WEIR_COLUMN_BODY:
			if (is_text(body->type)) {
				text_take(extraction, &body->value.text);
			}
			break;
		case WEIR_COLUMN_RESOURCE:
			shared_take(extraction, WEIR_ROWS_RESOURCES, field);
			break;
		case WEIR_COLUMN_WORKLOAD:
			shared_take(extraction, WEIR_ROWS_WORKLOADS, field);
			break;
		default:
			break;
		}
	}
	if (which == WEIR_ROWS_LOGS) {
		row.log.request = WEIR_NONE;
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
		row_take(extraction, which, range[0] + i);
	}
	range[0] = range[1] > 0 ? first : 0;
}

/* Makes the number of a resource or workload that of its row in `to`; each is taken once. */
static void shared_take(struct extraction *extraction, enum weir_rows which, uint32_t *number)
{
	uint32_t *places = which == WEIR_ROWS_RESOURCES ? extraction->resources : extraction->workloads;

	if (*number != WEIR_NONE) {
		if (places[*number] == 0) {
			places[*number] = row_take(extraction, which, *number) + 1;
		}
		*number = places[*number] - 1;
	}
}

static void span_take(struct extraction *extraction, uint32_t number)
{
	struct weir_span span = weir_batch_spans(extraction->from)[number];
	uint32_t place = extraction->counts[WEIR_ROWS_SPANS]++;

	shared_take(extraction, WEIR_ROWS_RESOURCES, &span.resource);
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
	memset(extraction->workloads, 0, extraction->from->workloads.count * sizeof(*extraction->workloads));
	extraction->attrs = 0;
	extraction->pool = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (extraction->kind == WEIR_ROWS_SPANS) {
			span_take(extraction, rows[i]);
		} else {
			row_take(extraction, extraction->kind, rows[i]);
		}
	}
}

static const struct weir_batch *extract(
	struct extraction extraction, struct weir_arena *arena, const uint32_t *rows, uint32_t count)
{
	const struct weir_batch *batch = extraction.from;
	uint64_t at = sizeof(*batch), size;
	struct weir_batch *to;

	extraction.resources = weir_arena_alloc(arena, batch->resources.count * sizeof(*extraction.resources) + 1);
	extraction.workloads = weir_arena_alloc(arena, batch->workloads.count * sizeof(*extraction.workloads) + 1);
	if (extraction.resources == NULL || extraction.workloads == NULL) {
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
	to->version = WEIR_BATCH_VERSION;
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

const struct weir_batch *weir_extract_spans(
	struct weir_arena *arena, const struct weir_batch *batch, const uint32_t *rows, uint32_t count, bool is_core)
{
	return extract(
		(struct extraction){ .from = batch, .is_core = is_core, .kind = WEIR_ROWS_SPANS }, arena, rows, count);
}

const struct weir_batch *weir_extract_rows(struct weir_arena *arena, const struct weir_batch *batch,
	enum weir_rows kind, const uint32_t *rows, uint32_t count)
{
	return extract((struct extraction){ .from = batch, .kind = kind }, arena, rows, count);
}
