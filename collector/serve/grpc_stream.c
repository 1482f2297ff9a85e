/* grpc_stream: the calls in which a client streams and nobody answers.
 *
 *   open → reading ─message→ offer ─┬ taken ──────→ reading
 *             ▲                     ├ HOLD ───────→ held: offered again every RETRY_MS (grpc.c)
 *             └──────── taken ──────┘ a code ─────→ answered
 *
 * A held message is the only one that its stream has here: the stream is not
 * read on, so the client's window fills, and that is all the backpressure there
 * is. What is held, and what is on its way into a message, are slices of the
 * core's and count in its quota (32 MiB and 8 messages): 100 streams with 900 KB
 * each, all held, took 70 MB, and the core ended 41 of them bluntly. Usual
 * messages (20 KB) reach that with some thousand streams.
 *
 * Threads: the polling thread. Invariant: a call is in the list of held ones
 * exactly while is_held; it has a payload then, and no RECV_MESSAGE. */
#include "serve/grpc_call.h"

#include "base/stat.h"

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

void weir_grpc_stream_begin(struct weir_grpc_call *call, const struct weir_grpc_peer *peer)
{
	const struct weir_grpc_method *method = call->served->method;

	if (method->stream->open(method->ctx, peer, &call->stream) != 0) {
		weir_grpc_answer_code(call, WEIR_GRPC_INTERNAL, "the stream could not be opened");
		return;
	}
	call->is_stream_open = true;
	weir_grpc_call_read(call, true);
}

/* Offers the message at hand. false: it is held. */
static bool offer(struct weir_grpc_call *call)
{
	const struct weir_grpc_method *method = call->served->method;
	struct weir_grpc_answer answer = { 0 };
	struct weir_str message;
	int outcome;

	if (!weir_grpc_call_message(call, &message)) {
		weir_grpc_call_payload_drop(call);
		return true;
	}
	outcome = method->stream->message(method->ctx, call->stream, message, &answer);
	if (outcome == WEIR_GRPC_HOLD) {
		return false;
	}
	weir_grpc_call_payload_drop(call);
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

void weir_grpc_stream_end(struct weir_grpc_call *call)
{
	const struct weir_grpc_method *method = call->served->method;
	struct weir_grpc_answer answer = { 0 };

	method->stream->end(method->ctx, call->stream, &answer);
	weir_grpc_answer_give(call, &answer);
}

void weir_grpc_stream_message(struct weir_grpc_call *call)
{
	if (!offer(call)) {
		weir_stat_add(WEIR_STAT_STREAM_HELD, 1);
		held_add(call);
	}
}

void weir_grpc_stream_let_go(struct weir_grpc_call *call)
{
	if (call->is_held) {
		held_remove(call);
		weir_grpc_call_payload_drop(call);
	}
}

void weir_grpc_stream_retry_held(struct weir_grpc_calls *calls)
{
	while (calls->held_first != NULL) {
		struct weir_grpc_call *call = calls->held_first;

		if (!offer(call)) {
			return;
		}
		held_remove(call);
	}
}

void weir_grpc_stream_end_all(struct weir_grpc_calls *calls)
{
	for (struct weir_grpc_call *call = calls->live; call != NULL; call = call->next) {
		if (!call->is_stream_open || call->is_answered) {
			continue;
		}
		if (call->is_held) {
			held_remove(call);
			weir_grpc_call_payload_drop(call);
			weir_grpc_answer_code(
				call, WEIR_GRPC_UNAVAILABLE, "weir stops and has no room for the message");
		} else {
			weir_grpc_call_finish(call);
		}
	}
}
