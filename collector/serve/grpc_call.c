/* grpc_call: one call from its arrival to its last tag.
 *
 *   unary:   armed ─arrived→ reading ─message→ answered at once ─tag→ over
 *                               │          └─→ parked ─(writer's thread sends)─tag→ over
 *                               └─ not whole within MESSAGE_MS ─→ cut ─tag→ over
 *   stream:  armed ─arrived→ open → reading ⇄ held → answered ─tags→ over (grpc_stream.c)
 *   talk:    armed ─arrived→ open → reading ⇄ sending → answered ─tags→ over (grpc_talk.c)
 *   unknown: armed ─arrived→ UNIMPLEMENTED ─tag→ over
 *   any:     armed ─arrived→ live_limit calls are live: RESOURCE_EXHAUSTED ─tag→ over
 *
 * Threads: the polling thread only; what another one may do is in grpc_answer.c.
 *
 * Invariants:
 * 1. `pending` counts the tags that the core still owes; an answer is counted
 *    when it is decided (so a parked one too, before the writer sends it).
 *    A call is over when pending is 0: then its stream is closed (once, last)
 *    and its context goes back to the idle list.
 * 2. A call is in `live` from arrival until it is over; `armed` of its method
 *    counts it before that.
 * 3. At most one RECV_MESSAGE is outstanding. A held stream has none: the
 *    client's window fills and that is all the backpressure there is.
 * 4. is_answered is set once; after it no message is handed to the stream.
 * 5. A batch that the core refuses to start would be our mistake: asserted.
 * 6. What is to be sent has moved within STALL_TICKS, or the call is cut off:
 *    a client that takes nothing does not keep its answer here.
 * 7. At most live_limit calls are live, but for refused ones whose answer is on
 *    its way. Each is some 14 KB of the core's. So the core may not read a unary
 *    call's message by itself: a call would be told of only when that is there.
 *
 * Why few armed calls: a request that no armed call waits for stays with the
 * core, unread, for the moment until the thread comes to it. */
#include "serve/grpc_call.h"

#include <errno.h>
#include <stdlib.h>

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/stat.h"

#define STALL_TICKS 150u /* of 200 ms */
#define MESSAGE_MS 60000u
#define RETRY_CALL_MS 1000u

static void on_arrived(struct weir_grpc_call *call, bool is_ok);
static void on_closed(struct weir_grpc_call *call, bool is_ok);
static void on_message(struct weir_grpc_call *call, bool is_ok);

static struct weir_grpc_call *call_get(struct weir_grpc_calls *calls)
{
	struct weir_grpc_call *call = calls->idle;

	if (call != NULL) {
		calls->idle = call->next;
		call->next = NULL;
		return call;
	}
	call = calloc(1, sizeof(*call));
	if (call != NULL) {
		call->calls = calls;
		call->arrived = (struct weir_grpc_tag){ call, on_arrived };
		call->closed = (struct weir_grpc_tag){ call, on_closed };
		call->message = (struct weir_grpc_tag){ call, on_message };
		call->answered = (struct weir_grpc_tag){ call, weir_grpc_answer_sent };
		grpc_metadata_array_init(&call->metadata);
		grpc_call_details_init(&call->details);
	}
	return call;
}

static void call_put(struct weir_grpc_call *call)
{
	struct weir_grpc_calls *calls = call->calls;

	call->metadata.count = 0;
	grpc_slice_unref(call->details.host);
	grpc_slice_unref(call->details.method);
	grpc_call_details_init(&call->details);
	call->next = calls->idle;
	calls->idle = call;
}

static int arm(struct weir_grpc_calls *calls, struct weir_grpc_served *served)
{
	struct weir_grpc_call *call = call_get(calls);
	grpc_call_error error;

	if (call == NULL) {
		return -ENOMEM;
	}
	call->served = served;
	call->pending = 1;
	if (served->method == NULL) {
		error = grpc_server_request_call(calls->server, &call->call, &call->details, &call->metadata,
			calls->queue, calls->queue, &call->arrived);
	} else {
		error = grpc_server_request_registered_call(calls->server, served->registered, &call->call,
			&call->deadline, &call->metadata, NULL, calls->queue, calls->queue, &call->arrived);
	}
	weir_assert(error == GRPC_CALL_OK);
	served->armed++;
	return 0;
}

