/* owner: one request, one count, whoever tells of it.
 *
 * A proxy may report the same request in an access log (ALS), in an
 * OpenTelemetry log, through Mixer, and in its own istio_* metrics. For each
 * proxy and side one of the first three owns what is counted:
 *
 *   nobody ─first report─▶ its signal owns ─a better one reports─▶ from the next
 *   second of the watermark on, that one owns            (ALS > log > Mixer)
 *
 * Around a change the same request comes from both, in any order. So while the
 * owner is not the best there is, and for a minute after a change, requests are
 * known one by one (`slots`), by proxy, side, id and start in µs:
 *
 *   not known           ─▶ counted if its signal owns; remembered as counted or not
 *   counted by another  ─▶ not counted
 *   not counted yet, of another signal, or its signal owns by now ─▶ counted
 *
 * A proxy with access logs only, the usual case, costs one look at its row.
 *
 * Its own istio_* stand above all three, but tell of no single request: they
 * own the series, while edges go on from the best of the three. They take over
 * with the first flush after the next second that is not before what logs have
 * counted: what it says is where they begin. A request that ended before that
 * flush, by the proxy's clock, is the logs', one that ended later is theirs.
 * metrics.istio: `on` counts them only where there is no log, `off` never
 * counts a log.
 *
 * An owner that falls silent gives up:
 *
 *   nothing for SILENT_NS ─another signal reports─▶ the best that is heard owns from the next second on
 *   heard again           ─▶ as a better one: from an edge on; before the edge it just goes on
 *
 * What only another signal told of before the owner gave up is not counted. Its
 * own istio_* begin again with what they say when they take over again: what
 * they counted meanwhile has been counted by others.
 *
 * A connection is like a request, but reports more than once: whoever was
 * counted first goes on being counted.
 *
 * Completeness: the first point of a proxy's counters of what it sent is the
 * beginning (since_ns); from there on what it sent and what came are summed up
 * side by side. All counters of a proxy's first flush say what was before; one
 * that appears later began at 0 since.
 *
 * Invariants
 *  1. At most REQUESTS_MAX requests are known, for MATCHING_NS; then the oldest
 *     are forgotten.
 *  2. At most PROXIES_MAX proxies have rows of their own; the others share one.
 *  3. Time is the watermark only. */
#include "aggregate/owner.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/bounds.h"
#include "base/err.h"

#define PROXIES_MAX WEIR_BOUNDS_PROXIES
#define NAME_BYTES_MAX (PROXIES_MAX * 96u)
#define REQUESTS_MAX WEIR_BOUNDS_REQUESTS
#define SECOND_NS 1000000000u
#define MATCHING_NS (60u * (uint64_t)SECOND_NS)
#define SILENT_NS (60u * (uint64_t)SECOND_NS)
#define WAITING_NS (10u * (uint64_t)SECOND_NS) /* for a flush that is not before what was counted */
#define FLUSH_NS SECOND_NS                     /* points of one flush come within this */
#define KNOWN 0u                               /* the one list */
#define LIFE_TIME 56u                          /* 60 s in units of 2^30 ns */
#define ROW_WORDS ((uint32_t)(offsetof(struct weir_owner, is_dirty) / sizeof(uint64_t)))
#define ROW_WORDS_SECOND ((uint32_t)(offsetof(struct weir_owner, heard) / sizeof(uint64_t))) /* of version 2 */

struct known { /* a request, or a connection */
	struct weir_slot head;
	uint8_t rank, is_counted, padding[6]; /* who told of it first, or was counted */
};

void weir_owners_init(struct weir_owners *owners, enum weir_fold_istio istio, uint64_t seed)
{
	*owners = (struct weir_owners){ .istio = istio, .known_row = WEIR_NONE };
	weir_text_init(&owners->names, PROXIES_MAX, NAME_BYTES_MAX, seed);
	weir_slots_init(&owners->slots, sizeof(struct known), REQUESTS_MAX, seed);
}

void weir_owners_fini(struct weir_owners *owners)
{
	weir_text_fini(&owners->names);
	weir_slots_fini(&owners->slots);
	free(owners->rows);
	free(owners->dirty);
	owners->rows = NULL;
	owners->dirty = NULL;
}

