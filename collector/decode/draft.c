/* draft: rows and text of one request, laid out as a batch at the end.
 *
 *   +--------------+---------------+-------+--------+---+--------------------+
 *   | struct batch | body, as it   | extra | source,|pad| workloads resources |
 *   |              | came          |       | princ. |   | spans … logs        |
 *   +--------------+---------------+-------+--------+---+--------------------+
 *   0              BODY_AT         + body length
 *
 * The body lies at a place known before anything is decoded, and the extra
 * directly behind it: a ref is the offset in the finished batch as soon as it
 * is made, and no row is touched again. Without rows nobody refers to the
 * pool, and the batch is its header and the source.
 *
 * Invariants
 *  1. Every ref that leaves this file lies in [BODY_AT, BODY_AT + body +
 *     extra_length), or has length 0.
 *  2. rows->count <= rows->capacity; rows->data has room for capacity rows.
 *  3. After the first refusal of the arena is_exhausted stays set, and
 *     lay() and finish() refuse: nothing half-read leaves the draft.
 *
 * One thread: the listener whose arena it is. */
#include "decode/draft.h"

#include "base/utf8.h"
#include "identity/source.h"

#define BODY_AT ((uint32_t)sizeof(struct weir_batch))
#define BODY_MAX (UINT32_C(1) << 30)
#define EXTRA_MAX (UINT32_C(1) << 30)
#define FIRST_ROWS 8u
#define FIRST_EXTRA 512u

_Static_assert(sizeof(struct weir_batch) % 8 == 0, "the pool begins where the header ends");

void weir_draft_init(struct weir_draft *draft, struct weir_arena *arena, struct weir_str body)
{
	uint32_t length;

	weir_assert(body.length <= BODY_MAX);
	length = (uint32_t)body.length;
	*draft = (struct weir_draft){ .arena = arena, .body = body };
	draft->workloads.row_bytes = sizeof(struct weir_workload);
	draft->resources.row_bytes = sizeof(struct weir_resource);
	draft->spans.row_bytes = sizeof(struct weir_span);
	draft->requests.row_bytes = sizeof(struct weir_request);
	draft->connections.row_bytes = sizeof(struct weir_connection);
	draft->attrs.row_bytes = sizeof(struct weir_attr);
	draft->events.row_bytes = sizeof(struct weir_event);
	draft->links.row_bytes = sizeof(struct weir_link);
	draft->instruments.row_bytes = sizeof(struct weir_instrument);
	draft->points.row_bytes = sizeof(struct weir_point);
	draft->logs.row_bytes = sizeof(struct weir_log);
	/* Guesses that hold for what SDKs and proxies send, so that a table is
	 * seldom moved: a span takes 200 bytes and more, an attribute 32. */
	draft->spans.first_capacity = length / 256;
	draft->requests.first_capacity = length / 512;
	draft->attrs.first_capacity = length / 40;
}

bool weir_draft_grow(struct weir_draft *draft, struct weir_rows *rows)
{
	uint32_t first = rows->first_capacity > FIRST_ROWS ? rows->first_capacity : FIRST_ROWS;
	uint32_t capacity = rows->capacity == 0 ? first : rows->capacity * 2;
	void *data = NULL;

	if (capacity > rows->capacity && capacity <= UINT32_MAX / rows->row_bytes) {
		data = weir_arena_alloc(draft->arena, (size_t)capacity * rows->row_bytes);
	}
	if (data == NULL) {
		draft->is_exhausted = true;
		return false;
	}
	if (rows->count > 0) {
		memcpy(data, rows->data, (size_t)rows->count * rows->row_bytes);
	}
	rows->data = data;
	rows->capacity = capacity;
	return true;
}

static void *row_zeroed(struct weir_draft *draft, struct weir_rows *rows)
{
	void *row = weir_draft_row(draft, rows);

	return row != NULL ? memset(row, 0, rows->row_bytes) : NULL;
}

struct weir_workload *weir_draft_workload(struct weir_draft *draft)
{
	return row_zeroed(draft, &draft->workloads);
}

