/* ledger: what became of everything that was received.
 *
 * A row for each (source, protocol, signal); rows of one source are chained.
 * Sources are named from outside, so at most WEIR_LEDGER_SOURCES have rows of
 * their own; the rest share those of the source `_overflow`. Protocol and
 * signal are few, so the rows are bounded too.
 *
 * Invariants
 *  1. received = kept + thinned + dropped + duplicates, in every row, always.
 *  2. The rows of all sources sum up to all batches ever folded: none is lost
 *     when the table is full.
 *
 * Save: how many reasons there are, so that more of them do not make older
 * images unreadable; the new sources, then each changed row: number, source,
 * protocol and signal, the counts as words. */
#include "aggregate/ledger.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/bounds.h"
#include "base/err.h"

#define SOURCES_MAX WEIR_BOUNDS_SOURCES
#define SOURCE_BYTES_MAX (SOURCES_MAX * 128u) /* principals are among them, salted */
#define ROWS_MAX ((SOURCES_MAX + 1u) * WEIR_PROTOCOLS * WEIR_SIGNALS)
#define ROW_WORDS                                                                                                      \
	((uint32_t)((offsetof(struct weir_ledger_row, thinned) - offsetof(struct weir_ledger_row, received)) / 8))
#define REASONS_MAX 64u /* of an image that a later version wrote: bounded, not believed */
#define FIRST_THINS 2u  /* of version 1 */
#define FIRST_DROPS 2u

void weir_ledger_init(struct weir_ledger *ledger, uint64_t seed)
{
	*ledger = (struct weir_ledger){ 0 };
	weir_text_init(&ledger->sources, SOURCES_MAX, SOURCE_BYTES_MAX, seed);
}

void weir_ledger_fini(struct weir_ledger *ledger)
{
	weir_text_fini(&ledger->sources);
	free(ledger->rows);
	free(ledger->firsts);
	free(ledger->dirty);
	ledger->rows = NULL;
	ledger->firsts = NULL;
	ledger->dirty = NULL;
}

void weir_ledger_clear(struct weir_ledger *ledger)
{
	uint64_t seed = ledger->sources.seed;

	weir_ledger_fini(ledger);
	weir_ledger_init(ledger, seed);
}

static int room(struct weir_ledger *ledger, uint32_t source)
{
	if (source >= ledger->first_capacity) {
		uint32_t capacity = ledger->sources.capacity > source ? ledger->sources.capacity : source + 1;
		uint32_t *firsts = realloc(ledger->firsts, capacity * sizeof(*firsts));

		if (firsts == NULL) {
			return -ENOMEM;
		}
		memset(firsts + ledger->first_capacity, 0, (capacity - ledger->first_capacity) * sizeof(*firsts));
		ledger->firsts = firsts;
		ledger->first_capacity = capacity;
	}
	if (ledger->count == ledger->capacity) {
		uint32_t capacity = ledger->capacity == 0 ? 32 : ledger->capacity * 2;
		struct weir_ledger_row *rows = realloc(ledger->rows, capacity * sizeof(*rows));
		uint32_t *dirty;

		if (rows == NULL) {
			return -ENOMEM;
		}
		ledger->rows = rows;
		dirty = realloc(ledger->dirty, capacity * sizeof(*dirty));
		if (dirty == NULL) {
			return -ENOMEM;
		}
		ledger->dirty = dirty;
		ledger->capacity = capacity;
	}
	return 0;
}

static uint32_t row_find(const struct weir_ledger *ledger, uint32_t source, unsigned protocol, unsigned signal)
{
	uint32_t row = source < ledger->first_capacity ? ledger->firsts[source] : 0;

	while (row != 0 && (ledger->rows[row - 1].protocol != protocol || ledger->rows[row - 1].signal != signal)) {
		row = ledger->rows[row - 1].next;
	}
	return row == 0 ? WEIR_NONE : row - 1;
}

static uint32_t row_make(struct weir_ledger *ledger, uint32_t source, unsigned protocol, unsigned signal)
{
	uint32_t row = ledger->count;

	if (room(ledger, source) != 0) {
		return WEIR_NONE;
	}
	ledger->rows[row] = (struct weir_ledger_row){ .source = source,
		.next = ledger->firsts[source],
		.protocol = (uint8_t)protocol,
		.signal = (uint8_t)signal };
	ledger->firsts[source] = row + 1;
	ledger->count++;
	return row;
}

/* A row, made when it is missing. Memory for the ledger is small and comes
 * first; without it nothing could be accounted for, so its lack ends us. */
