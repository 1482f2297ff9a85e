/* text: Prometheus' text format 0.0.4 from one snapshot.
 *
 *   # HELP istio_requests_total …
 *   # TYPE istio_requests_total counter
 *   istio_requests_total{<labels>} 17
 *   istio_request_bytes_bucket{<labels>,le="0.5"} 0     … cumulative, le="+Inf" last,
 *   istio_request_bytes_sum{<labels>} 1234.5            then sum and count
 *
 * A scrape of 100k series is mostly memcpy: the label text is made once per
 * series by the rules and kept by the fold, names and `le` texts once per
 * family here; room is reserved for many lines at once, from an upper bound, so
 * no line tests for space. What is there is offered to the drain now and then:
 * full tables are half a gigabyte of text.
 *
 * Invariants
 *  1. A family's samples are contiguous, its HELP and TYPE stand before them.
 *  2. A family without series is not there at all; a proxy's own series of a
 *     standard metric stand with weir's, since a name has one HELP and TYPE.
 *  3. le="+Inf" equals _count: both come from the same cells of one snapshot.
 *
 * Thread: any; the snapshot does not change. */
#include "exporters/metrics/text.h"

#include <stdio.h>

#include "exporters/json_write.h"
#include "exporters/metrics/passed.h"

#define MAX_BOUNDS 64u
#define MAX_DIGITS 20u
#define COUNTERS_AT_ONCE 1024u

struct piece { /* bytes that every line of a kind has */
	char data[96];
	size_t length;
};

void weir_text_family(struct weir_buf *text, const char *name, const char *type, const char *help)
{
	weir_buf_addf(text, "# HELP %s ", name);
	for (const char *at = help; *at != '\0'; at++) {
		if (*at == '\\') {
			weir_buf_add_text(text, "\\\\");
		} else if (*at == '\n') {
			weir_buf_add_text(text, "\\n");
		} else {
			weir_buf_add_char(text, *at);
		}
	}
	weir_buf_addf(text, "\n# TYPE %s %s\n", name, type);
}

static void sample_begin(struct weir_buf *text, const char *name, const char *labels)
{
	weir_buf_add_text(text, name);
	if (labels[0] != '\0') {
		weir_buf_add_char(text, '{');
		weir_buf_add_text(text, labels);
		weir_buf_add_char(text, '}');
	}
	weir_buf_add_char(text, ' ');
}

void weir_text_sample(struct weir_buf *text, const char *name, const char *labels, uint64_t value)
{
	sample_begin(text, name, labels);
	weir_buf_add_u64(text, value);
	weir_buf_add_char(text, '\n');
}

void weir_text_sample_double(struct weir_buf *text, const char *name, const char *labels, double value)
{
	char number[WEIR_JSON_WRITE_NUMBER];

	sample_begin(text, name, labels);
	weir_buf_add(text, number, weir_json_write_number(number, value));
	weir_buf_add_char(text, '\n');
}

static char *put(char *at, const void *data, size_t length)
{
	memcpy(at, data, length);
	return at + length;
}

