/* The ring alone: what an append costs, and how long a full ring takes to recover.
 *
 * ring_bench FOLDER - a folder in memory, as the product uses. Each figure is
 * the median of five runs; CPU time of the process, so others do not count. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu.h"
#include "ring/ring.h"

enum { RUNS = 5 };

static const uint8_t database_id[16] = "a bench's ring!";

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct weir_ring *open_ring(const char *folder, uint64_t size_bytes)
{
	struct weir_ring_opts opts = { folder, size_bytes, database_id, NULL };
	struct weir_ring_found found;
	struct weir_ring *ring;
	int r = weir_ring_open(&opts, &ring, &found);

	if (r != 0) {
		fprintf(stderr, "ring_bench: cannot open a ring in %s: %d\n", folder, r);
		exit(1);
	}
	return ring;
}

static struct weir_batch *make_batch(uint32_t size_bytes)
{
	struct weir_batch *batch = calloc(1, size_bytes);

	if (batch == NULL) {
		exit(1);
	}
	memset(batch + 1, 'x', size_bytes - sizeof(*batch));
	batch->size_bytes = size_bytes;
	batch->version = WEIR_BATCH_VERSION;
	return batch;
}

/* Fills the ring; the number of records. */
static uint64_t fill(struct weir_ring *ring, const struct weir_batch *batch)
{
	uint64_t records = 0;

	while (weir_ring_put(ring, batch, NULL) == 0) {
		records++;
	}
	return records;
}

static void drain(struct weir_ring *ring)
{
	struct weir_ring_entry entry;

	while (weir_ring_next(ring, 0, &entry) == 0) {
	}
	weir_ring_release(ring, weir_ring_head(ring));
}

static void bench_append(const char *folder, uint32_t size_bytes)
{
	struct weir_ring *ring = open_ring(folder, 48u << 20);
	struct weir_batch *batch = make_batch(size_bytes);
	double ns[RUNS];

	for (int run = 0; run < RUNS; run++) {
		uint64_t records = 0;
		double spent = 0;

		for (int lap = 0; lap < 4; lap++) {
			double begin = cpu_ns();

			records += fill(ring, batch);
			spent += cpu_ns() - begin;
			drain(ring);
		}
		ns[run] = spent / (double)records;
	}
	qsort(ns, RUNS, sizeof(ns[0]), compare);
	printf("append of %u B: %.1f ns\n", size_bytes, ns[RUNS / 2]);
	unlink(weir_ring_path(ring));
	weir_ring_close(ring);
	free(batch);
}

static void bench_recover(const char *folder, uint32_t size_bytes)
{
	const uint64_t capacity = 256u << 20;
	struct weir_ring *ring = open_ring(folder, capacity);
	struct weir_batch *batch = make_batch(size_bytes);
	double open_ms[RUNS], walk_ms[RUNS];
	struct weir_ring_recovery recovery = { 0 };

	fill(ring, batch);
	weir_ring_close(ring);
	for (int run = 0; run < RUNS; run++) {
		double begin = cpu_ns(), opened;

		ring = open_ring(folder, capacity);
		opened = cpu_ns();
		weir_ring_recover(ring, weir_ring_id(ring), 0, &recovery);
		walk_ms[run] = (cpu_ns() - opened) / 1e6;
		open_ms[run] = (opened - begin) / 1e6;
		if (run + 1 < RUNS) {
			weir_ring_close(ring);
		}
	}
	qsort(open_ms, RUNS, sizeof(open_ms[0]), compare);
	qsort(walk_ms, RUNS, sizeof(walk_ms[0]), compare);
	printf("full ring of 256 MiB, records of %u B (%llu): open %.1f ms, recover %.1f ms\n", size_bytes,
		(unsigned long long)recovery.records, open_ms[RUNS / 2], walk_ms[RUNS / 2]);
	unlink(weir_ring_path(ring));
	weir_ring_close(ring);
	free(batch);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: ring_bench FOLDER\n");
		return 2;
	}
	bench_append(argv[1], 256);
	bench_append(argv[1], 60 * 1024);
	bench_append(argv[1], 360 * 1024);
	bench_recover(argv[1], 256);
	bench_recover(argv[1], 60 * 1024);
	return 0;
}
