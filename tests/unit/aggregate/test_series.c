/* test_series: label sets and their cells: budget, overflow, expiry, another schema, saved and loaded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/bounds.h"
#include "aggregate/series.h"

static const char labels[] = "reporter=\"source\",source_workload=\"a\\\"b,c=\\\"\",response_code=\"200\","
			     "destination_service=\"x\\\\\",request_protocol=\"http\"";

static const double bounds[] = { 0.5, 1, 5 };

/* Two groups: a counter, a histogram of durations, a counter of reals; and a counter alone. */
static const struct weir_metric metrics[] = {
	{ "a_total", "A.", WEIR_METRIC_COUNTER, WEIR_UNIT_WHOLE, NULL, 0, 0, 0, 11 },
	{ "b_seconds", "B.", WEIR_METRIC_HISTOGRAM, WEIR_UNIT_DURATION, bounds, 3, 0, 1, 12 },
	{ "c_total", "C.", WEIR_METRIC_COUNTER, WEIR_UNIT_REAL, NULL, 0, 0, 2, 13 },
	{ "d_total", "D.", WEIR_METRIC_COUNTER, WEIR_UNIT_WHOLE, NULL, 0, 1, 0, 14 },
};
static const struct weir_metric *const first[] = { &metrics[0], &metrics[1], &metrics[2] };
static const struct weir_metric *const second[] = { &metrics[3] };
static const struct weir_metric_group groups[] = { { first, 3, NULL, 0, 101, 0 }, { second, 1, NULL, 0, 102, 0 } };
static const struct weir_schema schema = { metrics, 4, groups, 2 };

/* Another one: `b` is gone, `e` is new, the order is not the same; group 102 is gone. */
static const struct weir_metric other_metrics[] = {
	{ "e_total", "E.", WEIR_METRIC_COUNTER, WEIR_UNIT_WHOLE, NULL, 0, 0, 0, 15 },
	{ "c_total", "C.", WEIR_METRIC_COUNTER, WEIR_UNIT_REAL, NULL, 0, 0, 1, 13 },
	{ "a_total", "A.", WEIR_METRIC_COUNTER, WEIR_UNIT_WHOLE, NULL, 0, 0, 2, 11 },
};
static const struct weir_metric *const other_first[] = { &other_metrics[0], &other_metrics[1], &other_metrics[2] };
static const struct weir_metric_group other_groups[] = { { other_first, 3, NULL, 0, 101, 0 } };
static const struct weir_schema other_schema = { other_metrics, 3, other_groups, 1 };

static struct weir_str text_of(char *text, size_t size, unsigned i)
{
	int length = snprintf(text, size, "reporter=\"source\",source_workload=\"w%u\",response_code=\"%u\"", i, i);

	return weir_str_make(text, (size_t)length);
}

/* Where this counts; more than one hit fails the test. */
static struct weir_series_hit find(struct weir_series *series, uint32_t group, struct weir_str text, uint32_t mask)
{
	struct weir_series_hit hits[2];

	assert_int_equal(weir_series_find(series, group, text, (struct weir_series_hit){ 0, mask }, 5, hits), 1);
	return hits[0];
}

static void count(struct weir_series *series, struct weir_series_hit hit, uint64_t number, double real, uint32_t now)
{
	const struct weir_observation observed[3] = { { 1, 0 }, { number, 0 }, { 0, real } };

	weir_series_count(series, hit, observed, now);
}

static double real_at(const struct weir_series *series, uint32_t set, uint32_t word)
{
	double real;

	memcpy(&real, &series->sets[set].words[word], sizeof(real));
	return real;
}