static struct weir_ledger_row *row_of(struct weir_ledger *ledger, const struct weir_batch *batch)
{
	struct weir_str name = weir_batch_str(batch, batch->source);
	uint32_t source = weir_text_add(&ledger->sources, name, 0, false);
	uint32_t row;

	row = source == WEIR_TEXT_FULL ? WEIR_NONE : row_find(ledger, source, batch->protocol, batch->signal);
	if (row != WEIR_NONE) {
		return &ledger->rows[row];
	}
	if (source == WEIR_TEXT_FULL || ledger->count >= WEIR_BOUNDS_LEDGER_ROWS) {
		source = weir_text_add(&ledger->sources, weir_str_of("_overflow"), 0, true);
		weir_assert(source != WEIR_TEXT_FULL);
		row = row_find(ledger, source, batch->protocol, batch->signal);
	}
	if (row == WEIR_NONE) {
		row = row_make(ledger, source, batch->protocol, batch->signal);
		weir_assert(row != WEIR_NONE);
	}
	return &ledger->rows[row];
}

/* When the newest of the last rows says that it happened; 0: nothing does. */
static uint64_t newest_of(const struct weir_batch *batch)
{
	if (batch->requests.count > 0) {
		const struct weir_request *request = &weir_batch_requests(batch)[batch->requests.count - 1];

		return request->start_ns == 0 ? 0 : request->start_ns + request->duration_ns;
	}
	if (batch->spans.count > 0) {
		const struct weir_span *span = &weir_batch_spans(batch)[batch->spans.count - 1];

		return span->start_ns == 0 ? 0 : span->start_ns + span->duration_ns;
	}
	if (batch->points.count > 0) {
		return weir_batch_points(batch)[batch->points.count - 1].time_ns;
	}
	return batch->logs.count > 0 ? weir_batch_logs(batch)[batch->logs.count - 1].time_ns : 0;
}

static void skew_note(struct weir_ledger_row *row, const struct weir_batch *batch)
{
	uint64_t newest_ns = newest_of(batch);

	if (newest_ns != 0) {
		row->skew_ns = batch->received_ns - newest_ns;
	}
}

void weir_ledger_book(struct weir_ledger *ledger, const struct weir_batch *batch, bool is_duplicate)
{
	struct weir_ledger_row *row = row_of(ledger, batch);

	if (!row->is_dirty) {
		row->is_dirty = true;
		ledger->dirty[ledger->dirty_count++] = (uint32_t)(row - ledger->rows);
	}
	row->received += batch->offered;
	row->last_ns = batch->received_ns > row->last_ns ? batch->received_ns : row->last_ns;
	if (is_duplicate) {
		row->duplicates += batch->offered;
		return;
	}
	row->kept += batch->kept;
	row->mismatched += batch->mismatched;
	if (batch->principal.length > 0) {
		uint32_t principal = weir_text_add(&ledger->sources, weir_batch_str(batch, batch->principal), 1, false);

		row->principal = principal == WEIR_TEXT_FULL ? WEIR_TEXT_EMPTY : principal;
	}
	skew_note(row, batch);
	for (unsigned i = 0; i < WEIR_THINS; i++) {
		row->thinned[i] += batch->thinned[i];
	}
	for (unsigned i = 0; i < WEIR_DROPS; i++) {
		row->dropped[i] += batch->dropped[i];
	}
}

bool weir_ledger_closes(const struct weir_ledger *ledger)
{
	for (uint32_t i = 0; i < ledger->count; i++) {
		const struct weir_ledger_row *row = &ledger->rows[i];
		uint64_t sum = row->kept + row->duplicates;

		for (unsigned k = 0; k < WEIR_THINS; k++) {
			sum += row->thinned[k];
		}
		for (unsigned k = 0; k < WEIR_DROPS; k++) {
			sum += row->dropped[k];
		}
		if (sum != row->received) {
			return false;
		}
	}
	return true;
}

