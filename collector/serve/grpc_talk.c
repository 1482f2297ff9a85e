/* grpc_talk: a call in which both sides talk (health's Watch, reflection).
 *
 *   said by any thread ─queue→ flush (polling thread) ─SEND_MESSAGE→ tag ─→ next
 *
 * The queue is a ring of WEIR_GRPC_TALK_QUEUE messages under one lock of all
 * talks; a full one loses its oldest, counted: for Watch the newest state is
 * what matters. Whoever says something from another thread starts a batch of no
 * ops on the call: the core completes it at once, and its tag brings the
 * polling thread here, which sends. What the talk's own functions say needs no
 * such tag: the polling thread flushes behind them.
 *
 * Invariants:
 * 1. Batches are started on the polling thread alone; at most one SEND_MESSAGE
 *    is outstanding, and none once the call is answered.
 * 2. The client is not read on before all is said: a client that asks and does
 *    not listen is held back by flow control, its answers are never dropped.
 * 3. One waking tag a talk at a time (`is_woken`). It is not among the call's
 *    `pending`, which other threads may not touch: a call that is over while its
 *    talk's tag is on the way is ended by that tag.
 * 4. At most talk_limit talks are open; a further one is refused.
 */
#include "serve/grpc_call.h"

#include <stdlib.h>

#include <grpc/byte_buffer.h>

#include "base/err.h"
#include "base/stat.h"

struct weir_grpc_talk {
	struct weir_grpc_call *call;
	struct weir_grpc_tag sent, wake;
	/* under the lock */
	struct weir_buf queue[WEIR_GRPC_TALK_QUEUE];
	uint32_t first, count;
	bool is_woken;   /* the waking tag is on its way */
	bool is_in_hand; /* one of its functions is running on the polling thread */
	/* the polling thread's */
	grpc_byte_buffer *sending;
	struct weir_grpc_answer end;
	bool is_ending, is_read_due, is_closed;
};

static void flush(struct weir_grpc_talk *talk);

/* The lock is held; any thread. */
static void wake(struct weir_grpc_talk *talk)
{
	grpc_call_error error;

	if (talk->is_woken || talk->is_in_hand) {
		return;
	}
	talk->is_woken = true;
	error = grpc_call_start_batch(talk->call->call, NULL, 0, &talk->wake, NULL);
	weir_assert(error == GRPC_CALL_OK);
}

void weir_grpc_talk_say(struct weir_grpc_talk *talk, struct weir_buf message)
{
	struct weir_grpc_calls *calls = talk->call->calls;

	if (weir_buf_error(&message) != 0) { /* memory was short for it: the same as a full queue */
		weir_stat_add(WEIR_STAT_TALK_DROPPED, 1);
		weir_buf_fini(&message);
		return;
	}
	pthread_mutex_lock(&calls->talk_lock);
	if (talk->count == WEIR_GRPC_TALK_QUEUE) {
		weir_stat_add(WEIR_STAT_TALK_DROPPED, 1);
		weir_buf_fini(&talk->queue[talk->first]);
		talk->first = (talk->first + 1) % WEIR_GRPC_TALK_QUEUE;
		talk->count--;
	}
	talk->queue[(talk->first + talk->count++) % WEIR_GRPC_TALK_QUEUE] = message;
	wake(talk);
	pthread_mutex_unlock(&calls->talk_lock);
}

/* ---- the polling thread -------------------------------------------------- */

static void in_hand(struct weir_grpc_talk *talk, bool is_in_hand)
{
	pthread_mutex_lock(&talk->call->calls->talk_lock);
	talk->is_in_hand = is_in_hand;
	pthread_mutex_unlock(&talk->call->calls->talk_lock);
}

static bool take(struct weir_grpc_talk *talk, struct weir_buf *ret_message)
{
	pthread_mutex_t *lock = &talk->call->calls->talk_lock;
	bool is_any;

	pthread_mutex_lock(lock);
	is_any = talk->count > 0;
	if (is_any) {
		*ret_message = talk->queue[talk->first];
		talk->first = (talk->first + 1) % WEIR_GRPC_TALK_QUEUE;
		talk->count--;
	}
	pthread_mutex_unlock(lock);
	return is_any;
}

static void on_sent(struct weir_grpc_call *call, bool is_ok)
{
	struct weir_grpc_talk *talk = call->talk;

	(void)is_ok; /* a broken call: its close says so */
	grpc_byte_buffer_destroy(talk->sending);
	talk->sending = NULL;
	call->idle_ticks = 0;
	flush(talk);
	weir_grpc_call_drop(call);
}

