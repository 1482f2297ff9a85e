/* sides: what spans a v1 span becomes, by the rules of Zipkin's own converter.
 *
 * A side is what one service wrote. Annotations and tags go to the side of
 * their host, found by service name; what has no host goes to the first side.
 *
 *   cs cr    CLIENT     the client's side begins at cs and lasts until cr
 *   sr ss    SERVER     the server's side begins at sr and lasts until ss
 *   ms ws    PRODUCER   begins at ms and lasts until ws
 *   wr mr    CONSUMER   begins at wr (or mr) and lasts until mr
 *   ca sa ma            the other end's address: the client's, the server's, the broker's
 *   lc ""               only says who wrote the span
 *
 *  - The span's own timestamp and duration, when both are there, are better than
 *    what the annotations say. With cs and sr both there they are the client's,
 *    and the server's side is `shared`, with times of its own.
 *  - One service that called itself has two sides all the same.
 *  - Only an end (cr or ss) that the span's own times lead to: the start is made
 *    up. Otherwise the call is incomplete, and its end stays an annotation.
 *  - Only the server's side, without the span's timestamp, or with ss but without
 *    its duration: somebody else owns the times, so the span is `shared`.
 *  - No core annotation at all: `ca` and `sa` are who wrote it and whom it called;
 *    `sa` alone is the other end, `ca` alone too, of a server.
 *  - A `ca` that names the server's own service is its socket, not another
 *    service, so it loses that name.
 *
 * Invariants
 *  1. A span has at least one side and at most WEIR_ZIPKIN_V1_SIDES: more
 *     services in one span refuse the list, so that nobody buys quadratic time.
 *  2. The tables of moments and marks do not grow here: pointers into them stay.
 *
 * One thread: the listener's. */
#include "decode/zipkin/sides.h"

#include <stdlib.h>

#include "decode/zipkin/endpoint.h"
#include "decode/zipkin/tags.h"

#define RESOURCES_LOOKED_AT 16u

struct side {
	struct weir_zipkin_host local, remote;
	const struct weir_zipkin_moment *late; /* the end of an incomplete call: an annotation here too */
	uint64_t start_ns, duration_ns;
	uint8_t kind;
	bool is_shared;
};

struct sides { /* one conversion */
	struct weir_zipkin_reader *reader;
	struct weir_zipkin_v1_span *span;
	struct side side[WEIR_ZIPKIN_V1_SIDES];
	uint32_t count;
	bool is_full;
	struct weir_zipkin_moment *cs, *sr, *ss, *cr, *ms, *mr, *ws, *wr;
	struct weir_zipkin_moment made_cs, made_sr;
};

/* ---- hosts ----------------------------------------------------------------- */

static bool is_same_text(const struct weir_draft *draft, struct weir_ref left, struct weir_ref right)
{
	return left.length == right.length &&
	       (left.offset == right.offset ||
		       weir_str_equal(weir_draft_str(draft, left), weir_draft_str(draft, right)));
}

static bool is_same_service(
	const struct sides *sides, const struct weir_zipkin_host *left, const struct weir_zipkin_host *right)
{
	return is_same_text(sides->reader->draft, left->service, right->service);
}

static struct side *side_add(struct sides *sides, const struct weir_zipkin_host *host)
{
	struct side *side = &sides->side[0];

	if (sides->count == WEIR_ZIPKIN_V1_SIDES) {
		sides->is_full = true;
		return side;
	}
	side = &sides->side[sides->count++];
	*side = (struct side){ 0 };
	if (host != NULL) {
		side->local = *host;
	}
	return side;
}

/* The side of a host; what has none (NULL or unset) is the first one's. */
static struct side *side_of(struct sides *sides, const struct weir_zipkin_host *host)
{
	if (host == NULL || !host->is_set) {
		return &sides->side[0];
	}
	if (!sides->side[0].local.is_set) {
		sides->side[0].local = *host;
		return &sides->side[0];
	}
	for (uint32_t i = 0; i < sides->count; i++) {
		if (is_same_service(sides, &sides->side[i].local, host)) {
			return &sides->side[i];
		}
	}
	return side_add(sides, host);
}

