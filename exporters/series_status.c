/* series_status: the labels that cost most, exactly.
 *
 * The lists are those of Prometheus' /api/v1/status/tsdb, so that who knows them
 * there finds them here, and one more that puts a label's figures into one row:
 *
 *   seriesCountByMetricName      series of each family (a histogram's labels are one)
 *   labelValueCountByLabelName   different values of each label
 *   memoryInBytesByLabelName     bytes of its values over all series
 *   seriesCountByLabelValuePair  series with this label and value
 *   labels                       name, values, series, bytes; most values first
 *
 * An empty value is an absent label, as it is to Prometheus. The name is not
 * counted as a label here: it has a list of its own.
 *
 *   series ─▶ label texts ─▶ names (numbered) ─▶ pairs (label, value) → series
 *                                                  └─ end of a pass ─▶ sums by label, top rows
 *
 * Every pair is counted, none is estimated. Their table is as large as there are
 * different pairs; when that is more than the memory allowed, labels are shared
 * out over twice as many passes, each of which counts only its own: the same
 * figures in more time and less memory. One label alone has no more values than
 * there are series. When even that does not fit, or time is up, the lists are
 * left out and `incomplete` says why.
 *
 * Invariants
 *  1. Texts are the snapshot's: nothing is copied, which is why it must be held.
 *  2. Rows of equal value are in the order of their texts: an answer is a
 *     function of the snapshot.
 *
 * Thread: the request's. */
#include "exporters/series_status.h"

#include <errno.h>
#include <xxhash.h>

#include "base/arena.h"
#include "base/clock.h"
#include "rules/label_text.h"

#define ROWS WEIR_SERIES_STATUS_ROWS
#define CHUNK_BYTES (64u << 10)
#define FIRST_SLOTS 256u
#define POSITIONS 128u
#define CLOCK_EVERY 1024u

struct cell { /* a name, or a label's value */
	const char *text;
	uint32_t length, owner; /* owner: of a value its label's number */
	uint64_t hash, count;
};

struct table {
	struct weir_arena *arena;
	struct cell *cells; /* in the order of their coming: the numbers */
	uint32_t *slots;    /* number + 1, by hash; open addressing, at most half full */
	uint32_t count, slot_count;
};

struct row {
	struct weir_str first, second;
	uint64_t value, series, bytes;
};

struct rows { /* the largest, in order */
	struct row rows[ROWS];
	uint32_t count;
};

struct sums {
	uint64_t values, series, bytes;
};

struct tally {
	struct weir_arena names_arena, pairs_arena;
	struct table names, pairs;
	uint32_t positions[POSITIONS]; /* the labels of the text before, by position: mostly the next one's too */
	uint32_t pass, passes;
	uint64_t deadline_ns;
	uint32_t until_clock;
	struct sums *sums; /* by label */
	struct rows by_metric, by_values, by_bytes, by_pair;
};

/* ---- tables ---------------------------------------------------------------- */

static int table_grow(struct table *table)
{
	uint32_t slot_count = table->slot_count == 0 ? FIRST_SLOTS : 2 * table->slot_count;
	uint32_t *slots = weir_arena_zalloc(table->arena, slot_count * sizeof(*slots));
	struct cell *cells = weir_arena_alloc(table->arena, slot_count / 2 * sizeof(*cells));

	if (slots == NULL || cells == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < table->count; i++) {
		uint32_t at = (uint32_t)table->cells[i].hash & (slot_count - 1);

		while (slots[at] != 0) {
			at = (at + 1) & (slot_count - 1);
		}
		slots[at] = i + 1;
		cells[i] = table->cells[i];
	}
	table->slots = slots;
	table->cells = cells;
	table->slot_count = slot_count;
	return 0;
}

static struct weir_str text_of(const struct cell *cell)
{
	return weir_str_make(cell->text, cell->length);
}

