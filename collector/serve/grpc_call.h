/* grpc_call: one gRPC call's life (private to serve). All functions run on the
 * polling thread; grpc.c owns that thread, grpc_call.c the calls. */
#ifndef WEIR_SERVE_GRPC_CALL_H
#define WEIR_SERVE_GRPC_CALL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <grpc/grpc.h>

#include "serve/ack.h"
#include "serve/coding.h"
#include "serve/route.h"

struct weir_grpc_call;

/* What a completion queue's tag points to. */
struct weir_grpc_tag {
	struct weir_grpc_call *call;
	void (*completed)(struct weir_grpc_call *call, bool is_ok);
};

/* A method as the server knows it; the last one is the catch-all. */
struct weir_grpc_served {
	const struct weir_grpc_method *method; /* NULL: every method that is not registered */
	void *registered;
	uint32_t armed, target;
};

/* What the polling thread owns. */
struct weir_grpc_calls {
	grpc_server *server;
	grpc_completion_queue *queue;
	struct weir_ack *ack;
	size_t max_message_bytes;
	struct weir_grpc_served *served;
	size_t served_count;
	struct weir_grpc_call *live; /* arrived and not yet over; doubly linked */
	uint32_t live_count, live_limit;
	struct weir_grpc_call *idle;                   /* contexts to use again */
	struct weir_grpc_call *held_first, *held_last; /* streams whose message waits for room, oldest first */
	struct weir_buf message;                       /* the message at hand, contiguous */
	struct weir_coding coding;
	bool is_stopping, has_tls;
	uint64_t stream_age_ns; /* of a connection whose streams are ended; 0: never */
	uint32_t talk_count, talk_limit;
	pthread_mutex_t talk_lock; /* of what the talks have queued; any thread */
};

/* Arms every method up to its target. 0 or -ENOMEM (some are armed). */
int weir_grpc_call_arm_all(struct weir_grpc_calls *calls);

/* A batch came back from the queue. */
void weir_grpc_call_completed(struct weir_grpc_tag *tag, bool is_ok);

/* Once a tick: ends streams whose connection is too old, and cuts off calls whose client takes nothing any more, or does
 * not get its one message sent. */
void weir_grpc_call_sweep(struct weir_grpc_calls *calls, uint64_t now_ns);

/* Gives up parked answers; to be called once all calls are cancelled. */
void weir_grpc_call_forget_parked(struct weir_grpc_calls *calls);

/* Are calls or armed contexts left? */
bool weir_grpc_call_is_any_left(const struct weir_grpc_calls *calls);

void weir_grpc_call_free_idle(struct weir_grpc_calls *calls);

/* ---- grpc_message.c ------------------------------------------------------ */

enum { WEIR_GRPC_MESSAGE_TOO_LARGE = 1, WEIR_GRPC_MESSAGE_MALFORMED = 2 }; /* outcomes */

/* A message in one piece: borrowed from `payload` when it is one plain slice,
 * else in calls->message until the next call. 0, an outcome or a fault. */
int weir_grpc_message_read(
	struct weir_grpc_calls *calls, const grpc_byte_buffer *payload, struct weir_str *ret_message);

/* A body as the core wants it: taken over, or copied when it is short. */
grpc_byte_buffer *weir_grpc_message_of(struct weir_buf *body);

/* Write flags of a message: short ones are not worth compressing. */
uint32_t weir_grpc_message_flags(size_t bytes);

/* The op that begins an answer; what is worth it is compressed when the client can read that. */
grpc_op weir_grpc_message_begin(void);

/* An answer's pieces as the core wants them; the body is taken over. */
struct weir_grpc_reply {
	grpc_byte_buffer *body; /* NULL unless OK */
	grpc_status_code code;
	grpc_slice message;
	grpc_metadata details; /* grpc-status-details-bin */
	size_t details_count;
};

void weir_grpc_reply_init(struct weir_grpc_reply *ret_reply, struct weir_grpc_answer *answer);
void weir_grpc_reply_fini(struct weir_grpc_reply *reply);

