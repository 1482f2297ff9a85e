/* batch_maker: batches made by hand.
 *
 * The pool lies right behind the header, so a text's place is known at once;
 * the tables follow it. Nothing in the contract says that tables come first. */
#include "support/batch_maker.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static void rows_clear(struct batch_rows *rows)
{
	rows->count = 0;
}

static struct batch_rows *all_rows(struct batch_maker *maker, unsigned i)
{
	struct batch_rows *const rows[] = { &maker->workloads, &maker->resources, &maker->spans, &maker->requests,
		&maker->connections, &maker->attrs, &maker->events, &maker->links, &maker->instruments, &maker->points,
		&maker->logs };

	return i < sizeof(rows) / sizeof(rows[0]) ? rows[i] : NULL;
}

void batch_maker_begin(struct batch_maker *maker, enum weir_protocol protocol, enum weir_signal signal,
	const char *source, uint64_t received_ns)
{
	for (unsigned i = 0; all_rows(maker, i) != NULL; i++) {
		rows_clear(all_rows(maker, i));
	}
	free(maker->made);
	maker->made = NULL;
	maker->pool_length = 0;
	maker->head = (struct weir_batch){ .version = WEIR_BATCH_VERSION,
		.protocol = (uint8_t)protocol,
		.signal = (uint8_t)signal,
		.received_ns = received_ns };
	maker->head.source = batch_maker_text(maker, source);
}

void batch_maker_fini(struct batch_maker *maker)
{
	for (unsigned i = 0; all_rows(maker, i) != NULL; i++) {
		free(all_rows(maker, i)->data);
	}
	free(maker->pool);
	free(maker->made);
	memset(maker, 0, sizeof(*maker));
}

static struct weir_ref bytes_add(struct batch_maker *maker, const void *bytes, uint32_t length)
{
	struct weir_ref ref = { (uint32_t)sizeof(struct weir_batch) + maker->pool_length, length };

	while (maker->pool_capacity - maker->pool_length < length) {
		maker->pool_capacity = maker->pool_capacity == 0 ? 4096 : maker->pool_capacity * 2;
		maker->pool = realloc(maker->pool, maker->pool_capacity);
		weir_assert(maker->pool != NULL);
	}
	if (length > 0) {
		memcpy(maker->pool + maker->pool_length, bytes, length);
	}
	maker->pool_length += length;
	return length > 0 ? ref : (struct weir_ref){ 0, 0 };
}

struct weir_ref batch_maker_text(struct batch_maker *maker, const char *text)
{
	return bytes_add(maker, text, (uint32_t)strlen(text));
}

static void *row_add(struct batch_rows *rows, size_t size)
{
	char *row;

	if (rows->count == rows->capacity) {
		rows->capacity = rows->capacity == 0 ? 16 : rows->capacity * 2;
		rows->data = realloc(rows->data, rows->capacity * size);
		weir_assert(rows->data != NULL);
	}
	row = rows->data + rows->count++ * size;
	return memset(row, 0, size);
}

uint32_t batch_maker_workload(struct batch_maker *maker, const char *name, const char *namespace_, const char *version)
{
	struct weir_workload *workload = row_add(&maker->workloads, sizeof(*workload));

	workload->name = batch_maker_text(maker, name);
	workload->namespace_ = batch_maker_text(maker, namespace_);
	workload->version = batch_maker_text(maker, version);
	workload->app = workload->canonical_service = workload->name;
	workload->canonical_revision = workload->version;
	workload->cluster = batch_maker_text(maker, "Kubernetes");
	return maker->workloads.count - 1;
}

uint32_t batch_maker_resource(struct batch_maker *maker, const char *service)
{
	struct weir_resource *resource = row_add(&maker->resources, sizeof(*resource));

	resource->service = batch_maker_text(maker, service);
	return maker->resources.count - 1;
}

struct weir_span *batch_maker_span(struct batch_maker *maker)
{
	return row_add(&maker->spans, sizeof(struct weir_span));
}

struct weir_request *batch_maker_request(struct batch_maker *maker)
{
	struct weir_request *request = row_add(&maker->requests, sizeof(*request));

	request->call.source = request->call.destination = WEIR_NONE;
	request->grpc_status = WEIR_GRPC_STATUS_NONE;
	return request;
}

struct weir_connection *batch_maker_connection(struct batch_maker *maker)
{
	struct weir_connection *connection = row_add(&maker->connections, sizeof(*connection));

	connection->call.source = connection->call.destination = WEIR_NONE;
	connection->call.protocol = WEIR_REQUEST_TCP;
	return connection;
}

struct weir_attr *batch_maker_attr(struct batch_maker *maker)
{
	return row_add(&maker->attrs, sizeof(struct weir_attr));
}