/* The number of a text that may be new. */
static int table_find(struct table *table, struct weir_str text, uint32_t owner, uint32_t *ret_number)
{
	uint64_t hash = XXH3_64bits_withSeed(text.data, text.length, owner);
	uint32_t at;

	if (2 * (table->count + 1) > table->slot_count) {
		int result = table_grow(table);

		if (result != 0) {
			return result;
		}
	}
	at = (uint32_t)hash & (table->slot_count - 1);
	for (; table->slots[at] != 0; at = (at + 1) & (table->slot_count - 1)) {
		const struct cell *cell = &table->cells[table->slots[at] - 1];

		if (cell->hash == hash && cell->owner == owner && weir_str_equal(text_of(cell), text)) {
			*ret_number = table->slots[at] - 1;
			return 0;
		}
	}
	table->cells[table->count] =
		(struct cell){ .text = text.data, .length = (uint32_t)text.length, .owner = owner, .hash = hash };
	*ret_number = table->count++;
	table->slots[at] = table->count;
	return 0;
}

/* ---- the largest ------------------------------------------------------------- */

static int order(struct weir_str a, struct weir_str b)
{
	int result = memcmp(a.data, b.data, a.length < b.length ? a.length : b.length);

	return result != 0 ? result : (a.length > b.length) - (a.length < b.length);
}

static bool is_before(const struct row *a, const struct row *b)
{
	int by_name;

	if (a->value != b->value) {
		return a->value > b->value;
	}
	by_name = order(a->first, b->first);
	return by_name != 0 ? by_name < 0 : order(a->second, b->second) < 0;
}

static void rows_offer(struct rows *rows, const struct row *row)
{
	uint32_t at = rows->count;

	if (row->value == 0 || (at == ROWS && !is_before(row, &rows->rows[at - 1]))) {
		return;
	}
	if (at == ROWS) {
		at--;
	} else {
		rows->count++;
	}
	for (; at > 0 && is_before(row, &rows->rows[at - 1]); at--) {
		rows->rows[at] = rows->rows[at - 1];
	}
	rows->rows[at] = *row;
}

/* ---- counting ------------------------------------------------------------------ */

static int name_find(struct tally *tally, struct weir_str name, uint32_t position, uint32_t *ret_label)
{
	uint32_t *expected = position < POSITIONS ? &tally->positions[position] : NULL;
	int result;

	if (expected != NULL && *expected < tally->names.count &&
		weir_str_equal(text_of(&tally->names.cells[*expected]), name)) {
		*ret_label = *expected;
		return 0;
	}
	result = table_find(&tally->names, name, 0, ret_label);
	if (result == 0 && expected != NULL) {
		*expected = *ret_label;
	}
	return result;
}

static int count_text(struct tally *tally, struct weir_str text)
{
	struct weir_label_text label;
	uint32_t number, pair;
	int result = 0;

	if (tally->until_clock-- == 0) {
		tally->until_clock = CLOCK_EVERY;
		if (tally->deadline_ns != 0 && weir_clock_monotonic_ns() > tally->deadline_ns) {
			return -ETIMEDOUT;
		}
	}
	for (uint32_t position = 0; result == 0 && weir_label_text_next(&text, &label) == 1; position++) {
		result = name_find(tally, label.name, position, &number);
		if (result != 0 || label.value.length == 0 || number % tally->passes != tally->pass) {
			continue;
		}
		result = table_find(&tally->pairs, label.value, number, &pair);
		if (result == 0) {
			tally->pairs.cells[pair].count++;
		}
	}
	return result;
}

static int count_all(struct tally *tally, const struct weir_snapshot *snapshot)
{
	int result = 0;

	for (uint32_t m = 0; m < snapshot->metric_count; m++) {
		for (uint32_t i = 0; i < snapshot->series_counts[m] && result == 0; i++) {
			result = count_text(tally, snapshot->series[m][i].labels);
		}
	}
	for (uint32_t f = 0; f < snapshot->family_count; f++) {
		for (uint32_t i = 0; i < snapshot->families[f].point_count && result == 0; i++) {
			result = count_text(tally, snapshot->families[f].points[i].labels);
		}
	}
	return result;
}

