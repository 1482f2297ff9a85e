/* test_image: saved and loaded tables are the tables, now and from then on. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/state.h"
#include "support/batch_maker.h"
#include "support/batch_random.h"

#define T0 1700000000000000000u

static struct weir_fold *fold_make(uint64_t seed)
{
	const struct weir_fold_opts opts = { .max_series = 400, .hash_seed = seed, .expiry_ns = 30000000000 };
	struct weir_fold *fold;

	assert_int_equal(weir_fold_create(&opts, &fold), 0);
	return fold;
}

static void digests_equal(const struct weir_fold *a, const struct weir_fold *b)
{
	uint8_t digests[2][16];

	weir_fold_digest(a, digests[0]);
	weir_fold_digest(b, digests[1]);
	assert_memory_equal(digests[0], digests[1], 16);
}

static void cut_and_load(struct weir_fold *from, struct weir_fold *to, bool as_image)
{
	struct weir_buf bytes;

	weir_buf_init(&bytes, 0);
	assert_int_equal(weir_fold_cut(from, as_image, &bytes), 0);
	assert_int_equal(weir_fold_load(to, weir_buf_str(&bytes)), 0);
	weir_buf_fini(&bytes);
}

/* A follower that is fed nothing but cuts equals the live fold at each of them. */
static void deltas_after_images_follow_the_live_fold(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		/* Slow time keeps entries waiting, fast time expires them. */
		struct batch_random random = {
			.state = seed, .now_ns = T0, .step_ns = seed % 2 == 0 ? 50000000 : 5000000000, .names = 12
		};
		struct batch_maker maker = { 0 };
		struct weir_fold *live = fold_make(7), *follower = fold_make(seed);

		for (unsigned cut = 0; cut < 30; cut++) {
			for (uint64_t n = batch_random_number(&random, 40); n > 0; n--) {
				weir_fold_batch(live, batch_random_next(&random, &maker));
			}
			cut_and_load(live, follower, batch_random_number(&random, 10) == 0);
			digests_equal(live, follower);
		}
		batch_maker_fini(&maker);
		weir_fold_destroy(live);
		weir_fold_destroy(follower);
	}
}

/* The loaded fold goes on exactly as the one that was never stopped. */
static void a_restart_between_any_two_batches_changes_nothing(void **state)
{
	struct batch_random random = { .state = 99, .now_ns = T0, .step_ns = 3000000000, .names = 12 };
	struct batch_maker maker = { 0 };
	struct weir_fold *live = fold_make(7), *restarted = fold_make(7);
	struct weir_buf image;

	(void)state;
	weir_buf_init(&image, 0);
	for (unsigned i = 0; i < 250; i++) {
		const struct weir_batch *batch = batch_random_next(&random, &maker);

		assert_int_equal(weir_fold_batch(live, batch), weir_fold_batch(restarted, batch));
		if (batch_random_number(&random, 20) == 0) {
			weir_buf_clear(&image);
			assert_int_equal(weir_fold_cut(restarted, true, &image), 0);
			weir_fold_destroy(restarted);
			restarted = fold_make(7);
			assert_int_equal(weir_fold_load(restarted, weir_buf_str(&image)), 0);
		}
		digests_equal(live, restarted);
	}
	weir_buf_fini(&image);
	batch_maker_fini(&maker);
	weir_fold_destroy(live);
	weir_fold_destroy(restarted);
}

/* More than the tables hold: overflow series and edges come back as such. */
static void overflow_survives_a_restart(void **state)
{
	struct batch_random random = { .state = 3, .now_ns = T0, .step_ns = 1000000, .names = 60 };
	struct batch_maker maker = { 0 };
	struct weir_fold *live = fold_make(7), *follower = fold_make(7);

	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		weir_fold_batch(live, batch_random_next(&random, &maker));
	}
	assert_true(live->series.overflowed > 0);
	cut_and_load(live, follower, false);
	digests_equal(live, follower);
	for (unsigned i = 0; i < 100; i++) {
		const struct weir_batch *batch = batch_random_next(&random, &maker);

		weir_fold_batch(live, batch);
		weir_fold_batch(follower, batch);
	}
	digests_equal(live, follower);
	batch_maker_fini(&maker);
	weir_fold_destroy(live);
	weir_fold_destroy(follower);
}

