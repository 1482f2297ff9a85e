/* mixer_sheet: writes Mixer's reports bag by bag, as a proxy packs them, and reads what became of them. */
#ifndef WEIR_TESTS_DECODE_MIXER_SHEET_H
#define WEIR_TESTS_DECODE_MIXER_SHEET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/mixer/report.h"
#include "decode/mixer/words.h"
#include "identity/workload.h"
#include "tests/unit/decode/encode.h"

#define REVIEWS "kubernetes://reviews-v2-7bf8c5d9b6-t54nr.default"
#define RATINGS "kubernetes://ratings-v1-6c9d7c9b6d-k9w2z.default"
#define WORDS_MAX 64

enum { DELTA, INDEPENDENT };

struct fixture {
	struct weir_buf body, bag, entry, inner;
	const char *words[WORDS_MAX];
	uint32_t word_count;
	struct weir_arena arena;
	struct weir_draft draft;
	struct weir_str reporter;
	const struct weir_batch *batch;
	struct weir_workload_reader *pods; /* NULL: none are known */
};

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	weir_arena_init(&f->arena, 1 << 16, 1 << 22);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	weir_buf_fini(&f->body);
	weir_buf_fini(&f->bag);
	weir_buf_fini(&f->entry);
	weir_buf_fini(&f->inner);
	weir_arena_fini(&f->arena);
	free(f);
	return 0;
}

/* ---- writing ------------------------------------------------------------ */

static inline uint64_t zigzag(int32_t index)
{
	return (uint32_t)index << 1 ^ (uint32_t)(index < 0 ? -1 : 0);
}

/* As a proxy has it: the word it knows by heart, else one of the message's. */
static inline uint64_t word(struct fixture *f, const char *text)
{
	for (uint32_t i = 0; i < WEIR_WORDS_GLOBAL; i++) {
		if (weir_str_is(weir_words_global[i].text, text)) {
			return zigzag((int32_t)i);
		}
	}
	for (uint32_t i = 0; i < f->word_count; i++) {
		if (strcmp(f->words[i], text) == 0) {
			return zigzag(-(int32_t)i - 1);
		}
	}
	assert_true(f->word_count < WORDS_MAX);
	f->words[f->word_count++] = text;
	return zigzag(-(int32_t)f->word_count);
}

static inline void say(struct fixture *f, const char *name, const char *value)
{
	encode_number(&f->entry, 1, word(f, name));
	encode_number(&f->entry, 2, word(f, value));
	encode_nested(&f->bag, WEIR_WORDS_STRING, &f->entry);
}

static inline void number(struct fixture *f, uint32_t type, const char *name, int64_t value)
{
	encode_number(&f->entry, 1, word(f, name));
	encode_number(&f->entry, 2, (uint64_t)value);
	encode_nested(&f->bag, type, &f->entry);
}

static inline void when(struct fixture *f, uint32_t type, const char *name, uint64_t seconds, uint64_t nanos)
{
	encode_number(&f->entry, 1, word(f, name));
	encode_number(&f->inner, 1, seconds);
	encode_number(&f->inner, 2, nanos);
	encode_nested(&f->entry, 2, &f->inner);
	encode_nested(&f->bag, type, &f->entry);
}

static inline void bytes(struct fixture *f, const char *name, const void *data, size_t length)
{
	encode_number(&f->entry, 1, word(f, name));
	encode_bytes(&f->entry, 2, data, length);
	encode_nested(&f->bag, WEIR_WORDS_BYTES, &f->entry);
}

/* Keys and values in turn, NULL at the end. */
static inline void map(struct fixture *f, const char *name, const char *const *pairs)
{
	struct weir_buf pair = { 0 };

	encode_number(&f->entry, 1, word(f, name));
	for (; pairs[0] != NULL; pairs += 2) {
		encode_number(&pair, 1, word(f, pairs[0]));
		encode_number(&pair, 2, word(f, pairs[1]));
		encode_nested(&f->inner, 1, &pair);
	}
	encode_nested(&f->entry, 2, &f->inner);
	encode_nested(&f->bag, WEIR_WORDS_MAP, &f->entry);
	weir_buf_fini(&pair);
}

static inline void end_bag(struct fixture *f)
{
	encode_nested(&f->body, 1, &f->bag);
}

