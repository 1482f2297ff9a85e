/* The ring while its process lives: refusing, order, waiting, sealing. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crash.h"
#include "ring/map.h"
#include "sample.h"

static _Alignas(8) unsigned char room[SAMPLE_BATCH_MAX];

static int open_ring(void **state)
{
	*state = (void *)(uintptr_t)sample_folder();
	return 0;
}

static int remove_ring(void **state)
{
	weir_crash_hook = NULL;
	sample_folder_remove(*state);
	return 0;
}

static void full_ring_refuses_and_takes_again_after_release(void **state)
{
	struct weir_ring *ring = sample_open_ready(*state);
	struct weir_ring_entry entry;
	uint32_t put = 0;
	int r;

	while ((r = sample_put(ring, put)) == 0) {
		put++;
	}
	assert_int_equal(r, WEIR_RING_FULL);
	assert_true(weir_ring_head(ring) - weir_ring_tail(ring) <= weir_ring_capacity(ring));
	/* Reading alone gives nothing back: what is not stored is not overwritten. */
	for (uint32_t i = 0; i < put; i++) {
		assert_int_equal(sample_next(ring, &entry), i);
	}
	assert_int_equal(sample_put(ring, put), WEIR_RING_FULL);
	weir_ring_release(ring, entry.end);
	assert_int_equal(weir_ring_tail(ring), entry.end);
	assert_int_equal(sample_put(ring, put), 0);
	assert_int_equal(sample_next(ring, &entry), put);
	weir_ring_close(ring);
}

static void exactly_full_ring_is_not_over_its_capacity(void **state)
{
	struct weir_ring *ring = sample_open_ready(*state);
	uint64_t left;

	/* 128 records of a 128th, their heads included. */
	for (uint32_t i = 0; i < 128; i++) {
		const struct weir_batch *batch = sample_batch(room, 0, i, (uint32_t)SAMPLE_RING_BYTES / 128 - 16);

		assert_int_equal(weir_ring_put(ring, batch, NULL), 0);
	}
	left = weir_ring_capacity(ring) - (weir_ring_head(ring) - weir_ring_tail(ring));
	assert_int_equal(left, 0);
	assert_int_equal(sample_put(ring, 128), WEIR_RING_FULL);
	for (uint32_t i = 0; i < 128; i++) {
		struct weir_ring_entry entry;

		assert_int_equal(sample_next(ring, &entry), i);
	}
	weir_ring_close(ring);
}

static void record_over_an_eighth_is_too_large(void **state)
{
	struct weir_ring *ring = sample_open_ready(*state);
	uint32_t eighth = (uint32_t)(weir_ring_capacity(ring) / 8);
	struct weir_batch *batch = calloc(1, eighth);
	struct weir_ring_entry entry;

	assert_non_null(batch);
	batch->version = WEIR_BATCH_VERSION;
	batch->size_bytes = eighth - 8;
	assert_int_equal(weir_ring_put(ring, batch, NULL), WEIR_RING_TOO_LARGE);
	assert_int_equal(weir_ring_head(ring), 0);
	batch->size_bytes = eighth - 16;
	assert_int_equal(weir_ring_put(ring, batch, NULL), 0);
	assert_int_equal(weir_ring_next(ring, 0, &entry), 0);
	assert_int_equal(entry.batch->size_bytes, eighth - 16);
	free(batch);
	weir_ring_close(ring);
}

static void positions_follow_each_other_over_many_laps(void **state)
{
	struct weir_ring *ring = sample_open_ready(*state);
	uint64_t expected = 0;

	for (uint32_t number = 0; expected < 7 * SAMPLE_RING_BYTES; number++) {
		const struct weir_batch *batch = sample_batch(room, 0, number, sample_size(0, number));
		struct weir_ring_entry entry;
		uint64_t end;

		assert_int_equal(weir_ring_put(ring, batch, &end), 0);
		assert_int_equal(sample_next(ring, &entry), number);
		assert_int_equal(entry.begin, expected);
		assert_int_equal(entry.end, end);
		assert_int_equal(weir_ring_head(ring), end);
		assert_int_equal((uintptr_t)entry.batch % 16, 0);
		weir_ring_release(ring, end);
		expected = end;
	}
	weir_ring_close(ring);
}