static int arm_up(struct weir_grpc_calls *calls, struct weir_grpc_served *served)
{
	int fault = 0;

	while (!calls->is_stopping && served->armed < served->target && fault == 0) {
		fault = arm(calls, served);
	}
	return fault;
}

int weir_grpc_call_arm_all(struct weir_grpc_calls *calls)
{
	int fault = 0;

	for (size_t i = 0; i < calls->served_count && fault == 0; i++) {
		fault = arm_up(calls, &calls->served[i]);
	}
	return fault;
}

static void live_add(struct weir_grpc_call *call)
{
	struct weir_grpc_calls *calls = call->calls;

	call->previous = NULL;
	call->next = calls->live;
	if (calls->live != NULL) {
		calls->live->previous = call;
	}
	calls->live = call;
	calls->live_count++;
}

static void live_remove(struct weir_grpc_call *call)
{
	if (call->previous != NULL) {
		call->previous->next = call->next;
	} else {
		call->calls->live = call->next;
	}
	if (call->next != NULL) {
		call->next->previous = call->previous;
	}
	call->calls->live_count--;
}

void weir_grpc_call_payload_drop(struct weir_grpc_call *call)
{
	if (call->payload != NULL) {
		grpc_byte_buffer_destroy(call->payload);
		call->payload = NULL;
	}
}

/* One tag came back; ends the call when it was the last. */
void weir_grpc_call_drop(struct weir_grpc_call *call)
{
	struct weir_grpc_served *served = call->served;

	if (--call->pending > 0) {
		return;
	}
	weir_assert(!call->is_held && !call->is_parked);
	if (call->talk != NULL) {
		call->is_answered = true; /* whatever else: nothing is begun any more */
		if (!weir_grpc_talk_close(call)) {
			return;
		}
	} else if (call->is_stream_open) {
		served->method->stream->close(served->method->ctx, call->stream);
	}
	weir_grpc_call_payload_drop(call);
	live_remove(call);
	grpc_call_unref(call->call);
	call->call = NULL;
	call->stream = NULL;
	call->is_cancelled = 0;
	call->is_stream_open = call->is_answered = call->is_close_asked = call->is_cut = false;
	call->end_at_ns = call->message_by_ns = 0;
	call->idle_ticks = 0;
	call_put(call);
	arm_up(call->calls, served); /* makes up for a context that memory was short for */
}

void weir_grpc_call_batch(struct weir_grpc_call *call, const grpc_op *ops, size_t count, struct weir_grpc_tag *tag)
{
	grpc_call_error error = grpc_call_start_batch(call->call, ops, count, tag, NULL);

	weir_assert(error == GRPC_CALL_OK);
}

bool weir_grpc_call_message(struct weir_grpc_call *call, struct weir_str *ret_message)
{
	const struct weir_grpc_method *method = call->served->method;
	int outcome = weir_grpc_message_read(call->calls, call->payload, ret_message);

	if (outcome == 0) {
		return true;
	}
	if (method->refused != NULL && outcome > 0) {
		method->refused(method->ctx,
			outcome == WEIR_GRPC_MESSAGE_TOO_LARGE ? WEIR_ROUTE_TOO_LARGE : WEIR_ROUTE_MALFORMED);
	}
	if (outcome == WEIR_GRPC_MESSAGE_TOO_LARGE) {
		weir_grpc_answer_code(call, WEIR_GRPC_RESOURCE_EXHAUSTED, "the message is larger than limits.message");
	} else if (outcome == WEIR_GRPC_MESSAGE_MALFORMED) {
		weir_grpc_answer_code(call, WEIR_GRPC_INVALID_ARGUMENT, "the message's compression cannot be read");
	} else {
		weir_grpc_answer_code(call, WEIR_GRPC_INTERNAL, "out of memory");
	}
	return false;
}