static inline int decode(struct fixture *f, uint64_t semantics)
{
	struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_MIXER, .signal = WEIR_SIGNAL_MIXER };
	int r;

	for (uint32_t i = 0; i < f->word_count; i++) {
		encode_text(&f->body, 2, f->words[i]);
	}
	encode_number(&f->body, 4, semantics);
	weir_draft_init(&f->draft, &f->arena, weir_buf_str(&f->body));
	f->draft.pods = f->pods;
	weir_workload_hold(f->pods);
	r = weir_report_decode(&f->draft, &f->reporter);
	weir_workload_release(f->pods);
	if (r == 0) {
		head.source = f->reporter;
		f->batch = weir_draft_finish(&f->draft, &head);
		assert_non_null(f->batch);
		assert_true(weir_batch_is_sound(f->batch, f->batch->size_bytes));
	}
	return r;
}

/* ---- reading ------------------------------------------------------------ */

static inline void same(const struct fixture *f, struct weir_ref ref, const char *want)
{
	struct weir_str have = weir_batch_str(f->batch, ref);
	char text[256];

	snprintf(text, sizeof(text), "%.*s", (int)have.length, ref.length > 0 ? have.data : "");
	assert_string_equal(text, want);
}

static inline const struct weir_request *request(const struct fixture *f, uint32_t i)
{
	assert_true(i < f->batch->requests.count);
	return &weir_batch_requests(f->batch)[i];
}

static inline const struct weir_connection *connection(const struct fixture *f, uint32_t i)
{
	assert_true(i < f->batch->connections.count);
	return &weir_batch_connections(f->batch)[i];
}

static inline const struct weir_workload *workload(const struct fixture *f, uint32_t row)
{
	assert_true(row < f->batch->workloads.count);
	return &weir_batch_workloads(f->batch)[row];
}

static inline const struct weir_attr *attr(const struct fixture *f, uint32_t first, uint32_t count, const char *key)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct weir_attr *row = &weir_batch_attrs(f->batch)[first + i];

		if (weir_str_is(weir_batch_str(f->batch, row->key), key)) {
			return row;
		}
	}
	return NULL;
}

static inline const struct weir_attr *request_attr(const struct fixture *f, uint32_t i, const char *key)
{
	return attr(f, request(f, i)->attr_first, request(f, i)->attr_count, key);
}

/* What a stock sidecar says of a request that it let in. */
static inline void inbound(struct fixture *f)
{
	static const char *const headers[] = { ":method", "GET", ":path", "/ratings/1?x=2", ":authority",
		"ratings:9080", "x-request-id", "f00d", "x-forwarded-proto", "http", NULL };
	static const char *const answers[] = { ":status", "200", "server", "istio-envoy", NULL };
	static const uint8_t ip[4] = { 10, 0, 0, 255 };

	say(f, "context.reporter.kind", "inbound");
	say(f, "context.reporter.uid", RATINGS);
	say(f, "context.protocol", "http");
	say(f, "context.proxy_error_code", "-");
	say(f, "source.uid", REVIEWS);
	say(f, "source.principal", "cluster.local/ns/default/sa/reviews");
	say(f, "destination.uid", RATINGS);
	say(f, "destination.principal", "cluster.local/ns/default/sa/ratings");
	say(f, "destination.service.host", "ratings.default.svc.cluster.local");
	say(f, "destination.service.name", "ratings");
	say(f, "destination.service.namespace", "default");
	say(f, "request.method", "GET");
	say(f, "request.path", "/ratings/1?x=2");
	say(f, "request.url_path", "/ratings/1");
	say(f, "request.host", "ratings:9080");
	say(f, "request.useragent", "curl/8.5.0");
	number(f, WEIR_WORDS_INT, "response.code", 200);
	number(f, WEIR_WORDS_INT, "request.size", 12);
	number(f, WEIR_WORDS_INT, "request.total_size", 812);
	number(f, WEIR_WORDS_INT, "response.size", 70000);
	number(f, WEIR_WORDS_INT, "response.total_size", 70177);
	number(f, WEIR_WORDS_BOOL, "connection.mtls", 1);
	number(f, WEIR_WORDS_BOOL, "check.cache_hit", 0);
	when(f, WEIR_WORDS_TIME, "request.time", 1700000000, 5000);
	when(f, WEIR_WORDS_TIME, "response.time", 1700000000, 7005000);
	when(f, WEIR_WORDS_DURATION, "response.duration", 0, 7000000);
	bytes(f, "origin.ip", ip, sizeof(ip));
	bytes(f, "source.ip", ip, sizeof(ip));
	map(f, "request.headers", headers);
	map(f, "response.headers", answers);
	end_bag(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
