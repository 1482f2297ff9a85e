/* access_words: the names under which an access log's attributes tell of a
 * request.
 *
 * Whoever configures an access logger chooses the names. Three vocabularies
 * are understood: Envoy's own (its format strings, in lower case), Istio's
 * (the labels of its metrics, and Mixer's words), and OpenTelemetry's
 * conventions, old and new. A name that is in none of them stays an attribute.
 *
 * The table is in order of length, then of bytes, for a binary search.
 *
 * Any thread. */
#include "decode/otlp/access_words.h"

#include <stdlib.h>

static const struct word {
	const char *text;
	uint8_t length, word;
} words[] = {
	{ "path", 4, WEIR_ACCESS_PATH },
	{ "route", 5, WEIR_ACCESS_ROUTE },
	{ "method", 6, WEIR_ACCESS_METHOD },
	{ "duration", 8, WEIR_ACCESS_DURATION },
	{ "protocol", 8, WEIR_ACCESS_PROTOCOL },
	{ "reporter", 8, WEIR_ACCESS_DIRECTION },
	{ "trace_id", 8, WEIR_ACCESS_TRACE_ID },
	{ "url.path", 8, WEIR_ACCESS_PATH },
	{ "authority", 9, WEIR_ACCESS_AUTHORITY },
	{ "direction", 9, WEIR_ACCESS_DIRECTION },
	{ "http.host", 9, WEIR_ACCESS_AUTHORITY },
	{ "stream_id", 9, WEIR_ACCESS_CONNECTION },
	{ "bytes_sent", 10, WEIR_ACCESS_SENT },
	{ "request.id", 10, WEIR_ACCESS_REQUEST_ID },
	{ "request_id", 10, WEIR_ACCESS_REQUEST_ID },
	{ "route_name", 10, WEIR_ACCESS_ROUTE },
	{ "source_app", 10, WEIR_ACCESS_SOURCE_APP },
	{ "user_agent", 10, WEIR_ACCESS_USER_AGENT },
	{ "grpc_status", 11, WEIR_ACCESS_GRPC_STATUS },
	{ "http.method", 11, WEIR_ACCESS_METHOD },
	{ "http.target", 11, WEIR_ACCESS_PATH },
	{ "content_type", 12, WEIR_ACCESS_CONTENT_TYPE },
	{ "request.host", 12, WEIR_ACCESS_AUTHORITY },
	{ "request.path", 12, WEIR_ACCESS_PATH },
	{ "request.size", 12, WEIR_ACCESS_RECEIVED },
	{ "request_path", 12, WEIR_ACCESS_PATH },
	{ "request_size", 12, WEIR_ACCESS_RECEIVED },
	{ "x-request-id", 12, WEIR_ACCESS_REQUEST_ID },
	{ "x_request_id", 12, WEIR_ACCESS_REQUEST_ID },
	{ "connection.id", 13, WEIR_ACCESS_CONNECTION },
	{ "connection_id", 13, WEIR_ACCESS_CONNECTION },
	{ "response.code", 13, WEIR_ACCESS_CODE },
	{ "response.size", 13, WEIR_ACCESS_SENT },
	{ "response_code", 13, WEIR_ACCESS_CODE },
	{ "response_size", 13, WEIR_ACCESS_SENT },
	{ "upstream_host", 13, WEIR_ACCESS_UPSTREAM },
	{ "bytes_received", 14, WEIR_ACCESS_RECEIVED },
	{ "request.method", 14, WEIR_ACCESS_METHOD },
	{ "request_method", 14, WEIR_ACCESS_METHOD },
	{ "response.flags", 14, WEIR_ACCESS_FLAGS },
	{ "response_flags", 14, WEIR_ACCESS_FLAGS },
	{ "server.address", 14, WEIR_ACCESS_AUTHORITY },
	{ "source.address", 14, WEIR_ACCESS_REMOTE },
	{ "source_cluster", 14, WEIR_ACCESS_SOURCE_CLUSTER },
	{ "source_version", 14, WEIR_ACCESS_SOURCE_VERSION },
	{ "access_log_type", 15, WEIR_ACCESS_TYPE },
	{ "destination_app", 15, WEIR_ACCESS_DESTINATION_APP },
	{ "http.user_agent", 15, WEIR_ACCESS_USER_AGENT },
	{ "rpc.status_code", 15, WEIR_ACCESS_GRPC_STATUS },
	{ "source_workload", 15, WEIR_ACCESS_SOURCE },
	{ "context.protocol", 16, WEIR_ACCESS_PROTOCOL },
	{ "http.status_code", 16, WEIR_ACCESS_CODE },
	{ "request_protocol", 16, WEIR_ACCESS_PROTOCOL },
	{ "source.principal", 16, WEIR_ACCESS_PEER_SAN },
	{ "source_principal", 16, WEIR_ACCESS_PEER_SAN },
	{ "upstream_address", 16, WEIR_ACCESS_UPSTREAM },
	{ "upstream_cluster", 16, WEIR_ACCESS_CLUSTER },
	{ "upstream_peer_id", 16, WEIR_ACCESS_UPSTREAM_ID },
	{ "guid:x-request-id", 17, WEIR_ACCESS_REQUEST_ID },
	{ "request.useragent", 17, WEIR_ACCESS_USER_AGENT },
	{ "request_authority", 17, WEIR_ACCESS_AUTHORITY },
	{ "response.duration", 17, WEIR_ACCESS_DURATION },
	{ "response_duration", 17, WEIR_ACCESS_DURATION },
	{ "traffic_direction", 17, WEIR_ACCESS_DIRECTION },
	{ "downstream_peer_id", 18, WEIR_ACCESS_DOWNSTREAM_ID },
	{ "grpc_status_number", 18, WEIR_ACCESS_GRPC_STATUS },
	{ "request.total_size", 18, WEIR_ACCESS_RECEIVED_TOTAL },
	{ "request_total_size", 18, WEIR_ACCESS_RECEIVED_TOTAL },
	{ "request_user_agent", 18, WEIR_ACCESS_USER_AGENT },
	{ "connection.duration", 19, WEIR_ACCESS_DURATION },
	{ "destination_cluster", 19, WEIR_ACCESS_DESTINATION_CLUSTER },
	{ "destination_service", 19, WEIR_ACCESS_SERVICE },
	{ "destination_version", 19, WEIR_ACCESS_DESTINATION_VERSION },
	{ "http.request.method", 19, WEIR_ACCESS_METHOD },
	{ "response.total_size", 19, WEIR_ACCESS_SENT_TOTAL },
	{ "response_total_size", 19, WEIR_ACCESS_SENT_TOTAL },
	{ "user_agent.original", 19, WEIR_ACCESS_USER_AGENT },
	{ "destination_workload", 20, WEIR_ACCESS_DESTINATION },
	{ "grpc_response_status", 20, WEIR_ACCESS_GRPC_STATUS },
	{ "network.peer.address", 20, WEIR_ACCESS_DIRECT },
	{ "request_content_type", 20, WEIR_ACCESS_CONTENT_TYPE },
	{ "response.grpc_status", 20, WEIR_ACCESS_GRPC_STATUS },
	{ "rpc.grpc.status_code", 20, WEIR_ACCESS_GRPC_STATUS },
	{ "source.workload.name", 20, WEIR_ACCESS_SOURCE },
	{ "upstream_cluster_raw", 20, WEIR_ACCESS_CLUSTER },
	{ "context.reporter.kind", 21, WEIR_ACCESS_DIRECTION },
	{ "destination.principal", 21, WEIR_ACCESS_LOCAL_SAN },
	{ "destination_principal", 21, WEIR_ACCESS_LOCAL_SAN },
	{ "request_headers_bytes", 21, WEIR_ACCESS_RECEIVED_HEADERS },
	{ "requested_server_name", 21, WEIR_ACCESS_SNI },
	{ "response.code_details", 21, WEIR_ACCESS_DETAILS },
	{ "response_code_details", 21, WEIR_ACCESS_DETAILS },
	{ "upstream_cluster.name", 21, WEIR_ACCESS_CLUSTER },
	{ "http.request.body.size", 22, WEIR_ACCESS_RECEIVED },
	{ "response_headers_bytes", 22, WEIR_ACCESS_SENT_HEADERS },
	{ "downstream_peer_uri_san", 23, WEIR_ACCESS_PEER_SAN },
	{ "http.response.body.size", 23, WEIR_ACCESS_SENT },
	{ "upstream_remote_address", 23, WEIR_ACCESS_UPSTREAM },
	{ "context.proxy_error_code", 24, WEIR_ACCESS_FLAGS },
	{ "destination.service.host", 24, WEIR_ACCESS_SERVICE },
	{ "destination.service.name", 24, WEIR_ACCESS_SERVICE_NAME },
	{ "destination_service_name", 24, WEIR_ACCESS_SERVICE_NAME },
	{ "downstream_local_address", 24, WEIR_ACCESS_LOCAL },
	{ "downstream_local_uri_san", 24, WEIR_ACCESS_LOCAL_SAN },
	{ "network.protocol.version", 24, WEIR_ACCESS_PROTOCOL },
	{ "rpc.response.status_code", 24, WEIR_ACCESS_GRPC_STATUS },
	{ "source_canonical_service", 24, WEIR_ACCESS_SOURCE_CANONICAL_SERVICE },
	{ "destination.workload.name", 25, WEIR_ACCESS_DESTINATION },
	{ "downstream_remote_address", 25, WEIR_ACCESS_REMOTE },
	{ "http.response.status_code", 25, WEIR_ACCESS_CODE },
	{ "source.workload.namespace", 25, WEIR_ACCESS_SOURCE_NAMESPACE },
	{ "source_canonical_revision", 25, WEIR_ACCESS_SOURCE_CANONICAL_REVISION },
	{ "source_workload_namespace", 25, WEIR_ACCESS_SOURCE_NAMESPACE },
	{ "downstream_wire_bytes_sent", 26, WEIR_ACCESS_SENT_TOTAL },
	{ "connection.sent.bytes_total", 27, WEIR_ACCESS_SENT },
	{ "http.request_content_length", 27, WEIR_ACCESS_RECEIVED },
	{ "http.response_content_length", 28, WEIR_ACCESS_SENT },
	{ "destination.service.namespace", 29, WEIR_ACCESS_SERVICE_NAMESPACE },
	{ "destination_canonical_service", 29, WEIR_ACCESS_DESTINATION_CANONICAL_SERVICE },
	{ "destination_service_namespace", 29, WEIR_ACCESS_SERVICE_NAMESPACE },
	{ "destination.workload.namespace", 30, WEIR_ACCESS_DESTINATION_NAMESPACE },
	{ "destination_canonical_revision", 30, WEIR_ACCESS_DESTINATION_CANONICAL_REVISION },
	{ "destination_workload_namespace", 30, WEIR_ACCESS_DESTINATION_NAMESPACE },
	{ "downstream_wire_bytes_received", 30, WEIR_ACCESS_RECEIVED_TOTAL },
	{ "upstream_request_attempt_count", 30, WEIR_ACCESS_ATTEMPTS },
	{ "connection.received.bytes_total", 31, WEIR_ACCESS_RECEIVED },
	{ "connection.requested_server_name", 32, WEIR_ACCESS_SNI },
	{ "downstream_direct_remote_address", 32, WEIR_ACCESS_DIRECT },
};

