/* maker: batches by hand; see the header. */
#include "maker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void maker_init(struct maker *maker, uint64_t seed)
{
	memset(maker, 0, sizeof(*maker));
	maker->random = seed * 0x9e3779b97f4a7c15u + 1;
}

static struct weir_buf *bufs_of(struct maker *maker)
{
	return &maker->workloads;
}

#define BUFS 9

void maker_fini(struct maker *maker)
{
	for (unsigned i = 0; i < BUFS; i++) {
		weir_buf_fini(bufs_of(maker) + i);
	}
}

uint64_t maker_random(struct maker *maker)
{
	uint64_t x = maker->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (maker->random = x) * 0x2545f4914f6cdd1du;
}

struct weir_ref maker_text(struct maker *maker, const char *text)
{
	struct weir_ref ref = { (uint32_t)maker->pool.length, (uint32_t)strlen(text) };

	weir_buf_add(&maker->pool, text, ref.length);
	return ref.length > 0 ? ref : (struct weir_ref){ 0, 0 };
}

static void *row_add(struct weir_buf *buf, size_t bytes)
{
	void *at = weir_buf_reserve(buf, bytes);

	weir_assert(at != NULL);
	memset(at, 0, bytes);
	weir_buf_advance(buf, bytes);
	return at;
}

uint32_t maker_attr(struct maker *maker, const char *key, const char *value)
{
	struct weir_attr *attr = row_add(&maker->attrs, sizeof(*attr));

	attr->key = maker_text(maker, key);
	attr->value.text = maker_text(maker, value);
	attr->type = WEIR_ATTR_STRING;
	return (uint32_t)(maker->attrs.length / sizeof(*attr)) - 1;
}

uint32_t maker_attr_number(struct maker *maker, const char *key, uint32_t type, int64_t number)
{
	struct weir_attr *attr = row_add(&maker->attrs, sizeof(*attr));

	attr->key = maker_text(maker, key);
	attr->type = type;
	attr->value.number = number;
	return (uint32_t)(maker->attrs.length / sizeof(*attr)) - 1;
}

uint32_t maker_resource(struct maker *maker, const char *service)
{
	struct weir_resource *resource = row_add(&maker->resources, sizeof(*resource));

	resource->service = maker_text(maker, service);
	return (uint32_t)(maker->resources.length / sizeof(*resource)) - 1;
}

static void id_set(uint8_t *id, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++) {
		id[i] = (uint8_t)(value >> (56 - 8 * i));
	}
}

struct weir_span *maker_span(struct maker *maker, uint64_t trace, uint64_t id, uint64_t parent, uint32_t resource,
	const char *name, uint64_t start_ns, uint64_t duration_ns)
{
	struct weir_span *span = row_add(&maker->spans, sizeof(*span));

	id_set(span->trace_id + 8, trace);
	id_set(span->span_id, id);
	id_set(span->parent_id, parent);
	span->resource = resource;
	span->name = maker_text(maker, name);
	span->start_ns = start_ns;
	span->duration_ns = duration_ns;
	return span;
}

/* ---- putting it together ------------------------------------------------ */

static void refs_shift(char *rows, uint32_t count, size_t row_bytes, size_t offset, uint32_t by)
{
	for (uint32_t i = 0; i < count; i++) {
		struct weir_ref *ref = (struct weir_ref *)(rows + i * row_bytes + offset);

		if (ref->length > 0) {
			ref->offset += by;
		}
	}
}

#define SHIFT(table, row, field)                                                                                       \
	refs_shift((char *)batch + batch->table.offset, batch->table.count, sizeof(struct row),                        \
		offsetof(struct row, field), pool)

static void attrs_shift(struct weir_batch *batch, uint32_t pool)
{
	struct weir_attr *attrs = (struct weir_attr *)((char *)batch + batch->attrs.offset);

	SHIFT(attrs, weir_attr, key);
	for (uint32_t i = 0; i < batch->attrs.count; i++) {
		bool is_text = attrs[i].type == WEIR_ATTR_STRING || attrs[i].type == WEIR_ATTR_BYTES ||
			       attrs[i].type == WEIR_ATTR_JSON;

		if (is_text && attrs[i].value.text.length > 0) {
			attrs[i].value.text.offset += pool;
		}
	}
}

