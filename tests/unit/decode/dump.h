/* dump: a batch of spans, points or logs as text, for golden files and readable failures. */
#ifndef WEIR_TESTS_DECODE_DUMP_H
#define WEIR_TESTS_DECODE_DUMP_H

#include "base/buf.h"
#include "ring/record.h"

void dump_spans(const struct weir_batch *batch, struct weir_buf *ret_text);
void dump_points(const struct weir_batch *batch, struct weir_buf *ret_text);
void dump_logs(
	const struct weir_batch *batch, struct weir_buf *ret_text); /* and the requests and connections told by them */

#endif
