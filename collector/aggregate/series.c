/* series: the metrics' cells, by label text.
 *
 * Metrics that share a label text form a group, and a label text of a group is
 * one *set*: its text is kept once, its cells lie side by side in one array of
 * words, so that a request touches neighbouring lines:
 *
 *   REQUEST   total | duration: 20 buckets, sum | bytes in: 20, sum | bytes out: 20, sum
 *   MESSAGES  in | out
 *   TCP       opened | closed | sent | received
 *
 * A set's number is its text's number. The budget counts series (a REQUEST set
 * is four); a set that does not fit, or whose text does not, counts in the
 * overflow set of its group: the same label names, with the values of all but
 * `reporter`, `response_code` and `request_protocol` replaced by `_overflow`.
 * The response code comes from outside, so from OVERFLOW_SETS on it is
 * replaced too: what lies beyond the budget is bounded as well.
 *
 * Invariants
 *  1. Cells only grow until clear: a counter never goes down.
 *  2. A set is in `dirty` exactly once if is_dirty, and then alone differs from the last cut.
 *  3. live_series <= max_series, overflow sets not counted.
 *  4. Live and overflow series together hold every record once.
 *
 * Save: the new texts; live count, overflow counts; then each dirty set:
 * number, group, overflow, created, words (values, not differences). */
#include "aggregate/series.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/bounds.h"
#include "base/err.h"

#define HISTOGRAM_WORDS (WEIR_HISTOGRAM_BUCKETS + 1u)
#define OVERFLOW_SETS 512u
#define BYTES_PER_SERIES WEIR_BOUNDS_SERIES_TEXT

static const struct {
	uint32_t words, first_metric, metrics;
} groups[WEIR_SERIES_GROUPS] = {
	[WEIR_SERIES_REQUEST] = { 1 + 3 * HISTOGRAM_WORDS, WEIR_REQUESTS_TOTAL, 4 },
	[WEIR_SERIES_MESSAGES] = { 2, WEIR_REQUEST_MESSAGES, 2 },
	[WEIR_SERIES_TCP] = { 4, WEIR_TCP_OPENED, 4 },
};

static const struct {
	uint8_t group, is_histogram;
	uint32_t word;
} metric_places[WEIR_STANDARD_METRICS] = {
	[WEIR_REQUESTS_TOTAL] = { WEIR_SERIES_REQUEST, false, 0 },
	[WEIR_REQUEST_DURATION] = { WEIR_SERIES_REQUEST, true, 1 },
	[WEIR_REQUEST_BYTES] = { WEIR_SERIES_REQUEST, true, 1 + HISTOGRAM_WORDS },
	[WEIR_RESPONSE_BYTES] = { WEIR_SERIES_REQUEST, true, 1 + 2 * HISTOGRAM_WORDS },
	[WEIR_REQUEST_MESSAGES] = { WEIR_SERIES_MESSAGES, false, 0 },
	[WEIR_RESPONSE_MESSAGES] = { WEIR_SERIES_MESSAGES, false, 1 },
	[WEIR_TCP_OPENED] = { WEIR_SERIES_TCP, false, 0 },
	[WEIR_TCP_CLOSED] = { WEIR_SERIES_TCP, false, 1 },
	[WEIR_TCP_SENT] = { WEIR_SERIES_TCP, false, 2 },
	[WEIR_TCP_RECEIVED] = { WEIR_SERIES_TCP, false, 3 },
};

