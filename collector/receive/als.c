/* als: AccessLogService/StreamAccessLogs of Envoy, v2 and v3. The two differ
 * in their names only: fields have equal numbers, and v2 has fewer.
 *
 * Of an entry's bytes two thirds are not referred to (addresses, peers' blobs,
 * certificates, what the row before said in the same words), so the pool is
 * packed before it goes into the ring.
 *
 * One instance, one thread: that of the gRPC listener. */
#include "decode/envoy/als.h"

#include "decode/envoy/thin.h"
#include "receive/stream.h"

static int decode(struct weir_draft *draft, struct weir_envoy_sender *sender, const struct weir_receive_opts *opts)
{
	(void)opts;
	return weir_als_decode(draft, sender);
}

static const struct weir_stream_kind kind = {
	.paths = { "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs",
		"/envoy.service.accesslog.v2.AccessLogService/StreamAccessLogs" },
	.protocols = { WEIR_PROTOCOL_ALS_V3, WEIR_PROTOCOL_ALS_V2 },
	.signal = WEIR_SIGNAL_ACCESS_LOG,
	.too_large = "the message is too large: set a smaller buffer_size_bytes",
	.joins = true,
	.decode = decode,
	.pack = weir_als_pack,
	.thin = weir_als_thin,
};

_Static_assert(WEIR_ALS_METHODS == WEIR_STREAM_WAYS, "a method per way");

int weir_als_create(const struct weir_receive_opts *opts, struct weir_als **ret)
{
	struct weir_stream_service *service = NULL;
	int r = weir_stream_create(&kind, opts, &service);

	*ret = (struct weir_als *)service;
	return r;
}

void weir_als_destroy(struct weir_als *als)
{
	weir_stream_destroy((struct weir_stream_service *)als);
}

void weir_als_grpc(struct weir_als *als, struct weir_grpc_method ret_methods[WEIR_ALS_METHODS])
{
	weir_stream_grpc((struct weir_stream_service *)als, ret_methods);
}