static void a_label_set_is_found_again_and_groups_are_apart(void **state)
{
	struct weir_series series;
	struct weir_series_hit one, other;

	(void)state;
	weir_series_init(&series, &schema, 100, 1);
	one = find(&series, 0, weir_str_of(labels), 7);
	other = find(&series, 1, weir_str_of(labels), 1);
	assert_int_not_equal(one.set, other.set);
	assert_int_equal(find(&series, 0, weir_str_of(labels), 7).set, one.set);
	assert_int_equal(series.sets[one.set].created_ns, 5);
	assert_int_equal(series.live_series, 4);
	count(&series, one, 700000000, 0.25, 3);
	count(&series, one, 5000000000, 0.5, 4);
	assert_int_equal(series.sets[one.set].words[0], 2);
	assert_int_equal(series.sets[one.set].words[2], 1);          /* 0.7 s: at most 1 */
	assert_int_equal(series.sets[one.set].words[3], 1);          /* 5 s: at most 5 */
	assert_int_equal(series.sets[one.set].words[5], 5700000000); /* the sum */
	assert_true(real_at(&series, one.set, 6) == 0.75);
	assert_int_equal(series.sets[one.set].used, 4);
	weir_series_fini(&series);
}

static void a_metric_is_there_from_when_it_counts_and_beyond_the_budget_in_the_overflow(void **state)
{
	struct weir_series series;
	struct weir_series_hit hits[2], one;

	(void)state;
	weir_series_init(&series, &schema, 2, 1);
	one = find(&series, 0, weir_str_of(labels), 1);
	assert_int_equal(series.sets[one.set].mask, 1);
	assert_int_equal(series.live_series, 1);
	find(&series, 0, weir_str_of(labels), 4);
	assert_int_equal(series.sets[one.set].mask, 5);
	assert_int_equal(series.live_series, 2);
	assert_int_equal(
		weir_series_find(&series, 0, weir_str_of(labels), (struct weir_series_hit){ 0, 7 }, 5, hits), 2);
	assert_int_equal(hits[0].set, one.set);
	assert_int_equal(hits[0].mask, 5);
	assert_true(series.sets[hits[1].set].is_overflow);
	assert_int_equal(hits[1].mask, 2);
	assert_int_equal(series.live_series, 2);
	weir_series_fini(&series);
}

static void overflow_keeps_three_labels_and_reads_escapes(void **state)
{
	struct weir_series series;
	struct weir_series_hit hit;

	(void)state;
	weir_series_init(&series, &schema, 2, 1); /* no room for even one set of three */
	hit = find(&series, 0, weir_str_of(labels), 7);
	assert_true(series.sets[hit.set].is_overflow);
	assert_true(weir_str_is(weir_text_str(&series.labels, hit.set),
		"reporter=\"source\",source_workload=\"_overflow\",response_code=\"200\","
		"destination_service=\"_overflow\",request_protocol=\"http\""));
	assert_int_equal(find(&series, 0, weir_str_of(labels), 7).set, hit.set);
	count(&series, hit, 1, 2, 3);
	assert_int_equal(series.overflowed, 1);
	assert_int_equal(series.live_series, 0);
	weir_series_fini(&series);
}

static void overflow_itself_is_bounded(void **state)
{
	struct weir_series series;
	char text[128];

	(void)state;
	weir_series_init(&series, &schema, 30, 1);
	for (unsigned i = 0; i < 3000; i++) {
		count(&series, find(&series, 0, text_of(text, sizeof(text), i), 7), 1, 2, 3);
	}
	assert_int_equal(series.live_series, 30);
	assert_int_equal(series.overflow_sets, 513);
	assert_int_equal(series.overflowed, 2990);
	weir_series_fini(&series);
}

/* What lay beyond the budget expires too, or codes that somebody made up once would keep out the real ones for ever. */
static void an_overflow_that_is_silent_goes_and_gives_room(void **state)
{
	struct weir_series series;
	struct weir_series_hit hit;
	char text[128];

	(void)state;
	weir_series_init(&series, &schema, 0, 1);
	for (unsigned i = 0; i < 5000; i++) {
		count(&series, find(&series, 0, text_of(text, sizeof(text), i), 7), 1, 2, 3);
	}
	assert_int_equal(series.overflow_sets, 513);
	hit = find(&series, 0, weir_str_of("reporter=\"source\",response_code=\"200\",a=\"b\""), 7);
	count(&series, hit, 1, 2, 9);
	assert_int_equal(weir_series_expire(&series, 9), 513);
	assert_int_equal(series.gone[1].count, 5000);
	hit = find(&series, 0, weir_str_of("reporter=\"source\",source_workload=\"w\",response_code=\"503\""), 7);
	assert_true(weir_str_is(weir_text_str(&series.labels, hit.set),
		"reporter=\"source\",source_workload=\"_overflow\",response_code=\"503\""));
	weir_series_fini(&series);
}