struct weir_resource *weir_draft_resource(struct weir_draft *draft)
{
	return row_zeroed(draft, &draft->resources);
}

struct weir_span *weir_draft_span(struct weir_draft *draft)
{
	return row_zeroed(draft, &draft->spans);
}

struct weir_request *weir_draft_request(struct weir_draft *draft)
{
	return row_zeroed(draft, &draft->requests);
}

struct weir_connection *weir_draft_connection(struct weir_draft *draft)
{
	return row_zeroed(draft, &draft->connections);
}

struct weir_attr *weir_draft_attr(struct weir_draft *draft)
{
	return row_zeroed(draft, &draft->attrs);
}

struct weir_event *weir_draft_event(struct weir_draft *draft)
{
	return row_zeroed(draft, &draft->events);
}

struct weir_link *weir_draft_link(struct weir_draft *draft)
{
	return row_zeroed(draft, &draft->links);
}

struct weir_instrument *weir_draft_instrument(struct weir_draft *draft)
{
	return row_zeroed(draft, &draft->instruments);
}

struct weir_point *weir_draft_point(struct weir_draft *draft)
{
	return row_zeroed(draft, &draft->points);
}

struct weir_log *weir_draft_log(struct weir_draft *draft)
{
	struct weir_log *log = row_zeroed(draft, &draft->logs);

	if (log != NULL) {
		log->request = WEIR_NONE;
		log->body.type = WEIR_ATTR_EMPTY;
	}
	return log;
}

char *weir_draft_reserve(struct weir_draft *draft, size_t size)
{
	size_t need = draft->extra_length + size;
	size_t capacity = draft->extra_capacity > 0 ? draft->extra_capacity : FIRST_EXTRA;
	char *data;

	if (draft->extra != NULL && need <= draft->extra_capacity) {
		return draft->extra + draft->extra_length;
	}
	while (capacity < need && capacity < EXTRA_MAX) {
		capacity *= 2;
	}
	data = size <= EXTRA_MAX && need <= capacity ? weir_arena_alloc(draft->arena, capacity) : NULL;
	if (data == NULL) {
		draft->is_exhausted = true;
		return NULL;
	}
	if (draft->extra_length > 0) {
		memcpy(data, draft->extra, draft->extra_length);
	}
	draft->extra = data;
	draft->extra_capacity = (uint32_t)capacity;
	return data + draft->extra_length;
}

struct weir_ref weir_draft_commit(struct weir_draft *draft, size_t used)
{
	uint32_t offset = BODY_AT + (uint32_t)draft->body.length + draft->extra_length;

	weir_assert(used <= draft->extra_capacity - draft->extra_length);
	if (used == 0) {
		return (struct weir_ref){ 0, 0 };
	}
	draft->extra_length += (uint32_t)used;
	return (struct weir_ref){ offset, (uint32_t)used };
}

struct weir_ref weir_draft_copy(struct weir_draft *draft, struct weir_str text)
{
	char *at = text.length > 0 ? weir_draft_reserve(draft, text.length) : NULL;

	if (at == NULL) {
		return (struct weir_ref){ 0, 0 };
	}
	memcpy(at, text.data, text.length);
	return weir_draft_commit(draft, text.length);
}

struct weir_str weir_draft_str(const struct weir_draft *draft, struct weir_ref ref)
{
	uint32_t length = (uint32_t)draft->body.length;

	if (ref.length == 0) {
		return (struct weir_str){ NULL, 0 };
	}
	if (ref.offset - BODY_AT < length) {
		return (struct weir_str){ draft->body.data + (ref.offset - BODY_AT), ref.length };
	}
	return (struct weir_str){ draft->extra + (ref.offset - BODY_AT - length), ref.length };
}

struct weir_ref weir_draft_text_checked(struct weir_draft *draft, struct weir_str inside_body)
{
	char *at;

	if (weir_utf8_is_valid(inside_body)) {
		return weir_draft_ref(draft, inside_body);
	}
	draft->replaced_utf8++;
	at = weir_draft_reserve(draft, 3 * inside_body.length);
	return at != NULL ? weir_draft_commit(draft, weir_utf8_repair(inside_body, at)) : (struct weir_ref){ 0, 0 };
}

