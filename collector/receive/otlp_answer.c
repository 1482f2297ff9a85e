/* otlp_answer: one verdict, spelled for gRPC, for HTTP with protobuf and for
 * HTTP with JSON.
 *
 *   outcome                 gRPC                              HTTP
 *   taken, or empty         OK, response                      200, response
 *   items that are invalid  OK, partial_success               200, the same
 *   malformed               INVALID_ARGUMENT                  400
 *   another's identity      PERMISSION_DENIED                 403
 *   too large               RESOURCE_EXHAUSTED                413
 *   ring full               RESOURCE_EXHAUSTED + RetryInfo    429 + Retry-After
 *   more than its share     RESOURCE_EXHAUSTED + RetryInfo    429 + Retry-After
 *   storage failing         RESOURCE_EXHAUSTED + RetryInfo    503 + Retry-After
 *   stopping                UNAVAILABLE + RetryInfo           503 + Retry-After
 *
 *   serve's own refusals                                      as they are, with a Status
 *
 * (A failing store refuses spans and logs only: otlp.c.)
 *
 * The three responses have the same field numbers, so one message's type
 * writes them all; in JSON their counts have names of their own.
 *
 * Any thread. */
#include "receive/otlp_answer.h"

#include <inttypes.h>

#include "google/rpc/status.pb-c.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"

#define PROTOBUF_TYPE "application/x-protobuf"
#define JSON_TYPE "application/json"

static const struct { /* of a signal's response */
	const char *json_key, *why;
} words[] = {
	[WEIR_SIGNAL_SPAN] = { "rejectedSpans", "spans with an id of the wrong length or all zero were dropped" },
	[WEIR_SIGNAL_METRIC_POINT] = { "rejectedDataPoints",
		"points that cannot mean anything were dropped: without a name, a value or a temporality, or with "
		"buckets that do not fit together" },
	[WEIR_SIGNAL_LOG] = { "rejectedLogRecords", "log records were dropped" },
};

static void pack(const ProtobufCMessage *message, struct weir_buf *body)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	char *at = size > 0 ? weir_buf_reserve(body, size) : NULL;

	if (at != NULL) {
		weir_buf_advance(body, protobuf_c_message_pack(message, (uint8_t *)at));
	}
}

/* A copy that generated code may hold; sentences of ours are short. */
static char *sentence(const char *text, char room[256])
{
	size_t length = strlen(text);

	weir_assert(length < 256);
	return memcpy(room, text, length + 1);
}

/* The response of the signal's service into `body`: no bytes (or `{}`) when everything was taken, else how much was not,
 * and why. */
static void response_write(
	enum weir_signal signal, enum weir_otlp_encoding encoding, uint64_t rejected, struct weir_buf *body)
{
	Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceResponse response;
	Opentelemetry__Proto__Collector__Trace__V1__ExportTracePartialSuccess partial;
	char room[256];

	if (encoding == WEIR_OTLP_JSON) {
		weir_buf_add_text(body, "{");
		if (rejected > 0) {
			weir_buf_addf(body, "\"partialSuccess\":{\"%s\":\"%" PRIu64 "\",\"errorMessage\":\"%s\"}",
				words[signal].json_key, rejected, words[signal].why);
		}
		weir_buf_add_text(body, "}");
		return;
	}
	if (rejected == 0) {
		return;
	}
	opentelemetry__proto__collector__trace__v1__export_trace_service_response__init(&response);
	opentelemetry__proto__collector__trace__v1__export_trace_partial_success__init(&partial);
	partial.rejected_spans = (int64_t)rejected;
	partial.error_message = sentence(words[signal].why, room);
	response.partial_success = &partial;
	pack(&response.base, body);
}

static void status_write(
	enum weir_otlp_encoding encoding, enum weir_grpc_code code, const char *message, struct weir_buf *body)
{
	Google__Rpc__Status status;
	char room[256];

	if (encoding == WEIR_OTLP_JSON) {
		weir_buf_addf(body, "{\"code\":%d,\"message\":\"%s\"}", (int)code, message);
		return;
	}
	google__rpc__status__init(&status);
	status.code = (int32_t)code;
	status.message = sentence(message, room);
	pack(&status.base, body);
}

void weir_otlp_answer_grpc(
	enum weir_signal signal, const struct weir_verdict *verdict, uint64_t rejected, struct weir_grpc_answer *ret)
{
	weir_verdict_grpc(verdict, ret);
	ret->retry_delay_ms = verdict->retry_s * 1000; /* UNAVAILABLE's as well */
	if (verdict->code == WEIR_GRPC_OK) {
		response_write(signal, WEIR_OTLP_PROTOBUF, rejected, &ret->body);
	}
}

void weir_otlp_answer_http(enum weir_signal signal, enum weir_otlp_encoding encoding,
	const struct weir_verdict *verdict, uint64_t rejected, struct weir_http_response *ret)
{
	ret->status = verdict->http_status;
	ret->content_type = encoding == WEIR_OTLP_JSON ? JSON_TYPE : PROTOBUF_TYPE;
	ret->retry_after_s = verdict->retry_s;
	ret->park_position = verdict->park_position;
	if (verdict->code == WEIR_GRPC_OK) {
		response_write(signal, encoding, rejected, &ret->body);
	} else {
		status_write(encoding, verdict->code, verdict->message, &ret->body);
	}
}

void weir_otlp_answer_refusal(
	enum weir_otlp_encoding encoding, unsigned status, const char *text, struct weir_http_response *ret)
{
	enum weir_grpc_code code = status == 413   ? WEIR_GRPC_RESOURCE_EXHAUSTED
				   : status >= 500 ? WEIR_GRPC_UNAVAILABLE
						   : WEIR_GRPC_INVALID_ARGUMENT;
	char message[256];
	size_t length = strlen(text);

	weir_assert(length > 0 && length < sizeof(message));
	memcpy(message, text, length + 1);
	message[text[length - 1] == '\n' ? length - 1 : length] = '\0';
	ret->content_type = encoding == WEIR_OTLP_JSON ? JSON_TYPE : PROTOBUF_TYPE;
	weir_buf_clear(&ret->body);
	status_write(encoding, code, message, &ret->body);
}

void weir_otlp_answer_unknown_type(struct weir_http_response *ret)
{
	weir_http_response_text(ret, 415, "OTLP is taken as application/x-protobuf or application/json here\n");
}
