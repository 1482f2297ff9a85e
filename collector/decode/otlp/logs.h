/* logs: ExportLogsServiceRequest (wire.md 4.1) → logs of a draft; and for the
 * access logs of an Envoy (wire.md 3.2) requests and connections beside them. */
#ifndef WEIR_DECODE_OTLP_LOGS_H
#define WEIR_DECODE_OTLP_LOGS_H

#include "decode/draft.h"

/* Reads draft->body. No log record is invalid: an id of a wrong length is left
 * out. 0, WEIR_DECODE_MALFORMED, WEIR_DECODE_TOO_LARGE. */
int weir_otlp_logs_decode(struct weir_draft *draft);

#endif
