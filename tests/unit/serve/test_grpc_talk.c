/* test_grpc_talk: calls in which both sides talk, against a real client over loopback. */
#include "serve/grpc.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>

#include "base/stat.h"
#include "grpc_client.h"

#define TALK "/weir.test.Test/Talk"
#define TALKS 8u

/* ---- the server's side: says what it is told to ---------------------------- */

struct stream {
	struct weir_grpc_talk *talk;
	struct stream *next;
};

struct fixture {
	struct weir_grpc *grpc;
	grpc_channel *channel;
	sem_t opened, closed;
	pthread_mutex_t lock; /* of streams, as health has it */
	struct stream *streams;
	bool is_over_at_end;
	atomic_bool is_halted;
};

static struct weir_buf text(const char *format, unsigned number)
{
	struct weir_buf buf;

	weir_buf_init(&buf, 0);
	weir_buf_addf(&buf, "%s %u", format, number);
	return buf;
}

static int talk_open(void *ctx, const struct weir_grpc_peer *peer, struct weir_grpc_talk *talk, void **ret_stream)
{
	struct fixture *fixture = ctx;
	struct stream *stream = calloc(1, sizeof(*stream));

	assert_true(weir_str_starts_with(peer->address, "ipv4:127.0.0.1:"));
	stream->talk = talk;
	pthread_mutex_lock(&fixture->lock);
	stream->next = fixture->streams;
	fixture->streams = stream;
	pthread_mutex_unlock(&fixture->lock);
	*ret_stream = stream;
	sem_post(&fixture->opened);
	return 0;
}

static void talk_message(void *ctx, void *opened, struct weir_str message, struct weir_grpc_answer *answer)
{
	struct stream *stream = opened;
	struct weir_buf echo;
	unsigned many = 0;

	(void)ctx;
	if (weir_str_is(message, "bad")) {
		weir_grpc_talk_say(stream->talk, text("last words", 1));
		answer->code = WEIR_GRPC_INVALID_ARGUMENT;
		answer->message = "not a question";
		return;
	}
	if (message.length == 4 && sscanf(message.data, "%4u", &many) == 1) {
		for (unsigned i = 0; i < many; i++) {
			weir_grpc_talk_say(stream->talk, text("one of many", i));
		}
		return;
	}
	weir_buf_init(&echo, 0);
	weir_buf_add_str(&echo, message);
	weir_grpc_talk_say(stream->talk, echo);
}

static bool talk_end(void *ctx, void *stream)
{
	(void)stream;
	return ((struct fixture *)ctx)->is_over_at_end;
}

static void talk_close(void *ctx, void *stream)
{
	struct fixture *fixture = ctx;
	struct stream **at = &fixture->streams;

	pthread_mutex_lock(&fixture->lock);
	while (*at != stream) {
		at = &(*at)->next;
	}
	*at = (*at)->next;
	pthread_mutex_unlock(&fixture->lock);
	free(stream);
	sem_post(&fixture->closed);
}

static void say_to_all(struct fixture *fixture, unsigned number)
{
	pthread_mutex_lock(&fixture->lock);
	for (struct stream *stream = fixture->streams; stream != NULL; stream = stream->next) {
		weir_grpc_talk_say(stream->talk, text("to all", number));
	}
	pthread_mutex_unlock(&fixture->lock);
}

static const struct weir_grpc_talk_fns fns = { talk_open, talk_message, talk_end, talk_close };

static void wait_for(sem_t *happened)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CLIENT_WAIT_MS / 1000;
	assert_int_equal(sem_timedwait(happened, &until), 0);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct weir_grpc_method method = { .path = TALK, .talk = &fns, .ctx = fixture };
	const char *address = "127.0.0.1:0";
	struct weir_grpc_opts opts = { .addresses = &address,
		.address_count = 1,
		.methods = &method,
		.method_count = 1,
		.max_message_bytes = 1u << 20,
		.max_connections = TALKS,
		.max_streams = 100,
		.max_metadata_bytes = 16384 };

	grpc_init();
	sem_init(&fixture->opened, 0, 0);
	sem_init(&fixture->closed, 0, 0);
	pthread_mutex_init(&fixture->lock, NULL);
	assert_int_equal(weir_grpc_open(&opts, &fixture->grpc), 0);
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
	assert_null(fixture->streams);
	pthread_mutex_destroy(&fixture->lock);
	sem_destroy(&fixture->opened);
	sem_destroy(&fixture->closed);
	free(fixture);
	grpc_shutdown_blocking();
	return 0;
}

/* ---- the client's side ---------------------------------------------------- */

struct talker {
	grpc_call *call;
	grpc_completion_queue *queue;
	grpc_metadata_array initial, trailing;
	grpc_status_code status;
	grpc_slice details;
	grpc_byte_buffer *received;
	char said[64];
};

