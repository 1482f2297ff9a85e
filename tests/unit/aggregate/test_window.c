/* test_window: windows pass from the fold to the writer while readers hold them. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/window.h"
#include "support/batch_maker.h"

static struct batch_maker maker;

static void add(struct weir_windows *windows, uint64_t begin, uint64_t end)
{
	struct weir_ring_entry entry = { .batch = maker.made, .begin = begin, .end = end };

	assert_int_equal(weir_windows_add(windows, &entry, true), 0);
}

static struct weir_windows *windows_make(void)
{
	struct weir_windows *windows;

	assert_int_equal(weir_windows_create(7, &windows), 0);
	return windows;
}

static int batch_make(void **state)
{
	(void)state;
	batch_maker_begin(&maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_SPAN, "s", 1234);
	batch_maker_span(&maker);
	batch_maker_span(&maker);
	batch_maker_finish(&maker);
	return 0;
}

static int batch_drop(void **state)
{
	(void)state;
	batch_maker_fini(&maker);
	return 0;
}

static void a_window_lists_its_batches_and_passes_to_the_writer(void **state)
{
	struct weir_windows *windows = windows_make();
	struct weir_window *window;

	(void)state;
	assert_null(weir_windows_open_one(windows));
	assert_null(weir_windows_take(windows, 0));
	add(windows, 100, 200);
	add(windows, 200, 300);
	window = weir_windows_open_one(windows);
	assert_int_equal(window->number, 7);
	assert_int_equal(window->begin, 100);
	assert_int_equal(window->end, 300);
	assert_int_equal(window->span_count, 4);
	assert_int_equal(window->opened_ns, 1234);
	assert_null(weir_windows_take(windows, 0)); /* still open */
	weir_windows_seal(windows);
	assert_int_equal(weir_windows_sealed(windows), 1);
	assert_ptr_equal(weir_windows_take(windows, 0), window);
	assert_int_equal(weir_windows_sealed(windows), 0);
	assert_int_equal(weir_windows_stored(windows, window), 300);
	weir_windows_destroy(windows);
}

static void detail_that_is_not_kept_moves_the_position_only(void **state)
{
	struct weir_windows *windows = windows_make();
	struct weir_ring_entry entry = { .batch = maker.made, .begin = 5, .end = 9 };

	(void)state;
	assert_int_equal(weir_windows_add(windows, &entry, false), 0);
	entry = (struct weir_ring_entry){ .batch = NULL, .begin = 9, .end = 20 };
	assert_int_equal(weir_windows_add(windows, &entry, true), 0);
	assert_int_equal(weir_windows_open_one(windows)->batch_count, 0);
	assert_int_equal(weir_windows_open_one(windows)->end, 20);
	weir_windows_destroy(windows);
}

static void a_held_window_keeps_the_ring_but_not_the_writer(void **state)
{
	struct weir_windows *windows = windows_make();
	struct weir_window_view views[WEIR_WINDOW_VIEWS];
	struct weir_window *window;

	(void)state;
	add(windows, 0, 100);
	assert_int_equal(weir_windows_hold(windows, views), 1);
	assert_int_equal(views[0].batch_count, 1);
	add(windows, 100, 150);
	assert_int_equal(views[0].batch_count, 1); /* as it was when asked */
	weir_windows_seal(windows);
	window = weir_windows_take(windows, 0);
	assert_int_equal(weir_windows_stored(windows, window), 0);
	add(windows, 150, 300);
	weir_windows_seal(windows);
	window = weir_windows_take(windows, 0);
	assert_int_equal(weir_windows_stored(windows, window), 0);
	assert_ptr_equal(views[0].window->batches[0], maker.made); /* still whole */
	assert_int_equal(weir_windows_releasable(windows), 0);
	weir_windows_let_go(windows, views, 1);
	assert_int_equal(weir_windows_releasable(windows), 300);
	weir_windows_destroy(windows);
}

