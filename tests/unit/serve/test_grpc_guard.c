/* test_grpc_guard: what is let through, in whatever pieces it comes, and what is not. */
#include "serve/grpc_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/stat.h"

#define SECOND UINT64_C(1000000000)
#define STREAMS 10u
#define METADATA 1024u /* 64 KiB are the least that a block may have */

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING = 6, WINDOW_UPDATE = 8, CONTINUATION, UNKNOWN };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static void frame(struct weir_buf *out, uint8_t kind, uint8_t flags, size_t length)
{
	const char head[9] = { (char)(length >> 16), (char)(length >> 8), (char)length, (char)kind, (char)flags, 0, 0,
		0, 1 };

	weir_buf_add(out, head, sizeof(head));
	for (size_t i = 0; i < length; i++) {
		weir_buf_add_char(out, (char)kind); /* looks like heads of frames if the lengths are lost */
	}
}

static bool look_frames(
	struct weir_grpc_guard *guard, uint8_t kind, uint8_t flags, size_t length, size_t count, uint64_t now_ns)
{
	struct weir_buf out = { 0 };
	bool is_good = true;

	for (size_t i = 0; i < count && is_good; i++) {
		weir_buf_clear(&out);
		frame(&out, kind, flags, length);
		is_good = weir_grpc_guard_look(guard, out.data, out.length, now_ns);
	}
	weir_buf_fini(&out);
	return is_good;
}

static struct weir_grpc_guard begun(uint64_t now_ns)
{
	struct weir_grpc_guard guard = { 0 };

	weir_grpc_guard_settle(METADATA, STREAMS);
	assert_true(weir_grpc_guard_look(&guard, preface, sizeof(preface) - 1, now_ns));
	return guard;
}

static void usual_traffic_passes_in_pieces_of_every_size(void **state)
{
	struct weir_buf out = { 0 };

	(void)state;
	weir_buf_add(&out, preface, sizeof(preface) - 1);
	frame(&out, SETTINGS, 0, 18);
	frame(&out, WINDOW_UPDATE, 0, 4);
	for (int i = 0; i < 30; i++) {
		frame(&out, HEADERS, 0, 300);
		frame(&out, CONTINUATION, 0, 0);
		frame(&out, CONTINUATION, END_HEADERS, 5);
		frame(&out, DATA, 0, 700);
		frame(&out, DATA, END_STREAM, 0);
		frame(&out, PING, i % 2 ? ACK : 0, 8);
	}
	for (size_t piece = 1; piece < 60; piece++) {
		struct weir_grpc_guard guard = { 0 };

		weir_grpc_guard_settle(METADATA, STREAMS);
		for (size_t at = 0; at < out.length; at += piece) {
			size_t more = out.length - at < piece ? out.length - at : piece;

			assert_true(weir_grpc_guard_look(&guard, out.data + at, more, SECOND));
		}
		/* and it has kept its place: what is too much now is seen */
		assert_false(look_frames(&guard, CONTINUATION, 0, 16384, 5, SECOND));
	}
	weir_buf_fini(&out);
}

static void what_is_no_http2_is_not_looked_at(void **state)
{
	struct weir_grpc_guard guard = { 0 };

	(void)state;
	assert_true(weir_grpc_guard_look(&guard, "PRI * HTTP/2.0\r\n\r\nXX", 20, SECOND));
	assert_true(look_frames(&guard, RST_STREAM, 0, 4, 100000, SECOND));
	guard = (struct weir_grpc_guard){ 0 };
	assert_true(weir_grpc_guard_look(&guard, "\x16\x03\x01", 3, SECOND)); /* TLS */
	assert_true(look_frames(&guard, CONTINUATION, 0, 16384, 100, SECOND));
}

static void header_block_has_an_end(void **state)
{
	struct weir_grpc_guard guard = begun(SECOND);
	uint64_t before = weir_stat_get(WEIR_STAT_HTTP2_REFUSED_HEADERS);

	(void)state;
	assert_true(look_frames(&guard, HEADERS, 0, 16384, 1, SECOND));
	assert_true(look_frames(&guard, CONTINUATION, 0, 16384, 3, SECOND)); /* 64 KiB */
	assert_false(look_frames(&guard, CONTINUATION, END_HEADERS, 1, 1, SECOND));
	assert_false(look_frames(&guard, DATA, 0, 100, 1, SECOND)); /* it stays refused */
	assert_int_equal(weir_stat_get(WEIR_STAT_HTTP2_REFUSED_HEADERS), before + 1);
}

static void empty_continuations_are_counted_too(void **state)
{
	struct weir_grpc_guard guard = begun(SECOND);

	(void)state;
	assert_true(look_frames(&guard, HEADERS, 0, 100, 1, SECOND));
	assert_true(look_frames(&guard, CONTINUATION, 0, 0, 31, SECOND));
	assert_false(look_frames(&guard, CONTINUATION, 0, 0, 1, SECOND));
}

static void blocks_one_behind_the_other_are_each_their_own(void **state)
{
	struct weir_grpc_guard guard = begun(SECOND);

	(void)state;
	assert_true(look_frames(&guard, HEADERS, END_HEADERS, 16384, 1000, SECOND));
}

