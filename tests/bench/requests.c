/* requests: batches of requests, each of another label set. */
#include "requests.h"

#include <stdio.h>

/* As an access log tells of a call of productpage to reviews, whose workloads make the label set. */
static void request_add(struct batch_maker *maker, unsigned i)
{
	struct weir_request *request;
	uint32_t from, to;
	char name[48];

	snprintf(name, sizeof(name), "productpage-v%u", i % 50);
	from = batch_maker_workload(maker, name, "default", "v1");
	snprintf(name, sizeof(name), "reviews-v%u", i / 50);
	to = batch_maker_workload(maker, name, "default", "v1");
	request = batch_maker_request(maker);
	request->call.source = from;
	request->call.destination = to;
	request->call.service_host = batch_maker_text(maker, "reviews.default.svc.cluster.local");
	request->call.service_name = batch_maker_text(maker, "reviews");
	request->call.service_namespace = batch_maker_text(maker, "default");
	request->call.source_principal = batch_maker_text(maker, "spiffe://cluster.local/ns/default/sa/productpage");
	request->call.destination_principal = batch_maker_text(maker, "spiffe://cluster.local/ns/default/sa/reviews");
	request->response_code = 200;
	request->duration_ns = i * 100000u;
	request->request_bytes = 300;
	request->response_bytes = 4000;
}

const struct weir_batch *requests_make(struct batch_maker *maker, unsigned first, unsigned count)
{
	batch_maker_begin(maker, WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG, "bench", REQUESTS_T0);
	for (unsigned i = first; i < first + count; i++) {
		request_add(maker, i);
	}
	return batch_maker_finish(maker);
}
