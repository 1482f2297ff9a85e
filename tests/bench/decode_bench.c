/* decode_bench: CPU time to decode and lay out one span, by protocol.
 *
 *   decode_bench [SPANS [ROUNDS]]
 *
 * The bodies are those of a mesh of proxies: each hop a CLIENT and a SERVER
 * span, eight attributes a span, about 415 bytes as OTLP; grouped by service
 * as OTLP does it. Prints nanoseconds of CPU per span: the decoder alone, and
 * with the finished batch. The median of nine runs of ROUNDS requests each. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "cpu.h"
#include "decode/otlp/trace.h"
#include "decode/zipkin/json.h"

#define RUNS 9u

static const char *const services[] = { "istio-ingressgateway", "productpage", "details", "reviews", "ratings",
	"mongodb" };
static const char *const paths[] = { "/productpage", "/details/0", "/reviews/0", "/ratings/0", "/login",
	"/static/jquery.min.js" };
static const char *const agents[] = { "curl/8.5.0", "Go-http-client/1.1", "python-requests/2.31.0",
	"Mozilla/5.0 (X11; Linux x86_64)" };

#define SERVICES (sizeof(services) / sizeof(services[0]))

struct tag {
	const char *key;
	char value[128];
};

struct shape { /* what both encodings say of span `i` */
	uint64_t id, parent, start_ns, end_ns;
	const char *service, *remote;
	bool is_client, is_error;
	char name[64];
	struct tag tags[8]; /* number 3 is an integer in OTLP */
};

static uint64_t mixed(uint64_t z)
{
	z += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void tag_set(struct tag *tag, const char *key, const char *value)
{
	tag->key = key;
	snprintf(tag->value, sizeof(tag->value), "%s", value);
}

static struct shape shape_of(unsigned i, unsigned service)
{
	struct shape shape = { .id = mixed(i), .parent = i % 9 == 0 ? 0 : mixed(i - 1) };
	unsigned other = (service + 1) % SERVICES;
	char text[128];

	shape.is_client = i % 2 == 0;
	shape.is_error = i % 40 == 7;
	shape.service = services[service];
	shape.remote = services[other];
	shape.start_ns = UINT64_C(1700000000000000000) + i * UINT64_C(312345);
	shape.end_ns = shape.start_ns + 4000000 + mixed(i) % 4000000;
	snprintf(shape.name, sizeof(shape.name), "%s.default.svc.cluster.local:9080/*", services[other]);
	snprintf(text, sizeof(text), "sidecar~10.244.1.2%u~%s-v1-6b746f74dc-9rl0%u.default", service, shape.service,
		service);
	tag_set(&shape.tags[0], "node_id", text);
	tag_set(&shape.tags[1], "http.request.method", "GET");
	tag_set(&shape.tags[2], "url.path", paths[service]);
	tag_set(&shape.tags[3], "http.response.status_code", shape.is_error ? "503" : "200");
	snprintf(text, sizeof(text), "outbound|9080||%s.default.svc.cluster.local", shape.remote);
	tag_set(&shape.tags[4], "upstream_cluster", shape.is_client ? text : "inbound|9080||");
	snprintf(text, sizeof(text), "10.244.1.2%u", other);
	tag_set(&shape.tags[5], "peer.address", text);
	tag_set(&shape.tags[6], "user_agent", agents[mixed(i) % 4]);
	tag_set(&shape.tags[7], "response_flags", shape.is_error ? "UF" : "-");
	return shape;
}

/* ---- OTLP ------------------------------------------------------------------ */

static void varint(struct weir_buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7) {
		weir_buf_add_char(out, (char)(value | 0x80));
	}
	weir_buf_add_char(out, (char)value);
}

static void bytes(struct weir_buf *out, uint32_t number, const void *data, size_t length)
{
	varint(out, number << 3 | 2);
	varint(out, length);
	weir_buf_add(out, data, length);
}

static void nested(struct weir_buf *out, uint32_t number, struct weir_buf *inner)
{
	bytes(out, number, inner->data, inner->length);
	weir_buf_clear(inner);
}

static void fixed64(struct weir_buf *out, uint32_t number, uint64_t value)
{
	varint(out, number << 3 | 1);
	weir_buf_add(out, &value, sizeof(value));
}

static void attribute(struct weir_buf *out, uint32_t number, const char *key, const char *value, bool is_integer)
{
	struct weir_buf any, pair;

	weir_buf_init(&any, 0);
	weir_buf_init(&pair, 0);
	if (is_integer) {
		varint(&any, 3 << 3);
		varint(&any, strtoull(value, NULL, 10));
	} else {
		bytes(&any, 1, value, strlen(value));
	}
	bytes(&pair, 1, key, strlen(key));
	nested(&pair, 2, &any);
	nested(out, number, &pair);
	weir_buf_fini(&any);
	weir_buf_fini(&pair);
}

static void otlp_span(struct weir_buf *out, const struct shape *shape)
{
	uint64_t trace_id[2] = { mixed(shape->start_ns / 3000000), mixed(7) };

	bytes(out, 1, trace_id, sizeof(trace_id));
	bytes(out, 2, &shape->id, sizeof(shape->id));
	if (shape->parent != 0) {
		bytes(out, 4, &shape->parent, sizeof(shape->parent));
	}
	bytes(out, 5, shape->name, strlen(shape->name));
	varint(out, 6 << 3);
	varint(out, shape->is_client ? 3 : 2);
	fixed64(out, 7, shape->start_ns);
	fixed64(out, 8, shape->end_ns);
	for (unsigned i = 0; i < 8; i++) {
		attribute(out, 9, shape->tags[i].key, shape->tags[i].value, i == 3);
	}
	if (shape->is_error) {
		bytes(out, 15, "\x18\x02", 2);
	}
}

