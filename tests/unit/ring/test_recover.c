/* Recovery: holes of killed producers, damage, and positions that do not fit. */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/crash.h"
#include "ring/map.h"
#include "sample.h"

static int open_ring(void **state)
{
	*state = (void *)(uintptr_t)sample_folder();
	return 0;
}

static int remove_ring(void **state)
{
	sample_folder_remove(*state);
	return 0;
}

/* ---- a child that dies at a point --------------------------------------- */

static const char *kill_point;
static int kill_visit;

static void kill_at_visit(const char *point)
{
	if (strcmp(point, kill_point) == 0 && --kill_visit == 0) {
		raise(SIGKILL);
	}
}

/* Runs `work` in a child that is killed at the n-th visit of `point` (or exits, if point is NULL). */
static void run_in_child(const char *folder, const char *point, int visit, void (*work)(struct weir_ring *ring))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		struct weir_ring_opts opts = { folder, SAMPLE_RING_BYTES, sample_database_id, NULL };
		struct weir_ring_recovery recovery;
		struct weir_ring_found found;
		struct weir_ring *ring;

		if (weir_ring_open(&opts, &ring, &found) != 0) {
			_exit(2);
		}
		weir_ring_recover(ring, weir_ring_id(ring), weir_ring_tail(ring), &recovery);
		if (point != NULL) {
			kill_point = point;
			kill_visit = visit;
			weir_crash_hook = kill_at_visit;
		}
		work(ring);
		_exit(point == NULL ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (point != NULL) {
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGKILL);
	} else {
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

static void put_ten(struct weir_ring *ring)
{
	for (uint32_t i = 0; i < 10; i++) {
		if (sample_put(ring, i) != 0) {
			_exit(4);
		}
	}
}

static struct weir_ring *recover(const char *folder, uint64_t position, struct weir_ring_recovery *ret)
{
	struct weir_ring_found found;
	struct weir_ring *ring = sample_open(folder, SAMPLE_RING_BYTES, &found);

	assert_false(found.is_new);
	assert_int_equal(weir_ring_recover(ring, weir_ring_id(ring), position, ret), 0);
	assert_int_equal(weir_ring_tail(ring), ret->position);
	return ring;
}

static void producer_killed_after_reserve_leaves_a_hole_at_the_end(void **state)
{
	struct weir_ring_recovery recovery;
	struct weir_ring_entry entry;
	struct weir_ring *ring;

	run_in_child(*state, "after_reserve", 4, put_ten);
	ring = recover(*state, 0, &recovery);
	assert_int_equal(recovery.records, 3);
	assert_int_equal(recovery.holes, 1);
	assert_int_equal(recovery.hole_bytes, weir_format_record_bytes(sample_size(0, 3)));
	assert_int_equal(recovery.damaged, 0);
	assert_false(recovery.has_gap);
	/* The reader is not held up: the last record takes the padding with it, and the ring goes on behind it. */
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(sample_next(ring, &entry), i);
	}
	assert_int_equal(entry.end, weir_ring_head(ring));
	assert_int_equal(sample_put(ring, 77), 0);
	assert_int_equal(sample_next(ring, &entry), 77);
	assert_int_equal(weir_ring_next(ring, 0, &entry), WEIR_RING_EMPTY);
	weir_ring_close(ring);
}

static void producer_killed_after_the_commit_word_leaves_its_record(void **state)
{
	struct weir_ring_recovery recovery;
	struct weir_ring_entry entry;
	struct weir_ring *ring;

	run_in_child(*state, "after_commit_word", 4, put_ten);
	ring = recover(*state, 0, &recovery);
	assert_int_equal(recovery.records, 4);
	assert_int_equal(recovery.holes, 0);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(sample_next(ring, &entry), i);
	}
	weir_ring_close(ring);
}

static void read_all_and_release(struct weir_ring *ring)
{
	struct weir_ring_entry entry = { 0 };

	put_ten(ring);
	for (int i = 0; i < 10; i++) {
		weir_ring_next(ring, 0, &entry);
	}
	weir_ring_release(ring, entry.end);
}