void weir_series_init(struct weir_series *series, uint32_t max_series, uint64_t seed)
{
	*series = (struct weir_series){ .max_series = max_series };
	/* Numbers are bounded by the budget of series; the text table only bounds the bytes. */
	weir_text_init(&series->labels, UINT32_MAX / 2, (uint64_t)max_series * BYTES_PER_SERIES, seed);
	weir_histogram_init(&series->bounds, 1);
	weir_buf_init(&series->scratch, 0);
	for (uint32_t i = 0; i < WEIR_STANDARD_METRICS; i++) {
		const struct weir_standard_family *family = &weir_standard_families[i];

		series->metrics[i] = (struct weir_metric){ .name = family->name,
			.help = family->help,
			.kind = family->is_histogram ? WEIR_METRIC_HISTOGRAM : WEIR_METRIC_COUNTER,
			.bounds = family->is_histogram ? weir_standard_bounds : NULL,
			.bound_count = family->is_histogram ? WEIR_STANDARD_BOUNDS : 0 };
		series->metric_list[i] = &series->metrics[i];
	}
}

void weir_series_fini(struct weir_series *series)
{
	weir_text_fini(&series->labels);
	weir_buf_fini(&series->scratch);
	free(series->sets);
	free(series->cells);
	free(series->dirty);
	series->sets = NULL;
	series->cells = NULL;
	series->dirty = NULL;
}

void weir_series_clear(struct weir_series *series)
{
	weir_text_clear(&series->labels);
	series->cell_count = 0;
	series->dirty_count = 0;
	series->live_series = 0;
	series->overflow_sets = 0;
	series->overflowed = 0;
}

uint32_t weir_series_words(enum weir_series_group group)
{
	return groups[group].words;
}

/* Room for a set of this number with its words and its place in `dirty`. */
static int room(struct weir_series *series, uint32_t set, uint32_t words)
{
	if (set >= series->set_capacity) {
		uint32_t capacity = series->labels.capacity;
		struct weir_series_set *sets = realloc(series->sets, capacity * sizeof(*sets));
		uint32_t *dirty;

		if (sets == NULL) {
			return -ENOMEM;
		}
		series->sets = sets;
		dirty = realloc(series->dirty, capacity * sizeof(*dirty));
		if (dirty == NULL) {
			return -ENOMEM;
		}
		series->dirty = dirty;
		series->set_capacity = capacity;
	}
	if (series->cell_capacity - series->cell_count < words) {
		uint32_t capacity = series->cell_capacity == 0 ? 2048 : series->cell_capacity * 2;
		uint64_t *cells = realloc(series->cells, capacity * sizeof(*cells));

		if (cells == NULL) {
			return -ENOMEM;
		}
		series->cells = cells;
		series->cell_capacity = capacity;
	}
	return 0;
}

static void touch(struct weir_series *series, uint32_t set)
{
	if (!series->sets[set].is_dirty) {
		series->sets[set].is_dirty = true;
		series->dirty[series->dirty_count++] = set;
	}
}

/* The cells of a text that is in the table but has none yet. Tables are
 * bounded, so memory for them does not run out; if it did, going on would
 * count wrongly, while a restart replays. */
static void set_make(struct weir_series *series, uint32_t set, const struct weir_series_set *made)
{
	uint32_t words = groups[made->group].words;

	weir_assert(room(series, set, words) == 0);
	series->sets[set] = *made;
	series->sets[set].cells = series->cell_count;
	series->sets[set].is_dirty = false;
	memset(series->cells + series->cell_count, 0, words * sizeof(*series->cells));
	series->cell_count += words;
	if (made->is_overflow) {
		series->overflow_sets++;
	} else {
		series->live_series += groups[made->group].metrics;
	}
	touch(series, set);
}

static bool keeps_value(struct weir_str name, bool keeps_code)
{
	return weir_str_is(name, "reporter") || weir_str_is(name, "request_protocol") ||
	       (keeps_code && weir_str_is(name, "response_code"));
}

