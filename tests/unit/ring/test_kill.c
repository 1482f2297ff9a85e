/* Killed at random moments: what was answered is there, once.
 *
 * A child puts from several threads and writes to a pipe which number it was
 * answered for, after the answer. The parent kills it at some moment, takes the
 * ring over, reads it as the fold would and compares. The ring goes on from
 * round to round, over many laps, with the parent as its database. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sample.h"

enum { ROUNDS = 30, PRODUCERS = 4, NUMBERS = 8192 };

struct answer {
	uint32_t producer, number;
};

struct producer {
	struct weir_ring *ring;
	uint32_t name;
	int pipe;
};

/* Ends when the ring is full; the parent kills before or after. */
static void *produce(void *arg)
{
	const struct producer *producer = arg;
	uint64_t *room = malloc(SAMPLE_BATCH_MAX);

	for (uint32_t number = 0; number < NUMBERS; number++) {
		struct answer answer = { producer->name, number };
		const struct weir_batch *batch =
			sample_batch(room, producer->name, number, sample_size(producer->name, number));

		if (weir_ring_put(producer->ring, batch, NULL) != 0 ||
			write(producer->pipe, &answer, sizeof(answer)) != sizeof(answer)) {
			break;
		}
	}
	free(room);
	return NULL;
}

static void run_child(const char *folder, uint64_t position, int out)
{
	struct weir_ring_opts opts = { folder, 4 * SAMPLE_RING_BYTES, sample_database_id, NULL };
	struct weir_ring_recovery recovery;
	struct weir_ring_found found;
	struct weir_ring *ring;
	struct producer producers[PRODUCERS];
	pthread_t threads[PRODUCERS];

	if (weir_ring_open(&opts, &ring, &found) != 0) {
		_exit(2);
	}
	weir_ring_recover(ring, weir_ring_id(ring), position, &recovery);
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){ ring, i, out };
		if (pthread_create(&threads[i], NULL, produce, &producers[i]) != 0) {
			_exit(3);
		}
	}
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		pthread_join(threads[i], NULL);
	}
	close(out);
	for (;;) {
		pause();
	}
}

struct tally {
	bool is_answered[PRODUCERS][NUMBERS];
	unsigned char recovered[PRODUCERS][NUMBERS];
	uint32_t answers;
};

/* Takes answers until `enough`, or until there are no more. */
static void take_answers(struct tally *tally, int in, uint32_t enough)
{
	struct answer answers[64];
	ssize_t got;

	/* A pipe hands over whole writes of this size, so a read ends between two of them. */
	while (tally->answers < enough &&
		((got = read(in, answers, sizeof(answers))) > 0 || (got < 0 && errno == EINTR))) {
		for (ssize_t i = 0; got > 0 && i < got / (ssize_t)sizeof(answers[0]); i++) {
			assert_in_range(answers[i].producer, 0, PRODUCERS - 1);
			assert_in_range(answers[i].number, 0, NUMBERS - 1);
			tally->is_answered[answers[i].producer][answers[i].number] = true;
			tally->answers++;
		}
	}
}

/* Reads all that survived; the position behind it. */
static uint64_t take_records(struct tally *tally, const char *folder, uint64_t position, struct weir_ring_recovery *ret)
{
	struct weir_ring_found found;
	struct weir_ring *ring = sample_open(folder, 4 * SAMPLE_RING_BYTES, &found);
	struct weir_ring_entry entry;
	uint64_t read = 0;

	assert_int_equal(weir_ring_recover(ring, weir_ring_id(ring), position, ret), 0);
	assert_false(ret->has_gap);
	assert_true(ret->position >= position);
	while (weir_ring_next(ring, 0, &entry) == 0) {
		uint32_t producer, number;

		assert_true(sample_is_whole(entry.batch, &producer, &number));
		assert_in_range(producer, 0, PRODUCERS - 1);
		assert_in_range(number, 0, NUMBERS - 1);
		tally->recovered[producer][number]++;
		read++;
	}
	assert_int_equal(read, ret->records);
	position = weir_ring_head(ring);
	weir_ring_release(ring, position);
	weir_ring_close(ring);
	return position;
}

static void check(const struct tally *tally)
{
	for (uint32_t producer = 0; producer < PRODUCERS; producer++) {
		uint32_t unanswered = 0;

		for (uint32_t number = 0; number < NUMBERS; number++) {
			assert_true(tally->recovered[producer][number] <= 1);
			if (tally->is_answered[producer][number]) {
				assert_int_equal(tally->recovered[producer][number], 1);
			} else {
				unanswered += tally->recovered[producer][number];
			}
		}
		assert_true(unanswered <= 1); /* killed between commit word and pipe */
	}
}

static void answered_is_recovered_once_after_kills_at_random_moments(void **state)
{
	const char *folder = sample_folder();
	uint32_t random = 20261123, answers = 0, holes = 0;
	uint64_t position = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct tally *tally = calloc(1, sizeof(*tally));
		struct weir_ring_recovery recovery;
		int ends[2], status;
		pid_t child;

		assert_non_null(tally);
		assert_int_equal(pipe(ends), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			close(ends[0]);
			run_child(folder, position, ends[1]);
		}
		close(ends[1]);
		random = random * 1664525u + 1013904223u;
		take_answers(tally, ends[0], random >> 20);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		take_answers(tally, ends[0], UINT32_MAX);
		close(ends[0]);
		position = take_records(tally, folder, position, &recovery);
		assert_int_equal(recovery.damaged, 0);
		check(tally);
		answers += tally->answers;
		holes += (uint32_t)recovery.holes;
		free(tally);
	}
	print_message("%d kills, %u answers, %u holes, none lost, none doubled\n", ROUNDS, answers, holes);
	assert_true(answers > 0);
	sample_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answered_is_recovered_once_after_kills_at_random_moments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