static void a_text_that_is_too_long_overflows_whatever_the_budget(void **state)
{
	struct weir_series series;
	struct weir_buf text;

	(void)state;
	weir_series_init(&series, &schema, 1000, 1);
	weir_buf_init(&text, 0);
	weir_buf_add_text(&text, "reporter=\"source\",source_workload=\"");
	for (unsigned i = 0; i < 10000; i++) {
		weir_buf_add_char(&text, 'x');
	}
	weir_buf_add_char(&text, '"');
	assert_true(weir_str_is(weir_text_str(&series.labels, find(&series, 0, weir_buf_str(&text), 7).set),
		"reporter=\"source\",source_workload=\"_overflow\""));
	weir_buf_fini(&text);
	weir_series_fini(&series);
}

static void what_is_silent_goes_and_comes_back_from_zero(void **state)
{
	struct weir_series series;
	struct weir_series_hit hit, hits[2];

	(void)state;
	weir_series_init(&series, &schema, 100, 1);
	hit = find(&series, 0, weir_str_of(labels), 7);
	count(&series, hit, 700000000, 0.25, 10);
	count(&series, hit, 1, 0.25, 10);
	assert_int_equal(weir_series_expire(&series, 10), 0);
	assert_int_equal(weir_series_expire(&series, 11), 1);
	assert_int_equal(series.live_series, 0);
	assert_int_equal(series.labels.live, 0);
	assert_int_equal(series.gone[0].number, 2);
	assert_int_equal(series.gone[1].count, 2);
	assert_int_equal(series.gone[1].number, 700000001);
	assert_true(series.gone[2].real == 0.5);
	assert_int_equal(
		weir_series_find(&series, 0, weir_str_of(labels), (struct weir_series_hit){ 0, 1 }, 99, hits), 1);
	assert_int_equal(series.sets[hits[0].set].words[0], 0);
	assert_int_equal(series.sets[hits[0].set].created_ns, 99);
	weir_series_fini(&series);
}

/* Metrics of equal ids go on under the other schema; the rest is gone, and gives its budget back. */
static void another_schema_takes_what_is_the_same(void **state)
{
	struct weir_series series;
	struct weir_series_hit hit;

	(void)state;
	weir_series_init(&series, &schema, 100, 1);
	hit = find(&series, 0, weir_str_of(labels), 7);
	count(&series, hit, 1, 0.25, 10);
	count(&series, find(&series, 1, weir_str_of(labels), 1), 1, 0, 10);
	count(&series, find(&series, 0, weir_str_of("reporter=\"x\""), 2), 1, 0, 10); /* of nothing but `b` */
	weir_series_replace(&series, &other_schema, 200);
	assert_int_equal(series.live_series, 2);
	assert_int_equal(series.labels.live, 1);
	assert_int_equal(series.sets[hit.set].mask, 6);
	assert_int_equal(series.sets[hit.set].words[2], 1);
	assert_true(real_at(&series, hit.set, 1) == 0.25);
	assert_int_equal(series.gone[0].since_ns, 200); /* `e` is new */
	assert_int_equal(series.gone[2].since_ns, 0);
	weir_series_replace(&series, &schema, 300);
	assert_int_equal(series.gone[0].since_ns, 0);
	assert_int_equal(series.gone[1].since_ns, 300); /* `b` begins anew */
	assert_int_equal(series.sets[hit.set].mask, 5);
	assert_int_equal(series.sets[hit.set].words[0], 1);
	weir_series_fini(&series);
}