/* The overflow text of `labels`: `name="value",…`, values escaped. */
static void overflow_text(struct weir_str labels, bool keeps_code, struct weir_buf *ret)
{
	size_t at = 0;

	weir_buf_clear(ret);
	while (at < labels.length) {
		size_t name = at, value;

		while (at < labels.length && labels.data[at] != '=') {
			at++;
		}
		value = at + 2;
		at = value;
		while (at < labels.length && labels.data[at] != '"') {
			at += labels.data[at] == '\\' ? 2 : 1;
		}
		if (value > labels.length || at >= labels.length) {
			return;
		}
		if (name > 0) {
			weir_buf_add_char(ret, ',');
		}
		if (keeps_value(weir_str_make(labels.data + name, value - 2 - name), keeps_code)) {
			weir_buf_add(ret, labels.data + name, at + 1 - name);
		} else {
			weir_buf_add(ret, labels.data + name, value - name);
			weir_buf_add_text(ret, "_overflow\"");
		}
		at += 2; /* the quote and the comma */
	}
}

static uint32_t overflow_set(struct weir_series *series, struct weir_series_set *made, struct weir_str labels)
{
	uint32_t set;

	overflow_text(labels, true, &series->scratch);
	set = weir_text_find(&series->labels, weir_buf_str(&series->scratch), made->group);
	if (set == WEIR_TEXT_FULL && series->overflow_sets >= OVERFLOW_SETS) {
		overflow_text(labels, false, &series->scratch);
	}
	if (set == WEIR_TEXT_FULL) {
		uint32_t before = series->labels.count == 0 ? 1 : series->labels.count;

		set = weir_text_add(&series->labels, weir_buf_str(&series->scratch), made->group, true);
		weir_assert(set != WEIR_TEXT_FULL && set != WEIR_TEXT_EMPTY);
		if (set >= before) {
			made->is_overflow = true;
			set_make(series, set, made);
		}
	}
	return set;
}

uint32_t weir_series_set(
	struct weir_series *series, enum weir_series_group group, struct weir_str labels, uint64_t created_ns)
{
	struct weir_series_set made = { .created_ns = created_ns, .group = (uint8_t)group };
	uint32_t set = weir_text_find(&series->labels, labels, (uint16_t)group);

	if (set != WEIR_TEXT_FULL && set != WEIR_TEXT_EMPTY) {
		return set;
	}
	if (series->live_series + groups[group].metrics > series->max_series) {
		return overflow_set(series, &made, labels);
	}
	set = weir_text_add(&series->labels, labels, (uint16_t)group, false);
	if (set == WEIR_TEXT_FULL || set == WEIR_TEXT_EMPTY) {
		return overflow_set(series, &made, labels);
	}
	set_make(series, set, &made);
	return set;
}

static void observe(const struct weir_series *series, uint64_t *words, uint64_t value)
{
	words[weir_histogram_bucket(&series->bounds, value)]++;
	words[WEIR_HISTOGRAM_BUCKETS] += value;
}

void weir_series_count_request(
	struct weir_series *series, uint32_t set, uint64_t duration_ms, uint64_t request_bytes, uint64_t response_bytes)
{
	uint64_t *words = series->cells + series->sets[set].cells;

	words[0]++;
	observe(series, words + 1, duration_ms);
	observe(series, words + 1 + HISTOGRAM_WORDS, request_bytes);
	observe(series, words + 1 + 2 * HISTOGRAM_WORDS, response_bytes);
	series->overflowed += series->sets[set].is_overflow;
	touch(series, set);
}

void weir_series_count_messages(struct weir_series *series, uint32_t set, uint64_t request, uint64_t response)
{
	uint64_t *words = series->cells + series->sets[set].cells;

	words[0] += request;
	words[1] += response;
	touch(series, set);
}

void weir_series_count_tcp(struct weir_series *series, uint32_t set, const struct weir_series_tcp *more)
{
	uint64_t *words = series->cells + series->sets[set].cells;

	words[0] += more->opened;
	words[1] += more->closed;
	words[2] += more->sent_bytes;
	words[3] += more->received_bytes;
	series->overflowed += series->sets[set].is_overflow;
	touch(series, set);
}

