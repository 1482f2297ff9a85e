/* Facts: the captures of real Envoys, decoded, against what their load program
 * counted. Rows by (reporter, source workload, destination service or workload,
 * code, flags, gRPC status), with the three normalisations of the issue and no
 * other; TCP by connections and bytes; both sides of each call by their labels.
 *
 * argv[1] is the folder of the captures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/address.h"
#include "decode/envoy/als.h"
#include "identity/known.h"
#include "rules/response_flags.h"
#include "support/standard_table.h"
#include "tests/support/facts.h"

#define STREAMS_MAX 256
#define CONNECTIONS_MAX 256

static const char *folder;

/* ---- what the facts say ------------------------------------------------- */

static void want_edges(const json_t *facts, struct rows *rows)
{
	const json_t *edge;
	size_t i;

	json_array_foreach(json_object_get(facts, "edges"), i, edge)
	{
		const json_t *status = json_object_get(edge, "grpc_status");
		const char *flags = facts_text(edge, "response_flags");
		char end[256], grpc[16] = "", text[1024];

		facts_end(edge, end, sizeof(end));
		if (status) {
			snprintf(grpc, sizeof(grpc), "%lld", (long long)json_integer_value(status));
		}
		snprintf(text, sizeof(text), "%s %s %s %lld %s %s", facts_text(edge, "reporter"),
			facts_text(edge, "source"), end, facts_number(edge, "response_code"), flags[0] ? flags : "-",
			grpc);
		rows_add(rows, text, facts_number(edge, "n"));
	}
}

/* ---- what we say -------------------------------------------------------- */

struct connection {
	char key[512];
	uint64_t received, sent;
	bool is_closed;
};

struct told {
	struct rows edges, sides[2]; /* sides: labels without reporter, principals and policy */
	struct connection connections[CONNECTIONS_MAX];
	size_t connection_count;
	uint32_t offered, rows, dropped, requests;
};

static struct weir_str or_unknown(struct weir_str text)
{
	return text.length > 0 ? text : weir_str_of("unknown");
}

static struct weir_str workload_of(const struct weir_batch *batch, uint32_t row)
{
	return or_unknown(row < batch->workloads.count ? weir_batch_str(batch, weir_batch_workloads(batch)[row].name)
						       : (struct weir_str){ NULL, 0 });
}

static void tell_request(const struct weir_batch *batch, const struct weir_request *request, struct told *told)
{
	const struct weir_call *call = &request->call;
	bool is_source = call->reporter == WEIR_REPORTER_SOURCE;
	struct weir_str source = workload_of(batch, call->source);
	struct weir_str end = is_source ? or_unknown(weir_batch_str(batch, call->service_host))
					: workload_of(batch, call->destination);
	char text[1024], flags[FACTS_FLAGS_BYTES], grpc[16] = "";
	struct weir_buf buf;

	weir_buf_init(&buf, 0);
	weir_response_flags_add(call->response_flags, &buf);
	snprintf(flags, sizeof(flags), "%.*s", (int)buf.length, buf.data);
	weir_buf_fini(&buf);
	facts_flags_sort(flags);
	if (request->grpc_status != WEIR_GRPC_STATUS_NONE) {
		snprintf(grpc, sizeof(grpc), "%d", request->grpc_status);
	}
	snprintf(text, sizeof(text), "%s %.*s %.*s %u %s %s", is_source ? "source" : "destination", (int)source.length,
		source.data, (int)end.length, end.data, request->response_code, flags, grpc);
	rows_add(&told->edges, text, 1);
}

/* The label text less what the two reporters may differ in. */
static void tell_side(const struct weir_batch *batch, const struct weir_call *call, const struct weir_request *request,
	struct told *told)
{
	static const char *const own[] = {
		"reporter=", "source_principal=", "destination_principal=", "connection_security_policy="
	};
	char text[1024] = "", *save = NULL;
	struct weir_buf buf;
	char *copy;

	weir_buf_init(&buf, 0);
	standard_table_labels(batch, call, request, false, &buf);
	assert_int_equal(weir_buf_error(&buf), 0);
	copy = strndup(buf.data, buf.length);
	for (char *label = strtok_r(copy, ",", &save); label; label = strtok_r(NULL, ",", &save)) {
		bool is_own = false;

		for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
			is_own = is_own || strncmp(label, own[i], strlen(own[i])) == 0;
		}
		if (!is_own) {
			strncat(text, label, sizeof(text) - strlen(text) - 2);
			strcat(text, " ");
		}
	}
	free(copy);
	weir_buf_fini(&buf);
	rows_add(&told->sides[call->reporter == WEIR_REPORTER_SOURCE ? 0 : 1], text, 1);
}

