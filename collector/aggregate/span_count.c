/* span_count: spans and calls become the metrics of rules/traces.h.
 *
 * A span's labels are its service, its name and two small numbers: their hash
 * leads to the set without a text, as the memo does for requests. A direct-mapped
 * cache suffices: what is pushed out is found again by its text.
 *
 * Invariants
 *  1. `known` says what the table would say; removed sets make it forget, and
 *     whatever is made or grows makes it forget what leads beyond the budget.
 *  2. The trace of a span is its metric's example: it was in the same batch, so it can be fetched.
 *
 * Runs on the aggregate thread only. */
#include "aggregate/span_count.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void weir_span_counts_init(
	struct weir_span_counts *counts, struct weir_series *series, struct weir_text *names, uint64_t seed)
{
	*counts = (struct weir_span_counts){ .series = series, .names = names, .seed = seed };
	weir_buf_init(&counts->text, 0);
}

void weir_span_counts_fini(struct weir_span_counts *counts)
{
	free(counts->known);
	weir_buf_fini(&counts->text);
	counts->known = NULL;
}

void weir_span_counts_forget(struct weir_span_counts *counts)
{
	if (counts->known != NULL) {
		memset(counts->known, 0, WEIR_SPAN_COUNT_KNOWN * sizeof(*counts->known));
	}
}

static bool is_still_so(const struct weir_series *series, const struct weir_span_known *known)
{
	/* What is beyond the budget is the last of the hits. */
	return known->count == 0 || known->changes == series->changes ||
	       !series->sets[known->hits[known->count - 1].set].is_overflow;
}

/* Where this key leads; count 0: not known. */
static struct weir_span_known *known_of(struct weir_span_counts *counts, XXH128_hash_t key)
{
	struct weir_span_known *known;

	if (counts->known == NULL) {
		counts->known = calloc(WEIR_SPAN_COUNT_KNOWN, sizeof(*counts->known));
		weir_assert(counts->known != NULL); /* once, 384 KiB */
	}
	known = &counts->known[key.low64 % WEIR_SPAN_COUNT_KNOWN];
	if (known->low != key.low64 || known->high != key.high64 || !is_still_so(counts->series, known)) {
		*known = (struct weir_span_known){ .low = key.low64, .high = key.high64 };
	}
	return known;
}

static void known_find(struct weir_span_counts *counts, struct weir_span_known *known, uint32_t group,
	struct weir_series_hit wish, uint32_t cut, uint64_t created_ns)
{
	uint32_t before = counts->series->labels.live;

	known->count =
		weir_series_find(counts->series, group, weir_buf_str(&counts->text), wish, created_ns, known->hits);
	known->changes = counts->series->changes;
	counts->series->cut_values += counts->series->labels.live > before ? cut : 0;
	weir_buf_clear(&counts->text);
}

void weir_span_count(struct weir_span_counts *counts, const struct weir_batch *batch, const struct weir_span *span,
	uint32_t service, const struct weir_span_moment *moment)
{
	struct weir_str name = weir_batch_str(batch, span->name);
	uint8_t status = (span->flags & WEIR_SPAN_ERROR) != 0 ? 2 : span->status;
	bool has_duration = (span->flags & WEIR_SPAN_NO_DURATION) == 0;
	uint64_t head = (uint64_t)service << 32 | (uint64_t)has_duration << 16 | (uint64_t)span->kind << 8 | status;
	struct weir_span_known *known = known_of(
		counts, XXH3_128bits_withSeed(name.data, name.length, counts->seed ^ head * 0x9e3779b97f4a7c15u));
	const struct weir_observation observed[WEIR_TRACES_SPAN_METRICS] = {
		[WEIR_TRACES_SPAN_CALLS] = { .number = 1 },
		[WEIR_TRACES_SPAN_LATENCY] = { .number = span->duration_ns },
	};
	struct weir_series_example example = { .time_ns = moment->received_ns };

	if (known->count == 0) {
		const struct weir_traces_span labels = { weir_text_str(counts->names, service), name, span->kind,
			status };
		const struct weir_series_hit wish = { 0,
			1u << WEIR_TRACES_SPAN_CALLS | (has_duration ? 1u << WEIR_TRACES_SPAN_LATENCY : 0) };
		uint32_t cut = weir_traces_span_labels(&labels, &counts->text);

		known_find(counts, known, WEIR_TRACES_SPANS, wish, cut, moment->created_ns);
	}
	memcpy(example.trace_id, span->trace_id, sizeof(example.trace_id));
	memcpy(example.span_id, span->span_id, sizeof(example.span_id));
	for (uint32_t i = 0; i < known->count; i++) {
		weir_series_count(counts->series, known->hits[i], observed, moment->now);
		weir_series_exemplar(counts->series, known->hits[i], observed, &example);
	}
}

static uint32_t mask_of(const struct weir_span_call *call)
{
	if (call->is_unpaired) {
		return 1u << WEIR_TRACES_CALL_UNPAIRED;
	}
	return 1u << WEIR_TRACES_CALL_TOTAL | (call->is_error ? 1u << WEIR_TRACES_CALL_FAILED : 0) |
	       (call->has_server ? 1u << WEIR_TRACES_CALL_SERVER : 0) |
	       (call->has_client ? 1u << WEIR_TRACES_CALL_CLIENT : 0);
}

void weir_span_call(
	struct weir_span_counts *counts, const struct weir_span_call *call, const struct weir_span_moment *moment)
{
	uint32_t mask = mask_of(call);
	const uint32_t head[4] = { call->client, call->server, call->connection, mask };
	struct weir_span_known *known = known_of(counts, XXH3_128bits_withSeed(head, sizeof(head), ~counts->seed));
	const struct weir_observation observed[WEIR_TRACES_CALL_METRICS] = {
		[WEIR_TRACES_CALL_TOTAL] = { .number = 1 },
		[WEIR_TRACES_CALL_FAILED] = { .number = 1 },
		[WEIR_TRACES_CALL_SERVER] = { .number = call->server_us * 1000 },
		[WEIR_TRACES_CALL_CLIENT] = { .number = call->client_us * 1000 },
		[WEIR_TRACES_CALL_UNPAIRED] = { .number = 1 },
	};

	if (known->count == 0) {
		uint32_t cut = weir_traces_call_labels(weir_text_str(counts->names, call->client),
			weir_text_str(counts->names, call->server), call->connection, &counts->text);

		known_find(
			counts, known, WEIR_TRACES_CALLS, (struct weir_series_hit){ 0, mask }, cut, moment->created_ns);
	}
	for (uint32_t i = 0; i < known->count; i++) {
		weir_series_count(counts->series, known->hits[i], observed, moment->now);
	}
}
