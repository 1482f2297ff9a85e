/* test_logs: logs and requests in segments, and the newest of them that match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "rig.h"
#include "storage/connection.h"
#include "storage/segment_reader.h"
#include "storage/segment_writer.h"
#include "support/batch_maker.h"

#define NOW 1700000000000000000u
#define SECOND 1000000000ull
#define DAY (86400 * SECOND)

static const char *golden;
static struct batch_maker maker;
static struct rig rig;
static struct weir_query *query;

static int setup(void **state)
{
	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	rig_query(&rig, &query);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_query_close(query);
	rig_stop(&rig);
	rig_fini(&rig);
	batch_maker_fini(&maker);
	return 0;
}

static void begin(enum weir_signal signal, uint64_t received_ns)
{
	batch_maker_begin(&maker, WEIR_PROTOCOL_OTLP_GRPC, signal, "sender", received_ns);
}

static struct weir_log *log_add(uint32_t resource, uint64_t time_ns, uint32_t severity, const char *body)
{
	struct weir_ref text = batch_maker_text(&maker, body);
	struct weir_log *log = batch_maker_log(&maker);

	log->resource = resource;
	log->time_ns = time_ns;
	log->severity = severity;
	log->body.value.text = text;
	return log;
}

/* The batch, as the rig wants it: its own. */
static struct weir_batch *batch_take(void)
{
	const struct weir_batch *made = batch_maker_finish(&maker);
	struct weir_batch *batch = malloc(made->size_bytes);

	assert_true(weir_batch_is_sound(made, made->size_bytes));
	assert_non_null(batch);
	return memcpy(batch, made, made->size_bytes);
}

static void store(uint64_t window)
{
	rig_seal(&rig);
	rig_wait_stored(&rig, window);
}

/* One log each of `first` … `first + count - 1` seconds after NOW, by turns of two services. */
static void logs_put(unsigned first, unsigned count)
{
	begin(WEIR_SIGNAL_LOG, NOW + (first + count) * SECOND);
	batch_maker_resource(&maker, "Shop");
	batch_maker_resource(&maker, "till");
	for (unsigned i = first; i < first + count; i++) {
		char body[32];
		struct weir_log *log;

		snprintf(body, sizeof(body), "Order %u came", i);
		log = log_add(i % 2, NOW + i * SECOND, i % 3 == 0 ? 17 : 9, body);
		log->trace_id[15] = (uint8_t)(i % 5);
		log->trace_id[0] = (uint8_t)(i % 5 != 0);
	}
	rig_add(&rig, batch_take());
}

static struct weir_query_log_search any(void)
{
	return (struct weir_query_log_search){ .end_ns = NOW + DAY, .lookback_ns = 2 * DAY, .limit = 1000 };
}

/* The seconds of the logs found, newest first: "3 1". */
static void finds(struct weir_query_log_search search, const char *expected)
{
	struct weir_query_row *rows;
	char text[512] = "";
	uint32_t count;

	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	assert_int_equal(weir_query_logs(query, &search, &rows, &count), 0);
	for (uint32_t i = 0; i < count; i++) {
		const struct weir_log *log = weir_batch_logs(rows[i].batch) + rows[i].row;
		char body[32];
		size_t at = strlen(text);
		unsigned second = (unsigned)((rows[i].time_ns - NOW) / SECOND);

		snprintf(text + at, sizeof(text) - at, "%s%u", i > 0 ? " " : "", second);
		snprintf(body, sizeof(body), "Order %u came", second);
		assert_true(weir_batch_is_sound(rows[i].batch, rows[i].batch->size_bytes));
		assert_true(weir_str_is(weir_batch_str(rows[i].batch, log->body.value.text), body));
		assert_int_equal(log->severity, second % 3 == 0 ? 17 : 9);
	}
	assert_string_equal(text, expected);
	weir_query_end(query);
}

