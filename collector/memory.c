/* memory: what limits.memory is spent on.
 *
 *   ring.size  | tables, their copies   | others  | pods   | answers
 *   as set     | by metrics.max_series  | fixed   | if any | the rest, a part a thread
 *
 * The tables' own bounds (aggregate/bounds.h) are of each table for itself. Traffic
 * that fills all of them from all sides takes TABLES_PARTS of that, because what fills
 * a row of one does so with one protocol, one kind of evidence, one kind of cell
 * (tests/integration/test_memory.py; a tenth of the limit and more was left free). */
#include "memory.h"

#include <errno.h>
#include <string.h>

#include "aggregate/fold.h"
#include "base/log.h"

#define TABLES_PARTS 3u
#define TABLES_OF 5u
/* Of a series, in a scrape's copy or in an image on its way to the store: they are hardly there at once. */
#define COPY_BYTES 400u
/* Libraries, requests that are being read, the store and its index of traces. */
#define OTHERS_BYTES (20u << 20)
/* The workload table at its bound, twice while it is swapped, and a list of pods while it is read. */
#define PODS_BYTES (64u << 20)
#define QUERY_BYTES_LEAST (4u << 20)

int weir_memory_settle(const struct weir_conf *conf, unsigned threads, uint64_t *ret_query_bytes)
{
	uint64_t series = conf->metrics_max_series;
	uint64_t tables = weir_fold_bytes_max((uint32_t)series) / TABLES_OF * TABLES_PARTS + series * COPY_BYTES;
	bool has_pods = strcmp(conf->identity_pods, "none") != 0;
	uint64_t taken = conf->ring_size + tables + OTHERS_BYTES + (has_pods ? PODS_BYTES : 0);
	uint64_t needed = taken + threads * QUERY_BYTES_LEAST;

	if (conf->limits_memory < needed) {
		weir_log(WEIR_LOG_ERROR, "main",
			"cannot start: limits.memory is too small for ring.size and metrics.max_series "
			"limit=%llu needed=%llu",
			(unsigned long long)conf->limits_memory, (unsigned long long)needed);
		return -ENOMEM;
	}
	*ret_query_bytes = (conf->limits_memory - taken) / threads;
	return 0;
}