static void all_shift(struct weir_batch *batch, uint32_t pool)
{
	SHIFT(workloads, weir_workload, name);
	SHIFT(workloads, weir_workload, namespace_);
	SHIFT(workloads, weir_workload, pod);
	SHIFT(resources, weir_resource, service);
	SHIFT(resources, weir_resource, scope_name);
	SHIFT(spans, weir_span, name);
	SHIFT(spans, weir_span, trace_state);
	SHIFT(spans, weir_span, status_message);
	SHIFT(spans, weir_span, peer);
	SHIFT(events, weir_event, name);
	SHIFT(links, weir_link, trace_state);
	SHIFT(requests, weir_request, call.service_host);
	SHIFT(requests, weir_request, path);
	SHIFT(requests, weir_request, request_id);
	SHIFT(connections, weir_connection, call.service_host);
	SHIFT(connections, weir_connection, stream_id);
	attrs_shift(batch, pool);
}

struct weir_batch *maker_batch(struct maker *maker, uint64_t received_ns)
{
	static const size_t row_bytes[BUFS] = { sizeof(struct weir_workload), sizeof(struct weir_resource),
		sizeof(struct weir_span), sizeof(struct weir_request), sizeof(struct weir_connection),
		sizeof(struct weir_attr), sizeof(struct weir_event), sizeof(struct weir_link), 1 };
	size_t size = sizeof(struct weir_batch), at = size;
	struct weir_batch *batch;
	struct weir_table *tables;

	for (unsigned i = 0; i < BUFS; i++) {
		size += bufs_of(maker)[i].length;
	}
	size = (size + 7) & ~(size_t)7;
	batch = calloc(1, size);
	weir_assert(batch != NULL);
	batch->size_bytes = (uint32_t)size;
	batch->version = WEIR_BATCH_VERSION;
	batch->protocol = WEIR_PROTOCOL_OTLP_GRPC;
	batch->signal = WEIR_SIGNAL_SPAN;
	batch->received_ns = received_ns;
	tables = &batch->workloads;
	for (unsigned i = 0; i < BUFS; i++) {
		struct weir_buf *buf = bufs_of(maker) + i;

		if (i < BUFS - 1) {
			tables[i] = (struct weir_table){ (uint32_t)at, (uint32_t)(buf->length / row_bytes[i]) };
		}
		if (buf->length > 0) {
			memcpy((char *)batch + at, buf->data, buf->length);
		}
		at += i < BUFS - 1 ? buf->length : 0;
		weir_buf_clear(buf);
	}
	batch->offered = batch->kept = batch->spans.count + batch->requests.count + batch->connections.count;
	all_shift(batch, (uint32_t)at);
	weir_assert(weir_batch_is_sound(batch, size));
	return batch;
}

/* ---- a mesh ------------------------------------------------------------- */

static const char *const services[] = { "istio-ingressgateway", "productpage", "details", "reviews", "ratings",
	"mongodb" };
static const char *const paths[] = { "/productpage", "/details/0", "/reviews/0", "/ratings/0", "/login" };
static const char *const agents[] = { "curl/8.5.0", "Go-http-client/1.1", "python-requests/2.31.0",
	"Mozilla/5.0 (X11; Linux x86_64)" };

struct mesh_trace {
	uint64_t high, low, clock;
	const char *agent;
};

