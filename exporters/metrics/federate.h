/* federate: of rendered text 0.0.4, the lines that selectors choose. */
#ifndef WEIR_EXPORTERS_METRICS_FEDERATE_H
#define WEIR_EXPORTERS_METRICS_FEDERATE_H

#include "exporters/metrics/selector.h"

struct weir_federate {
	const struct weir_selectors *selectors;
	struct weir_buf head;      /* HELP and TYPE of the family that is read, until a sample of it is chosen */
	struct weir_buf name;      /* of the last sample */
	uint64_t mask;             /* the selectors that `name` satisfies */
	struct weir_buf unescaped; /* a line's values that have escapes */
	int fault;
};

void weir_federate_init(struct weir_federate *federate, const struct weir_selectors *selectors);
void weir_federate_fini(struct weir_federate *federate);

/* Appends to `out` what of `text` is chosen. `text` is some whole lines, in the
 * order of the exposition; a family may go on in the next piece. 0, or the
 * first fault, also of earlier pieces: of weir_pattern_matches, or -EINVAL,
 * `text` is no text 0.0.4. */
int weir_federate_take(struct weir_federate *federate, struct weir_str text, struct weir_buf *out);

#endif