static void writer_killed_before_release_has_released_nothing(void **state)
{
	struct weir_ring_recovery recovery;
	struct weir_ring *ring;
	uint64_t head;

	run_in_child(*state, "before_release", 1, read_all_and_release);
	ring = recover(*state, 0, &recovery);
	assert_int_equal(recovery.records, 10);
	head = weir_ring_head(ring);
	weir_ring_close(ring);
	/* The database had committed: its position decides, not the tail. */
	ring = recover(*state, head, &recovery);
	assert_int_equal(recovery.records, 0);
	assert_int_equal(recovery.position, head);
	assert_false(recovery.has_gap);
	weir_ring_close(ring);
}

/* ---- holes in the middle ------------------------------------------------ */

enum { SLOW = 3 };
static sem_t reserved;
static _Thread_local bool is_slow;

static void stop_if_slow(const char *point)
{
	if (is_slow && strcmp(point, "after_reserve") == 0) {
		sem_post(&reserved);
		for (;;) {
			pause();
		}
	}
}

static void *put_slowly(void *ring)
{
	is_slow = true;
	sample_put(ring, 1000);
	return NULL;
}

/* Records 0 .. 8, and before every third of them a producer that never gets to its commit word. */
static void put_with_holes(struct weir_ring *ring)
{
	sem_init(&reserved, 0, 0);
	weir_crash_hook = stop_if_slow;
	for (uint32_t i = 0; i < 3 * SLOW; i++) {
		if (i % 3 == 0) {
			pthread_t thread;

			pthread_create(&thread, NULL, put_slowly, ring);
			while (sem_wait(&reserved) != 0) {
			}
		}
		if (sample_put(ring, i) != 0) {
			_exit(4);
		}
	}
	raise(SIGKILL);
}

static void holes_between_records_become_padding(void **state)
{
	struct weir_ring_recovery recovery, again;
	struct weir_ring_entry entry;
	struct weir_ring *ring;

	run_in_child(*state, "by itself", 1, put_with_holes);
	ring = recover(*state, 0, &recovery);
	assert_int_equal(recovery.records, 3 * SLOW);
	assert_int_equal(recovery.holes, SLOW);
	assert_int_equal(recovery.hole_bytes, SLOW * weir_format_record_bytes(sample_size(0, 1000)));
	for (uint32_t i = 0; i < 3 * SLOW; i++) {
		assert_int_equal(sample_next(ring, &entry), i);
	}
	assert_int_equal(weir_ring_next(ring, 0, &entry), WEIR_RING_EMPTY);
	weir_ring_close(ring);
	/* Walking twice is walking once. */
	ring = recover(*state, 0, &again);
	assert_int_equal(again.records, recovery.records);
	assert_int_equal(again.holes, 0);
	assert_false(again.has_gap); /* the first hole was passed over, not lost */
	assert_int_equal(again.position, recovery.position);
	weir_ring_close(ring);
}

static void fill_and_release_a_lap(struct weir_ring *ring)
{
	struct weir_ring_entry entry = { 0 };
	uint32_t number = 0;

	while (sample_put(ring, number) == 0) {
		number++;
	}
	while (weir_ring_next(ring, 0, &entry) == 0) {
	}
	weir_ring_release(ring, entry.end);
}

static void hole_does_not_bring_back_the_lap_before(void **state)
{
	struct weir_ring_recovery recovery;
	struct weir_ring_entry entry;
	struct weir_ring *ring;
	uint64_t position;

	run_in_child(*state, NULL, 0, fill_and_release_a_lap);
	ring = recover(*state, 0, &recovery);
	assert_true(recovery.has_gap); /* 0 was released long ago */
	position = recovery.position;
	weir_ring_close(ring);
	/* Number 3 is a large record over several whole ones of the first lap. */
	run_in_child(*state, "after_reserve", 4, put_ten);
	ring = recover(*state, position, &recovery);
	assert_false(recovery.has_gap);
	assert_int_equal(recovery.records, 3);
	assert_int_equal(recovery.holes, 1);
	assert_int_equal(recovery.damaged, 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(sample_next(ring, &entry), i);
	}
	assert_int_equal(weir_ring_next(ring, 0, &entry), WEIR_RING_EMPTY);
	weir_ring_close(ring);
}

