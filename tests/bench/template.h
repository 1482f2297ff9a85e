/* template: encoded batches whose ids and times are overwritten at each send. */
#ifndef WEIR_TESTS_TEMPLATE_H
#define WEIR_TESTS_TEMPLATE_H

#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"

enum weir_mark_kind {
	WEIR_MARK_TRACE,   /* 16 bytes: seed, base ^ mix */
	WEIR_MARK_SPAN,    /* 8 bytes */
	WEIR_MARK_TIME_NS, /* 8 bytes, little-endian: now - 2 s + base */
	WEIR_MARK_TRACE_HEX,
	WEIR_MARK_SPAN_HEX,
	WEIR_MARK_TIME_US, /* 16 decimal digits */
	WEIR_MARK_SECONDS, /* a 5-byte varint */
	WEIR_MARK_UUID,    /* 36 characters */
};

struct weir_mark {
	uint32_t offset, kind;
	uint64_t base;
};

struct weir_template {
	struct weir_buf body, identifier;
	struct weir_mark *marks;
	uint32_t mark_count, mark_capacity, items;
};

/* The finaliser of splitmix64: a number that looks random, the same each time. */
static inline uint64_t weir_template_mix(uint64_t z)
{
	z += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* For the encoders: a place to overwrite, and a length-delimited field's head. */
void weir_template_mark(struct weir_template *template, uint32_t offset, enum weir_mark_kind kind, uint64_t base);
void weir_template_head(struct weir_buf *buf, unsigned number, uint64_t length);
void weir_template_varint(struct weir_buf *buf, uint64_t value);
void weir_template_text(struct weir_buf *buf, unsigned number, const char *text);
void weir_template_attribute(struct weir_buf *buf, unsigned number, const char *key, const char *value);
/* Appends `inner` as field `number`, moving the marks made since `first_mark`. */
void weir_template_nest(struct weir_template *template, struct weir_buf *outer, unsigned number,
	const struct weir_buf *inner, uint32_t first_mark);
void weir_template_make_points(uint32_t batch, struct weir_template *template);
int weir_template_make_mixer(const char *capture, uint32_t batch, uint32_t count, struct weir_template *templates);
int weir_template_make_als(const char *capture, uint32_t batch, uint32_t count, struct weir_template *templates);

/* `count` templates of `batch` items: otlp-grpc, otlp-http, zipkin-json, points,
 * or als and mixer (from the capture at `capture`). 0 or -errno. */
int weir_template_make(
	const char *proto, const char *capture, uint32_t batch, uint32_t count, struct weir_template **ret_templates);
void weir_template_free(struct weir_template *templates, uint32_t count);

void weir_template_fill(
	const struct weir_template *template, uint64_t seed, uint64_t now_ns, struct weir_buf *ret_body);
/* als: the message with the identifier, sent first on each stream. */
struct weir_str weir_template_identifier(const struct weir_template *template);
double weir_template_item_bytes(const struct weir_template *templates, uint32_t count);
/* "<32 hex> <spans>": the first trace of a batch filled with `seed`. */
void weir_template_print_trace(const struct weir_template *template, uint64_t seed, FILE *out);

#endif
