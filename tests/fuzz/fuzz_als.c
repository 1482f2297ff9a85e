/* fuzz_als: any bytes through the access log decoder, with protobuf-c's
 * generated types as oracle: what the oracle can read must be read, entry by
 * entry the same. Our decoder passes over more (it does not look into what it
 * does not need), so what it accepts beyond the oracle is only decoded, twice:
 * the second time as a later message of the same stream.
 *
 * Messages of v2 are among the corpus: to v3's types they are messages that say
 * less. */
#include <stdint.h>

#include "base/err.h"
#include "base/utf8.h"
#include "comparable.h"
#include "decode/envoy/als.h"
#include "decode/envoy/thin.h"
#include "envoy/service/accesslog/v3/als.pb-c.h"

typedef Envoy__Service__Accesslog__V3__StreamAccessLogsMessage Message;
typedef Envoy__Data__Accesslog__V3__HTTPAccessLogEntry Http;
typedef Envoy__Data__Accesslog__V3__TCPAccessLogEntry Tcp;
typedef Envoy__Data__Accesslog__V3__AccessLogCommon Common;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Text with a NUL or invalid UTF-8 is not the same in C strings, and is let pass. */
static void same(const struct weir_draft *draft, struct weir_ref ref, const char *oracle)
{
	struct weir_str have = weir_draft_str(draft, ref), want = weir_str_of(oracle);

	if (weir_utf8_is_valid(want) && (have.length == 0 || !memchr(have.data, '\0', have.length))) {
		weir_assert(weir_str_equal(have, want));
	}
}

static bool is_final(const Common *common)
{
	int type = common ? (int)common->access_log_type : 0;

	return !(common && common->intermediate_log_entry) && (type == 0 || type == 3 || type == 6 || type == 13);
}

static void compare_http(const struct weir_draft *draft, const Message *message)
{
	const struct weir_request *row = draft->requests.data;
	size_t n = message->http_logs->n_log_entry, rows = 0;

	weir_assert(draft->offered == n);
	for (size_t i = 0; i < n; i++) {
		const Http *entry = message->http_logs->log_entry[i];

		if (!is_final(entry->common_properties)) {
			continue;
		}
		weir_assert(rows < draft->requests.count);
		if (entry->common_properties) {
			same(draft, row[rows].upstream_cluster, entry->common_properties->upstream_cluster);
			same(draft, row[rows].route, entry->common_properties->route_name);
			weir_assert(row[rows].attempts == entry->common_properties->upstream_request_attempt_count);
		}
		if (entry->request) {
			same(draft, row[rows].authority, entry->request->authority);
			same(draft, row[rows].path, entry->request->path);
			same(draft, row[rows].request_id, entry->request->request_id);
		}
		if (entry->response) {
			uint32_t code = entry->response->response_code ? entry->response->response_code->value : 0;

			weir_assert(row[rows].response_code == code || code > UINT16_MAX);
			same(draft, row[rows].code_details, entry->response->response_code_details);
		}
		rows++;
	}
	weir_assert(rows == draft->requests.count);
}

/* Of a connection that goes on. */
static bool is_usable_report(const Common *common)
{
	int type = (int)common->access_log_type;

	return common->stream_id[0] != '\0' && (type < 7 || type > 9) &&
	       ((type != 4 && type != 14) || common->upstream_cluster[0] != '\0');
}

static void compare_tcp(const struct weir_draft *draft, const Message *message)
{
	const struct weir_connection *row = draft->connections.data;
	size_t n = message->tcp_logs->n_log_entry, at = 0;

	weir_assert(draft->offered == n && draft->connections.count <= n);
	for (size_t i = 0; i < n; i++) {
		const Tcp *entry = message->tcp_logs->log_entry[i];

		if (!is_final(entry->common_properties)) {
			at += is_usable_report(entry->common_properties);
			continue;
		}
		if (at < draft->connections.count && entry->connection_properties) {
			weir_assert(row[at].received_bytes == entry->connection_properties->received_bytes);
			weir_assert(row[at].sent_bytes == entry->connection_properties->sent_bytes);
			weir_assert(row[at].state == WEIR_CONNECTION_CLOSE);
		}
		at++;
	}
}

/* A stream id or a cluster that begins with NUL is one for us and none for C. */
static bool has_nul(struct weir_str message)
{
	return message.data && message.length > 0 && memchr(message.data, '\0', message.length) &&
	       memmem(message.data, message.length, "\xd2\x01", 2);
}

static void compare(const struct weir_draft *draft, struct weir_str body)
{
	Message *message;

	if (!is_comparable(&envoy__service__accesslog__v3__stream_access_logs_message__descriptor, body, NULL)) {
		return;
	}
	message = envoy__service__accesslog__v3__stream_access_logs_message__unpack(
		NULL, body.length, (const uint8_t *)body.data);
	if (!message) {
		return;
	}
	if (message->log_entries_case ==
		ENVOY__SERVICE__ACCESSLOG__V3__STREAM_ACCESS_LOGS_MESSAGE__LOG_ENTRIES_HTTP_LOGS) {
		compare_http(draft, message);
	} else if (message->log_entries_case ==
			   ENVOY__SERVICE__ACCESSLOG__V3__STREAM_ACCESS_LOGS_MESSAGE__LOG_ENTRIES_TCP_LOGS &&
		   !has_nul(body)) {
		compare_tcp(draft, message);
	}
	envoy__service__accesslog__v3__stream_access_logs_message__free_unpacked(message, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_ALS_V3, .signal = WEIR_SIGNAL_ACCESS_LOG };
	struct weir_str body = weir_str_make((const char *)data, size);
	struct weir_envoy_sender sender;
	struct weir_arena arena;
	int r = 0;

	weir_arena_init(&arena, 1 << 18, 1 << 24);
	weir_envoy_sender_init(&sender);
	for (int round = 0; round < 2; round++) {
		const struct weir_batch *batch;
		struct weir_draft draft;
		int first = r;

		weir_arena_reset(&arena);
		weir_draft_init(&draft, &arena, body);
		r = weir_als_decode(&draft, &sender);
		weir_assert(round == 0 || r == first);
		if (r != 0) {
			weir_assert(r == WEIR_DECODE_TOO_LARGE || draft.error != NULL);
			weir_assert(
				r == WEIR_DECODE_TOO_LARGE ||
				!is_comparable(&envoy__service__accesslog__v3__stream_access_logs_message__descriptor,
					body, NULL));
			continue;
		}
		compare(&draft, body);
		if (round == 1) { /* packed, it says the same; thin, it is sound */
			weir_als_pack(&draft);
			weir_assert(draft.is_exhausted || draft.body.length == 0);
			compare(&draft, body);
			weir_als_thin(&draft);
		}
		batch = weir_draft_finish(&draft, &head);
		weir_assert(batch == NULL || weir_batch_is_sound(batch, batch->size_bytes));
	}
	weir_envoy_sender_fini(&sender);
	weir_arena_fini(&arena);
	return 0;
}
