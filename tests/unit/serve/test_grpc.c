/* test_grpc: the gRPC listener against a real client, over loopback. */
#include "serve/grpc.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/stat.h"
#include "google/protobuf/any.pb-c.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "grpc_client.h"

#define ECHO "/weir.test.Test/Echo"
#define STREAM "/weir.test.Test/Stream"
#define MAX_MESSAGE 100000u

struct fixture {
	struct weir_grpc *grpc;
	struct weir_ack *ack;
	grpc_channel *channel;
	sem_t happened;         /* posted by the stream's functions */
	atomic_bool is_holding; /* answer HOLD */
	atomic_int opened, taken, held, ended, closed;
	size_t last_length;
	char peer[128];
};

static void echo(void *ctx, const struct weir_grpc_peer *peer, struct weir_str message, struct weir_grpc_answer *answer)
{
	struct fixture *fixture = ctx;

	snprintf(fixture->peer, sizeof(fixture->peer), "%.*s", (int)peer->address.length, peer->address.data);
	fixture->last_length = message.length;
	if (weir_str_is(message, "full")) {
		answer->code = WEIR_GRPC_RESOURCE_EXHAUSTED;
		answer->message = "the ring is full";
		answer->retry_delay_ms = 1500;
	} else if (weir_str_is(message, "bad")) {
		answer->code = WEIR_GRPC_INVALID_ARGUMENT;
		answer->message = "not a message";
	} else {
		answer->park_position = weir_str_is(message, "park") ? 100 : 0;
		weir_buf_add_str(&answer->body, message.length < 4000 ? message : weir_str_of("long"));
		sem_post(&fixture->happened);
	}
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
	struct fixture *fixture = ctx;

	assert_ptr_equal(stream, fixture);
	if (weir_str_is(message, "bad")) {
		answer->code = WEIR_GRPC_INVALID_ARGUMENT;
		answer->message = "not an entry";
		return 0;
	}
	if (atomic_load(&fixture->is_holding)) {
		if (atomic_fetch_add(&fixture->held, 1) == 0) {
			sem_post(&fixture->happened);
		}
		return WEIR_GRPC_HOLD;
	}
	atomic_fetch_add(&fixture->taken, 1);
	sem_post(&fixture->happened);
	return 0;
}

static void stream_end(void *ctx, void *stream, struct weir_grpc_answer *answer)
{
	struct fixture *fixture = ctx;

	(void)stream;
	atomic_fetch_add(&fixture->ended, 1);
	weir_buf_addf(&answer->body, "taken %d", atomic_load(&fixture->taken));
}

static void stream_close(void *ctx, void *stream)
{
	struct fixture *fixture = ctx;

	(void)stream;
	atomic_fetch_add(&fixture->closed, 1);
	sem_post(&fixture->happened);
}

static const struct weir_grpc_stream_fns stream_fns = { stream_open, stream_message, stream_end, stream_close };

static void wait_happened(struct fixture *fixture)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	assert_int_equal(sem_timedwait(&fixture->happened, &until), 0);
}

static int open_at(struct fixture *fixture, const char *address, struct weir_grpc **ret_grpc)
{
	struct weir_grpc_method methods[2] = { { .path = ECHO, .unary = echo, .ctx = fixture },
		{ .path = STREAM, .stream = &stream_fns, .ctx = fixture } };
	struct weir_grpc_opts opts = { .addresses = &address,
		.address_count = 1,
		.methods = methods,
		.method_count = 2,
		.max_message_bytes = MAX_MESSAGE,
		.max_connections = 100,
		.max_streams = 100,
		.max_metadata_bytes = 16384,
		.ack = fixture->ack };

	return weir_grpc_open(&opts, ret_grpc);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	grpc_init();
	sem_init(&fixture->happened, 0, 0);
	assert_int_equal(weir_ack_create(1, &fixture->ack), 0);
	assert_int_equal(open_at(fixture, "127.0.0.1:0", &fixture->grpc), 0);
	assert_int_equal(weir_grpc_start(fixture->grpc), 0);
	fixture->channel = client_channel(weir_grpc_address(fixture->grpc, 0), false);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	grpc_channel_destroy(fixture->channel);
	weir_grpc_stop(fixture->grpc, 0);
	weir_grpc_close(fixture->grpc);
	weir_ack_destroy(fixture->ack);
	sem_destroy(&fixture->happened);
	free(fixture);
	grpc_shutdown_blocking();
	return 0;
}

