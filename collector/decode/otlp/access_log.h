/* access_log: a log record of an Envoy's access logger (wire.md 3.2) → the
 * request or the connection that it tells of. Inside decode only. */
#ifndef WEIR_DECODE_OTLP_ACCESS_LOG_H
#define WEIR_DECODE_OTLP_ACCESS_LOG_H

#include "decode/otlp/group.h"

/* `log` is the newest row, of the group at hand. When the group is an access
 * logger's and the record's attributes tell of a finished request, that becomes
 * a row to which log->request refers; of a TCP connection, a row of
 * connections. A full arena shows as draft->is_exhausted. */
void weir_otlp_access_log_take(struct weir_otlp_groups *groups, struct weir_log *log);

#endif