/* Segments, a sealed window or none, and the open window; asked in each state. */
static void every_filter_finds_its_logs_newest_first_wherever_they_lie(void **state)
{
	(void)state;
	logs_put(0, 4);
	for (unsigned step = 0; step < 3; step++) {
		struct weir_query_log_search search = any();

		finds(search, step == 0 ? "3 2 1 0" : "7 6 5 4 3 2 1 0");
		search.limit = 2;
		finds(search, step == 0 ? "3 2" : "7 6");
		search = any();
		search.service = weir_str_of("SHOP");
		finds(search, step == 0 ? "2 0" : "6 4 2 0");
		search.service = weir_str_of("nobody");
		finds(search, "");
		search = any();
		search.min_severity = 17;
		finds(search, step == 0 ? "3 0" : "6 3 0");
		search = any();
		search.text = weir_str_of("oRDER 2");
		finds(search, "2");
		search.text = weir_str_of("order 22");
		finds(search, "");
		search = any();
		search.has_trace = true;
		search.trace_id[15] = 2;
		finds(search, "");
		search.is_short = true;
		finds(search, step == 0 ? "2" : "7 2");
		search.is_short = false;
		search.trace_id[0] = 1;
		finds(search, step == 0 ? "2" : "7 2");
		search = any();
		search.end_ns = NOW + 2 * SECOND;
		search.lookback_ns = SECOND;
		finds(search, "2 1");
		search.limit = 0;
		finds(search, "");
		if (step == 0) {
			store(1);
			logs_put(4, 4); /* stays open */
		} else if (step == 1) {
			store(2);
		}
	}
}

static void later_logs_of_an_older_segment_are_not_missed(void **state)
{
	struct weir_query_log_search search = any();

	(void)state;
	logs_put(6, 3); /* arrives first, was written last */
	store(1);
	logs_put(0, 3);
	store(2);
	search.limit = 4;
	finds(search, "8 7 6 2");
	logs_put(3, 3);
	search.limit = 5;
	finds(search, "8 7 6 5 4");
}

static void all_of_a_log_comes_back(void **state)
{
	struct weir_query_log_search search = any();
	struct weir_query_row *rows;
	struct weir_log *log;
	uint32_t count;

	(void)state;
	begin(WEIR_SIGNAL_LOG, NOW);
	batch_maker_resource(&maker, "shop");
	batch_maker_tag(&maker, "k8s.pod.name", "shop-1");
	batch_maker_tag(&maker, "exception.type", "Boom");
	batch_maker_tag(&maker, "code", "7");
	((struct weir_resource *)maker.resources.data)->attr_count = 1;
	((struct weir_resource *)maker.resources.data)->scope_name = batch_maker_text(&maker, "lib");
	((struct weir_resource *)maker.resources.data)->scope_version = batch_maker_text(&maker, "2.1");
	log = log_add(0, NOW, 13, "careful");
	log->attr_first = 1;
	log->attr_count = 2;
	log->dropped_attrs = 3;
	log->w3c_flags = 1;
	log->observed_ns = NOW + 5;
	memset(log->trace_id, 0xab, 16);
	memset(log->span_id, 0xcd, 8);
	log->severity_text = batch_maker_text(&maker, "WARN");
	log->event_name = batch_maker_text(&maker, "order.refused");
	log = log_add(0, 0, 0, ""); /* neither time nor body */
	log->body.type = WEIR_ATTR_INT;
	log->body.value.number = -42;
	rig_add(&rig, batch_take());
	for (unsigned step = 0; step < 2; step++) {
		const struct weir_resource *resource;
		const struct weir_batch *batch;
		const struct weir_log *found;

		assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
		assert_int_equal(weir_query_logs(query, &search, &rows, &count), 0);
		assert_int_equal(count, 2);
		assert_true(rows[0].time_ns == NOW && rows[1].time_ns == NOW);
		found = weir_batch_logs(rows[0].batch) + rows[0].row;
		if (found->severity == 0) { /* of equal times the order is free */
			struct weir_query_row other = rows[0];

			rows[0] = rows[1];
			rows[1] = other;
		}
		batch = rows[0].batch;
		found = weir_batch_logs(batch) + rows[0].row;
		resource = weir_batch_resources(batch) + found->resource;
		assert_true(weir_str_is(weir_batch_str(batch, found->body.value.text), "careful"));
		assert_true(weir_str_is(weir_batch_str(batch, found->severity_text), "WARN"));
		assert_true(weir_str_is(weir_batch_str(batch, found->event_name), "order.refused"));
		assert_int_equal(found->attr_count, 2);
		assert_true(weir_str_is(
			weir_batch_str(batch, weir_batch_attrs(batch)[found->attr_first].value.text), "Boom"));
		assert_true(
			weir_str_is(weir_batch_str(batch, weir_batch_attrs(batch)[found->attr_first + 1].key), "code"));
		assert_true(found->observed_ns == NOW + 5 && found->dropped_attrs == 3 && found->w3c_flags == 1);
		assert_true(found->trace_id[0] == 0xab && found->trace_id[15] == 0xab && found->span_id[7] == 0xcd);
		assert_int_equal(found->request, WEIR_NONE);
		assert_int_equal(resource->attr_count, 1);
		assert_true(weir_str_is(weir_batch_str(batch, resource->scope_version), "2.1"));
		found = weir_batch_logs(rows[1].batch) + rows[1].row;
		assert_true(found->body.type == WEIR_ATTR_INT && found->body.value.number == -42);
		assert_int_equal(found->trace_id[0], 0);
		weir_query_end(query);
		store(1);
	}
}

