/* maker: traces for the tests of this room, from tables of words. */
#ifndef WEIR_TESTS_EXPORTERS_MAKER_H
#define WEIR_TESTS_EXPORTERS_MAKER_H

#include "storage/query.h"

struct maker_tag {
	const char *key, *text; /* text NULL: the number, of this type */
	enum weir_attr_type type;
	int64_t number;
	double real;
};

struct maker_span {
	uint64_t trace_high, trace_low; /* 0, 0: 0x1234 */
	unsigned id, parent;
	enum weir_span_kind kind;
	const char *service, *peer, *name;
	unsigned flags;                 /* enum weir_span_flag */
	uint64_t start_us, duration_ns; /* start 0: not known */
	unsigned ip, port;              /* of the local endpoint: 10.0.0.<ip>; 0: none */
	unsigned status;
	const char *message, *event, *scope;
	struct maker_tag tags[6], event_tags[2], resource_tags[2]; /* up to a NULL key */
};

#define MAKER_SPANS 32u

/* One batch with these spans, up to the first whose id is 0. Freed by maker_free. */
struct weir_query_trace maker_trace(enum weir_protocol protocol, const struct maker_span spans[MAKER_SPANS]);
void maker_free(struct weir_query_trace *trace);

#endif
