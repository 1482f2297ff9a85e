/* seen: which points of a delta stream have come.
 *
 * Whoever forwards may have several batches under way, so the points of a stream
 * come in any order, and again when an answer was lost. What a point is told by
 * is (start, time):
 *
 *   remembered                                  ─▶ came again
 *   not after the newest time that is forgotten ─▶ came too late to tell
 *   else                                        ─▶ new: added, and remembered
 *
 * The memory is the stream's `raw`: pairs of words (time, start) in ascending
 * order, those not used yet (0, 0) in front. It begins with 4 pairs and doubles
 * up to 128; a full one forgets its oldest pair, whose time becomes the stream's
 * time_ns. A point without a time cannot be told from another: it is new.
 *
 * Invariants
 *  1. All remembered times are at or after time_ns.
 *  2. Its words are part of raw_total: beyond half of max_words no memory grows
 *     above its first size, beyond three quarters none begins. A stream without
 *     one remembers its newest time only, in time_ns. */
#include "aggregate/points/seen.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define WORDS_FIRST 8u
#define WORDS_MAX (2 * WEIR_SEEN_MAX)

bool weir_seen_is_new(const struct weir_point_stream *stream, const struct weir_point *point)
{
	if (point->time_ns == 0) {
		return true;
	}
	for (uint32_t at = stream->raw_count & ~1u; at > 0 && stream->raw[at - 2] >= point->time_ns; at -= 2) {
		if (stream->raw[at - 2] == point->time_ns && stream->raw[at - 1] == point->start_ns) {
			return false;
		}
	}
	return point->time_ns > stream->time_ns;
}

bool weir_seen_is_behind(const struct weir_point_stream *stream, const struct weir_point *point)
{
	uint64_t newest = stream->raw_count >= 2 ? stream->raw[(stream->raw_count & ~1u) - 2] : 0;

	return point->time_ns != 0 && (point->time_ns < newest || point->time_ns < stream->time_ns);
}

/* Room for more, if all streams together may. */
static void grow(struct weir_families *families, struct weir_point_stream *stream)
{
	uint32_t before = stream->raw_count, count = before == 0 ? WORDS_FIRST : before * 2;
	uint64_t most = before == 0 ? families->max_words / 4 * 3 : families->max_words / 2;
	uint64_t *raw;

	if (count > WORDS_MAX || families->raw_total + count - before > most) {
		return;
	}
	raw = calloc(count, sizeof(*raw));
	weir_assert(raw != NULL); /* bounded by max_words */
	if (before > 0) {
		memcpy(raw + count - before, stream->raw, before * sizeof(*raw));
	}
	free(stream->raw);
	stream->raw = raw;
	stream->raw_count = count;
	families->raw_total += count - before;
}

void weir_seen_add(struct weir_families *families, struct weir_point_stream *stream, const struct weir_point *point)
{
	uint32_t at;

	if (point->time_ns == 0) {
		return;
	}
	if (stream->raw_count == 0 || stream->raw[0] != 0) {
		grow(families, stream);
	}
	at = stream->raw_count & ~1u;
	if (at == 0) {
		stream->time_ns = point->time_ns > stream->time_ns ? point->time_ns : stream->time_ns;
		return;
	}
	while (at > 0 && stream->raw[at - 2] > point->time_ns) {
		at -= 2;
	}
	/* A point that is new is after what is forgotten, so the oldest pair may be itself. */
	if (at == 0) {
		stream->time_ns = point->time_ns;
		return;
	}
	stream->time_ns = stream->raw[0] > stream->time_ns ? stream->raw[0] : stream->time_ns;
	memmove(stream->raw, stream->raw + 2, (at - 2) * sizeof(*stream->raw));
	stream->raw[at - 2] = point->time_ns;
	stream->raw[at - 1] = point->start_ns;
}
