/* test_reload: a kill after other rules began changes nothing: what was stored by the old ones, and the rest of the
 * ring folded by the new ones, are the tables that were lost (design.md, contract 2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "aggregate/state.h"
#include "support/batch_maker.h"
#include "support/batch_random.h"
#include "support/ruleset_of.h"

#define T0 1700000000000000000u
#define RULES 4u
#define EXPIRY_NS 20000000000u

static const struct weir_ruleset *rules[RULES];

static int rules_make(void **state)
{
	const struct weir_ruleset_opts opts[2] = { { 0 }, { .is_both = true } };
	struct weir_ruleset_error error;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		if (weir_ruleset_load(&opts[i], &rules[i], &error) != 0) {
			fail_msg("%s: %s", error.where, error.why);
		}
	}
	/* One metric of few labels, alone: everything else of the standard ones is gone with these. */
	rules[2] = ruleset_of(ruleset_of_one, false);
	rules[3] = ruleset_of(ruleset_of_one, true);
	return 0;
}

static int rules_let_go(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RULES; i++) {
		weir_ruleset_let_go(rules[i]);
	}
	return 0;
}

/* What was stored: the last image and the deltas after it. */
struct stored {
	struct weir_buf bytes;
	size_t ends[64];
	unsigned count;
};

struct scene {
	struct weir_fold *fold;
	struct stored stored;
	struct batch_random random;
	struct batch_maker maker;
	uint32_t max_series;
	uint64_t expiry_ns;
};

static struct weir_fold *fold_make(const struct scene *scene, unsigned number)
{
	const struct weir_fold_opts opts = {
		.max_series = scene->max_series, .hash_seed = 7, .expiry_ns = scene->expiry_ns, .ruleset = rules[number]
	};
	struct weir_fold *fold;

	assert_int_equal(weir_fold_create(&opts, &fold), 0);
	return fold;
}

static void store(struct scene *scene)
{
	struct stored *stored = &scene->stored;
	bool is_image = stored->count == 64 || weir_fold_wants_image(scene->fold);

	if (is_image) {
		weir_buf_clear(&stored->bytes);
		stored->count = 0;
	}
	assert_int_equal(weir_fold_cut(scene->fold, is_image, &stored->bytes), 0);
	stored->ends[stored->count++] = stored->bytes.length;
}

static struct weir_fold *stored_load(const struct scene *scene, unsigned number)
{
	struct weir_fold *fold = fold_make(scene, number);
	size_t at = 0;

	for (unsigned i = 0; i < scene->stored.count; i++) {
		size_t end = scene->stored.ends[i];

		assert_int_equal(weir_fold_load(fold, weir_str_make(scene->stored.bytes.data + at, end - at)), 0);
		at = end;
	}
	weir_fold_load_end(fold);
	return fold;
}

static void fold_some(struct scene *scene, struct weir_fold *fold, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		weir_fold_batch(fold, batch_random_next(&scene->random, &scene->maker));
	}
}

static void digests_equal(const struct weir_fold *a, const struct weir_fold *b)
{
	uint8_t digests[2][16];

	weir_fold_digest(a, digests[0]);
	weir_fold_digest(b, digests[1]);
	assert_memory_equal(digests[0], digests[1], 16);
}

/* All is stored, other rules begin, some more comes, and the process is killed. */
static void reload_and_kill(struct scene *scene)
{
	unsigned next = (unsigned)batch_random_number(&scene->random, RULES);
	uint64_t more = batch_random_number(&scene->random, 12);
	struct weir_fold *again;
	struct batch_random before;

	store(scene);
	weir_fold_rules(scene->fold, rules[next]);
	before = scene->random;
	fold_some(scene, scene->fold, more);
	scene->random = before;
	again = stored_load(scene, next);
	fold_some(scene, again, more);
	digests_equal(scene->fold, again);
	weir_fold_destroy(scene->fold);
	scene->fold = again;
}

static void a_kill_after_other_rules_began_changes_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct scene scene = { .random = { .state = seed,
					       .now_ns = T0,
					       .step_ns = seed % 2 == 0 ? 50000000 : 3000000000,
					       .names = 2 + (uint32_t)(seed % 7) },
			.max_series = 5 + (uint32_t)(seed * 37 % 200),
			.expiry_ns = seed % 3 == 0 ? 0 : EXPIRY_NS };

		weir_buf_init(&scene.stored.bytes, 0);
		scene.fold = fold_make(&scene, 0);
		for (unsigned round = 0; round < 12; round++) {
			for (uint64_t cuts = batch_random_number(&scene.random, 4); cuts > 0; cuts--) {
				fold_some(&scene, scene.fold, batch_random_number(&scene.random, 12));
				store(&scene);
			}
			reload_and_kill(&scene);
		}
		weir_buf_fini(&scene.stored.bytes);
		weir_fold_destroy(scene.fold);
		batch_maker_fini(&scene.maker);
	}
}

/* Where nothing expires, what rules that are gone left behind takes no room from those that came. */
static void what_is_gone_gives_its_room_back_also_without_expiry(void **state)
{
	struct scene scene = { .random = { .state = 5, .now_ns = T0, .step_ns = 1000000, .names = 30 },
		.max_series = 400 };
	struct weir_fold *again;

	(void)state;
	weir_buf_init(&scene.stored.bytes, 0);
	scene.fold = fold_make(&scene, 0);
	fold_some(&scene, scene.fold, 100);
	assert_true(scene.fold->series.labels.bytes > 30000);
	store(&scene);
	again = stored_load(&scene, 2);
	assert_int_equal(again->series.labels.live, 0);
	assert_int_equal(again->series.labels.bytes, 0);
	weir_fold_destroy(scene.fold);
	weir_fold_destroy(again);
	weir_buf_fini(&scene.stored.bytes);
	batch_maker_fini(&scene.maker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kill_after_other_rules_began_changes_nothing),
		cmocka_unit_test(what_is_gone_gives_its_room_back_also_without_expiry),
	};

	return cmocka_run_group_tests(tests, rules_make, rules_let_go);
}