struct weir_event *batch_maker_event(struct batch_maker *maker)
{
	return row_add(&maker->events, sizeof(struct weir_event));
}

struct weir_link *batch_maker_link(struct batch_maker *maker)
{
	return row_add(&maker->links, sizeof(struct weir_link));
}

uint32_t batch_maker_instrument(struct batch_maker *maker, const char *name, unsigned kind, unsigned temporality)
{
	struct weir_instrument *instrument = row_add(&maker->instruments, sizeof(*instrument));

	instrument->name = batch_maker_text(maker, name);
	instrument->kind = (uint8_t)kind;
	instrument->temporality = (uint8_t)temporality;
	instrument->is_monotonic = kind == WEIR_INSTRUMENT_SUM;
	instrument->resource = maker->resources.count - 1;
	return maker->instruments.count - 1;
}

struct weir_instrument *batch_maker_instrument_row(struct batch_maker *maker, uint32_t instrument)
{
	return (struct weir_instrument *)maker->instruments.data + instrument;
}

struct weir_point *batch_maker_point(struct batch_maker *maker, uint32_t instrument)
{
	struct weir_point *point = row_add(&maker->points, sizeof(*point));

	point->instrument = instrument;
	return point;
}

struct weir_ref batch_maker_numbers(struct batch_maker *maker, const void *numbers, uint32_t count)
{
	return bytes_add(maker, numbers, count * 8);
}

struct weir_log *batch_maker_log(struct batch_maker *maker)
{
	struct weir_log *log = row_add(&maker->logs, sizeof(*log));

	log->request = WEIR_NONE;
	return log;
}

void batch_maker_tag(struct batch_maker *maker, const char *key, const char *value)
{
	struct weir_attr *attr = batch_maker_attr(maker);

	attr->key = batch_maker_text(maker, key);
	attr->type = WEIR_ATTR_STRING;
	attr->value.text = batch_maker_text(maker, value);
}

static uint32_t table_put(
	char *at, uint32_t offset, const struct batch_rows *rows, size_t size, struct weir_table *table)
{
	*table = (struct weir_table){ offset, rows->count };
	if (rows->count > 0) {
		memcpy(at + offset, rows->data, rows->count * size);
	}
	return offset + (uint32_t)((rows->count * size + 7) & ~(size_t)7);
}

/* What the ledger counts: the rows of the batch's signal; the rest was told by them. */
static uint32_t items_of(const struct weir_batch *head)
{
	switch (head->signal) {
	case WEIR_SIGNAL_SPAN:
		return head->spans.count;
	case WEIR_SIGNAL_METRIC_POINT:
		return head->points.count;
	case WEIR_SIGNAL_LOG:
		return head->logs.count;
	default:
		return head->requests.count + head->connections.count;
	}
}

const struct weir_batch *batch_maker_finish(struct batch_maker *maker)
{
	static const size_t sizes[] = { sizeof(struct weir_workload), sizeof(struct weir_resource),
		sizeof(struct weir_span), sizeof(struct weir_request), sizeof(struct weir_connection),
		sizeof(struct weir_attr), sizeof(struct weir_event), sizeof(struct weir_link),
		sizeof(struct weir_instrument), sizeof(struct weir_point), sizeof(struct weir_log) };
	struct weir_batch *head = &maker->head;
	struct weir_table *const tables[] = { &head->workloads, &head->resources, &head->spans, &head->requests,
		&head->connections, &head->attrs, &head->events, &head->links, &head->instruments, &head->points,
		&head->logs };
	uint32_t at = ((uint32_t)sizeof(*head) + maker->pool_length + 7) & ~7u, size = at;

	for (unsigned i = 0; all_rows(maker, i) != NULL; i++) {
		size += (uint32_t)((all_rows(maker, i)->count * sizes[i] + 7) & ~(size_t)7);
	}
	maker->made = calloc(1, size);
	weir_assert(maker->made != NULL);
	if (maker->pool_length > 0) {
		memcpy(maker->made + 1, maker->pool, maker->pool_length);
	}
	for (unsigned i = 0; all_rows(maker, i) != NULL; i++) {
		at = table_put((char *)maker->made, at, all_rows(maker, i), sizes[i], tables[i]);
	}
	head->size_bytes = size;
	head->offered = items_of(head);
	head->kept = head->offered;
	for (unsigned i = 0; i < WEIR_THINS; i++) {
		head->kept -= head->thinned[i];
	}
	for (unsigned i = 0; i < WEIR_DROPS; i++) {
		head->offered += head->dropped[i];
	}
	*maker->made = *head;
	return maker->made;
}