/* Asks for the message of a unary call; it has its time. */
static void unary_begin(struct weir_grpc_call *call)
{
	grpc_op op = { .op = GRPC_OP_RECV_MESSAGE };

	op.data.recv_message.recv_message = &call->payload;
	call->message_by_ns = weir_clock_monotonic_ns() + MESSAGE_MS * UINT64_C(1000000);
	call->pending++;
	weir_grpc_call_batch(call, &op, 1, &call->message);
}

static void unary_run(struct weir_grpc_call *call)
{
	const struct weir_grpc_method *method = call->served->method;
	struct weir_grpc_answer answer = { 0 };
	struct weir_grpc_caller caller;
	struct weir_str message;

	if (!weir_grpc_call_message(call, &message)) {
		weir_grpc_call_payload_drop(call);
		return;
	}
	weir_grpc_peer_get(call, &caller);
	method->unary(method->ctx, &caller.peer, message, &answer);
	weir_grpc_call_payload_drop(call); /* before the answer may be parked for long */
	weir_grpc_answer_give(call, &answer);
	weir_grpc_peer_let_go(&caller);
}

void weir_grpc_call_read(struct weir_grpc_call *call, bool is_first)
{
	grpc_op ops[2] = { { 0 } };
	size_t count = 0;

	if (is_first) {
		ops[count++] = weir_grpc_message_begin();
	}
	ops[count].op = GRPC_OP_RECV_MESSAGE;
	ops[count++].data.recv_message.recv_message = &call->payload;
	call->pending++;
	weir_grpc_call_batch(call, ops, count, &call->message);
}

static void long_begin(struct weir_grpc_call *call)
{
	struct weir_grpc_calls *calls = call->calls;
	struct weir_grpc_caller caller;
	uint64_t now_ns;

	weir_grpc_answer_ask_close(call);
	if (calls->stream_age_ns > 0) {
		now_ns = weir_clock_monotonic_ns();
		call->end_at_ns = weir_grpc_peer_born_ns(call, now_ns) + calls->stream_age_ns;
	}
	weir_grpc_peer_get(call, &caller);
	if (call->served->method->talk != NULL) {
		weir_grpc_talk_open(call, &caller.peer);
	} else {
		weir_grpc_stream_begin(call, &caller.peer);
	}
	weir_grpc_peer_let_go(&caller);
}

static void too_many(struct weir_grpc_call *call)
{
	struct weir_grpc_answer answer = { .code = WEIR_GRPC_RESOURCE_EXHAUSTED,
		.message = "too many calls are open",
		.retry_delay_ms = RETRY_CALL_MS };

	weir_stat_add(WEIR_STAT_CALL_SHED, 1);
	weir_grpc_answer_give(call, &answer);
}

static void on_arrived(struct weir_grpc_call *call, bool is_ok)
{
	struct weir_grpc_served *served = call->served;

	served->armed--;
	if (!is_ok) { /* the server shuts down */
		call->pending = 0;
		call_put(call);
		return;
	}
	live_add(call);
	arm_up(call->calls, served);
	if (call->calls->live_count > call->calls->live_limit) {
		too_many(call);
	} else if (served->method == NULL) {
		weir_grpc_answer_code(call, WEIR_GRPC_UNIMPLEMENTED, "weir does not serve this method");
	} else if (served->method->unary != NULL) {
		unary_begin(call);
	} else {
		long_begin(call);
	}
	weir_grpc_call_drop(call);
}

static void on_closed(struct weir_grpc_call *call, bool is_ok)
{
	(void)is_ok; /* is_cancelled says it */
	weir_grpc_stream_let_go(call);
	if (call->is_cancelled && weir_grpc_answer_take_back(call)) {
		call->pending--; /* the answer that will never be sent */
	}
	weir_grpc_call_drop(call);
}