struct weir_ref weir_draft_place(struct weir_draft *draft, struct weir_str text)
{
	uintptr_t at = (uintptr_t)text.data, body = (uintptr_t)draft->body.data;
	char *room;

	if (text.length == 0) {
		return (struct weir_ref){ 0, 0 };
	}
	if (at >= body && at - body < draft->body.length) {
		return weir_draft_text(draft, text);
	}
	if (weir_draft_is_ascii(text) || weir_utf8_is_valid(text)) {
		return weir_draft_copy(draft, text);
	}
	draft->replaced_utf8++;
	room = weir_draft_reserve(draft, 3 * text.length);
	return room != NULL ? weir_draft_commit(draft, weir_utf8_repair(text, room)) : (struct weir_ref){ 0, 0 };
}

void weir_draft_labels(struct weir_draft *draft, const struct weir_identity_more *more, struct weir_workload *workload)
{
	workload->attr_first = draft->attrs.count;
	for (uint32_t i = 0; i < more->count; i++) {
		struct weir_attr *attr = weir_draft_attr(draft);

		if (attr != NULL) { /* else the draft is exhausted: nothing of it will be used */
			attr->type = WEIR_ATTR_STRING;
			attr->key = weir_draft_place(draft, more->labels[i].key);
			attr->value.text = weir_draft_place(draft, more->labels[i].value);
		}
	}
	workload->attr_count = draft->attrs.count - workload->attr_first;
}

/* ---- finish ------------------------------------------------------------- */

_Static_assert(sizeof(struct weir_workload) % 8 == 0 && sizeof(struct weir_resource) % 8 == 0 &&
		       sizeof(struct weir_span) % 8 == 0 && sizeof(struct weir_request) % 8 == 0 &&
		       sizeof(struct weir_connection) % 8 == 0 && sizeof(struct weir_attr) % 8 == 0 &&
		       sizeof(struct weir_event) % 8 == 0 && sizeof(struct weir_link) % 8 == 0 &&
		       sizeof(struct weir_instrument) % 8 == 0 && sizeof(struct weir_point) % 8 == 0 &&
		       sizeof(struct weir_log) % 8 == 0,
	"tables follow each other without a gap");

/* Notes that `bytes` come next. Where they will lie, or 0 for none. */
static uint32_t part_lay(struct weir_draft_parts *parts, const void *data, size_t length)
{
	uint32_t at = parts->batch.size_bytes;

	if (length == 0) {
		return 0;
	}
	parts->parts[parts->count++] = (struct weir_str){ data, length };
	parts->batch.size_bytes += (uint32_t)length;
	return at;
}

static struct weir_table rows_lay(struct weir_draft_parts *parts, const struct weir_rows *rows)
{
	uint32_t at = parts->batch.size_bytes;

	part_lay(parts, rows->data, (size_t)rows->count * rows->row_bytes);
	return (struct weir_table){ at, rows->count };
}

static uint32_t items_count(const struct weir_draft *draft, enum weir_signal signal)
{
	switch (signal) {
	case WEIR_SIGNAL_SPAN:
		return draft->spans.count;
	case WEIR_SIGNAL_METRIC_POINT:
		return draft->points.count;
	case WEIR_SIGNAL_LOG:
		return draft->logs.count;
	default:
		return draft->requests.count + draft->connections.count;
	}
}

static void counts_fill(const struct weir_draft *draft, enum weir_signal signal, struct weir_batch *batch)
{
	uint32_t rows = items_count(draft, signal);
	uint64_t shed = 0, thinned = 0;

	for (unsigned i = 0; i < WEIR_DROPS; i++) {
		batch->dropped[i] = draft->dropped[i];
		shed += draft->dropped[i];
	}
	for (unsigned i = 0; i < WEIR_THINS; i++) {
		batch->thinned[i] = draft->thinned[i];
		thinned += draft->thinned[i];
	}
	weir_assert(thinned <= rows && draft->offered == rows + shed);
	batch->offered = draft->offered;
	batch->kept = rows - (uint32_t)thinned;
	batch->replaced_utf8 = draft->replaced_utf8;
	batch->mismatched = draft->mismatched;
}

