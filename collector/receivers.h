/* receivers: every way in, made and registered in one place (of the executable). */
#ifndef WEIR_RECEIVERS_H
#define WEIR_RECEIVERS_H

#include "receive/receive.h"

#define WEIR_RECEIVERS_METHODS 24u
#define WEIR_RECEIVERS_ROUTES 16u
#define WEIR_RECEIVERS_SERVICES 24u

struct weir_receivers {
	struct weir_otlp *otlp_grpc, *otlp_http;
	struct weir_zipkin *zipkin_grpc, *zipkin_http;
	struct weir_als *als;
	struct weir_envoy_metrics *envoy_metrics;
	struct weir_mixer *mixer;
	struct weir_health *health;
	struct weir_reflection *reflection;
	struct weir_grpc_method methods[WEIR_RECEIVERS_METHODS];
	size_t method_count;
	struct weir_http_route routes[WEIR_RECEIVERS_ROUTES];
	size_t route_count;
	/* The services of the methods, as health and reflection name them. */
	const char *services[WEIR_RECEIVERS_SERVICES];
	size_t service_count;
	char names[2048]; /* their texts */
};

/* 0 or a fault; to be finished in both cases. */
int weir_receivers_init(struct weir_receivers *receivers, const struct weir_receive_opts *opts);
void weir_receivers_fini(struct weir_receivers *receivers);

#endif
