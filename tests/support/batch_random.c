/* batch_random: random batches of every kind, the same for the same seed. */
#include "support/batch_random.h"

#include <stdio.h>
#include <string.h>

uint64_t batch_random_number(struct batch_random *random, uint64_t below)
{
	uint64_t z = random->state += 0x9e3779b97f4a7c15u; /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % below;
}

static struct weir_ref text(struct batch_random *random, struct batch_maker *maker, const char *prefix)
{
	char name[64];

	snprintf(name, sizeof(name), "%s-%u", prefix, (unsigned)batch_random_number(random, random->names));
	return batch_maker_text(maker, name);
}

static void call_fill(struct batch_random *random, struct batch_maker *maker, struct weir_call *call)
{
	char name[2][32];

	snprintf(name[0], sizeof(name[0]), "w%u", (unsigned)batch_random_number(random, random->names));
	snprintf(name[1], sizeof(name[1]), "w%u", (unsigned)batch_random_number(random, random->names));
	call->source = batch_maker_workload(maker, name[0], "default", "v1");
	call->destination = batch_maker_workload(maker, name[1], "default", "v2");
	call->reporter = (uint8_t)batch_random_number(random, 2);
	call->security = (uint8_t)batch_random_number(random, 3);
	call->proxy = text(random, maker, "proxy");
	call->service_host = text(random, maker, "host");
	call->service_name = text(random, maker, "name");
	call->service_namespace = batch_maker_text(maker, "default");
	call->response_flags = batch_random_number(random, 8) == 0 ? 1u << batch_random_number(random, 28) : 0;
}

static void id_fill(uint8_t id[8], uint64_t value)
{
	memcpy(id, &value, sizeof(value));
}

/* Spans whose callers and callees fall into different batches as often as not. */
static void spans_fill(struct batch_random *random, struct batch_maker *maker)
{
	uint32_t count = 1 + (uint32_t)batch_random_number(random, 20);
	char name[32];

	snprintf(name, sizeof(name), "s%u", (unsigned)batch_random_number(random, random->names));
	batch_maker_resource(maker, name);
	for (uint32_t i = 0; i < count; i++) {
		struct weir_span *span = batch_maker_span(maker);
		uint64_t id = 1 + random->serial++ / 4 + batch_random_number(random, 40);

		span->kind = (uint8_t)batch_random_number(random, 6);
		id_fill(span->trace_id, 1 + id / 7);
		id_fill(span->span_id, id);
		id_fill(span->parent_id, 1 + random->serial / 4 + batch_random_number(random, 40));
		span->flags = batch_random_number(random, 4) == 0 ? WEIR_SPAN_ERROR : 0;
		span->flags |= batch_random_number(random, 8) == 0 ? WEIR_SPAN_SHARED : 0;
		span->duration_ns = batch_random_number(random, 1000000000);
		if (batch_random_number(random, 3) == 0) {
			span->peer = text(random, maker, "peer");
		}
		if (span->kind == WEIR_SPAN_CONSUMER) {
			struct weir_link *link = batch_maker_link(maker);

			span->link_first = maker->links.count - 1;
			span->link_count = 1;
			id_fill(link->trace_id, 1 + id / 7);
			id_fill(link->span_id, id + batch_random_number(random, 10));
		}
	}
}

static void requests_fill(struct batch_random *random, struct batch_maker *maker)
{
	static const uint16_t codes[] = { 200, 200, 200, 404, 503, 0 };
	uint32_t count = 1 + (uint32_t)batch_random_number(random, 20);

	for (uint32_t i = 0; i < count; i++) {
		struct weir_request *request = batch_maker_request(maker);

		call_fill(random, maker, &request->call);
		request->start_ns = random->now_ns - batch_random_number(random, 50) * 1000;
		request->request_id = text(random, maker, "id");
		request->response_code = codes[batch_random_number(random, 6)];
		request->duration_ns = batch_random_number(random, 5000000000);
		request->request_bytes = batch_random_number(random, 100000);
		request->response_bytes = batch_random_number(random, 100000);
		if (batch_random_number(random, 4) == 0) {
			request->call.protocol = WEIR_REQUEST_GRPC;
			request->grpc_status = (int32_t)batch_random_number(random, 3);
			request->request_messages = batch_random_number(random, 3);
			request->response_messages = batch_random_number(random, 3);
		}
	}
}

static void connections_fill(struct batch_random *random, struct batch_maker *maker)
{
	uint32_t count = 1 + (uint32_t)batch_random_number(random, 10);
	char stream[32];

	for (uint32_t i = 0; i < count; i++) {
		struct weir_connection *connection = batch_maker_connection(maker);

		call_fill(random, maker, &connection->call);
		connection->state = (uint8_t)batch_random_number(random, 3);
		connection->sent_bytes = batch_random_number(random, 100000);
		connection->received_bytes = batch_random_number(random, 100000);
		snprintf(stream, sizeof(stream), "stream-%u",
			(unsigned)(random->serial++ / 10 + batch_random_number(random, 20)));
		connection->stream_id = batch_maker_text(maker, stream);
	}
}