/* A log of which a request was made, and the request: each is a row of its own kind. */
static void requests_that_were_made_of_logs_stay_requests(void **state)
{
	struct weir_query_request_search search = {
		.response_code = -1, .end_ns = NOW + DAY, .lookback_ns = 2 * DAY, .limit = 10
	};
	struct weir_store_figures figures;
	struct weir_request *request;
	struct weir_query_row *rows;
	uint32_t count, workload;

	(void)state;
	begin(WEIR_SIGNAL_LOG, NOW);
	batch_maker_resource(&maker, "gateway");
	workload = batch_maker_workload(&maker, "shop-v1", "default", "v1");
	request = batch_maker_request(&maker);
	request->start_ns = NOW;
	request->response_code = 503;
	request->call.destination = workload; /* nobody knows who called */
	request->call.service_host = batch_maker_text(&maker, "shop.default.svc");
	request->call.proxy = batch_maker_text(&maker, "shop-v1.default");
	request->request_id = batch_maker_text(&maker, "id-1");
	request->trace_id = batch_maker_text(&maker, "00ab");
	log_add(0, NOW, 9, "GET /")->request = 0;
	rig_add(&rig, batch_take());
	for (unsigned step = 0; step < 2; step++) {
		const struct weir_request *found;
		const struct weir_batch *batch;

		finds(
			(struct weir_query_log_search){
				.end_ns = NOW + DAY, .lookback_ns = 2 * DAY, .text = weir_str_of("x"), .limit = 9 },
			"");
		assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
		search.workload = weir_str_of("shop-v1");
		search.service = weir_str_of("SHOP.default.svc");
		search.request_id = weir_str_of("id-1");
		search.trace_id = weir_str_of("00AB");
		search.response_code = 503;
		assert_int_equal(weir_query_requests(query, &search, &rows, &count), 0);
		assert_int_equal(count, 1);
		batch = rows[0].batch;
		assert_true(weir_batch_is_sound(batch, batch->size_bytes));
		found = weir_batch_requests(batch) + rows[0].row;
		assert_int_equal(found->call.source, WEIR_NONE);
		assert_true(weir_str_is(weir_batch_str(batch, found->call.proxy), "shop-v1.default"));
		assert_true(weir_str_is(
			weir_batch_str(batch, weir_batch_workloads(batch)[found->call.destination].name), "shop-v1"));
		search.response_code = 200;
		assert_int_equal(weir_query_requests(query, &search, &rows, &count), 0);
		assert_int_equal(count, 0);
		weir_query_end(query);
		store(1);
	}
	weir_store_figures(rig.store, &figures);
	assert_int_equal(figures.logs, 1);
	assert_int_equal(figures.requests, 1);
	assert_int_equal(figures.segments, 2);
}

