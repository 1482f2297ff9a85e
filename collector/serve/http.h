/* http: the HTTP listeners, libmicrohttpd with suspended connections and a
 * bounded query pool. The only room that knows <microhttpd.h>. */
#ifndef WEIR_SERVE_HTTP_H
#define WEIR_SERVE_HTTP_H

#include "serve/ack.h"
#include "serve/route.h"
#include "serve/tls.h"

struct weir_http;

struct weir_http_opts {
	const char *const *addresses;
	size_t address_count;
	const struct weir_http_route *routes; /* from both banks; first match wins */
	size_t route_count;
	size_t max_body_bytes;   /* inflated; larger: 413, counted */
	size_t max_header_bytes; /* larger: 431 */
	uint32_t max_connections;
	struct weir_tls *tls;                /* NULL: every address is plain; see weir_tls_is_wanted() */
	uint32_t query_threads, query_queue; /* beyond the queue: 503 with Retry-After */
	uint32_t query_s;
	struct weir_ack *ack;
	const char **ret_failed; /* NULL, or gets the address that could not be bound */
};

/* Binds and listens, serves nothing yet; addresses and routes are copied. -EADDRINUSE and the like. */
int weir_http_open(const struct weir_http_opts *opts, struct weir_http **ret_http);
/* The real address of listener i. Lives as long as http. */
const char *weir_http_address(const struct weir_http *http, size_t i);
/* Starts the threads. After a fault only close is left to call. */
int weir_http_start(struct weir_http *http);
/* New connections are served with the certificates that are in use now; old ones live on. Main's thread, after
 * weir_tls_reload() found a new set. 0, or a fault: the old ones stay in use. */
int weir_http_renew(struct weir_http *http);
/* Accepts no more, finishes the queries that run, refuses (503) those that wait and what is still parked, lets answers
 * go out for up to 1 s, joins. Its handlers are not called any more afterwards. */
void weir_http_stop(struct weir_http *http);
void weir_http_close(struct weir_http *http); /* after stop, or instead of start; NULL is ignored */

#endif