static void otlp_body(struct weir_buf *out, unsigned spans)
{
	struct weir_buf group, scoped, inner;

	weir_buf_init(&group, 0);
	weir_buf_init(&scoped, 0);
	weir_buf_init(&inner, 0);
	for (unsigned service = 0; service < SERVICES; service++) {
		attribute(&inner, 1, "service.name", services[service], false);
		attribute(&inner, 1, "service.namespace", "default", false);
		attribute(&inner, 1, "k8s.node.name", "node-1", false);
		nested(&group, 1, &inner);
		bytes(&scoped, 1,
			"\x0a\x05"
			"envoy\x12\x06"
			"1.31.0",
			15);
		for (unsigned i = service; i < spans; i += SERVICES) {
			struct shape shape = shape_of(i, service);

			otlp_span(&inner, &shape);
			nested(&scoped, 2, &inner);
		}
		nested(&group, 2, &scoped);
		nested(out, 1, &group);
	}
	weir_buf_fini(&group);
	weir_buf_fini(&scoped);
	weir_buf_fini(&inner);
}

/* ---- Zipkin ----------------------------------------------------------------- */

static void zipkin_body(struct weir_buf *out, unsigned spans)
{
	for (unsigned i = 0; i < spans; i++) {
		struct shape shape = shape_of(i, i % SERVICES);

		weir_buf_addf(out, "%s{\"traceId\":\"%016" PRIx64 "%016" PRIx64 "\",\"id\":\"%016" PRIx64 "\",",
			i == 0 ? "[" : ",", mixed(shape.start_ns / 3000000), mixed(7), shape.id);
		if (shape.parent != 0) {
			weir_buf_addf(out, "\"parentId\":\"%016" PRIx64 "\",", shape.parent);
		}
		weir_buf_addf(out, "\"kind\":\"%s\",\"name\":\"%s\",\"timestamp\":%" PRIu64 ",\"duration\":%" PRIu64,
			shape.is_client ? "CLIENT" : "SERVER", shape.name, shape.start_ns / 1000,
			(shape.end_ns - shape.start_ns) / 1000);
		weir_buf_addf(out,
			",\"localEndpoint\":{\"serviceName\":\"%s\",\"ipv4\":\"10.244.1.2%u\",\"port\":9080}",
			shape.service, i % 6);
		weir_buf_addf(out, ",\"remoteEndpoint\":{\"serviceName\":\"%s\",\"ipv4\":\"%s\",\"port\":9080}",
			shape.remote, shape.tags[5].value);
		for (unsigned k = 0; k < 8; k++) {
			weir_buf_addf(out, "%s\"%s\":\"%s\"", k == 0 ? ",\"tags\":{" : ",", shape.tags[k].key,
				shape.tags[k].value);
		}
		weir_buf_add_text(out, shape.is_error ? ",\"error\":\"503\"}}" : "}}");
	}
	weir_buf_add_text(out, "]");
}

/* ---- measuring ---------------------------------------------------------------- */

typedef int decode_fn(struct weir_draft *draft);

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double measure(decode_fn *decode, struct weir_str body, unsigned rounds, bool finish, uint32_t *ret_size)
{
	static const uint8_t digest[16] = { 1 };
	struct weir_draft_head head = { .signal = WEIR_SIGNAL_SPAN, .digest = digest };
	struct weir_arena arena;
	double runs[RUNS];
	uint32_t spans = 0;

	weir_arena_init(&arena, 16u << 20, 64u << 20);
	for (unsigned run = 0; run < RUNS; run++) {
		double from = cpu_ns();

		for (unsigned i = 0; i < rounds; i++) {
			struct weir_draft draft;

			weir_arena_reset(&arena);
			weir_draft_init(&draft, &arena, body);
			if (decode(&draft) != 0) {
				fprintf(stderr, "not decoded: %s\n", draft.error);
				exit(1);
			}
			spans = draft.spans.count;
			if (finish) {
				*ret_size = weir_draft_finish(&draft, &head)->size_bytes;
			}
		}
		runs[run] = (cpu_ns() - from) / rounds / spans;
	}
	weir_arena_fini(&arena);
	qsort(runs, RUNS, sizeof(runs[0]), compare);
	return runs[RUNS / 2];
}

static void report(const char *name, decode_fn *decode, struct weir_str body, unsigned spans, unsigned rounds)
{
	uint32_t size = 0;
	double decoded = measure(decode, body, rounds, false, &size);
	double finished = measure(decode, body, rounds, true, &size);

	printf("%-12s %6u spans  %5zu B a span  decode %6.1f ns  decode+finish %6.1f ns  batch %5u B a span\n", name,
		spans, body.length / spans, decoded, finished, size / spans);
}

int main(int argc, char **argv)
{
	unsigned spans = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 512;
	unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 200;
	struct weir_buf body;

	if (spans == 0 || rounds == 0) {
		fprintf(stderr, "usage: decode_bench [SPANS [ROUNDS]]\n");
		return 2;
	}
	weir_buf_init(&body, 0);
	otlp_body(&body, spans);
	report("otlp", weir_otlp_trace_decode, weir_buf_str(&body), spans, rounds);
	weir_buf_clear(&body);
	zipkin_body(&body, spans);
	report("zipkin-json", weir_zipkin_json_decode, weir_buf_str(&body), spans, rounds);
	weir_buf_fini(&body);
	return 0;
}