static void reserve_all(struct weir_ring *ring)
{
	pthread_t thread;

	sem_init(&reserved, 0, 0);
	weir_crash_hook = stop_if_slow;
	for (int i = 0; i < 20; i++) {
		pthread_create(&thread, NULL, put_slowly, ring);
		while (sem_wait(&reserved) != 0) {
		}
	}
	raise(SIGKILL);
}

static void ring_of_nothing_but_holes_is_one_padding(void **state)
{
	struct weir_ring_recovery recovery;
	struct weir_ring_entry entry;
	struct weir_ring *ring;

	run_in_child(*state, "by itself", 1, reserve_all);
	ring = recover(*state, 0, &recovery);
	assert_int_equal(recovery.records, 0);
	assert_int_equal(recovery.holes, 1);
	assert_int_equal(recovery.hole_bytes, weir_ring_head(ring));
	assert_int_equal(recovery.hole_bytes, 20 * weir_format_record_bytes(sample_size(0, 1000)));
	assert_int_equal(weir_ring_next(ring, 0, &entry), WEIR_RING_EMPTY);
	weir_ring_release(ring, weir_ring_head(ring)); /* the reader has passed the padding */
	assert_int_equal(sample_put(ring, 5), 0);
	assert_int_equal(sample_next(ring, &entry), 5);
	weir_ring_close(ring);
}

static void *reserve_an_eighth(void *ring)
{
	struct weir_batch *batch = calloc(1, SAMPLE_RING_BYTES / 8);

	is_slow = true;
	if (batch != NULL) {
		batch->size_bytes = SAMPLE_RING_BYTES / 8 - 16;
		weir_ring_put(ring, batch, NULL);
	}
	return NULL;
}

static void reserve_the_whole_ring(struct weir_ring *ring)
{
	sem_init(&reserved, 0, 0);
	weir_crash_hook = stop_if_slow;
	for (int i = 0; i < 8; i++) {
		pthread_t thread;

		pthread_create(&thread, NULL, reserve_an_eighth, ring);
		while (sem_wait(&reserved) != 0) {
		}
	}
	raise(SIGKILL);
}

static void holes_that_fill_the_ring_do_not_stop_it(void **state)
{
	struct weir_ring_recovery recovery;
	struct weir_ring_entry entry;
	struct weir_ring *ring;

	run_in_child(*state, "by itself", 1, reserve_the_whole_ring);
	ring = recover(*state, 0, &recovery);
	assert_int_equal(recovery.hole_bytes, weir_ring_capacity(ring));
	assert_int_equal(sample_put(ring, 1), 0);
	weir_ring_close(ring);
	/* Killed again before the database said anything new; the position is still 0. */
	ring = recover(*state, 0, &recovery);
	assert_false(recovery.has_gap);
	assert_int_equal(recovery.records, 1);
	assert_int_equal(sample_next(ring, &entry), 1);
	weir_ring_release(ring, entry.end);
	weir_ring_close(ring);
	/* But once something was released, the old position is a gap. */
	ring = recover(*state, 0, &recovery);
	assert_true(recovery.has_gap);
	weir_ring_close(ring);
}

static void paddings_passed_over_in_turn_are_one_stretch(void **state)
{
	struct weir_ring_recovery recovery;
	struct weir_ring *ring;

	for (int i = 0; i < 3; i++) {
		run_in_child(*state, "after_reserve", 1, put_ten);
	}
	ring = recover(*state, 0, &recovery);
	assert_false(recovery.has_gap);
	assert_int_equal(recovery.position, weir_ring_head(ring));
	assert_int_equal(recovery.position, 3 * weir_format_record_bytes(sample_size(0, 0)));
	weir_ring_close(ring);
}

/* ---- damage ------------------------------------------------------------- */

static struct weir_map open_map(const char *folder)
{
	struct weir_ring_opts opts = { folder, SAMPLE_RING_BYTES, sample_database_id, NULL };
	struct weir_ring_found found;
	struct weir_map map;

	assert_int_equal(weir_map_open(&opts, &map, &found), 0);
	return map;
}

