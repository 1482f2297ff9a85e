/* wanted: see the header.
 *
 * Rules name a handful of labels, so a list is searched from its beginning: a
 * length that differs is a key that differs, and most are told apart by that.
 *
 * Invariants
 *  1. Nothing of a list changes but its count of references.
 *  2. All texts lie in the list's own allocation.
 *
 * Any thread. */
#include "identity/wanted.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

struct weir_wanted {
	_Atomic uint32_t references;
	uint32_t count;
	struct weir_str keys[WEIR_WANTED_MAX];
	char texts[];
};

int weir_wanted_create(const char *const *keys, size_t count, const struct weir_wanted **ret_wanted)
{
	struct weir_wanted *wanted;
	size_t size = 0;
	char *at;
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		size += strlen(keys[i]);
	}
	wanted = malloc(sizeof(*wanted) + size);
	if (wanted == NULL) {
		return -ENOMEM;
	}
	atomic_init(&wanted->references, 1);
	wanted->count = 0;
	at = wanted->texts;
	for (size_t i = 0; i < count; i++) {
		struct weir_str key = weir_str_of(keys[i]);

		if (weir_wanted_has(wanted, key)) {
			continue;
		}
		if (wanted->count == WEIR_WANTED_MAX || key.length > WEIR_WANTED_KEY_MAX || key.length == 0) {
			r = WEIR_WANTED_CUT;
			continue;
		}
		memcpy(at, key.data, key.length);
		wanted->keys[wanted->count++] = weir_str_make(at, key.length);
		at += key.length;
	}
	*ret_wanted = wanted;
	return r;
}

/* The count is all that is written; who got a const list may hold it all the same. */
static _Atomic uint32_t *references_of(const struct weir_wanted *wanted)
{
	union {
		const struct weir_wanted *shared;
		struct weir_wanted *counted;
	} same = { .shared = wanted };

	return &same.counted->references;
}

const struct weir_wanted *weir_wanted_hold(const struct weir_wanted *wanted)
{
	if (wanted != NULL) {
		atomic_fetch_add_explicit(references_of(wanted), 1, memory_order_relaxed);
	}
	return wanted;
}

void weir_wanted_let_go(const struct weir_wanted *wanted)
{
	if (wanted != NULL && atomic_fetch_sub_explicit(references_of(wanted), 1, memory_order_acq_rel) == 1) {
		union {
			const struct weir_wanted *shared;
			void *freed;
		} same = { .shared = wanted };

		free(same.freed);
	}
}

bool weir_wanted_has(const struct weir_wanted *wanted, struct weir_str key)
{
	for (uint32_t i = 0; wanted != NULL && i < wanted->count; i++) {
		if (weir_str_equal(wanted->keys[i], key)) {
			return true;
		}
	}
	return false;
}
