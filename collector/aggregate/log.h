/* log: log records by service and severity. Private to the room. */
#ifndef WEIR_AGGREGATE_LOG_H
#define WEIR_AGGREGATE_LOG_H

#include "aggregate/text.h"
#include "ring/record.h"

#define WEIR_LOG_SEVERITIES 7u /* unset, TRACE, DEBUG, INFO, WARN, ERROR, FATAL */

struct weir_logs {
	struct weir_text services;
	uint64_t (*rows)[WEIR_LOG_SEVERITIES]; /* by the number of the service's name */
	uint8_t *is_dirty;
	uint32_t capacity;
};

void weir_logs_init(struct weir_logs *logs, uint64_t seed);
void weir_logs_fini(struct weir_logs *logs);
void weir_logs_clear(struct weir_logs *logs);

/* All logs of the batch. */
void weir_logs_fold(struct weir_logs *logs, const struct weir_batch *batch);

/* "UNSET", "TRACE", … */
const char *weir_logs_severity(unsigned row);

void weir_logs_save(struct weir_logs *logs, bool all, struct weir_buf *buf);
int weir_logs_load(struct weir_logs *logs, struct weir_blob_reader *reader);
void weir_logs_digest(const struct weir_logs *logs, XXH3_state_t *state);

#endif