/* Records 0, 1 and 2; flips every bit of record 1 in turn. */
static void every_flipped_bit_of_a_record_costs_that_record_only(void **state)
{
	static _Alignas(8) unsigned char room[SAMPLE_BATCH_MAX];
	const uint32_t batch_bytes = sizeof(struct weir_batch) + 40;
	const size_t size = (size_t)weir_format_record_bytes(batch_bytes);
	struct weir_ring *ring = sample_open_ready(*state);
	uint64_t begin = 0;

	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(weir_ring_put(ring, sample_batch(room, 0, i, batch_bytes), NULL), 0);
	}
	weir_ring_close(ring);
	begin = size;
	for (size_t bit = 0; bit < 8 * (sizeof(struct weir_format_record) + batch_bytes); bit++) {
		struct weir_map map = open_map(*state);
		unsigned char kept[16], *record = map.data + begin;
		struct weir_ring_recovery recovery;
		struct weir_ring_entry entry;

		memcpy(kept, record, sizeof(kept)); /* padding is written over it */
		record[bit / 8] = (unsigned char)(record[bit / 8] ^ 1u << bit % 8);
		weir_map_close(&map);

		ring = recover(*state, 0, &recovery);
		assert_int_equal(recovery.records, 2);
		assert_int_equal(recovery.holes, bit < 64 ? 1 : 0); /* no commit word: a hole as good as any */
		assert_int_equal(recovery.damaged, bit < 64 ? 0 : 1);
		assert_int_equal(sample_next(ring, &entry), 0);
		assert_int_equal(sample_next(ring, &entry), 2);
		weir_ring_close(ring);

		map = open_map(*state);
		record = map.data + begin;
		if (bit >= 128) {
			record[bit / 8] = (unsigned char)(record[bit / 8] ^ 1u << bit % 8);
		}
		memcpy(record, kept, sizeof(kept));
		weir_map_close(&map);
	}
}

static void batch_that_is_not_sound_is_damaged(void **state)
{
	static _Alignas(8) unsigned char room[SAMPLE_BATCH_MAX];
	struct weir_ring *ring = sample_open_ready(*state);
	struct weir_batch *batch = (void *)room;
	struct weir_ring_recovery recovery;
	struct weir_ring_entry entry;

	assert_int_equal(sample_put(ring, 0), 0);
	sample_batch(room, 0, 1, 400);
	batch->source.offset = 400; /* its end is outside */
	assert_int_equal(weir_ring_put(ring, batch, NULL), 0);
	assert_int_equal(sample_put(ring, 2), 0);
	weir_ring_close(ring);
	ring = recover(*state, 0, &recovery);
	assert_int_equal(recovery.records, 2);
	assert_int_equal(recovery.damaged, 1);
	assert_int_equal(sample_next(ring, &entry), 0);
	assert_int_equal(sample_next(ring, &entry), 2);
	weir_ring_close(ring);
}

/* ---- positions ---------------------------------------------------------- */

static void ten_records(const char *folder, uint64_t *ret_tail, uint64_t *ret_head)
{
	struct weir_ring *ring = sample_open_ready(folder);
	struct weir_ring_entry entry;

	put_ten(ring);
	for (uint32_t i = 0; i < 4; i++) {
		sample_next(ring, &entry);
	}
	weir_ring_release(ring, entry.end);
	*ret_tail = entry.end;
	*ret_head = weir_ring_head(ring);
	weir_ring_close(ring);
}

static void position_before_the_tail_is_a_gap(void **state)
{
	struct weir_ring_recovery recovery;
	struct weir_ring *ring;
	uint64_t tail, head;

	ten_records(*state, &tail, &head);
	ring = recover(*state, tail - 16, &recovery);
	assert_true(recovery.has_gap);
	assert_int_equal(recovery.position, tail);
	assert_int_equal(recovery.records, 6);
	weir_ring_close(ring);
}

static void position_between_records_starts_there(void **state)
{
	struct weir_ring_recovery recovery;
	struct weir_ring_entry entry;
	struct weir_ring *ring;
	uint64_t tail, head, fifth;

	ten_records(*state, &tail, &head);
	fifth = tail + weir_format_record_bytes(sample_size(0, 4));
	ring = recover(*state, fifth, &recovery);
	assert_false(recovery.has_gap);
	assert_int_equal(recovery.records, 5);
	assert_int_equal(sample_next(ring, &entry), 5);
	assert_int_equal(entry.begin, fifth);
	weir_ring_close(ring);
	ring = recover(*state, head, &recovery);
	assert_false(recovery.has_gap);
	assert_int_equal(recovery.records, 0);
	weir_ring_close(ring);
}

