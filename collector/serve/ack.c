/* ack: a bounded binary heap of completions, the smallest position on top.
 *
 * Threads: listeners park and forget, the writer advances; one mutex guards
 * the heap. Completions run with the mutex released, so a completion may park
 * or forget again and a slow one never holds up a listener.
 *
 * Invariants:
 * 1. count <= capacity; nothing is allocated after the creation.
 * 2. For every i > 0: slots[(i - 1) / 2].position <= slots[i].position.
 * 3. When the mutex is free, every parked position is greater than `stored`,
 *    but for those which an advance has just taken out to run.
 * 4. A completion runs at most once: it leaves the heap, under the mutex,
 *    before it runs, and what forget() takes out never runs.
 *
 * Why a heap and not a queue: several listeners park, and their positions
 * cross between the moment of the put and the moment of the park. */
#include "serve/ack.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"

struct slot {
	uint64_t position;
	weir_ack_fn *fn;
	void *ctx;
};

struct weir_ack {
	pthread_mutex_t lock;
	uint64_t stored;
	uint32_t count, capacity;
	struct slot slots[];
};

int weir_ack_create(uint32_t capacity, struct weir_ack **ret_ack)
{
	struct weir_ack *ack = calloc(1, sizeof(*ack) + capacity * sizeof(ack->slots[0]));
	int fault;

	if (ack == NULL) {
		return -ENOMEM;
	}
	fault = pthread_mutex_init(&ack->lock, NULL);
	if (fault != 0) {
		free(ack);
		return -fault;
	}
	ack->capacity = capacity;
	*ret_ack = ack;
	return 0;
}

void weir_ack_destroy(struct weir_ack *ack)
{
	if (ack != NULL) {
		weir_assert(ack->count == 0);
		pthread_mutex_destroy(&ack->lock);
		free(ack);
	}
}

static void swap(struct slot *a, struct slot *b)
{
	struct slot held = *a;

	*a = *b;
	*b = held;
}

static void sift_up(struct weir_ack *ack, uint32_t i)
{
	while (i > 0 && ack->slots[(i - 1) / 2].position > ack->slots[i].position) {
		swap(&ack->slots[(i - 1) / 2], &ack->slots[i]);
		i = (i - 1) / 2;
	}
}

static void sift_down(struct weir_ack *ack, uint32_t i)
{
	for (;;) {
		uint32_t least = i, left = 2 * i + 1, right = left + 1;

		if (left < ack->count && ack->slots[left].position < ack->slots[least].position) {
			least = left;
		}
		if (right < ack->count && ack->slots[right].position < ack->slots[least].position) {
			least = right;
		}
		if (least == i) {
			return;
		}
		swap(&ack->slots[least], &ack->slots[i]);
		i = least;
	}
}

static void take_out(struct weir_ack *ack, uint32_t i)
{
	ack->slots[i] = ack->slots[--ack->count];
	if (i < ack->count) {
		sift_up(ack, i);
		sift_down(ack, i);
	}
}

int weir_ack_park(struct weir_ack *ack, uint64_t position, weir_ack_fn *fn, void *ctx)
{
	int outcome = 0;
	bool is_stored;

	pthread_mutex_lock(&ack->lock);
	is_stored = position <= ack->stored;
	if (!is_stored && ack->count == ack->capacity) {
		outcome = WEIR_ACK_FULL;
	} else if (!is_stored) {
		ack->slots[ack->count] = (struct slot){ position, fn, ctx };
		sift_up(ack, ack->count++);
	}
	pthread_mutex_unlock(&ack->lock);
	if (is_stored) {
		fn(ctx);
	}
	return outcome;
}

void weir_ack_advance(struct weir_ack *ack, uint64_t stored_position)
{
	struct slot ready[64];
	size_t count;

	do {
		count = 0;
		pthread_mutex_lock(&ack->lock);
		if (stored_position > ack->stored) {
			ack->stored = stored_position;
		}
		while (count < sizeof(ready) / sizeof(ready[0]) && ack->count > 0 &&
			ack->slots[0].position <= ack->stored) {
			ready[count++] = ack->slots[0];
			take_out(ack, 0);
		}
		pthread_mutex_unlock(&ack->lock);
		for (size_t i = 0; i < count; i++) {
			ready[i].fn(ready[i].ctx);
		}
	} while (count > 0);
}

bool weir_ack_forget(struct weir_ack *ack, const void *ctx)
{
	bool has_taken = false;

	pthread_mutex_lock(&ack->lock);
	for (uint32_t i = 0; i < ack->count && !has_taken; i++) {
		if (ack->slots[i].ctx == ctx) {
			take_out(ack, i);
			has_taken = true;
		}
	}
	pthread_mutex_unlock(&ack->lock);
	return has_taken;
}
