/* fold_bench: what the fold costs: ns for each span, request, series cut and copied.
 *
 * fold_bench [seconds]: each row runs about that long. Only the fold is timed:
 * batches are made, and given new ids, outside. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/state.h"
#include "base/err.h"
#include "cpu.h"
#include "requests.h"
#include "support/batch_random.h"

#define T0 REQUESTS_T0
#define TURN 100u /* batches between two looks at the clock, which is a system call */

static struct weir_fold *fold_make(uint32_t max_series)
{
	const struct weir_fold_opts opts = { .max_series = max_series, .hash_seed = 1 };
	struct weir_fold *fold;

	weir_assert(weir_fold_create(&opts, &fold) == 0);
	return fold;
}

/* A copy that outlives its maker's next batch; free() it. */
static struct weir_batch *batch_keep(const struct weir_batch *batch)
{
	struct weir_batch *kept = malloc(batch->size_bytes);

	weir_assert(kept != NULL);
	return memcpy(kept, batch, batch->size_bytes);
}

/* Traces of eight spans: four calls along five services, callers and callees. */
static struct weir_batch *spans_make(struct batch_maker *maker, unsigned count)
{
	struct batch_random random = { .state = 1 };
	char name[16];

	batch_maker_begin(maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_SPAN, "bench", T0);
	for (unsigned i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "service-%u", i);
		batch_maker_resource(maker, name);
	}
	for (unsigned i = 0; i < count; i++) {
		struct weir_span *span = batch_maker_span(maker);
		uint64_t trace = i / 8 + 1, id = 1 + i;

		span->kind = i % 2 == 0 ? WEIR_SPAN_CLIENT : WEIR_SPAN_SERVER;
		span->resource = (i % 8 + 1) / 2;
		memcpy(span->trace_id, &trace, sizeof(trace));
		memcpy(span->span_id, &id, sizeof(id));
		id--;
		memcpy(span->parent_id, &id, sizeof(id));
		span->duration_ns = batch_random_number(&random, 100000000);
	}
	return batch_keep(batch_maker_finish(maker));
}

/* New traces for a batch. is_apart: callers and callees never meet. */
static void ids_renew(struct weir_batch *batch, struct batch_random *random, bool is_apart)
{
	struct weir_span *spans = (struct weir_span *)((char *)batch + batch->spans.offset);
	uint64_t trace = 0;

	for (uint32_t i = 0; i < batch->spans.count; i++) {
		if (i % 8 == 0 || is_apart) {
			trace = batch_random_number(random, UINT64_MAX);
		}
		memcpy(spans[i].trace_id + 8, &trace, sizeof(trace));
	}
}

static void spans_bench(unsigned count, bool is_apart, double limit_ns)
{
	struct batch_maker maker = { 0 };
	struct weir_fold *fold = fold_make(1000);
	struct weir_batch *batches[TURN];
	struct batch_random random = { .state = 7 };
	uint64_t folded = 0;
	double spent = 0, before;

	for (unsigned i = 0; i < TURN; i++) {
		batches[i] = spans_make(&maker, count);
	}
	while (spent < limit_ns) {
		for (unsigned i = 0; i < TURN; i++) {
			batches[i]->received_ns = T0 + folded * 10000 + i * 10000;
			ids_renew(batches[i], &random, is_apart);
		}
		before = cpu_ns();
		for (unsigned i = 0; i < TURN; i++) {
			weir_fold_batch(fold, batches[i]);
		}
		spent += cpu_ns() - before;
		folded += TURN * count;
	}
	printf("spans, %u a batch, %s: %.1f ns a span\n", count, is_apart ? "all waiting" : "paired",
		spent / (double)folded);
	weir_fold_destroy(fold);
	for (unsigned i = 0; i < TURN; i++) {
		free(batches[i]);
	}
	batch_maker_fini(&maker);
}

/* `sets` label sets, 50 requests a batch, each of another set. */
static void requests_bench(unsigned sets, double limit_ns)
{
	struct batch_maker maker = { 0 };
	struct weir_fold *fold = fold_make(sets * 4);
	struct weir_batch **batches = calloc(sets / 50, sizeof(*batches));
	const struct weir_snapshot *snapshot;
	struct weir_buf delta;
	uint64_t folded = 0;
	double spent = 0, before;

	weir_assert(batches != NULL);
	for (unsigned i = 0; i < sets / 50; i++) {
		batches[i] = batch_keep(requests_make(&maker, i * 50, 50));
		weir_fold_batch(fold, batches[i]);
	}
	while (spent < limit_ns) {
		before = cpu_ns();
		for (unsigned i = 0; i < sets / 50; i++) {
			weir_fold_batch(fold, batches[i]);
		}
		spent += cpu_ns() - before;
		folded += sets;
	}
	printf("requests, %u series, %u edges: %.1f ns a request\n", sets * 4, fold->edges.count,
		spent / (double)folded);
	weir_buf_init(&delta, 0);
	weir_assert(weir_fold_cut(fold, false, &delta) == 0);
	for (unsigned i = 0; i < sets / 50; i++) {
		weir_fold_batch(fold, batches[i]);
		free(batches[i]);
	}
	weir_buf_clear(&delta);
	before = cpu_ns();
	weir_assert(weir_fold_cut(fold, false, &delta) == 0);
	spent = cpu_ns() - before;
	printf("  delta of all of them: %.2f ms, %zu bytes\n", spent / 1e6, delta.length);
	weir_buf_clear(&delta);
	before = cpu_ns();
	weir_assert(weir_fold_cut(fold, true, &delta) == 0);
	spent = cpu_ns() - before;
	printf("  image: %.2f ms, %zu bytes\n", spent / 1e6, delta.length);
	before = cpu_ns();
	weir_assert(weir_snapshot_make(fold, 7, 0, 0, &snapshot) == 0);
	spent = cpu_ns() - before;
	printf("  snapshot: %.2f ms\n", spent / 1e6);
	weir_snapshot_let_go(snapshot);
	weir_buf_fini(&delta);
	weir_fold_destroy(fold);
	free(batches);
	batch_maker_fini(&maker);
}

