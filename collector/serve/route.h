/* route: what the banks hand to serve. Protocol-neutral descriptions of HTTP
 * routes and gRPC methods; serve owns sockets, threads, limits and parsing,
 * the banks own meaning.
 *
 * Threads: ingest routes and all gRPC functions run on their listener's one
 * thread and must not block; query routes run on the bounded query pool. */
#ifndef WEIR_SERVE_ROUTE_H
#define WEIR_SERVE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* serve itself refused a body that was meant for a handler; the handler's bank
 * counts it with its signal. Runs on the listener's thread. */
enum weir_route_refusal { WEIR_ROUTE_TOO_LARGE, WEIR_ROUTE_MALFORMED };

typedef void weir_route_refused_fn(void *ctx, enum weir_route_refusal why);

/* ---- HTTP --------------------------------------------------------------- */

struct weir_http_request;

/* Borrowed for the time of the call. Names are found without regard to case;
 * an absent header or argument has data NULL. Arguments are %-decoded. */
struct weir_str weir_http_request_rest(const struct weir_http_request *request); /* behind a route's `*`; decoded */
struct weir_str weir_http_request_argument(const struct weir_http_request *request, const char *name);
/* One that may come several times: the first `most` of its values; returns how many there are. */
size_t weir_http_request_arguments(
	const struct weir_http_request *request, const char *name, struct weir_str *ret_values, size_t most);
struct weir_str weir_http_request_header(const struct weir_http_request *request, const char *name);
struct weir_str weir_http_request_body(const struct weir_http_request *request); /* gzip already undone; contiguous */
struct weir_str weir_http_request_peer(const struct weir_http_request *request); /* address text without port */
/* The SPIFFE id (URI) of the client's certificate; empty without one. */
struct weir_str weir_http_request_identity(const struct weir_http_request *request);
/* Monotonic time at which the answer stops being of use (limits.query_s). */
uint64_t weir_http_request_deadline_ns(const struct weir_http_request *request);

struct weir_http_response {
	unsigned status;          /* 200 when the handler leaves it */
	const char *content_type; /* static text; NULL: text/plain; charset=utf-8 */
	struct weir_buf body;     /* the handler fills it; serve frees it, gzips it when asked */
	unsigned retry_after_s;   /* > 0: a Retry-After header */
	int64_t behind_ms;        /* > 0: a Weir-Behind-Ms header */
	const char *cache_control, *content_security_policy, *location, *etag; /* static text or NULL */
	const char *vary;       /* static text or NULL: a header of the request that the answer depends on */
	uint64_t park_position; /* > 0: hold the answer until this ring position is stored (storage.sync=always) */
	struct weir_http_packed *packed; /* serve's: what weir_http_response_pack() took out of the body */
};

typedef void weir_http_fn(void *ctx, const struct weir_http_request *request, struct weir_http_response *response);

/* serve refuses a request of this route with `text`, which is in the response already: how the route's protocol says
 * it instead. Any thread; it may look at the request's headers. */
typedef void weir_http_spell_fn(void *ctx, const struct weir_http_request *request, unsigned status, const char *text,
	struct weir_http_response *response);

enum weir_route_kind { WEIR_ROUTE_QUERY, WEIR_ROUTE_INGEST };

struct weir_http_route {
	const char *method; /* GET also serves HEAD */
	const char *path;   /* exact, or a prefix that ends in '*' */
	enum weir_route_kind kind;
	weir_http_fn *fn;
	void *ctx;
	weir_route_refused_fn *refused; /* may be NULL */
	weir_http_spell_fn *spell;      /* may be NULL: refusals are plain text */
};

/* For a body that may become very long: to be called now and then while it grows. From eight megabytes on it is packed
 * away and `body` is empty again; what is sent is the whole. */
void weir_http_response_pack(struct weir_http_response *response);

