/* flow: TCP connections report running totals; metrics want differences.
 *
 * One entry for each (source, stream id):
 *
 *   unknown ─ OPEN, CLOSE, or any report of 0 bytes ─▶ opened + 1, bytes from zero
 *   unknown ─ CONTINUE with bytes ─▶ if it began after the last time that anything
 *             was forgotten, as OPEN: its first reports were lost, not counted;
 *             else its totals are the baseline: what flowed before we listened
 *             is not ours to count, nor that it was opened. It is the shortfall
 *   open    ─ any report ─▶ the growth since the last one
 *   open    ─ CLOSE ─▶ also closed + 1; the entry stays for a minute, closed
 *   closed  ─ any report ─▶ growth only: loggers repeat the end of a connection
 *
 * Reports of differences (Mixer) need no totals: they are added as they come,
 * opened by OPEN and closed by CLOSE.
 *
 * A proxy that reports only the end (Istio's default) is the first line with
 * CLOSE: opened, closed and all bytes at once. Without a stream id nothing can
 * be joined: then only a CLOSE counts, as that.
 *
 * Invariants
 *  1. Growth is never negative: a smaller total (reports out of order) is 0.
 *  2. Open entries are forgotten an hour after their last report, closed ones
 *     a minute after; with FLOWS_MAX entries the oldest closed one goes early,
 *     then the oldest open one (which then comes back with a baseline). */
#include "aggregate/flow.h"

#include "aggregate/bounds.h"

#define FLOWS_MAX WEIR_BOUNDS_FLOWS
#define OPEN 0u
#define CLOSED 1u
#define OPEN_LIFE_TIME 3353u /* 1 h in units of 2^30 ns */
#define CLOSED_LIFE_TIME 56u /* 60 s */

struct flow {
	struct weir_slot head;
	uint64_t sent_bytes, received_bytes;
};

void weir_flows_init(struct weir_flows *flows, uint64_t seed)
{
	*flows = (struct weir_flows){ 0 };
	weir_slots_init(&flows->slots, sizeof(struct flow), FLOWS_MAX, seed);
}

void weir_flows_fini(struct weir_flows *flows)
{
	weir_slots_fini(&flows->slots);
}

static struct weir_slot_key key_of(struct weir_str source, struct weir_str stream_id)
{
	XXH128_hash_t from = XXH3_128bits(source.data, source.length);
	XXH128_hash_t hash = XXH3_128bits_withSeed(stream_id.data, stream_id.length, from.low64);

	return (struct weir_slot_key){ hash.low64, hash.high64 ^ from.high64 };
}

static uint64_t growth(uint64_t *total, uint64_t reported)
{
	uint64_t more = reported > *total ? reported - *total : 0;

	*total += more;
	return more;
}

static uint32_t flow_add(struct weir_flows *flows, struct weir_slot_key key, uint32_t list, uint32_t time)
{
	struct weir_slots *slots = &flows->slots;

	if (slots->count == FLOWS_MAX) {
		uint32_t from = slots->oldest[CLOSED] != WEIR_SLOTS_NONE ? CLOSED : OPEN;

		weir_slots_remove(slots, slots->oldest[from]);
		flows->complete_since_ns = (uint64_t)(time + 1) << 30; /* what began before may have been counted */
	}
	return weir_slots_add(slots, key, list, time);
}

/* What a connection that nobody knew adds, besides its bytes. */
static void flow_first(struct weir_flows *flows, const struct weir_connection *connection, struct flow *flow,
	struct weir_flow_growth *ret_more)
{
	bool is_close = connection->state == WEIR_CONNECTION_CLOSE, is_open = connection->state == WEIR_CONNECTION_OPEN;
	uint64_t bytes = connection->sent_bytes + connection->received_bytes;

