/* grpc_call: one call from its arrival to its last tag.
 *
 *   unary:   armed ─arrived→ answered at once ─tag→ over
 *                        └─→ parked ─(writer's thread sends)─tag→ over
 *   stream:  armed ─arrived→ open → reading ⇄ held → answered ─tags→ over
 *   talk:    armed ─arrived→ open → reading ⇄ sending → answered ─tags→ over (grpc_talk.c)
 *   unknown: armed ─arrived→ UNIMPLEMENTED ─tag→ over
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
 *
 * Why few armed calls: a request that no armed call waits for stays with the
 * core; what the thread has in hand is bounded by the number armed. */
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
			&call->deadline, &call->metadata, served->method->unary != NULL ? &call->payload : NULL,
			calls->queue, calls->queue, &call->arrived);
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
}

static void held_add(struct weir_grpc_call *call)
{
	struct weir_grpc_calls *calls = call->calls;

	call->is_held = true;
	call->held_next = NULL;
	call->held_previous = calls->held_last;
	if (calls->held_last != NULL) {
		calls->held_last->held_next = call;
	} else {
		calls->held_first = call;
	}
	calls->held_last = call;
}

static void held_remove(struct weir_grpc_call *call)
{
	struct weir_grpc_calls *calls = call->calls;

	call->is_held = false;
	if (call->held_previous != NULL) {
		call->held_previous->held_next = call->held_next;
	} else {
		calls->held_first = call->held_next;
	}
	if (call->held_next != NULL) {
		call->held_next->held_previous = call->held_previous;
	} else {
		calls->held_last = call->held_previous;
	}
}

static void payload_drop(struct weir_grpc_call *call)
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
	payload_drop(call);
	live_remove(call);
	grpc_call_unref(call->call);
	call->call = NULL;
	call->stream = NULL;
	call->is_cancelled = 0;
	call->is_stream_open = call->is_answered = call->is_close_asked = call->is_cut = false;
	call->end_at_ns = 0;
	call->idle_ticks = 0;
	call_put(call);
	arm_up(call->calls, served); /* makes up for a context that memory was short for */
}

void weir_grpc_call_batch(struct weir_grpc_call *call, const grpc_op *ops, size_t count, struct weir_grpc_tag *tag)
{
	grpc_call_error error = grpc_call_start_batch(call->call, ops, count, tag, NULL);

	weir_assert(error == GRPC_CALL_OK);
}

/* The message in one piece, or the answer that its absence asks for. */
static bool message_get(struct weir_grpc_call *call, struct weir_str *ret_message)
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

static void unary_run(struct weir_grpc_call *call)
{
	const struct weir_grpc_method *method = call->served->method;
	struct weir_grpc_answer answer = { 0 };
	struct weir_grpc_caller caller;
	struct weir_str message;

	if (call->payload == NULL) {
		weir_grpc_answer_code(call, WEIR_GRPC_INTERNAL, "the call has no message");
		return;
	}
	if (!message_get(call, &message)) {
		payload_drop(call);
		return;
	}
	weir_grpc_peer_get(call, &caller);
	method->unary(method->ctx, &caller.peer, message, &answer);
	payload_drop(call); /* before the answer may be parked for long */
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

static void stream_begin(struct weir_grpc_call *call, const struct weir_grpc_peer *peer)
{
	const struct weir_grpc_method *method = call->served->method;

	if (method->stream->open(method->ctx, peer, &call->stream) != 0) {
		weir_grpc_answer_code(call, WEIR_GRPC_INTERNAL, "the stream could not be opened");
		return;
	}
	call->is_stream_open = true;
	weir_grpc_call_read(call, true);
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
		stream_begin(call, &caller.peer);
	}
	weir_grpc_peer_let_go(&caller);
}

/* Offers the message at hand. false: it is held. */
static bool stream_offer(struct weir_grpc_call *call)
{
	const struct weir_grpc_method *method = call->served->method;
	struct weir_grpc_answer answer = { 0 };
	struct weir_str message;
	int outcome;

	if (!message_get(call, &message)) {
		payload_drop(call);
		return true;
	}
	outcome = method->stream->message(method->ctx, call->stream, message, &answer);
	if (outcome == WEIR_GRPC_HOLD) {
		return false;
	}
	payload_drop(call);
	if (outcome < 0) {
		answer.code = WEIR_GRPC_INTERNAL;
		answer.message = "the message could not be taken";
	}
	if (answer.code != WEIR_GRPC_OK) {
		weir_grpc_answer_give(call, &answer);
	} else {
		weir_grpc_call_read(call, false);
	}
	return true;
}

