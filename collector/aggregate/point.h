/* point: metric points become the values of their series. Private to the room. */
#ifndef WEIR_AGGREGATE_POINT_H
#define WEIR_AGGREGATE_POINT_H

#include "aggregate/family.h"
#include "aggregate/owner.h"

struct weir_point_stream {          /* one sender's points of one series */
	uint64_t low, high;         /* key */
	uint64_t start_ns, time_ns; /* of its last point; delta: 0, and the newest time that is forgotten */
	uint64_t *raw;              /* cumulative: what it said last, shaped as the cells; delta: seen.c */
	uint32_t raw_count, series /* WEIR_NONE: counted in none */;
	uint32_t next;   /* in its bucket, + 1 */
	uint32_t owner;  /* row of its proxy, when gate or measure is set */
	uint8_t gate;    /* istio_*: reporter + 1 */
	uint8_t measure; /* enum weir_measure + 1 */
	uint8_t is_dropped /* the measure is what the proxy dropped */, is_dirty, is_known, padding[3];
};

struct weir_points {
	struct weir_families families;
	struct weir_owners *owners;
	struct weir_point_stream *streams;
	uint32_t count, capacity, max_streams;
	uint32_t *buckets, bucket_count;
	uint32_t *dirty, dirty_count;
	uint64_t seed, late; /* points that came again, or too late for their series */
	/* caches of the batch at hand */
	struct weir_point_prefix { /* of an instrument: all of a key but the attributes */
		uint64_t low, high;
		bool is_known;
	} * prefixes;
	uint32_t prefix_capacity;
	struct weir_buf text, name;
};

void weir_points_init(struct weir_points *points, struct weir_owners *owners, uint32_t max_series, uint64_t seed);
void weir_points_fini(struct weir_points *points);
void weir_points_clear(struct weir_points *points);

/* All points of the batch. `created_ns`: of series that are new. */
void weir_points_fold(struct weir_points *points, const struct weir_batch *batch, uint64_t created_ns, uint64_t now_ns);

void weir_points_save(struct weir_points *points, bool all, struct weir_buf *buf);
int weir_points_load(struct weir_points *points, struct weir_blob_reader *reader);
void weir_points_digest(const struct weir_points *points, XXH3_state_t *state);

/* ---- shared by point.c, point_cell.c and point_stream.c ---- */

struct weir_point_key { /* of a stream */
	uint64_t low, high;
};

/* Hashes a text into a row of others: what came before is the seed. */
void weir_point_key_chain(struct weir_point_key *key, const void *data, size_t length);
/* Their numbers, or WEIR_NONE: not there; no room. */
uint32_t weir_point_stream_find(const struct weir_points *points, struct weir_point_key key);
uint32_t weir_point_stream_make(struct weir_points *points, struct weir_point_key key);
void weir_point_stream_touch(struct weir_points *points, uint32_t number);

struct weir_point_at { /* a point on its way into its series */
	const struct weir_batch *batch;
	const struct weir_instrument *instrument;
	const struct weir_point *point;
	struct weir_point_stream *stream;
	uint64_t created_ns, now_ns;
	bool is_first;   /* of its stream */
	bool is_counted; /* false: another signal of this proxy owns what it says */
};

/* The life of the stream `first` of this key that the point is of: one that began when the point says; a new one; of
 * too many, that which was silent the longest, which has said nothing yet then. */
uint32_t weir_point_stream_life(
	struct weir_points *points, const struct weir_point_at *at, struct weir_point_key key, uint32_t first);

/* The shape that the point's cells have; false: it is malformed or too large.
 * `wish` gets cell, bounds and word_count. */
bool weir_point_cell_shape(
	struct weir_families *families, const struct weir_point_at *at, struct weir_family_wish *ret_wish);
/* Moves the cells and the stream. False: nothing moved, since it came again or too late.
 * ret_more: how far a counter moved (whole numbers). */
bool weir_point_cell_apply(struct weir_families *families, const struct weir_point_at *at, uint64_t *ret_more);

#endif
