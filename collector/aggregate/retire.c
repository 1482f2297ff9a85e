/* retire: memory that left a table but that snapshots still read.
 *
 * Snapshots point at texts of the tables. When a series expires its text leaves
 * the table, but a snapshot that was made before may still be read. So what is
 * retired goes into a bag, and a snapshot holds the bag that is open when it is
 * made; bags are chained, each holding the next:
 *
 *    snapshot A ──▶ bag 1 ──▶ bag 2 ──▶ bag 3 ◀── the fold
 *    snapshot B ───────────────^
 *
 * Making a snapshot closes the open bag and opens the next one, so a bag holds
 * what was retired between two snapshots, and whoever holds an earlier bag keeps
 * all later ones. When the last holder of the first bag lets go, it is freed
 * with what is in it, and lets go of the next.
 *
 * Invariants
 *  1. Only the fold's thread puts into a bag, and only into the open one.
 *  2. A bag is freed by whoever lets go last; by then nobody can reach what is in it.
 *  3. With no snapshot held, turning frees all that was retired. */
#include "aggregate/retire.h"

#include <stdlib.h>

#include "base/err.h"

struct weir_retire_bag {
	struct weir_retire_bag *next; /* held */
	uint32_t holders;
	uint32_t count, capacity;
	void **memory;
};

struct weir_retire {
	struct weir_retire_bag *open; /* held */
};

struct weir_retire *weir_retire_create(void)
{
	struct weir_retire *retire = calloc(1, sizeof(*retire));

	if (retire == NULL) {
		return NULL;
	}
	retire->open = calloc(1, sizeof(*retire->open));
	if (retire->open == NULL) {
		free(retire);
		return NULL;
	}
	retire->open->holders = 1;
	return retire;
}

void weir_retire_destroy(struct weir_retire *retire)
{
	if (retire != NULL) {
		weir_retire_let_go(retire->open);
		free(retire);
	}
}

void weir_retire_add(struct weir_retire *retire, void *memory)
{
	struct weir_retire_bag *bag;

	if (retire == NULL || memory == NULL) {
		free(memory);
		return;
	}
	bag = retire->open;
	if (bag->count == bag->capacity) {
		uint32_t capacity = bag->capacity == 0 ? 64 : bag->capacity * 2;
		void **grown = realloc(bag->memory, capacity * sizeof(*grown));

		weir_assert(grown != NULL); /* bounded by what the tables hold */
		bag->memory = grown;
		bag->capacity = capacity;
	}
	bag->memory[bag->count++] = memory;
}

void weir_retire_turn(struct weir_retire *retire)
{
	if (retire->open->count > 0) {
		weir_retire_let_go(weir_retire_hold(retire));
	}
}

struct weir_retire_bag *weir_retire_hold(struct weir_retire *retire)
{
	struct weir_retire_bag *held = retire->open, *next = calloc(1, sizeof(*next));

	if (next == NULL) {
		return NULL;
	}
	next->holders = 2; /* the bag before it, and the fold */
	held->next = next;
	retire->open = next; /* the fold's hold on the old one becomes the caller's */
	return held;
}

void weir_retire_let_go(struct weir_retire_bag *bag)
{
	while (bag != NULL && __atomic_sub_fetch(&bag->holders, 1, __ATOMIC_ACQ_REL) == 0) {
		struct weir_retire_bag *next = bag->next;

		for (uint32_t i = 0; i < bag->count; i++) {
			free(bag->memory[i]);
		}
		free(bag->memory);
		free(bag);
		bag = next;
	}
}