static uint32_t index_of(const struct sides *sides, const struct side *side)
{
	return (uint32_t)(side - sides->side);
}

/* ---- annotations ----------------------------------------------------------- */

static int texts_compare(struct weir_str left, struct weir_str right)
{
	size_t n = left.length < right.length ? left.length : right.length;
	int r = n > 0 ? memcmp(left.data, right.data, n) : 0;

	return r != 0 ? r : (left.length > right.length) - (left.length < right.length);
}

static int moments_compare(const void *left, const void *right)
{
	const struct weir_zipkin_moment *a = left, *b = right;

	return a->time_ns != b->time_ns ? (a->time_ns > b->time_ns) - (a->time_ns < b->time_ns)
					: texts_compare(a->text, b->text);
}

static int marks_compare(const void *left, const void *right)
{
	const struct weir_zipkin_mark *a = left, *b = right;
	int r = texts_compare(a->text, b->text);

	return r != 0 ? r : (a->position > b->position) - (a->position < b->position);
}

static void sort(struct sides *sides)
{
	const struct weir_draft *draft = sides->reader->draft;
	struct weir_rows *moments = &sides->span->moments, *marks = &sides->span->marks;
	struct weir_zipkin_moment *moment = moments->data;
	struct weir_zipkin_mark *mark = marks->data;

	for (uint32_t i = 0; i < moments->count; i++) {
		moment[i].text = weir_draft_str(draft, moment[i].value);
	}
	for (uint32_t i = 0; i < marks->count; i++) {
		mark[i].text = weir_draft_str(draft, mark[i].key);
	}
	if (moments->count > 1) {
		qsort(moment, moments->count, sizeof(*moment), moments_compare);
	}
	if (marks->count > 1) {
		qsort(mark, marks->count, sizeof(*mark), marks_compare);
	}
}

/* Takes a core annotation; false for any other. */
static bool core_take(struct sides *sides, struct weir_zipkin_moment *moment, struct side *side)
{
	const struct {
		const char *name;
		struct weir_zipkin_moment **place;
		uint8_t kind;
	} cores[] = { { "cs", &sides->cs, WEIR_SPAN_CLIENT }, { "sr", &sides->sr, WEIR_SPAN_SERVER },
		{ "ss", &sides->ss, WEIR_SPAN_SERVER }, { "cr", &sides->cr, WEIR_SPAN_CLIENT },
		{ "ms", &sides->ms, WEIR_SPAN_PRODUCER }, { "mr", &sides->mr, WEIR_SPAN_CONSUMER },
		{ "ws", &sides->ws, 0 }, { "wr", &sides->wr, 0 } };

	if (moment->text.length != 2 || !moment->host.is_set) {
		return false;
	}
	for (size_t i = 0; i < sizeof(cores) / sizeof(cores[0]); i++) {
		if (memcmp(moment->text.data, cores[i].name, 2) == 0) {
			*cores[i].place = moment;
			side->kind = cores[i].kind != 0 ? cores[i].kind : side->kind;
			return true;
		}
	}
	return false;
}

static bool is_end_of_span(const struct weir_zipkin_moment *end, const struct weir_zipkin_v1_span *span)
{
	return end != NULL && span->start_ns != 0 && span->duration_ns != 0 &&
	       span->start_ns + span->duration_ns == end->time_ns;
}

static uint64_t between(const struct weir_zipkin_moment *begin, const struct weir_zipkin_moment *end)
{
	return end->time_ns > begin->time_ns ? end->time_ns - begin->time_ns : 0;
}

/* The span's own times, else those of its annotations; `end` may be NULL. */
static void times_set(struct sides *sides, const struct weir_zipkin_moment *begin, const struct weir_zipkin_moment *end)
{
	struct side *side = side_of(sides, &begin->host);

	if (sides->span->start_ns != 0 && sides->span->duration_ns != 0) {
		side->start_ns = sides->span->start_ns;
		side->duration_ns = sides->span->duration_ns;
	} else {
		side->start_ns = begin->time_ns;
		side->duration_ns = end != NULL ? between(begin, end) : side->duration_ns;
	}
}

