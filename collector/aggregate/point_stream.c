/* point_stream: the table of streams, and the lives of each.
 *
 * Processes often say nothing of what tells them apart: the workers of one
 * server, what was there before a restart. But each says when it began. So a
 * cumulative stream has up to LIVES_MAX lives, each a stream of its own under a
 * key made of the one before; what they grow by adds up. One life more, and
 * that which was silent the longest is forgotten. A proxy has a name, hence one
 * life only.
 *
 * Invariants
 *  1. A stream's number and key never change; of a life the lives before it
 *     are there, too.
 *  2. Lives but the first take at most half of the table, so that they leave
 *     room for other series. */
#include "aggregate/point.h"

#include <stdlib.h>

#include "base/err.h"

#define LIVES_MAX 8u

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

static void streams_grow(struct weir_points *points)
{
	uint32_t capacity = points->capacity == 0 ? 64 : points->capacity * 2;
	struct weir_point_stream *streams = realloc(points->streams, capacity * sizeof(*streams));
	uint32_t *dirty = realloc(points->dirty, capacity * sizeof(*dirty));
	uint32_t *buckets = calloc(capacity * 2, sizeof(*buckets));

	weir_assert(streams != NULL && dirty != NULL && buckets != NULL); /* bounded by max_streams */
	free(points->buckets);
	points->streams = streams;
	points->dirty = dirty;
	points->buckets = buckets;
	points->capacity = capacity;
	points->bucket_count = capacity * 2;
	for (uint32_t i = 0; i < points->count; i++) {
		uint32_t *first = &buckets[streams[i].low & (points->bucket_count - 1)];

		streams[i].next = *first;
		*first = i + 1;
	}
}

uint32_t weir_point_stream_make(struct weir_points *points, struct weir_point_key key)
{
	uint32_t number = points->count, *first;

	if (number == points->max_streams) {
		return WEIR_NONE;
	}
	if (number == points->capacity) {
		streams_grow(points);
	}
	first = &points->buckets[key.low & (points->bucket_count - 1)];
	points->streams[number] =
		(struct weir_point_stream){ .low = key.low, .high = key.high, .series = WEIR_NONE, .next = *first };
	*first = number + 1;
	points->count++;
	return number;
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

	points->families.raw_total -= stream->raw_count;
	free(stream->raw);
	stream->raw = NULL;
	stream->raw_count = 0;
	stream->start_ns = stream->time_ns = 0;
	stream->is_known = false;
	weir_point_stream_touch(points, number);
}

/* Another life of a stream: the same series, nothing said yet. */
static uint32_t life_make(struct weir_points *points, uint32_t first, struct weir_point_key key)
{
	uint32_t number = points->count < points->max_streams / 2 ? weir_point_stream_make(points, key) : WEIR_NONE;

	if (number != WEIR_NONE) {
		points->streams[number].series = points->streams[first].series;
		weir_point_stream_touch(points, number);
	}
	return number;
}

uint32_t weir_point_stream_life(
	struct weir_points *points, const struct weir_point_at *at, struct weir_point_key key, uint32_t first)
{
	const struct weir_instrument *instrument = at->instrument;
	bool grows = instrument->temporality == WEIR_TEMPORALITY_CUMULATIVE &&
		     (instrument->kind != WEIR_INSTRUMENT_SUM || instrument->is_monotonic);
	uint64_t start_ns = at->point->start_ns;
	uint32_t oldest = first, number = first;

	if (!grows || points->streams[first].measure != 0 || points->streams[first].gate != 0 || start_ns == 0) {
		return first;
	}
	for (unsigned i = 0; i < LIVES_MAX; i++) {
		const struct weir_point_stream *stream;

		if (i > 0) {
			weir_point_key_chain(&key, &i, sizeof(i));
			number = weir_point_stream_find(points, key);
		}
		if (number == WEIR_NONE) {
			number = life_make(points, first, key);
			break;
		}
		stream = &points->streams[number];
		if (!stream->is_known || stream->start_ns == 0 || stream->start_ns == start_ns) {
			return number;
		}
		oldest = stream->time_ns < points->streams[oldest].time_ns ? number : oldest;
		number = WEIR_NONE;
	}
	if (number == WEIR_NONE) {
		stream_forget(points, oldest);
		number = oldest;
	}
	return number;
}
