/* test_grpc_limits: what is open at most, and for how long. The server's clock
 * can be put forward. */
#include "serve/grpc.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/stat.h"
#include "grpc_client.h"

#define ECHO "/weir.test.Test/Echo"
#define STREAM "/weir.test.Test/Stream"
#define CONNECTIONS 4u
#define CALLS (4 * CONNECTIONS)

static _Atomic uint64_t ahead_ns;

uint64_t __real_weir_clock_monotonic_ns(void);
uint64_t __wrap_weir_clock_monotonic_ns(void);

uint64_t __wrap_weir_clock_monotonic_ns(void)
{
	return __real_weir_clock_monotonic_ns() + atomic_load(&ahead_ns);
}

struct fixture {
	struct weir_grpc *grpc;
	grpc_channel *channel, *other;
	sem_t happened;
	atomic_uint opened, closed;
};

static void echo(void *ctx, const struct weir_grpc_peer *peer, struct weir_str message, struct weir_grpc_answer *answer)
{
	(void)ctx;
	(void)peer;
	weir_buf_add_str(&answer->body, message);
}

static int stream_open(void *ctx, const struct weir_grpc_peer *peer, void **ret_stream)
{
	struct fixture *fixture = ctx;

	(void)peer;
	*ret_stream = fixture;
	atomic_fetch_add(&fixture->opened, 1);
	sem_post(&fixture->happened);
	return 0;
}

static int stream_message(void *ctx, void *stream, struct weir_str message, struct weir_grpc_answer *answer)
{
	(void)ctx;
	(void)stream;
	(void)message;
	(void)answer;
	return 0;
}

static void stream_end(void *ctx, void *stream, struct weir_grpc_answer *answer)
{
	(void)ctx;
	(void)stream;
	(void)answer;
}

static void stream_close(void *ctx, void *stream)
{
	struct fixture *fixture = ctx;

	(void)stream;
	atomic_fetch_add(&fixture->closed, 1);
	sem_post(&fixture->happened);
}

static const struct weir_grpc_stream_fns stream_fns = { stream_open, stream_message, stream_end, stream_close };

static void wait_for(struct fixture *fixture, atomic_uint *what, unsigned count)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	while (atomic_load(what) < count) {
		assert_int_equal(sem_timedwait(&fixture->happened, &until), 0);
	}
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	const char *address = "127.0.0.1:0";
	struct weir_grpc_method methods[2] = { { .path = ECHO, .unary = echo, .ctx = fixture },
		{ .path = STREAM, .stream = &stream_fns, .ctx = fixture } };
	struct weir_grpc_opts opts = { .addresses = &address,
		.address_count = 1,
		.methods = methods,
		.method_count = 2,
		.max_message_bytes = 100000,
		.max_connections = CONNECTIONS,
		.max_streams = CALLS,
		.max_metadata_bytes = 16384 };

	grpc_init();
	sem_init(&fixture->happened, 0, 0);
	assert_int_equal(weir_grpc_open(&opts, &fixture->grpc), 0);
	assert_int_equal(weir_grpc_start(fixture->grpc), 0);
	fixture->channel = client_channel(weir_grpc_address(fixture->grpc, 0), false);
	fixture->other = client_channel(weir_grpc_address(fixture->grpc, 0), false);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	grpc_channel_destroy(fixture->channel);
	grpc_channel_destroy(fixture->other);
	weir_grpc_stop(fixture->grpc, 0);
	weir_grpc_close(fixture->grpc);
	sem_destroy(&fixture->happened);
	free(fixture);
	grpc_shutdown_blocking();
	return 0;
}