static uint64_t mesh_span(struct maker *maker, struct mesh_trace *trace, bool is_client, unsigned from, unsigned to,
	uint64_t parent, const char *path, uint64_t duration)
{
	unsigned service = is_client ? from : to, remote = is_client ? to : from;
	int status = maker_random(maker) % 40 == 0 ? 503 : 200;
	uint32_t first = (uint32_t)(maker->attrs.length / sizeof(struct weir_attr));
	uint64_t id = maker_random(maker) | 1;
	char text[128];
	struct weir_span *span;

	snprintf(text, sizeof(text), "sidecar~10.244.1.%u~%s-v1-6b746f74dc-9rl%02u.default", 20 + service,
		services[service], service);
	maker_attr(maker, "node_id", text);
	maker_attr(maker, "http.request.method", "GET");
	maker_attr(maker, "url.path", path);
	maker_attr_number(maker, "http.response.status_code", WEIR_ATTR_INT, status);
	if (is_client) {
		snprintf(text, sizeof(text), "outbound|9080||%s.default.svc.cluster.local", services[to]);
	} else {
		snprintf(text, sizeof(text), "inbound|9080||");
	}
	maker_attr(maker, "upstream_cluster", text);
	snprintf(text, sizeof(text), "10.244.1.%u", 20 + remote);
	maker_attr(maker, "peer.address", text);
	maker_attr(maker, "user_agent", trace->agent);
	maker_attr(maker, "response_flags", status == 503 ? "UF" : "-");
	snprintf(text, sizeof(text), "%s.default.svc.cluster.local:9080/*", services[to]);
	span = maker_span(maker, trace->low, id, parent, service, text, trace->clock,
		duration * 1000000 + maker_random(maker) % 4000000);
	id_set(span->trace_id, trace->high);
	span->kind = is_client ? WEIR_SPAN_CLIENT : WEIR_SPAN_SERVER;
	span->attr_first = first;
	span->attr_count = 8;
	span->status = status == 503 ? 2 : 0;
	span->flags = status == 503 ? WEIR_SPAN_ERROR : 0;
	trace->clock += 300000 + maker_random(maker) % 200000;
	return id;
}

static uint64_t mesh_hop(struct maker *maker, struct mesh_trace *trace, unsigned from, unsigned to, uint64_t parent,
	const char *path, uint64_t ms)
{
	uint64_t client = mesh_span(maker, trace, true, from, to, parent, path, ms + 2);

	return mesh_span(maker, trace, false, from, to, client, path, ms);
}

static void mesh_trace(struct maker *maker, uint64_t now_ns)
{
	struct mesh_trace trace = { maker_random(maker), maker_random(maker), now_ns + maker_random(maker) % 900000000,
		agents[maker_random(maker) % 4] };
	unsigned kind = (unsigned)(maker_random(maker) % 4);
	uint64_t page = mesh_hop(maker, &trace, 0, 1, 0, paths[maker_random(maker) % 3 != 0 ? 0 : 4], 40), reviews,
		 ratings;

	mesh_hop(maker, &trace, 1, 2, page, paths[1], 6);
	if (kind == 3) {
		mesh_hop(maker, &trace, 1, 2, page, paths[1], 5);
	}
	reviews = mesh_hop(maker, &trace, 1, 3, page, paths[2], 20);
	ratings = mesh_hop(maker, &trace, 3, 4, reviews, paths[3], 8);
	if (kind == 1) {
		mesh_span(maker, &trace, true, 4, 5, ratings, "/", 2);
	} else if (kind >= 2) {
		mesh_hop(maker, &trace, 4, 5, ratings, "/", 2);
	}
}

static void mesh_sort(struct maker *maker)
{
	struct weir_span *spans = (struct weir_span *)maker->spans.data, *sorted;
	size_t count = maker->spans.length / sizeof(*spans), at = 0;

	sorted = malloc(maker->spans.length);
	weir_assert(sorted != NULL);
	for (uint32_t service = 0; service < 6; service++) { /* as OTLP groups them */
		for (size_t i = 0; i < count; i++) {
			if (spans[i].resource == service) {
				sorted[at++] = spans[i];
			}
		}
	}
	memcpy(spans, sorted, maker->spans.length);
	free(sorted);
}

