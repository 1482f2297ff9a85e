/* test_passthrough: names and labels of metrics that senders made themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/passthrough.h"
#include "support/batch_maker.h"

struct scene {
	struct batch_maker maker;
	const struct weir_batch *batch;
};

static void begin(struct scene *scene)
{
	batch_maker_begin(&scene->maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_METRIC_POINT, "source", 1);
}

static void assert_name(
	const char *name, const char *unit, unsigned kind, bool is_monotonic, unsigned naming, const char *expected)
{
	struct scene scene = { 0 };
	struct weir_instrument *row;
	struct weir_buf text;

	begin(&scene);
	batch_maker_resource(&scene.maker, "s");
	row = batch_maker_instrument_row(&scene.maker, batch_maker_instrument(&scene.maker, name, kind, 2));
	row->unit = batch_maker_text(&scene.maker, unit);
	row->naming = (uint8_t)naming;
	row->is_monotonic = is_monotonic;
	scene.batch = batch_maker_finish(&scene.maker);
	weir_buf_init(&text, 0);
	weir_passthrough_name(scene.batch, weir_batch_instruments(scene.batch), &text);
	weir_buf_add_char(&text, '\0');
	assert_string_equal(text.data, expected);
	weir_buf_fini(&text);
	batch_maker_fini(&scene.maker);
}

static void otel_names_carry_unit_and_total(void **state)
{
	static const struct {
		const char *name, *unit;
		unsigned kind;
		bool is_monotonic;
		const char *expected;
	} rows[] = {
		{ "http.server.request.duration", "s", WEIR_INSTRUMENT_HISTOGRAM, false,
			"http_server_request_duration_seconds" },
		{ "rpc.duration", "ms", WEIR_INSTRUMENT_EXPONENTIAL, false, "rpc_duration_milliseconds" },
		{ "io.bytes", "By", WEIR_INSTRUMENT_SUM, true, "io_bytes_total" },
		{ "io", "By", WEIR_INSTRUMENT_SUM, true, "io_bytes_total" },
		{ "io", "kBy/s", WEIR_INSTRUMENT_GAUGE, false, "io_kilobytes_per_second" },
		{ "io.total", "By", WEIR_INSTRUMENT_SUM, true, "io_bytes_total" },
		{ "orders", "{order}", WEIR_INSTRUMENT_SUM, true, "orders_total" },
		{ "orders_total", "1", WEIR_INSTRUMENT_SUM, true, "orders_total" },
		{ "queue.size", "{item}", WEIR_INSTRUMENT_SUM, false, "queue_size" },
		{ "mem.used", "1", WEIR_INSTRUMENT_GAUGE, false, "mem_used_ratio" },
		{ "mem.ratio", "1", WEIR_INSTRUMENT_GAUGE, false, "mem_ratio" },
		{ "speed", "m/s", WEIR_INSTRUMENT_GAUGE, false, "speed_meters_per_second" },
		{ "rate", "{packet}/s", WEIR_INSTRUMENT_GAUGE, false, "rate_per_second" },
		{ "odd", "furlong", WEIR_INSTRUMENT_GAUGE, false, "odd_furlong" },
		{ "a--b..c__d", "", WEIR_INSTRUMENT_GAUGE, false, "a_b_c_d" },
		{ "9lives", "", WEIR_INSTRUMENT_GAUGE, false, "_9lives" },
		{ "a:b", "", WEIR_INSTRUMENT_GAUGE, false, "a:b" },
		{ "requests.total.count", "1", WEIR_INSTRUMENT_SUM, true, "requests_count_total" },
		{ "total", "By", WEIR_INSTRUMENT_SUM, true, "bytes_total" },
		{ "hit.ratio.now", "1", WEIR_INSTRUMENT_GAUGE, false, "hit_now_ratio" },
		{ "sent.", "By", WEIR_INSTRUMENT_SUM, true, "sent_bytes_total" },
		{ "sent.", "", WEIR_INSTRUMENT_GAUGE, false, "sent" },
		{ ".", "s", WEIR_INSTRUMENT_GAUGE, false, "_seconds" },
		{ "calls", "{call}/m", WEIR_INSTRUMENT_GAUGE, false, "calls_per_minute" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_name(rows[i].name, rows[i].unit, rows[i].kind, rows[i].is_monotonic, WEIR_NAMING_OTEL,
			rows[i].expected);
	}
}

static void envoys_names_are_as_envoy_writes_them_and_istios_as_they_are(void **state)
{
	(void)state;
	assert_name("cluster.outbound|80||x.upstream_rq_total", "", WEIR_INSTRUMENT_SUM, true, WEIR_NAMING_ENVOY,
		"envoy_cluster_outbound_80__x_upstream_rq_total");
	assert_name("http.downstream_rq_completed", "", WEIR_INSTRUMENT_SUM, true, WEIR_NAMING_ENVOY,
		"envoy_http_downstream_rq_completed");
	assert_name("0.x", "", WEIR_INSTRUMENT_GAUGE, false, WEIR_NAMING_ENVOY, "envoy_0_x");
	assert_name(
		"istio_requests_total", "", WEIR_INSTRUMENT_SUM, true, WEIR_NAMING_VERBATIM, "istio_requests_total");
}

static void labels_are_sorted_and_weirs_own_stay_weirs(void **state)
{
	struct scene scene = { 0 };
	struct weir_resource *resource;
	struct weir_point *point;
	struct weir_attr *attr;
	unsigned cut;
	struct weir_buf text;

	(void)state;
	begin(&scene);
	batch_maker_resource(&scene.maker, "orders");
	resource = (struct weir_resource *)scene.maker.resources.data;
	resource->scope_name = batch_maker_text(&scene.maker, "lib");
	resource->scope_version = batch_maker_text(&scene.maker, "1.0");
	resource->attr_count = 3;
	batch_maker_tag(&scene.maker, "service.namespace", "shop");
	batch_maker_tag(&scene.maker, "service.instance.id", "i-1");
	batch_maker_tag(&scene.maker, "host.name", "h");
	point = batch_maker_point(&scene.maker, batch_maker_instrument(&scene.maker, "x", WEIR_INSTRUMENT_GAUGE, 0));
	point->attr_first = 3;
	point->attr_count = 8;
	batch_maker_tag(&scene.maker, "z", "a\"b\\c\nd");
	batch_maker_tag(&scene.maker, "le", "5");
	batch_maker_tag(&scene.maker, "job", "mine");
	batch_maker_tag(&scene.maker, "a.b", "2");
	batch_maker_tag(&scene.maker, "a-b", "1");
	attr = batch_maker_attr(&scene.maker);
	attr->key = batch_maker_text(&scene.maker, "n");
	attr->type = WEIR_ATTR_INT;
	attr->value.number = -7;
	attr = batch_maker_attr(&scene.maker);
	attr->key = batch_maker_text(&scene.maker, "real");
	attr->type = WEIR_ATTR_DOUBLE;
	attr->value.real = 0.1;
	attr = batch_maker_attr(&scene.maker);
	attr->key = batch_maker_text(&scene.maker, "yes");
	attr->type = WEIR_ATTR_BOOL;
	attr->value.number = 1;
	scene.batch = batch_maker_finish(&scene.maker);
	weir_buf_init(&text, 0);
	assert_int_equal(weir_passthrough_labels(scene.batch, weir_batch_instruments(scene.batch),
				 weir_batch_points(scene.batch), &text),
		0);
	weir_buf_add_char(&text, '\0');
	assert_string_equal(text.data,
		"job=\"shop/orders\",instance=\"i-1\",otel_scope_name=\"lib\",otel_scope_version=\"1.0\","
		"a_b=\"1;2\",exported_job=\"mine\",exported_le=\"5\",n=\"-7\",real=\"0.1\",yes=\"true\","
		"z=\"a\\\"b\\\\c\\nd\"");
	weir_buf_clear(&text);
	assert_true(weir_passthrough_target(scene.batch, weir_batch_resources(scene.batch), &text, &cut));
	weir_buf_add_char(&text, '\0');
	assert_string_equal(text.data, "job=\"shop/orders\",instance=\"i-1\",host_name=\"h\"");
	weir_buf_fini(&text);
	batch_maker_fini(&scene.maker);
}

/* To Prometheus a label without a value is none: two points that differ in one only would be one sample twice. */
static void an_attribute_without_a_value_is_no_label(void **state)
{
	struct scene scene = { 0 };
	struct weir_point *point;
	struct weir_buf text;

	(void)state;
	begin(&scene);
	batch_maker_resource(&scene.maker, "orders");
	point = batch_maker_point(&scene.maker, batch_maker_instrument(&scene.maker, "x", WEIR_INSTRUMENT_GAUGE, 0));
	point->attr_first = 0;
	point->attr_count = 3;
	batch_maker_tag(&scene.maker, "empty", "");
	batch_maker_tag(&scene.maker, "a", "1");
	batch_maker_attr(&scene.maker)->key = batch_maker_text(&scene.maker, "none");
	((struct weir_attr *)scene.maker.attrs.data)[2].type = WEIR_ATTR_EMPTY;
	scene.batch = batch_maker_finish(&scene.maker);
	weir_buf_init(&text, 0);
	weir_passthrough_labels(
		scene.batch, weir_batch_instruments(scene.batch), weir_batch_points(scene.batch), &text);
	weir_buf_add_char(&text, '\0');
	assert_string_equal(text.data, "job=\"orders\",a=\"1\"");
	weir_buf_fini(&text);
	batch_maker_fini(&scene.maker);
}

static void names_of_weir_are_not_to_be_had(void **state)
{
	(void)state;
	assert_true(weir_passthrough_is_free(weir_str_of("orders_total")));
	assert_true(weir_passthrough_is_free(weir_str_of("process_cpu_time_seconds_total")));
	assert_false(weir_passthrough_is_free(weir_str_of("weir_series")));
	assert_false(weir_passthrough_is_free(weir_str_of("process_cpu_seconds_total")));
	assert_false(weir_passthrough_is_free(weir_str_of("target_info")));
	assert_false(weir_passthrough_is_free(weir_str_of("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(otel_names_carry_unit_and_total),
		cmocka_unit_test(envoys_names_are_as_envoy_writes_them_and_istios_as_they_are),
		cmocka_unit_test(labels_are_sorted_and_weirs_own_stay_weirs),
		cmocka_unit_test(an_attribute_without_a_value_is_no_label),
		cmocka_unit_test(names_of_weir_are_not_to_be_had),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
