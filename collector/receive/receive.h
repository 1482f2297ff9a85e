/* receive: one protocol's handler each: bytes in, batch into the ring, answer
 * out. A receiver instance belongs to one listener thread (it owns that
 * thread's arena); main.c makes one for gRPC and one for HTTP where a protocol
 * has both. */
#ifndef WEIR_RECEIVE_RECEIVE_H
#define WEIR_RECEIVE_RECEIVE_H

#include "ring/ring.h"
#include "serve/route.h"

struct weir_receive_opts {
	struct weir_ring *ring;
	size_t max_message_bytes;
	bool parks;                            /* storage.sync=always: park answers at the batch's end */
	bool (*is_storage_failing)(void *ctx); /* span batches are refused, streams thinned; may be NULL */
	void *ctx;
};

struct weir_otlp;
int weir_otlp_create(const struct weir_receive_opts *opts, struct weir_otlp **ret);
void weir_otlp_destroy(struct weir_otlp *otlp);
void weir_otlp_grpc(struct weir_otlp *otlp, struct weir_grpc_method *ret_method); /* TraceService/Export */
void weir_otlp_http(struct weir_otlp *otlp, struct weir_http_route *ret_route);   /* POST /v1/traces */

struct weir_zipkin;
int weir_zipkin_create(const struct weir_receive_opts *opts, struct weir_zipkin **ret);
void weir_zipkin_destroy(struct weir_zipkin *zipkin);
#define WEIR_ZIPKIN_ROUTES 2u /* POST /api/v2/spans and /zipkin/api/v2/spans */
void weir_zipkin_http(struct weir_zipkin *zipkin, struct weir_http_route ret_routes[WEIR_ZIPKIN_ROUTES]);

struct weir_als;
int weir_als_create(const struct weir_receive_opts *opts, struct weir_als **ret);
void weir_als_destroy(struct weir_als *als);
void weir_als_grpc(struct weir_als *als, struct weir_grpc_method *ret_method);

struct weir_health; /* grpc.health.v1.Health/Check */
/* `services` are the full names that Check knows; they stay the caller's and must live as long. Serving at first. */
int weir_health_create(const char *const *services, size_t service_count, struct weir_health **ret);
void weir_health_destroy(struct weir_health *health);
void weir_health_set_serving(struct weir_health *health, bool is_serving); /* any thread */
void weir_health_grpc(struct weir_health *health, struct weir_grpc_method *ret_method);

#endif