static bool run(struct talker *talker, const grpc_op *ops, size_t count)
{
	gpr_timespec until =
		gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(CLIENT_WAIT_MS, GPR_TIMESPAN));
	grpc_event event;

	assert_int_equal(grpc_call_start_batch(talker->call, ops, count, talker, NULL), GRPC_CALL_OK);
	event = grpc_completion_queue_next(talker->queue, until, NULL);
	assert_int_equal(event.type, GRPC_OP_COMPLETE);
	return event.success != 0;
}

static void talker_open(struct fixture *fixture, struct talker *talker)
{
	grpc_op op = { .op = GRPC_OP_SEND_INITIAL_METADATA, .flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY };

	*talker = (struct talker){ 0 };
	talker->queue = grpc_completion_queue_create_for_next(NULL);
	talker->call = grpc_channel_create_call(fixture->channel, NULL, GRPC_PROPAGATE_DEFAULTS, talker->queue,
		grpc_slice_from_static_string(TALK), NULL, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
	grpc_metadata_array_init(&talker->initial);
	grpc_metadata_array_init(&talker->trailing);
	talker->details = grpc_empty_slice();
	assert_true(run(talker, &op, 1));
}

static void ask(struct talker *talker, const char *question)
{
	grpc_slice slice = grpc_slice_from_copied_string(question);
	grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_op op = { .op = GRPC_OP_SEND_MESSAGE };

	op.data.send_message.send_message = buffer;
	assert_true(run(talker, &op, 1));
	grpc_byte_buffer_destroy(buffer);
	grpc_slice_unref(slice);
}

static void half_close(struct talker *talker)
{
	grpc_op op = { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT };

	assert_true(run(talker, &op, 1));
}

/* The next thing said; NULL: the call has ended. */
static const char *hear(struct talker *talker)
{
	grpc_op ops[2] = { { .op = GRPC_OP_RECV_MESSAGE }, { .op = GRPC_OP_RECV_INITIAL_METADATA } };
	grpc_byte_buffer_reader reader;
	grpc_slice slice;
	bool is_first = talker->initial.metadata == NULL;

	ops[0].data.recv_message.recv_message = &talker->received;
	ops[1].data.recv_initial_metadata.recv_initial_metadata = &talker->initial;
	run(talker, ops, is_first ? 2 : 1);
	if (talker->received == NULL) {
		return NULL;
	}
	assert_true(grpc_byte_buffer_reader_init(&reader, talker->received));
	slice = grpc_byte_buffer_reader_readall(&reader);
	snprintf(talker->said, sizeof(talker->said), "%.*s", (int)GRPC_SLICE_LENGTH(slice),
		(const char *)GRPC_SLICE_START_PTR(slice));
	grpc_slice_unref(slice);
	grpc_byte_buffer_reader_destroy(&reader);
	grpc_byte_buffer_destroy(talker->received);
	talker->received = NULL;
	return talker->said;
}

static void hears(struct talker *talker, const char *what, unsigned number)
{
	char wanted[64];
	const char *said = hear(talker);

	snprintf(wanted, sizeof(wanted), "%s %u", what, number);
	assert_non_null(said);
	assert_string_equal(said, wanted);
}

static int status_of(struct talker *talker)
{
	grpc_op op = { .op = GRPC_OP_RECV_STATUS_ON_CLIENT };

	op.data.recv_status_on_client.status = &talker->status;
	op.data.recv_status_on_client.status_details = &talker->details;
	op.data.recv_status_on_client.trailing_metadata = &talker->trailing;
	run(talker, &op, 1);
	return (int)talker->status;
}

static void talker_close(struct talker *talker)
{
	grpc_call_cancel(talker->call, NULL);
	grpc_call_unref(talker->call);
	grpc_completion_queue_shutdown(talker->queue);
	while (grpc_completion_queue_next(talker->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type !=
		GRPC_QUEUE_SHUTDOWN) {
	}
	grpc_completion_queue_destroy(talker->queue);
	grpc_metadata_array_destroy(&talker->initial);
	grpc_metadata_array_destroy(&talker->trailing);
	grpc_slice_unref(talker->details);
}

/* ---- tests ---------------------------------------------------------------- */

static void each_question_is_answered_in_order_and_the_end_is_ok(void **state)
{
	struct fixture *fixture = *state;
	struct talker talker;

	fixture->is_over_at_end = true;
	talker_open(fixture, &talker);
	ask(&talker, "first 1");
	ask(&talker, "second 2");
	hears(&talker, "first", 1);
	hears(&talker, "second", 2);
	ask(&talker, "third 3");
	half_close(&talker); /* what was asked before is still answered */
	hears(&talker, "third", 3);
	assert_null(hear(&talker));
	assert_int_equal(status_of(&talker), GRPC_STATUS_OK);
	wait_for(&fixture->closed);
	talker_close(&talker);
}

static void any_thread_may_speak_after_the_client_has_half_closed(void **state)
{
	struct fixture *fixture = *state;
	struct talker talker;

	talker_open(fixture, &talker);
	half_close(&talker);
	wait_for(&fixture->opened);
	for (unsigned i = 0; i < 300; i++) {
		say_to_all(fixture, i);
		hears(&talker, "to all", i);
	}
	talker_close(&talker);
	wait_for(&fixture->closed); /* a client that goes is noticed */
}

static void stop_says_what_was_said_before_and_ends_with_ok(void **state)
{
	struct fixture *fixture = *state;
	struct talker talker;

	talker_open(fixture, &talker);
	wait_for(&fixture->opened);
	say_to_all(fixture, 1);
	say_to_all(fixture, 2);
	weir_grpc_stop(fixture->grpc, 0);
	hears(&talker, "to all", 1);
	hears(&talker, "to all", 2);
	assert_null(hear(&talker));
	assert_int_equal(status_of(&talker), GRPC_STATUS_OK);
	wait_for(&fixture->closed);
	talker_close(&talker);
}

static void code_of_a_question_ends_the_call_behind_what_was_said(void **state)
{
	struct fixture *fixture = *state;
	struct talker talker;

	talker_open(fixture, &talker);
	ask(&talker, "bad");
	hears(&talker, "last words", 1);
	assert_null(hear(&talker));
	assert_int_equal(status_of(&talker), GRPC_STATUS_INVALID_ARGUMENT);
	assert_true(grpc_slice_str_cmp(talker.details, "not a question") == 0);
	talker_close(&talker);
}

static void full_queue_keeps_the_newest(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before = weir_stat_get(WEIR_STAT_TALK_DROPPED);
	struct talker talker;

	talker_open(fixture, &talker);
	ask(&talker, "0100");
	for (unsigned i = 100 - WEIR_GRPC_TALK_QUEUE; i < 100; i++) {
		hears(&talker, "one of many", i);
	}
	assert_int_equal(weir_stat_get(WEIR_STAT_TALK_DROPPED), before + 100 - WEIR_GRPC_TALK_QUEUE);
	ask(&talker, "and on 1");
	hears(&talker, "and on", 1);
	talker_close(&talker);
}

static void more_talks_than_there_may_be_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct talker talkers[TALKS], further;

	for (unsigned i = 0; i < TALKS; i++) {
		talker_open(fixture, &talkers[i]);
		wait_for(&fixture->opened);
	}
	talker_open(fixture, &further);
	assert_null(hear(&further));
	assert_int_equal(status_of(&further), GRPC_STATUS_RESOURCE_EXHAUSTED);
	talker_close(&further);
	talker_close(&talkers[0]);
	wait_for(&fixture->closed);
	talker_open(fixture, &talkers[0]);
	wait_for(&fixture->opened); /* there is room again */
	for (unsigned i = 0; i < TALKS; i++) {
		talker_close(&talkers[i]);
	}
}

static void *speak(void *ctx)
{
	struct fixture *fixture = ctx;

	for (unsigned i = 0; !atomic_load(&fixture->is_halted); i++) {
		say_to_all(fixture, i);
	}
	return NULL;
}

static void speaking_and_going_away_at_once_harms_nobody(void **state)
{
	struct fixture *fixture = *state;
	pthread_t speakers[2];

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&speakers[i], NULL, speak, fixture), 0);
	}
	for (unsigned i = 0; i < 100; i++) {
		struct talker talker;

		talker_open(fixture, &talker);
		if (i % 2 == 0) {
			assert_non_null(hear(&talker));
		}
		wait_for(&fixture->opened);
		talker_close(&talker);
		wait_for(&fixture->closed);
	}
	weir_grpc_stop(fixture->grpc, 0);
	atomic_store(&fixture->is_halted, true);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(speakers[i], NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_question_is_answered_in_order_and_the_end_is_ok, setup, teardown),
		cmocka_unit_test_setup_teardown(any_thread_may_speak_after_the_client_has_half_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(stop_says_what_was_said_before_and_ends_with_ok, setup, teardown),
		cmocka_unit_test_setup_teardown(code_of_a_question_ends_the_call_behind_what_was_said, setup, teardown),
		cmocka_unit_test_setup_teardown(full_queue_keeps_the_newest, setup, teardown),
		cmocka_unit_test_setup_teardown(more_talks_than_there_may_be_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(speaking_and_going_away_at_once_harms_nobody, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