static void message_came(struct weir_grpc_call *call)
{
	struct weir_str message;

	if (call->served->method->unary != NULL) {
		unary_run(call);
	} else if (call->talk == NULL) {
		weir_grpc_stream_message(call);
	} else {
		if (weir_grpc_call_message(call, &message)) {
			weir_grpc_talk_message(call, message);
		}
		weir_grpc_call_payload_drop(call);
	}
}

static void no_message_came(struct weir_grpc_call *call)
{
	if (grpc_call_failed_before_recv_message(call->call)) {
		return; /* it broke: the close is on its way, or nobody asked for it */
	}
	if (call->served->method->unary != NULL) {
		weir_grpc_answer_code(call, WEIR_GRPC_INTERNAL, "the call has no message");
	} else if (call->talk != NULL) {
		weir_grpc_talk_half_closed(call);
	} else {
		weir_grpc_stream_end(call);
	}
}

static void on_message(struct weir_grpc_call *call, bool is_ok)
{
	call->message_by_ns = 0;
	if (!is_ok || call->is_answered) {
		weir_grpc_call_payload_drop(call);
	} else if (call->payload != NULL) {
		message_came(call);
	} else {
		no_message_came(call);
	}
	weir_grpc_call_drop(call);
}

void weir_grpc_call_completed(struct weir_grpc_tag *tag, bool is_ok)
{
	tag->completed(tag->call, is_ok);
}

static void cut(struct weir_grpc_call *call, enum weir_stat why)
{
	if (!call->is_cut) {
		call->is_cut = true;
		weir_stat_add(why, 1);
		grpc_call_cancel(call->call, NULL);
	}
}

void weir_grpc_call_finish(struct weir_grpc_call *call)
{
	if (call->talk != NULL) {
		weir_grpc_talk_finish(call);
	} else {
		weir_grpc_stream_end(call);
	}
}

void weir_grpc_call_sweep(struct weir_grpc_calls *calls, uint64_t now_ns)
{
	for (struct weir_grpc_call *call = calls->live; call != NULL; call = call->next) {
		bool is_sending = (call->is_answered && atomic_load(&call->is_sent)) || weir_grpc_talk_is_stalled(call);

		call->idle_ticks = is_sending ? call->idle_ticks + 1 : 0;
		if (call->idle_ticks > STALL_TICKS) {
			cut(call, WEIR_STAT_CALL_CUT_NOT_TAKEN);
		}
		if (call->message_by_ns != 0 && now_ns >= call->message_by_ns) {
			cut(call, WEIR_STAT_CALL_CUT_NOT_SENT);
		}
		if (call->end_at_ns != 0 && now_ns >= call->end_at_ns && call->is_stream_open && !call->is_answered &&
			!call->is_held) {
			call->end_at_ns = 0;
			weir_stat_add(WEIR_STAT_STREAM_AGED, 1);
			weir_grpc_call_finish(call);
		}
	}
}

void weir_grpc_call_forget_parked(struct weir_grpc_calls *calls)
{
	struct weir_grpc_call *next;

	for (struct weir_grpc_call *call = calls->live; call != NULL; call = next) {
		next = call->next;
		if (weir_grpc_answer_take_back(call)) {
			weir_grpc_call_drop(call);
		}
	}
}

bool weir_grpc_call_is_any_left(const struct weir_grpc_calls *calls)
{
	for (size_t i = 0; i < calls->served_count; i++) {
		if (calls->served[i].armed > 0) {
			return true;
		}
	}
	return calls->live != NULL;
}

void weir_grpc_call_free_idle(struct weir_grpc_calls *calls)
{
	while (calls->idle != NULL) {
		struct weir_grpc_call *call = calls->idle;

		calls->idle = call->next;
		grpc_metadata_array_destroy(&call->metadata);
		grpc_call_details_destroy(&call->details);
		free(call);
	}
}
