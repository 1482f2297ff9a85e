/* memory: what limits.memory is spent on.
 *
 *   ring.size   + tables, arenas, libraries   + more series   + pods   + answers
 *   as set        MEMORY_BASE_BYTES             as set          if any    the rest, a part a thread */
#include "memory.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

/* What is taken up beside the ring and the answers to queries: tables, arenas, libraries. */
#define MEMORY_BASE_BYTES (96u << 20)
/* A series more than those of the default: its text and cells, in the fold, in a scrape's copy and in an image. */
#define SERIES_BYTES 1024u
/* The workload table at its bound, twice while it is swapped, and a list of pods while it is read. */
#define PODS_BYTES (64u << 20)
#define SERIES_IN_BASE 50000u
#define QUERY_BYTES_LEAST (4u << 20)

int weir_memory_settle(const struct weir_conf *conf, unsigned threads, uint64_t *ret_query_bytes)
{
	uint64_t series = conf->metrics_max_series > SERIES_IN_BASE ? conf->metrics_max_series - SERIES_IN_BASE : 0;
	bool has_pods = strcmp(conf->identity_pods, "none") != 0;
	uint64_t taken = conf->ring_size + MEMORY_BASE_BYTES + series * SERIES_BYTES + (has_pods ? PODS_BYTES : 0);
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
