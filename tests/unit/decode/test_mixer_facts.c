/* Facts: the captured reports of Mixer's own clients, decoded, against what
 * their makers counted: by reporter, uids, service, protocol, code and flags,
 * how many and how many bytes.
 *
 * A capture of TCP says what each report added; the records have the running
 * totals of their connection, so the difference is taken here as the fold does.
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

#include "decode/mixer/report.h"
#include "rules/response_flags.h"
#include "support/standard_table.h"
#include "tests/support/facts.h"

#define ROWS_MAX 256
#define CONNECTIONS_MAX 64

static const char *folder;

struct row {
	char text[512];
	long long n, request_bytes, response_bytes;
};

struct told {
	struct row rows[ROWS_MAX];
	size_t count;
	struct {
		char id[64];
		uint64_t received, sent;
	} connections[CONNECTIONS_MAX];
	size_t connection_count;
	uint32_t messages, offered, dropped, spans;
	char labels[8][2048]; /* of the first requests */
	size_t label_count;
	char reporters[16][64];
	size_t reporter_count;
};

static struct row *row_of(struct told *told, const char *text)
{
	size_t i = 0;

	while (i < told->count && strcmp(told->rows[i].text, text) != 0) {
		i++;
	}
	assert_true(i < ROWS_MAX);
	if (i == told->count) {
		told->count++;
		snprintf(told->rows[i].text, sizeof(told->rows[i].text), "%s", text);
	}
	return &told->rows[i];
}

static void add(struct told *told, const char *text, uint64_t request_bytes, uint64_t response_bytes)
{
	struct row *row = row_of(told, text);

	row->n++;
	row->request_bytes += (long long)request_bytes;
	row->response_bytes += (long long)response_bytes;
}

/* ---- what we say -------------------------------------------------------- */

struct ends {
	char source[128], destination[128], service[128];
};

static void copy(char *to, size_t size, struct weir_str text)
{
	snprintf(to, size, "%.*s", (int)text.length, text.data ? text.data : "");
}

static struct weir_str uid_of(const struct weir_batch *batch, uint32_t row)
{
	return row < batch->workloads.count ? weir_batch_str(batch, weir_batch_workloads(batch)[row].node_id)
					    : (struct weir_str){ NULL, 0 };
}

static struct ends ends_of(const struct weir_batch *batch, const struct weir_call *call)
{
	struct ends ends;

	copy(ends.source, sizeof(ends.source), uid_of(batch, call->source));
	copy(ends.destination, sizeof(ends.destination), uid_of(batch, call->destination));
	copy(ends.service, sizeof(ends.service), weir_batch_str(batch, call->service_host));
	return ends;
}

/* The body's size: beside the total when that is another. */
static uint64_t body_of(
	const struct weir_batch *batch, const struct weir_request *request, const char *key, uint64_t total)
{
	for (uint32_t i = 0; i < request->attr_count; i++) {
		const struct weir_attr *attr = &weir_batch_attrs(batch)[request->attr_first + i];

		if (weir_str_is(weir_batch_str(batch, attr->key), key)) {
			return (uint64_t)attr->value.number;
		}
	}
	return total;
}

static void tell_request(struct told *told, const struct weir_batch *batch, const struct weir_request *request)
{
	static const char *const protocols[] = { "http", "grpc" };
	struct ends ends = ends_of(batch, &request->call);
	struct weir_buf flags;
	char text[512];

	weir_buf_init(&flags, 0);
	weir_response_flags_add(request->call.response_flags, &flags);
	snprintf(text, sizeof(text), "%s %s %s %s %s %d %.*s",
		request->call.reporter == WEIR_REPORTER_SOURCE ? "source" : "destination", ends.source, ends.service,
		ends.destination, protocols[request->call.protocol], request->response_code, (int)flags.length,
		flags.data);
	weir_buf_fini(&flags);
	add(told, text, body_of(batch, request, "request.size", request->request_bytes),
		body_of(batch, request, "response.size", request->response_bytes));
	if (told->label_count < 8) {
		struct weir_buf labels;

		weir_buf_init(&labels, 0);
		standard_table_labels(batch, &request->call, request, false, &labels);
		copy(told->labels[told->label_count++], sizeof(told->labels[0]), weir_buf_str(&labels));
		weir_buf_fini(&labels);
	}
}

static void tell_connection(struct told *told, const struct weir_batch *batch, const struct weir_connection *row)
{
	static const char *const states[] = { "open", "continue", "close" };
	struct ends ends = ends_of(batch, &row->call);
	char text[512], id[64];
	size_t i = 0;

	copy(id, sizeof(id), weir_batch_str(batch, row->stream_id));
	assert_int_equal(row->is_delta, 0);
	while (i < told->connection_count && strcmp(told->connections[i].id, id) != 0) {
		i++;
	}
	assert_true(i < CONNECTIONS_MAX);
	if (i == told->connection_count) {
		told->connection_count++;
		strcpy(told->connections[i].id, id);
	}
	snprintf(text, sizeof(text), "%s %s %s %s tcp-%s 0 ",
		row->call.reporter == WEIR_REPORTER_SOURCE ? "source" : "destination", ends.source, ends.service,
		ends.destination, states[row->state]);
	add(told, text, row->received_bytes - told->connections[i].received,
		row->sent_bytes - told->connections[i].sent);
	told->connections[i].received = row->received_bytes;
	told->connections[i].sent = row->sent_bytes;
}