static void port_0_becomes_a_real_one(void **state)
{
	struct fixture *fixture = *state;
	int port = 0;

	assert_int_equal(sscanf(weir_grpc_address(fixture->grpc, 0), "127.0.0.1:%d", &port), 1);
	assert_true(port > 0);
}

static void unary_call_is_answered(void **state)
{
	struct fixture *fixture = *state;
	struct client_result result = client_unary(fixture->channel, ECHO, "hello", 5, CLIENT_WAIT_MS);

	assert_int_equal(result.code, 0);
	assert_string_equal(result.body, "hello");
	wait_happened(fixture);
	assert_int_equal(strncmp(fixture->peer, "ipv4:127.0.0.1:", 15), 0);
}

static void empty_message_is_a_message(void **state)
{
	struct fixture *fixture = *state;
	struct client_result result = client_unary(fixture->channel, ECHO, "", 0, CLIENT_WAIT_MS);

	assert_int_equal(result.code, 0);
	assert_int_equal(result.body_length, 0);
}

static void message_of_many_slices_arrives_whole(void **state)
{
	struct fixture *fixture = *state;
	char *body = malloc(MAX_MESSAGE);
	struct client_result result;

	memset(body, 'x', MAX_MESSAGE);
	result = client_unary(fixture->channel, ECHO, body, MAX_MESSAGE, CLIENT_WAIT_MS);
	free(body);
	assert_int_equal(result.code, 0);
	wait_happened(fixture);
	assert_int_equal(fixture->last_length, MAX_MESSAGE);
}

static void many_calls_in_a_row_leave_none_behind(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 200; i++) {
		assert_int_equal(client_unary(fixture->channel, ECHO, "x", 1, CLIENT_WAIT_MS).code, 0);
	}
}

static void unknown_method_is_unimplemented(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before = weir_stat_get(WEIR_STAT_GRPC_CALLS_UNIMPLEMENTED);

	for (int i = 0; i < 5; i++) {
		struct client_result result =
			client_unary(fixture->channel, "/weir.test.Test/Nothing", "x", 1, CLIENT_WAIT_MS);

		assert_int_equal(result.code, WEIR_GRPC_UNIMPLEMENTED);
	}
	assert_int_equal(weir_stat_get(WEIR_STAT_GRPC_CALLS_UNIMPLEMENTED), before + 5);
}

static void too_large_a_message_is_refused_and_counted(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before = weir_stat_get(WEIR_STAT_GRPC_CALLS_EXHAUSTED);
	char *body = calloc(1, MAX_MESSAGE + 1);
	struct client_result result;

	result = client_unary(fixture->channel, ECHO, body, MAX_MESSAGE + 1, CLIENT_WAIT_MS);
	free(body);
	assert_int_equal(result.code, WEIR_GRPC_RESOURCE_EXHAUSTED);
	assert_int_equal(result.details_length, 0); /* it would be too large again */
	assert_int_equal(weir_stat_get(WEIR_STAT_GRPC_CALLS_EXHAUSTED), before + 1);
}

static void gzip_is_undone(void **state)
{
	struct fixture *fixture = *state;
	grpc_channel *channel = client_channel(weir_grpc_address(fixture->grpc, 0), true);
	char body[3000];
	struct client_result result;

	memset(body, 'y', sizeof(body));
	result = client_unary(channel, ECHO, body, sizeof(body), CLIENT_WAIT_MS);
	assert_int_equal(result.code, 0);
	assert_int_equal(result.body_length, sizeof(body));
	assert_memory_equal(result.body, body, sizeof(body));
	grpc_channel_destroy(channel);
}

static void compressed_message_counts_inflated(void **state)
{
	struct fixture *fixture = *state;
	grpc_channel *channel = client_channel(weir_grpc_address(fixture->grpc, 0), true);
	char *body = calloc(1, MAX_MESSAGE + 1); /* about a hundred bytes on the wire */

	assert_int_equal(client_unary(channel, ECHO, body, MAX_MESSAGE, CLIENT_WAIT_MS).code, 0);
	assert_int_equal(
		client_unary(channel, ECHO, body, MAX_MESSAGE + 1, CLIENT_WAIT_MS).code, WEIR_GRPC_RESOURCE_EXHAUSTED);
	free(body);
	grpc_channel_destroy(channel);
}

