/* grpc_guard: bounds for what libgrpc (1.51) leaves unbounded.
 *
 *   what a client does             without this                     bound here
 *   resets streams as fast as it   13 KB each pile up until they    resets: twice limits.streams at once,
 *     opens them                     are worked off: 2.5 GB in 8 s    limits.streams a second; all
 *                                                                     connections together: RESETS_OF_ALL
 *   a header block without end     the block is kept and read anew  headers: four times limits.header,
 *                                    with each frame: memory and      64 KiB at least, and so many frames
 *                                    (quadratic) time                 as such a block may need
 *   pings, settings, priorities    an answer each is queued         control: CONTROL at once and a second
 *   messages in crumbs             a slice of memory each           fragments: FRAGMENTS at once
 *
 * Only the heads of frames are looked at: 9 bytes each. A connection that does
 * not begin with HTTP/2's preface is let through: libgrpc ends it by itself
 * (and a port that speaks TLS comes here twice, once as records, which are none,
 * and once in clear).
 *
 *   PREFACE ─24 bytes, as they should be→ FRAMES ─too much→ REFUSED
 *      └─ anything else→ OPAQUE
 *
 * A bucket: `spent` goes up with each use and down with time; when it is above
 * its burst, the connection is refused.
 *
 * Threads: a connection's bytes come from one thread at a time. What all
 * connections share is under a lock, taken for resets only. */
#include "serve/grpc_guard.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/stat.h"

#define PREFACE_BYTES 24u
#define HEAD_BYTES 9u
#define BLOCK_BYTES_LEAST 65536u
#define FRAME_OF_BLOCK_BYTES 4096u /* a block's frames are at least that long, but for FRAMES_SPARE */
#define FRAMES_SPARE 16u
#define RESETS_OF_ALL 4000u
#define RESETS_OF_ONE 16u /* when all together reset too often, who did so this often is refused */
#define CONTROL 1000u
#define FRAGMENTS 20000u
#define FRAGMENTS_A_SECOND 2000u
#define FRAGMENT_BYTES 32u