static void batches_of_points_move_the_position_and_store_nothing(void **state)
{
	struct weir_store_figures figures;
	uint32_t instrument;

	(void)state;
	begin(WEIR_SIGNAL_METRIC_POINT, NOW);
	batch_maker_resource(&maker, "shop");
	instrument = batch_maker_instrument(&maker, "orders", WEIR_INSTRUMENT_SUM, WEIR_TEMPORALITY_CUMULATIVE);
	batch_maker_point(&maker, instrument)->value.real = 7;
	rig_add(&rig, batch_take());
	store(1);
	weir_store_figures(rig.store, &figures);
	assert_int_equal(figures.segments, 0);
	assert_int_equal(figures.stored_window, 1);
	assert_true(figures.stored_position > 0 && figures.stored_position == weir_ring_head(rig.ring));
}

static void small_segments_of_logs_are_merged_and_all_are_found(void **state)
{
	struct weir_store_figures figures;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		logs_put(i, 1);
		store(i + 1);
	}
	/* Merging waits for its next second. */
	for (unsigned i = 8; i < 2000; i++) {
		weir_store_figures(rig.store, &figures);
		if (figures.merged_segments >= 8) {
			break;
		}
		logs_put(i, 1);
		store(i + 1);
	}
	assert_true(figures.merged_segments >= 8);
	finds((struct weir_query_log_search){ .end_ns = NOW + 7 * SECOND,
		      .lookback_ns = 7 * SECOND,
		      .text = weir_str_of("order"),
		      .limit = 100 },
		"7 6 5 4 3 2 1 0");
}

static void limits_on_memory_are_told(void **state)
{
	struct weir_query_log_search search = any();
	struct weir_query_row *rows;
	uint32_t count;

	(void)state;
	logs_put(0, 4);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	search.limit = UINT32_MAX;
	assert_int_equal(weir_query_logs(query, &search, &rows, &count), WEIR_QUERY_TOO_LARGE);
	weir_query_end(query);
}

/* The rows of `kind`, written and read back; freed with the arena. */
static const struct weir_batch *segment_back(
	struct weir_arena *arena, const struct weir_batch *batch, enum weir_rows kind)
{
	struct weir_segment_writer *writer;
	struct weir_segment_reader *reader;
	const struct weir_batch *back;
	struct weir_segment_info info;
	struct weir_str data;

	assert_int_equal(weir_segment_writer_create(7, &writer), 0);
	assert_int_equal(weir_segment_reader_create(&reader), 0);
	weir_segment_writer_begin(writer, kind);
	assert_int_equal(weir_segment_writer_add(writer, batch, 0), weir_columns_table_of(batch, kind)->count);
	assert_int_equal(weir_segment_writer_finish(writer, &data, &info), 0);
	assert_int_equal(weir_segment_reader_decode(reader, data, WEIR_SEGMENT_PART_ALL, arena, &back), 0);
	assert_true(weir_batch_is_sound(back, back->size_bytes));
	weir_segment_writer_destroy(writer);
	weir_segment_reader_destroy(reader);
	return back;
}

static void what_version_2_added_to_connections_comes_back(void **state)
{
	const struct weir_connection *back;
	struct weir_connection *connection;
	const struct weir_batch *batch;
	struct weir_arena arena;

	(void)state;
	weir_arena_init(&arena, 1 << 16, 16 << 20);
	begin(WEIR_SIGNAL_MIXER, NOW);
	connection = batch_maker_connection(&maker);
	connection->is_delta = 1;
	connection->call.proxy = batch_maker_text(&maker, "db-0.default");
	connection = batch_maker_connection(&maker);
	connection->call.destination = batch_maker_workload(&maker, "db", "default", "v1");
	batch = segment_back(&arena, batch_maker_finish(&maker), WEIR_ROWS_CONNECTIONS);
	back = weir_batch_connections(batch);
	assert_int_equal(back[0].is_delta, 1);
	assert_int_equal(back[1].is_delta, 0);
	assert_true(weir_str_is(weir_batch_str(batch, back[0].call.proxy), "db-0.default"));
	assert_int_equal(back[0].call.destination, WEIR_NONE);
	assert_int_equal(back[1].call.source, WEIR_NONE);
	assert_int_equal(back[1].call.destination, 0);
	weir_arena_fini(&arena);
}