static void send_one(struct weir_grpc_talk *talk, struct weir_buf *message)
{
	grpc_op op = { .op = GRPC_OP_SEND_MESSAGE };

	op.flags = weir_grpc_message_flags(message->length);
	talk->sending = weir_grpc_message_of(message);
	op.data.send_message.send_message = talk->sending;
	talk->call->pending++;
	weir_grpc_call_batch(talk->call, &op, 1, &talk->sent);
}

/* Sends the next message; when all is sent, ends the call or reads on. */
static void flush(struct weir_grpc_talk *talk)
{
	struct weir_grpc_call *call = talk->call;
	struct weir_buf message;

	if (talk->sending != NULL || call->is_answered) {
		return;
	}
	if (take(talk, &message)) {
		send_one(talk, &message);
	} else if (talk->is_ending) {
		weir_grpc_answer_give(call, &talk->end);
	} else if (talk->is_read_due) {
		talk->is_read_due = false;
		weir_grpc_call_read(call, false);
	}
}

static void on_woken(struct weir_grpc_call *call, bool is_ok)
{
	struct weir_grpc_talk *talk = call->talk;

	(void)is_ok;
	pthread_mutex_lock(&call->calls->talk_lock);
	talk->is_woken = false;
	pthread_mutex_unlock(&call->calls->talk_lock);
	if (!talk->is_closed) {
		flush(talk);
	} else {
		call->pending = 1; /* it was over but for this */
		weir_grpc_call_drop(call);
	}
}

void weir_grpc_talk_open(struct weir_grpc_call *call, const struct weir_grpc_peer *peer)
{
	const struct weir_grpc_method *method = call->served->method;
	struct weir_grpc_calls *calls = call->calls;
	struct weir_grpc_talk *talk;

	if (calls->talk_count >= calls->talk_limit) {
		weir_grpc_answer_code(call, WEIR_GRPC_RESOURCE_EXHAUSTED, "too many such streams are open");
		return;
	}
	talk = calloc(1, sizeof(*talk));
	if (talk == NULL) {
		weir_grpc_answer_code(call, WEIR_GRPC_INTERNAL, "out of memory");
		return;
	}
	talk->call = call;
	talk->sent = (struct weir_grpc_tag){ call, on_sent };
	talk->wake = (struct weir_grpc_tag){ call, on_woken };
	talk->is_in_hand = true;
	if (method->talk->open(method->ctx, peer, talk, &call->stream) != 0) {
		free(talk);
		weir_grpc_answer_code(call, WEIR_GRPC_INTERNAL, "the stream could not be opened");
		return;
	}
	call->talk = talk;
	call->is_stream_open = true;
	calls->talk_count++;
	weir_grpc_call_read(call, true);
	in_hand(talk, false);
	flush(talk);
}

void weir_grpc_talk_message(struct weir_grpc_call *call, struct weir_str message)
{
	const struct weir_grpc_method *method = call->served->method;
	struct weir_grpc_talk *talk = call->talk;
	struct weir_grpc_answer answer = { 0 };

	in_hand(talk, true);
	method->talk->message(method->ctx, call->stream, message, &answer);
	in_hand(talk, false);
	talk->is_read_due = true;
	if (answer.code != WEIR_GRPC_OK) {
		talk->end = answer;
		talk->is_ending = true;
	}
	flush(talk);
}

void weir_grpc_talk_half_closed(struct weir_grpc_call *call)
{
	const struct weir_grpc_method *method = call->served->method;
	struct weir_grpc_talk *talk = call->talk;
	bool is_over;

	in_hand(talk, true);
	is_over = method->talk->end(method->ctx, call->stream);
	in_hand(talk, false);
	if (is_over) {
		weir_grpc_talk_finish(call);
	} else {
		flush(talk);
	}
}

void weir_grpc_talk_finish(struct weir_grpc_call *call)
{
	call->talk->is_ending = true;
	flush(call->talk);
}

bool weir_grpc_talk_is_stalled(const struct weir_grpc_call *call)
{
	return call->talk != NULL && call->talk->sending != NULL;
}

bool weir_grpc_talk_close(struct weir_grpc_call *call)
{
	const struct weir_grpc_method *method = call->served->method;
	struct weir_grpc_talk *talk = call->talk;
	struct weir_buf left;
	bool is_woken;

	if (!talk->is_closed) {
		talk->is_closed = true;
		method->talk->close(method->ctx, call->stream); /* from here on nothing is said */
	}
	pthread_mutex_lock(&call->calls->talk_lock);
	is_woken = talk->is_woken;
	pthread_mutex_unlock(&call->calls->talk_lock);
	if (is_woken) {
		return false;
	}
	while (take(talk, &left)) {
		weir_buf_fini(&left);
	}
	weir_assert(talk->sending == NULL);
	free(talk);
	call->talk = NULL;
	call->calls->talk_count--;
	return true;
}
