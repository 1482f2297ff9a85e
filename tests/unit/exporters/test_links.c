/* links: a table of traces for each numbered rule of the merge, the tree and
 * the linker (wire.md 5.7; the essays of merge.c, tree.c and links.c). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "exporters/traces/links.h"
#include "exporters/traces/tree.h"
#include "maker.h"

#define C WEIR_SPAN_CLIENT
#define S WEIR_SPAN_SERVER
#define P WEIR_SPAN_PRODUCER
#define R WEIR_SPAN_CONSUMER
#define N WEIR_SPAN_UNSPECIFIED
#define SHARED WEIR_SPAN_SHARED
#define ERR WEIR_SPAN_ERROR
#define SPAN(i, p, k, s, r, f)                                                                                         \
	{                                                                                                              \
		.id = i, .parent = p, .kind = k, .service = s, .peer = r, .flags = f                                   \
	}

struct row {
	const char *what;
	struct maker_span spans[MAKER_SPANS];
	const char *links; /* "parent>child calls/errors" for each, in order */
};

static const struct row rows[] = {
	{ "1: a client with children is skipped, the server links by its ancestor",
		{ SPAN(1, 0, C, "a", "wrong", 0), SPAN(2, 1, S, "b", NULL, 0) }, "a>b 1/0" },
	{ "1: a client without children links by its remote name", { SPAN(1, 0, C, "a", "b", 0) }, "a>b 1/0" },
	{ "2: no kind and both names is a client", { SPAN(1, 0, N, "a", "b", 0) }, "a>b 1/0" },
	{ "2: no kind and one name is skipped", { SPAN(1, 0, N, "a", NULL, 0) }, "" },
	{ "2: INTERNAL is no kind", { SPAN(1, 0, WEIR_SPAN_INTERNAL, "a", "b", 0) }, "a>b 1/0" },
	{ "3: a root server without a remote name is skipped", { SPAN(1, 0, S, "a", NULL, 0) }, "" },
	{ "3: a root server with a remote name links", { SPAN(1, 0, S, "b", "a", 0) }, "a>b 1/0" },
	{ "4: the tag error counts", { SPAN(1, 0, C, "a", "b", ERR) }, "a>b 1/1" },
	{ "5: producer and consumer link to the broker, not to each other",
		{ SPAN(1, 0, P, "a", "kafka", 0), SPAN(2, 1, R, "b", "kafka", ERR) }, "a>kafka 1/0 kafka>b 1/1" },
	{ "5: a producer without a broker is skipped", { SPAN(1, 0, P, "a", NULL, 0), SPAN(2, 1, R, "b", NULL, 0) },
		"" },
	{ "6: the ancestor's name beats the server's remote name",
		{ SPAN(1, 0, C, "a", NULL, 0), SPAN(2, 1, S, "b", "alias", 0) }, "a>b 1/0" },
	{ "6: local spans between are passed over",
		{ SPAN(1, 0, S, "a", NULL, 0), SPAN(2, 1, N, "a", NULL, 0), SPAN(3, 2, N, "a", NULL, 0),
			SPAN(4, 3, C, "a", "b", 0) },
		"a>b 1/0" },
	{ "6: a client of another service than its ancestor also links to that service",
		{ SPAN(1, 0, S, "a", NULL, 0), SPAN(2, 1, C, "b", "c", ERR) }, "a>b 1/0 b>c 1/1" },
	{ "6: a client that does not know itself has its ancestor's name",
		{ SPAN(1, 0, S, "a", NULL, 0), SPAN(2, 1, C, NULL, "b", 0) }, "a>b 1/0" },
	{ "6: the direct parent's error counts for a server without one",
		{ SPAN(1, 0, C, "a", NULL, ERR), SPAN(2, 1, S, "b", NULL, 0) }, "a>b 1/1" },
	{ "6: an error of an ancestor farther off does not",
		{ SPAN(1, 0, C, "a", NULL, ERR), SPAN(2, 1, N, "a", NULL, 0), SPAN(3, 2, S, "b", NULL, 0) },
		"a>b 1/0" },
	{ "7: an unknown end is skipped", { SPAN(1, 0, C, "a", NULL, 0) }, "" },
	{ "calls to itself count", { SPAN(1, 0, C, "a", NULL, 0), SPAN(2, 1, S, "a", NULL, 0) }, "a>a 1/0" },
	{ "names are compared and written lower-cased",
		{ SPAN(1, 0, S, "A", NULL, 0), SPAN(2, 1, C, "a", "B", 0), SPAN(3, 1, C, "A", "b", 0) }, "a>b 2/0" },
	{ "tree 1: a shared span is its client's child",
		{ SPAN(1, 0, C, "a", NULL, 0), SPAN(1, 0, S, "b", NULL, SHARED) }, "a>b 1/0" },
	{ "tree 1: a shared span whose client nobody sent hangs below its own parent",
		{ SPAN(1, 0, C, "a", "b", 0), SPAN(2, 1, S, "b", NULL, SHARED) }, "a>b 1/0" },
	{ "tree 2: a child of a shared id hangs below the server on its own endpoint",
		{ SPAN(1, 0, C, "a", NULL, 0), SPAN(1, 0, S, "b", NULL, SHARED), SPAN(2, 1, C, "b", "c", 0) },
		"a>b 1/0 b>c 1/0" },
	{ "tree 2: on another endpoint it hangs below the client",
		{ SPAN(1, 0, C, "a", NULL, 0), SPAN(1, 0, S, "b", NULL, SHARED), SPAN(2, 1, C, "d", "c", 0) },
		"a>b 1/0 a>d 1/0 d>c 1/0" },
	{ "tree 4: orphans hang below the root", { SPAN(1, 0, C, "a", "x", 0), SPAN(2, 9, S, "b", NULL, 0) },
		"a>b 1/0" },
	{ "tree 4: without a root the top-most ones have no ancestor",
		{ SPAN(1, 8, S, "a", NULL, 0), SPAN(2, 9, S, "b", "c", 0) }, "c>b 1/0" },
	{ "a circle is not walked",
		{ SPAN(1, 2, C, "a", "b", 0), SPAN(2, 1, C, "b", "c", 0), SPAN(3, 0, C, "x", "y", 0) }, "x>y 1/0" },
	{ "merge 2: parts of one span are one", { SPAN(1, 0, C, "a", NULL, 0), SPAN(1, 0, N, "a", "b", ERR) },
		"a>b 1/1" },
	{ "merge 2: a part without an endpoint belongs to the other",
		{ SPAN(1, 0, N, NULL, "b", 0), SPAN(1, 0, C, "a", NULL, 0) }, "a>b 1/0" },
	{ "merge 2: other addresses stay apart",
		{ { .id = 1, .parent = 9, .kind = C, .service = "a", .peer = "b", .ip = 1 },
			{ .id = 1, .parent = 9, .kind = C, .service = "a", .peer = "b", .ip = 2 },
			SPAN(9, 0, N, "a", NULL, 0) },
		"a>b 2/0" },
	{ "merge 3: a server behind the client of its id is shared, flag or not",
		{ SPAN(1, 0, S, "b", NULL, 0), SPAN(1, 0, C, "a", NULL, 0) }, "a>b 1/0" },
	{ "merge 4: a shared span without a parent takes its client's",
		{ SPAN(1, 0, S, "w", NULL, 0), SPAN(2, 1, C, "w", NULL, 0), SPAN(2, 0, S, "b", NULL, SHARED) },
		"w>b 1/0" },
	{ "a span that is its own parent is a root", { SPAN(1, 1, C, "a", "b", 0) }, "a>b 1/0" },
};