/* Both ends of a call in one span. */
static void both_sides(struct sides *sides)
{
	struct side *client, *server;

	times_set(sides, sides->cs, sides->cr);
	client = side_of(sides, &sides->cs->host);
	if (is_same_service(sides, &sides->cs->host, &sides->sr->host)) {
		client->kind = WEIR_SPAN_CLIENT;
		server = side_add(sides, &sides->sr->host);
		server->kind = WEIR_SPAN_SERVER;
	} else {
		server = side_of(sides, &sides->sr->host);
	}
	server->is_shared = true;
	server->start_ns = sides->sr->time_ns;
	if (sides->ss != NULL) {
		server->duration_ns = between(sides->sr, sides->ss);
	}
	if (sides->cr == NULL && sides->span->duration_ns == 0) {
		client->duration_ns = 0;
	}
}

static void incomplete_call(struct sides *sides)
{
	for (uint32_t i = 0; i < sides->count; i++) {
		struct side *side = &sides->side[i];

		if (side->kind == WEIR_SPAN_CLIENT) {
			side->start_ns = sides->cs != NULL ? sides->cs->time_ns : side->start_ns;
			side->late = sides->cr;
		} else if (side->kind == WEIR_SPAN_SERVER) {
			side->start_ns = sides->sr != NULL ? sides->sr->time_ns : side->start_ns;
			side->late = sides->ss;
		}
	}
	if (sides->span->start_ns != 0) {
		sides->side[0].start_ns = sides->span->start_ns;
		sides->side[0].duration_ns = sides->span->duration_ns;
	}
}

static void calls_settle(struct sides *sides)
{
	const struct weir_zipkin_v1_span *span = sides->span;

	if (sides->cs == NULL && is_end_of_span(sides->cr, span)) {
		sides->made_cs = (struct weir_zipkin_moment){ .time_ns = span->start_ns, .host = sides->cr->host };
		sides->cs = &sides->made_cs;
	}
	if (sides->sr == NULL && is_end_of_span(sides->ss, span)) {
		sides->made_sr = (struct weir_zipkin_moment){ .time_ns = span->start_ns, .host = sides->ss->host };
		sides->sr = &sides->made_sr;
	}
	if (sides->cs != NULL && sides->sr != NULL) {
		both_sides(sides);
	} else if (sides->cs != NULL && sides->cr != NULL) {
		times_set(sides, sides->cs, sides->cr);
	} else if (sides->sr != NULL && sides->ss != NULL) {
		times_set(sides, sides->sr, sides->ss);
	} else {
		incomplete_call(sides);
	}
	if (sides->cs == NULL && sides->sr != NULL &&
		(span->start_ns == 0 || (sides->ss != NULL && span->duration_ns == 0))) {
		side_of(sides, &sides->sr->host)->is_shared = true;
	}
}

/* Both ends of a message in one span, which nobody is supposed to do. */
static void both_ends(struct sides *sides)
{
	struct side *producer = side_of(sides, &sides->ms->host), *consumer;

	if (is_same_service(sides, &sides->ms->host, &sides->mr->host)) {
		producer->kind = WEIR_SPAN_PRODUCER;
		consumer = side_add(sides, &sides->mr->host);
		consumer->kind = WEIR_SPAN_CONSUMER;
	} else {
		consumer = side_of(sides, &sides->mr->host);
	}
	consumer->is_shared = true;
	if (sides->wr != NULL) {
		consumer->start_ns = sides->wr->time_ns;
		consumer->duration_ns = between(sides->wr, sides->mr);
	} else {
		consumer->start_ns = sides->mr->time_ns;
	}
	producer->start_ns = sides->ms->time_ns;
	producer->duration_ns = sides->ws != NULL ? between(sides->ms, sides->ws) : 0;
}