static void data_is_mapped_twice_side_by_side(void **state)
{
	struct weir_ring_opts opts = { *state, SAMPLE_RING_BYTES, sample_database_id, NULL };
	struct weir_ring_found found;
	struct weir_map map;

	assert_int_equal(weir_map_open(&opts, &map, &found), 0);
	for (uint64_t at = 0; at < map.capacity; at += 509) {
		map.data[at] = (unsigned char)(at % 251 + 1);
		assert_int_equal(map.data[map.capacity + at], at % 251 + 1);
	}
	weir_map_close(&map);
}

static void commit_words_differ_between_positions_and_laps(void **state)
{
	const uint64_t salt[2] = { 1, 2 }, other_salt[2] = { 3, 2 };

	(void)state;
	for (uint64_t lap = 0; lap < 1000; lap++) {
		uint64_t word = weir_format_word(salt, 4096 + lap * SAMPLE_RING_BYTES);

		assert_true(word != weir_format_word(salt, 4096 + (lap + 1) * SAMPLE_RING_BYTES));
		assert_true(word != weir_format_word(salt, 4112 + lap * SAMPLE_RING_BYTES));
		assert_true(word != weir_format_word(other_salt, 4096 + lap * SAMPLE_RING_BYTES));
	}
}

static void sealed_ring_refuses_and_its_reader_reads_to_the_end(void **state)
{
	struct weir_ring *ring = sample_open_ready(*state);
	struct weir_ring_entry entry;

	assert_int_equal(sample_put(ring, 1), 0);
	weir_ring_seal(ring);
	assert_int_equal(sample_put(ring, 2), WEIR_RING_SEALED);
	assert_int_equal(sample_next(ring, &entry), 1);
	assert_int_equal(weir_ring_next(ring, -1, &entry), WEIR_RING_SEALED);
	assert_int_equal(weir_ring_head(ring), entry.end);
	weir_ring_close(ring);
	/* The seal was that process' affair. */
	ring = sample_open_ready(*state);
	assert_int_equal(sample_put(ring, 3), 0);
	assert_int_equal(sample_next(ring, &entry), 1);
	assert_int_equal(sample_next(ring, &entry), 3);
	weir_ring_close(ring);
}

/* ---- waiting ------------------------------------------------------------ */

static sem_t reserved, go_on;
static _Atomic bool has_stopped;

static void stop_after_reserve(const char *point)
{
	if (strcmp(point, "after_reserve") == 0 && !atomic_exchange(&has_stopped, true)) {
		sem_post(&reserved);
		while (sem_wait(&go_on) != 0) {
		}
	}
}

static void *put_number_one(void *ring)
{
	return (void *)(intptr_t)sample_put(ring, 1);
}

static void reader_waits_at_what_is_reserved_and_not_committed(void **state)
{
	struct weir_ring *ring = sample_open_ready(*state);
	struct weir_ring_entry entry;
	pthread_t slow;
	void *result;

	sem_init(&reserved, 0, 0);
	sem_init(&go_on, 0, 0);
	weir_crash_hook = stop_after_reserve;
	assert_int_equal(pthread_create(&slow, NULL, put_number_one, ring), 0);
	while (sem_wait(&reserved) != 0) {
	}
	assert_int_equal(sample_put(ring, 2), 0);
	assert_int_equal(weir_ring_next(ring, 0, &entry), WEIR_RING_EMPTY);
	assert_int_equal(weir_ring_next(ring, 1, &entry), WEIR_RING_EMPTY);
	weir_ring_seal(ring); /* what was reserved before still comes */
	assert_int_equal(weir_ring_next(ring, 1, &entry), WEIR_RING_EMPTY);
	sem_post(&go_on);
	assert_int_equal(weir_ring_next(ring, -1, &entry), 0);
	assert_int_equal(entry.batch->received_ns, 1);
	assert_int_equal(sample_next(ring, &entry), 2);
	assert_int_equal(weir_ring_next(ring, -1, &entry), WEIR_RING_SEALED);
	pthread_join(slow, &result);
	assert_null(result);
	weir_ring_close(ring);
}

struct reader {
	struct weir_ring *ring;
	sem_t answered;
	int outcome;
};

