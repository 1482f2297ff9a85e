/* point: metric points become the values of their series. Private to the room. */
#ifndef WEIR_AGGREGATE_POINT_H
#define WEIR_AGGREGATE_POINT_H

#include "aggregate/points/family.h"
#include "aggregate/owner.h"

enum weir_point_stream_state {
	WEIR_STREAM_AWAKE,   /* it feeds its series, or none for want of one */
	WEIR_STREAM_WAITING, /* the same; its series is looked for when its next point comes */
	WEIR_STREAM_ASLEEP,  /* silent for too long; what it said last is kept, its series is not */
};

enum weir_point_lack {     /* why a stream has no series */
	WEIR_LACK_NOTHING, /* it has one, or it was not looked for yet */
	WEIR_LACK_ROOM,
	WEIR_LACK_NAME,  /* it is weir's own, or of another type */
	WEIR_LACK_SHAPE, /* its cells are not to be had: malformed, too large, or of another kind */
};

struct weir_point_stream {          /* one sender's points of one series */
	uint64_t low, high;         /* key */
	uint64_t start_ns, time_ns; /* of its last point; delta: 0, and the newest time that is forgotten */
	uint64_t after_ns;          /* the latest start of lives that had its place before and are forgotten */
	uint64_t used_ns;           /* watermark of its last point; 0: not known (images before version 4) */
	uint64_t *raw;              /* cumulative: what it said last, shaped as the cells; delta: seen.c */
	uint32_t raw_count, series /* WEIR_NONE: counted in none */;
	uint32_t next;   /* in its bucket, + 1 */
	uint32_t owner;  /* row of its proxy, when gate or measure is set */
	uint8_t gate;    /* istio_*: reporter + 1 */
	uint8_t measure; /* enum weir_measure + 1 */
	uint8_t is_dropped /* the measure is what the proxy dropped */, is_dirty, is_known;
	uint8_t state, lack; /* enum weir_point_stream_state, weir_point_lack */
	uint8_t is_live;     /* false: the number is free */
};

struct weir_point_sleeper { /* a stream that was asleep when the queue was made */
	uint64_t used_ns;
	uint32_t number;
};

struct weir_points {
	struct weir_families families;
	struct weir_owners *owners;
	struct weir_point_stream *streams;
	uint32_t count, capacity, max_streams; /* numbers below `count` were given once; some may be free again */
	uint32_t live, asleep;                 /* streams; those of them that sleep */
	uint64_t *free_numbers;                /* a bit each: below `count`, and free */
	uint32_t first_free;                   /* no word of free_numbers below this one has a bit */
	uint32_t *buckets, bucket_count;
	uint32_t *dirty, dirty_count;
	uint64_t seed, late;   /* late: points that came again, or too late for their series */
	uint64_t forgotten_ns; /* the latest used_ns of a stream that is forgotten; 0: none is */
	uint64_t midway;       /* streams whose first value is no growth, since it may have been counted (point.c) */
	/* caches: who sleeps the longest */
	struct weir_point_sleeper *queue;
	uint32_t queue_count, queue_at;
	/* … and of the batch at hand */
	struct weir_point_prefix { /* of an instrument: all of a key but the attributes */
		uint64_t low, high;
		bool is_known;
	} * prefixes;
	uint32_t prefix_capacity;
	struct weir_buf text, name;
};

/* `owners` is borrowed. */
void weir_points_init(struct weir_points *points, struct weir_owners *owners, uint32_t max_series, uint64_t seed);
void weir_points_fini(struct weir_points *points);
void weir_points_clear(struct weir_points *points);
/* Where texts go that are removed while snapshots may read them; NULL: nobody does. */
void weir_points_retire(struct weir_points *points, struct weir_retire *retire);

/* All points of the batch. `created_ns`: of series that are new. */
void weir_points_fold(struct weir_points *points, const struct weir_batch *batch, uint64_t created_ns, uint64_t now_ns);

/* What had no point for expiry_ns goes: streams, then the series that no stream
 * feeds any more. 0: nothing ever does. Depends on the tables and the watermark
 * only, and is called when the watermark says. */
void weir_points_expire(struct weir_points *points, uint64_t watermark_ns, uint64_t expiry_ns);

void weir_points_save(struct weir_points *points, bool all, struct weir_buf *buf);
int weir_points_load(struct weir_points *points, struct weir_blob_reader *reader);
void weir_points_digest(const struct weir_points *points, XXH3_state_t *state);

/* ---- shared by point.c, point_cell.c and point_stream.c ---- */

struct weir_point_key { /* of a stream */
	uint64_t low, high;
};

/* Hashes a text into a row of others: what came before is the seed. */
void weir_point_key_chain(struct weir_point_key *key, const void *data, size_t length);
/* Their numbers, or WEIR_NONE: not there; no room, though whoever sleeps the longest was forgotten. */
uint32_t weir_point_stream_find(const struct weir_points *points, struct weir_point_key key);
uint32_t weir_point_stream_make(struct weir_points *points, struct weir_point_key key);
/* A stream of this number, which is free: as a blob says. False: no such number. */
bool weir_point_stream_place(struct weir_points *points, uint32_t number, struct weir_point_key key);
void weir_point_stream_drop(struct weir_points *points, uint32_t number);
void weir_point_stream_touch(struct weir_points *points, uint32_t number);
/* It feeds this series from now on, or WEIR_NONE. */
void weir_point_stream_feed(struct weir_points *points, uint32_t number, uint32_t series);
/* Its series is not its own any more; what it said stays until there is no room. */
void weir_point_stream_sleep(struct weir_points *points, uint32_t number);
/* Those who sleep the longest are forgotten until the others' memories have room to grow. */
void weir_point_stream_relieve(struct weir_points *points);

struct weir_point_at { /* a point on its way into its series */
	const struct weir_batch *batch;
	const struct weir_instrument *instrument;
	const struct weir_point *point;
	struct weir_point_stream *stream;
	uint64_t created_ns, now_ns;
	bool is_first;   /* of its stream */
	bool is_midway;  /* the first we know of, but what it says may have been counted: it is no growth */
	bool is_counted; /* false: another signal of this proxy owns what it says */
};

/* Does it say how much there was since it began? */
static inline bool weir_point_grows(const struct weir_instrument *instrument)
{
	return instrument->temporality == WEIR_TEMPORALITY_CUMULATIVE &&
	       (instrument->kind == WEIR_INSTRUMENT_HISTOGRAM || instrument->kind == WEIR_INSTRUMENT_EXPONENTIAL ||
		       (instrument->kind == WEIR_INSTRUMENT_SUM && instrument->is_monotonic));
}

/* The life of the stream `first` of this key that the point is of: one that began when the point says; a new one; of
 * too many, that which was silent the longest, which has said nothing yet then. It feeds what `first` feeds. */
uint32_t weir_point_stream_life(
	struct weir_points *points, struct weir_point_at *at, struct weir_point_key key, uint32_t first);

/* The shape that the point's cells have; false: it is malformed or too large.
 * `wish` gets cell, bounds and word_count. */
bool weir_point_cell_shape(
	struct weir_families *families, const struct weir_point_at *at, struct weir_family_wish *ret_wish);
/* Moves the cells and the stream. False: nothing moved, since it came again or too late.
 * ret_more: how far a counter moved (whole numbers). */
bool weir_point_cell_apply(struct weir_families *families, const struct weir_point_at *at, uint64_t *ret_more);

#endif
