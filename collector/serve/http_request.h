/* http_request: what the files of the HTTP listener share (private to serve).
 *
 *   http.c          options, start, stop
 *   http_accept.c   the accepting thread; cuts off connections that dawdle
 *   http_request.c  a request's way through libmicrohttpd's callbacks
 *   http_answer.c   a handler's response → libmicrohttpd's
 *   http_pack.c     answers too long to be kept as they are
 *   http_park.c     answers that wait for storage
 *   http_tls.c      certificates, handshakes, who a client is
 *   http_pool.c     the query threads and their bounded queue */
#ifndef WEIR_SERVE_HTTP_REQUEST_H
#define WEIR_SERVE_HTTP_REQUEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

#include "serve/ack.h"
#include "serve/coding.h"
#include "serve/http.h"
#include "serve/listen.h"
#include "serve/route.h"

#define WEIR_HTTP_PEER_BYTES 64u

struct weir_http_request {
	struct weir_http *http;
	struct MHD_Connection *connection;
	struct weir_http_connection *socket;
	const struct weir_http_route *route;
	struct weir_str method, path, rest;
	struct weir_buf body;
	struct weir_coding coding;
	size_t discarded_bytes; /* of the body of a request that is refused already */
	uint64_t deadline_ns;
	unsigned refusal; /* status with which serve itself answers; 0: the handler does */
	const char *refusal_text;
	char allow[64], peer[WEIR_HTTP_PEER_BYTES];
	bool is_gzip, is_whole, is_answering;
	struct weir_http_response response;
	struct MHD_Response *ready; /* made, to be queued when libmicrohttpd asks next */
	unsigned ready_status;
	struct weir_http_request *next, *previous; /* idle list, query queue, or parked list */
};

/* What a connection is doing, for the thread that cuts off who dawdles. */
enum weir_http_doing {
	WEIR_HTTP_GREETING /* TLS' handshake */,
	WEIR_HTTP_READING,
	WEIR_HTTP_HANDLING,
	WEIR_HTTP_WRITING
};

/* How far a handshake came: nothing that could be read, begun, and its two ends. */
enum weir_http_tls_state { WEIR_HTTP_TLS_SILENT, WEIR_HTTP_TLS_BEGUN, WEIR_HTTP_TLS_DONE, WEIR_HTTP_TLS_REFUSED };

struct weir_http_credentials; /* http_tls.c */

struct weir_http_connection {
	struct weir_http *http;
	int fd;
	enum weir_http_doing doing;
	uint64_t since_ns;
	uint64_t left_since_ns; /* the since_ns at which a look found that nothing will come any more; 0: none did */
	bool is_cut;            /* dawdled */
	enum weir_http_tls_state tls_state;
	struct weir_http_credentials *credentials; /* NULL: plain */
	char *identity;                            /* NULL: none shown */
	struct weir_http_connection *next, *previous;
};

struct weir_http_pool {
	pthread_mutex_t lock;
	pthread_cond_t is_changed;
	pthread_t *threads;
	uint32_t thread_count, started, waiting, capacity;
	struct weir_http_request *first, *last;
	bool is_stopping;
};

struct weir_http_listener {
	int fd;
	bool is_tls;
	char address[WEIR_LISTEN_ADDRESS_BYTES];
};

struct weir_http {
	struct weir_http_opts opts; /* routes and addresses are copied */
	struct weir_http_route *routes;
	struct weir_http_listener *listeners;
	size_t listener_count;
	struct MHD_Daemon *daemon, *tls_daemon; /* NULL: no address wants it */
	struct weir_http_pool pool;
	/* the accepting thread's */
	pthread_t acceptor;
	struct weir_listen_spare spare;
	int wake_fd; /* eventfd: stop accepting */
	bool is_acceptor_started, is_started;
	pthread_mutex_t ingest_lock; /* ingest handlers run one at a time, whichever daemon's thread it is */
	/* under `lock` */
	pthread_mutex_t lock;
	struct weir_http_request *idle;
	size_t idle_count;
	struct weir_http_credentials *credentials; /* in use; NULL: no TLS */
	pthread_cond_t is_answered;                /* or a parked one is resumed */
	struct weir_http_request *parked;
	struct weir_http_connection *connections;
	uint64_t greet_ms, read_ms, write_ms; /* bounds for a handshake, a whole request, a whole answer */
	uint32_t open, handed_over; /* connections that libmicrohttpd has, and that it has not begun with yet */
	bool is_parking_over;
	uint32_t answering; /* requests whose body is complete and whose answer is not sent */
};

/* http_request.c: libmicrohttpd's callbacks. */
enum MHD_Result weir_http_request_access(void *ctx, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size, void **request_ctx);
void weir_http_request_completed(
	void *ctx, struct MHD_Connection *connection, void **request_ctx, enum MHD_RequestTerminationCode why);
void weir_http_request_free_idle(struct weir_http *http);

/* http_answer.c: request->response → request->ready. Any thread that has the request in hand. */
void weir_http_answer_make(struct weir_http_request *request);
/* Puts a text in place of whatever was made. */
void weir_http_answer_refuse(struct weir_http_request *request, unsigned status, const char *text, unsigned retry_s);

void weir_http_answer_body_fini(struct weir_http_response *response); /* gives up what there is of a body */

/* http_pack.c: the whole answer, whose `packed` is set, as gzip or as it was; takes `packed`. NULL: no memory, or the
 * rest does not fit. */
struct MHD_Response *weir_http_packed_answer(struct weir_http_response *response, bool is_gzip);
void weir_http_packed_destroy(struct weir_http_packed *packed); /* NULL is ignored */

/* http_park.c */
void weir_http_park(struct weir_http_request *request); /* its answer is made */
void weir_http_park_end(struct weir_http *http);        /* answers 503 instead, from now on; none is left parked */

/* http_pool.c */
enum { WEIR_HTTP_POOL_FULL = 1 }; /* outcome */
int weir_http_pool_start(struct weir_http_pool *pool, uint32_t thread_count, uint32_t capacity);
int weir_http_pool_put(struct weir_http_pool *pool, struct weir_http_request *request); /* 0 or FULL */
void weir_http_pool_stop(
	struct weir_http_pool *pool); /* finishes what runs, refuses what waits and what comes; joins */
void weir_http_pool_fini(struct weir_http_pool *pool); /* when nobody puts any more */

/* http_tls.c */
int weir_http_tls_renew(struct weir_http *http); /* takes the set that is in use now; the first time as well */
void weir_http_tls_fini(struct weir_http *http); /* when no connection is left */
const struct weir_tls_set *weir_http_tls_set(const struct weir_http *http); /* main's thread: good until renewed */
/* A connection of the TLS daemon before its first byte; false: end it. */
bool weir_http_tls_begin(
	struct weir_http *http, struct MHD_Connection *connection, struct weir_http_connection *socket);
void weir_http_tls_end(struct weir_http_connection *socket); /* counts a handshake that came to nothing */

/* http_accept.c */
int weir_http_accept_start(struct weir_http *http);
void weir_http_accept_stop(struct weir_http *http);
void weir_http_accept_notify(
	void *ctx, struct MHD_Connection *connection, void **socket_ctx, enum MHD_ConnectionNotificationCode what);
void weir_http_accept_doing(struct weir_http *http, struct weir_http_connection *socket, enum weir_http_doing doing);

#endif