static void *read_until_told(void *arg)
{
	struct reader *reader = arg;
	struct weir_ring_entry entry;

	do {
		reader->outcome = weir_ring_next(reader->ring, -1, &entry);
		if (reader->outcome == 0) {
			weir_ring_release(reader->ring, entry.end);
		}
		sem_post(&reader->answered);
	} while (reader->outcome != WEIR_RING_SEALED);
	return NULL;
}

/* A lost wake would leave the reader asleep for ever, and this test with it. */
static void sleeping_reader_is_woken_by_put_wake_and_seal(void **state)
{
	struct reader reader = { .ring = sample_open_ready(*state) };
	pthread_t thread;

	sem_init(&reader.answered, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, read_until_told, &reader), 0);
	for (uint32_t i = 0; i < 5000; i++) {
		/* The wake finds it lingering, the put asleep. */
		int expected = i % 2 == 0 ? WEIR_RING_EMPTY : 0;

		if (expected == 0) {
			assert_int_equal(sample_put(reader.ring, i), 0);
		} else {
			weir_ring_wake(reader.ring);
		}
		while (sem_wait(&reader.answered) != 0) {
		}
		assert_int_equal(reader.outcome, expected);
	}
	weir_ring_seal(reader.ring);
	pthread_join(thread, NULL);
	assert_int_equal(reader.outcome, WEIR_RING_SEALED);
	sem_destroy(&reader.answered);
	weir_ring_close(reader.ring);
}

static struct weir_ring *disturbed;
static void (*disturb)(struct weir_ring *ring);

/* In the reader's own thread, between its last look and its sleep: the worst moment there is. */
static void disturb_before_sleep(const char *point)
{
	if (strcmp(point, "before_sleep") == 0 && disturb != NULL) {
		void (*once)(struct weir_ring * ring) = disturb;

		disturb = NULL;
		once(disturbed);
	}
}

static void put_number_nine(struct weir_ring *ring)
{
	assert_int_equal(sample_put(ring, 9), 0);
}

static void what_comes_while_the_reader_falls_asleep_is_not_missed(void **state)
{
	struct weir_ring_entry entry;

	disturbed = sample_open_ready(*state);
	weir_crash_hook = disturb_before_sleep;
	disturb = put_number_nine;
	assert_int_equal(weir_ring_next(disturbed, -1, &entry), 0);
	assert_int_equal(entry.batch->received_ns, 9);
	disturb = weir_ring_wake;
	assert_int_equal(weir_ring_next(disturbed, -1, &entry), WEIR_RING_EMPTY);
	disturb = weir_ring_seal;
	assert_int_equal(weir_ring_next(disturbed, -1, &entry), WEIR_RING_SEALED);
	assert_null(disturb);
	weir_ring_close(disturbed);
}

/* No put wakes a lingering reader; it must come by itself. */
static void what_is_put_while_the_reader_lingers_is_read(void **state)
{
	struct reader reader = { .ring = sample_open_ready(*state) };
	pthread_t thread;

	sem_init(&reader.answered, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, read_until_told, &reader), 0);
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(sample_put(reader.ring, i), 0);
		while (sem_wait(&reader.answered) != 0) {
		}
		assert_int_equal(reader.outcome, 0);
	}
	weir_ring_seal(reader.ring);
	pthread_join(thread, NULL);
	assert_int_equal(reader.outcome, WEIR_RING_SEALED);
	sem_destroy(&reader.answered);
	weir_ring_close(reader.ring);
}

static void wait_of_no_length_does_not_wait(void **state)
{
	struct weir_ring *ring = sample_open_ready(*state);
	struct weir_ring_entry entry;

	assert_int_equal(weir_ring_next(ring, 0, &entry), WEIR_RING_EMPTY);
	assert_int_equal(weir_ring_next(ring, 2, &entry), WEIR_RING_EMPTY);
	/* A wake before the wait is not lost: the next wait ends at once. */
	weir_ring_wake(ring);
	assert_int_equal(weir_ring_next(ring, -1, &entry), WEIR_RING_EMPTY);
	weir_ring_close(ring);
}

/* ---- many producers ----------------------------------------------------- */

enum { PRODUCERS = 4, RECORDS = 20000 };

struct producer {
	struct weir_ring *ring;
	uint32_t name;
	uint64_t refused, disordered;
};

