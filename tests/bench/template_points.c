/* template_points: metric points as an SDK sends them: of ten, four of a
 * counter, three of a gauge, three of a histogram of the SDK's default bounds;
 * cumulative, five attributes each, their times are marks. */
#include <string.h>

#include "tests/bench/template.h"

#define BOUNDS 15u
#define ROUTES 64u

static void add_fixed(struct weir_buf *buf, unsigned number, const void *value)
{
	weir_template_varint(buf, number << 3 | 1);
	weir_buf_add(buf, value, 8);
}

static void add_u64(struct weir_buf *buf, unsigned number, uint64_t value)
{
	add_fixed(buf, number, &value);
}

static void add_real(struct weir_buf *buf, unsigned number, double value)
{
	add_fixed(buf, number, &value);
}

static void add_time(struct weir_template *template, struct weir_buf *buf, unsigned number, uint64_t base_ns)
{
	weir_template_varint(buf, number << 3 | 1);
	weir_template_mark(template, (uint32_t)buf->length, WEIR_MARK_TIME_NS, base_ns);
	weir_buf_add(buf, "\0\0\0\0\0\0\0", 8);
}

static void add_attributes(struct weir_buf *buf, unsigned number, uint32_t n)
{
	char route[32];

	snprintf(route, sizeof(route), "/api/items/%u", n % ROUTES);
	weir_template_attribute(buf, number, "http.request.method", n % 3 == 0 ? "POST" : "GET");
	weir_template_attribute(buf, number, "http.route", route);
	weir_template_attribute(buf, number, "http.response.status_code", n % 20 == 0 ? "503" : "200");
	weir_template_attribute(buf, number, "server.address", "reviews.default.svc.cluster.local");
	weir_template_attribute(buf, number, "network.protocol.version", "1.1");
}

static void add_number(struct weir_template *template, struct weir_buf *buf, uint32_t n)
{
	add_u64(buf, 2, 1600000000000000000u);
	add_time(template, buf, 3, 0);
	add_u64(buf, 6, 1000 + n);
	add_attributes(buf, 7, n);
}

static void add_histogram(struct weir_template *template, struct weir_buf *buf, uint32_t n)
{
	static const double bounds[BOUNDS] = { 0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500,
		10000 };
	uint64_t counts[BOUNDS + 1] = { 0, 4, 9, 20, 30, 10, 5, 2, 1 };

	add_u64(buf, 2, 1600000000000000000u);
	add_time(template, buf, 3, 0);
	add_u64(buf, 4, 81);
	add_real(buf, 5, 3456.5);
	weir_template_head(buf, 6, sizeof(counts));
	weir_buf_add(buf, (const char *)counts, sizeof(counts));
	weir_template_head(buf, 7, sizeof(bounds));
	weir_buf_add(buf, (const char *)bounds, sizeof(bounds));
	add_attributes(buf, 9, n);
}

/* One metric with `count` points of which the first is number `first`. */
static void add_metric(struct weir_template *template, struct weir_buf *scope, const char *name, unsigned member,
	uint32_t first, uint32_t count)
{
	struct weir_buf metric, data, point;
	uint32_t metric_mark = template->mark_count;

	weir_buf_init(&metric, 0);
	weir_buf_init(&data, 0);
	weir_buf_init(&point, 0);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t mark = template->mark_count;

		weir_buf_clear(&point);
		if (member == 9) {
			add_histogram(template, &point, first + i);
		} else {
			add_number(template, &point, first + i);
		}
		weir_template_nest(template, &data, 1, &point, mark);
	}
	if (member != 5) {
		weir_template_varint(&data, 2u << 3);
		weir_template_varint(&data, 2); /* cumulative */
	}
	if (member == 7) {
		weir_template_varint(&data, 3u << 3);
		weir_template_varint(&data, 1); /* monotonic */
	}
	weir_template_text(&metric, 1, name);
	weir_template_text(&metric, 3, member == 9 ? "ms" : "1");
	weir_template_nest(template, &metric, member, &data, metric_mark);
	weir_template_nest(template, scope, 2, &metric, metric_mark);
	weir_buf_fini(&metric);
	weir_buf_fini(&data);
	weir_buf_fini(&point);
}

void weir_template_make_points(uint32_t batch, struct weir_template *template)
{
	struct weir_buf scope, resource, attributes;
	uint32_t sums = batch * 4 / 10, gauges = batch * 3 / 10;

	weir_buf_init(&scope, 0);
	weir_buf_init(&resource, 0);
	weir_buf_init(&attributes, 0);
	add_metric(template, &scope, "http.server.requests", 7, 0, sums);
	add_metric(template, &scope, "http.server.active", 5, sums, gauges);
	add_metric(template, &scope, "http.server.duration", 9, sums + gauges, batch - sums - gauges);
	weir_template_attribute(&attributes, 1, "service.name", "reviews");
	weir_template_attribute(&attributes, 1, "service.namespace", "default");
	weir_template_attribute(&attributes, 1, "service.instance.id", "reviews-v1-6b746f74dc-9rl01");
	weir_template_nest(template, &resource, 1, &attributes, template->mark_count);
	weir_template_nest(template, &resource, 2, &scope, 0);
	weir_template_nest(template, &template->body, 1, &resource, 0);
	template->items = batch;
	weir_buf_fini(&scope);
	weir_buf_fini(&resource);
	weir_buf_fini(&attributes);
}