static void carry(struct weir_series *from, struct weir_series *to, bool all)
{
	struct weir_blob_reader reader = { 0 };
	struct weir_buf buf;

	weir_buf_init(&buf, 0);
	weir_series_save(from, all, &buf);
	assert_int_equal(weir_buf_error(&buf), 0);
	reader.at = (const unsigned char *)buf.data;
	reader.end = reader.at + buf.length;
	assert_int_equal(weir_series_load(to, &reader), 0);
	assert_ptr_equal(reader.at, reader.end);
	weir_buf_fini(&buf);
}

static XXH128_hash_t digest_of(const struct weir_series *series)
{
	XXH3_state_t *state = XXH3_createState();
	XXH128_hash_t hash;

	XXH3_128bits_reset(state);
	weir_series_digest(series, state);
	hash = XXH3_128bits_digest(state);
	XXH3_freeState(state);
	return hash;
}

static void series_equal(const struct weir_series *a, const struct weir_series *b)
{
	assert_int_equal(a->live_series, b->live_series);
	assert_int_equal(a->overflow_sets, b->overflow_sets);
	assert_true(XXH128_isEqual(digest_of(a), digest_of(b)));
}

struct sums {
	uint64_t live, gone;
};

static struct sums sums_of(const struct weir_series *series)
{
	struct sums sums = { 0, series->gone[0].number };

	for (uint32_t i = 1; i < series->labels.count; i++) {
		if (weir_text_is_live(&series->labels, i) && (series->sets[i].mask & 1) != 0 &&
			series->sets[i].group == 0) {
			sums.live += series->sets[i].words[0];
		}
	}
	return sums;
}

/* At random: counted, expired, cut, loaded. Nothing is lost, and a table that was loaded is the table. */
static void live_and_gone_are_all_that_was_counted_whatever_restarts_lay_between(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 8; seed++) {
		struct weir_series series, follower;
		unsigned random = seed, now = 100;
		uint64_t counted = 0;
		char text[128];

		weir_series_init(&series, &schema, 20 + 20 * seed, seed);
		weir_series_init(&follower, &schema, 20 + 20 * seed, seed);
		for (unsigned i = 0; i < 20000; i++) {
			unsigned dice = (unsigned)rand_r(&random);
			struct weir_series_hit hits[2];
			uint32_t n = weir_series_find(&series, dice % 3 == 0,
				text_of(text, sizeof(text), dice / 8 % 97),
				(struct weir_series_hit){ 0, dice % 3 == 0 ? 1 : 1 + 2 * (dice / 3 % 4) }, now, hits);

			for (uint32_t k = 0; k < n; k++) {
				count(&series, hits[k], dice % 10000000, 0.5, now);
			}
			counted += dice % 3 != 0;
			now += dice / 16 % 8 == 0;
			if (dice / 128 % 50 == 0) {
				weir_series_expire(&series, now - 2 * (dice % 16));
				assert_true(series.live_series <= series.max_series);
			}
			if (dice / 128 % 97 == 0) {
				bool all = dice / 65536 % 4 == 0;

				if (all) {
					weir_series_clear(&follower);
				}
				carry(&series, &follower, all);
				series_equal(&series, &follower);
			}
			if (i % 1000 == 0) {
				assert_int_equal(sums_of(&series).live + sums_of(&series).gone, counted);
			}
		}
		assert_true(sums_of(&series).gone > 0);
		weir_series_fini(&series);
		weir_series_fini(&follower);
	}
}

/* A weir with other rules reads what it knows of what was saved, images and deltas alike. */
static void what_was_saved_under_another_schema_is_read_by_ids(void **state)
{
	struct weir_series series, other;
	struct weir_series_hit hit;

	(void)state;
	weir_series_init(&series, &schema, 100, 1);
	weir_series_init(&other, &other_schema, 100, 1);
	hit = find(&series, 0, weir_str_of(labels), 7);
	count(&series, hit, 1, 0.25, 10);
	count(&series, find(&series, 1, weir_str_of(labels), 1), 1, 0, 10);
	carry(&series, &other, true);
	count(&series, hit, 1, 0.25, 10);
	carry(&series, &other, false);
	weir_series_begin(&other, 77);
	assert_int_equal(other.gone[0].since_ns, 77); /* what was saved does not know `e` */
	assert_int_equal(other.gone[1].since_ns, 0);
	assert_int_equal(other.live_series, 2);
	assert_int_equal(other.sets[hit.set].words[2], 2);
	assert_true(real_at(&other, hit.set, 1) == 0.5);
	assert_int_equal(other.labels.live, 1); /* the text of what it does not have is gone */
	weir_series_fini(&series);
	weir_series_fini(&other);
}