static void tell_connection(const struct weir_batch *batch, const struct weir_connection *row, struct told *told)
{
	struct weir_str id = weir_batch_str(batch, row->stream_id);
	/* By the service alone on the callee's side: until its proxy has introduced
	 * itself, a TCP client is known by its certificate's account only. */
	struct weir_str source =
		row->call.reporter == WEIR_REPORTER_SOURCE ? workload_of(batch, row->call.source) : weir_str_of("*");
	struct weir_str host = or_unknown(weir_batch_str(batch, row->call.service_host));
	char key[512];
	size_t i = 0;

	snprintf(key, sizeof(key), "%u %.*s %.*s %.*s", row->call.reporter, (int)source.length, source.data,
		(int)host.length, host.data, (int)id.length, id.data);
	if (id.length == 0) { /* v2 has no ids: one report is one connection */
		snprintf(key + strlen(key), sizeof(key) - strlen(key), "#%zu", told->connection_count);
	}
	while (i < told->connection_count && strcmp(told->connections[i].key, key) != 0) {
		i++;
	}
	assert_true(i < CONNECTIONS_MAX);
	told->connection_count += i == told->connection_count ? 1 : 0;
	snprintf(told->connections[i].key, sizeof(told->connections[i].key), "%s", key);
	assert_true(row->received_bytes >= told->connections[i].received);
	told->connections[i].received = row->received_bytes;
	told->connections[i].sent = row->sent_bytes;
	told->connections[i].is_closed = told->connections[i].is_closed || row->state == WEIR_CONNECTION_CLOSE;
}

struct streams {
	struct weir_envoy_sender sender[STREAMS_MAX];
	bool is_open[STREAMS_MAX], is_joined[STREAMS_MAX];
	struct weir_known *known;
};

static void take_message(
	struct streams *streams, const struct weir_mtcap_record *record, struct weir_arena *arena, struct told *told)
{
	struct weir_envoy_sender *sender = &streams->sender[record->stream];
	const struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_ALS_V3, .signal = WEIR_SIGNAL_ACCESS_LOG };
	const struct weir_batch *batch;
	struct weir_draft draft;

	weir_arena_reset(arena);
	weir_draft_init(&draft, arena, record->payload);
	assert_int_equal(weir_als_decode(&draft, sender), 0);
	batch = weir_draft_finish(&draft, &head);
	assert_non_null(batch);
	assert_true(weir_batch_is_sound(batch, batch->size_bytes));
	if (!streams->is_joined[record->stream]) {
		struct weir_address address = { 0 };

		assert_true(weir_address_parse(sender->identity.address, &address));
		weir_known_join(streams->known, &sender->identity, address.ip);
		streams->is_joined[record->stream] = true;
	}
	told->offered += batch->offered;
	told->rows += batch->requests.count + batch->connections.count;
	told->requests += batch->requests.count;
	told->dropped += batch->dropped[WEIR_DROP_INTERMEDIATE];
	assert_int_equal(batch->replaced_utf8, 0);
	for (uint32_t i = 0; i < batch->requests.count; i++) {
		assert_true(weir_str_equal(weir_batch_str(batch, weir_batch_requests(batch)[i].call.proxy),
			weir_identity_proxy(sender->identity.node_id)));
		tell_request(batch, &weir_batch_requests(batch)[i], told);
		tell_side(batch, &weir_batch_requests(batch)[i].call, &weir_batch_requests(batch)[i], told);
	}
	for (uint32_t i = 0; i < batch->connections.count; i++) {
		tell_connection(batch, &weir_batch_connections(batch)[i], told);
	}
}

static struct told *tell(const char *name)
{
	struct told *told = calloc(1, sizeof(*told));
	struct streams *streams = calloc(1, sizeof(*streams));
	struct weir_mtcap_record record;
	struct weir_mtcap *mtcap;
	struct weir_arena arena;
	int r;

	mtcap = facts_capture(folder, name);
	assert_int_equal(weir_known_create(64, &streams->known), 0);
	weir_arena_init(&arena, 1 << 20, 1 << 24);
	while ((r = weir_mtcap_next(mtcap, &record)) == 0) {
		if (!weir_str_is(record.kind, "msg") || !weir_str_ends_with(record.method, "/StreamAccessLogs")) {
			continue;
		}
		assert_true(record.stream < STREAMS_MAX);
		if (!streams->is_open[record.stream]) {
			weir_envoy_sender_init(&streams->sender[record.stream]);
			streams->sender[record.stream].known = streams->known;
			streams->is_open[record.stream] = true;
		}
		take_message(streams, &record, &arena, told);
	}
	assert_int_equal(r, WEIR_MTCAP_END);
	for (size_t i = 0; i < STREAMS_MAX; i++) {
		if (streams->is_open[i]) {
			weir_envoy_sender_fini(&streams->sender[i]);
		}
	}
	weir_known_destroy(streams->known);
	free(streams);
	weir_arena_fini(&arena);
	weir_mtcap_close(mtcap);
	assert_int_equal(told->offered, told->rows + told->dropped);
	return told;
}