static char *put_u64(char *at, uint64_t value)
{
	char digits[MAX_DIGITS];
	size_t begin = sizeof(digits);

	do {
		digits[--begin] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	return put(at, digits + begin, sizeof(digits) - begin);
}

/* `name{labels} ` or `name `: what stands before a value that has no `le`. */
static char *put_name(char *at, const struct piece *name, struct weir_str labels)
{
	at = put(at, name->data, name->length);
	if (labels.length > 0) {
		*at++ = '{';
		at = put(at, labels.data, labels.length);
		*at++ = '}';
	}
	*at++ = ' ';
	return at;
}

static void piece_set(struct piece *piece, const char *name, const char *suffix)
{
	int n = snprintf(piece->data, sizeof(piece->data), "%s%s", name, suffix);

	piece->length = n < 0 ? 0 : (size_t)n < sizeof(piece->data) ? (size_t)n : sizeof(piece->data) - 1;
}

/* A few at a time: their room is reserved at once. */
static void some_counters(
	struct weir_buf *text, const struct piece *name, const struct weir_series_view *series, uint32_t count)
{
	size_t room = 0;
	char *begin, *at;

	for (uint32_t i = 0; i < count; i++) {
		room += name->length + series[i].labels.length + MAX_DIGITS + 4;
	}
	begin = at = weir_buf_reserve(text, room);
	if (begin == NULL) {
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		at = put_name(at, name, series[i].labels);
		at = put_u64(at, series[i].count);
		*at++ = '\n';
	}
	weir_buf_advance(text, (size_t)(at - begin));
}

static void counters(struct weir_buf *text, const struct weir_metric *metric, const struct weir_series_view *series,
	uint32_t count, const struct weir_text_drain *drain)
{
	struct piece name;

	piece_set(&name, metric->name, "");
	for (uint32_t i = 0; i < count; i += COUNTERS_AT_ONCE) {
		some_counters(text, &name, &series[i], count - i < COUNTERS_AT_ONCE ? count - i : COUNTERS_AT_ONCE);
		weir_text_drain(drain);
	}
}

struct histogram {
	struct piece bucket, sum, count;
	struct piece le[MAX_BOUNDS + 1];
	uint32_t bound_count;
};

static void histogram_init(struct histogram *histogram, const struct weir_metric *metric)
{
	histogram->bound_count = metric->bound_count < MAX_BOUNDS ? metric->bound_count : MAX_BOUNDS;
	piece_set(&histogram->bucket, metric->name, "_bucket{");
	piece_set(&histogram->sum, metric->name, "_sum");
	piece_set(&histogram->count, metric->name, "_count");
	for (uint32_t i = 0; i < histogram->bound_count; i++) {
		char number[WEIR_JSON_WRITE_NUMBER];
		size_t n = weir_json_write_number(number, metric->bounds[i]);

		histogram->le[i].length = (size_t)snprintf(
			histogram->le[i].data, sizeof(histogram->le[i].data), "le=\"%.*s\"} ", (int)n, number);
	}
	piece_set(&histogram->le[histogram->bound_count], "le=\"+Inf\"} ", "");
}

static char *put_bucket(
	char *at, const struct histogram *histogram, struct weir_str labels, uint32_t bucket, uint64_t cumulative)
{
	at = put(at, histogram->bucket.data, histogram->bucket.length);
	if (labels.length > 0) {
		at = put(at, labels.data, labels.length);
		*at++ = ',';
	}
	at = put(at, histogram->le[bucket].data, histogram->le[bucket].length);
	at = put_u64(at, cumulative);
	*at++ = '\n';
	return at;
}

static char *put_histogram(char *at, const struct histogram *histogram, const struct weir_series_view *series)
{
	uint64_t cumulative = 0;

	for (uint32_t i = 0; i < histogram->bound_count; i++) {
		cumulative += series->buckets[i];
		at = put_bucket(at, histogram, series->labels, i, cumulative);
	}
	at = put_bucket(at, histogram, series->labels, histogram->bound_count, series->count);
	at = put_name(at, &histogram->sum, series->labels);
	at += weir_json_write_number(at, series->sum);
	*at++ = '\n';
	at = put_name(at, &histogram->count, series->labels);
	at = put_u64(at, series->count);
	*at++ = '\n';
	return at;
}

static void histograms(struct weir_buf *text, const struct weir_metric *metric, const struct weir_series_view *series,
	uint32_t count, const struct weir_text_drain *drain)
{
	struct histogram histogram;
	char *at;

	histogram_init(&histogram, metric);
	for (uint32_t i = 0; i < count; i++) {
		size_t line = sizeof(struct piece) * 2 + series[i].labels.length + WEIR_JSON_WRITE_NUMBER + 8;

		at = weir_buf_reserve(text, line * (histogram.bound_count + 3));
		if (at == NULL) {
			return;
		}
		weir_buf_advance(text, (size_t)(put_histogram(at, &histogram, &series[i]) - at));
		weir_text_drain(drain);
	}
}

void weir_text_series(struct weir_buf *text, const struct weir_snapshot *snapshot, const struct weir_text_drain *drain)
{
	for (uint32_t i = 0; i < snapshot->metric_count; i++) {
		const struct weir_metric *metric = snapshot->metrics[i];

		if (snapshot->series_counts[i] == 0 && !weir_passed_joins(snapshot, i)) {
			continue;
		}
		if (metric->kind == WEIR_METRIC_COUNTER) {
			weir_text_family(text, metric->name, "counter", metric->help);
			counters(text, metric, snapshot->series[i], snapshot->series_counts[i], drain);
		} else {
			weir_text_family(text, metric->name, "histogram", metric->help);
			histograms(text, metric, snapshot->series[i], snapshot->series_counts[i], drain);
		}
		weir_passed_join(text, snapshot, i, drain);
	}
}