void weir_owners_reset(struct weir_owners *owners)
{
	for (uint32_t i = 0; i < owners->row_capacity; i++) {
		memset(owners->rows[i].measures, 0, sizeof(owners->rows[i].measures));
	}
}

/* ---- rows --------------------------------------------------------------- */

static void row_room(struct weir_owners *owners, uint32_t row)
{
	if (row >= owners->row_capacity) {
		uint32_t capacity = owners->names.capacity > row ? owners->names.capacity : row + 1;
		struct weir_owner *rows = realloc(owners->rows, capacity * sizeof(*rows));
		uint32_t *dirty = realloc(owners->dirty, capacity * sizeof(*dirty));

		weir_assert(rows != NULL && dirty != NULL); /* bounded by PROXIES_MAX */
		memset(rows + owners->row_capacity, 0, (capacity - owners->row_capacity) * sizeof(*rows));
		owners->rows = rows;
		owners->dirty = dirty;
		owners->row_capacity = capacity;
	}
}

static void touch(struct weir_owners *owners, uint32_t row)
{
	if (!owners->rows[row].is_dirty) {
		owners->rows[row].is_dirty = 1;
		owners->dirty[owners->dirty_count++] = row;
	}
}

void weir_owners_batch(struct weir_owners *owners)
{
	owners->known_row = WEIR_NONE;
}

uint32_t weir_owners_row(struct weir_owners *owners, const struct weir_batch *batch, struct weir_ref proxy)
{
	struct weir_str name;
	uint32_t row;

	if (owners->known_row != WEIR_NONE && owners->known.offset == proxy.offset &&
		owners->known.length == proxy.length) {
		return owners->known_row;
	}
	name = weir_batch_str(batch, proxy.length > 0 ? proxy : batch->source);
	row = weir_text_add(&owners->names, name, 0, false);
	if (row == WEIR_TEXT_FULL) {
		row = weir_text_add(&owners->names, weir_str_of("_overflow"), 0, true);
		weir_assert(row != WEIR_TEXT_FULL);
	}
	row_room(owners, row);
	owners->known = proxy;
	owners->known_row = row;
	return row;
}

/* ---- who is counted ----------------------------------------------------- */

static unsigned rank_of(unsigned signal)
{
	switch (signal) {
	case WEIR_SIGNAL_LOG:
		return WEIR_OWNER_LOG;
	case WEIR_SIGNAL_MIXER:
		return WEIR_OWNER_MIXER;
	default:
		return WEIR_OWNER_ALS;
	}
}

static uint64_t next_edge(uint64_t now_ns)
{
	return (now_ns / SECOND_NS + 1) * SECOND_NS;
}

/* What was due has happened. */
static void settle(struct weir_owners *owners, uint32_t row, struct weir_owner_side *side, uint64_t now_ns)
{
	if (side->edge_ns != 0 && now_ns >= side->edge_ns) {
		side->rank = side->next_rank;
		side->edge_ns = side->next_rank = 0;
		side->matching_ns = now_ns + MATCHING_NS;
		touch(owners, row);
	}
	if (side->has_own && side->own_edge_ns != 0 && now_ns >= side->own_edge_ns) {
		side->has_own = side->own_edge_ns = 0;
		touch(owners, row);
	}
}

static void hear(struct weir_owners *owners, uint32_t row, unsigned side, unsigned rank, uint64_t now_ns)
{
	uint64_t *heard_ns = &owners->rows[row].heard[side].ranks_ns[rank];

	if (now_ns >= *heard_ns + SECOND_NS) {
		*heard_ns = now_ns / SECOND_NS * SECOND_NS;
		touch(owners, row);
	}
}

static void take_over(
	struct weir_owners *owners, uint32_t row, struct weir_owner_side *side, unsigned rank, uint64_t now_ns)
{
	side->next_rank = rank;
	side->edge_ns = side->edge_ns != 0 ? side->edge_ns : next_edge(now_ns);
	touch(owners, row);
}

