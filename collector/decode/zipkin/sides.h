/* sides: a v1 span as it was read, and the v2 spans that it becomes. Inside
 * decode only. */
#ifndef WEIR_DECODE_ZIPKIN_SIDES_H
#define WEIR_DECODE_ZIPKIN_SIDES_H

#include "decode/zipkin/read.h"
#include "decode/zipkin/v1.h"

struct weir_zipkin_host { /* an endpoint of v1; unset: nothing of it was told */
	struct weir_ref service;
	struct weir_address address;
	bool is_set;
};

struct weir_zipkin_moment { /* an annotation of v1 */
	uint64_t time_ns;
	struct weir_ref value;
	struct weir_zipkin_host host;
	struct weir_str text; /* the value while the moments are sorted */
	uint32_t side;        /* to which it stays as an annotation, or WEIR_NONE */
};

struct weir_zipkin_mark { /* a binary annotation of v1 */
	struct weir_ref key, value;
	struct weir_zipkin_host host;
	struct weir_str text; /* the key while the marks are sorted */
	uint32_t side;        /* to which it belongs as a tag, or WEIR_NONE */
	uint32_t position;    /* as they came */
};

struct weir_zipkin_v1_span {
	uint8_t trace_id[16], span_id[8], parent_id[8];
	struct weir_ref name;
	uint64_t start_ns, duration_ns;
	bool is_debug;
	struct weir_rows moments, marks;
};

/* Makes the spans of `span`; its moments and marks are sorted and given to
 * their sides on the way. False: draft->error is set at `at`, or the arena is
 * full. */
bool weir_zipkin_sides_write(struct weir_zipkin_reader *reader, struct weir_zipkin_v1_span *span, const char *at);

#endif