static void a_flip_in_any_byte_is_noticed_and_leaves_an_empty_fold(void **state)
{
	struct batch_random random = { .state = 4, .now_ns = T0, .step_ns = 1000000, .names = 3 };
	struct batch_maker maker = { 0 };
	struct weir_fold *live = fold_make(7), *damaged = fold_make(7), *empty = fold_make(7);
	struct weir_buf bytes;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		weir_fold_batch(live, batch_random_next(&random, &maker));
	}
	weir_buf_init(&bytes, 0);
	assert_int_equal(weir_fold_cut(live, true, &bytes), 0);
	for (size_t i = 0; i < bytes.length; i++) {
		bytes.data[i] = (char)(bytes.data[i] ^ (1 << i % 8));
		assert_int_equal(weir_fold_load(damaged, weir_buf_str(&bytes)), -EBADMSG);
		bytes.data[i] = (char)(bytes.data[i] ^ (1 << i % 8));
	}
	digests_equal(damaged, empty);
	for (size_t length = 0; length < bytes.length; length += 7) {
		assert_int_equal(weir_fold_load(damaged, weir_str_make(bytes.data, length)), -EBADMSG);
	}
	assert_int_equal(weir_fold_load(damaged, weir_buf_str(&bytes)), 0);
	digests_equal(damaged, live);
	weir_buf_fini(&bytes);
	batch_maker_fini(&maker);
	weir_fold_destroy(live);
	weir_fold_destroy(damaged);
	weir_fold_destroy(empty);
}

static void a_delta_applies_to_the_cut_before_it_and_to_no_other(void **state)
{
	struct batch_random random = { .state = 4, .now_ns = T0, .step_ns = 1000000, .names = 3 };
	struct batch_maker maker = { 0 };
	struct weir_fold *live = fold_make(7), *follower = fold_make(7);
	struct weir_buf bytes[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		weir_fold_batch(live, batch_random_next(&random, &maker));
		weir_buf_init(&bytes[i], 0);
		assert_int_equal(weir_fold_cut(live, false, &bytes[i]), 0);
	}
	assert_int_equal(weir_fold_load(follower, weir_buf_str(&bytes[0])), 0);
	assert_int_equal(weir_fold_load(follower, weir_buf_str(&bytes[2])), -EBADMSG);
	assert_int_equal(weir_fold_load(follower, weir_buf_str(&bytes[1])), -EBADMSG);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(weir_fold_load(follower, weir_buf_str(&bytes[i])), 0);
		weir_buf_fini(&bytes[i]);
	}
	digests_equal(live, follower);
	batch_maker_fini(&maker);
	weir_fold_destroy(live);
	weir_fold_destroy(follower);
}

static void a_reset_is_cut_as_an_image(void **state)
{
	struct batch_random random = { .state = 4, .now_ns = T0, .step_ns = 1000000, .names = 3 };
	struct batch_maker maker = { 0 };
	struct weir_fold *live = fold_make(7), *follower = fold_make(7);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		weir_fold_batch(live, batch_random_next(&random, &maker));
	}
	cut_and_load(live, follower, false);
	weir_fold_reset_counters(live, T0 + 99);
	weir_fold_batch(live, batch_random_next(&random, &maker));
	cut_and_load(live, follower, false);
	digests_equal(live, follower);
	assert_false(weir_fold_wants_image(live));
	batch_maker_fini(&maker);
	weir_fold_destroy(live);
	weir_fold_destroy(follower);
}

static void many_deltas_ask_for_an_image(void **state)
{
	struct weir_fold *live = fold_make(7);
	struct weir_buf bytes;

	(void)state;
	weir_buf_init(&bytes, 0);
	for (unsigned i = 0; i < 512; i++) {
		assert_false(weir_fold_wants_image(live));
		weir_buf_clear(&bytes);
		assert_int_equal(weir_fold_cut(live, false, &bytes), 0);
	}
	assert_true(weir_fold_wants_image(live));
	assert_int_equal(weir_fold_cut(live, true, &bytes), 0);
	assert_false(weir_fold_wants_image(live));
	weir_buf_fini(&bytes);
	weir_fold_destroy(live);
}