/* One that is not as good as the owner reports. */
static void miss(struct weir_owners *owners, uint32_t row, unsigned number, unsigned rank, uint64_t now_ns)
{
	struct weir_owner_side *side = &owners->rows[row].sides[number];
	const uint64_t *heard_ns = owners->rows[row].heard[number].ranks_ns;

	if (side->edge_ns != 0) {
		side->next_rank = rank > side->next_rank ? rank : side->next_rank;
		return;
	}
	if (now_ns >= heard_ns[side->rank] + SILENT_NS) {
		for (unsigned other = rank + 1; other < side->rank; other++) {
			rank = now_ns < heard_ns[other] + SILENT_NS ? other : rank;
		}
		take_over(owners, row, side, rank, now_ns);
	}
}

/* A report of this rank has come: what it means for who owns. */
static void announce(struct weir_owners *owners, uint32_t row, unsigned number, unsigned rank, uint64_t now_ns)
{
	struct weir_owner_side *side = &owners->rows[row].sides[number];

	if (side->rank == WEIR_OWNER_NOBODY) {
		side->rank = rank;
		touch(owners, row);
	} else if (rank < side->rank) {
		miss(owners, row, number, rank, now_ns);
	} else if (rank > side->rank && rank > side->next_rank) {
		take_over(owners, row, side, rank, now_ns);
	} else if (rank == side->rank && side->next_rank < rank && side->edge_ns != 0) {
		side->edge_ns = side->next_rank = 0; /* it is back in time */
		touch(owners, row);
	}
}

static struct weir_slot_key key_of(const struct weir_owner_report *report, uint32_t row)
{
	const uint64_t head[3] = { row, (uint64_t)report->call->reporter << 1 | report->is_connection,
		report->start_ns / 1000 };
	XXH128_hash_t from = XXH3_128bits(head, sizeof(head));
	XXH128_hash_t hash = XXH3_128bits_withSeed(report->id.data, report->id.length, from.low64);

	return (struct weir_slot_key){ hash.low64, hash.high64 ^ from.high64 };
}

/* Known one by one: the table at the top of this file. */
static bool match(struct weir_owners *owners, const struct weir_owner_report *report, uint32_t row, unsigned rank,
	uint64_t now_ns)
{
	bool owns = owners->rows[row].sides[report->call->reporter].rank == rank;
	struct weir_slot_key key = key_of(report, row);
	uint32_t slot = weir_slots_find(&owners->slots, key), time = (uint32_t)(now_ns >> 30);
	struct known *known;

	if (slot == WEIR_SLOTS_NONE) {
		if (owners->slots.count == REQUESTS_MAX) {
			weir_slots_remove(&owners->slots, owners->slots.oldest[KNOWN]);
		}
		known = weir_slots_at(&owners->slots, weir_slots_add(&owners->slots, key, KNOWN, time));
		known->rank = (uint8_t)rank;
		known->is_counted = owns;
		return owns;
	}
	known = weir_slots_at(&owners->slots, slot);
	if (known->is_counted || (known->rank == rank && !owns)) {
		if (report->is_connection) {
			weir_slots_use(&owners->slots, slot, KNOWN, time);
		}
		return known->is_counted && known->rank == rank;
	}
	weir_slots_use(&owners->slots, slot, KNOWN, time);
	known->rank = (uint8_t)rank;
	known->is_counted = true;
	return true;
}

/* Is what a log tells of in the proxy's own istio_*? */
static bool is_own(struct weir_owners *owners, uint32_t row, unsigned number, uint64_t end_ns, uint64_t now_ns)
{
	struct weir_owner_side *side = &owners->rows[row].sides[number];
	struct weir_owner_heard *heard = &owners->rows[row].heard[number];

	if (side->has_own) {
		if (side->own_edge_ns == 0 && now_ns >= heard->ranks_ns[WEIR_OWNER_NOBODY] + SILENT_NS) {
			side->own_edge_ns = next_edge(now_ns);
			touch(owners, row);
		}
		return end_ns == 0 || end_ns > heard->own_from_ns || now_ns >= heard->own_until_ns;
	}
	if (side->own_edge_ns != 0 && end_ns > heard->counted_ns) {
		heard->counted_ns = end_ns;
		touch(owners, row);
	}
	return false;
}

