/* pattern: a selector's regular expressions: RE2's syntax, whole values, bounded
 * work. The patterns of one request share a set. */
#ifndef WEIR_EXPORTERS_METRICS_REGEX_H
#define WEIR_EXPORTERS_METRICS_REGEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

#define WEIR_PATTERN_PATTERN_MAX 1024u /* bytes */

enum { WEIR_PATTERN_BAD = 1 }; /* outcome of compile: no pattern; `why` says so */

struct weir_pattern;
struct weir_pattern_set;

/* All memory is the arena's, and goes with it. `deadline_ns` (monotonic) ends
 * matching; 0: never. 0 or -ENOMEM. */
int weir_pattern_set_create(struct weir_arena *arena, uint64_t deadline_ns, struct weir_pattern_set **ret_set);

/* 0, WEIR_PATTERN_BAD with a sentence appended to `why`, or -ENOMEM. */
int weir_pattern_compile(
	struct weir_pattern_set *set, struct weir_str pattern, struct weir_buf *why, struct weir_pattern **ret_regex);

/* Does the whole value match? 1, 0, or a fault: -E2BIG, the pattern needs too
 * much memory for this value; -ETIMEDOUT, the deadline has passed. */
int weir_pattern_matches(const struct weir_pattern *regex, struct weir_str value);

#endif