static void check_tcp(const struct told *told, const json_t *facts, unsigned reporter)
{
	const json_t *pair;
	size_t p;

	json_array_foreach(json_object_get(facts, "tcp_connections"), p, pair)
	{
		uint64_t connections = 0, received = 0, sent = 0;
		char key[512];

		snprintf(key, sizeof(key), "%u %s %s ", reporter,
			reporter == WEIR_REPORTER_SOURCE ? facts_text(pair, "source") : "*",
			facts_text(pair, "destination_service"));

		for (size_t i = 0; i < told->connection_count; i++) {
			const struct connection *connection = &told->connections[i];

			if (strncmp(connection->key, key, strlen(key)) == 0) {
				assert_true(connection->is_closed);
				connections++;
				received += connection->received;
				sent += connection->sent;
			}
		}
		assert_int_equal(connections, facts_number(pair, "connections"));
		assert_int_equal(received, facts_number(pair, "bytes_sent_by_source"));
		assert_int_equal(sent, facts_number(pair, "bytes_sent_by_destination"));
	}
}

static void check(const char *name)
{
	json_t *facts = facts_load(folder, name);
	struct told *told = tell(name);
	struct rows *want = calloc(1, sizeof(*want));

	want_edges(facts, want);
	assert_true(want->count > 20);
	assert_int_equal(rows_differences(want, &told->edges), 0);
	check_tcp(told, facts, WEIR_REPORTER_SOURCE);
	check_tcp(told, facts, WEIR_REPORTER_DESTINATION);

	/* One entry fewer is a difference: the comparison can fail. */
	told->edges.row[0].n--;
	assert_string_not_equal(want->row[0].text, "");
	assert_true(rows_get(want, told->edges.row[0].text) != told->edges.row[0].n);
	free(want);
	free(told);
	json_decref(facts);
}

static void rows_of_envoy_als_are_the_facts(void **state)
{
	(void)state;
	check("envoy-als");
}

static void rows_of_envoy_als_periodic_are_the_facts(void **state)
{
	(void)state;
	check("envoy-als-periodic");
}

static void rows_of_envoy_als_v2_are_the_facts(void **state)
{
	(void)state;
	check("envoy-als-v2");
}

static void rows_of_envoy_all_are_the_facts(void **state)
{
	(void)state;
	check("envoy-all");
}

/* What the callee's proxy says of an answered call, its caller's says in the
 * same words, as often. Not compared are calls that only one side saw to their
 * end: flags on either side (a caller that went away or timed out), clients
 * without a sidecar, and details, whose 503 the caller's proxy retries. */
static void check_sides(const char *name)
{
	struct told *told = tell(name);
	size_t pairs = 0;

	for (size_t i = 0; i < told->sides[1].count; i++) {
		const char *text = told->sides[1].row[i].text;
		long long caller = rows_get(&told->sides[0], text);

		if (!strstr(text, "response_flags=\"-\"") || strstr(text, "source_workload=\"unknown\"") ||
			(strstr(text, "details-v1") && strstr(text, "response_code=\"503\""))) {
			continue;
		}
		if (caller != told->sides[1].row[i].n) {
			print_error("callee %lld, caller %lld: %s\n", told->sides[1].row[i].n, caller, text);
		}
		assert_int_equal(caller, told->sides[1].row[i].n);
		pairs++;
	}
	assert_true(pairs > 7);
	free(told);
}

static void both_sides_of_a_call_say_the_same(void **state)
{
	(void)state;
	check_sides("envoy-als");
	check_sides("envoy-als-periodic");
	check_sides("envoy-als-v2");
	check_sides("envoy-all");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_envoy_als_are_the_facts),
		cmocka_unit_test(rows_of_envoy_als_periodic_are_the_facts),
		cmocka_unit_test(rows_of_envoy_als_v2_are_the_facts),
		cmocka_unit_test(rows_of_envoy_all_are_the_facts),
		cmocka_unit_test(both_sides_of_a_call_say_the_same),
	};

	folder = argc > 1 ? argv[1] : "tests/captures";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