/* Points of every kind, delta and cumulative, some of them late, some repeated. */
static void points_fill(struct batch_random *random, struct batch_maker *maker)
{
	static const double bounds[3] = { 1, 10, 100 };
	uint32_t count = 1 + (uint32_t)batch_random_number(random, 20);
	char name[32];

	snprintf(name, sizeof(name), "s%u", (unsigned)batch_random_number(random, random->names));
	batch_maker_resource(maker, name);
	for (uint32_t i = 0; i < count; i++) {
		unsigned kind = (unsigned)batch_random_number(random, 5);
		uint32_t instrument;
		struct weir_point *point;
		uint64_t counts[4];

		snprintf(
			name, sizeof(name), "metric.%u.%u", kind, (unsigned)batch_random_number(random, random->names));
		instrument = batch_maker_instrument(maker, name, kind, 1 + (unsigned)batch_random_number(random, 2));
		for (unsigned k = 0; k < 4; k++) {
			counts[k] = batch_random_number(random, 10);
		}
		point = batch_maker_point(maker, instrument);
		point->flags = WEIR_POINT_IS_INT | WEIR_POINT_HAS_SUM;
		point->start_ns = 1 + batch_random_number(random, 2);
		point->time_ns = random->now_ns - batch_random_number(random, random->step_ns);
		point->value.integer = (int64_t)batch_random_number(random, 1000);
		point->sum = (double)batch_random_number(random, 1000);
		point->count = counts[0] + counts[1] + counts[2] + counts[3];
		point->scale = (int32_t)batch_random_number(random, 6) - 2;
		point->positive_offset = (int32_t)batch_random_number(random, 400) - 200;
		point->zero_count = batch_random_number(random, 3);
		if (point->value.integer % 3 == 0) {
			point->flags |= WEIR_POINT_HAS_EXEMPLAR;
			point->exemplar_value = point->sum;
			point->exemplar_ns = point->value.integer % 2 == 0 ? 0 : point->time_ns;
			memcpy(point->exemplar_trace, &point->time_ns, sizeof(point->time_ns));
			point->exemplar_span[0] = (uint8_t)point->value.integer;
		}
		if (kind == WEIR_INSTRUMENT_HISTOGRAM || kind == WEIR_INSTRUMENT_SUMMARY) {
			point->bounds = batch_maker_numbers(maker, bounds, 3);
		}
		if (kind >= WEIR_INSTRUMENT_HISTOGRAM) {
			point->counts = batch_maker_numbers(maker, counts, kind == WEIR_INSTRUMENT_SUMMARY ? 3 : 4);
		}
		point->attr_first = maker->attrs.count;
		point->attr_count = 1;
		snprintf(name, sizeof(name), "v%u", (unsigned)batch_random_number(random, 3));
		batch_maker_tag(maker, "kind", name);
	}
}

static void logs_fill(struct batch_random *random, struct batch_maker *maker)
{
	uint32_t count = 1 + (uint32_t)batch_random_number(random, 20);
	char name[32];

	snprintf(name, sizeof(name), "s%u", (unsigned)batch_random_number(random, random->names));
	batch_maker_resource(maker, name);
	for (uint32_t i = 0; i < count; i++) {
		struct weir_log *log = batch_maker_log(maker);

		log->time_ns = random->now_ns;
		log->severity = (uint32_t)batch_random_number(random, 25);
	}
	if (batch_random_number(random, 2) == 0) {
		requests_fill(random, maker);
	}
}

const struct weir_batch *batch_random_next(struct batch_random *random, struct batch_maker *maker)
{
	static const struct {
		uint8_t protocol, signal;
	} kinds[] = { { WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_SPAN }, { WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG },
		{ WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG }, { WEIR_PROTOCOL_OTLP_HTTP, WEIR_SIGNAL_METRIC_POINT },
		{ WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_LOG } };
	unsigned kind = (unsigned)batch_random_number(random, sizeof(kinds) / sizeof(kinds[0]));
	uint64_t digest;
	char source[32];

	random->now_ns += batch_random_number(random, random->step_ns);
	snprintf(source, sizeof(source), "source-%u", (unsigned)batch_random_number(random, 5));
	batch_maker_begin(maker, kinds[kind].protocol, kinds[kind].signal, source, random->now_ns);
	switch (kind) {
	case 0:
		digest = 1 + batch_random_number(random, 500);
		memcpy(maker->head.digest, &digest, sizeof(digest));
		spans_fill(random, maker);
		break;
	case 1:
		requests_fill(random, maker);
		break;
	case 2:
		connections_fill(random, maker);
		break;
	case 3:
		points_fill(random, maker);
		break;
	default:
		logs_fill(random, maker);
		break;
	}
	maker->head.dropped[WEIR_DROP_INVALID] = (uint32_t)batch_random_number(random, 3);
	maker->head.replaced_utf8 = (uint32_t)batch_random_number(random, 2);
	return batch_maker_finish(maker);
}
