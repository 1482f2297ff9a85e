/* ring: puts, reads and releases records in the shared mapping.
 *
 *        released            read, not yet stored        committed     reserved
 *   ... ------------ tail ---------------------- read ------------- | hole | ... head
 *                      \____________ head - tail <= capacity ________________/
 *
 * Many producers reserve by moving the head, copy their batch, and commit it by
 * storing its commit word (format.h). One reader follows the commit words; it
 * needs no head to know what is there. One writer moves the tail once the
 * database has committed. All of it lies in a mapping that outlives a kill:
 * whoever got 0 from put finds the batch again (recover.c), whatever happened
 * after. Refusing when full, rather than overwriting or waiting, is right
 * because a collector can tell its sender to come again.
 *
 * Invariants
 *  1. head - tail <= capacity; a put that would break it is refused.
 *  2. A commit word is stored last (release) and read first (acquire): who sees
 *     it sees the whole record.
 *  3. A commit word is unique to its position: nothing left by an earlier lap,
 *     and no payload, passes for it. The head never moves back.
 *  4. Put returns 0 only after the commit word is stored.
 *  5. The order of one producer's puts is the order in which they are read.
 *  6. The tail moves only by release, that is after the database's commit, and
 *     by recovery up to the stored position and over padding behind it; so
 *     what lies between stored position and head is never overwritten.
 *  7. The seal is a bit of the head: no reservation can slip in behind it, and
 *     "sealed and all read" is one comparison.
 *  8. While the process lives, the reader waits at a record that is reserved
 *     and not committed; only recovery may declare it a hole.
 *  9. A reader that sleeps is woken: it raises `sleeps`, then looks at the
 *     commit word; a producer stores the word, then looks at `sleeps`; both
 *     sequentially consistent, so at least one of them sees the other. An awake
 *     reader costs a producer one load of a line that nobody writes.
 * 10. A reader that has read all of it lingers before it sleeps: for LINGER_NS
 *     no put wakes it, unless the ring fills. So many small batches cost one
 *     wake together instead of one each, which is more than folding them; who
 *     cannot wait calls weir_ring_wake().
 *
 * head and tail are on lines of their own in the file; what only this process
 * needs (read, sleeps) is on lines of its own in struct weir_ring. */
#include "ring/ring.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/err.h"
#include "ring/crc.h"
#include "ring/map.h"
#include "ring/recover.h"

#define LINGER_NS 4000000u
#define LINGER_SHARE 16u /* a put that finds more than capacity / this unread ends a linger */

enum { /* values of `sleeps`: is the reader, or is it about to be, in the kernel? */
	AWAKE,
	ASLEEP,
	LINGERING,
};

struct weir_ring {
	struct weir_map map;
	bool is_ready; /* new, or recovered */
	bool has_news; /* the reader's: something was read since it last lingered */
	alignas(128) _Atomic uint32_t sleeps;
	_Atomic bool is_woken;
	alignas(128) _Atomic uint64_t read; /* written by the reader only */
};

int weir_ring_open(const struct weir_ring_opts *opts, struct weir_ring **ret_ring, struct weir_ring_found *ret_found)
{
	struct weir_ring *ring = aligned_alloc(alignof(struct weir_ring), sizeof(*ring));
	int r;

	if (ring == NULL) {
		return -ENOMEM;
	}
	memset(ring, 0, sizeof(*ring));
	r = weir_map_open(opts, &ring->map, ret_found);
	if (r != 0) {
		free(ring);
		return r;
	}
	ring->is_ready = ret_found->is_new;
	*ret_ring = ring;
	return 0;
}

void weir_ring_close(struct weir_ring *ring)
{
	if (ring != NULL) {
		weir_map_close(&ring->map);
		free(ring);
	}
}

uint64_t weir_ring_id(const struct weir_ring *ring)
{
	return ring->map.ring_id;
}

uint64_t weir_ring_capacity(const struct weir_ring *ring)
{
	return ring->map.capacity;
}

uint64_t weir_ring_head(const struct weir_ring *ring)
{
	return weir_map_head(&ring->map);
}

uint64_t weir_ring_tail(const struct weir_ring *ring)
{
	return atomic_load_explicit(&ring->map.header->tail, memory_order_acquire);
}

const char *weir_ring_path(const struct weir_ring *ring)
{
	return ring->map.path;
}