static void refusal_says_when_to_come_again(void **state)
{
	struct fixture *fixture = *state;
	struct client_result result = client_unary(fixture->channel, ECHO, "full", 4, CLIENT_WAIT_MS);
	Google__Rpc__Status *status = google__rpc__status__unpack(NULL, result.details_length, result.details);
	Google__Rpc__RetryInfo *info;

	assert_int_equal(result.code, WEIR_GRPC_RESOURCE_EXHAUSTED);
	assert_string_equal(result.message, "the ring is full");
	assert_non_null(status);
	assert_int_equal(status->code, WEIR_GRPC_RESOURCE_EXHAUSTED);
	assert_int_equal(status->n_details, 1);
	assert_string_equal(status->details[0]->type_url, "type.googleapis.com/google.rpc.RetryInfo");
	info = google__rpc__retry_info__unpack(NULL, status->details[0]->value.len, status->details[0]->value.data);
	assert_non_null(info);
	assert_int_equal(info->retry_delay->seconds, 1);
	assert_int_equal(info->retry_delay->nanos, 500000000);
	google__rpc__retry_info__free_unpacked(info, NULL);
	google__rpc__status__free_unpacked(status, NULL);
}

static void malformed_message_is_invalid_without_details(void **state)
{
	struct fixture *fixture = *state;
	struct client_result result = client_unary(fixture->channel, ECHO, "bad", 3, CLIENT_WAIT_MS);

	assert_int_equal(result.code, WEIR_GRPC_INVALID_ARGUMENT);
	assert_string_equal(result.message, "not a message");
	assert_int_equal(result.details_length, 0);
}

static void *park_call(void *ctx)
{
	static struct client_result result;
	struct fixture *fixture = ctx;

	result = client_unary(fixture->channel, ECHO, "park", 4, CLIENT_WAIT_MS);
	return &result;
}

static void parked_answer_waits_for_its_position(void **state)
{
	struct fixture *fixture = *state;
	struct client_result *result;
	void *returned;
	pthread_t thread;

	pthread_create(&thread, NULL, park_call, fixture);
	wait_happened(fixture);
	weir_ack_advance(fixture->ack, 99);
	/* the one place of the ack is taken, which also proves that the first is still parked: */
	for (struct client_result second = { .code = -1 }; second.code != WEIR_GRPC_RESOURCE_EXHAUSTED;) {
		second = client_unary(fixture->channel, ECHO, "park", 4, CLIENT_WAIT_MS);
		assert_int_equal(second.code, WEIR_GRPC_RESOURCE_EXHAUSTED);
		assert_true(second.details_length > 0);
	}
	weir_ack_advance(fixture->ack, 100);
	pthread_join(thread, &returned);
	result = returned;
	assert_int_equal(result->code, 0);
	assert_string_equal(result->body, "park");
}

static void cancelled_call_gives_its_place_back(void **state)
{
	struct fixture *fixture = *state;

	/* Each parks, runs out of time and must leave the single place to the next. */
	for (int i = 0; i < 3; i++) {
		struct client_result result;

		do {
			result = client_unary(fixture->channel, ECHO, "park", 4, 100);
		} while (result.code == WEIR_GRPC_RESOURCE_EXHAUSTED); /* the cancel is on its way */
		assert_int_equal(result.code, GRPC_STATUS_DEADLINE_EXCEEDED);
	}
}

static void stream_is_read_to_its_end(void **state)
{
	struct fixture *fixture = *state;
	struct client_stream *stream = client_stream_open(fixture->channel, STREAM);
	struct client_result result;

	for (int i = 0; i < 10; i++) {
		assert_true(client_stream_write(stream, "entry", 5, CLIENT_WAIT_MS));
	}
	client_stream_half_close(stream);
	result = client_stream_result(stream, CLIENT_WAIT_MS);
	assert_int_equal(result.code, 0);
	assert_string_equal(result.body, "taken 10");
	client_stream_free(stream);
	while (atomic_load(&fixture->closed) == 0) {
		wait_happened(fixture);
	}
	assert_int_equal(atomic_load(&fixture->opened), 1);
	assert_int_equal(atomic_load(&fixture->ended), 1);
}

static void stream_ends_with_the_code_a_message_sets(void **state)
{
	struct fixture *fixture = *state;
	struct client_stream *stream = client_stream_open(fixture->channel, STREAM);
	struct client_result result;

	assert_true(client_stream_write(stream, "bad", 3, CLIENT_WAIT_MS));
	result = client_stream_result(stream, CLIENT_WAIT_MS);
	assert_int_equal(result.code, WEIR_GRPC_INVALID_ARGUMENT);
	assert_string_equal(result.message, "not an entry");
	client_stream_free(stream);
	while (atomic_load(&fixture->closed) == 0) {
		wait_happened(fixture);
	}
	assert_int_equal(atomic_load(&fixture->ended), 0);
}