void weir_ledger_save(struct weir_ledger *ledger, bool all, struct weir_buf *buf)
{
	uint32_t count = all ? ledger->count : ledger->dirty_count;

	weir_blob_add_varint(buf, WEIR_THINS);
	weir_blob_add_varint(buf, WEIR_DROPS);
	weir_text_save(&ledger->sources, all, buf);
	weir_blob_add_varint(buf, count);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t number = all ? i : ledger->dirty[i];
		const struct weir_ledger_row *row = &ledger->rows[number];

		weir_blob_add_varint(buf, number);
		weir_blob_add_varint(buf, row->source);
		weir_blob_add_varint(buf, row->protocol);
		weir_blob_add_varint(buf, row->signal);
		weir_blob_add_words(buf, &row->received, ROW_WORDS);
		weir_blob_add_words(buf, row->thinned, WEIR_THINS);
		weir_blob_add_words(buf, row->dropped, WEIR_DROPS);
	}
	for (uint32_t i = 0; i < ledger->dirty_count; i++) {
		ledger->rows[ledger->dirty[i]].is_dirty = false;
	}
	ledger->dirty_count = 0;
}

/* Counts by reason; those that this version does not know are added to the last one. */
static void reasons_load(struct weir_blob_reader *reader, uint32_t saved, uint64_t *counts, uint32_t known)
{
	uint64_t words[REASONS_MAX] = { 0 };

	weir_blob_words(reader, words, saved);
	memset(counts, 0, known * sizeof(*counts));
	for (uint32_t i = 0; i < saved; i++) {
		counts[i < known ? i : known - 1] += words[i];
	}
}

/* Version 1: received, kept, duplicates, thinned, dropped, last_ns. */
static void first_load(struct weir_blob_reader *reader, struct weir_ledger_row *row)
{
	uint64_t words[3 + FIRST_THINS + FIRST_DROPS + 1];

	weir_blob_words(reader, words, 3 + FIRST_THINS + FIRST_DROPS + 1);
	row->received = words[0];
	row->kept = words[1];
	row->duplicates = words[2];
	memcpy(row->thinned, words + 3, FIRST_THINS * sizeof(*words));
	memcpy(row->dropped, words + 3 + FIRST_THINS, FIRST_DROPS * sizeof(*words));
	row->last_ns = words[3 + FIRST_THINS + FIRST_DROPS];
}

static int row_load(struct weir_ledger *ledger, struct weir_blob_reader *reader, const uint32_t reasons[2])
{
	uint32_t number = weir_blob_number(reader, ledger->count);
	uint32_t source = weir_blob_number(reader, ledger->sources.count == 0 ? 0 : ledger->sources.count - 1);
	uint32_t protocol = weir_blob_number(reader, UINT8_MAX), signal = weir_blob_number(reader, UINT8_MAX);
	struct weir_ledger_row *row;

	if (reader->is_bad) {
		return -EBADMSG;
	}
	if (number == ledger->count && row_make(ledger, source, protocol, signal) != number) {
		return -ENOMEM;
	}
	row = &ledger->rows[number];
	if (row->source != source || row->protocol != protocol || row->signal != signal) {
		return -EBADMSG;
	}
	if (reasons == NULL) {
		first_load(reader, row);
		return 0;
	}
	weir_blob_words(reader, &row->received, ROW_WORDS);
	reasons_load(reader, reasons[0], row->thinned, WEIR_THINS);
	reasons_load(reader, reasons[1], row->dropped, WEIR_DROPS);
	return row->principal != 0 && row->principal >= ledger->sources.count ? -EBADMSG : 0;
}

int weir_ledger_load(struct weir_ledger *ledger, struct weir_blob_reader *reader, bool is_first)
{
	uint32_t reasons[2] = { 0 }, count;
	int error;

	if (!is_first) {
		reasons[0] = weir_blob_number(reader, REASONS_MAX);
		reasons[1] = weir_blob_number(reader, REASONS_MAX);
	}
	error = weir_text_load(&ledger->sources, reader);
	count = error != 0 ? 0 : weir_blob_number(reader, ROWS_MAX);
	for (uint32_t i = 0; i < count && !reader->is_bad && error == 0; i++) {
		error = row_load(ledger, reader, is_first ? NULL : reasons);
	}
	return error != 0 ? error : reader->is_bad ? -EBADMSG : 0;
}

void weir_ledger_digest(const struct weir_ledger *ledger, XXH3_state_t *state)
{
	weir_text_digest(&ledger->sources, state);
	for (uint32_t i = 0; i < ledger->count; i++) {
		const struct weir_ledger_row *row = &ledger->rows[i];
		uint32_t head[3] = { row->source, row->protocol, row->signal };

		XXH3_128bits_update(state, head, sizeof(head));
		XXH3_128bits_update(state, &row->received, ROW_WORDS * sizeof(uint64_t));
		XXH3_128bits_update(state, row->thinned, sizeof(row->thinned));
		XXH3_128bits_update(state, row->dropped, sizeof(row->dropped));
	}
}
