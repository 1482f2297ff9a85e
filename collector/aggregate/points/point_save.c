/* point_save: streams as bytes.
 *
 *   families    family_save.c
 *   counts      late, forgotten_ns, midway
 *   streams     how many; each: number, 1, key, series, owner, flags, times, raw; or number, 0: gone
 *
 * A number may be another stream's now. Who sleeps, and how many streams feed a
 * series, follows from the streams and is counted when all are read.
 *
 * Before version 4 all streams were there and awake, and when they were used
 * last was not known. */
#include "aggregate/points/point.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VERSION_EXPIRING 4u /* of blobs: from here on streams may be gone */

static uint32_t flags_of(const struct weir_point_stream *stream)
{
	return (uint32_t)stream->lack << 10 | (uint32_t)stream->state << 8 | (uint32_t)stream->gate << 6 |
	       (uint32_t)stream->measure << 2 | (uint32_t)stream->is_dropped << 1 | stream->is_known;
}

/* Nothing differs from the last cut. */
static void changes_forget(struct weir_points *points)
{
	for (uint32_t i = 0; i < points->dirty_count; i++) {
		points->streams[points->dirty[i]].is_dirty = false;
	}
	points->dirty_count = 0;
}

static void stream_save(const struct weir_points *points, uint32_t number, struct weir_buf *buf)
{
	const struct weir_point_stream *stream = &points->streams[number];

	weir_blob_add_varint(buf, number);
	weir_blob_add_varint(buf, stream->is_live);
	if (!stream->is_live) {
		return;
	}
	weir_blob_add_u64(buf, stream->low);
	weir_blob_add_u64(buf, stream->high);
	weir_blob_add_varint(buf, stream->series == WEIR_NONE ? 0 : stream->series);
	weir_blob_add_varint(buf, stream->owner);
	weir_blob_add_varint(buf, flags_of(stream));
	weir_blob_add_varint(buf, stream->start_ns);
	weir_blob_add_varint(buf, stream->time_ns);
	weir_blob_add_varint(buf, stream->after_ns);
	weir_blob_add_varint(buf, stream->used_ns);
	weir_blob_add_varint(buf, stream->raw_count);
	weir_blob_add_words(buf, stream->raw, stream->raw_count);
}

void weir_points_save(struct weir_points *points, bool all, struct weir_buf *buf)
{
	weir_families_save(&points->families, all, buf);
	weir_blob_add_varint(buf, points->late);
	weir_blob_add_varint(buf, points->forgotten_ns);
	weir_blob_add_varint(buf, points->midway);
	weir_blob_add_varint(buf, all ? points->live : points->dirty_count);
	for (uint32_t i = 0; all && i < points->count; i++) {
		if (points->streams[i].is_live) {
			stream_save(points, i, buf);
		}
	}
	for (uint32_t i = 0; !all && i < points->dirty_count; i++) {
		stream_save(points, points->dirty[i], buf);
	}
	changes_forget(points);
}

/* A cumulative exponential histogram remembers one: it must be sound. */
static bool is_raw(const struct weir_point_stream *stream)
{
	struct weir_expo expo;

	if (stream->raw_count != WEIR_EXPO_WORDS) {
		return true; /* nothing else has that many words (point_cell.c, seen.c) */
	}
	memcpy(&expo, stream->raw, sizeof(expo));
	return weir_expo_is_sound(&expo);
}

/* What is said of a stream behind its key. */
static int stream_fill(
	struct weir_points *points, struct weir_point_stream *stream, struct weir_blob_reader *reader, bool is_expiring)
{
	uint32_t flags;

	stream->series = weir_blob_number(reader, WEIR_TEXT_NUMBER_MAX);
	stream->series = stream->series == 0 ? WEIR_NONE : stream->series;
	stream->owner = weir_blob_number(reader, points->owners->row_capacity);
	flags = weir_blob_number(reader, is_expiring ? (1u << 12) - 1 : UINT8_MAX);
	stream->lack = flags >> 10 & 3;
	stream->state = flags >> 8 & 3;
	stream->gate = flags >> 6 & 3;
	stream->measure = flags >> 2 & 15;
	stream->is_dropped = flags >> 1 & 1;
	stream->is_known = flags & 1;
	stream->start_ns = weir_blob_varint(reader);
	stream->time_ns = weir_blob_varint(reader);
	stream->after_ns = is_expiring ? weir_blob_varint(reader) : 0;
	stream->used_ns = is_expiring ? weir_blob_varint(reader) : 0;
	stream->raw_count = weir_blob_number(reader, WEIR_EXPO_WORDS);
	if (!is_expiring && stream->series == WEIR_NONE) {
		stream->lack = WEIR_LACK_ROOM;
	}
	if (reader->is_bad || stream->measure > WEIR_MEASURES || stream->state > WEIR_STREAM_ASLEEP ||
		(stream->series != WEIR_NONE && !weir_families_is_live(&points->families, stream->series)) ||
		(stream->owner > 0 && stream->owner >= points->owners->row_capacity)) {
		stream->raw_count = 0;
		return -EBADMSG;
	}
	if (stream->raw_count > 0) {
		stream->raw = calloc(stream->raw_count, sizeof(*stream->raw));
		if (stream->raw == NULL) {
			stream->raw_count = 0;
			return -ENOMEM;
		}
		weir_blob_words(reader, stream->raw, stream->raw_count);
		points->families.raw_total += stream->raw_count;
	}
	return is_raw(stream) ? 0 : -EBADMSG;
}

