/* selector: Prometheus' instant vector selectors: which samples /federate answers.
 *
 *   istio_requests_total{reporter="source", response_code=~"5.."}
 *   {__name__=~"istio_.*", source_workload!=""}
 *   {"istio_requests_total", 'reporter'=`source`} */
#ifndef WEIR_EXPORTERS_METRICS_SELECTOR_H
#define WEIR_EXPORTERS_METRICS_SELECTOR_H

#include "exporters/metrics/pattern.h"

#define WEIR_SELECTORS_MAX 64u        /* of one request: bits of a mask */
#define WEIR_SELECTOR_LABELS_MAX 128u /* different labels that they name together */

enum { WEIR_SELECTOR_BAD = 1 }; /* outcome of add: `why` says what and where */

enum weir_matcher_kind { WEIR_MATCHER_IS, WEIR_MATCHER_IS_NOT, WEIR_MATCHER_LIKE, WEIR_MATCHER_NOT_LIKE };

struct weir_matcher {
	struct weir_matcher *next; /* of its selector */
	enum weir_matcher_kind kind;
	uint32_t label; /* in `labels` */
	struct weir_str value;
	struct weir_pattern *regex; /* LIKE, NOT_LIKE */
};

struct weir_selectors {
	struct weir_arena *arena;
	struct weir_pattern_set *regexes;
	struct weir_str labels[WEIR_SELECTOR_LABELS_MAX]; /* 0 is __name__ */
	uint32_t label_count, count;
	struct weir_matcher *matchers[WEIR_SELECTORS_MAX]; /* of each selector, the first */
};

/* `arena` is theirs while they are used. 0 or -ENOMEM. */
int weir_selectors_init(struct weir_selectors *selectors, struct weir_arena *arena, uint64_t deadline_ns);

/* One more. 0, WEIR_SELECTOR_BAD (`why` gets one line without its end:
 * `1:12: parse error: …`, byte 12 of line 1), or -ENOMEM. `text` must live on. */
int weir_selectors_add(struct weir_selectors *selectors, struct weir_str text, struct weir_buf *why);

/* Bit i of *ret_mask: what selector i says of the name holds of `name`. 0 or a fault of weir_pattern_matches. */
int weir_selectors_of_name(const struct weir_selectors *selectors, struct weir_str name, uint64_t *ret_mask);

/* Does one of those in `mask` hold? `values` as `labels`, from 1 on; an absent label's is empty.
 * 1, 0, or a fault of weir_pattern_matches. */
int weir_selectors_match(const struct weir_selectors *selectors, uint64_t mask, const struct weir_str *values);

#endif