struct weir_batch *maker_mesh(struct maker *maker, uint32_t spans, uint64_t now_ns)
{
	for (unsigned i = 0; i < 6; i++) {
		uint32_t resource = maker_resource(maker, services[i]);
		uint32_t first = maker_attr(maker, "service.name", services[i]);

		maker_attr(maker, "service.namespace", "default");
		maker_attr(maker, "k8s.node.name", "node-1");
		((struct weir_resource *)maker->resources.data)[resource].attr_first = first;
		((struct weir_resource *)maker->resources.data)[resource].attr_count = 3;
		((struct weir_resource *)maker->resources.data)[resource].scope_name = maker_text(maker, "envoy");
	}
	while (maker->spans.length / sizeof(struct weir_span) < spans) {
		mesh_trace(maker, now_ns);
	}
	maker->spans.length = spans * sizeof(struct weir_span);
	mesh_sort(maker);
	return maker_batch(maker, now_ns);
}

/* ---- anything ----------------------------------------------------------- */

static struct weir_ref wild_text(struct maker *maker)
{
	char text[80];
	uint64_t random = maker_random(maker);
	unsigned length = (unsigned)(random % 70);

	if (random >> 60 < 4) {
		return (struct weir_ref){ 0, 0 };
	}
	if (random >> 60 < 10) {
		snprintf(text, sizeof(text), "word-%u", (unsigned)(random >> 32) % 20);
		return maker_text(maker, text);
	}
	for (unsigned i = 0; i < length; i++) {
		text[i] = (char)('a' + (maker_random(maker) >> 40) % 26);
	}
	text[length] = '\0';
	return maker_text(maker, text);
}

static void wild_attrs(struct maker *maker, uint32_t *range)
{
	uint32_t count = (uint32_t)(maker_random(maker) >> 33) % 12;

	range[0] = count > 0 ? (uint32_t)(maker->attrs.length / sizeof(struct weir_attr)) : 0;
	range[1] = count;
	for (uint32_t i = 0; i < count; i++) {
		struct weir_attr *attr = row_add(&maker->attrs, sizeof(*attr));
		uint64_t random = maker_random(maker) >> 20;

		attr->type = (uint32_t)(random % (WEIR_ATTR_EMPTY + 1));
		attr->key = maker_text(maker, random & 64 ? "key.one" : "key.other");
		if (attr->type == WEIR_ATTR_STRING || attr->type == WEIR_ATTR_BYTES || attr->type == WEIR_ATTR_JSON) {
			attr->value.text = wild_text(maker);
		} else if (attr->type == WEIR_ATTR_BOOL) {
			attr->value.number = (int64_t)(random >> 8 & 1);
		} else if (attr->type != WEIR_ATTR_EMPTY) {
			attr->value.number = random & 128 ? (int64_t)maker_random(maker) : (int64_t)(random >> 8 & 3);
		}
	}
}

static void wild_address(struct maker *maker, struct weir_address *address)
{
	if (maker_random(maker) >> 63 == 0) {
		address->ip[0] = 0xfd;
		address->ip[15] = (uint8_t)(maker_random(maker) >> 50);
		address->port = (uint16_t)(maker_random(maker) >> 48);
	}
}

