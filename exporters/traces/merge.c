/* merge: a trace's spans, cleaned up.
 *
 * Senders report one span in parts (Finagle, messaging), use one id for both
 * sides of a call (B3 "shared" spans), and forget flags. The rules, numbered as
 * the tests name them:
 *
 *  1. Order: by id; of equal ids those that are not shared first, of these the
 *     client's first; then by local endpoint, an unknown one first.
 *  2. Neighbours with equal id, equal shared flag and compatible local endpoint
 *     (no field set in both and different) are one span: the first part that
 *     has a field gives it; tags and annotations add up.
 *  3. A SERVER span behind a CLIENT span of its id is shared, flag or not.
 *  4. A shared span without a parent takes that of the span of its id before it.
 *  5. The trace id is the longest one among the spans.
 *
 * Thread: any; everything is in the caller's arena. */
#include "exporters/traces/merge.h"

#include <errno.h>
#include <stdlib.h>

struct part { /* a span with what the order looks at */
	struct weir_query_span from;
	struct weir_str service;
	struct weir_address address;
	uint32_t index; /* keeps the sort stable */
	bool is_shared, is_client;
};

static const uint8_t zeros[16];

bool weir_merge_has_parent(const struct weir_merge_span *span)
{
	return memcmp(span->parent_id, zeros, 8) != 0;
}

int weir_merge_compare_names(struct weir_str a, struct weir_str b)
{
	size_t n = a.length < b.length ? a.length : b.length;

	for (size_t i = 0; i < n; i++) {
		int order = (unsigned char)weir_str_lower(a.data[i]) - (unsigned char)weir_str_lower(b.data[i]);

		if (order != 0) {
			return order;
		}
	}
	return (a.length > b.length) - (a.length < b.length);
}

static bool has_ip(const struct weir_address *address)
{
	return memcmp(address->ip, zeros, 16) != 0;
}

bool weir_merge_same_endpoint(const struct weir_merge_span *a, const struct weir_merge_span *b)
{
	return weir_merge_compare_names(a->service, b->service) == 0 && memcmp(a->address.ip, b->address.ip, 16) == 0 &&
	       a->address.port == b->address.port;
}

static bool is_nowhere(struct weir_str service, const struct weir_address *address)
{
	return service.length == 0 && !has_ip(address) && address->port == 0;
}

static int compare_endpoints(const struct part *a, const struct part *b)
{
	bool no_a = is_nowhere(a->service, &a->address), no_b = is_nowhere(b->service, &b->address);
	int order;

	if (no_a || no_b) {
		return (int)no_b - (int)no_a;
	}
	if (a->service.length == 0 || b->service.length == 0) {
		return (int)(a->service.length == 0) - (int)(b->service.length == 0);
	}
	order = weir_merge_compare_names(a->service, b->service);
	return order != 0 ? order : memcmp(a->address.ip, b->address.ip, 16);
}