unsigned weir_owners_judge(struct weir_owners *owners, const struct weir_batch *batch,
	const struct weir_owner_report *report, uint64_t now_ns)
{
	uint32_t row = weir_owners_row(owners, batch, report->call->proxy);
	unsigned rank = rank_of(batch->signal), number = report->call->reporter % WEIR_OWNER_SIDES;
	struct weir_owner_side *side = &owners->rows[row].sides[number];
	bool is_counted;

	settle(owners, row, side, now_ns);
	hear(owners, row, number, rank, now_ns);
	if (side->rank != rank || side->edge_ns != 0) {
		announce(owners, row, number, rank, now_ns);
	}
	if (side->rank == WEIR_OWNER_ALS && now_ns >= side->matching_ns) {
		is_counted = rank == WEIR_OWNER_ALS;
	} else {
		is_counted = match(owners, report, row, rank, now_ns);
	}
	if (!is_counted) {
		return 0;
	}
	weir_owners_seen(owners, row, WEIR_MEASURE_REQUESTS, report->is_connection ? 0 : 1);
	if (owners->istio == WEIR_FOLD_ISTIO_OFF ||
		(owners->istio == WEIR_FOLD_ISTIO_AUTO && is_own(owners, row, number, report->end_ns, now_ns))) {
		return WEIR_OWNER_EDGES;
	}
	return WEIR_OWNER_EDGES | WEIR_OWNER_SERIES;
}

/* They come, but logs are counted: true once they own. */
static bool own_wait(struct weir_owners *owners, uint32_t row, unsigned number, uint64_t time_ns, uint64_t now_ns)
{
	struct weir_owner_side *side = &owners->rows[row].sides[number];
	struct weir_owner_heard *heard = &owners->rows[row].heard[number];

	if (side->rank == WEIR_OWNER_NOBODY) {
		side->has_own = 1; /* nothing else was counted */
		heard->own_from_ns = heard->own_until_ns = 0;
	} else if (side->own_edge_ns == 0) {
		side->own_edge_ns = next_edge(now_ns);
		heard->counted_ns = 0;
	} else if (now_ns >= side->own_edge_ns &&
		   (time_ns >= heard->counted_ns || now_ns >= side->own_edge_ns + WAITING_NS)) {
		side->has_own = 1;
		side->own_edge_ns = 0;
		heard->own_from_ns = time_ns;
		heard->own_until_ns = now_ns + MATCHING_NS;
	} else {
		return false;
	}
	touch(owners, row);
	return side->has_own != 0;
}

bool weir_owners_own(struct weir_owners *owners, uint32_t row, unsigned number, uint64_t time_ns, uint64_t now_ns)
{
	struct weir_owner_side *side = &owners->rows[row].sides[number % WEIR_OWNER_SIDES];
	const struct weir_owner_heard *heard = &owners->rows[row].heard[number % WEIR_OWNER_SIDES];

	number %= WEIR_OWNER_SIDES;
	if (owners->istio != WEIR_FOLD_ISTIO_AUTO) {
		return owners->istio == WEIR_FOLD_ISTIO_OFF || side->rank == WEIR_OWNER_NOBODY;
	}
	settle(owners, row, side, now_ns);
	hear(owners, row, number, WEIR_OWNER_NOBODY, now_ns);
	if (side->has_own && side->own_edge_ns != 0) {
		side->own_edge_ns = 0; /* back in time */
		touch(owners, row);
	}
	if (!side->has_own && !own_wait(owners, row, number, time_ns, now_ns)) {
		return false;
	}
	/* The flush with which they took over is where they begin. */
	return now_ns >= heard->own_until_ns || time_ns > heard->own_from_ns;
}

void weir_owners_expire(struct weir_owners *owners, uint64_t now_ns)
{
	struct weir_slots *slots = &owners->slots;

	while (slots->oldest[KNOWN] != WEIR_SLOTS_NONE) {
		const struct weir_slot *oldest = weir_slots_at(slots, slots->oldest[KNOWN]);

		if (oldest->time + LIFE_TIME > (uint32_t)(now_ns >> 30)) {
			return;
		}
		weir_slots_remove(slots, slots->oldest[KNOWN]);
	}
}

