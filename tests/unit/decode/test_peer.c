/* peer: each form of peer metadata, read; and unreadable ones, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/envoy/peer.h"
#include "tests/unit/decode/encode.h"

/* A FlatNode as flatc would lay it out, by hand: vtable (28 bytes), table, then
 * strings. Fields: 1 namespace, 2 labels, 4 workload_name, 9 cluster_id. */
struct flat {
	uint8_t bytes[512];
	size_t used;
};

static void put16(struct flat *f, size_t at, uint16_t v)
{
	f->bytes[at] = (uint8_t)v;
	f->bytes[at + 1] = (uint8_t)(v >> 8);
}

static void put32(struct flat *f, size_t at, uint32_t v)
{
	put16(f, at, (uint16_t)v);
	put16(f, at + 2, (uint16_t)(v >> 16));
}

/* A string at the end; the u32 at `at` points to it. */
static void put_string(struct flat *f, size_t at, const char *text)
{
	put32(f, at, (uint32_t)(f->used - at));
	put32(f, f->used, (uint32_t)strlen(text));
	memcpy(f->bytes + f->used + 4, text, strlen(text) + 1);
	f->used = (f->used + 4 + strlen(text) + 1 + 3) & ~(size_t)3;
}

enum { VTABLE = 4, TABLE = 32, NAMESPACE = TABLE + 4, LABELS = TABLE + 8, WORKLOAD = TABLE + 12, CLUSTER = TABLE + 16 };

static void flat_make(struct flat *f)
{
	size_t vector, pair_vtable, pair;

	memset(f, 0, sizeof(*f));
	put32(f, 0, TABLE);
	put16(f, VTABLE, 28);
	put16(f, VTABLE + 2, 20);
	put16(f, VTABLE + 4 + 2 * 1, 4);
	put16(f, VTABLE + 4 + 2 * 2, 8);
	put16(f, VTABLE + 4 + 2 * 4, 12);
	put16(f, VTABLE + 4 + 2 * 9, 16);
	put32(f, TABLE, TABLE - VTABLE);
	f->used = TABLE + 20;
	put_string(f, NAMESPACE, "default");
	put_string(f, WORKLOAD, "reviews-v2");
	put_string(f, CLUSTER, "east");
	vector = f->used;
	put32(f, LABELS, (uint32_t)(vector - LABELS));
	put32(f, vector, 1);
	pair_vtable = vector + 8;
	put16(f, pair_vtable, 8);
	put16(f, pair_vtable + 2, 12);
	put16(f, pair_vtable + 4, 4);
	put16(f, pair_vtable + 6, 8);
	pair = pair_vtable + 8;
	put32(f, vector + 4, (uint32_t)(pair - vector - 4));
	put32(f, pair, (uint32_t)(pair - pair_vtable));
	f->used = pair + 12;
	put_string(f, pair + 4, "app");
	put_string(f, pair + 8, "reviews");
}

static bool read_exact(const uint8_t *bytes, size_t length, struct weir_node *node)
{
	char *copy = malloc(length > 0 ? length : 1); /* of its exact size: a sanitizer sees every step beyond */
	bool is_read;

	memcpy(copy, bytes, length);
	*node = (struct weir_node){ 0 };
	is_read = weir_peer_read_flat(weir_str_make(copy, length), node);
	free(copy);
	return is_read;
}

static void flat_node_is_read(void **state)
{
	struct weir_node node = { 0 };
	struct flat f;

	(void)state;
	flat_make(&f);
	assert_true(weir_peer_read_flat(weir_str_make((char *)f.bytes, f.used), &node));
	assert_true(weir_str_is(node.identity.namespace_, "default"));
	assert_true(weir_str_is(node.identity.workload, "reviews-v2"));
	assert_true(weir_str_is(node.identity.cluster, "east"));
	assert_true(weir_str_is(node.labels.app, "reviews"));
	assert_int_equal(node.identity.pod.length, 0);
}

static void flat_node_cut_short_is_refused_or_read(void **state)
{
	struct weir_node node;
	struct flat f;

	(void)state;
	flat_make(&f);
	for (size_t length = 0; length < f.used - 12; length++) {
		assert_false(read_exact(f.bytes, length, &node));
	}
	assert_true(read_exact(f.bytes, f.used, &node));
}

static void flat_node_with_wild_offsets_never_reads_outside(void **state)
{
	static const uint32_t wild[] = { 0, 1, 3, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffc, 200, 511 };
	struct weir_node node;
	struct flat f;
	size_t refused = 0;

	(void)state;
	for (size_t at = 0; at < 200; at++) {
		for (size_t w = 0; w < sizeof(wild) / sizeof(wild[0]); w++) {
			flat_make(&f);
			put32(&f, at, wild[w]);
			refused += !read_exact(f.bytes, f.used, &node);
		}
	}
	assert_true(refused > 300);
}

