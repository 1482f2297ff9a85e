/* fuzz_otlp_logs: any bytes through the decoder of OTLP's logs, with
 * protobuf-c's generated types as oracle: both must agree on what is malformed
 * and on every record. What cannot be compared (oracle.h) is only decoded. The
 * rows of access logs are sound, and each belongs to a log record of its time. */
#include <stdint.h>

#include "opentelemetry/proto/collector/logs/v1/logs_service.pb-c.h"

#include "base/err.h"
#include "decode/otlp/logs.h"
#include "identity/known.h"
#include "oracle.h"

typedef Opentelemetry__Proto__Collector__Logs__V1__ExportLogsServiceRequest Request;
typedef Opentelemetry__Proto__Logs__V1__ResourceLogs ResourceLogs;
typedef Opentelemetry__Proto__Logs__V1__LogRecord LogRecord;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void id_compare(const uint8_t *id, ProtobufCBinaryData expected, size_t size)
{
	static const uint8_t none[16];

	weir_assert(memcmp(id, oracle_is_id(expected, size) ? expected.data : none, size) == 0);
}

static void log_compare(const struct weir_batch *batch, uint32_t row, const LogRecord *expected)
{
	const struct weir_log *log = &weir_batch_logs(batch)[row];

	weir_assert(row < batch->logs.count);
	weir_assert(log->time_ns == expected->time_unix_nano && log->observed_ns == expected->observed_time_unix_nano);
	weir_assert(
		log->severity == ((uint32_t)expected->severity_number <= 24 ? (uint32_t)expected->severity_number : 0));
	weir_assert(log->w3c_flags == expected->flags && log->dropped_attrs == expected->dropped_attributes_count);
	id_compare(log->trace_id, expected->trace_id, sizeof(log->trace_id));
	id_compare(log->span_id, expected->span_id, sizeof(log->span_id));
	oracle_compare_text(batch, log->severity_text, expected->severity_text);
	oracle_compare_text(batch, log->event_name, expected->event_name);
	oracle_compare_value(batch, &log->body, expected->body);
	oracle_compare_attrs(batch, log->attr_first, log->attr_count, expected->attributes, expected->n_attributes);
}

static void request_compare(const struct weir_batch *batch, const Request *request)
{
	uint32_t row = 0;

	for (size_t i = 0; i < request->n_resource_logs; i++) {
		const ResourceLogs *group = request->resource_logs[i];

		for (size_t k = 0; k < group->n_scope_logs; k++) {
			for (size_t n = 0; n < group->scope_logs[k]->n_log_records; n++) {
				log_compare(batch, row++, group->scope_logs[k]->log_records[n]);
			}
		}
	}
	weir_assert(batch->offered == row && batch->logs.count == row && batch->kept == row);
}

/* Requests are told by logs, one each, in order. */
static void rows_check(const struct weir_batch *batch)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < batch->logs.count; i++) {
		const struct weir_log *log = &weir_batch_logs(batch)[i];

		if (log->request != WEIR_NONE) {
			weir_assert(log->request == next++);
			weir_assert(weir_batch_requests(batch)[log->request].start_ns == log->time_ns);
		}
	}
	weir_assert(next == batch->requests.count && next + batch->connections.count <= batch->logs.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const ProtobufCMessageDescriptor *descriptor =
		&opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor;
	static struct weir_known *known; /* of the first inputs' senders, for ever */
	struct weir_draft_head head = { .signal = WEIR_SIGNAL_LOG };
	struct weir_str body = weir_str_make((const char *)data, size);
	const struct weir_batch *batch = NULL;
	struct weir_arena arena;
	struct weir_draft draft;
	int r;

	weir_assert(known != NULL || weir_known_create(16, &known) == 0);
	weir_arena_init(&arena, 1 << 16, 1 << 26);
	weir_draft_init(&draft, &arena, body);
	draft.known[0] = draft.known[1] = known;
	r = weir_otlp_logs_decode(&draft);
	if (r == 0) {
		batch = weir_draft_finish(&draft, &head);
		weir_assert(batch == NULL || weir_batch_is_sound(batch, batch->size_bytes));
	}
	if (batch != NULL) {
		rows_check(batch);
	}
	weir_assert(r != WEIR_DECODE_MALFORMED || draft.error != NULL);
	if (oracle_is_comparable(descriptor, body)) {
		Request *request = opentelemetry__proto__collector__logs__v1__export_logs_service_request__unpack(
			NULL, size, data);

		weir_assert(request != NULL && r != WEIR_DECODE_MALFORMED);
		if (batch != NULL) {
			request_compare(batch, request);
		}
		opentelemetry__proto__collector__logs__v1__export_logs_service_request__free_unpacked(request, NULL);
	}
	weir_arena_fini(&arena);
	return 0;
}