/* As a proxy sends them every few seconds: 1000 series a batch, three labels
 * each; counters, gauges, and one histogram of 20 buckets in ten. */
static struct weir_batch *points_make(struct batch_maker *maker, unsigned number)
{
	double bounds[19];
	uint64_t counts[20];
	char name[48];

	batch_maker_begin(maker, WEIR_PROTOCOL_METRICS_V3, WEIR_SIGNAL_METRIC_POINT, "node", T0);
	batch_maker_resource(maker, "productpage");
	for (unsigned i = 0; i < 20; i++) {
		counts[i] = i;
		bounds[i % 19] = i;
	}
	for (unsigned i = 0; i < 1000; i++) {
		unsigned kind = i % 10 == 0  ? WEIR_INSTRUMENT_HISTOGRAM
				: i % 2 == 0 ? WEIR_INSTRUMENT_GAUGE
					     : WEIR_INSTRUMENT_SUM;
		struct weir_point *point;

		snprintf(name, sizeof(name), "cluster.upstream_rq_%u", i % 100);
		point = batch_maker_point(
			maker, batch_maker_instrument(maker, name, kind, WEIR_TEMPORALITY_CUMULATIVE));
		point->flags = WEIR_POINT_IS_INT;
		point->attr_first = maker->attrs.count;
		point->attr_count = 3;
		snprintf(name, sizeof(name), "outbound|9080||service-%u.default", i / 100);
		batch_maker_tag(maker, "envoy.cluster_name", name);
		snprintf(name, sizeof(name), "node-%u", number);
		batch_maker_tag(maker, "node", name);
		batch_maker_tag(maker, "mesh", "default");
		if (kind == WEIR_INSTRUMENT_HISTOGRAM) {
			bounds[0] = -1;
			point->bounds = batch_maker_numbers(maker, bounds, 19);
			point->counts = batch_maker_numbers(maker, counts, 20);
		}
	}
	return batch_keep(batch_maker_finish(maker));
}

static void points_bench(unsigned proxies, double limit_ns)
{
	struct batch_maker maker = { 0 };
	struct weir_fold *fold = fold_make(proxies * 2000);
	struct weir_batch **batches = calloc(proxies, sizeof(*batches));
	uint64_t folded = 0;
	double spent = 0, before;

	weir_assert(batches != NULL);
	for (unsigned i = 0; i < proxies; i++) {
		batches[i] = points_make(&maker, i);
		weir_fold_batch(fold, batches[i]);
	}
	while (spent < limit_ns) {
		for (unsigned i = 0; i < proxies; i++) {
			struct weir_point *points =
				(struct weir_point *)((char *)batches[i] + batches[i]->points.offset);

			for (unsigned k = 0; k < batches[i]->points.count; k++) {
				points[k].time_ns = T0 + folded;
				points[k].value.integer++;
			}
		}
		before = cpu_ns();
		for (unsigned i = 0; i < proxies; i++) {
			weir_fold_batch(fold, batches[i]);
		}
		spent += cpu_ns() - before;
		folded += proxies * 1000u;
	}
	printf("points, %u series: %.1f ns a point\n", fold->points.families.live_series, spent / (double)folded);
	for (unsigned i = 0; i < proxies; i++) {
		free(batches[i]);
	}
	free(batches);
	weir_fold_destroy(fold);
	batch_maker_fini(&maker);
}

int main(int argc, char **argv)
{
	double limit_ns = argc > 1 ? strtod(argv[1], NULL) * 1e9 : 1e9;

	spans_bench(512, false, limit_ns);
	spans_bench(5, false, limit_ns);
	spans_bench(512, true, limit_ns);
	requests_bench(250, limit_ns);
	requests_bench(2500, limit_ns);
	requests_bench(25000, limit_ns);
	requests_bench(250000, limit_ns);
	points_bench(1, limit_ns);
	points_bench(25, limit_ns);
	return 0;
}