static void only_so_many_calls_are_open_at_once(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before = weir_stat_get(WEIR_STAT_CALL_SHED);
	struct client_stream *streams[CALLS];
	struct client_result result;

	for (unsigned i = 0; i < CALLS; i++) {
		streams[i] = client_stream_open(fixture->channel, STREAM);
	}
	wait_for(fixture, &fixture->opened, CALLS);
	result = client_unary(fixture->other, ECHO, "x", 1, CLIENT_WAIT_MS);
	assert_int_equal(result.code, WEIR_GRPC_RESOURCE_EXHAUSTED);
	assert_true(result.details_length > 0); /* RetryInfo */
	assert_int_equal(weir_stat_get(WEIR_STAT_CALL_SHED), before + 1);

	client_stream_half_close(streams[0]);
	assert_int_equal(client_stream_result(streams[0], CLIENT_WAIT_MS).code, 0);
	wait_for(fixture, &fixture->closed, 1);
	do { /* the context goes behind its stream */
		result = client_unary(fixture->other, ECHO, "x", 1, CLIENT_WAIT_MS);
	} while (result.code == WEIR_GRPC_RESOURCE_EXHAUSTED);
	assert_int_equal(result.code, 0);
	for (unsigned i = 0; i < CALLS; i++) {
		client_stream_free(streams[i]);
	}
}

static void unary_calls_without_their_message_count_as_open(void **state)
{
	struct fixture *fixture = *state;
	struct client_stream *calls[CALLS];
	struct client_result result;

	for (unsigned i = 0; i < CALLS; i++) {
		calls[i] = client_stream_open(fixture->channel, ECHO);
	}
	do { /* until all of them have arrived */
		result = client_unary(fixture->other, ECHO, "x", 1, CLIENT_WAIT_MS);
	} while (result.code == 0);
	assert_int_equal(result.code, WEIR_GRPC_RESOURCE_EXHAUSTED);
	for (unsigned i = 0; i < CALLS; i++) {
		client_stream_free(calls[i]); /* cancelled: each gives its place back */
	}
	do {
		result = client_unary(fixture->other, ECHO, "x", 1, CLIENT_WAIT_MS);
	} while (result.code == WEIR_GRPC_RESOURCE_EXHAUSTED);
	assert_int_equal(result.code, 0);
}

static void unary_call_that_sends_nothing_is_cut_in_the_end(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before = weir_stat_get(WEIR_STAT_CALL_CUT_NOT_SENT);
	struct client_stream *call = client_stream_open(fixture->channel, ECHO);
	struct client_stream *stream = client_stream_open(fixture->channel, STREAM);
	struct client_result result = { .code = -1 };

	wait_for(fixture, &fixture->opened, 1);
	assert_int_equal(client_unary(fixture->channel, ECHO, "x", 1, CLIENT_WAIT_MS).code, 0);
	assert_int_equal(weir_stat_get(WEIR_STAT_CALL_CUT_NOT_SENT), before);
	for (unsigned i = 0; i < 100 && result.code == -1; i++) { /* it may arrive behind the first step */
		atomic_fetch_add(&ahead_ns, UINT64_C(61000000000));
		result = client_stream_result(call, 1000);
	}
	assert_int_not_equal(result.code, -1);
	assert_int_not_equal(result.code, 0);
	assert_int_equal(weir_stat_get(WEIR_STAT_CALL_CUT_NOT_SENT), before + 1);
	assert_true(client_stream_write(stream, "entry", 5, CLIENT_WAIT_MS)); /* a stream has all the time */
	client_stream_half_close(stream);
	assert_int_equal(client_stream_result(stream, CLIENT_WAIT_MS).code, 0);
	client_stream_free(stream);
	client_stream_free(call);
}

static void unary_call_without_a_message_is_answered(void **state)
{
	struct fixture *fixture = *state;
	struct client_stream *call = client_stream_open(fixture->channel, ECHO);

	client_stream_half_close(call);
	assert_int_equal(client_stream_result(call, CLIENT_WAIT_MS).code, WEIR_GRPC_INTERNAL);
	client_stream_free(call);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(only_so_many_calls_are_open_at_once),
		WITH_SERVER(unary_calls_without_their_message_count_as_open),
		WITH_SERVER(unary_call_that_sends_nothing_is_cut_in_the_end),
		WITH_SERVER(unary_call_without_a_message_is_answered),
	};

	return cmocka_run_group_tests_name("grpc_limits", tests, NULL, NULL);
}
