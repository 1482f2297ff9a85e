/* template: encodes mesh spans (OTLP, Zipkin JSON) or borrows captured access
 * log entries, and remembers where ids and times are.
 *
 * The encoders write protobuf and JSON by hand, for they must know every mark's
 * offset; the receiver's own decoders are checked against protobuf-c elsewhere. */
#include "tests/bench/template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decode/wire.h"
#include "tests/bench/mesh_spans.h"
#include "tests/support/mtcap.h"

void weir_template_mark(struct weir_template *template, uint32_t offset, enum weir_mark_kind kind, uint64_t base)
{
	if (template->mark_count == template->mark_capacity) {
		template->mark_capacity = template->mark_capacity == 0 ? 1024 : template->mark_capacity * 2;
		template->marks = realloc(template->marks, template->mark_capacity * sizeof(*template->marks));
		if (template->marks == NULL) {
			abort();
		}
	}
	template->marks[template->mark_count++] = (struct weir_mark){ offset, kind, base };
}

/* ---- filling ------------------------------------------------------------- */

static void put_hex(char *at, uint64_t value)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 16; i++) {
		at[i] = digits[value >> (60 - 4 * i) & 15];
	}
}

static void put_big(char *at, uint64_t value)
{
	for (int i = 0; i < 8; i++) {
		at[i] = (char)(value >> (56 - 8 * i));
	}
}

static void put_uuid(char *at, uint64_t value)
{
	char hex[32];

	put_hex(hex, value);
	put_hex(hex + 16, weir_template_mix(value));
	for (int i = 0, from = 0; i < 36; i++) {
		at[i] = i == 8 || i == 13 || i == 18 || i == 23 ? '-' : hex[from++];
	}
}

static void put_varint(char *at, uint64_t value)
{
	for (int i = 0; i < 5; i++) {
		at[i] = (char)((value & 127) | (i < 4 ? 128 : 0));
		value >>= 7;
	}
}

static void mark_fill(char *at, const struct weir_mark *mark, uint64_t seed, uint64_t now_ns)
{
	uint64_t time_ns = now_ns - 2000000000u + mark->base;
	char digits[24];

	switch ((enum weir_mark_kind)mark->kind) {
	case WEIR_MARK_TRACE:
		put_big(at, seed);
		put_big(at + 8, mark->base ^ weir_template_mix(seed));
		break;
	case WEIR_MARK_SPAN:
		put_big(at, mark->base ^ weir_template_mix(seed + 1));
		break;
	case WEIR_MARK_TIME_NS:
		memcpy(at, &time_ns, sizeof(time_ns));
		break;
	case WEIR_MARK_TRACE_HEX:
		put_hex(at, seed);
		put_hex(at + 16, mark->base ^ weir_template_mix(seed));
		break;
	case WEIR_MARK_SPAN_HEX:
		put_hex(at, mark->base ^ weir_template_mix(seed + 1));
		break;
	case WEIR_MARK_TIME_US:
		snprintf(digits, sizeof(digits), "%016llu", (unsigned long long)(time_ns / 1000));
		memcpy(at, digits, 16);
		break;
	case WEIR_MARK_SECONDS:
		put_varint(at, now_ns / 1000000000u);
		break;
	case WEIR_MARK_UUID:
		put_uuid(at, seed ^ weir_template_mix(mark->base));
		break;
	}
}

void weir_template_fill(const struct weir_template *template, uint64_t seed, uint64_t now_ns, struct weir_buf *ret_body)
{
	weir_buf_clear(ret_body);
	weir_buf_add_str(ret_body, weir_buf_str(&template->body));
	for (uint32_t i = 0; i < template->mark_count; i++) {
		mark_fill(ret_body->data + template->marks[i].offset, &template->marks[i], seed, now_ns);
	}
}

void weir_template_print_trace(const struct weir_template *template, uint64_t seed, FILE *out)
{
	const struct weir_mark *first = NULL;
	unsigned spans = 0;

	for (uint32_t i = 0; i < template->mark_count; i++) {
		const struct weir_mark *mark = &template->marks[i];

		if (mark->kind == WEIR_MARK_TRACE || mark->kind == WEIR_MARK_TRACE_HEX) {
			first = first == NULL ? mark : first;
			spans += mark->base == first->base;
		}
	}
	if (first != NULL) {
		fprintf(out, "%016llx%016llx %u\n", (unsigned long long)seed,
			(unsigned long long)(first->base ^ weir_template_mix(seed)), spans);
	}
}

