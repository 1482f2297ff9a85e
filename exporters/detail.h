/* detail: what the routes of logs and of requests share: a range of time out of
 * arguments, attributes and times as JSON. */
#ifndef WEIR_EXPORTERS_DETAIL_H
#define WEIR_EXPORTERS_DETAIL_H

#include "exporters/answer.h"

struct weir_detail_range {
	uint64_t end_ns, lookback_ns;
	uint32_t limit;
};

/* endTs (that whole millisecond is inside) and lookback (milliseconds; now, and a day), limit (100, at most 10000),
 * with the checks that the traces' search makes. False: the response says why (400). */
bool weir_detail_range(
	const struct weir_http_request *request, struct weir_http_response *response, struct weir_detail_range *ret);

/* A value as JSON has it: text, number, true or false, arrays and maps as they
 * are, bytes in base64, null of none. False: the arena is full. */
bool weir_detail_value(struct weir_json_write *json, struct weir_arena *arena, const struct weir_batch *batch,
	const struct weir_attr *attr);
/* `key`: {…} of a list; of a key that stands twice the last one counts. */
bool weir_detail_attrs(struct weir_json_write *json, const char *key, struct weir_arena *arena,
	const struct weir_batch *batch, uint32_t first, uint32_t count);

/* A member that is left out when it is not set. Nanoseconds are text: a number
 * of them is beyond what JavaScript keeps exactly. */
void weir_detail_text(struct weir_json_write *json, const char *key, struct weir_str text);
void weir_detail_ns(struct weir_json_write *json, const char *key, uint64_t ns);

/* The end of an answer: cut short (the arena was full) means refused. */
void weir_detail_end(struct weir_http_response *response, bool is_written);

#endif