static void wild_span(struct maker *maker, uint64_t now_ns)
{
	uint64_t random = maker_random(maker) >> 8;
	struct weir_span *span = maker_span(maker, random % 30 + 1, maker_random(maker), 0, (uint32_t)(random >> 8) % 3,
		"", now_ns + maker_random(maker) % 1000000000, maker_random(maker) >> (random & 63));
	uint32_t range[2];

	span->name = wild_text(maker);
	span->kind = (uint8_t)(random >> 10) % 6;
	span->flags = (uint8_t)(random >> 20) & 31;
	span->status = (uint8_t)((random >> 25) % 3);
	span->w3c_flags = (uint32_t)(random >> 27) & 0x3ff;
	span->start_ns = (span->flags & WEIR_SPAN_NO_START) != 0 ? 0 : span->start_ns;
	if (random & 1) {
		memcpy(span->parent_id,
			maker->spans.data +
				(maker_random(maker) % (maker->spans.length / sizeof(*span))) * sizeof(*span) +
				offsetof(struct weir_span, span_id),
			8);
	} else if (random & 2) {
		id_set(span->parent_id, maker_random(maker));
	}
	span->trace_state = (random & 4) ? wild_text(maker) : (struct weir_ref){ 0, 0 };
	span->status_message = (random & 8) ? wild_text(maker) : (struct weir_ref){ 0, 0 };
	span->peer = wild_text(maker);
	span->dropped_attrs = (uint32_t)(random >> 30) & 3;
	span->dropped_links = (random & 16) ? UINT32_MAX : 0;
	wild_address(maker, &span->peer_address);
	wild_attrs(maker, range);
	memcpy(&span->attr_first, range, sizeof(range));
	span->event_count = (uint32_t)(random >> 40) % 4;
	span->event_first = span->event_count > 0 ? (uint32_t)(maker->events.length / sizeof(struct weir_event)) : 0;
	for (uint32_t i = 0; i < span->event_count; i++) {
		struct weir_event *event = row_add(&maker->events, sizeof(*event));

		event->time_ns = now_ns + (maker_random(maker) >> 40);
		event->name = wild_text(maker);
		wild_attrs(maker, &event->attr_first);
	}
	span->link_count = (uint32_t)(random >> 44) % 3;
	span->link_first = span->link_count > 0 ? (uint32_t)(maker->links.length / sizeof(struct weir_link)) : 0;
	for (uint32_t i = 0; i < span->link_count; i++) {
		struct weir_link *link = row_add(&maker->links, sizeof(*link));

		id_set(link->trace_id, maker_random(maker));
		id_set(link->span_id, maker_random(maker));
		link->trace_state = wild_text(maker);
		link->flags = (uint32_t)i;
		wild_attrs(maker, &link->attr_first);
	}
}

static void wild_call(struct maker *maker, struct weir_call *call)
{
	uint64_t random = maker_random(maker) >> 8;

	call->source = (uint32_t)random % 4;
	call->destination = (uint32_t)(random >> 8) % 4;
	call->reporter = (uint8_t)(random >> 16) % 3;
	call->protocol = (uint8_t)(random >> 20) % 3;
	call->security = (uint8_t)(random >> 24) % 3;
	call->response_flags = (uint32_t)(random >> 28) % 2 * 4096;
	call->service_host = wild_text(maker);
}

static void wild_request(struct maker *maker, uint64_t now_ns)
{
	struct weir_request *request = row_add(&maker->requests, sizeof(*request));

	wild_call(maker, &request->call);
	request->start_ns = now_ns + (maker_random(maker) >> 30) * 1000;
	request->duration_ns = (maker_random(maker) >> 44) * 1000;
	request->request_bytes = maker_random(maker) >> 50;
	request->response_bytes = maker_random(maker);
	request->grpc_status = (int32_t)(maker_random(maker) >> 62) - 1;
	request->response_code = (uint16_t)(200 + (maker_random(maker) >> 62) * 100);
	request->method = (uint8_t)(maker_random(maker) >> 61);
	request->attempts = 1;
	request->path = wild_text(maker);
	request->request_id = wild_text(maker);
	wild_attrs(maker, &request->attr_first);
	wild_address(maker, &request->peer_address);
}

static void wild_connection(struct maker *maker, uint64_t now_ns)
{
	struct weir_connection *connection = row_add(&maker->connections, sizeof(*connection));

	wild_call(maker, &connection->call);
	connection->start_ns = now_ns;
	connection->received_bytes = maker_random(maker) >> 40;
	connection->sent_bytes = UINT64_MAX;
	connection->state = (uint8_t)(maker_random(maker) >> 62);
	connection->stream_id = wild_text(maker);
	wild_attrs(maker, &connection->attr_first);
}

