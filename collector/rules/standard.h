/* standard: Istio's standard metrics of 1.5 and later (wire.md 1.5, 2.4):
 * which families there are, and what a record's labels are. The rule documents
 * of the metrics issue will replace what is behind this header, not its use. */
#ifndef WEIR_RULES_STANDARD_H
#define WEIR_RULES_STANDARD_H

#include "base/buf.h"
#include "ring/record.h"

enum weir_standard_metric {
	WEIR_REQUESTS_TOTAL,
	WEIR_REQUEST_DURATION,
	WEIR_REQUEST_BYTES,
	WEIR_RESPONSE_BYTES,
	WEIR_REQUEST_MESSAGES,
	WEIR_RESPONSE_MESSAGES,
	WEIR_TCP_OPENED,
	WEIR_TCP_CLOSED,
	WEIR_TCP_SENT,
	WEIR_TCP_RECEIVED,
	WEIR_STANDARD_METRICS
};

#define WEIR_STANDARD_BOUNDS 19u
extern const double weir_standard_bounds[WEIR_STANDARD_BOUNDS];

struct weir_standard_family {
	const char *name, *help;
	bool is_histogram;
};

extern const struct weir_standard_family weir_standard_families[WEIR_STANDARD_METRICS];

/* The label text of a call's series, `reporter="source",…`, escaped, in the
 * order of wire.md 1.5. Request series have response_code, grpc_response_status
 * and response_flags (request != NULL); TCP series have response_flags only;
 * gRPC message series have none of the three. All have request_protocol (`tcp`
 * for TCP). Values are cut to 1 KiB. Call it once per new label set. */
void weir_standard_labels(const struct weir_batch *batch, const struct weir_call *call,
	const struct weir_request *request, bool is_message_series, struct weir_buf *ret_text);

/* "UF,URX", or "-" for none; the order of Envoy's table. */
void weir_standard_flags(uint32_t response_flags, struct weir_buf *ret_text);

#endif