static void *produce(void *arg)
{
	struct producer *producer = arg;
	uint64_t *mine = malloc(SAMPLE_BATCH_MAX), last_end = 0, end = 0;

	for (uint32_t i = 0; i < RECORDS; i++) {
		const struct weir_batch *batch = sample_batch(mine, producer->name, i, sample_size(producer->name, i));

		while (weir_ring_put(producer->ring, batch, &end) == WEIR_RING_FULL) {
			producer->refused++;
			sched_yield();
		}
		producer->disordered += end <= last_end;
		last_end = end;
	}
	free(mine);
	return NULL;
}

static void producers_keep_their_order_and_every_byte(void **state)
{
	struct weir_ring *ring = sample_open_ready(*state);
	uint32_t next_number[PRODUCERS] = { 0 };
	struct producer producers[PRODUCERS];
	pthread_t threads[PRODUCERS];
	struct weir_ring_entry entry = { 0 };
	uint64_t last_end = 0;

	for (uint32_t i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){ .ring = ring, .name = i };
		assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
	}
	for (uint32_t i = 0; i < PRODUCERS * RECORDS; i++) {
		uint32_t name, number;

		assert_int_equal(weir_ring_next(ring, -1, &entry), 0);
		assert_true(sample_is_whole(entry.batch, &name, &number));
		assert_in_range(name, 0, PRODUCERS - 1);
		assert_int_equal(number, next_number[name]++);
		assert_int_equal(entry.begin, last_end);
		last_end = entry.end;
		if (i % 64 == 63) {
			weir_ring_release(ring, entry.end);
		}
	}
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(producers[i].disordered, 0);
	}
	assert_int_equal(weir_ring_next(ring, 0, &entry), WEIR_RING_EMPTY);
	weir_ring_close(ring);
}

struct sealing {
	struct weir_ring *ring;
	uint32_t accepted;
};

static void *put_until_sealed(void *arg)
{
	struct sealing *sealing = arg;
	int r;

	while ((r = sample_put(sealing->ring, sealing->accepted)) != WEIR_RING_SEALED) {
		if (r == 0) {
			sealing->accepted++;
		}
	}
	return NULL;
}

static void nothing_accepted_is_behind_the_seal(void **state)
{
	struct weir_ring *ring = sample_open_ready(*state);

	for (int round = 0; round < 50; round++) {
		struct sealing sealings[2] = { { ring, 0 }, { ring, 0 } };
		struct weir_ring_entry entry;
		pthread_t threads[2];
		uint32_t read = 0;
		int r;

		for (int i = 0; i < 2; i++) {
			assert_int_equal(pthread_create(&threads[i], NULL, put_until_sealed, &sealings[i]), 0);
		}
		do {
			if (read == 5) {
				weir_ring_seal(ring);
			}
			r = weir_ring_next(ring, -1, &entry);
			if (r == 0) {
				weir_ring_release(ring, entry.end);
				read++;
			}
		} while (r != WEIR_RING_SEALED);
		for (int i = 0; i < 2; i++) {
			pthread_join(threads[i], NULL);
		}
		assert_int_equal(read, sealings[0].accepted + sealings[1].accepted);
		weir_ring_close(ring);
		ring = sample_open_ready(*state);
	}
	weir_ring_close(ring);
}

#define ON_A_RING(test) cmocka_unit_test_setup_teardown(test, open_ring, remove_ring)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_RING(full_ring_refuses_and_takes_again_after_release),
		ON_A_RING(exactly_full_ring_is_not_over_its_capacity),
		ON_A_RING(record_over_an_eighth_is_too_large),
		ON_A_RING(positions_follow_each_other_over_many_laps),
		ON_A_RING(data_is_mapped_twice_side_by_side),
		cmocka_unit_test(commit_words_differ_between_positions_and_laps),
		ON_A_RING(sealed_ring_refuses_and_its_reader_reads_to_the_end),
		ON_A_RING(reader_waits_at_what_is_reserved_and_not_committed),
		ON_A_RING(sleeping_reader_is_woken_by_put_wake_and_seal),
		ON_A_RING(what_is_put_while_the_reader_lingers_is_read),
		ON_A_RING(what_comes_while_the_reader_falls_asleep_is_not_missed),
		ON_A_RING(wait_of_no_length_does_not_wait),
		ON_A_RING(producers_keep_their_order_and_every_byte),
		ON_A_RING(nothing_accepted_is_behind_the_seal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
