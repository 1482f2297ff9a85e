/* metric_of: a snapshot's metric by its name. */
#ifndef WEIR_TESTS_METRIC_OF_H
#define WEIR_TESTS_METRIC_OF_H

#include <string.h>

#include "aggregate/snapshot.h"

/* Its index; a metric that is not there ends the program. */
static inline uint32_t metric_of(const struct weir_snapshot *snapshot, const char *name)
{
	for (uint32_t i = 0; i < snapshot->metric_count; i++) {
		if (strcmp(snapshot->metrics[i]->name, name) == 0) {
			return i;
		}
	}
	fail_msg("no metric %s", name);
	return 0;
}

/* Series of metrics that begin so. */
static inline uint64_t series_named(const struct weir_snapshot *snapshot, const char *begin)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < snapshot->metric_count; i++) {
		count +=
			strncmp(snapshot->metrics[i]->name, begin, strlen(begin)) == 0 ? snapshot->series_counts[i] : 0;
	}
	return count;
}

#endif