/* A database as version 1 left it: its number, and segments of its own. */
static void old_make(const char *path, unsigned segments)
{
	static char bytes[1 << 16];
	const uint8_t filter[WEIR_SEGMENT_FILTER_BYTES] = { 0 };
	sqlite3_stmt *segment, *data;
	struct weir_store_opts opts = { .path = path };
	struct weir_store_found found;
	struct weir_store *store;
	char name[512];
	size_t length;
	sqlite3 *db;
	FILE *file;

	assert_int_equal(weir_store_open(&opts, &store, &found), 0);
	weir_store_close(store);
	snprintf(name, sizeof(name), "%s/requests.segment", golden);
	file = fopen(name, "rb");
	assert_non_null(file);
	length = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_int_equal(weir_connection_open(path, true, &db), 0);
	assert_int_equal(
		weir_connection_prepare(
			db, "INSERT INTO segments VALUES (?1, 1, 0, 25, 0, ?2, ?3, ?2, ?3, ?4, zeroblob(0))", &segment),
		0);
	assert_int_equal(weir_connection_prepare(db, "INSERT INTO data VALUES (?, ?)", &data), 0);
	for (unsigned i = 1; i <= segments; i++) {
		sqlite3_bind_int64(segment, 1, i);
		sqlite3_bind_int64(segment, 2, 0);
		sqlite3_bind_int64(segment, 3, (int64_t)NOW);
		weir_connection_bind_blob(segment, 4, filter, sizeof(filter));
		assert_int_equal(weir_connection_run(segment), 0);
		sqlite3_bind_int64(data, 1, i);
		weir_connection_bind_blob(data, 2, bytes, length);
		assert_int_equal(weir_connection_run(data), 0);
	}
	assert_int_equal(
		weir_connection_exec(db, "UPDATE progress SET next_segment = 100; PRAGMA user_version = 1"), 0);
	weir_connection_close(db);
}

static uint32_t requests_with_both_ends(void)
{
	struct weir_query_request_search search = {
		.response_code = -1, .end_ns = UINT64_MAX, .lookback_ns = UINT64_MAX, .limit = 1000
	};
	struct weir_query_row *rows;
	uint32_t count, known = 0;

	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	assert_int_equal(weir_query_requests(query, &search, &rows, &count), 0);
	for (uint32_t i = 0; i < count; i++) {
		const struct weir_request *request = weir_batch_requests(rows[i].batch) + rows[i].row;

		assert_true(weir_batch_is_sound(rows[i].batch, rows[i].batch->size_bytes));
		known += request->call.source != WEIR_NONE && request->call.destination != WEIR_NONE;
	}
	weir_query_end(query);
	return known;
}

static void a_database_of_version_1_is_read_and_its_segments_are_merged(void **state)
{
	struct weir_store_figures figures;

	(void)state;
	rig_init(&rig);
	old_make(rig.path, 8);
	rig_open(&rig);
	assert_false(rig.found.is_new);
	assert_null(rig.found.replaced_why);
	rig_query(&rig, &query);
	assert_int_equal(requests_with_both_ends(), 8 * 25);
	rig_start(&rig);
	for (unsigned i = 0; i < 2000; i++) {
		logs_put(i, 1);
		store(i + 1);
		weir_store_figures(rig.store, &figures);
		if (figures.merged_segments >= 8) {
			break;
		}
	}
	assert_true(figures.merged_segments >= 8);
	assert_int_equal(figures.unreadable_segments, 0);
	assert_int_equal(requests_with_both_ends(), 8 * 25);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			every_filter_finds_its_logs_newest_first_wherever_they_lie, setup, teardown),
		cmocka_unit_test_setup_teardown(later_logs_of_an_older_segment_are_not_missed, setup, teardown),
		cmocka_unit_test_setup_teardown(all_of_a_log_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(requests_that_were_made_of_logs_stay_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(batches_of_points_move_the_position_and_store_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(small_segments_of_logs_are_merged_and_all_are_found, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_on_memory_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(what_version_2_added_to_connections_comes_back, setup, teardown),
		cmocka_unit_test_teardown(a_database_of_version_1_is_read_and_its_segments_are_merged, teardown),
	};

	golden = argc > 1 ? argv[1] : "golden";

	return cmocka_run_group_tests(tests, NULL, NULL);
}