bool weir_series_view(const struct weir_series *series, uint32_t set, uint32_t metric, const uint64_t **ret_words,
	bool *ret_is_histogram)
{
	if (series->sets[set].group != metric_places[metric].group) {
		return false;
	}
	*ret_words = series->cells + series->sets[set].cells + metric_places[metric].word;
	*ret_is_histogram = metric_places[metric].is_histogram;
	return true;
}

uint32_t weir_series_count(const struct weir_series *series, uint32_t metric)
{
	uint32_t count = 0;

	for (uint32_t i = 1; i < series->labels.count; i++) {
		count += series->sets[i].group == metric_places[metric].group;
	}
	return count;
}

static void set_save(const struct weir_series *series, uint32_t id, struct weir_buf *buf)
{
	const struct weir_series_set *set = &series->sets[id];

	weir_blob_add_varint(buf, id);
	weir_blob_add_varint(buf, (uint64_t)set->group << 1 | set->is_overflow);
	weir_blob_add_varint(buf, set->created_ns);
	weir_blob_add_words(buf, series->cells + set->cells, groups[set->group].words);
}

void weir_series_save(struct weir_series *series, bool all, struct weir_buf *buf)
{
	uint32_t count = series->labels.count == 0 ? 0 : series->labels.count - 1;

	weir_text_save(&series->labels, all, buf);
	weir_blob_add_varint(buf, series->overflowed);
	weir_blob_add_varint(buf, all ? count : series->dirty_count);
	for (uint32_t i = 0; i < (all ? count : series->dirty_count); i++) {
		set_save(series, all ? i + 1 : series->dirty[i], buf);
	}
	for (uint32_t i = 0; i < series->dirty_count; i++) {
		series->sets[series->dirty[i]].is_dirty = false;
	}
	series->dirty_count = 0;
}

int weir_series_load(struct weir_series *series, struct weir_blob_reader *reader)
{
	uint32_t old = series->labels.count == 0 ? 1 : series->labels.count;
	int error = weir_text_load(&series->labels, reader);
	uint32_t count, made = old;

	if (error != 0) {
		return error;
	}
	series->overflowed = weir_blob_varint(reader);
	count = weir_blob_number(reader, UINT32_MAX - 1);
	for (uint32_t i = 0; i < count && !reader->is_bad; i++) {
		uint32_t id = weir_blob_number(reader, series->labels.count == 0 ? 0 : series->labels.count - 1);
		uint32_t kind = weir_blob_number(reader, 2 * WEIR_SERIES_GROUPS - 1);
		struct weir_series_set set = {
			.created_ns = weir_blob_varint(reader), .group = (uint8_t)(kind >> 1), .is_overflow = kind & 1
		};

		/* New sets come in the order of their numbers, so none is without cells. */
		if (reader->is_bad || id == 0 || id > made || (id < made && series->sets[id].group != set.group)) {
			return -EBADMSG;
		}
		if (id == made) {
			set_make(series, id, &set);
			made++;
		}
		weir_blob_words(reader, series->cells + series->sets[id].cells, groups[set.group].words);
	}
	for (uint32_t i = 0; i < series->dirty_count; i++) {
		series->sets[series->dirty[i]].is_dirty = false;
	}
	series->dirty_count = 0;
	return reader->is_bad || made != (series->labels.count == 0 ? 1 : series->labels.count) ? -EBADMSG : 0;
}

void weir_series_digest(const struct weir_series *series, XXH3_state_t *state)
{
	weir_text_digest(&series->labels, state);
	XXH3_128bits_update(state, &series->overflowed, sizeof(series->overflowed));
	for (uint32_t i = 1; i < series->labels.count; i++) {
		const struct weir_series_set *set = &series->sets[i];
		uint64_t head[2] = { set->created_ns, (uint64_t)set->group << 1 | set->is_overflow };

		XXH3_128bits_update(state, head, sizeof(head));
		XXH3_128bits_update(state, series->cells + set->cells, groups[set->group].words * sizeof(uint64_t));
	}
}
