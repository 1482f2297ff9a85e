/* receive: one protocol's handler each: bytes in, batch into the ring, answer
 * out. A receiver instance belongs to one listener thread (it owns that
 * thread's arena); main.c makes one for gRPC and one for HTTP where a protocol
 * has both. */
#ifndef WEIR_RECEIVE_RECEIVE_H
#define WEIR_RECEIVE_RECEIVE_H

#include "identity/workload.h"
#include "receive/admit.h"
#include "ring/ring.h"
#include "serve/route.h"

struct weir_receive_opts {
	struct weir_ring *ring;
	size_t max_message_bytes;
	bool parks; /* storage.sync=always: park answers at the batch's end */
	/* Then spans and logs are refused; what bears metrics is taken without its detail. May be NULL. */
	bool (*is_storage_failing)(void *ctx);
	void *ctx;
	struct weir_admit *admit;         /* NULL: only a full ring refuses (unit tests) */
	bool rejects_identity;            /* security.identity: reject; else a mismatch is marked and counted */
	bool envoy_counters_are_deltas;   /* metrics.envoy_counters */
	struct weir_workloads *workloads; /* who pods are, published; NULL: nobody is known */
};

/* Each X_grpc and X_http fills its fixed number of rows. */

struct weir_otlp; /* traces, metrics, logs; protobuf and JSON */
#define WEIR_OTLP_METHODS 3u
#define WEIR_OTLP_ROUTES 3u
int weir_otlp_create(const struct weir_receive_opts *opts, struct weir_otlp **ret);
void weir_otlp_destroy(struct weir_otlp *otlp);
void weir_otlp_grpc(struct weir_otlp *otlp, struct weir_grpc_method ret_methods[WEIR_OTLP_METHODS]);
void weir_otlp_http(struct weir_otlp *otlp, struct weir_http_route ret_routes[WEIR_OTLP_ROUTES]);

struct weir_zipkin; /* v2 JSON and proto3, v1 JSON; SpanService */
#define WEIR_ZIPKIN_METHODS 1u
#define WEIR_ZIPKIN_ROUTES 4u /* POST /api/v2/spans and /api/v1/spans, each also under /zipkin */
int weir_zipkin_create(const struct weir_receive_opts *opts, struct weir_zipkin **ret);
void weir_zipkin_destroy(struct weir_zipkin *zipkin);
void weir_zipkin_grpc(struct weir_zipkin *zipkin, struct weir_grpc_method ret_methods[WEIR_ZIPKIN_METHODS]);
void weir_zipkin_http(struct weir_zipkin *zipkin, struct weir_http_route ret_routes[WEIR_ZIPKIN_ROUTES]);

struct weir_als; /* AccessLogService, v2 and v3 */
#define WEIR_ALS_METHODS 2u
int weir_als_create(const struct weir_receive_opts *opts, struct weir_als **ret);
void weir_als_destroy(struct weir_als *als);
void weir_als_grpc(struct weir_als *als, struct weir_grpc_method ret_methods[WEIR_ALS_METHODS]);

struct weir_envoy_metrics; /* MetricsService, v2 and v3 */
#define WEIR_ENVOY_METRICS_METHODS 2u
int weir_envoy_metrics_create(const struct weir_receive_opts *opts, struct weir_envoy_metrics **ret);
void weir_envoy_metrics_destroy(struct weir_envoy_metrics *metrics);
void weir_envoy_metrics_grpc(
	struct weir_envoy_metrics *metrics, struct weir_grpc_method ret_methods[WEIR_ENVOY_METRICS_METHODS]);

struct weir_mixer; /* Mixer's Report and Check */
#define WEIR_MIXER_METHODS 2u
int weir_mixer_create(const struct weir_receive_opts *opts, struct weir_mixer **ret);
void weir_mixer_destroy(struct weir_mixer *mixer);
void weir_mixer_grpc(struct weir_mixer *mixer, struct weir_grpc_method ret_methods[WEIR_MIXER_METHODS]);

struct weir_health; /* grpc.health.v1.Health: Check, List and Watch */
#define WEIR_HEALTH_METHODS 3u
/* `services` are the full names that it knows; they stay the caller's and must live as long. Serving at first. */
int weir_health_create(const char *const *services, size_t service_count, struct weir_health **ret);
void weir_health_destroy(struct weir_health *health);
/* Any thread. A change is said to all who watch. */
void weir_health_set_serving(struct weir_health *health, bool is_serving);
void weir_health_grpc(struct weir_health *health, struct weir_grpc_method ret_methods[WEIR_HEALTH_METHODS]);

struct weir_reflection; /* ServerReflectionInfo, v1 and v1alpha, from the descriptors that proto/ is built from */
#define WEIR_REFLECTION_METHODS 2u
int weir_reflection_create(const char *const *services, size_t service_count, struct weir_reflection **ret);
void weir_reflection_destroy(struct weir_reflection *reflection);
void weir_reflection_grpc(
	struct weir_reflection *reflection, struct weir_grpc_method ret_methods[WEIR_REFLECTION_METHODS]);

#endif
