/* scrape_bench: what a scrape costs: CPU, bytes and memory for each format.
 *
 * scrape_bench [series]: that many series (100,000) of the standard metrics, as
 * Prometheus counts them: a label set of some 640 bytes has 67, since a bucket is
 * one. One snapshot of them is rendered as /metrics renders it: what is there is
 * taken away now and then, packed or not.
 * Each row is a process of its own, so that its peak is its own. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "aggregate/state.h"
#include "base/err.h"
#include "cpu.h"
#include "exporters/metrics/made.h"
#include "exporters/metrics/openmetrics.h"
#include "exporters/metrics/protobuf.h"
#include "exporters/metrics/text.h"
#include "requests.h"

#define PIECE (256u << 10) /* taken away from here on */
#define TURNS 5u
#define A_SET 67u /* a counter; three histograms of 20 buckets, sum and count */

enum form { TEXT, OPENMETRICS, PROTOBUF, FORMS };
static const char *const form_names[FORMS] = { "text 0.0.4", "OpenMetrics", "protobuf" };

struct sink {
	struct weir_buf buf;
	z_stream *zip; /* NULL: not packed */
	uint64_t bytes;
};

static long peak_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

static void take(void *ctx)
{
	struct sink *sink = ctx;
	unsigned char out[65536];

	if (sink->buf.length < PIECE) {
		return;
	}
	if (sink->zip == NULL) {
		sink->bytes += sink->buf.length;
		weir_buf_clear(&sink->buf);
		return;
	}
	sink->zip->next_in = (unsigned char *)sink->buf.data;
	sink->zip->avail_in = (unsigned)sink->buf.length;
	while (sink->zip->avail_in > 0) {
		sink->zip->next_out = out;
		sink->zip->avail_out = sizeof(out);
		weir_assert(deflate(sink->zip, Z_NO_FLUSH) == Z_OK);
		sink->bytes += sizeof(out) - sink->zip->avail_out;
	}
	weir_buf_clear(&sink->buf);
}

static void render(const struct weir_snapshot *snapshot, enum form form, struct sink *sink)
{
	struct weir_clash clash;
	struct weir_exposition_opts opts = { .buf = &sink->buf, .drain = take, .drain_ctx = sink, .clash = &clash };
	struct weir_openmetrics openmetrics;
	struct weir_text_exposition text;
	struct weir_protobuf protobuf;

	switch (form) {
	case TEXT:
		weir_text_exposition_begin(&text, &opts);
		weir_made_render(&text.base, snapshot);
		weir_exposition_end(&text.base);
		break;
	case OPENMETRICS:
		weir_clash_begin(&clash);
		weir_made_render(&clash.base, snapshot);
		weir_assert(weir_clash_settle(&clash) == 0);
		weir_openmetrics_begin(&openmetrics, &opts);
		weir_made_render(&openmetrics.base, snapshot);
		weir_exposition_end(&openmetrics.base);
		weir_clash_end(&clash);
		break;
	default:
		weir_protobuf_begin(&protobuf, &opts);
		weir_made_render(&protobuf.base, snapshot);
		weir_exposition_end(&protobuf.base);
		weir_protobuf_end(&protobuf);
		break;
	}
}

static void row(const struct weir_snapshot *snapshot, enum form form, bool is_packed)
{
	double best_ms = 1e9;
	uint64_t bytes = 0;
	long before_kib = peak_kib();

	for (unsigned turn = 0; turn < TURNS; turn++) {
		z_stream zip = { 0 };
		struct sink sink = { .zip = is_packed ? &zip : NULL };
		double began = cpu_ns(), spent;

		weir_buf_init(&sink.buf, 0);
		weir_assert(!is_packed || deflateInit2(&zip, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
		render(snapshot, form, &sink);
		sink.bytes += sink.zip == NULL ? sink.buf.length : 0;
		spent = (cpu_ns() - began) / 1e6;
		best_ms = spent < best_ms ? spent : best_ms;
		bytes = sink.bytes;
		weir_buf_fini(&sink.buf);
		deflateEnd(&zip);
	}
	printf("  %-12s %-5s %7.1f ms CPU, %6.1f MB, peak + %.1f MiB\n", form_names[form], is_packed ? "gzip" : "plain",
		best_ms, (double)bytes / 1e6, (double)(peak_kib() - before_kib) / 1024);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned series = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000, sets = series / A_SET;
	const struct weir_fold_opts opts = { .max_series = 4 * sets + 100, .hash_seed = 1 };
	const struct weir_snapshot *snapshot;
	struct batch_maker maker = { 0 };
	struct weir_fold *fold;
	double began;

	weir_assert(weir_fold_create(&opts, &fold) == 0);
	for (unsigned i = 0; i < sets; i += 50) {
		weir_assert(weir_fold_batch(fold, requests_make(&maker, i, 50)) == 0);
	}
	began = cpu_ns();
	weir_assert(weir_snapshot_make(fold, WEIR_SNAPSHOT_SERIES, 0, 0, &snapshot) == 0);
	printf("%" PRIu64 " label sets; the snapshot: %.1f ms CPU\n", snapshot->series_total / 4,
		(cpu_ns() - began) / 1e6);
	fflush(stdout);
	for (unsigned i = 0; i < 2 * FORMS; i++) {
		pid_t child = fork();

		weir_assert(child >= 0);
		if (child == 0) {
			row(snapshot, i / 2, i % 2 != 0);
			_exit(0);
		}
		weir_assert(waitpid(child, NULL, 0) == child);
	}
	weir_snapshot_let_go(snapshot);
	weir_fold_destroy(fold);
	batch_maker_fini(&maker);
	return 0;
}