static void stream_end(struct weir_grpc_call *call)
{
	const struct weir_grpc_method *method = call->served->method;
	struct weir_grpc_answer answer = { 0 };

	method->stream->end(method->ctx, call->stream, &answer);
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
	if (served->method == NULL) {
		weir_grpc_answer_code(call, WEIR_GRPC_UNIMPLEMENTED, "weir does not serve this method");
	} else if (served->method->unary != NULL) {
		unary_run(call);
	} else {
		long_begin(call);
	}
	weir_grpc_call_drop(call);
}

static void on_closed(struct weir_grpc_call *call, bool is_ok)
{
	(void)is_ok; /* is_cancelled says it */
	if (call->is_held) {
		held_remove(call);
		payload_drop(call);
	}
	if (call->is_cancelled && weir_grpc_answer_take_back(call)) {
		call->pending--; /* the answer that will never be sent */
	}
	weir_grpc_call_drop(call);
}

static void message_came(struct weir_grpc_call *call)
{
	struct weir_str message;

	if (call->talk == NULL) {
		if (!stream_offer(call)) {
			weir_stat_add(WEIR_STAT_STREAM_HELD, 1);
			held_add(call);
		}
		return;
	}
	if (message_get(call, &message)) {
		weir_grpc_talk_message(call, message);
	}
	payload_drop(call);
}

static void on_message(struct weir_grpc_call *call, bool is_ok)
{
	if (!is_ok || call->is_answered) {
		payload_drop(call);
	} else if (call->payload != NULL) {
		message_came(call);
	} else if (grpc_call_failed_before_recv_message(call->call)) {
		/* it broke: the close is on its way */
	} else if (call->talk != NULL) {
		weir_grpc_talk_half_closed(call);
	} else {
		stream_end(call);
	}
	weir_grpc_call_drop(call);
}

void weir_grpc_call_completed(struct weir_grpc_tag *tag, bool is_ok)
{
	tag->completed(tag->call, is_ok);
}

void weir_grpc_call_retry_held(struct weir_grpc_calls *calls)
{
	while (calls->held_first != NULL) {
		struct weir_grpc_call *call = calls->held_first;

		if (!stream_offer(call)) {
			return;
		}
		held_remove(call);
	}
}

static void finish(struct weir_grpc_call *call)
{
	if (call->talk != NULL) {
		weir_grpc_talk_finish(call);
	} else {
		stream_end(call);
	}
}

void weir_grpc_call_end_streams(struct weir_grpc_calls *calls)
{
	for (struct weir_grpc_call *call = calls->live; call != NULL; call = call->next) {
		if (!call->is_stream_open || call->is_answered) {
			continue;
		}
		if (call->is_held) {
			held_remove(call);
			payload_drop(call);
			weir_grpc_answer_code(
				call, WEIR_GRPC_UNAVAILABLE, "weir stops and has no room for the message");
		} else {
			finish(call);
		}
	}
}

void weir_grpc_call_sweep(struct weir_grpc_calls *calls, uint64_t now_ns)
{
	for (struct weir_grpc_call *call = calls->live; call != NULL; call = call->next) {
		bool is_sending = (call->is_answered && atomic_load(&call->is_sent)) || weir_grpc_talk_is_stalled(call);

		call->idle_ticks = is_sending ? call->idle_ticks + 1 : 0;
		if (call->idle_ticks > STALL_TICKS && !call->is_cut) {
			call->is_cut = true;
			weir_stat_add(WEIR_STAT_CALL_CUT, 1);
			grpc_call_cancel(call->call, NULL);
		}
		if (call->end_at_ns != 0 && now_ns >= call->end_at_ns && call->is_stream_open && !call->is_answered &&
			!call->is_held) {
			call->end_at_ns = 0;
			weir_stat_add(WEIR_STAT_STREAM_AGED, 1);
			finish(call);
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
