/* summary: what is known of a segment without reading it: the hashes of its
 * traces for the index, the filter and the names, the times. */
#include "storage/writing.h"

#include <stddef.h>
#include <stdlib.h>

static uint64_t load64(const void *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* A radix sort by bytes: for about a thousand numbers a third of qsort's time. */
static void hashes_sort(uint32_t *hashes, uint32_t *other, uint32_t count)
{
	for (unsigned shift = 0; shift < 32; shift += 8) {
		uint32_t starts[257] = { 0 };

		for (uint32_t i = 0; i < count; i++) {
			starts[(hashes[i] >> shift & 0xff) + 1]++;
		}
		for (unsigned i = 1; i < 256; i++) {
			starts[i] += starts[i - 1];
		}
		for (uint32_t i = 0; i < count; i++) {
			other[starts[hashes[i] >> shift & 0xff]++] = hashes[i];
		}
		memcpy(hashes, other, count * sizeof(*hashes));
	}
}

static uint32_t hashes_make(struct weir_segment_writer *writer)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < writer->trace_count; i++) {
		writer->trace_hashes[i] = weir_segment_trace_hash(writer->trace_ids[i], writer->seed);
	}
	hashes_sort(writer->trace_hashes, writer->sorting, writer->trace_count);
	for (uint32_t i = 0; i < writer->trace_count; i++) {
		if (i == 0 || writer->trace_hashes[i] != writer->trace_hashes[count - 1]) {
			writer->trace_hashes[count++] = writer->trace_hashes[i];
		}
	}
	return count;
}

static struct weir_str lower_copy(struct weir_segment_writer *writer, uint32_t string)
{
	struct weir_str text = weir_dictionary_at(&writer->strings, string);
	char *at = weir_buf_reserve(&writer->pair_text, text.length + 1);

	if (at == NULL) {
		writer->is_full = true;
		return weir_str_make("", 0);
	}
	weir_str_copy_lower(at, text);
	weir_buf_advance(&writer->pair_text, text.length);
	return weir_str_make(at, text.length);
}

/* Was the pair not yet seen? Beyond half of the slots all are "seen": then the filter cannot say no. */
static bool pair_is_new(struct weir_segment_writer *writer, uint64_t pair, uint32_t *count)
{
	uint32_t at = (uint32_t)((pair * 0x9e3779b97f4a7c15u) >> 52) & (WEIR_WRITING_SLOTS - 1);

	while (writer->pair_slots[at] != 0) {
		if (writer->pair_slots[at] == pair) {
			return false;
		}
		at = (at + 1) & (WEIR_WRITING_SLOTS - 1);
	}
	if (*count >= WEIR_WRITING_SLOTS / 2) {
		return false;
	}
	writer->pair_slots[at] = pair;
	(*count)++;
	return true;
}

static void pair_note(struct weir_segment_writer *writer, struct weir_segment_info *info, uint32_t service,
	uint32_t name, bool is_remote, uint32_t *seen)
{
	enum weir_segment_name what = is_remote ? WEIR_SEGMENT_REMOTE_NAME : WEIR_SEGMENT_SPAN_NAME;
	struct weir_str none = { "", 0 };
	struct weir_segment_pair pair;

	if (!pair_is_new(writer, ((uint64_t)is_remote << 63 | (uint64_t)service << 32 | name) + 1, seen)) {
		return;
	}
	pair.service = weir_dictionary_at(&writer->strings, service);
	pair.name = weir_dictionary_at(&writer->strings, name);
	weir_segment_filter_add(info->filter, what, pair.service, pair.name);
	weir_segment_filter_add(info->filter, what, none, pair.name);
	weir_segment_filter_add(info->filter, what, pair.service, none);
	if (info->pair_count == WEIR_WRITING_PAIRS || service == 0) {
		return;
	}
	/* The buffer may move while it grows: lengths now, places when it is complete. */
	pair.service.length = lower_copy(writer, service).length;
	pair.name.length = lower_copy(writer, name).length;
	pair.is_remote = is_remote;
	writer->pairs[info->pair_count++] = pair;
}