static void tell_message(struct told *told, struct weir_arena *arena, struct weir_str message)
{
	struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_MIXER, .signal = WEIR_SIGNAL_MIXER };
	const struct weir_batch *batch;
	struct weir_draft draft;

	weir_arena_reset(arena);
	weir_draft_init(&draft, arena, message);
	assert_int_equal(weir_report_decode(&draft, &head.source), 0);
	batch = weir_draft_finish(&draft, &head);
	assert_non_null(batch);
	assert_true(weir_batch_is_sound(batch, batch->size_bytes));
	told->messages++;
	told->offered += batch->offered;
	told->dropped += batch->dropped[WEIR_DROP_INVALID];
	told->spans += batch->spans.count;
	if (told->reporter_count < 16) {
		copy(told->reporters[told->reporter_count++], sizeof(told->reporters[0]),
			weir_batch_str(batch, batch->source));
	}
	for (uint32_t i = 0; i < batch->requests.count; i++) {
		tell_request(told, batch, &weir_batch_requests(batch)[i]);
	}
	for (uint32_t i = 0; i < batch->connections.count; i++) {
		tell_connection(told, batch, &weir_batch_connections(batch)[i]);
	}
}

static struct told *tell(const char *name)
{
	struct told *told = calloc(1, sizeof(*told));
	struct weir_mtcap_record record;
	struct weir_mtcap *mtcap;
	struct weir_arena arena;
	int r;

	assert_non_null(told);
	mtcap = facts_capture(folder, name);
	weir_arena_init(&arena, 1 << 20, 1 << 24);
	while ((r = weir_mtcap_next(mtcap, &record)) == 0) {
		if (weir_str_is(record.kind, "msg")) {
			assert_true(weir_str_is(record.method, "/istio.mixer.v1.Mixer/Report"));
			tell_message(told, &arena, record.payload);
		}
	}
	assert_int_equal(r, WEIR_MTCAP_END);
	weir_arena_fini(&arena);
	weir_mtcap_close(mtcap);
	return told;
}

/* ---- against the facts ---------------------------------------------------- */

/* How many rows differ, each told. */
static int differences(const struct told *told, const json_t *facts)
{
	const json_t *edges = json_object_get(facts, "edges"), *edge;
	int n = (int)told->count - (int)json_array_size(edges);
	size_t i;

	n = n < 0 ? -n : n;
	json_array_foreach(edges, i, edge)
	{
		const struct row *have = NULL;
		char text[512];

		snprintf(text, sizeof(text), "%s %s %s %s %s %lld %s", facts_text(edge, "reporter"),
			facts_text(edge, "source_uid"), facts_text(edge, "destination_service_host"),
			facts_text(edge, "destination_uid"), facts_text(edge, "context_protocol"),
			facts_number(edge, "response_code"), facts_text(edge, "response_flags"));
		for (size_t k = 0; k < told->count; k++) {
			have = strcmp(told->rows[k].text, text) == 0 ? &told->rows[k] : have;
		}
		if (have == NULL || have->n != facts_number(edge, "n") ||
			have->request_bytes != facts_number(edge, "request_size_sum") ||
			have->response_bytes != facts_number(edge, "response_size_sum")) {
			print_error("want %lld, have %lld: %s\n", facts_number(edge, "n"), have ? have->n : 0, text);
			n++;
		}
	}
	return n;
}

static void check(const char *name)
{
	struct told *told = tell(name);
	json_t *facts = facts_load(folder, name);

	assert_int_equal(differences(told, facts), 0);
	assert_int_equal(told->messages, facts_number(facts, "report_calls"));
	assert_int_equal(told->offered, facts_number(facts, "attribute_sets"));
	assert_int_equal(told->dropped, 0);
	assert_true(told->count > 20);
	/* One more is a difference: the comparison can fail. */
	told->rows[0].n++;
	assert_int_equal(differences(told, facts), 1);
	json_decref(facts);
	free(told);
}

static void rows_of_independent_reports_are_the_facts(void **state)
{
	(void)state;
	check("mixer-sidecar");
}

static void rows_of_delta_reports_are_the_facts(void **state)
{
	(void)state;
	check("mixer-sidecar-delta");
}

/* Istio's own command line client: 3 of one set, 25 equal ones in batches of
 * 10, 10 and 5, and 1 of old attribute names; words of their own in each set. */
static void reports_of_mixc_are_what_it_was_asked_to_send(void **state)
{
	static const char first[] = "destination kubernetes://productpage-v1-5f8d-8xv7d.default "
				    "details.default.svc.cluster.local kubernetes://details-v1-57d-aaaaa.default http "
				    "200 -";
	static const char equal[] = "source kubernetes://a.default b.default.svc.cluster.local kubernetes://b.default "
				    "http 503 -";
	static const char old[] = "destination  old.default.svc.cluster.local  http 404 -";
	struct told *told = tell("mixer-mixc");

	(void)state;
	assert_int_equal(told->messages, 7);
	assert_int_equal(told->offered, 29);
	assert_int_equal(told->dropped, 0);
	assert_int_equal(told->count, 3);
	assert_int_equal(row_of(told, first)->n, 3);
	assert_int_equal(row_of(told, first)->request_bytes, 30);
	assert_int_equal(row_of(told, first)->response_bytes, 534);
	assert_int_equal(row_of(told, equal)->n, 25);
	assert_int_equal(row_of(told, old)->n, 1);
	assert_int_equal(row_of(told, old)->request_bytes, 12);
	assert_int_equal(told->count, 3);
	assert_string_equal(told->reporters[0], "details-v1-57d-aaaaa.default");
	assert_string_equal(told->reporters[3], "a.default");
	assert_string_equal(told->reporters[6], "");
	free(told);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_independent_reports_are_the_facts),
		cmocka_unit_test(rows_of_delta_reports_are_the_facts),
		cmocka_unit_test(reports_of_mixc_are_what_it_was_asked_to_send),
	};

	folder = argc > 1 ? argv[1] : "tests/captures";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
