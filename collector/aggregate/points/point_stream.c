/* point_stream: the table of streams, and the lives of each.
 *
 * Processes often say nothing of what tells them apart: the workers of one
 * server, what was there before a restart. But each says when it began. So a
 * cumulative stream has up to LIVES_MAX lives, each a stream of its own under a
 * key made of the one before; what they grow by adds up. One life more, and
 * that which was silent the longest is forgotten; who began no later than one
 * that was forgotten may be the same and is met midway (point.c). A proxy has a
 * name, hence one life only.
 *
 *   made ─▶ awake ─▶ asleep ─▶ forgotten
 *             ▲         │
 *             └─────────┘ a point
 *
 * A stream that is silent for too long falls asleep: it feeds no series, so that
 * this may go, but what it said last is kept, for it may come back and must not
 * be counted twice. When there is no room for a new stream, or the memories of
 * all have filled half of their budget, who sleeps the longest is forgotten, and
 * forgotten_ns says until when the forgotten were heard.
 *
 * Invariants
 *  1. A number is given to the next stream when what had it is forgotten: the
 *     lowest that is free.
 *  2. Lives but the first take at most half of the table, so that they leave
 *     room for other series. Any of them may be forgotten while others are there.
 *  3. Who sleeps the longest is told by (used_ns, number). All that fall asleep
 *     later were used later, so a queue that was made once stays right; who woke
 *     up is known by another used_ns. */
#include "aggregate/points/point.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define LIVES_MAX 8u
#define NUMBER_MAX (1u << 24) /* of a stream that a blob tells of */

/* Hashes a text into a row of others: what came before is the seed. */
void weir_point_key_chain(struct weir_point_key *key, const void *data, size_t length)
{
	XXH128_hash_t hash = XXH3_128bits_withSeed(data, length, key->low ^ key->high);

	key->low = hash.low64 + length;
	key->high = hash.high64;
}

uint32_t weir_point_stream_find(const struct weir_points *points, struct weir_point_key key)
{
	uint32_t at = points->bucket_count == 0 ? 0 : points->buckets[key.low & (points->bucket_count - 1)];

	while (at != 0 && (points->streams[at - 1].low != key.low || points->streams[at - 1].high != key.high)) {
		at = points->streams[at - 1].next;
	}
	return at == 0 ? WEIR_NONE : at - 1;
}

static void bucket_enter(struct weir_points *points, uint32_t number)
{
	uint32_t *first = &points->buckets[points->streams[number].low & (points->bucket_count - 1)];

	points->streams[number].next = *first;
	*first = number + 1;
}

static void streams_grow(struct weir_points *points)
{
	uint32_t capacity = points->capacity == 0 ? 64 : points->capacity * 2;
	struct weir_point_stream *streams = realloc(points->streams, capacity * sizeof(*streams));
	uint32_t *dirty = realloc(points->dirty, capacity * sizeof(*dirty));
	uint64_t *bits = realloc(points->free_numbers, capacity / 64 * sizeof(*bits));
	uint32_t *buckets = calloc(capacity * 2, sizeof(*buckets));

	/* bounded by max_streams */
	weir_assert(streams != NULL && dirty != NULL && bits != NULL && buckets != NULL);
	memset(streams + points->capacity, 0, (capacity - points->capacity) * sizeof(*streams));
	memset(bits + points->capacity / 64, 0, (capacity - points->capacity) / 64 * sizeof(*bits));
	free(points->buckets);
	points->streams = streams;
	points->dirty = dirty;
	points->free_numbers = bits;
	points->buckets = buckets;
	points->capacity = capacity;
	points->bucket_count = capacity * 2;
	for (uint32_t i = 0; i < points->count; i++) {
		if (streams[i].is_live) {
			bucket_enter(points, i);
		}
	}
}

/* ---- numbers ------------------------------------------------------------ */

static uint32_t number_lowest(struct weir_points *points)
{
	for (uint32_t words = (points->count + 63) / 64; points->first_free < words; points->first_free++) {
		uint64_t bits = points->free_numbers[points->first_free];

		if (bits != 0) {
			return points->first_free * 64 + (uint32_t)__builtin_ctzll(bits);
		}
	}
	return points->count;
}

static void number_free(struct weir_points *points, uint32_t number)
{
	points->free_numbers[number / 64] |= UINT64_C(1) << number % 64;
	points->first_free = number / 64 < points->first_free ? number / 64 : points->first_free;
}