static void held_stream_resumes_and_loses_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct client_stream *stream = client_stream_open(fixture->channel, STREAM);
	uint64_t before = weir_stat_get(WEIR_STAT_STREAM_HELD);
	struct client_result result;

	atomic_store(&fixture->is_holding, true);
	assert_true(client_stream_write(stream, "one", 3, CLIENT_WAIT_MS));
	while (atomic_load(&fixture->held) == 0) {
		wait_happened(fixture);
	}
	assert_true(client_stream_write(stream, "two", 3, CLIENT_WAIT_MS));
	client_stream_half_close(stream);
	assert_int_equal(atomic_load(&fixture->taken), 0);
	atomic_store(&fixture->is_holding, false);
	result = client_stream_result(stream, CLIENT_WAIT_MS);
	assert_int_equal(result.code, 0);
	assert_string_equal(result.body, "taken 2");
	assert_int_equal(weir_stat_get(WEIR_STAT_STREAM_HELD), before + 1); /* once a hold, not once a try */
	client_stream_free(stream);
}

static void flow_control_stops_the_sender_of_a_held_stream(void **state)
{
	struct fixture *fixture = *state;
	struct client_stream *stream = client_stream_open(fixture->channel, STREAM);
	char *body = calloc(1, 90000);
	struct client_result result;
	int written = 0;

	atomic_store(&fixture->is_holding, true);
	while (written < 1000 && client_stream_write(stream, body, 90000, 300)) {
		written++;
	}
	assert_in_range(written, 1, 99); /* 9 MB would be far beyond any window */
	atomic_store(&fixture->is_holding, false);
	assert_true(client_stream_wait_written(stream, CLIENT_WAIT_MS));
	client_stream_half_close(stream);
	result = client_stream_result(stream, CLIENT_WAIT_MS);
	assert_int_equal(result.code, 0);
	assert_int_equal(atomic_load(&fixture->taken), written + 1);
	client_stream_free(stream);
	free(body);
}

static void cancelled_stream_is_closed_while_held(void **state)
{
	struct fixture *fixture = *state;
	struct client_stream *stream = client_stream_open(fixture->channel, STREAM);

	atomic_store(&fixture->is_holding, true);
	assert_true(client_stream_write(stream, "one", 3, CLIENT_WAIT_MS));
	while (atomic_load(&fixture->held) == 0) {
		wait_happened(fixture);
	}
	client_stream_cancel(stream);
	while (atomic_load(&fixture->closed) == 0) {
		wait_happened(fixture);
	}
	assert_int_equal(atomic_load(&fixture->ended), 0);
	assert_int_equal(atomic_load(&fixture->taken), 0);
	client_stream_free(stream);
}

static uint64_t stop_takes_ms(struct fixture *fixture, uint32_t grace_ms)
{
	uint64_t began_ns = weir_clock_monotonic_ns();

	weir_grpc_stop(fixture->grpc, grace_ms);
	return (weir_clock_monotonic_ns() - began_ns) / 1000000;
}

static void stop_ends_open_streams_with_ok(void **state)
{
	struct fixture *fixture = *state;
	struct client_stream *stream = client_stream_open(fixture->channel, STREAM);
	struct client_result result;

	assert_true(client_stream_write(stream, "one", 3, CLIENT_WAIT_MS));
	while (atomic_load(&fixture->taken) == 0) {
		wait_happened(fixture);
	}
	assert_in_range(stop_takes_ms(fixture, 200), 200, 1200);
	result = client_stream_result(stream, CLIENT_WAIT_MS);
	assert_int_equal(result.code, 0);
	assert_string_equal(result.body, "taken 1");
	assert_int_equal(atomic_load(&fixture->closed), 1);
	client_stream_free(stream);
}

static void stop_does_not_say_ok_to_a_held_stream(void **state)
{
	struct fixture *fixture = *state;
	struct client_stream *stream = client_stream_open(fixture->channel, STREAM);

	atomic_store(&fixture->is_holding, true);
	assert_true(client_stream_write(stream, "one", 3, CLIENT_WAIT_MS));
	while (atomic_load(&fixture->held) == 0) {
		wait_happened(fixture);
	}
	assert_in_range(stop_takes_ms(fixture, 100), 100, 1100);
	assert_int_equal(client_stream_result(stream, CLIENT_WAIT_MS).code, WEIR_GRPC_UNAVAILABLE);
	assert_int_equal(atomic_load(&fixture->closed), 1);
	assert_int_equal(atomic_load(&fixture->ended), 0);
	client_stream_free(stream);
}