/* Sets status, a text body and (for a JSON or protobuf caller) nothing else. */
void weir_http_response_text(struct weir_http_response *response, unsigned status, const char *text);

/* ---- gRPC --------------------------------------------------------------- */

enum weir_grpc_code {
	WEIR_GRPC_OK = 0,
	WEIR_GRPC_INVALID_ARGUMENT = 3,
	WEIR_GRPC_NOT_FOUND = 5,
	WEIR_GRPC_PERMISSION_DENIED = 7,
	WEIR_GRPC_RESOURCE_EXHAUSTED = 8,
	WEIR_GRPC_UNIMPLEMENTED = 12,
	WEIR_GRPC_INTERNAL = 13,
	WEIR_GRPC_UNAVAILABLE = 14,
};

struct weir_grpc_answer {
	enum weir_grpc_code code;
	const char *message;     /* static or arena text that outlives the call of fn; NULL */
	uint32_t retry_delay_ms; /* > 0: google.rpc.Status with RetryInfo in the trailers */
	struct weir_buf body;    /* the encoded reply; serve frees it */
	uint64_t park_position;  /* as above */
};

/* What a listener tells about a call's other end. */
struct weir_grpc_peer {
	struct weir_str address;  /* "ipv4:127.0.0.1:41234", "unix:" */
	struct weir_str identity; /* the SPIFFE id (URI) of the client's certificate; empty without one */
};

typedef void weir_grpc_unary_fn(
	void *ctx, const struct weir_grpc_peer *peer, struct weir_str message, struct weir_grpc_answer *answer);

enum { WEIR_GRPC_HOLD = 1 }; /* outcome of `message`: not taken; offer it again when there is room */

struct weir_grpc_stream_fns {
	/* A new call; *ret_stream is handed to the others. 0 or a fault (INTERNAL). */
	int (*open)(void *ctx, const struct weir_grpc_peer *peer, void **ret_stream);
	/* One message. 0: taken, *answer untouched, unless its code is set: then the stream ends with it.
	 * WEIR_GRPC_HOLD: nothing was taken; the stream is not read on until it is. */
	int (*message)(void *ctx, void *stream, struct weir_str message, struct weir_grpc_answer *answer);
	/* The client half-closed: fill the answer (OK and a body). Not called on a broken stream. */
	void (*end)(void *ctx, void *stream, struct weir_grpc_answer *answer);
	void (*close)(void *ctx, void *stream); /* always, last */
};

/* Both sides talk: the client sends messages, the server sends as many as it
 * likes, at any time. Health's Watch and reflection. */
struct weir_grpc_talk; /* one such call, as serve knows it */

/* Any thread, between open and close: queues a message for the client; `message` is taken over. Only the newest
 * WEIR_GRPC_TALK_QUEUE messages of a client that does not read are kept. */
#define WEIR_GRPC_TALK_QUEUE 64u
void weir_grpc_talk_say(struct weir_grpc_talk *talk, struct weir_buf message);

struct weir_grpc_talk_fns {
	int (*open)(void *ctx, const struct weir_grpc_peer *peer, struct weir_grpc_talk *talk, void **ret_stream);
	/* One message of the client. *answer with a code that is not OK ends the call with it. */
	void (*message)(void *ctx, void *stream, struct weir_str message, struct weir_grpc_answer *answer);
	/* The client half-closed. True: the call ends with OK once all is said; false: it stays open (Watch). */
	bool (*end)(void *ctx, void *stream);
	void (*close)(void *ctx, void *stream); /* always, last; afterwards nothing is said any more */
};

struct weir_grpc_method {
	const char *path;                          /* "/package.Service/Method" */
	weir_grpc_unary_fn *unary;                 /* one of the three */
	const struct weir_grpc_stream_fns *stream; /* client streaming */
	const struct weir_grpc_talk_fns *talk;     /* server or both streaming */
	void *ctx;
	weir_route_refused_fn *refused; /* may be NULL */
};

#endif