/* The overflow set of a metric that is not there any more leaves nothing: the group's next one has its text. */
static void an_overflow_set_comes_back_after_other_metrics(void **state)
{
	struct weir_series series, other;
	struct weir_series_hit hit;

	(void)state;
	weir_series_init(&series, &schema, 0, 1);
	weir_series_init(&other, &other_schema, 0, 1);
	hit = find(&series, 0, weir_str_of(labels), 2); /* of nothing but `b` */
	assert_true(series.sets[hit.set].is_overflow);
	carry(&series, &other, true);
	assert_true(weir_series_begin(&other, 77));
	assert_int_equal(other.labels.live, 0);
	hit = find(&other, 0, weir_str_of(labels), 7);
	assert_true(other.sets[hit.set].is_overflow);
	count(&other, hit, 1, 0.25, 10);
	assert_int_equal(other.sets[hit.set].words[0], 1);
	weir_series_fini(&series);
	weir_series_fini(&other);
}

/* A set whose mask grew is in the next cut although nothing of it counted. */
static void what_grew_is_saved_before_it_counts(void **state)
{
	struct weir_series series, follower;

	(void)state;
	weir_series_init(&series, &schema, 3, 1);
	weir_series_init(&follower, &schema, 3, 1);
	find(&series, 0, weir_str_of(labels), 1);
	carry(&series, &follower, true);
	find(&series, 0, weir_str_of(labels), 3);
	carry(&series, &follower, false);
	series_equal(&series, &follower);
	find(&series, 0, weir_str_of("reporter=\"x\""), 1);
	find(&series, 0, weir_str_of("reporter=\"x\",a=\"b\""), 1); /* in the overflow */
	carry(&series, &follower, false);
	find(&series, 0, weir_str_of("reporter=\"x\",a=\"b\""), 4);
	carry(&series, &follower, false);
	series_equal(&series, &follower);
	weir_series_fini(&series);
	weir_series_fini(&follower);
}

/* Where a rule has no labels but those that an overflow keeps, both sets would look the same. */
static void what_an_overflow_has_begun_it_goes_on_with(void **state)
{
	static const char few[] = "reporter=\"source\",response_code=\"200\"";
	struct weir_series_hit hits[2], over;
	struct weir_series series;

	(void)state;
	weir_series_init(&series, &schema, 1, 1);
	count(&series, find(&series, 0, weir_str_of("reporter=\"x\""), 1), 1, 0, 5);
	over = find(&series, 0, weir_str_of(few), 1);
	assert_true(series.sets[over.set].is_overflow);
	count(&series, over, 1, 0, 20);
	assert_int_equal(weir_series_expire(&series, 10), 1);
	assert_int_equal(find(&series, 0, weir_str_of(few), 1).set, over.set);
	assert_int_equal(weir_series_find(&series, 0, weir_str_of(few), (struct weir_series_hit){ 0, 3 }, 5, hits), 2);
	assert_int_equal(hits[0].mask, 2); /* this one it did not have */
	assert_false(series.sets[hits[0].set].is_overflow);
	assert_int_equal(hits[1].set, over.set);
	assert_int_equal(hits[1].mask, 1);
	weir_series_fini(&series);
}