static void messages_settle(struct sides *sides)
{
	if (sides->ms != NULL && sides->mr != NULL) {
		both_ends(sides);
	} else if (sides->ms != NULL) {
		times_set(sides, sides->ms, sides->ws);
	} else if (sides->mr != NULL) {
		times_set(sides, sides->wr != NULL ? sides->wr : sides->mr, sides->wr != NULL ? sides->mr : NULL);
	} else {
		if (sides->ws != NULL) {
			sides->ws->side = index_of(sides, side_of(sides, &sides->ws->host));
		}
		if (sides->wr != NULL) {
			sides->wr->side = index_of(sides, side_of(sides, &sides->wr->host));
		}
	}
}

static void moments_settle(struct sides *sides)
{
	struct weir_zipkin_moment *moments = sides->span->moments.data;

	for (uint32_t i = 0; i < sides->span->moments.count; i++) {
		struct side *side = side_of(sides, &moments[i].host);

		if (!core_take(sides, &moments[i], side)) {
			moments[i].side = index_of(sides, side);
		}
	}
	calls_settle(sides);
	messages_settle(sides);
}

/* ---- binary annotations ---------------------------------------------------- */

struct addresses { /* unset: not told */
	struct weir_zipkin_host ca, sa, ma;
};

/* Without core annotations the addresses say who is who. */
static void addresses_alone(struct sides *sides, const struct addresses *told)
{
	if (told->ca.is_set && told->sa.is_set) {
		side_of(sides, &told->ca)->remote = told->sa;
	} else if (told->sa.is_set) {
		sides->side[0].remote = told->sa;
	} else {
		sides->side[0].kind = WEIR_SPAN_SERVER;
		sides->side[0].remote = told->ca;
	}
}

static void addresses_settle(struct sides *sides, struct addresses *told)
{
	const struct weir_zipkin_moment *server = sides->sr != NULL ? sides->sr : sides->ss;
	const struct weir_zipkin_moment *client = sides->cs != NULL ? sides->cs : sides->cr;

	if (server == NULL && client == NULL && (told->ca.is_set || told->sa.is_set)) {
		addresses_alone(sides, told);
		return;
	}
	if (told->ca.is_set && server != NULL) {
		bool is_same = is_same_service(sides, &told->ca, &server->host);

		if (!is_same || memcmp(&told->ca.address, &server->host.address, sizeof(told->ca.address)) != 0) {
			told->ca.service = is_same ? (struct weir_ref){ 0, 0 } : told->ca.service;
			side_of(sides, &server->host)->remote = told->ca;
		}
	}
	if (told->sa.is_set && client != NULL) {
		side_of(sides, &client->host)->remote = told->sa;
	}
	if (told->ma.is_set && sides->ms != NULL) {
		side_of(sides, &sides->ms->host)->remote = told->ma;
	}
	if (told->ma.is_set && sides->mr != NULL) {
		side_of(sides, &sides->mr->host)->remote = told->ma;
	}
}

static void marks_settle(struct sides *sides)
{
	struct weir_zipkin_mark *marks = sides->span->marks.data;
	struct addresses told = { 0 };

	for (uint32_t i = 0; i < sides->span->marks.count; i++) {
		struct weir_zipkin_mark *mark = &marks[i];

		if (weir_str_is(mark->text, "ca")) {
			told.ca = mark->host;
		} else if (weir_str_is(mark->text, "sa")) {
			told.sa = mark->host;
		} else if (weir_str_is(mark->text, "ma")) {
			told.ma = mark->host;
		} else {
			struct side *side = side_of(sides, &mark->host);

			if (!weir_str_is(mark->text, "lc") || mark->value.length > 0) {
				mark->side = index_of(sides, side);
			}
		}
	}
	addresses_settle(sides, &told);
}

/* ---- writing --------------------------------------------------------------- */

/* The row of a local host: one of the last ones that says the same, or a new one. */
static bool resource_take(struct weir_zipkin_reader *reader, const struct weir_zipkin_host *host, uint32_t *ret_row)
{
	struct weir_zipkin_endpoint endpoint = {
		.service = host->service, .address = host->address, .resource = WEIR_NONE
	};
	const struct weir_resource *resources = reader->draft->resources.data;
	uint32_t count = reader->draft->resources.count;

	for (uint32_t i = 1; i <= RESOURCES_LOOKED_AT && i <= count; i++) {
		if (memcmp(&resources[count - i].address, &host->address, sizeof(host->address)) == 0 &&
			is_same_text(reader->draft, resources[count - i].service, host->service)) {
			*ret_row = count - i;
			return true;
		}
	}
	return weir_zipkin_endpoint_resource(reader, &endpoint, ret_row);
}