static void stop_gives_parked_answers_up(void **state)
{
	struct fixture *fixture = *state;
	struct client_result *result;
	void *returned;
	pthread_t thread;

	pthread_create(&thread, NULL, park_call, fixture);
	wait_happened(fixture);
	assert_in_range(stop_takes_ms(fixture, 100), 100, 1100);
	pthread_join(thread, &returned);
	result = returned;
	assert_int_not_equal(result->code, 0);
}

static void stop_without_calls_needs_no_grace(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(client_unary(fixture->channel, ECHO, "x", 1, CLIENT_WAIT_MS).code, 0);
	assert_in_range(stop_takes_ms(fixture, 5000), 0, 4000);
}

static void address_in_use_is_a_fault(void **state)
{
	struct fixture *fixture = *state;
	struct weir_grpc *second = NULL;

	assert_int_equal(open_at(fixture, weir_grpc_address(fixture->grpc, 0), &second), -EADDRINUSE);
	assert_int_equal(open_at(fixture, "nonsense", &second), -EINVAL);
	assert_null(second);
}

static void unix_socket_serves_and_keeps_a_second_one_out(void **state)
{
	struct fixture *fixture = *state;
	char folder[] = "/tmp/weir-test-XXXXXX", address[128];
	struct weir_grpc *first, *second = NULL;
	grpc_channel *channel;

	assert_non_null(mkdtemp(folder));
	snprintf(address, sizeof(address), "unix:%s/grpc.sock", folder);
	assert_int_equal(open_at(fixture, address, &first), 0);
	assert_int_equal(weir_grpc_start(first), 0);
	assert_string_equal(weir_grpc_address(first, 0), address);
	assert_int_equal(open_at(fixture, address, &second), -EADDRINUSE);
	channel = client_channel(address, false);
	assert_int_equal(client_unary(channel, ECHO, "x", 1, CLIENT_WAIT_MS).code, 0);
	wait_happened(fixture);
	assert_int_equal(strncmp(fixture->peer, "unix:", 5), 0);
	grpc_channel_destroy(channel);
	weir_grpc_stop(first, 0);
	weir_grpc_close(first);
	assert_int_equal(rmdir(folder), 0); /* the socket file is gone with its owner */
}

static void opened_and_never_started_closes(void **state)
{
	struct fixture *fixture = *state;
	struct weir_grpc *second;

	assert_int_equal(open_at(fixture, "127.0.0.1:0", &second), 0);
	weir_grpc_close(second);
	weir_grpc_close(NULL);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(port_0_becomes_a_real_one),
		WITH_SERVER(unary_call_is_answered),
		WITH_SERVER(empty_message_is_a_message),
		WITH_SERVER(message_of_many_slices_arrives_whole),
		WITH_SERVER(many_calls_in_a_row_leave_none_behind),
		WITH_SERVER(unknown_method_is_unimplemented),
		WITH_SERVER(too_large_a_message_is_refused_and_counted),
		WITH_SERVER(gzip_is_undone),
		WITH_SERVER(compressed_message_counts_inflated),
		WITH_SERVER(refusal_says_when_to_come_again),
		WITH_SERVER(malformed_message_is_invalid_without_details),
		WITH_SERVER(parked_answer_waits_for_its_position),
		WITH_SERVER(cancelled_call_gives_its_place_back),
		WITH_SERVER(stream_is_read_to_its_end),
		WITH_SERVER(stream_ends_with_the_code_a_message_sets),
		WITH_SERVER(held_stream_resumes_and_loses_nothing),
		WITH_SERVER(flow_control_stops_the_sender_of_a_held_stream),
		WITH_SERVER(cancelled_stream_is_closed_while_held),
		WITH_SERVER(stop_ends_open_streams_with_ok),
		WITH_SERVER(stop_does_not_say_ok_to_a_held_stream),
		WITH_SERVER(stop_gives_parked_answers_up),
		WITH_SERVER(stop_without_calls_needs_no_grace),
		WITH_SERVER(address_in_use_is_a_fault),
		WITH_SERVER(unix_socket_serves_and_keeps_a_second_one_out),
		WITH_SERVER(opened_and_never_started_closes),
	};

	return cmocka_run_group_tests_name("grpc", tests, NULL, NULL);
}