/* A rule may make any label of what clients send: what an overflow keeps is short and bounded too. */
static void an_overflow_keeps_neither_long_values_nor_ever_more_of_them(void **state)
{
	struct weir_series series;
	char text[2048];

	(void)state;
	weir_series_init(&series, &schema, 0, 1);
	snprintf(text, sizeof(text), "reporter=\"%01000d\"", 7);
	assert_true(weir_str_is(
		weir_text_str(&series.labels, find(&series, 0, weir_str_of(text), 1).set), "reporter=\"_overflow\""));
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "request_protocol=\"p%u\",a=\"b\"", i);
		count(&series, find(&series, 0, weir_str_of(text), 7), 1, 2, 3);
	}
	assert_int_equal(series.overflow_sets, 1025);
	assert_int_equal(series.overflowed, 5000);
	weir_series_fini(&series);
}

/* It neither goes round nor stays, hiding all that comes: it begins anew, and nothing is lost. */
static void a_sum_that_is_full_begins_anew(void **state)
{
	uint64_t created_ns, buckets = 0;
	struct weir_series series;
	struct weir_series_hit hit;

	(void)state;
	weir_series_init(&series, &schema, 100, 1);
	hit = find(&series, 0, weir_str_of(labels), 7);
	count(&series, hit, UINT64_MAX - 1, 0.25, 3);
	created_ns = series.sets[hit.set].created_ns;
	count(&series, hit, 5, 0.25, 3);
	assert_true(series.sets[hit.set].created_ns > created_ns);
	assert_true(series.sets[hit.set].words[5] == 5);
	assert_true(series.gone[1].number == UINT64_MAX - 1);
	for (unsigned i = 0; i < 5; i++) {
		buckets += series.sets[hit.set].words[i];
	}
	assert_int_equal(buckets + series.gone[1].count, 2);
	weir_series_expire(&series, 4);
	assert_true(series.gone[1].number == UINT64_MAX); /* what is gone has no created time to begin at */
	assert_int_equal(series.gone[1].count, 2);
	weir_series_fini(&series);
}

/* A set has the cells of its whole group, however few of its metrics count. */
static void cells_are_bounded_whatever_the_masks(void **state)
{
	enum { METRICS = 32, BOUNDS = 63, SERIES = 1000 };
	static double wide_bounds[BOUNDS];
	static struct weir_metric wide[METRICS];
	static const struct weir_metric *places[METRICS];
	const struct weir_metric_group group = { places, METRICS, NULL, 0, 7, 0 };
	const struct weir_schema wide_schema = { wide, METRICS, &group, 1 };
	struct weir_series series;
	uint32_t live = 0;
	char text[128];

	(void)state;
	for (unsigned i = 0; i < BOUNDS; i++) {
		wide_bounds[i] = i;
	}
	for (unsigned i = 0; i < METRICS; i++) {
		wide[i] = (struct weir_metric){ "x", "X.", WEIR_METRIC_HISTOGRAM, WEIR_UNIT_WHOLE, wide_bounds, BOUNDS,
			0, i, i + 1 };
		places[i] = &wide[i];
	}
	weir_series_init(&series, &wide_schema, SERIES, 1);
	for (unsigned i = 0; i < 2 * SERIES; i++) {
		const struct weir_series_hit hit = find(&series, 0, text_of(text, sizeof(text), i), 1);

		live += !series.sets[hit.set].is_overflow;
	}
	assert_in_range(live, 1, SERIES * WEIR_BOUNDS_SERIES_WORDS / (METRICS * (BOUNDS + 2)));
	assert_true(series.words <= SERIES * WEIR_BOUNDS_SERIES_WORDS);
	assert_in_range(series.overflow_words, 1, 2 * WEIR_BOUNDS_SERIES_OVERFLOW_WORDS);
	weir_series_fini(&series);
}

static void a_delta_has_only_what_moved_and_each_text_once(void **state)
{
	struct weir_series series;
	struct weir_buf bytes;
	struct weir_series_hit hits[50];
	char text[128];

	(void)state;
	weir_series_init(&series, &schema, 1000, 1);
	weir_buf_init(&bytes, 0);
	for (unsigned i = 0; i < 50; i++) {
		hits[i] = find(&series, 0, text_of(text, sizeof(text), i), 7);
	}
	weir_series_save(&series, false, &bytes);
	assert_true(bytes.length > 50 * 60);
	weir_buf_clear(&bytes);
	count(&series, hits[7], 1, 2, 3);
	count(&series, hits[7], 1, 2, 3);
	weir_series_save(&series, false, &bytes);
	assert_null(memmem(bytes.data, bytes.length, "reporter", 8));
	assert_true(bytes.length < 240); /* the layout, what went, one set */
	assert_int_equal(series.dirty_count, 0);
	weir_buf_fini(&bytes);
	weir_series_fini(&series);
}