bool weir_point_stream_place(struct weir_points *points, uint32_t number, struct weir_point_key key)
{
	bool is_dirty;

	if (number >= NUMBER_MAX || (number < points->count && points->streams[number].is_live)) {
		return false;
	}
	while (number >= points->capacity) {
		streams_grow(points);
	}
	for (; points->count <= number; points->count++) {
		number_free(points, points->count);
	}
	points->free_numbers[number / 64] &= ~(UINT64_C(1) << number % 64);
	is_dirty = points->streams[number].is_dirty;
	points->streams[number] = (struct weir_point_stream){
		.low = key.low, .high = key.high, .series = WEIR_NONE, .is_dirty = is_dirty, .is_live = true
	};
	bucket_enter(points, number);
	points->live++;
	return true;
}

/* ---- who sleeps --------------------------------------------------------- */

static int sleepers_compare(const void *a, const void *b)
{
	const struct weir_point_sleeper *one = a, *other = b;

	if (one->used_ns != other->used_ns) {
		return one->used_ns < other->used_ns ? -1 : 1;
	}
	return one->number < other->number ? -1 : one->number > other->number;
}

static void queue_make(struct weir_points *points)
{
	free(points->queue);
	points->queue = malloc(points->asleep * sizeof(*points->queue));
	weir_assert(points->queue != NULL); /* bounded by max_streams */
	points->queue_count = points->queue_at = 0;
	for (uint32_t i = 0; i < points->count; i++) {
		const struct weir_point_stream *stream = &points->streams[i];

		if (stream->is_live && stream->state == WEIR_STREAM_ASLEEP) {
			points->queue[points->queue_count++] =
				(struct weir_point_sleeper){ .used_ns = stream->used_ns, .number = i };
		}
	}
	qsort(points->queue, points->queue_count, sizeof(*points->queue), sleepers_compare);
}

/* Whoever sleeps the longest is forgotten. False: nobody sleeps. */
static bool sleeper_forget(struct weir_points *points)
{
	while (points->asleep > 0) {
		struct weir_point_sleeper next;
		const struct weir_point_stream *stream;

		if (points->queue_at == points->queue_count) {
			queue_make(points);
		}
		next = points->queue[points->queue_at++];
		stream = &points->streams[next.number];
		if (stream->is_live && stream->state == WEIR_STREAM_ASLEEP && stream->used_ns == next.used_ns) {
			points->forgotten_ns =
				next.used_ns > points->forgotten_ns ? next.used_ns : points->forgotten_ns;
			weir_point_stream_drop(points, next.number);
			return true;
		}
	}
	return false;
}

void weir_point_stream_relieve(struct weir_points *points)
{
	while (points->asleep > 0 && points->families.raw_total > points->families.max_words / 2) {
		sleeper_forget(points);
	}
}

/* ---- streams ------------------------------------------------------------ */

uint32_t weir_point_stream_make(struct weir_points *points, struct weir_point_key key)
{
	uint32_t number;

	if (points->live >= points->max_streams && !sleeper_forget(points)) {
		return WEIR_NONE;
	}
	number = number_lowest(points);
	return weir_point_stream_place(points, number, key) ? number : WEIR_NONE;
}

void weir_point_stream_feed(struct weir_points *points, uint32_t number, uint32_t series)
{
	struct weir_point_stream *stream = &points->streams[number];

	if (stream->series != WEIR_NONE) {
		points->families.series[stream->series].streams--;
	}
	if (series != WEIR_NONE) {
		points->families.series[series].streams++;
	}
	stream->series = series;
}

static void raw_free(struct weir_points *points, struct weir_point_stream *stream)
{
	points->families.raw_total -= stream->raw_count;
	free(stream->raw);
	stream->raw = NULL;
	stream->raw_count = 0;
}

void weir_point_stream_drop(struct weir_points *points, uint32_t number)
{
	struct weir_point_stream *stream = &points->streams[number];
	uint32_t *at = &points->buckets[stream->low & (points->bucket_count - 1)];

	weir_assert(stream->is_live);
	while (*at != number + 1) {
		at = &points->streams[*at - 1].next;
	}
	*at = stream->next;
	weir_point_stream_feed(points, number, WEIR_NONE);
	raw_free(points, stream);
	points->asleep -= stream->state == WEIR_STREAM_ASLEEP ? 1 : 0;
	points->live--;
	*stream = (struct weir_point_stream){ .series = WEIR_NONE, .is_dirty = stream->is_dirty };
	number_free(points, number);
	weir_point_stream_touch(points, number);
}

/* Does it matter what it said, should it come back? Not of a last value. */
static bool is_remembered(const struct weir_points *points, const struct weir_point_stream *stream)
{
	const struct weir_families *families = &points->families;
	uint8_t exposed;

	if (stream->series == WEIR_NONE) {
		return stream->measure != 0 || stream->raw_count > 0; /* it may have had one before it slept last */
	}
	exposed = families->rows[families->series[stream->series].family].exposed;
	return exposed == WEIR_EXPOSED_COUNTER || exposed == WEIR_EXPOSED_HISTOGRAM;
}