/* What a pass has counted, into sums and the largest pairs. */
static void pass_end(struct tally *tally)
{
	for (uint32_t i = 0; i < tally->pairs.count; i++) {
		const struct cell *pair = &tally->pairs.cells[i];
		struct sums *sums = &tally->sums[pair->owner];

		sums->values++;
		sums->series += pair->count;
		sums->bytes += pair->count * weir_label_text_length(text_of(pair));
		rows_offer(&tally->by_pair, &(struct row){ .first = text_of(&tally->names.cells[pair->owner]),
						    .second = text_of(pair),
						    .value = pair->count });
	}
}

/* One pass over all series. 0 or a fault. */
static int pass_run(struct tally *tally, const struct weir_snapshot *snapshot)
{
	int result;

	weir_arena_reset(&tally->pairs_arena);
	tally->pairs = (struct table){ .arena = &tally->pairs_arena };
	result = count_all(tally, snapshot);
	if (result == 0 && tally->sums == NULL) { /* after the first, all names are known */
		tally->sums = weir_arena_zalloc(&tally->names_arena, (tally->names.count + 1) * sizeof(*tally->sums));
		result = tally->sums != NULL ? 0 : -ENOMEM;
	}
	if (result == 0) {
		pass_end(tally);
	}
	return result;
}

/* All of it in as few passes as fit. 0 or a fault. */
static int tally_run(struct tally *tally, const struct weir_snapshot *snapshot)
{
	int result = -ENOMEM;

	for (tally->passes = 1; result == -ENOMEM; tally->passes *= 2) {
		weir_arena_reset(&tally->names_arena);
		tally->names = (struct table){ .arena = &tally->names_arena };
		tally->sums = NULL;
		tally->by_pair = (struct rows){ 0 };
		result = 0;
		for (tally->pass = 0; tally->pass < tally->passes && result == 0; tally->pass++) {
			result = pass_run(tally, snapshot);
		}
		if (tally->passes / 2 > tally->names.count) { /* each label had a pass of its own */
			break;
		}
	}
	return result;
}

static void labels_rank(struct tally *tally)
{
	for (uint32_t i = 0; i < tally->names.count; i++) {
		struct row row = { .first = text_of(&tally->names.cells[i]),
			.second = weir_str_of(""),
			.value = tally->sums[i].values,
			.series = tally->sums[i].series,
			.bytes = tally->sums[i].bytes };

		rows_offer(&tally->by_values, &row);
		row.value = row.bytes;
		rows_offer(&tally->by_bytes, &row);
	}
}

static uint64_t joined(const struct weir_snapshot *snapshot, uint32_t metric)
{
	uint64_t count = 0;

	for (uint32_t f = 0; f < snapshot->family_count; f++) {
		count += snapshot->families[f].metric == metric ? snapshot->families[f].point_count : 0;
	}
	return count;
}

static void metrics_rank(struct tally *tally, const struct weir_snapshot *snapshot)
{
	for (uint32_t m = 0; m < snapshot->metric_count; m++) {
		rows_offer(&tally->by_metric, &(struct row){ .first = weir_str_of(snapshot->metrics[m]->name),
						      .second = weir_str_of(""),
						      .value = snapshot->series_counts[m] + joined(snapshot, m) });
	}
	for (uint32_t f = 0; f < snapshot->family_count; f++) {
		if (snapshot->families[f].metric == WEIR_NONE) {
			rows_offer(&tally->by_metric, &(struct row){ .first = snapshot->families[f].name,
							      .second = weir_str_of(""),
							      .value = snapshot->families[f].point_count });
		}
	}
}

/* ---- JSON ------------------------------------------------------------------------ */