static bool tags_write(struct sides *sides, uint32_t side, struct weir_span *span)
{
	struct weir_draft *draft = sides->reader->draft;
	const struct weir_zipkin_mark *marks = sides->span->marks.data;

	for (uint32_t i = 0; i < sides->span->marks.count; i++) {
		struct weir_attr *tag;

		if (marks[i].side != side) {
			continue;
		}
		tag = weir_draft_attr(draft);
		if (tag == NULL) {
			return false;
		}
		tag->key = marks[i].key;
		tag->value.text = marks[i].value;
		tag->type = WEIR_ATTR_STRING;
		span->flags |= weir_str_is(marks[i].text, "error") ? WEIR_SPAN_ERROR : 0;
	}
	if (!weir_zipkin_tags_settle(draft, span->attr_first)) {
		return false;
	}
	span->attr_count = draft->attrs.count - span->attr_first;
	return true;
}

static bool annotations_write(struct sides *sides, uint32_t side, struct weir_span *span)
{
	struct weir_draft *draft = sides->reader->draft;
	const struct weir_zipkin_moment *moments = sides->span->moments.data;

	for (uint32_t i = 0; i < sides->span->moments.count; i++) {
		struct weir_event *event;

		if (moments[i].side != side && &moments[i] != sides->side[side].late) {
			continue;
		}
		event = weir_draft_event(draft);
		if (event == NULL) {
			return false;
		}
		event->time_ns = moments[i].time_ns;
		event->name = moments[i].value;
		event->attr_first = draft->attrs.count;
	}
	span->event_count = draft->events.count - span->event_first;
	return true;
}

static bool side_write(struct sides *sides, uint32_t index)
{
	const struct side *side = &sides->side[index];
	const struct weir_zipkin_v1_span *from = sides->span;
	struct weir_draft *draft = sides->reader->draft;
	struct weir_span *span = weir_draft_span(draft);

	if (span == NULL) {
		return false;
	}
	draft->offered++;
	memcpy(span->trace_id, from->trace_id, sizeof(span->trace_id));
	memcpy(span->span_id, from->span_id, sizeof(span->span_id));
	memcpy(span->parent_id, from->parent_id, sizeof(span->parent_id));
	span->name = from->name;
	span->kind = side->kind;
	span->start_ns = side->start_ns;
	span->duration_ns = side->duration_ns;
	span->peer = side->remote.service;
	span->peer_address = side->remote.address;
	span->attr_first = draft->attrs.count;
	span->event_first = draft->events.count;
	span->link_first = draft->links.count;
	span->flags |= side->start_ns == 0 ? WEIR_SPAN_NO_START : 0;
	span->flags |= side->duration_ns == 0 ? WEIR_SPAN_NO_DURATION : 0;
	span->flags |= from->is_debug ? WEIR_SPAN_DEBUG : 0;
	span->flags |= side->is_shared && side->kind != WEIR_SPAN_CLIENT ? WEIR_SPAN_SHARED : 0;
	return resource_take(sides->reader, &side->local, &span->resource) && tags_write(sides, index, span) &&
	       annotations_write(sides, index, span);
}

bool weir_zipkin_sides_write(struct weir_zipkin_reader *reader, struct weir_zipkin_v1_span *span, const char *at)
{
	struct sides sides = { .reader = reader, .span = span };

	side_add(&sides, NULL);
	sort(&sides);
	moments_settle(&sides);
	marks_settle(&sides);
	if (sides.is_full) {
		return weir_zipkin_read_fail_at(reader, "a span of more than 32 services", at);
	}
	for (uint32_t i = 0; i < sides.count; i++) {
		if (!side_write(&sides, i)) {
			return false;
		}
	}
	return true;
}