	ret_more->closed = is_close;
	if (connection->is_delta) {
		ret_more->opened = is_open;
		return;
	}
	ret_more->opened = is_open || is_close || bytes == 0 ||
			   (flows->complete_since_ns != 0 && connection->start_ns > flows->complete_since_ns);
	if (ret_more->opened == 0) {
		flow->sent_bytes = connection->sent_bytes;
		flow->received_bytes = connection->received_bytes;
		flows->shortfall_bytes += bytes;
		flows->shortfall_connections++;
	}
}

static void flow_grow(const struct weir_connection *connection, struct flow *flow, struct weir_flow_growth *ret_more)
{
	if (connection->is_delta) {
		ret_more->sent_bytes = connection->sent_bytes;
		ret_more->received_bytes = connection->received_bytes;
		flow->sent_bytes += connection->sent_bytes;
		flow->received_bytes += connection->received_bytes;
		return;
	}
	ret_more->sent_bytes = growth(&flow->sent_bytes, connection->sent_bytes);
	ret_more->received_bytes = growth(&flow->received_bytes, connection->received_bytes);
}

/* Without a name its reports cannot be joined: differences can be added all the same. */
static void nameless_report(const struct weir_connection *connection, struct weir_flow_growth *ret_more)
{
	bool is_close = connection->state == WEIR_CONNECTION_CLOSE;

	if (connection->is_delta || is_close) {
		*ret_more = (struct weir_flow_growth){
			.opened = connection->is_delta ? connection->state == WEIR_CONNECTION_OPEN : 1,
			.closed = is_close,
			.sent_bytes = connection->sent_bytes,
			.received_bytes = connection->received_bytes,
		};
	}
}

void weir_flows_report(struct weir_flows *flows, const struct weir_batch *batch,
	const struct weir_connection *connection, uint64_t now_ns, struct weir_flow_growth *ret_more)
{
	struct weir_str stream_id = weir_batch_str(batch, connection->stream_id);
	bool is_close = connection->state == WEIR_CONNECTION_CLOSE;
	uint32_t time = (uint32_t)(now_ns >> 30), slot;
	struct weir_slot_key key;
	struct flow *flow;

	*ret_more = (struct weir_flow_growth){ 0 };
	if (stream_id.length == 0) {
		nameless_report(connection, ret_more);
		return;
	}
	key = key_of(weir_batch_str(batch, batch->source), stream_id);
	slot = weir_slots_find(&flows->slots, key);
	if (slot == WEIR_SLOTS_NONE) {
		slot = flow_add(flows, key, is_close ? CLOSED : OPEN, time);
		flow = weir_slots_at(&flows->slots, slot);
		flow_first(flows, connection, flow, ret_more);
	} else {
		flow = weir_slots_at(&flows->slots, slot);
		ret_more->closed = is_close && flow->head.list == OPEN;
		weir_slots_use(&flows->slots, slot, is_close ? CLOSED : flow->head.list, time);
	}
	flow_grow(connection, flow, ret_more);
}

void weir_flows_begin(struct weir_flows *flows, uint64_t now_ns)
{
	flows->complete_since_ns = now_ns > flows->complete_since_ns ? now_ns : flows->complete_since_ns;
}

static void list_expire(struct weir_slots *slots, uint32_t list, uint32_t life_time, uint32_t now)
{
	while (slots->oldest[list] != WEIR_SLOTS_NONE) {
		const struct weir_slot *oldest = weir_slots_at(slots, slots->oldest[list]);

		if (oldest->time + life_time > now) {
			return;
		}
		weir_slots_remove(slots, slots->oldest[list]);
	}
}

void weir_flows_expire(struct weir_flows *flows, uint64_t now_ns)
{
	uint32_t open = flows->slots.oldest[OPEN];

	list_expire(&flows->slots, OPEN, OPEN_LIFE_TIME, (uint32_t)(now_ns >> 30));
	if (open != flows->slots.oldest[OPEN]) {
		weir_flows_begin(flows, now_ns);
	}
	list_expire(&flows->slots, CLOSED, CLOSED_LIFE_TIME, (uint32_t)(now_ns >> 30));
}