/* ---- completeness ------------------------------------------------------- */

void weir_owners_seen(struct weir_owners *owners, uint32_t row, enum weir_measure measure, uint64_t count)
{
	struct weir_owner_measure *of = &owners->rows[row].measures[measure];

	if (of->since_ns != 0 && count > 0) {
		of->seen += count;
		touch(owners, row);
	}
}

/* Does a first value say what was before us? */
static bool is_before(struct weir_owner_measure *of, bool is_first, uint64_t now_ns)
{
	if (of->since_ns == 0) {
		of->since_ns = now_ns > 0 ? now_ns : 1;
	}
	return is_first && now_ns < of->since_ns + FLUSH_NS;
}

void weir_owners_sent(struct weir_owners *owners, uint32_t row, enum weir_measure measure, uint64_t more, bool is_first,
	uint64_t now_ns)
{
	struct weir_owner_measure *of = &owners->rows[row].measures[measure];

	of->sent += is_before(of, is_first, now_ns) ? 0 : more;
	touch(owners, row);
}

void weir_owners_dropped(struct weir_owners *owners, uint32_t row, enum weir_measure measure, uint64_t more,
	bool is_first, uint64_t now_ns)
{
	struct weir_owner_measure *of = &owners->rows[row].measures[measure];

	of->dropped += is_before(of, is_first, now_ns) ? 0 : more;
	touch(owners, row);
}

/* ---- save and load ------------------------------------------------------ */

void weir_owners_save(struct weir_owners *owners, bool all, struct weir_buf *buf)
{
	uint32_t names = owners->names.count > 0 ? owners->names.count : 1;
	uint32_t count = !all ? owners->dirty_count : names < owners->row_capacity ? names : owners->row_capacity;

	weir_text_save(&owners->names, all, buf);
	weir_blob_add_varint(buf, count);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t row = all ? i : owners->dirty[i];

		weir_blob_add_varint(buf, row);
		weir_blob_add_words(buf, &owners->rows[row].sides[0].rank, ROW_WORDS);
	}
	for (uint32_t i = 0; i < owners->dirty_count; i++) {
		owners->rows[owners->dirty[i]].is_dirty = 0;
	}
	owners->dirty_count = 0;
}

/* A row of version 2: who owns was heard just now, as far as is known. */
static void row_hear(struct weir_owner *row, uint64_t now_ns)
{
	for (unsigned i = 0; i < WEIR_OWNER_SIDES; i++) {
		row->heard[i] = (struct weir_owner_heard){ .ranks_ns = { now_ns, now_ns, now_ns, now_ns } };
	}
}

int weir_owners_load(struct weir_owners *owners, struct weir_blob_reader *reader, bool has_heard, uint64_t now_ns)
{
	int error = weir_text_load(&owners->names, reader);
	uint32_t count;

	if (error != 0) {
		return error;
	}
	row_room(owners, owners->names.count == 0 ? 0 : owners->names.count - 1);
	count = weir_blob_number(reader, UINT32_MAX - 1);
	for (uint32_t i = 0; i < count && !reader->is_bad; i++) {
		uint32_t row = weir_blob_number(reader, owners->names.count == 0 ? 0 : owners->names.count - 1);

		if (!reader->is_bad) {
			weir_blob_words(
				reader, &owners->rows[row].sides[0].rank, has_heard ? ROW_WORDS : ROW_WORDS_SECOND);
		}
		if (!reader->is_bad && !has_heard) {
			row_hear(&owners->rows[row], now_ns);
		}
	}
	return reader->is_bad ? -EBADMSG : 0;
}

void weir_owners_digest(const struct weir_owners *owners, XXH3_state_t *state)
{
	static const struct weir_owner nothing;

	weir_text_digest(&owners->names, state);
	for (uint32_t i = 0; i < owners->names.count || i == 0; i++) {
		const struct weir_owner *row = i < owners->row_capacity ? &owners->rows[i] : &nothing;

		XXH3_128bits_update(state, row, ROW_WORDS * sizeof(uint64_t));
	}
}
