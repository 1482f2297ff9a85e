/* line: how the two text formats write what they have in common, a line at a time.
 *
 * Lines are put into room that was reserved before, so nothing here tests for
 * space: weir_line_room() says how much a line takes at most. */
#ifndef WEIR_EXPORTERS_METRICS_LINE_H
#define WEIR_EXPORTERS_METRICS_LINE_H

#include "exporters/json_write.h"
#include "exporters/metrics/exposition.h"

#define WEIR_LINE_BOUND 48u /* bytes of `quantile="<number>"` */

struct weir_line_bound { /* the last label of a line: `le="0.5"` */
	char data[WEIR_LINE_BOUND];
	size_t length;
};

static inline char *weir_line_put(char *at, const void *data, size_t length)
{
	memcpy(at, data, length);
	return at + length;
}

char *weir_line_u64(char *at, uint64_t value);
char *weir_line_number(char *at, const struct weir_exposition_number *number);

/* Of a line with these labels and any suffix, bound and number. */
static inline size_t weir_line_room(struct weir_str name, struct weir_str labels)
{
	return name.length + labels.length + WEIR_LINE_BOUND + WEIR_JSON_WRITE_NUMBER + 32;
}

/* `name<suffix>{labels,last} `; `last` may be NULL. */
char *weir_line_begin(char *at, struct weir_str name, struct weir_str suffix, struct weir_str labels,
	const struct weir_line_bound *last);

/* `<key>="<value>"`. `is_canonical`: as OpenMetrics has it, 1.0 and 1e+06; else the shortest, 1 and 1000000. */
void weir_line_bound_set(struct weir_line_bound *bound, const char *key, double value, bool is_canonical);

/* `<begin><name> <text>\n`, the text's backslashes and line ends escaped, and its quotes when `has_quotes`. */
void weir_line_about(
	struct weir_buf *buf, const char *begin, struct weir_str name, struct weir_str text, bool has_quotes);

#endif