static void release_stops_at_the_oldest_window_that_is_listed(void **state)
{
	struct weir_windows *windows = windows_make();
	struct weir_window *first, *second;

	(void)state;
	add(windows, 0, 100);
	weir_windows_seal(windows);
	add(windows, 100, 200);
	weir_windows_seal(windows);
	first = weir_windows_take(windows, 0);
	second = weir_windows_take(windows, 0);
	assert_int_equal(weir_windows_stored(windows, second), 0);
	assert_int_equal(weir_windows_stored(windows, first), 200);
	weir_windows_destroy(windows);
}

static void readers_see_sealed_taken_and_open_windows_in_order(void **state)
{
	struct weir_windows *windows = windows_make();
	struct weir_window_view views[WEIR_WINDOW_VIEWS];

	(void)state;
	for (uint64_t i = 0; i < WEIR_WINDOWS_SEALED; i++) {
		add(windows, i * 10, i * 10 + 10);
		weir_windows_seal(windows);
	}
	assert_int_equal(weir_windows_sealed(windows), WEIR_WINDOWS_SEALED);
	assert_non_null(weir_windows_take(windows, 0));
	add(windows, 40, 50);
	assert_int_equal(weir_windows_hold(windows, views), WEIR_WINDOWS_SEALED + 1);
	for (uint32_t i = 0; i <= WEIR_WINDOWS_SEALED; i++) {
		assert_int_equal(views[i].window->number, 7 + i);
	}
	weir_windows_let_go(windows, views, WEIR_WINDOWS_SEALED + 1);
	weir_windows_destroy(windows);
}

static void *writer(void *arg)
{
	struct weir_windows *windows = arg;
	struct weir_window *window;

	while ((window = weir_windows_take(windows, -1)) != NULL) {
		weir_windows_stored(windows, window);
	}
	return NULL;
}

static void *reader(void *arg)
{
	struct weir_windows *windows = arg;
	struct weir_window_view views[WEIR_WINDOW_VIEWS];

	for (unsigned i = 0; i < 2000; i++) {
		uint32_t count = weir_windows_hold(windows, views);

		for (uint32_t k = 0; k < count; k++) {
			for (uint32_t b = 0; b < views[k].batch_count; b++) {
				assert_ptr_equal(views[k].window->batches[b], maker.made);
			}
		}
		weir_windows_let_go(windows, views, count);
	}
	return NULL;
}

static void a_full_list_makes_the_seal_wait_for_the_writer(void **state)
{
	struct weir_windows *windows = windows_make();
	pthread_t threads[2];

	(void)state;
	pthread_create(&threads[0], NULL, writer, windows);
	pthread_create(&threads[1], NULL, reader, windows);
	for (uint64_t i = 0; i < 2000; i++) {
		add(windows, i * 10, i * 10 + 5);
		add(windows, i * 10 + 5, i * 10 + 10);
		weir_windows_seal(windows);
	}
	weir_windows_stop(windows);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_int_equal(weir_windows_sealed(windows), 0);
	assert_int_equal(weir_windows_releasable(windows), 20000);
	weir_windows_destroy(windows);
}

static void stop_lets_the_writer_finish_what_is_sealed(void **state)
{
	struct weir_windows *windows = windows_make();
	struct weir_window *window;

	(void)state;
	add(windows, 0, 10);
	weir_windows_seal(windows);
	weir_windows_stop(windows);
	window = weir_windows_take(windows, -1);
	assert_non_null(window);
	weir_windows_stored(windows, window);
	assert_null(weir_windows_take(windows, -1));
	weir_windows_destroy(windows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_lists_its_batches_and_passes_to_the_writer),
		cmocka_unit_test(detail_that_is_not_kept_moves_the_position_only),
		cmocka_unit_test(a_held_window_keeps_the_ring_but_not_the_writer),
		cmocka_unit_test(release_stops_at_the_oldest_window_that_is_listed),
		cmocka_unit_test(readers_see_sealed_taken_and_open_windows_in_order),
		cmocka_unit_test(a_full_list_makes_the_seal_wait_for_the_writer),
		cmocka_unit_test(stop_lets_the_writer_finish_what_is_sealed),
	};

	return cmocka_run_group_tests(tests, batch_make, batch_drop);
}