struct weir_batch *maker_wild(struct maker *maker, uint32_t rows, uint64_t now_ns)
{
	for (unsigned i = 0; i < 4; i++) {
		struct weir_workload *workload = row_add(&maker->workloads, sizeof(*workload));
		uint32_t range[2], resource;

		workload->name = wild_text(maker);
		workload->pod = wild_text(maker);
		workload->namespace_ = maker_text(maker, "default");
		wild_attrs(maker, range);
		resource = maker_resource(maker, i % 2 == 0 ? "Even" : "odd");
		memcpy(&((struct weir_resource *)maker->resources.data)[resource].attr_first, range, sizeof(range));
		wild_address(maker, &((struct weir_resource *)maker->resources.data)[resource].address);
	}
	for (uint32_t i = 0; i < rows; i++) {
		wild_span(maker, now_ns);
		wild_request(maker, now_ns);
		wild_connection(maker, now_ns);
	}
	return maker_batch(maker, now_ns);
}

/* ---- comparing ---------------------------------------------------------- */

static bool texts_equal(const struct weir_batch *a, struct weir_ref x, const struct weir_batch *b, struct weir_ref y)
{
	return weir_str_equal(weir_batch_str(a, x), weir_batch_str(b, y));
}

static bool attrs_equal(const struct weir_batch *a, uint32_t a_first, uint32_t a_count, const struct weir_batch *b,
	uint32_t b_first, uint32_t b_count)
{
	const struct weir_attr *x = weir_batch_attrs(a) + a_first, *y = weir_batch_attrs(b) + b_first;

	if (a_count != b_count) {
		return false;
	}
	for (uint32_t i = 0; i < a_count; i++) {
		bool is_text =
			x[i].type == WEIR_ATTR_STRING || x[i].type == WEIR_ATTR_BYTES || x[i].type == WEIR_ATTR_JSON;

		if (x[i].type != y[i].type || !texts_equal(a, x[i].key, b, y[i].key) ||
			(is_text ? !texts_equal(a, x[i].value.text, b, y[i].value.text)
				 : x[i].value.number != y[i].value.number)) {
			return false;
		}
	}
	return true;
}

static bool resources_equal(const struct weir_batch *a, uint32_t x, const struct weir_batch *b, uint32_t y)
{
	const struct weir_resource *r = weir_batch_resources(a) + x, *s = weir_batch_resources(b) + y;

	return texts_equal(a, r->service, b, s->service) && texts_equal(a, r->scope_name, b, s->scope_name) &&
	       texts_equal(a, r->scope_version, b, s->scope_version) && memcmp(r->address.ip, s->address.ip, 16) == 0 &&
	       r->address.port == s->address.port &&
	       attrs_equal(a, r->attr_first, r->attr_count, b, s->attr_first, s->attr_count);
}

static bool children_equal(
	const struct weir_batch *a, const struct weir_span *x, const struct weir_batch *b, const struct weir_span *y)
{
	if (x->event_count != y->event_count || x->link_count != y->link_count) {
		return false;
	}
	for (uint32_t i = 0; i < x->event_count; i++) {
		const struct weir_event *e = weir_batch_events(a) + x->event_first + i;
		const struct weir_event *f = weir_batch_events(b) + y->event_first + i;

		if (e->time_ns != f->time_ns || e->dropped_attrs != f->dropped_attrs ||
			!texts_equal(a, e->name, b, f->name) ||
			!attrs_equal(a, e->attr_first, e->attr_count, b, f->attr_first, f->attr_count)) {
			return false;
		}
	}
	for (uint32_t i = 0; i < x->link_count; i++) {
		const struct weir_link *k = weir_batch_links(a) + x->link_first + i;
		const struct weir_link *l = weir_batch_links(b) + y->link_first + i;

		if (memcmp(k->trace_id, l->trace_id, 16) != 0 || memcmp(k->span_id, l->span_id, 8) != 0 ||
			k->flags != l->flags || k->dropped_attrs != l->dropped_attrs ||
			!texts_equal(a, k->trace_state, b, l->trace_state) ||
			!attrs_equal(a, k->attr_first, k->attr_count, b, l->attr_first, l->attr_count)) {
			return false;
		}
	}
	return true;
}

