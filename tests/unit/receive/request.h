/* request: what a listener would hand to a receiver, made by hand, and a ring
 * in a folder of its own to receive into. */
#ifndef WEIR_TESTS_RECEIVE_REQUEST_H
#define WEIR_TESTS_RECEIVE_REQUEST_H

#include "receive/receive.h"

/* serve declares it, the test defines it: the accessors read these. */
struct weir_http_request {
	struct weir_str body, content_type, peer, identity;
};

struct bench { /* one receiver's surroundings */
	char folder[64];
	struct weir_ring *ring;
	struct weir_receive_opts opts;
	bool is_failing;
};

void bench_open(struct bench *bench, uint64_t ring_bytes);
void bench_close(struct bench *bench);

/* The next batch of the ring, or NULL when there is none. */
const struct weir_batch *bench_next(struct bench *bench);

/* Posts to a route as a listener does; free the response with response_free. */
struct weir_http_response post(const struct weir_http_route *route, struct weir_str body, const char *content_type);
struct weir_grpc_answer call(const struct weir_grpc_method *method, struct weir_str message);

#endif
