/* log: how many log records of which service and severity.
 *
 * OTLP's 24 severities are six names with four steps each; the names are kept.
 *
 * Invariant: at most SERVICES_MAX services have counts of their own; the rest
 * share those of `_overflow`. */
#include "aggregate/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/bounds.h"
#include "base/err.h"

#define SERVICES_MAX WEIR_BOUNDS_SERVICES
#define SERVICE_BYTES_MAX (SERVICES_MAX * 96u)

static const char *const severities[WEIR_LOG_SEVERITIES] = { "UNSET", "TRACE", "DEBUG", "INFO", "WARN", "ERROR",
	"FATAL" };

const char *weir_logs_severity(unsigned row)
{
	return row < WEIR_LOG_SEVERITIES ? severities[row] : NULL;
}

void weir_logs_init(struct weir_logs *logs, uint64_t seed)
{
	*logs = (struct weir_logs){ 0 };
	weir_text_init(&logs->services, SERVICES_MAX, SERVICE_BYTES_MAX, seed);
}

void weir_logs_fini(struct weir_logs *logs)
{
	weir_text_fini(&logs->services);
	free(logs->rows);
	free(logs->is_dirty);
	logs->rows = NULL;
	logs->is_dirty = NULL;
	logs->capacity = 0;
}

void weir_logs_clear(struct weir_logs *logs)
{
	uint64_t seed = logs->services.seed;

	weir_logs_fini(logs);
	weir_logs_init(logs, seed);
}

static void row_room(struct weir_logs *logs, uint32_t row)
{
	if (row >= logs->capacity) {
		uint32_t capacity = logs->services.capacity > row ? logs->services.capacity : row + 1;
		void *rows = realloc(logs->rows, capacity * sizeof(*logs->rows));
		uint8_t *is_dirty = realloc(logs->is_dirty, capacity);

		weir_assert(rows != NULL && is_dirty != NULL); /* bounded by SERVICES_MAX */
		logs->rows = rows;
		logs->is_dirty = is_dirty;
		memset(logs->rows + logs->capacity, 0, (capacity - logs->capacity) * sizeof(*logs->rows));
		memset(logs->is_dirty + logs->capacity, 0, capacity - logs->capacity);
		logs->capacity = capacity;
	}
}

static uint32_t row_of(struct weir_logs *logs, struct weir_str service)
{
	uint32_t row = weir_text_add(&logs->services, service, 0, false);

	if (row == WEIR_TEXT_FULL) {
		row = weir_text_add(&logs->services, weir_str_of("_overflow"), 0, true);
		weir_assert(row != WEIR_TEXT_FULL);
	}
	row_room(logs, row);
	return row;
}

void weir_logs_fold(struct weir_logs *logs, const struct weir_batch *batch)
{
	const struct weir_log *log = weir_batch_logs(batch);
	uint32_t known = WEIR_NONE, row = 0;

	for (uint32_t i = 0; i < batch->logs.count; i++, log++) {
		uint32_t severity = log->severity == 0 || log->severity > 24 ? 0 : (log->severity - 1) / 4 + 1;

		if (log->resource != known) {
			const struct weir_resource *resource = &weir_batch_resources(batch)[log->resource];

			row = row_of(logs, weir_batch_str(batch, resource->service));
			known = log->resource;
		}
		logs->rows[row][severity]++;
		logs->is_dirty[row] = 1;
	}
}

static uint32_t row_count(const struct weir_logs *logs)
{
	uint32_t count = logs->services.count > 0 ? logs->services.count : 1;

	return count < logs->capacity ? count : logs->capacity;
}

void weir_logs_save(struct weir_logs *logs, bool all, struct weir_buf *buf)
{
	uint32_t count = 0;

	weir_text_save(&logs->services, all, buf);
	for (uint32_t i = 0; i < row_count(logs); i++) {
		count += all || logs->is_dirty[i];
	}
	weir_blob_add_varint(buf, count);
	for (uint32_t i = 0; i < row_count(logs); i++) {
		if (all || logs->is_dirty[i]) {
			weir_blob_add_varint(buf, i);
			weir_blob_add_words(buf, logs->rows[i], WEIR_LOG_SEVERITIES);
			logs->is_dirty[i] = 0;
		}
	}
}

int weir_logs_load(struct weir_logs *logs, struct weir_blob_reader *reader)
{
	int error = weir_text_load(&logs->services, reader);
	uint32_t count;

	if (error != 0) {
		return error;
	}
	row_room(logs, logs->services.count > 0 ? logs->services.count - 1 : 0);
	count = weir_blob_number(reader, UINT32_MAX - 1);
	for (uint32_t i = 0; i < count && !reader->is_bad; i++) {
		uint32_t row = weir_blob_number(reader, logs->services.count > 0 ? logs->services.count - 1 : 0);

		if (!reader->is_bad) {
			weir_blob_words(reader, logs->rows[row], WEIR_LOG_SEVERITIES);
		}
	}
	return reader->is_bad ? -EBADMSG : 0;
}

void weir_logs_digest(const struct weir_logs *logs, XXH3_state_t *state)
{
	static const uint64_t nothing[WEIR_LOG_SEVERITIES];

	weir_text_digest(&logs->services, state);
	for (uint32_t i = 0; i < logs->services.count || i == 0; i++) {
		XXH3_128bits_update(state, i < logs->capacity ? logs->rows[i] : nothing, sizeof(nothing));
	}
}
