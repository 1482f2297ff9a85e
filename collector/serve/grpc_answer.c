/* grpc_answer: how a call's answer is decided, parked and sent.
 *
 * Threads: the polling thread, but for send_parked(), on the writer's. That one
 * touches `reply`, `call` and what was settled before the park; nobody else
 * touches these from the park until the tag is back. libgrpc orders the two;
 * `is_sent` says so in our own words, for the reader and for TSan.
 *
 * Invariants: 1. An answer is counted in `pending` when it is decided, so a
 * parked one too, before the writer sends it. 2. Whoever takes a parked answer
 * back from the ack (a cancelled call, the stop) takes it off `pending` as
 * well. 3. A parked call has asked for its close before. */
#include "serve/grpc_call.h"

#include <stdatomic.h>

#include <grpc/byte_buffer.h>

#include "base/err.h"
#include "base/stat.h"

#define RETRY_PARK_MS 1000u

static grpc_op close_op(struct weir_grpc_call *call)
{
	grpc_op op = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER };

	call->is_close_asked = true;
	op.data.recv_close_on_server.cancelled = &call->is_cancelled;
	return op;
}

void weir_grpc_answer_ask_close(struct weir_grpc_call *call)
{
	grpc_op op = close_op(call);

	call->pending++;
	weir_grpc_call_batch(call, &op, 1, &call->closed);
}

/* Sends what is in call->reply. A unary call that was not parked asks for its
 * close in the same batch: one tag a call instead of two. */
static void send_reply(struct weir_grpc_call *call)
{
	bool is_talk = call->served->method != NULL && call->served->method->talk != NULL;
	grpc_op ops[4] = { { 0 } };
	grpc_call_error error;
	size_t count = 0;
	grpc_call *core;

	if (call->served->method == NULL || call->served->method->unary != NULL || !call->is_stream_open) {
		ops[count++] = weir_grpc_message_begin();
	}
	if (call->reply.body != NULL && !is_talk) {
		ops[count].op = GRPC_OP_SEND_MESSAGE;
		ops[count].flags = weir_grpc_message_flags(grpc_byte_buffer_length(call->reply.body));
		ops[count++].data.send_message.send_message = call->reply.body;
	}
	ops[count].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
	ops[count].data.send_status_from_server.status = call->reply.code;
	ops[count].data.send_status_from_server.status_details = &call->reply.message;
	ops[count].data.send_status_from_server.trailing_metadata = &call->reply.details;
	ops[count++].data.send_status_from_server.trailing_metadata_count = call->reply.details_count;
	if (!call->is_close_asked) {
		ops[count++] = close_op(call);
	}
	core = call->call;
	grpc_call_ref(core); /* on the writer's thread, the tag may be back before start_batch returns */
	atomic_store_explicit(&call->is_sent, true, memory_order_release);
	error = grpc_call_start_batch(core, ops, count, &call->answered, NULL);
	weir_assert(error == GRPC_CALL_OK);
	grpc_call_unref(core);
}

static void send_parked(void *ctx)
{
	send_reply(ctx);
}

static void count_answer(enum weir_grpc_code code)
{
	enum weir_stat stat = WEIR_STAT_GRPC_CALLS_OTHER;

	switch (code) {
	case WEIR_GRPC_OK:
		stat = WEIR_STAT_GRPC_CALLS_OK;
		break;
	case WEIR_GRPC_INVALID_ARGUMENT:
		stat = WEIR_STAT_GRPC_CALLS_INVALID;
		break;
	case WEIR_GRPC_RESOURCE_EXHAUSTED:
		stat = WEIR_STAT_GRPC_CALLS_EXHAUSTED;
		break;
	case WEIR_GRPC_UNIMPLEMENTED:
		stat = WEIR_STAT_GRPC_CALLS_UNIMPLEMENTED;
		break;
	case WEIR_GRPC_NOT_FOUND:
	case WEIR_GRPC_PERMISSION_DENIED:
	case WEIR_GRPC_INTERNAL:
	case WEIR_GRPC_UNAVAILABLE:
		break;
	}
	weir_stat_add(stat, 1);
}

static void answer_at_once(struct weir_grpc_call *call, struct weir_grpc_answer *answer)
{
	count_answer(answer->code);
	weir_grpc_reply_init(&call->reply, answer);
	send_reply(call);
}

/* Decides the call: sends the answer, or parks it. Takes the answer's body. */
void weir_grpc_answer_give(struct weir_grpc_call *call, struct weir_grpc_answer *answer)
{
	struct weir_grpc_calls *calls = call->calls;

	weir_assert(!call->is_answered);
	call->is_answered = true;
	call->pending++;
	if (weir_buf_error(&answer->body) != 0) {
		answer->code = WEIR_GRPC_INTERNAL;
		answer->message = "out of memory";
	}
	if (answer->code != WEIR_GRPC_OK || answer->park_position == 0 || calls->ack == NULL) {
		answer_at_once(call, answer);
		return;
	}
	if (!call->is_close_asked) {
		weir_grpc_answer_ask_close(call); /* a parked call may be cancelled meanwhile */
	}
	weir_grpc_reply_init(&call->reply, answer);
	call->is_parked = true;
	if (weir_ack_park(calls->ack, answer->park_position, send_parked, call) == WEIR_ACK_FULL) {
		struct weir_grpc_answer refusal = { .code = WEIR_GRPC_RESOURCE_EXHAUSTED,
			.message = "too many answers wait for storage",
			.retry_delay_ms = RETRY_PARK_MS };

		call->is_parked = false;
		weir_grpc_reply_fini(&call->reply);
		answer_at_once(call, &refusal);
		return;
	}
	count_answer(WEIR_GRPC_OK);
}

void weir_grpc_answer_code(struct weir_grpc_call *call, enum weir_grpc_code code, const char *message)
{
	struct weir_grpc_answer answer = { .code = code, .message = message };

	weir_grpc_answer_give(call, &answer);
}

void weir_grpc_answer_sent(struct weir_grpc_call *call, bool is_ok)
{
	bool is_sent = atomic_exchange_explicit(&call->is_sent, false, memory_order_acquire);

	(void)is_ok; /* a client that went away misses its answer: its affair */
	weir_assert(is_sent);
	call->is_parked = false;
	weir_grpc_reply_fini(&call->reply);
	weir_grpc_call_drop(call);
}

bool weir_grpc_answer_take_back(struct weir_grpc_call *call)
{
	if (!call->is_parked || !weir_ack_forget(call->calls->ack, call)) {
		return false;
	}
	call->is_parked = false;
	weir_grpc_reply_fini(&call->reply);
	return true;
}