static void larger_metadata_allow_larger_blocks(void **state)
{
	struct weir_grpc_guard guard = begun(SECOND);

	(void)state;
	weir_grpc_guard_settle(1u << 20, STREAMS);
	assert_true(look_frames(&guard, HEADERS, 0, 16384, 1, SECOND));
	assert_true(look_frames(&guard, CONTINUATION, 0, 16384, 255, SECOND)); /* 4 MiB */
	assert_false(look_frames(&guard, CONTINUATION, 0, 1, 1, SECOND));
}

static void resets_are_allowed_twice_the_streams_at_once_and_then_by_time(void **state)
{
	uint64_t now_ns = 1000 * SECOND;
	struct weir_grpc_guard guard = begun(now_ns);
	uint64_t before = weir_stat_get(WEIR_STAT_HTTP2_REFUSED_RESETS);

	(void)state;
	assert_true(look_frames(&guard, RST_STREAM, 0, 4, 2 * STREAMS, now_ns));
	for (int i = 0; i < 100; i++) { /* as many as there may be streams, each second */
		now_ns += SECOND;
		assert_true(look_frames(&guard, RST_STREAM, 0, 4, STREAMS, now_ns));
	}
	assert_false(look_frames(&guard, RST_STREAM, 0, 4, 1, now_ns));
	assert_int_equal(weir_stat_get(WEIR_STAT_HTTP2_REFUSED_RESETS), before + 1);
}

static void long_silence_forgives_all(void **state)
{
	uint64_t now_ns = 2000 * SECOND;
	struct weir_grpc_guard guard = begun(now_ns);

	(void)state;
	assert_true(look_frames(&guard, RST_STREAM, 0, 4, 2 * STREAMS, now_ns));
	now_ns += 400ull * 86400 * SECOND;
	assert_true(look_frames(&guard, RST_STREAM, 0, 4, 2 * STREAMS, now_ns));
	assert_false(look_frames(&guard, RST_STREAM, 0, 4, 1, now_ns));
}

static void all_connections_together_may_not_reset_too_often(void **state)
{
	uint64_t now_ns = 500ull * 86400 * SECOND;
	unsigned refused = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) { /* each within its own bounds: 20,000 at one moment */
		struct weir_grpc_guard guard = begun(now_ns);

		refused += !look_frames(&guard, RST_STREAM, 0, 4, 2 * STREAMS, now_ns);
	}
	assert_int_equal(refused, 800);       /* 4,000 are let through */
	for (unsigned i = 0; i < 1000; i++) { /* who resets a little is let through even then */
		struct weir_grpc_guard guard = begun(now_ns);

		assert_true(look_frames(&guard, RST_STREAM, 0, 4, 16, now_ns));
	}
}

static void control_frames_are_bounded_and_answers_to_ours_are_not(void **state)
{
	static const uint8_t kinds[] = { PING, SETTINGS, PRIORITY, UNKNOWN };
	uint64_t before = weir_stat_get(WEIR_STAT_HTTP2_REFUSED_CONTROL);

	(void)state;
	for (size_t i = 0; i < sizeof(kinds); i++) {
		struct weir_grpc_guard guard = begun(SECOND);

		assert_true(look_frames(&guard, kinds[i], 0, 6, 1000, SECOND));
		assert_false(look_frames(&guard, kinds[i], 0, 6, 1, SECOND));
	}
	assert_int_equal(weir_stat_get(WEIR_STAT_HTTP2_REFUSED_CONTROL), before + sizeof(kinds));
	for (size_t i = 0; i < 2; i++) {
		struct weir_grpc_guard guard = begun(SECOND);

		assert_true(look_frames(&guard, kinds[i], ACK, 0, 100000, SECOND));
	}
}

static void crumbs_are_bounded_and_ends_of_streams_are_not(void **state)
{
	struct weir_grpc_guard guard = begun(SECOND);

	(void)state;
	assert_true(look_frames(&guard, DATA, END_STREAM, 0, 50000, SECOND));
	assert_true(look_frames(&guard, DATA, 0, 32, 50000, SECOND));
	assert_true(look_frames(&guard, DATA, 0, 31, 20000, SECOND));
	assert_true(look_frames(&guard, DATA, 0, 0, 2000, 2 * SECOND));
	assert_false(look_frames(&guard, DATA, 0, 0, 1, 2 * SECOND));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usual_traffic_passes_in_pieces_of_every_size),
		cmocka_unit_test(what_is_no_http2_is_not_looked_at),
		cmocka_unit_test(header_block_has_an_end),
		cmocka_unit_test(empty_continuations_are_counted_too),
		cmocka_unit_test(blocks_one_behind_the_other_are_each_their_own),
		cmocka_unit_test(larger_metadata_allow_larger_blocks),
		cmocka_unit_test(resets_are_allowed_twice_the_streams_at_once_and_then_by_time),
		cmocka_unit_test(long_silence_forgives_all),
		cmocka_unit_test(all_connections_together_may_not_reset_too_often),
		cmocka_unit_test(control_frames_are_bounded_and_answers_to_ours_are_not),
		cmocka_unit_test(crumbs_are_bounded_and_ends_of_streams_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