/* Two examples of neighbouring buckets stand side by side; a newer one of a bucket replaces the older. */
static void an_example_is_the_newest_of_its_bucket(void **state)
{
	struct weir_series series, loaded;
	struct weir_series_example example = { .trace_id = { 1 }, .time_ns = 1 };
	const struct weir_observation slow[3] = { { 1, 0 }, { 4000000000, 0 }, { 0, 0.5 } };
	const struct weir_observation fast[3] = { { 1, 0 }, { 600000000, 0 }, { 0, 0.5 } };
	struct weir_series_hit hit;
	const uint64_t *words;

	(void)state;
	weir_series_init(&series, &schema, 100, 1);
	weir_series_init(&loaded, &schema, 100, 1);
	hit = find(&series, 0, weir_str_of(labels), 3);
	weir_series_exemplar(&series, hit, slow, &example);
	example.trace_id[0] = 2;
	example.time_ns = 2;
	weir_series_exemplar(&series, hit, fast, &example);
	example.trace_id[0] = 3;
	example.time_ns = 3;
	weir_series_exemplar(&series, hit, fast, &example);
	example.trace_id[0] = 4;
	weir_series_exemplar(&series, hit, fast, &example); /* of the same moment: passed over */
	example.time_ns = 2;
	weir_series_exemplar(&series, hit, fast, &example); /* an older one that came late: likewise */
	words = series.sets[hit.set].exemplars;
	assert_int_equal(((const uint8_t *)words)[0], 1);
	assert_int_equal(words[WEIR_SERIES_EXEMPLAR_HEAD + 1], 4000000000);
	assert_int_equal(((const uint8_t *)(words + 7))[0], 3);
	assert_int_equal(words[7 + 3], 3);
	assert_true(words[7 + WEIR_SERIES_EXEMPLAR_HEAD + 2] == UINT64_MAX); /* of a metric that did not count */
	carry(&series, &loaded, false);
	series_equal(&series, &loaded);
	weir_series_fini(&series);
	weir_series_fini(&loaded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_label_set_is_found_again_and_groups_are_apart),
		cmocka_unit_test(a_metric_is_there_from_when_it_counts_and_beyond_the_budget_in_the_overflow),
		cmocka_unit_test(overflow_keeps_three_labels_and_reads_escapes),
		cmocka_unit_test(overflow_itself_is_bounded),
		cmocka_unit_test(an_overflow_that_is_silent_goes_and_gives_room),
		cmocka_unit_test(a_text_that_is_too_long_overflows_whatever_the_budget),
		cmocka_unit_test(what_is_silent_goes_and_comes_back_from_zero),
		cmocka_unit_test(another_schema_takes_what_is_the_same),
		cmocka_unit_test(live_and_gone_are_all_that_was_counted_whatever_restarts_lay_between),
		cmocka_unit_test(what_was_saved_under_another_schema_is_read_by_ids),
		cmocka_unit_test(an_overflow_set_comes_back_after_other_metrics),
		cmocka_unit_test(what_grew_is_saved_before_it_counts),
		cmocka_unit_test(what_an_overflow_has_begun_it_goes_on_with),
		cmocka_unit_test(an_overflow_keeps_neither_long_values_nor_ever_more_of_them),
		cmocka_unit_test(a_sum_that_is_full_begins_anew),
		cmocka_unit_test(cells_are_bounded_whatever_the_masks),
		cmocka_unit_test(a_delta_has_only_what_moved_and_each_text_once),
		cmocka_unit_test(an_example_is_the_newest_of_its_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