static void describe(const struct weir_links *links, char *text, size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < links->count; i++) {
		const struct weir_links_link *link = &links->links[i];

		at += (size_t)snprintf(text + at, size - at, "%s%.*s>%.*s %llu/%llu", i > 0 ? " " : "",
			(int)link->parent.length, link->parent.data, (int)link->child.length, link->child.data,
			(unsigned long long)link->calls, (unsigned long long)link->errors);
		assert_true(at < size);
	}
}

static void each_rule_of_the_linker_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct weir_query_trace trace = maker_trace(WEIR_PROTOCOL_ZIPKIN_HTTP, rows[i].spans);
		struct weir_links links;
		struct weir_arena arena;
		char text[512];

		weir_links_init(&links, 1u << 20);
		weir_arena_init(&arena, 4096, 1u << 20);
		assert_int_equal(weir_links_add_trace(&links, &arena, &trace), 0);
		describe(&links, text, sizeof(text));
		if (strcmp(text, rows[i].links) != 0) {
			fail_msg("%s: got \"%s\", expected \"%s\"", rows[i].what, text, rows[i].links);
		}
		weir_arena_fini(&arena);
		weir_links_fini(&links);
		maker_free(&trace);
	}
}

static void links_of_many_traces_add_up(void **state)
{
	static const struct maker_span spans[MAKER_SPANS] = { SPAN(1, 0, C, "a", "b", ERR),
		SPAN(2, 1, C, "a", "c", 0) };
	struct weir_buf buf = { 0 };
	struct weir_json_write json;
	struct weir_links links;
	struct weir_arena arena;

	(void)state;
	weir_links_init(&links, 1u << 20);
	weir_arena_init(&arena, 4096, 1u << 20);
	for (unsigned i = 0; i < 500; i++) { /* more than one growth of the table, by changing names */
		struct maker_span changed[MAKER_SPANS];
		struct weir_query_trace trace;
		char name[16];

		memcpy(changed, spans, sizeof(spans));
		snprintf(name, sizeof(name), "s%u", i % 250);
		changed[1].peer = name;
		changed[1].parent = 0;
		trace = maker_trace(WEIR_PROTOCOL_OTLP_GRPC, changed);
		assert_int_equal(weir_links_add_trace(&links, &arena, &trace), 0);
		weir_arena_reset(&arena);
		maker_free(&trace);
	}
	/* The second hangs below the first, which has a child then and is skipped. */
	assert_int_equal(links.count, 250);
	for (uint32_t i = 0; i < links.count; i++) {
		assert_int_equal(links.links[i].calls, 2);
	}
	links.count = 1;
	weir_json_write_init(&json, &buf);
	weir_links_write(&links, &json);
	weir_buf_add_char(&buf, '\0');
	assert_string_equal(buf.data, "[{\"parent\":\"a\",\"child\":\"s0\",\"callCount\":2}]");
	weir_buf_fini(&buf);
	weir_arena_fini(&arena);
	weir_links_fini(&links);
}

