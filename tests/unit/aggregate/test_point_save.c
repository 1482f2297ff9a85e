/* test_point_save: streams and series that come and go, saved at any moment, are what they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/batch_random.h"
#include "support/point_scene.h"

/* As batch_random_next(), and sometimes a histogram of a service whose bounds are never the same for long. */
static const struct weir_batch *batch_next(struct batch_random *random, struct batch_maker *maker)
{
	const double bounds[2] = { 1, 2 + (double)batch_random_number(random, 6) };
	const uint64_t counts[3] = { 1, batch_random_number(random, 50), 2 };
	struct weir_point *point;
	uint32_t instrument;

	if (batch_random_number(random, 4) > 0) {
		return batch_random_next(random, maker);
	}
	random->now_ns += batch_random_number(random, random->step_ns);
	batch_maker_begin(maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_METRIC_POINT, "sender", random->now_ns);
	batch_maker_resource(maker, batch_random_number(random, 2) == 0 ? "orders" : "billing");
	instrument = batch_maker_instrument(
		maker, "latency", WEIR_INSTRUMENT_HISTOGRAM, 1 + (unsigned)batch_random_number(random, 2));
	point = batch_maker_point(maker, instrument);
	point->start_ns = T0;
	point->time_ns = random->now_ns;
	point->count = 3 + counts[1];
	point->bounds = batch_maker_numbers(maker, bounds, 2);
	point->counts = batch_maker_numbers(maker, counts, 3);
	return batch_maker_finish(maker);
}

/* A restart between any two batches; a follower that is fed nothing but cuts. */
static void restarts_and_cuts_change_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct batch_random random = {
			.state = seed, .now_ns = T0, .step_ns = seed % 2 == 0 ? 20 * S : 300 * S, .names = 12
		};
		uint32_t max_series = seed <= 4 ? 1000 : 60; /* many fall asleep; sleepers are forgotten */
		struct weir_fold *live = fold_make(max_series), *restarted = fold_make(max_series);
		struct weir_fold *follower = fold_make(max_series);
		struct batch_maker maker = { 0 };
		uint64_t swept = 0, slept = 0, expired = 0;

		for (unsigned i = 0; i < 400; i++) {
			const struct weir_batch *batch = batch_next(&random, &maker);

			assert_int_equal(weir_fold_batch(live, batch), weir_fold_batch(restarted, batch));
			if (live->watermark_ns / SWEEP != swept) {
				uint32_t before = live->points.families.live_series;

				swept = live->watermark_ns / SWEEP;
				sweep(live);
				sweep(restarted);
				expired += before - live->points.families.live_series;
				slept += live->points.asleep;
			}
			digests_equal(live, restarted);
			if (batch_random_number(&random, 12) == 0) {
				struct weir_fold *next = fold_make(max_series);

				cut_and_load(restarted, next, true);
				weir_fold_destroy(restarted);
				restarted = next;
				digests_equal(live, restarted);
			}
			if (batch_random_number(&random, 7) == 0) {
				cut_and_load(live, follower, batch_random_number(&random, 10) == 0);
				digests_equal(live, follower);
			}
		}
		assert_true(expired > 0 && slept > 0);
		assert_true(seed <= 4 || live->points.forgotten_ns > 0);
		batch_maker_fini(&maker);
		weir_fold_destroy(live);
		weir_fold_destroy(restarted);
		weir_fold_destroy(follower);
	}
}

static void file_load(struct weir_fold *fold, const char *name)
{
	const char *folder = getenv("WEIR_GOLDEN");
	char path[512], bytes[8192];
	size_t length;
	FILE *file;

	assert_non_null(folder);
	snprintf(path, sizeof(path), "%s/fold_image/%s", folder, name);
	file = fopen(path, "re");
	assert_non_null(file);
	length = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_in_range(length, 1000, sizeof(bytes) - 1);
	assert_int_equal(weir_fold_load(fold, weir_str_make(bytes, length)), 0);
}

/* An image and a delta of version 3, with a full table: thirteen services, a
 * series of each kind, streams without room. When they were used last it does
 * not say, so that the first sweep is where their time begins. */
static void version_3_is_read_and_expires_as_this_version(void **state)
{
	struct weir_fold *follower = fold_make(320); /* there is more room now */
	struct scene scene;

	(void)state;
	scene_make(&scene, 320);
	file_load(scene.fold, "v3-points-image.bin");
	file_load(scene.fold, "v3-points-delta.bin");
	cut_and_load(scene.fold, follower, true);
	digests_equal(scene.fold, follower);
	scene.now_ns = T0 + 37 * S;
	assert_int_equal(scene.fold->points.live, 20);
	assert_true(total_of(&scene, "sold_total") == 2678);
	assert_true(total_of(&scene, "lent_total") == 6);
	assert_int_equal(only(&scene, "latency")->count, 16);
	assert_int_equal(only(&scene, "lent_size")->count, 31);
	assert_int_equal(only(&scene, "size")->count, 16);
	assert_int_equal(only(&scene, "queue")->whole, 8);
	later(&scene, 2 * EXPIRY);
	assert_int_equal(scene.fold->points.asleep, 0);
	cut_and_load(scene.fold, follower, false);
	digests_equal(scene.fold, follower);
	later(&scene, EXPIRY);
	assert_int_equal(scene.fold->points.families.live_series, 1); /* somebody else's */
	assert_true(total_of(&scene, "sold_total") == 2678);
	assert_true(total_of(&scene, "lent_total") == 6);
	assert_true(expired_of(scene.fold, "latency_count") == 16);
	assert_true(expired_of(scene.fold, "lent_size_count") == 31);
	assert_true(expired_of(scene.fold, "size_count") == 16);
	counter(&scene, "service.0", "sold", 210);
	assert_true(total_of(&scene, "sold_total") == 2688);
	cut_and_load(scene.fold, follower, false);
	digests_equal(scene.fold, follower);
	weir_fold_destroy(follower);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(restarts_and_cuts_change_nothing),
		cmocka_unit_test(version_3_is_read_and_expires_as_this_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
