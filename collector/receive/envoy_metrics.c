/* envoy_metrics: MetricsService/StreamMetrics of Envoy, v2 and v3, which are
 * equal but for their names. Points have no detail to shed: under pressure a
 * stream is held, then taken whole while there is room.
 *
 * One instance, one thread: that of the gRPC listener. */
#include "decode/envoy/metrics.h"

#include "receive/stream.h"

static int decode(struct weir_draft *draft, struct weir_envoy_sender *sender, const struct weir_receive_opts *opts)
{
	return weir_envoy_metrics_decode(draft, sender, opts->envoy_counters_are_deltas);
}

static const struct weir_stream_kind kind = {
	.paths = { "/envoy.service.metrics.v3.MetricsService/StreamMetrics",
		"/envoy.service.metrics.v2.MetricsService/StreamMetrics" },
	.protocols = { WEIR_PROTOCOL_METRICS_V3, WEIR_PROTOCOL_METRICS_V2 },
	.signal = WEIR_SIGNAL_METRIC_POINT,
	.too_large = "the message is too large: set a smaller batch_size",
	.decode = decode,
};

_Static_assert(WEIR_ENVOY_METRICS_METHODS == WEIR_STREAM_WAYS, "a method per way");

int weir_envoy_metrics_create(const struct weir_receive_opts *opts, struct weir_envoy_metrics **ret)
{
	struct weir_stream_service *service = NULL;
	int r = weir_stream_create(&kind, opts, &service);

	*ret = (struct weir_envoy_metrics *)service;
	return r;
}

void weir_envoy_metrics_destroy(struct weir_envoy_metrics *metrics)
{
	weir_stream_destroy((struct weir_stream_service *)metrics);
}

void weir_envoy_metrics_grpc(
	struct weir_envoy_metrics *metrics, struct weir_grpc_method ret_methods[WEIR_ENVOY_METRICS_METHODS])
{
	weir_stream_grpc((struct weir_stream_service *)metrics, ret_methods);
}