struct weir_str weir_template_identifier(const struct weir_template *template)
{
	return weir_buf_str(&template->identifier);
}

double weir_template_item_bytes(const struct weir_template *templates, uint32_t count)
{
	double bytes = 0, items = 0;

	for (uint32_t i = 0; i < count; i++) {
		bytes += (double)templates[i].body.length;
		items += templates[i].items;
	}
	return items > 0 ? bytes / items : 0;
}

/* ---- OTLP ---------------------------------------------------------------- */

void weir_template_varint(struct weir_buf *buf, uint64_t value)
{
	while (value > 127) {
		weir_buf_add_char(buf, (char)((value & 127) | 128));
		value >>= 7;
	}
	weir_buf_add_char(buf, (char)value);
}

void weir_template_head(struct weir_buf *buf, unsigned number, uint64_t length)
{
	weir_template_varint(buf, number << 3 | 2);
	weir_template_varint(buf, length);
}

static size_t varint_length(uint64_t value)
{
	size_t n = 1;

	while (value > 127) {
		value >>= 7;
		n++;
	}
	return n;
}

static size_t field_length(size_t length)
{
	return 1 + varint_length(length) + length;
}

void weir_template_text(struct weir_buf *buf, unsigned number, const char *text)
{
	weir_template_head(buf, number, strlen(text));
	weir_buf_add_text(buf, text);
}

void weir_template_attribute(struct weir_buf *buf, unsigned number, const char *key, const char *value)
{
	size_t any = field_length(strlen(value));

	weir_template_head(buf, number, field_length(strlen(key)) + field_length(any));
	weir_template_text(buf, 1, key);
	weir_template_head(buf, 2, any);
	weir_template_text(buf, 1, value);
}

static void add_int_attribute(struct weir_buf *buf, unsigned number, const char *key, uint64_t value)
{
	size_t any = 1 + varint_length(value);

	weir_template_head(buf, number, field_length(strlen(key)) + field_length(any));
	weir_template_text(buf, 1, key);
	weir_template_head(buf, 2, any);
	weir_template_varint(buf, 3u << 3);
	weir_template_varint(buf, value);
}

struct span_texts {
	char name[96], node[96], cluster[96];
};

static void span_texts_make(const struct weir_mesh_span *span, struct span_texts *ret)
{
	const struct weir_mesh_service *service = &weir_mesh_services[span->service];
	const struct weir_mesh_service *callee = span->is_client ? &weir_mesh_services[span->remote] : service;

	snprintf(ret->name, sizeof(ret->name), "%s.default.svc.cluster.local:%u/*", callee->name, callee->port);
	snprintf(ret->node, sizeof(ret->node), "sidecar~%s~%s-v1-6b746f74dc-9rl%02u.default", service->ip,
		service->name, span->service);
	if (span->is_client) {
		snprintf(ret->cluster, sizeof(ret->cluster), "outbound|%u||%s.default.svc.cluster.local", callee->port,
			callee->name);
	} else {
		snprintf(ret->cluster, sizeof(ret->cluster), "inbound|%u||", callee->port);
	}
}