struct weir_grpc_call {
	struct weir_grpc_calls *calls;
	struct weir_grpc_served *served;
	struct weir_grpc_call *next, *previous; /* in live; next alone in idle */
	struct weir_grpc_call *held_next, *held_previous;
	grpc_call *call;
	grpc_byte_buffer *payload;
	gpr_timespec deadline;
	grpc_metadata_array metadata;
	grpc_call_details details; /* of the catch-all */
	struct weir_grpc_tag arrived, closed, message, answered;
	struct weir_grpc_reply reply;
	void *stream;
	unsigned pending;
	int is_cancelled;    /* written by the core */
	atomic_bool is_sent; /* hands `reply` from the sending thread to the polling one */
	bool is_stream_open, is_held, is_answered, is_parked, is_close_asked, is_cut;
	struct weir_grpc_talk *talk; /* of a talk that is open */
	uint64_t end_at_ns;          /* monotonic: the connection is too old then; 0: never */
	uint64_t message_by_ns;      /* monotonic: a unary call's message must be whole then; 0: it is */
	uint32_t idle_ticks;         /* ticks for which what is to be sent has not moved */
};

/* One tag came back, or will never come; ends the call when it was the last. */
void weir_grpc_call_drop(struct weir_grpc_call *call);

/* Asks for the client's next message; the first time, initial metadata go out with it. */
void weir_grpc_call_read(struct weir_grpc_call *call, bool is_first);

/* The message in one piece. False: there is none to be had, and the call is answered with why. */
bool weir_grpc_call_message(struct weir_grpc_call *call, struct weir_str *ret_message);
void weir_grpc_call_payload_drop(struct weir_grpc_call *call);

/* Ends an open stream or talk from our side, with OK. */
void weir_grpc_call_finish(struct weir_grpc_call *call);

/* Starts a batch that cannot be refused. */
void weir_grpc_call_batch(struct weir_grpc_call *call, const grpc_op *ops, size_t count, struct weir_grpc_tag *tag);

/* ---- grpc_stream.c ------------------------------------------------------- */

void weir_grpc_stream_begin(struct weir_grpc_call *call, const struct weir_grpc_peer *peer);
void weir_grpc_stream_message(struct weir_grpc_call *call); /* call->payload came: taken, held, or the end */
void weir_grpc_stream_end(struct weir_grpc_call *call);     /* the client half-closed, or we do */
void weir_grpc_stream_let_go(struct weir_grpc_call *call);  /* the call is closed: a held message is forgotten */

/* Offers held messages again, oldest first, until one is held again. */
void weir_grpc_stream_retry_held(struct weir_grpc_calls *calls);

/* Ends every open stream and talk: `end` and OK, or UNAVAILABLE where a message is held. */
void weir_grpc_stream_end_all(struct weir_grpc_calls *calls);

/* ---- grpc_answer.c ------------------------------------------------------- */

/* Decides the call: sends the answer, or parks it. Takes the answer's body. */
void weir_grpc_answer_give(struct weir_grpc_call *call, struct weir_grpc_answer *answer);
void weir_grpc_answer_code(struct weir_grpc_call *call, enum weir_grpc_code code, const char *message);
void weir_grpc_answer_ask_close(struct weir_grpc_call *call);
void weir_grpc_answer_sent(struct weir_grpc_call *call, bool is_ok); /* the tag's function */
/* true: it was parked, and will never be sent; its tag is the caller's to drop. */
bool weir_grpc_answer_take_back(struct weir_grpc_call *call);

/* ---- grpc_peer.c --------------------------------------------------------- */

struct weir_grpc_caller {
	struct weir_grpc_peer peer; /* borrowed from the rest */
	char *address;
	struct grpc_auth_context *context;
};

void weir_grpc_peer_get(struct weir_grpc_call *call, struct weir_grpc_caller *ret_caller);
void weir_grpc_peer_let_go(struct weir_grpc_caller *caller);

/* When the call's connection was first heard of. */
uint64_t weir_grpc_peer_born_ns(struct weir_grpc_call *call, uint64_t now_ns);

/* ---- grpc_talk.c --------------------------------------------------------- */

/* A call of a talk method arrived: opens it, or refuses. */
void weir_grpc_talk_open(struct weir_grpc_call *call, const struct weir_grpc_peer *peer);
void weir_grpc_talk_message(struct weir_grpc_call *call, struct weir_str message);
void weir_grpc_talk_half_closed(struct weir_grpc_call *call);
void weir_grpc_talk_finish(struct weir_grpc_call *call); /* OK once all is said */
/* A message is on its way out. */
bool weir_grpc_talk_is_stalled(const struct weir_grpc_call *call);
/* When the call is over. False: a tag of the talk's is on its way, and will end the call in its turn. */
bool weir_grpc_talk_close(struct weir_grpc_call *call);

#endif