enum phase { PREFACE, FRAMES, OPAQUE, REFUSED };
enum frame { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };
enum flag { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static atomic_uint block_bytes = BLOCK_BYTES_LEAST, streams = 100;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct weir_grpc_guard_bucket resets_of_all;

void weir_grpc_guard_settle(uint32_t max_metadata_bytes, uint32_t max_streams)
{
	uint32_t bytes = max_metadata_bytes < UINT32_MAX / 4 ? 4 * max_metadata_bytes : UINT32_MAX;

	atomic_store(&block_bytes, bytes > BLOCK_BYTES_LEAST ? bytes : BLOCK_BYTES_LEAST);
	atomic_store(&streams, max_streams);
}

/* One more; true: it is within the burst. */
static bool spend(struct weir_grpc_guard_bucket *bucket, uint32_t burst, uint32_t a_second, uint64_t now_ns)
{
	uint64_t passed_ns = now_ns - bucket->since_ns;
	/* beyond a minute all is forgiven: no overflow below */
	uint64_t back = passed_ns < UINT64_C(60000000000) ? passed_ns / 1000 * a_second / 1000000 : bucket->spent;

	if (back > 0 || bucket->spent == 0) {
		bucket->spent -= back < bucket->spent ? (uint32_t)back : bucket->spent;
		bucket->since_ns = now_ns;
	}
	bucket->spent++;
	return bucket->spent <= burst;
}

static bool refuse(struct weir_grpc_guard *guard, enum weir_stat why)
{
	guard->phase = REFUSED;
	weir_stat_add(why, 1);
	return false;
}

static bool is_reset_allowed(struct weir_grpc_guard *guard, uint64_t now_ns)
{
	uint32_t many = atomic_load_explicit(&streams, memory_order_relaxed);
	bool is_calm;

	if (!spend(&guard->resets, 2 * many, many, now_ns)) {
		return false;
	}
	pthread_mutex_lock(&lock);
	is_calm = spend(&resets_of_all, RESETS_OF_ALL, RESETS_OF_ALL, now_ns);
	resets_of_all.spent -= !is_calm; /* who is refused takes nothing from the others */
	pthread_mutex_unlock(&lock);
	return is_calm || guard->resets.spent <= RESETS_OF_ONE;
}

static bool is_block_allowed(struct weir_grpc_guard *guard, uint32_t length, uint8_t flags)
{
	uint32_t most = atomic_load_explicit(&block_bytes, memory_order_relaxed);

	if (length > most - guard->block_bytes || guard->block_frames >= most / FRAME_OF_BLOCK_BYTES + FRAMES_SPARE) {
		return false;
	}
	guard->block_bytes += length;
	guard->block_frames++;
	if ((flags & END_HEADERS) != 0) {
		guard->block_bytes = guard->block_frames = 0;
	}
	return true;
}

/* A frame's head is whole. */
static bool frame_begins(struct weir_grpc_guard *guard, uint64_t now_ns)
{
	uint32_t length = (uint32_t)guard->head[0] << 16 | (uint32_t)guard->head[1] << 8 | guard->head[2];
	uint8_t kind = guard->head[3], flags = guard->head[4];

	guard->left = length;
	if ((kind == HEADERS || kind == CONTINUATION) && !is_block_allowed(guard, length, flags)) {
		return refuse(guard, WEIR_STAT_HTTP2_REFUSED_HEADERS);
	}
	if (kind == RST_STREAM && !is_reset_allowed(guard, now_ns)) {
		return refuse(guard, WEIR_STAT_HTTP2_REFUSED_RESETS);
	}
	if (((kind == PING || kind == SETTINGS) && (flags & ACK) == 0) || kind == PRIORITY || kind > CONTINUATION) {
		return spend(&guard->control, CONTROL, CONTROL, now_ns) ||
		       refuse(guard, WEIR_STAT_HTTP2_REFUSED_CONTROL);
	}
	if (kind == DATA && length < FRAGMENT_BYTES && (flags & END_STREAM) == 0) {
		return spend(&guard->fragments, FRAGMENTS, FRAGMENTS_A_SECOND, now_ns) ||
		       refuse(guard, WEIR_STAT_HTTP2_REFUSED_FRAGMENTS);
	}
	return true;
}

/* How many of the bytes belong to the preface. */
static size_t preface_look(struct weir_grpc_guard *guard, const uint8_t *at, size_t length)
{
	static const char preface[PREFACE_BYTES + 1] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	size_t more = PREFACE_BYTES - guard->held < length ? PREFACE_BYTES - guard->held : length;

	if (memcmp(at, preface + guard->held, more) != 0) {
		guard->phase = OPAQUE;
		return length;
	}
	guard->held = (uint8_t)(guard->held + more);
	if (guard->held == PREFACE_BYTES) {
		guard->phase = FRAMES;
		guard->held = 0;
	}
	return more;
}

bool weir_grpc_guard_look(struct weir_grpc_guard *guard, const void *bytes, size_t length, uint64_t now_ns)
{
	const uint8_t *at = bytes, *end = at + length;

	while (at < end && guard->phase != OPAQUE && guard->phase != REFUSED) {
		size_t more;

		if (guard->phase == PREFACE) {
			at += preface_look(guard, at, (size_t)(end - at));
		} else if (guard->left > 0) {
			more = (size_t)(end - at) < guard->left ? (size_t)(end - at) : guard->left;
			guard->left -= (uint32_t)more;
			at += more;
		} else {
			more = (size_t)(end - at) < HEAD_BYTES - guard->held ? (size_t)(end - at)
									     : HEAD_BYTES - guard->held;
			memcpy(guard->head + guard->held, at, more);
			guard->held = (uint8_t)(guard->held + more);
			at += more;
			if (guard->held == HEAD_BYTES) {
				guard->held = 0;
				if (!frame_begins(guard, now_ns)) {
					return false;
				}
			}
		}
	}
	return guard->phase != REFUSED;
}
