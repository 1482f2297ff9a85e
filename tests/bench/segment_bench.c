/* segment_bench: what a span costs in the store: ns to encode, bytes on disk,
 * and CPU of a trace by id and of a search, over a number of spans (1 M unless
 * told). Usage: segment_bench [spans] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/err.h"
#include "cpu.h"
#include "rig.h"
#include "storage/segment_reader.h"
#include "storage/segment_writer.h"

#define NOW 1700000000000000000ull
#define SECOND 1000000000ull
#define BATCH 512u

static void encode_measure(struct maker *maker)
{
	struct weir_segment_writer *writer;
	struct weir_segment_reader *reader;
	struct weir_segment_info info;
	struct weir_arena arena;
	struct weir_batch *batches[8];
	const struct weir_batch *back;
	struct weir_str data = { NULL, 0 };
	double start, decode_core, decode_all;
	unsigned rounds = 400;

	weir_assert(weir_segment_writer_create(5, &writer) == 0 && weir_segment_reader_create(&reader) == 0);
	weir_arena_init(&arena, 4u << 20, 64u << 20);
	for (unsigned i = 0; i < 8; i++) {
		batches[i] = maker_mesh(maker, BATCH, NOW);
	}
	start = cpu_ns();
	for (unsigned i = 0; i < rounds; i++) {
		weir_segment_writer_begin(writer, WEIR_ROWS_SPANS);
		for (unsigned j = 0; j < 4; j++) {
			weir_segment_writer_add(writer, batches[(i + j) % 8], 0);
		}
		weir_assert(weir_segment_writer_finish(writer, &data, &info) == 0);
	}
	start = (cpu_ns() - start) / rounds / info.rows;
	decode_core = cpu_ns();
	for (unsigned i = 0; i < rounds; i++) {
		weir_assert(weir_segment_reader_decode(reader, data, WEIR_SEGMENT_PART_CORE, &arena, &back) == 0);
		weir_arena_reset(&arena);
	}
	decode_core = (cpu_ns() - decode_core) / rounds / info.rows;
	decode_all = cpu_ns();
	for (unsigned i = 0; i < rounds; i++) {
		weir_assert(weir_segment_reader_decode(reader, data, WEIR_SEGMENT_PART_ALL, &arena, &back) == 0);
		weir_arena_reset(&arena);
	}
	decode_all = (cpu_ns() - decode_all) / rounds / info.rows;
	printf("encode %.0f ns a span, %.1f bytes a span; decode core %.0f ns, all %.0f ns a span\n", start,
		(double)data.length / info.rows, decode_core, decode_all);
	{
		struct weir_segment_head head;

		weir_segment_head_read(data, &head);
		for (unsigned i = 0; i < WEIR_SEGMENT_SECTIONS; i++) {
			printf("  section %u: %.1f of %.1f bytes a span\n", i,
				(double)head.sections[i].stored_bytes / info.rows,
				(double)head.sections[i].raw_bytes / info.rows);
		}
	}
	for (unsigned i = 0; i < 8; i++) {
		free(batches[i]);
	}
	weir_arena_fini(&arena);
	weir_segment_reader_destroy(reader);
	weir_segment_writer_destroy(writer);
}

static void by_id_measure(struct weir_query *query, uint8_t (*ids)[16], unsigned count)
{
	double start = cpu_ns();
	unsigned spans = 0;

	for (unsigned i = 0; i < count; i++) {
		struct weir_query_trace trace;

		weir_assert(weir_query_begin(query, rig_deadline()) == 0);
		weir_assert(weir_query_trace(query, ids[i], false, &trace) == 0);
		spans += trace.span_count;
		weir_query_end(query);
	}
	printf("by id: %.3f ms CPU (%.1f spans a trace)\n", (cpu_ns() - start) / count / 1e6, (double)spans / count);
}

static void search_measure(struct weir_query *query, const char *what, struct weir_query_search search)
{
	double start = cpu_ns();
	unsigned rounds = 10;
	uint32_t count = 0;

	for (unsigned i = 0; i < rounds; i++) {
		struct weir_query_trace *traces;
		int result;

		weir_assert(weir_query_begin(query, rig_deadline()) == 0);
		result = weir_query_traces(query, &search, &traces, &count);
		weir_assert(result == 0);
		weir_query_end(query);
	}
	printf("search %-28s %.3f ms CPU (%u found)\n", what, (cpu_ns() - start) / rounds / 1e6, count);
}

static int nothing(void *ctx, const struct weir_query_trace *trace)
{
	(*(uint32_t *)ctx)++;
	(void)trace;
	return 0;
}

static void fill(struct rig *rig, unsigned spans, uint8_t (*ids)[16], unsigned count)
{
	unsigned batches = spans / BATCH;
	double start = cpu_ns(), made = 0;
	struct weir_store_figures figures;

	for (unsigned i = 0; i < batches; i++) {
		double before = cpu_ns();
		struct weir_batch *batch = maker_mesh(&rig->maker, BATCH, NOW + (uint64_t)i * SECOND / 100);

		made += cpu_ns() - before;
		if (i % (batches / count) == 0 && i / (batches / count) < count) {
			memcpy(ids[i / (batches / count)], weir_batch_spans(batch)[7].trace_id, 16);
		}
		rig_add(rig, batch);
		if (i % 20 == 19) {
			rig_seal(rig);
		}
	}
	rig_seal(rig);
	rig_wait_stored(rig, (batches + 19) / 20);
	weir_store_figures(rig->store, &figures);
	printf("ring to database: %.0f ns CPU a span; %.1f bytes a span used (%.1f with the log); %llu segments\n",
		(cpu_ns() - start - made) / spans, (double)figures.used_bytes / spans,
		(double)(figures.used_bytes + figures.wal_bytes) / spans, (unsigned long long)figures.segments);
}

int main(int argc, char **argv)
{
	static uint8_t ids[100][16];
	unsigned spans = argc > 1 ? (unsigned)atoi(argv[1]) : 1000000;
	const struct weir_query_tag tag = { { "http.response.status_code", 25 }, { "503", 3 }, true };
	struct weir_query_search search = {
		.end_ns = NOW + 1000000 * SECOND, .lookback_ns = 1000000 * SECOND, .limit = 10
	};
	struct weir_query *query;
	struct rusage usage;
	struct rig rig;
	uint32_t traces = 0;
	double start;

	rig_init(&rig);
	encode_measure(&rig.maker);
	rig_open(&rig);
	rig_start(&rig);
	fill(&rig, spans, ids, 100);
	rig_query(&rig, &query);
	by_id_measure(query, ids, 100);
	search_measure(query, "newest", search);
	search.service = weir_str_of("ratings");
	search_measure(query, "service", search);
	search.span_name = weir_str_of("mongodb.default.svc.cluster.local:9080/*");
	search_measure(query, "service, name", search);
	search.min_duration_us = 5900;
	search_measure(query, "service, name, duration", search);
	search.min_duration_us = 0;
	search.tags = &tag;
	search.tag_count = 1;
	search_measure(query, "service, name, tag", search);
	search = (struct weir_query_search){
		.end_ns = NOW + 1000000 * SECOND, .lookback_ns = 1000000 * SECOND, .limit = 10
	};
	search.service = weir_str_of("nobody");
	search_measure(query, "unknown service", search);
	start = cpu_ns();
	weir_assert(weir_query_begin(query, rig_deadline()) == 0);
	weir_assert(weir_query_each_trace(query, search.end_ns, search.lookback_ns, nothing, &traces) == 0);
	weir_query_end(query);
	printf("each trace: %.0f ms CPU for %u traces\n", (cpu_ns() - start) / 1e6, traces);
	weir_query_close(query);
	rig_stop(&rig);
	start = cpu_ns();
	rig_open(&rig);
	printf("start: %.1f ms CPU\n", (cpu_ns() - start) / 1e6);
	rig_start(&rig);
	rig_stop(&rig);
	rig_fini(&rig);
	getrusage(RUSAGE_SELF, &usage);
	printf("peak memory %ld MiB (ring and batches included)\n", usage.ru_maxrss / 1024);
	return 0;
}