static int compare_parts(const void *left, const void *right)
{
	const struct part *a = left, *b = right;
	int order = memcmp(a->from.span->span_id, b->from.span->span_id, 8);

	if (order != 0) {
		return order;
	}
	if (a->is_shared != b->is_shared) {
		return a->is_shared ? 1 : -1;
	}
	if (!a->is_shared && a->is_client != b->is_client) {
		return a->is_client ? -1 : 1;
	}
	order = compare_endpoints(a, b);
	return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

/* Zipkin knows no INTERNAL: a span without a kind is local. */
static uint8_t zipkin_kind(uint8_t kind)
{
	return kind == WEIR_SPAN_INTERNAL ? WEIR_SPAN_UNSPECIFIED : kind;
}

static void span_begin(struct weir_merge_span *span, const struct part *part)
{
	const struct weir_span *from = part->from.span;

	*span = (struct weir_merge_span){
		.start_ns = from->start_ns,
		.duration_ns = from->duration_ns,
		.has_start = (from->flags & WEIR_SPAN_NO_START) == 0,
		.has_duration = (from->flags & WEIR_SPAN_NO_DURATION) == 0,
		.is_shared = part->is_shared,
		.is_debug = (from->flags & WEIR_SPAN_DEBUG) != 0,
		.is_error = (from->flags & WEIR_SPAN_ERROR) != 0,
		.kind = zipkin_kind(from->kind),
		.name = weir_batch_str(part->from.batch, from->name),
		.service = part->service,
		.peer = weir_batch_str(part->from.batch, from->peer),
		.address = part->address,
		.peer_address = from->peer_address,
		.part_count = 1,
	};
	memcpy(span->id, from->span_id, 8);
	if (memcmp(from->parent_id, from->span_id, 8) != 0) {
		memcpy(span->parent_id, from->parent_id, 8);
	}
}

/* Rule 2: is nothing set in both and different? */
static bool is_compatible(const struct weir_merge_span *span, const struct part *part)
{
	if (span->service.length > 0 && part->service.length > 0 &&
		weir_merge_compare_names(span->service, part->service) != 0) {
		return false;
	}
	if (has_ip(&span->address) && has_ip(&part->address) && memcmp(span->address.ip, part->address.ip, 16) != 0) {
		return false;
	}
	return span->address.port == 0 || part->address.port == 0 || span->address.port == part->address.port;
}

static void address_complete(struct weir_address *address, const struct weir_address *from)
{
	if (!has_ip(address)) {
		memcpy(address->ip, from->ip, 16);
	}
	if (address->port == 0) {
		address->port = from->port;
	}
}

static void span_complete(struct weir_merge_span *span, const struct part *part)
{
	struct weir_merge_span next;

	span_begin(&next, part);
	if (!weir_merge_has_parent(span)) {
		memcpy(span->parent_id, next.parent_id, 8);
	}
	if (!span->has_start && next.has_start) {
		span->has_start = true;
		span->start_ns = next.start_ns;
	}
	if (!span->has_duration && next.has_duration) {
		span->has_duration = true;
		span->duration_ns = next.duration_ns;
	}
	span->kind = span->kind != WEIR_SPAN_UNSPECIFIED ? span->kind : next.kind;
	span->name = span->name.length > 0 ? span->name : next.name;
	span->service = span->service.length > 0 ? span->service : next.service;
	span->peer = span->peer.length > 0 ? span->peer : next.peer;
	address_complete(&span->address, &next.address);
	address_complete(&span->peer_address, &next.peer_address);
	span->is_debug |= next.is_debug;
	span->is_error |= next.is_error;
	span->part_count++;
}

/* Rules 3 and 4, for a span behind another of its id. */
static void correct(struct weir_merge_span *span, const struct weir_merge_span *before)
{
	if (before->kind == WEIR_SPAN_CLIENT && span->kind == WEIR_SPAN_SERVER) {
		span->is_shared = true;
	}
	if (span->is_shared && !weir_merge_has_parent(span)) {
		memcpy(span->parent_id, before->parent_id, 8);
	}
}

static void put_together(
	const struct part *parts, const struct weir_query_span *sorted, uint32_t count, struct weir_merge_trace *ret)
{
	uint32_t made = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct weir_merge_span *span = &ret->spans[made];

		span_begin(span, &parts[i]);
		span->parts = &sorted[i];
		while (i + 1 < count && memcmp(parts[i + 1].from.span->span_id, span->id, 8) == 0 &&
			parts[i + 1].is_shared == parts[i].is_shared && is_compatible(span, &parts[i + 1])) {
			span_complete(span, &parts[++i]);
		}
		if (made > 0 && memcmp(span[-1].id, span->id, 8) == 0) {
			correct(span, &span[-1]);
		}
		made++;
	}
	ret->count = made;
}

int weir_merge_spans(struct weir_arena *arena, const struct weir_query_trace *trace, struct weir_merge_trace *ret)
{
	uint32_t count = trace->span_count;
	struct part *parts = weir_arena_alloc(arena, (count + 1) * sizeof(*parts));
	struct weir_query_span *sorted = weir_arena_alloc(arena, (count + 1) * sizeof(*sorted));

	*ret = (struct weir_merge_trace){ .spans = weir_arena_alloc(arena, (count + 1) * sizeof(*ret->spans)) };
	if (parts == NULL || sorted == NULL || ret->spans == NULL) {
		return -ENOMEM;
	}
	memcpy(ret->trace_id, trace->trace_id, 16);
	for (uint32_t i = 0; i < count; i++) {
		const struct weir_query_span *from = &trace->spans[i];
		const struct weir_resource *resource = &weir_batch_resources(from->batch)[from->span->resource];

		parts[i] = (struct part){
			.from = *from,
			.service = weir_batch_str(from->batch, resource->service),
			.address = resource->address,
			.index = i,
			.is_shared = (from->span->flags & WEIR_SPAN_SHARED) != 0,
			.is_client = from->span->kind == WEIR_SPAN_CLIENT,
		};
		if (memcmp(from->span->trace_id, zeros, 8) != 0) {
			memcpy(ret->trace_id, from->span->trace_id, 16);
		}
	}
	if (count > 0) {
		qsort(parts, count, sizeof(*parts), compare_parts);
	}
	for (uint32_t i = 0; i < count; i++) {
		sorted[i] = parts[i].from;
	}
	put_together(parts, sorted, count, ret);
	return 0;
}