/* A Span message's content, with its marks relative to the start of `buf`. */
static void add_otlp_span(struct weir_template *template, struct weir_buf *buf, const struct weir_mesh_span *span)
{
	struct span_texts texts;
	char zeros[16] = { 0 };

	span_texts_make(span, &texts);
	weir_template_head(buf, 1, 16);
	weir_template_mark(template, (uint32_t)buf->length, WEIR_MARK_TRACE, span->trace);
	weir_buf_add(buf, zeros, 16);
	weir_template_head(buf, 2, 8);
	weir_template_mark(template, (uint32_t)buf->length, WEIR_MARK_SPAN, span->id);
	weir_buf_add(buf, zeros, 8);
	if (span->parent != 0) {
		weir_template_head(buf, 4, 8);
		weir_template_mark(template, (uint32_t)buf->length, WEIR_MARK_SPAN, span->parent);
		weir_buf_add(buf, zeros, 8);
	}
	weir_template_text(buf, 5, texts.name);
	weir_template_varint(buf, 6u << 3);
	weir_template_varint(buf, span->is_client ? 3 : 2);
	weir_template_varint(buf, 7u << 3 | 1);
	weir_template_mark(template, (uint32_t)buf->length, WEIR_MARK_TIME_NS, span->start_ns);
	weir_buf_add(buf, zeros, 8);
	weir_template_varint(buf, 8u << 3 | 1);
	weir_template_mark(template, (uint32_t)buf->length, WEIR_MARK_TIME_NS, span->end_ns);
	weir_buf_add(buf, zeros, 8);
	weir_template_attribute(buf, 9, "node_id", texts.node);
	weir_template_attribute(buf, 9, "http.request.method", "GET");
	weir_template_attribute(buf, 9, "url.path", span->path);
	add_int_attribute(buf, 9, "http.response.status_code", span->status);
	weir_template_attribute(buf, 9, "upstream_cluster", texts.cluster);
	weir_template_attribute(buf, 9, "peer.address", weir_mesh_services[span->remote].ip);
	weir_template_attribute(buf, 9, "user_agent", span->agent);
	weir_template_attribute(buf, 9, "response_flags", span->status >= 500 ? "UF" : "-");
	if (span->status >= 500) {
		weir_template_head(buf, 15, 2);
		weir_buf_add(buf, "\x18\x02", 2);
	}
}

void weir_template_nest(struct weir_template *template, struct weir_buf *outer, unsigned number,
	const struct weir_buf *inner, uint32_t first_mark)
{
	weir_template_head(outer, number, inner->length);
	for (uint32_t i = first_mark; i < template->mark_count; i++) {
		template->marks[i].offset += (uint32_t)outer->length;
	}
	weir_buf_add_str(outer, weir_buf_str(inner));
}

static void encode_otlp(struct weir_template *template, const struct weir_mesh_span *spans, uint32_t count)
{
	struct weir_buf scope, resource, span;

	weir_buf_init(&scope, 0);
	weir_buf_init(&resource, 0);
	weir_buf_init(&span, 0);
	for (uint32_t service = 0; service < WEIR_MESH_SERVICES; service++) {
		uint32_t first = template->mark_count;

		weir_buf_clear(&scope);
		weir_buf_clear(&resource);
		weir_template_head(&scope, 1, field_length(5) + field_length(6));
		weir_template_text(&scope, 1, "envoy");
		weir_template_text(&scope, 2, "1.31.0");
		for (uint32_t i = 0; i < count; i++) {
			uint32_t span_first = template->mark_count;

			if (spans[i].service == service) {
				weir_buf_clear(&span);
				add_otlp_span(template, &span, &spans[i]);
				weir_template_nest(template, &scope, 2, &span, span_first);
			}
		}
		if (template->mark_count == first) {
			continue;
		}
		weir_buf_clear(&span);
		weir_template_attribute(&span, 1, "service.name", weir_mesh_services[service].name);
		weir_template_attribute(&span, 1, "service.namespace", "default");
		weir_template_attribute(&span, 1, "k8s.node.name", "node-1");
		weir_template_nest(template, &resource, 1, &span, template->mark_count);
		weir_template_nest(template, &resource, 2, &scope, first);
		weir_template_nest(template, &template->body, 1, &resource, first);
	}
	weir_buf_fini(&scope);
	weir_buf_fini(&resource);
	weir_buf_fini(&span);
}

/* ---- Zipkin JSON --------------------------------------------------------- */

static void add_mark_text(struct weir_template *template, enum weir_mark_kind kind, uint64_t base, size_t length)
{
	weir_template_mark(template, (uint32_t) template->body.length, kind, base);
	for (size_t i = 0; i < length; i++) {
		weir_buf_add_char(&template->body, '1');
	}
}