void weir_point_stream_sleep(struct weir_points *points, uint32_t number)
{
	struct weir_point_stream *stream = &points->streams[number];

	if (!stream->is_known || !is_remembered(points, stream)) {
		weir_point_stream_drop(points, number);
		return;
	}
	weir_point_stream_feed(points, number, WEIR_NONE);
	stream->state = WEIR_STREAM_ASLEEP;
	stream->lack = WEIR_LACK_NOTHING;
	points->asleep++;
	weir_point_stream_touch(points, number);
}

void weir_point_stream_touch(struct weir_points *points, uint32_t number)
{
	if (!points->streams[number].is_dirty) {
		points->streams[number].is_dirty = true;
		points->dirty[points->dirty_count++] = number;
	}
}

/* Its next point is the first of another life. */
static void stream_forget(struct weir_points *points, uint32_t number)
{
	struct weir_point_stream *stream = &points->streams[number];

	raw_free(points, stream);
	stream->after_ns = stream->start_ns > stream->after_ns ? stream->start_ns : stream->after_ns;
	stream->start_ns = stream->time_ns = 0;
	stream->is_known = false;
	weir_point_stream_touch(points, number);
}

/* It is awake and feeds what the first life feeds. */
static void life_join(struct weir_points *points, uint32_t first, uint32_t number)
{
	struct weir_point_stream *stream = &points->streams[number];

	points->asleep -= stream->state == WEIR_STREAM_ASLEEP ? 1 : 0;
	stream->state = WEIR_STREAM_AWAKE;
	stream->lack = points->streams[first].lack;
	weir_point_stream_feed(points, number, points->streams[first].series);
	weir_point_stream_touch(points, number);
}

/* Another life of a stream: nothing said yet. */
static uint32_t life_make(struct weir_points *points, struct weir_point_key key)
{
	return points->live < points->max_streams / 2 ? weir_point_stream_make(points, key) : WEIR_NONE;
}

struct lives {                           /* what a walk over them found */
	uint32_t number, unused, oldest; /* of this start; nothing said yet; silent the longest */
	struct weir_point_key vacant;
	bool has_vacant;
	uint64_t after_ns; /* the latest start of those that were forgotten */
};

static void lives_walk(const struct weir_points *points, struct weir_point_key key, uint32_t first, uint64_t start_ns,
	struct lives *ret_lives)
{
	*ret_lives = (struct lives){ .number = WEIR_NONE, .unused = WEIR_NONE, .oldest = first };
	for (unsigned i = 0; i < LIVES_MAX; i++) {
		const struct weir_point_stream *stream;
		uint32_t number = first;

		if (i > 0) {
			weir_point_key_chain(&key, &i, sizeof(i));
			number = weir_point_stream_find(points, key);
		}
		if (number == WEIR_NONE) {
			ret_lives->vacant = ret_lives->has_vacant ? ret_lives->vacant : key;
			ret_lives->has_vacant = true;
			continue;
		}
		stream = &points->streams[number];
		if (stream->is_known && (stream->start_ns == 0 || stream->start_ns == start_ns)) {
			ret_lives->number = number;
			return;
		}
		if (!stream->is_known && ret_lives->unused == WEIR_NONE) {
			ret_lives->unused = number;
		}
		if (stream->time_ns < points->streams[ret_lives->oldest].time_ns) {
			ret_lives->oldest = number;
		}
		ret_lives->after_ns = stream->after_ns > ret_lives->after_ns ? stream->after_ns : ret_lives->after_ns;
	}
}

uint32_t weir_point_stream_life(
	struct weir_points *points, struct weir_point_at *at, struct weir_point_key key, uint32_t first)
{
	uint64_t start_ns = at->point->start_ns;
	struct lives lives;
	uint32_t number;

	if (!weir_point_grows(at->instrument) || points->streams[first].measure != 0 ||
		points->streams[first].gate != 0 || start_ns == 0) {
		return first;
	}
	lives_walk(points, key, first, start_ns, &lives);
	number = lives.number != WEIR_NONE ? lives.number : lives.unused;
	if (number == WEIR_NONE && lives.has_vacant) {
		number = life_make(points, lives.vacant);
	}
	if (number == WEIR_NONE) {
		lives.after_ns = points->streams[lives.oldest].start_ns > lives.after_ns
					 ? points->streams[lives.oldest].start_ns
					 : lives.after_ns;
		stream_forget(points, lives.oldest);
		number = lives.oldest;
	}
	at->is_midway = start_ns <= lives.after_ns;
	if (number != first && (points->streams[number].state != WEIR_STREAM_AWAKE ||
				       points->streams[number].series != points->streams[first].series)) {
		life_join(points, first, number);
	}
	return number;
}
