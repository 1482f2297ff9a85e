/* standard_table: which families the standard set has (wire.md 1.5, 2.4), and what
 * a record's labels are: an oracle of the rules that make them. */
#ifndef TESTS_SUPPORT_STANDARD_TABLE_H
#define TESTS_SUPPORT_STANDARD_TABLE_H

#include "base/buf.h"
#include "ring/record.h"

#define STANDARD_TABLE_METRICS 10u
#define STANDARD_TABLE_BOUNDS 19u
extern const double standard_table_bounds[STANDARD_TABLE_BOUNDS];

struct standard_table_family {
	const char *name, *help;
	bool is_histogram;
};

extern const struct standard_table_family standard_table_families[STANDARD_TABLE_METRICS];

/* The label text of a call's series, `reporter="source",…`, escaped, in the
 * order of wire.md 1.5. Request series have response_code, grpc_response_status
 * and response_flags (request != NULL); TCP series have response_flags only;
 * gRPC message series have none of the three. All have request_protocol (`tcp`
 * for TCP). Values are cut to 1 KiB. */
void standard_table_labels(const struct weir_batch *batch, const struct weir_call *call,
	const struct weir_request *request, bool is_message_series, struct weir_buf *ret_text);

#endif