int maker_is_same_span(
	const struct weir_batch *a, const struct weir_span *x, const struct weir_batch *b, const struct weir_span *y)
{
	struct weir_span p = *x, q = *y;

	p.resource = p.attr_first = p.event_first = p.link_first = 0;
	q.resource = q.attr_first = q.event_first = q.link_first = 0;
	p.name = p.trace_state = p.status_message = p.peer = q.name = q.trace_state = q.status_message = q.peer =
		(struct weir_ref){ 0, 0 };
	return memcmp(&p, &q, sizeof(p)) == 0 && texts_equal(a, x->name, b, y->name) &&
	       texts_equal(a, x->trace_state, b, y->trace_state) &&
	       texts_equal(a, x->status_message, b, y->status_message) && texts_equal(a, x->peer, b, y->peer) &&
	       resources_equal(a, x->resource, b, y->resource) &&
	       attrs_equal(a, x->attr_first, x->attr_count, b, y->attr_first, y->attr_count) &&
	       children_equal(a, x, b, y);
}

static bool calls_equal(
	const struct weir_batch *a, const struct weir_call *x, const struct weir_batch *b, const struct weir_call *y)
{
	for (unsigned end = 0; end < 2; end++) {
		const struct weir_workload *v = weir_batch_workloads(a) + (end == 0 ? x->source : x->destination);
		const struct weir_workload *w = weir_batch_workloads(b) + (end == 0 ? y->source : y->destination);

		if (!texts_equal(a, v->name, b, w->name) || !texts_equal(a, v->pod, b, w->pod) ||
			!texts_equal(a, v->namespace_, b, w->namespace_)) {
			return false;
		}
	}
	return x->reporter == y->reporter && x->protocol == y->protocol && x->security == y->security &&
	       x->response_flags == y->response_flags && texts_equal(a, x->service_host, b, y->service_host);
}

static bool requests_equal(const struct weir_batch *a, uint32_t i, const struct weir_batch *b, uint32_t j)
{
	const struct weir_request *x = weir_batch_requests(a) + i, *y = weir_batch_requests(b) + j;

	return calls_equal(a, &x->call, b, &y->call) && x->start_ns == y->start_ns &&
	       x->duration_ns == y->duration_ns && x->request_bytes == y->request_bytes &&
	       x->response_bytes == y->response_bytes && x->grpc_status == y->grpc_status &&
	       x->response_code == y->response_code && x->method == y->method && x->attempts == y->attempts &&
	       texts_equal(a, x->path, b, y->path) && texts_equal(a, x->request_id, b, y->request_id) &&
	       memcmp(&x->peer_address, &y->peer_address, sizeof(x->peer_address)) == 0 &&
	       attrs_equal(a, x->attr_first, x->attr_count, b, y->attr_first, y->attr_count);
}

static bool connections_equal(const struct weir_batch *a, uint32_t i, const struct weir_batch *b, uint32_t j)
{
	const struct weir_connection *x = weir_batch_connections(a) + i, *y = weir_batch_connections(b) + j;

	return calls_equal(a, &x->call, b, &y->call) && x->start_ns == y->start_ns &&
	       x->received_bytes == y->received_bytes && x->sent_bytes == y->sent_bytes && x->state == y->state &&
	       texts_equal(a, x->stream_id, b, y->stream_id) &&
	       attrs_equal(a, x->attr_first, x->attr_count, b, y->attr_first, y->attr_count);
}

int maker_is_same(const struct weir_batch *a, uint32_t a_first, const struct weir_batch *b)
{
	for (uint32_t i = 0; i < b->spans.count; i++) {
		if (!maker_is_same_span(a, weir_batch_spans(a) + a_first + i, b, weir_batch_spans(b) + i)) {
			return false;
		}
	}
	for (uint32_t i = 0; i < b->requests.count; i++) {
		if (!requests_equal(a, a_first + i, b, i)) {
			return false;
		}
	}
	for (uint32_t i = 0; i < b->connections.count; i++) {
		if (!connections_equal(a, a_first + i, b, i)) {
			return false;
		}
	}
	return true;
}