static void position_beyond_the_head_is_a_gap_and_the_head_catches_up(void **state)
{
	struct weir_ring_recovery recovery;
	struct weir_ring_entry entry;
	struct weir_ring *ring;
	uint64_t tail, head, beyond;

	ten_records(*state, &tail, &head);
	beyond = head + 5 * SAMPLE_RING_BYTES / 16 * 16;
	ring = recover(*state, beyond, &recovery);
	assert_true(recovery.has_gap);
	assert_int_equal(recovery.records, 0);
	assert_int_equal(recovery.position, beyond);
	assert_int_equal(weir_ring_head(ring), beyond);
	assert_int_equal(sample_put(ring, 50), 0);
	weir_ring_close(ring);
	/* The database still says `beyond`; what came since is not skipped. */
	ring = recover(*state, beyond, &recovery);
	assert_false(recovery.has_gap);
	assert_int_equal(recovery.records, 1);
	assert_int_equal(sample_next(ring, &entry), 50);
	weir_ring_close(ring);
}

static void absurd_position_is_a_gap_and_all_is_replayed(void **state)
{
	struct weir_ring_recovery recovery;
	struct weir_ring *ring;
	uint64_t tail, head;

	ten_records(*state, &tail, &head);
	ring = recover(*state, UINT64_MAX - 7, &recovery);
	assert_true(recovery.has_gap);
	assert_int_equal(recovery.position, tail);
	assert_int_equal(recovery.records, 6);
	weir_ring_close(ring);
	ring = recover(*state, tail + 1, &recovery); /* no record begins there */
	assert_true(recovery.has_gap);
	assert_int_equal(recovery.records, 5);
	weir_ring_close(ring);
}

static void another_epoch_is_a_gap_and_all_is_replayed(void **state)
{
	struct weir_ring_found found;
	struct weir_ring_recovery recovery;
	struct weir_ring *ring = sample_open_ready(*state);

	put_ten(ring);
	weir_ring_close(ring);
	ring = sample_open(*state, SAMPLE_RING_BYTES, &found);
	assert_int_equal(weir_ring_recover(ring, weir_ring_id(ring) ^ 1, weir_ring_head(ring), &recovery), 0);
	assert_true(recovery.has_gap);
	assert_int_equal(recovery.records, 10);
	weir_ring_close(ring);
	ring = sample_open(*state, SAMPLE_RING_BYTES, &found);
	assert_int_equal(weir_ring_recover(ring, 0, 0, &recovery), 0);
	assert_false(recovery.has_gap); /* nothing stored, nothing released */
	assert_int_equal(recovery.records, 10);
	weir_ring_close(ring);
}

#define ON_A_RING(test) cmocka_unit_test_setup_teardown(test, open_ring, remove_ring)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_RING(producer_killed_after_reserve_leaves_a_hole_at_the_end),
		ON_A_RING(producer_killed_after_the_commit_word_leaves_its_record),
		ON_A_RING(writer_killed_before_release_has_released_nothing),
		ON_A_RING(holes_between_records_become_padding),
		ON_A_RING(hole_does_not_bring_back_the_lap_before),
		ON_A_RING(ring_of_nothing_but_holes_is_one_padding),
		ON_A_RING(holes_that_fill_the_ring_do_not_stop_it),
		ON_A_RING(paddings_passed_over_in_turn_are_one_stretch),
		ON_A_RING(every_flipped_bit_of_a_record_costs_that_record_only),
		ON_A_RING(batch_that_is_not_sound_is_damaged),
		ON_A_RING(position_before_the_tail_is_a_gap),
		ON_A_RING(position_between_records_starts_there),
		ON_A_RING(position_beyond_the_head_is_a_gap_and_the_head_catches_up),
		ON_A_RING(absurd_position_is_a_gap_and_all_is_replayed),
		ON_A_RING(another_epoch_is_a_gap_and_all_is_replayed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