static void figure(struct weir_json_write *json, const char *key, uint64_t value)
{
	weir_json_write_key(json, key);
	weir_json_write_u64(json, value);
}

static void list(struct weir_json_write *json, const char *key, const struct rows *rows)
{
	struct weir_buf room;

	weir_buf_init(&room, 0);
	weir_json_write_key(json, key);
	weir_json_write_open(json, '[');
	for (uint32_t i = 0; i < rows->count; i++) {
		const struct row *row = &rows->rows[i];

		weir_buf_clear(&room);
		weir_json_write_open(json, '{');
		weir_json_write_key(json, "name");
		weir_json_write_string_begin(json);
		weir_json_write_piece(json, row->first);
		if (row->second.length > 0) {
			weir_json_write_piece(json, weir_str_of("="));
			weir_json_write_piece(json, weir_label_text_unescape(&room, row->second));
		}
		weir_json_write_string_end(json);
		figure(json, "value", row->value);
		weir_json_write_close(json, '}');
	}
	weir_json_write_close(json, ']');
	if (weir_buf_error(&room) != 0) {
		json->buf->error = weir_buf_error(&room);
	}
	weir_buf_fini(&room);
}

static void labels(struct weir_json_write *json, const struct rows *rows)
{
	weir_json_write_key(json, "labels");
	weir_json_write_open(json, '[');
	for (uint32_t i = 0; i < rows->count; i++) {
		weir_json_write_open(json, '{');
		weir_json_write_key(json, "name");
		weir_json_write_str(json, rows->rows[i].first);
		figure(json, "values", rows->rows[i].value);
		figure(json, "series", rows->rows[i].series);
		figure(json, "bytes", rows->rows[i].bytes);
		weir_json_write_close(json, '}');
	}
	weir_json_write_close(json, ']');
}

static void counts(struct weir_json_write *json, const struct weir_snapshot *snapshot, uint64_t budget)
{
	figure(json, "budget", budget);
	figure(json, "live", snapshot->series_total);
	figure(json, "passed_through", snapshot->points_total);
	figure(json, "overflowed", snapshot->overflowed);
	figure(json, "passed_through_overflowed", snapshot->points_overflowed);
	weir_json_write_key(json, "expired"); /* what went with series that expired, by metric */
	weir_json_write_open(json, '{');
	for (uint32_t i = 0; i < snapshot->expired_count; i++) {
		weir_json_write_key_str(json, snapshot->expired[i].metric);
		weir_json_write_double(json, snapshot->expired[i].value);
	}
	weir_json_write_close(json, '}');
}

void weir_series_status_render(
	struct weir_json_write *json, const struct weir_snapshot *snapshot, const struct weir_series_status_opts *opts)
{
	struct tally tally = { .deadline_ns = opts->deadline_ns };
	int result;

	weir_arena_init(&tally.names_arena, CHUNK_BYTES, opts->max_bytes / 4);
	weir_arena_init(&tally.pairs_arena, CHUNK_BYTES, opts->max_bytes - opts->max_bytes / 4);
	metrics_rank(&tally, snapshot);
	result = tally_run(&tally, snapshot);
	weir_json_write_open(json, '{');
	counts(json, snapshot, opts->budget);
	list(json, "seriesCountByMetricName", &tally.by_metric);
	if (result == 0) {
		labels_rank(&tally);
		list(json, "labelValueCountByLabelName", &tally.by_values);
		list(json, "memoryInBytesByLabelName", &tally.by_bytes);
		list(json, "seriesCountByLabelValuePair", &tally.by_pair);
		labels(json, &tally.by_values);
	} else {
		weir_json_write_key(json, "incomplete");
		weir_json_write_text(json, result == -ETIMEDOUT ? "time" : "memory");
	}
	weir_json_write_close(json, '}');
	weir_arena_fini(&tally.pairs_arena);
	weir_arena_fini(&tally.names_arena);
}