static int stream_load(struct weir_points *points, struct weir_blob_reader *reader, bool is_expiring)
{
	uint32_t number = weir_blob_number(reader, UINT32_MAX - 1);
	bool is_there = !is_expiring || weir_blob_number(reader, 1) == 1;
	struct weir_point_key key;

	if (!reader->is_bad && number < points->count && points->streams[number].is_live) {
		points->streams[number].series = WEIR_NONE; /* who feeds what is counted when all are there */
		points->streams[number].state = WEIR_STREAM_AWAKE;
		weir_point_stream_drop(points, number);
	}
	if (!is_there) {
		return 0;
	}
	key.low = weir_blob_u64(reader);
	key.high = weir_blob_u64(reader);
	if (reader->is_bad || !weir_point_stream_place(points, number, key)) {
		return -EBADMSG;
	}
	return stream_fill(points, &points->streams[number], reader, is_expiring);
}

/* What follows from the streams: who sleeps, and how many feed each series. A
 * stream whose series is gone was changed with it. */
static int streams_count(struct weir_points *points)
{
	struct weir_families *families = &points->families;

	for (uint32_t i = 0; i < families->series_capacity; i++) {
		families->series[i].streams = 0;
	}
	points->asleep = 0;
	for (uint32_t i = 0; i < points->count; i++) {
		const struct weir_point_stream *stream = &points->streams[i];

		if (!stream->is_live) {
			continue;
		}
		points->asleep += stream->state == WEIR_STREAM_ASLEEP ? 1 : 0;
		if (stream->series == WEIR_NONE) {
			continue;
		}
		if (!weir_families_is_live(families, stream->series) || stream->state == WEIR_STREAM_ASLEEP) {
			return -EBADMSG;
		}
		families->series[stream->series].streams++;
	}
	free(points->queue);
	points->queue = NULL;
	points->queue_count = points->queue_at = 0;
	return 0;
}

int weir_points_load(struct weir_points *points, struct weir_blob_reader *reader)
{
	bool is_expiring = reader->version == 0 || reader->version >= VERSION_EXPIRING;
	int error = weir_families_load(&points->families, reader);
	uint32_t count;

	if (error != 0) {
		return error;
	}
	points->late = weir_blob_varint(reader);
	points->forgotten_ns = is_expiring ? weir_blob_varint(reader) : 0;
	points->midway = is_expiring ? weir_blob_varint(reader) : 0;
	count = weir_blob_number(reader, UINT32_MAX - 1);
	for (uint32_t i = 0; i < count && error == 0; i++) {
		error = reader->is_bad ? -EBADMSG : stream_load(points, reader, is_expiring);
	}
	error = error != 0 ? error : streams_count(points);
	changes_forget(points);
	return error != 0 ? error : reader->is_bad ? -EBADMSG : 0;
}

/* Keys are left out: they depend on the seed. Streams are told by their numbers. */
void weir_points_digest(const struct weir_points *points, XXH3_state_t *state)
{
	const uint64_t own[3] = { points->late, points->forgotten_ns, points->midway };

	weir_families_digest(&points->families, state);
	XXH3_128bits_update(state, own, sizeof(own));
	for (uint32_t i = 0; i < points->count; i++) {
		const struct weir_point_stream *stream = &points->streams[i];
		const uint64_t head[7] = { stream->start_ns, stream->time_ns, stream->after_ns, stream->used_ns,
			(uint64_t)stream->series << 32 | stream->owner, (uint64_t)flags_of(stream) << 32 | i,
			stream->raw_count };

		if (!stream->is_live) {
			continue;
		}
		XXH3_128bits_update(state, head, sizeof(head));
		if (stream->raw_count > 0) {
			XXH3_128bits_update(state, stream->raw, stream->raw_count * sizeof(uint64_t));
		}
	}
}