static void encode_zipkin_span(struct weir_template *template, const struct weir_mesh_span *span)
{
	const struct weir_mesh_service *local = &weir_mesh_services[span->service];
	const struct weir_mesh_service *remote = &weir_mesh_services[span->remote];
	struct weir_buf *body = &template->body;
	struct span_texts texts;

	span_texts_make(span, &texts);
	weir_buf_add_text(body, "{\"traceId\":\"");
	add_mark_text(template, WEIR_MARK_TRACE_HEX, span->trace, 32);
	weir_buf_add_text(body, "\",\"id\":\"");
	add_mark_text(template, WEIR_MARK_SPAN_HEX, span->id, 16);
	if (span->parent != 0) {
		weir_buf_add_text(body, "\",\"parentId\":\"");
		add_mark_text(template, WEIR_MARK_SPAN_HEX, span->parent, 16);
	}
	weir_buf_addf(body, "\",\"kind\":\"%s\",\"name\":\"%s\",\"timestamp\":", span->is_client ? "CLIENT" : "SERVER",
		texts.name);
	add_mark_text(template, WEIR_MARK_TIME_US, span->start_ns, 16);
	weir_buf_addf(body, ",\"duration\":%llu,", (unsigned long long)((span->end_ns - span->start_ns) / 1000));
	weir_buf_addf(body, "\"localEndpoint\":{\"serviceName\":\"%s\",\"ipv4\":\"%s\",\"port\":%u},", local->name,
		local->ip, local->port);
	weir_buf_addf(body, "\"remoteEndpoint\":{\"serviceName\":\"%s\",\"ipv4\":\"%s\",\"port\":%u},", remote->name,
		remote->ip, remote->port);
	weir_buf_addf(body,
		"\"tags\":{\"http.request.method\":\"GET\",\"http.response.status_code\":\"%u\",\"node_id\":\"%s\","
		"\"peer.address\":\"%s\",\"response_flags\":\"%s\",\"upstream_cluster\":\"%s\",\"url.path\":\"%s\","
		"\"user_agent\":\"%s\"%s}}",
		span->status, texts.node, remote->ip, span->status >= 500 ? "UF" : "-", texts.cluster, span->path,
		span->agent, span->status >= 500 ? ",\"error\":\"503\"" : "");
}

static void encode_zipkin(struct weir_template *template, const struct weir_mesh_span *spans, uint32_t count)
{
	weir_buf_add_char(&template->body, '[');
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0) {
			weir_buf_add_char(&template->body, ',');
		}
		encode_zipkin_span(template, &spans[i]);
	}
	weir_buf_add_char(&template->body, ']');
}

/* ---- making -------------------------------------------------------------- */

static int make_spans(const char *proto, uint32_t batch, uint32_t count, struct weir_template *templates)
{
	struct weir_mesh_span *spans = calloc(batch, sizeof(*spans));
	uint64_t random = 1;

	if (spans == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		weir_mesh_spans_make(&random, spans, batch);
		templates[i].items = batch;
		if (strcmp(proto, "zipkin-json") == 0) {
			encode_zipkin(&templates[i], spans, batch);
		} else {
			encode_otlp(&templates[i], spans, batch);
		}
	}
	free(spans);
	return 0;
}

int weir_template_make(
	const char *proto, const char *capture, uint32_t batch, uint32_t count, struct weir_template **ret_templates)
{
	static const char *const known[] = { "otlp-grpc", "otlp-http", "zipkin-json" };
	struct weir_template *templates = calloc(count, sizeof(*templates));
	int r = -EINVAL;

	if (templates == NULL) {
		return -ENOMEM;
	}
	if (strcmp(proto, "als") == 0) {
		r = capture != NULL ? weir_template_make_als(capture, batch, count, templates) : -EINVAL;
	}
	if (strcmp(proto, "mixer") == 0) {
		r = capture != NULL ? weir_template_make_mixer(capture, batch, count, templates) : -EINVAL;
	}
	for (uint32_t i = 0; strcmp(proto, "points") == 0 && i < count; i++) {
		weir_template_make_points(batch, &templates[i]);
		r = 0;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(proto, known[i]) == 0) {
			r = make_spans(proto, batch, count, templates);
		}
	}
	if (r < 0) {
		weir_template_free(templates, count);
		return r;
	}
	*ret_templates = templates;
	return 0;
}

void weir_template_free(struct weir_template *templates, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		weir_buf_fini(&templates[i].body);
		weir_buf_fini(&templates[i].identifier);
		free(templates[i].marks);
	}
	free(templates);
}