static void file_load(struct weir_fold *fold, const char *name)
{
	const char *folder = getenv("WEIR_GOLDEN");
	char path[512], bytes[65536];
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

/* Written by the first version: an image and the delta after it. */
static void version_1_is_read_and_goes_on_as_this_version(void **state)
{
	struct batch_random random = { .state = 12, .now_ns = T0 + 5000000, .step_ns = 1000000, .names = 3 };
	struct weir_fold *old = fold_make(7), *follower = fold_make(7);
	const struct weir_snapshot *snapshot;
	struct batch_maker maker = { 0 };

	(void)state;
	file_load(old, "v1-image.bin");
	file_load(old, "v1-delta.bin");
	assert_int_equal(weir_snapshot_make(old, 7, 0, 0, &snapshot), 0);
	assert_int_equal(snapshot->series_total, 0); /* its metrics were fixed ones: they begin anew */
	assert_int_equal(snapshot->edge_count, 33);
	assert_int_equal(snapshot->ledger_count, 6);
	assert_true(weir_str_is(snapshot->ledger[3].source, "source-1"));
	assert_int_equal(snapshot->ledger[3].received, 18);
	assert_int_equal(snapshot->ledger[3].kept, 16);
	assert_int_equal(snapshot->ledger[3].dropped[WEIR_DROP_INVALID], 2);
	assert_int_equal(snapshot->ledger[3].last_ns, T0 + 2784483);
	weir_snapshot_let_go(snapshot);
	assert_true(weir_ledger_closes(&old->ledger));
	cut_and_load(old, follower, true);
	digests_equal(old, follower);
	for (unsigned i = 0; i < 50; i++) {
		const struct weir_batch *batch = batch_random_next(&random, &maker);

		weir_fold_batch(old, batch);
		weir_fold_batch(follower, batch);
	}
	cut_and_load(old, follower, true);
	digests_equal(old, follower);
	batch_maker_fini(&maker);
	weir_fold_destroy(old);
	weir_fold_destroy(follower);
}

/* A delta of `orders`, and what the proxy orders-v1 says of its requests. */
static void points_fold(struct weir_fold *fold, int64_t n, uint64_t now_ns)
{
	static const char *const names[2] = { "orders", "istio_requests_total" };
	struct batch_maker maker = { 0 };

	batch_maker_begin(&maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_METRIC_POINT, "orders", now_ns);
	batch_maker_resource(&maker, "orders");
	((struct weir_resource *)maker.resources.data)->proxy = batch_maker_text(&maker, "orders-v1.default");
	for (unsigned i = 0; i < 2; i++) {
		uint32_t instrument = batch_maker_instrument(&maker, names[i], WEIR_INSTRUMENT_SUM,
			i == 0 ? WEIR_TEMPORALITY_DELTA : WEIR_TEMPORALITY_CUMULATIVE);
		struct weir_point *point;

		batch_maker_instrument_row(&maker, instrument)->naming =
			i == 0 ? WEIR_NAMING_OTEL : WEIR_NAMING_VERBATIM;
		point = batch_maker_point(&maker, instrument);
		point->flags = WEIR_POINT_IS_INT;
		point->start_ns = T0;
		point->time_ns = T0 + 100u * (uint64_t)n;
		point->value.integer = n;
		point->attr_first = maker.attrs.count;
		point->attr_count = i;
		if (i == 1) {
			batch_maker_tag(&maker, "reporter", "source");
		}
	}
	assert_int_equal(weir_fold_batch(fold, batch_maker_finish(&maker)), 0);
	batch_maker_fini(&maker);
}

static int64_t total_of(const struct weir_fold *fold, const char *family)
{
	const struct weir_snapshot *snapshot;
	int64_t sum = 0;

	assert_int_equal(weir_snapshot_make(fold, WEIR_SNAPSHOT_POINTS, 0, 0, &snapshot), 0);
	for (uint32_t i = 0; i < snapshot->family_count; i++) {
		if (weir_str_is(snapshot->families[i].name, family)) {
			sum += snapshot->families[i].points[0].whole;
		}
	}
	weir_snapshot_let_go(snapshot);
	return sum;
}

/* Its rows of proxies do not say what was heard when, its delta streams remember their last time only. */
static void version_2_is_read_and_goes_on_as_this_version(void **state)
{
	struct weir_fold *old = fold_make(7), *follower = fold_make(7);

	(void)state;
	file_load(old, "v2-image.bin");
	assert_int_equal(total_of(old, "orders_total"), 5);
	file_load(old, "v2-delta.bin");
	assert_int_equal(total_of(old, "orders_total"), 12);
	assert_int_equal(total_of(old, "istio_requests_total"), 7);
	assert_int_equal(old->points.count, 36);
	assert_int_equal(old->owners.slots.count, 32);
	cut_and_load(old, follower, true);
	digests_equal(old, follower);
	points_fold(old, 6, T0 + 1000); /* before what it remembers */
	points_fold(old, 9, T0 + 1001);
	points_fold(old, 8, T0 + 1002); /* in any order from here on */
	assert_int_equal(total_of(old, "orders_total"), 12 + 9 + 8);
	assert_int_equal(total_of(old, "istio_requests_total"), 9); /* they own as they did */
	cut_and_load(old, follower, true);
	digests_equal(old, follower);
	weir_fold_destroy(old);
	weir_fold_destroy(follower);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deltas_after_images_follow_the_live_fold),
		cmocka_unit_test(a_restart_between_any_two_batches_changes_nothing),
		cmocka_unit_test(overflow_survives_a_restart),
		cmocka_unit_test(a_flip_in_any_byte_is_noticed_and_leaves_an_empty_fold),
		cmocka_unit_test(a_delta_applies_to_the_cut_before_it_and_to_no_other),
		cmocka_unit_test(a_reset_is_cut_as_an_image),
		cmocka_unit_test(many_deltas_ask_for_an_image),
		cmocka_unit_test(version_1_is_read_and_goes_on_as_this_version),
		cmocka_unit_test(version_2_is_read_and_goes_on_as_this_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