static void struct_with_lower_case_keys_is_read(void **state)
{
	static const char *const pairs[][2] = { { "workload", "reviews-v2" }, { "namespace", "default" },
		{ "cluster", "east" }, { "service", "reviews" }, { "revision", "v2" }, { "app", "reviews" },
		{ "version", "v2" }, { "identity", "spiffe://td/ns/default/sa/r" }, { "region", "x" } };
	struct weir_buf bytes = { 0 }, pair = { 0 }, value = { 0 };
	struct weir_arena arena;
	struct weir_node node;

	(void)state;
	weir_arena_init(&arena, 4096, 4096);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		encode_text(&value, 3, pairs[i][1]);
		encode_text(&pair, 1, pairs[i][0]);
		encode_nested(&pair, 2, &value);
		encode_nested(&bytes, 1, &pair);
	}
	assert_true(weir_peer_read(WEIR_PEER_STRUCT, weir_buf_str(&bytes), NULL, &arena, &node));
	weir_node_settle(&node);
	assert_true(weir_str_is(node.identity.workload, "reviews-v2"));
	assert_true(weir_str_is(node.identity.canonical_service, "reviews"));
	assert_true(weir_str_is(node.identity.canonical_revision, "v2"));
	assert_true(weir_str_is(node.identity.principal, "spiffe://td/ns/default/sa/r"));
	bytes.length--; /* cut: unreadable is unset */
	assert_false(weir_peer_read(WEIR_PEER_STRUCT, weir_buf_str(&bytes), NULL, &arena, &node));
	assert_int_equal(node.identity.workload.length, 0);
	weir_buf_fini(&bytes);
	weir_buf_fini(&pair);
	weir_buf_fini(&value);
	weir_arena_fini(&arena);
}

static void header_is_base64_of_a_struct_with_upper_case_keys(void **state)
{
	/* { NAMESPACE: "default", OWNER: ".../deployments/reviews-v1" }, once with padding and once without. */
	static const char *const texts[] = {
		"ChcKCU5BTUVTUEFDRRIKGghkZWZhdWx0MApPCgVPV05FUhJGGkRrdWJlcm5ldGVzOi8v",
		"!!!!",
		"A",
		"",
	};
	struct weir_buf bytes = { 0 }, pair = { 0 }, value = { 0 };
	struct weir_arena arena;
	struct weir_node node;
	char text[512];
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = 0;

	(void)state;
	weir_arena_init(&arena, 4096, 65536);
	encode_text(&value, 3, "kubernetes://apis/apps/v1/namespaces/default/deployments/reviews-v1");
	encode_text(&pair, 1, "OWNER");
	encode_nested(&pair, 2, &value);
	encode_nested(&bytes, 1, &pair);
	for (size_t i = 0; i < bytes.length; i += 3) {
		uint32_t bits = 0;

		for (size_t j = 0; j < 3; j++) {
			bits = bits << 8 | (i + j < bytes.length ? (uint8_t)bytes.data[i + j] : 0);
		}
		for (int j = 3; j >= 0; j--) {
			text[n++] = digits[bits >> 6 * j & 63];
		}
	}
	n -= (3 - bytes.length % 3) % 3; /* without padding */
	assert_true(weir_peer_read(WEIR_PEER_HEADER, weir_str_make(text, n), NULL, &arena, &node));
	weir_node_settle(&node);
	assert_true(weir_str_is(node.identity.workload, "reviews-v1"));
	assert_true(weir_str_is(node.identity.namespace_, "default"));
	for (size_t i = 0; i < 3; i++) {
		assert_false(weir_peer_read(WEIR_PEER_HEADER, weir_str_of(texts[i]), NULL, &arena, &node));
	}
	assert_true(weir_str_is(weir_peer_decode_base64(weir_str_of("aGk="), &arena), "hi"));
	assert_true(weir_str_is(weir_peer_decode_base64(weir_str_of("aGk"), &arena), "hi"));
	weir_buf_fini(&bytes);
	weir_buf_fini(&pair);
	weir_buf_fini(&value);
	weir_arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flat_node_is_read),
		cmocka_unit_test(flat_node_cut_short_is_refused_or_read),
		cmocka_unit_test(flat_node_with_wild_offsets_never_reads_outside),
		cmocka_unit_test(struct_with_lower_case_keys_is_read),
		cmocka_unit_test(header_is_base64_of_a_struct_with_upper_case_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