int weir_ring_recover(struct weir_ring *ring, uint64_t ring_id, uint64_t position, struct weir_ring_recovery *ret)
{
	weir_recover_walk(&ring->map, ring_id, position, ret);
	atomic_store(&ring->read, ret->position);
	ring->is_ready = true;
	return 0;
}

/* 0, FULL or SEALED; *ret_begin is where `size` bytes are now ours. */
static int reserve(struct weir_ring *ring, uint64_t size, uint64_t *ret_begin)
{
	struct weir_format_header *header = ring->map.header;
	/* The tail first: it is then never ahead of the head that is compared with it. */
	uint64_t tail = atomic_load_explicit(&header->tail, memory_order_acquire);
	uint64_t head = atomic_load_explicit(&header->head, memory_order_acquire);

	do {
		if ((head & WEIR_FORMAT_SEALED) != 0) {
			return WEIR_RING_SEALED;
		}
		if (head + size - tail > ring->map.capacity) {
			return WEIR_RING_FULL;
		}
	} while (!atomic_compare_exchange_weak_explicit(
		&header->head, &head, head + size, memory_order_acq_rel, memory_order_acquire));
	*ret_begin = head;
	return 0;
}

static void wake_reader(struct weir_ring *ring)
{
	if (atomic_exchange(&ring->sleeps, AWAKE) != AWAKE) {
		syscall(SYS_futex, &ring->sleeps, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
}

/* A record that ends at `end` was committed. */
static void wake_if_needed(struct weir_ring *ring, uint64_t end)
{
	uint32_t sleeps = atomic_load(&ring->sleeps);

	if (sleeps == ASLEEP || (sleeps == LINGERING && end - atomic_load_explicit(&ring->read, memory_order_relaxed) >
								ring->map.capacity / LINGER_SHARE)) {
		wake_reader(ring);
	}
}

int weir_ring_put_parts(
	struct weir_ring *ring, const struct weir_str *parts, size_t count, uint32_t size_bytes, uint64_t *ret_end)
{
	uint64_t size = weir_format_record_bytes(size_bytes), begin, sum = 0;
	struct weir_format_record *record;
	uint32_t crc = ~0u;
	char *at;
	int r;

	weir_assert(ring->is_ready);
	weir_assert(size_bytes >= sizeof(struct weir_batch) && size_bytes % 8 == 0);
	if (size > ring->map.capacity / WEIR_FORMAT_SHARE) {
		return WEIR_RING_TOO_LARGE;
	}
	/* Before the reservation, so that the reader waits for a copy at most. */
	for (size_t i = 0; i < count; i++) {
		crc = weir_crc_add(crc, parts[i].data, parts[i].length);
		sum += parts[i].length;
	}
	weir_assert(sum == size_bytes); /* more would write over the next record */
	r = reserve(ring, size, &begin);
	if (r != 0) {
		return r;
	}
	weir_crash_point("after_reserve");
	record = weir_map_record(&ring->map, begin);
	at = (char *)(record + 1);
	for (size_t i = 0; i < count; i++) {
		memcpy(at, parts[i].data, parts[i].length);
		at += parts[i].length;
	}
	record->size_and_kind = (uint32_t)size + WEIR_FORMAT_BATCH;
	record->crc = weir_map_seal_crc(crc, record->size_and_kind, begin);
	atomic_store(&record->word, weir_format_word(ring->map.salt, begin));
	weir_crash_point("after_commit_word");
	wake_if_needed(ring, begin + size);
	if (ret_end != NULL) {
		*ret_end = begin + size;
	}
	return 0;
}

int weir_ring_put(struct weir_ring *ring, const struct weir_batch *batch, uint64_t *ret_end)
{
	struct weir_str whole = { (const char *)batch, batch->size_bytes };

	return weir_ring_put_parts(ring, &whole, 1, batch->size_bytes, ret_end);
}

/* Sleeps until something may have changed at `position`, at most until `deadline_ns`; lingers first. */
static void sleep_at(struct weir_ring *ring, uint64_t position, uint64_t deadline_ns)
{
	uint32_t how = ring->has_news ? LINGERING : ASLEEP;
	struct timespec left = { 0 };
	uint64_t now = weir_clock_monotonic_ns();

	if (ring->has_news && deadline_ns > now + LINGER_NS) {
		deadline_ns = now + LINGER_NS;
	}
	ring->has_news = false;
	weir_crash_point("before_sleep"); /* where a wake could get lost */
	atomic_store(&ring->sleeps, how);
	if (atomic_load(&weir_map_record(&ring->map, position)->word) == weir_format_word(ring->map.salt, position) ||
		atomic_load(&ring->is_woken) ||
		atomic_load(&ring->map.header->head) == (position | WEIR_FORMAT_SEALED)) {
		atomic_store(&ring->sleeps, AWAKE);
		return;
	}
	if (deadline_ns == UINT64_MAX) {
		syscall(SYS_futex, &ring->sleeps, FUTEX_WAIT_PRIVATE, how, NULL, NULL, 0);
	} else if (now < deadline_ns) {
		left.tv_sec = (time_t)((deadline_ns - now) / 1000000000u);
		left.tv_nsec = (long)((deadline_ns - now) % 1000000000u);
		syscall(SYS_futex, &ring->sleeps, FUTEX_WAIT_PRIVATE, how, &left, NULL, 0);
	}
	atomic_store(&ring->sleeps, AWAKE);
}

static uint64_t deadline_of(int64_t wait_ms)
{
	return wait_ms < 0 ? UINT64_MAX : weir_clock_monotonic_ns() + (uint64_t)wait_ms * 1000000u;
}

static uint64_t end_of(const struct weir_ring *ring, uint64_t position)
{
	return position +
	       weir_map_record(&ring->map, position)->size_and_kind / WEIR_FORMAT_ALIGNMENT * WEIR_FORMAT_ALIGNMENT;
}

static bool is_padding(const struct weir_ring *ring, uint64_t position)
{
	return weir_map_record(&ring->map, position)->size_and_kind % WEIR_FORMAT_ALIGNMENT == WEIR_FORMAT_PADDING;
}

/* Behind the paddings that begin at `position`, if any do. */
static uint64_t behind_padding(const struct weir_ring *ring, uint64_t position)
{
	while (weir_map_is_committed(&ring->map, position) && is_padding(ring, position)) {
		position = end_of(ring, position);
	}
	return position;
}

/* Waits for a commit word at `position`. 0, EMPTY or SEALED. */
static int await(struct weir_ring *ring, uint64_t position, int64_t wait_ms)
{
	uint64_t deadline_ns = 0;

	for (;;) {
		if (weir_map_is_committed(&ring->map, position)) {
			return 0;
		}
		if (atomic_load(&ring->map.header->head) == (position | WEIR_FORMAT_SEALED)) {
			return WEIR_RING_SEALED;
		}
		if (wait_ms == 0 || atomic_exchange(&ring->is_woken, false)) {
			return WEIR_RING_EMPTY;
		}
		if (deadline_ns == 0) {
			deadline_ns = deadline_of(wait_ms);
		} else if (weir_clock_monotonic_ns() >= deadline_ns) {
			return WEIR_RING_EMPTY;
		}
		sleep_at(ring, position, deadline_ns);
	}
}

int weir_ring_next(struct weir_ring *ring, int64_t wait_ms, struct weir_ring_entry *ret_entry)
{
	uint64_t begin = atomic_load_explicit(&ring->read, memory_order_relaxed), end;
	int r;

	weir_assert(ring->is_ready);
	r = await(ring, begin, wait_ms);
	if (r != 0) {
		return r;
	}
	/* Padding is made by recovery only, which has the reader start behind what is in front of the first
	 * record: what follows one goes with it, or it would wait for a next one to be stored. */
	weir_assert(!is_padding(ring, begin));
	end = behind_padding(ring, end_of(ring, begin));
	*ret_entry = (struct weir_ring_entry){ weir_map_batch(weir_map_record(&ring->map, begin)), begin, end };
	ring->has_news = true;
	atomic_store_explicit(&ring->read, end, memory_order_release);
	return 0;
}

void weir_ring_wake(struct weir_ring *ring)
{
	atomic_store(&ring->is_woken, true);
	wake_reader(ring);
}

void weir_ring_release(struct weir_ring *ring, uint64_t position)
{
	weir_assert(position >= atomic_load_explicit(&ring->map.header->tail, memory_order_relaxed));
	weir_assert(position <= atomic_load_explicit(&ring->read, memory_order_acquire));
	weir_crash_point("before_release");
	atomic_store_explicit(&ring->map.header->tail, position, memory_order_release);
}

void weir_ring_seal(struct weir_ring *ring)
{
	atomic_fetch_or(&ring->map.header->head, WEIR_FORMAT_SEALED);
	wake_reader(ring);
}