static void pairs_make(struct weir_segment_writer *writer, struct weir_segment_info *info)
{
	const struct weir_writing_rows *spans = &writer->tables[WEIR_ROWS_SPANS],
				       *resources = &writer->tables[WEIR_ROWS_RESOURCES];
	uint32_t seen = 0;
	const char *text;
	bool is_new;

	memset(writer->pair_slots, 0, sizeof(writer->pair_slots));
	if (resources->count > writer->service_capacity) {
		free(writer->service_ids);
		writer->service_ids = malloc(resources->count * sizeof(*writer->service_ids));
		writer->service_capacity = writer->service_ids != NULL ? resources->count : 0;
		if (writer->service_ids == NULL) {
			writer->is_full = true;
			return;
		}
	}
	for (uint32_t i = 0; i < resources->count; i++) {
		const struct weir_resource *resource = resources->rows[i];

		writer->service_ids[i] = weir_dictionary_add(
			&writer->strings, weir_batch_str(resources->batches[i], resource->service), &is_new);
	}
	for (uint32_t i = 0; i < spans->count; i++) {
		uint32_t service = writer->service_ids[writer->resource_of[i]];

		pair_note(writer, info, service, writer->name_of[i], false, &seen);
		if (writer->peer_of[i] != 0) {
			pair_note(writer, info, service, writer->peer_of[i], true, &seen);
		}
	}
	if (seen >= WEIR_WRITING_SLOTS / 2) {
		memset(info->filter, 0xff, sizeof(info->filter));
	}
	text = writer->pair_text.data;
	for (uint32_t i = 0; i < info->pair_count; i++) {
		writer->pairs[i].service.data = text;
		writer->pairs[i].name.data = text + writer->pairs[i].service.length;
		text += writer->pairs[i].service.length + writer->pairs[i].name.length;
	}
	info->pairs = writer->pairs;
}

/* Of logs the filter knows who wrote them. */
static void services_make(const struct weir_segment_writer *writer, struct weir_segment_info *info)
{
	const struct weir_writing_rows *resources = &writer->tables[WEIR_ROWS_RESOURCES];
	struct weir_str none = { "", 0 };

	for (uint32_t i = 0; i < resources->count; i++) {
		const struct weir_resource *resource = resources->rows[i];

		weir_segment_filter_add(info->filter, WEIR_SEGMENT_SPAN_NAME,
			weir_batch_str(resources->batches[i], resource->service), none);
	}
}

static void times_make(const struct weir_segment_writer *writer, struct weir_segment_info *info)
{
	const struct weir_writing_rows *table = &writer->tables[writer->kind];
	uint32_t offset = writer->kind == WEIR_ROWS_SPANS      ? (uint32_t)offsetof(struct weir_span, start_ns)
			  : writer->kind == WEIR_ROWS_REQUESTS ? (uint32_t)offsetof(struct weir_request, start_ns)
			  : writer->kind == WEIR_ROWS_LOGS     ? (uint32_t)offsetof(struct weir_log, time_ns)
							       : (uint32_t)offsetof(struct weir_connection, start_ns);

	info->min_time = UINT64_MAX;
	for (uint32_t i = 0; i < table->count; i++) {
		const struct weir_span *span = table->rows[i];
		uint64_t time = load64((const char *)table->rows[i] + offset);

		if (writer->kind == WEIR_ROWS_SPANS && (span->flags & WEIR_SPAN_NO_START) != 0) {
			time = table->batches[i]->received_ns;
		} else if (writer->kind == WEIR_ROWS_LOGS) {
			time = weir_columns_log_time(table->batches[i], table->rows[i]);
		}
		info->min_time = time < info->min_time ? time : info->min_time;
		info->max_time = time > info->max_time ? time : info->max_time;
	}
}

void weir_summary_make(struct weir_segment_writer *writer, struct weir_segment_info *info)
{
	if (writer->kind == WEIR_ROWS_SPANS) {
		pairs_make(writer, info);
	} else if (writer->kind == WEIR_ROWS_LOGS) {
		services_make(writer, info);
	}
	times_make(writer, info);
	info->min_arrival = writer->min_arrival;
	info->max_arrival = writer->max_arrival;
	info->trace_count = hashes_make(writer);
	info->traces = writer->trace_hashes;
}