static void tables_lay(const struct weir_draft *draft, struct weir_draft_parts *parts)
{
	struct weir_batch *batch = &parts->batch;

	batch->workloads = rows_lay(parts, &draft->workloads);
	batch->resources = rows_lay(parts, &draft->resources);
	batch->spans = rows_lay(parts, &draft->spans);
	batch->requests = rows_lay(parts, &draft->requests);
	batch->connections = rows_lay(parts, &draft->connections);
	batch->attrs = rows_lay(parts, &draft->attrs);
	batch->events = rows_lay(parts, &draft->events);
	batch->links = rows_lay(parts, &draft->links);
	batch->instruments = rows_lay(parts, &draft->instruments);
	batch->points = rows_lay(parts, &draft->points);
	batch->logs = rows_lay(parts, &draft->logs);
}

/* More than all rows can be, were they not in the arena. */
static bool is_too_large(const struct weir_draft *draft, const struct weir_draft_head *head)
{
	const struct weir_rows *tables[] = { &draft->workloads, &draft->resources, &draft->spans, &draft->requests,
		&draft->connections, &draft->attrs, &draft->events, &draft->links, &draft->instruments, &draft->points,
		&draft->logs };
	uint64_t size =
		BODY_AT + draft->body.length + draft->extra_length + head->source.length + head->principal.length + 7;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		size += (uint64_t)tables[i]->count * tables[i]->row_bytes;
	}
	return size > UINT32_MAX;
}

bool weir_draft_lay(struct weir_draft *draft, const struct weir_draft_head *head, struct weir_draft_parts *ret_parts)
{
	static const char padding[8];
	struct weir_batch *batch = &ret_parts->batch;

	draft->is_exhausted = draft->is_exhausted || is_too_large(draft, head);
	if (draft->is_exhausted) {
		return false;
	}
	*batch = (struct weir_batch){ .version = WEIR_BATCH_VERSION };
	batch->protocol = (uint8_t)head->protocol;
	batch->signal = (uint8_t)head->signal;
	batch->received_ns = head->received_ns;
	if (head->digest != NULL) {
		memcpy(batch->digest, head->digest, sizeof(batch->digest));
	}
	counts_fill(draft, head->signal, batch);
	ret_parts->count = 0;
	part_lay(ret_parts, batch, sizeof(*batch));
	if (draft->workloads.count + draft->resources.count + draft->spans.count + draft->requests.count +
			draft->connections.count + draft->attrs.count + draft->events.count + draft->links.count +
			draft->points.count + draft->logs.count + draft->instruments.count >
		0) {
		part_lay(ret_parts, draft->body.data, draft->body.length);
		part_lay(ret_parts, draft->extra, draft->extra_length);
	}
	batch->source.offset = part_lay(ret_parts, head->source.data, head->source.length);
	batch->source.length = (uint32_t)head->source.length;
	batch->principal.offset = part_lay(ret_parts, head->principal.data, head->principal.length);
	batch->principal.length = (uint32_t)head->principal.length;
	part_lay(ret_parts, padding, -batch->size_bytes & 7);
	tables_lay(draft, ret_parts);
	weir_assert(ret_parts->count <= WEIR_DRAFT_PARTS && batch->size_bytes % 8 == 0);
	return true;
}

const struct weir_batch *weir_draft_finish(struct weir_draft *draft, const struct weir_draft_head *head)
{
	struct weir_draft_parts parts;
	char *batch, *at;

	if (!weir_draft_lay(draft, head, &parts)) {
		return NULL;
	}
	batch = at = weir_arena_alloc(draft->arena, parts.batch.size_bytes);
	if (batch == NULL) {
		draft->is_exhausted = true;
		return NULL;
	}
	for (uint32_t i = 0; i < parts.count; i++) {
		memcpy(at, parts.parts[i].data, parts.parts[i].length);
		at += parts.parts[i].length;
	}
	return (const struct weir_batch *)batch;
}