static int compare(const void *key, const void *row)
{
	const struct weir_str *text = key;
	const struct word *word = row;

	if (text->length != word->length) {
		return text->length < word->length ? -1 : 1;
	}
	return memcmp(text->data, word->text, word->length);
}

enum weir_access_word weir_access_word_of(struct weir_str key)
{
	const struct word *word = bsearch(&key, words, sizeof(words) / sizeof(words[0]), sizeof(words[0]), compare);

	return word != NULL ? (enum weir_access_word)word->word : WEIR_ACCESS_WORDS;
}

/* By number. */
static const char *const statuses[] = { "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound",
	"AlreadyExists", "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange",
	"Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated" };

#define STATUSES (sizeof(statuses) / sizeof(statuses[0]))

/* "NOT_FOUND" is "NotFound". */
static bool is_status(struct weir_str text, const char *name)
{
	for (size_t i = 0; i < text.length; i++) {
		if (text.data[i] == '_') {
			continue;
		}
		if (*name == '\0' || (text.data[i] | 0x20) != (*name | 0x20)) {
			return false;
		}
		name++;
	}
	return *name == '\0';
}

bool weir_access_grpc_status(struct weir_str text, int32_t *ret)
{
	unsigned long long number;

	if (weir_str_to_u64(text, &number) == 0) {
		*ret = (int32_t)number;
		return number <= INT32_MAX;
	}
	for (size_t i = 0; i < STATUSES && text.length > 0; i++) {
		if (is_status(text, statuses[i]) || (i == 1 && is_status(text, "Cancelled"))) {
			*ret = (int32_t)i;
			return true;
		}
	}
	return false;
}