static void full_memory_is_told(void **state)
{
	static const struct maker_span spans[MAKER_SPANS] = { SPAN(1, 0, C, "a", "b", 0) };
	struct weir_query_trace trace = maker_trace(WEIR_PROTOCOL_ZIPKIN_HTTP, spans);
	struct weir_links links;
	struct weir_arena arena;

	(void)state;
	weir_links_init(&links, 1u << 20);
	weir_arena_init(&arena, 64, 64);
	assert_true(weir_links_add_trace(&links, &arena, &trace) < 0);
	weir_arena_fini(&arena);
	weir_links_fini(&links);
	maker_free(&trace);
}

static void merge_takes_the_longest_trace_id(void **state)
{
	static const struct maker_span spans[MAKER_SPANS] = { { .id = 1, .kind = C, .trace_low = 0x77 },
		{ .id = 2, .kind = C, .trace_high = 0x5, .trace_low = 0x77 } };
	struct weir_query_trace trace = maker_trace(WEIR_PROTOCOL_ZIPKIN_HTTP, spans);
	struct weir_merge_trace merged;
	struct weir_arena arena;

	(void)state;
	weir_arena_init(&arena, 4096, 1u << 20);
	assert_int_equal(weir_merge_spans(&arena, &trace, &merged), 0);
	assert_int_equal(merged.count, 2);
	assert_int_equal(merged.trace_id[7], 5);
	assert_int_equal(merged.trace_id[15], 0x77);
	weir_arena_fini(&arena);
	maker_free(&trace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_of_the_linker_holds),
		cmocka_unit_test(links_of_many_traces_add_up),
		cmocka_unit_test(full_memory_is_told),
		cmocka_unit_test(merge_takes_the_longest_trace_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
