/* test_replay: whatever restarts, budgets and expiries lie between batches, tables are equal, nothing that was
 * scraped goes down, and nothing is lost: random batches against a fold that never stops and one without bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "aggregate/state.h"
#include "rules/passthrough.h"
#include "support/batch_maker.h"
#include "support/batch_random.h"
#include "support/ruleset_of.h"

#define T0 1700000000000000000u
#define RULES 3u

/* Metrics of few labels, all of which an overflow keeps; values that now and then are none; equal labels, different
 * matches. `%s` is how many buckets, so that a metric becomes another one. */
static const char documents[] =
	"{kind: instance, apiVersion: config.istio.io/v1alpha2, metadata: {name: one, namespace: n}, spec: "
	"{compiledTemplate: metric, params: {value: '1', dimensions: {reporter: weir.reporter | \"\", "
	"response_code: response.code | 0}}}}\n---\n"
	"{kind: instance, apiVersion: config.istio.io/v1alpha2, metadata: {name: some, namespace: n}, spec: "
	"{compiledTemplate: metric, params: {value: 'conditional((request.id | \"\") == \"id-1\", "
	"size(request.headers[\"none\"]), 3)', dimensions: {reporter: weir.reporter | \"\", "
	"w: source.workload.name | \"\"}}}}\n---\n"
	"{kind: instance, apiVersion: config.istio.io/v1alpha2, metadata: {name: took, namespace: n}, spec: "
	"{compiledTemplate: metric, params: {value: response.duration, dimensions: {reporter: weir.reporter | \"\", "
	"w: source.workload.name | \"\"}}}}\n---\n"
	"{kind: handler, apiVersion: config.istio.io/v1alpha2, metadata: {name: p, namespace: n}, spec: "
	"{compiledAdapter: prometheus, params: {metrics: ["
	"{name: one, instance_name: one.instance.n, kind: COUNTER, label_names: [reporter, response_code]}, "
	"{name: some, instance_name: some.instance.n, kind: COUNTER, label_names: [reporter, w]}, "
	"{name: took, instance_name: took.instance.n, kind: DISTRIBUTION, label_names: [reporter, w], "
	"buckets: {explicit_buckets: {bounds: %s}}}]}}}\n---\n"
	"{kind: rule, apiVersion: config.istio.io/v1alpha2, metadata: {name: all, namespace: n}, spec: "
	"{actions: [{handler: p, instances: [one, some]}]}}\n---\n"
	"{kind: rule, apiVersion: config.istio.io/v1alpha2, metadata: {name: slow, namespace: n}, spec: "
	"{match: 'response.code == 200', actions: [{handler: p, instances: [took]}]}}\n";

static const struct weir_ruleset *rules[RULES];

static const struct weir_ruleset *rules_load(const char *bounds)
{
	char text[4096];
	int length = snprintf(text, sizeof(text), documents, bounds);

	assert_true(length > 0 && (size_t)length < sizeof(text));
	return ruleset_of(text, true);
}

static int rules_make(void **state)
{
	const struct weir_ruleset_opts both = { .is_both = true };
	struct weir_ruleset_error error;

	(void)state;
	rules[0] = rules_load("[0.1, 1]");
	rules[1] = rules_load("[0.1, 1, 4]");
	return weir_ruleset_load(&both, &rules[2], &error);
}

static int rules_let_go(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RULES; i++) {
		weir_ruleset_let_go(rules[i]);
	}
	return 0;
}

static struct weir_fold *fold_make(uint32_t max_series, uint64_t expiry_ns, const struct weir_ruleset *ruleset)
{
	const struct weir_fold_opts opts = {
		.max_series = max_series, .hash_seed = 7, .expiry_ns = expiry_ns, .ruleset = ruleset, .began_ns = 1
	};
	struct weir_fold *fold;

	assert_int_equal(weir_fold_create(&opts, &fold), 0);
	return fold;
}

static void digests_equal(const struct weir_fold *a, const struct weir_fold *b)
{
	uint8_t digests[2][16];

	weir_fold_digest(a, digests[0]);
	weir_fold_digest(b, digests[1]);
	assert_memory_equal(digests[0], digests[1], 16);
}

/* What was stored of a fold: the last image and the deltas after it. */
struct stored {
	struct weir_buf bytes;
	size_t ends[64];
	unsigned count;
};

static void store(struct stored *stored, struct weir_fold *fold, bool as_image)
{
	as_image = as_image || stored->count == 64 || weir_fold_wants_image(fold);
	if (as_image) {
		weir_buf_clear(&stored->bytes);
		stored->count = 0;
	}
	assert_int_equal(weir_fold_cut(fold, as_image, &stored->bytes), 0);
	stored->ends[stored->count++] = stored->bytes.length;
}

static void stored_load(const struct stored *stored, struct weir_fold *fold)
{
	size_t at = 0;

	for (unsigned i = 0; i < stored->count; i++) {
		assert_int_equal(weir_fold_load(fold, weir_str_make(stored->bytes.data + at, stored->ends[i] - at)), 0);
		at = stored->ends[i];
	}
	weir_fold_load_end(fold);
}

static const struct weir_snapshot *scrape(const struct weir_fold *fold)
{
	const struct weir_snapshot *snapshot;

	assert_int_equal(weir_snapshot_make(fold, WEIR_SNAPSHOT_SERIES | WEIR_SNAPSHOT_POINTS, 0, 0, &snapshot), 0);
	return snapshot;
}

static const struct weir_series_view *view_of(const struct weir_snapshot *snapshot, const struct weir_metric *metric,
	struct weir_str labels, uint32_t *ret_count)
{
	const struct weir_series_view *found = NULL;

	for (uint32_t m = 0; m < snapshot->metric_count; m++) {
		for (uint32_t i = 0;
			strcmp(snapshot->metrics[m]->name, metric->name) == 0 && i < snapshot->series_counts[m]; i++) {
			if (weir_str_equal(snapshot->series[m][i].labels, labels)) {
				found = &snapshot->series[m][i];
				(*ret_count)++;
			}
		}
	}
	return found;
}

/* No labels stand twice in a metric, and within one created time nothing goes down. */
static void follows(const struct weir_snapshot *before, const struct weir_snapshot *now)
{
	for (uint32_t m = 0; m < now->metric_count; m++) {
		const struct weir_metric *metric = now->metrics[m];

		for (uint32_t i = 0; i < now->series_counts[m]; i++) {
			const struct weir_series_view *view = &now->series[m][i], *old;
			uint32_t count = 0, ignored = 0;

			view_of(now, metric, view->labels, &count);
			assert_int_equal(count, 1);
			old = before == NULL ? NULL : view_of(before, metric, view->labels, &ignored);
			if (old == NULL || metric->kind == WEIR_METRIC_GAUGE || old->created_ns != view->created_ns) {
				assert_true(old == NULL || old->created_ns < view->created_ns);
				continue;
			}
			if (view->count < old->count || view->sum < old->sum) {
				fail_msg("%s{%.*s} went down: %f %f after %f %f", metric->name,
					(int)view->labels.length, view->labels.data, (double)view->count, view->sum,
					(double)old->count, old->sum);
			}
			for (uint32_t k = 0; metric->kind == WEIR_METRIC_HISTOGRAM && k <= metric->bound_count; k++) {
				assert_true(
					view->buckets[k] >= old->buckets[k]); /* other buckets: another created time */
			}
		}
	}
}

static const struct weir_point_view *point_of(
	const struct weir_snapshot *snapshot, struct weir_str name, struct weir_str labels, uint32_t *ret_count)
{
	const struct weir_point_view *found = NULL;

	for (uint32_t f = 0; f < snapshot->family_count; f++) {
		const struct weir_family_view *family = &snapshot->families[f];

		for (uint32_t i = 0; weir_str_equal(family->name, name) && i < family->point_count; i++) {
			if (weir_str_equal(family->points[i].labels, labels)) {
				found = &family->points[i];
				(*ret_count)++;
			}
		}
	}
	return found;
}

/* The same of what is passed through. */
static void points_follow(const struct weir_snapshot *before, const struct weir_snapshot *now)
{
	for (uint32_t f = 0; f < now->family_count; f++) {
		const struct weir_family_view *family = &now->families[f];

		for (uint32_t i = 0; i < family->point_count; i++) {
			const struct weir_point_view *view = &family->points[i], *old = NULL;
			uint32_t count = 0, ignored = 0;

			point_of(now, family->name, view->labels, &count);
			assert_int_equal(count, 1);
			if (before != NULL && (family->exposed == WEIR_EXPOSED_COUNTER ||
						      family->exposed == WEIR_EXPOSED_HISTOGRAM)) {
				old = point_of(before, family->name, view->labels, &ignored);
			}
			if (old != NULL && old->created_ns == view->created_ns &&
				((double)view->whole + view->real < (double)old->whole + old->real ||
					view->count < old->count)) {
				fail_msg("%.*s{%.*s} went down", (int)family->name.length, family->name.data,
					(int)view->labels.length, view->labels.data);
			}
		}
	}
}

/* And of what went with series that expired. */
static void expired_follow(const struct weir_snapshot *before, const struct weir_snapshot *now)
{
	for (uint32_t i = 0; i < now->expired_count; i++) {
		const struct weir_expired_view *view = &now->expired[i];

		assert_true(view->created_ns > 0);
		for (uint32_t j = 0; before != NULL && j < before->expired_count; j++) {
			const struct weir_expired_view *old = &before->expired[j];

			if (!weir_str_equal(old->metric, view->metric)) {
				continue;
			}
			assert_true(view->created_ns >= old->created_ns);
			if (view->created_ns == old->created_ns && view->value < old->value) {
				fail_msg("the expired of %.*s went down: %f after %f", (int)view->metric.length,
					view->metric.data, view->value, old->value);
			}
		}
	}
}

struct total {
	double count, sum;
};

/* Live, overflow and expired of a metric. */
static struct total total_of(const struct weir_snapshot *snapshot, uint32_t m)
{
	struct weir_str name = weir_str_of(snapshot->metrics[m]->name);
	struct total total = { 0, 0 };

	for (uint32_t i = 0; i < snapshot->series_counts[m]; i++) {
		total.count += (double)snapshot->series[m][i].count;
		total.sum += snapshot->series[m][i].sum;
	}
	for (uint32_t i = 0; i < snapshot->expired_count; i++) {
		struct weir_str row = snapshot->expired[i].metric;

		if (row.length < name.length || memcmp(row.data, name.data, name.length) != 0) {
			continue;
		}
		row = weir_str_make(row.data + name.length, row.length - name.length);
		if (weir_str_is(row, "_count")) {
			total.count += snapshot->expired[i].value;
		} else if (row.length == 0 || weir_str_is(row, "_sum")) {
			total.sum += snapshot->expired[i].value;
			total.count += row.length == 0 ? snapshot->expired[i].value : 0;
		}
	}
	return total;
}

static void nothing_is_lost(const struct weir_snapshot *bounded, const struct weir_snapshot *whole)
{
	assert_int_equal(bounded->metric_count, whole->metric_count);
	for (uint32_t m = 0; m < whole->metric_count; m++) {
		struct total a = total_of(bounded, m), b = total_of(whole, m);
		double wrong = a.sum > b.sum ? a.sum - b.sum : b.sum - a.sum;

		if (a.count != b.count || wrong > 1e-6 * (1 + b.sum)) {
			fail_msg("%s: %f %f, but %f %f were counted", whole->metrics[m]->name, a.count, a.sum, b.count,
				b.sum);
		}
	}
}

struct run {
	struct weir_fold *live, *restarted, *whole;
	struct stored stored;
	const struct weir_snapshot *scraped;
	struct batch_random random;
	unsigned rules;
	uint32_t max_series;
	uint64_t expiry_ns;
};

static void restart(struct run *run)
{
	store(&run->stored, run->restarted, batch_random_number(&run->random, 3) == 0);
	weir_fold_destroy(run->restarted);
	run->restarted = fold_make(run->max_series, run->expiry_ns, rules[run->rules]);
	stored_load(&run->stored, run->restarted);
}

static void reload(struct run *run)
{
	run->rules = (unsigned)batch_random_number(&run->random, RULES);
	store(&run->stored, run->restarted, false);
	weir_fold_rules(run->live, rules[run->rules]);
	weir_fold_rules(run->restarted, rules[run->rules]);
	weir_fold_rules(run->whole, rules[run->rules]);
}

static void step(struct run *run, struct batch_maker *maker, bool has_reloads)
{
	const struct weir_batch *batch = batch_random_next(&run->random, maker);
	const struct weir_snapshot *bounded, *whole;

	weir_fold_batch(run->live, batch);
	weir_fold_batch(run->restarted, batch);
	weir_fold_batch(run->whole, batch);
	digests_equal(run->live, run->restarted);
	bounded = scrape(run->live); /* texts are the fold's, so of the one that stays */
	follows(run->scraped, bounded);
	points_follow(run->scraped, bounded);
	expired_follow(run->scraped, bounded);
	weir_snapshot_let_go(run->scraped);
	run->scraped = bounded;
	if (batch_random_number(&run->random, 8) == 0) {
		whole = scrape(run->whole);
		nothing_is_lost(bounded, whole);
		weir_snapshot_let_go(whole);
	}
	if (has_reloads && batch_random_number(&run->random, 20) == 0) {
		reload(run);
	}
	if (batch_random_number(&run->random, 6) == 0) {
		restart(run);
	} else if (batch_random_number(&run->random, 4) == 0) {
		store(&run->stored, run->restarted, false);
	}
}

static void play(uint64_t seed, bool has_reloads)
{
	static const uint64_t steps[] = { 50000000, 1000000000, 5000000000 };
	struct batch_maker maker = { 0 };
	struct run run = { .random = { .state = seed,
				   .now_ns = T0,
				   .step_ns = steps[seed % 3],
				   .names = 2 + (uint32_t)(seed % 5) },
		.rules = (unsigned)(seed % RULES),
		.max_series = 5 + (uint32_t)(seed * 37 % 200),
		.expiry_ns = seed % 4 == 0 ? 0 : 20000000000 };

	run.live = fold_make(run.max_series, run.expiry_ns, rules[run.rules]);
	run.restarted = fold_make(run.max_series, run.expiry_ns, rules[run.rules]);
	run.whole = fold_make(1000000, 0, rules[run.rules]);
	weir_buf_init(&run.stored.bytes, 0);
	store(&run.stored, run.restarted, true);
	for (unsigned i = 0; i < 120; i++) {
		step(&run, &maker, has_reloads);
	}
	weir_snapshot_let_go(run.scraped);
	weir_buf_fini(&run.stored.bytes);
	weir_fold_destroy(run.live);
	weir_fold_destroy(run.restarted);
	weir_fold_destroy(run.whole);
	batch_maker_fini(&maker);
}

static void small_budgets_expiry_and_restarts_change_nothing_and_lose_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		play(seed, false);
	}
}

static void reloads_between_them_do_not_either(void **state)
{
	(void)state;
	for (uint64_t seed = 101; seed <= 120; seed++) {
		play(seed, true);
	}
}

static bool has_metric(const struct weir_snapshot *snapshot, uint64_t id)
{
	bool has = false;

	for (uint32_t m = 0; m < snapshot->metric_count; m++) {
		has = has || snapshot->metrics[m]->id == id;
	}
	return has;
}

/* What there was no metric for has no series, and nothing of it is gone: it may have counted long ago. */
static void new_metrics_are_empty(const struct weir_snapshot *before, const struct weir_snapshot *now)
{
	for (uint32_t m = 0; m < now->metric_count; m++) {
		if (!has_metric(before, now->metrics[m]->id)) {
			struct total total = total_of(now, m);

			assert_int_equal(now->series_counts[m], 0);
			assert_true(total.count < 1 && total.sum <= 0);
		}
	}
}

/* Another fold, under other rules, goes on with what was stored; what the two scrape fits together. */
static struct weir_fold *other_rules(struct run *run, struct weir_fold *fold)
{
	const struct weir_snapshot *before = scrape(fold), *now;
	struct weir_fold *next;

	run->rules = (unsigned)batch_random_number(&run->random, RULES);
	store(&run->stored, fold, batch_random_number(&run->random, 6) == 0);
	next = fold_make(run->max_series, run->expiry_ns, rules[run->rules]);
	stored_load(&run->stored, next);
	now = scrape(next);
	follows(before, now);
	points_follow(before, now);
	new_metrics_are_empty(before, now);
	weir_snapshot_let_go(before);
	weir_snapshot_let_go(now);
	weir_fold_destroy(fold);
	return next;
}

static void restarts_with_other_rules_go_on_with_what_is_the_same(void **state)
{
	(void)state;
	for (uint64_t seed = 201; seed <= 220; seed++) {
		struct batch_maker maker = { 0 };
		struct run run = { .random = { .state = seed,
					   .now_ns = T0,
					   .step_ns = 2000000000,
					   .names = 2 + (uint32_t)(seed % 5) },
			.rules = 0,
			.max_series = 5 + (uint32_t)(seed * 37 % 100),
			.expiry_ns = 20000000000 };
		struct weir_fold *fold = fold_make(run.max_series, run.expiry_ns, rules[0]);

		weir_buf_init(&run.stored.bytes, 0);
		store(&run.stored, fold, true);
		for (unsigned i = 0; i < 120; i++) {
			const struct weir_snapshot *before = scrape(fold), *now;

			weir_fold_batch(fold, batch_random_next(&run.random, &maker));
			now = scrape(fold);
			follows(before, now);
			weir_snapshot_let_go(before);
			weir_snapshot_let_go(now);
			if (batch_random_number(&run.random, 8) == 0) {
				fold = other_rules(&run, fold);
			} else if (batch_random_number(&run.random, 8) == 0) {
				run.rules = (unsigned)batch_random_number(&run.random, RULES);
				store(&run.stored, fold, false);
				weir_fold_rules(fold, rules[run.rules]);
			} else if (batch_random_number(&run.random, 4) == 0) {
				store(&run.stored, fold, false);
			}
		}
		weir_buf_fini(&run.stored.bytes);
		weir_fold_destroy(fold);
		batch_maker_fini(&maker);
	}
}

/* ---- what did not fit, and fits in part ----------------------------------- */

static void both(struct run *run, const struct weir_batch *batch)
{
	weir_fold_batch(run->live, batch);
	weir_fold_batch(run->restarted, batch);
	digests_equal(run->live, run->restarted);
}

static struct run run_make(uint32_t max_series)
{
	struct run run = { .random = { .state = 1 }, .rules = 2, .max_series = max_series };

	run.live = fold_make(max_series, 0, rules[2]);
	run.restarted = fold_make(max_series, 0, rules[2]);
	weir_buf_init(&run.stored.bytes, 0);
	return run;
}

static void run_end(struct run *run)
{
	weir_buf_fini(&run->stored.bytes);
	weir_fold_destroy(run->live);
	weir_fold_destroy(run->restarted);
}

static const struct weir_batch *connection_batch(
	struct batch_maker *maker, const char *name, uint8_t state, const char *stream)
{
	struct weir_connection *connection;

	batch_maker_begin(maker, WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG, "p", T0);
	connection = batch_maker_connection(maker);
	connection->call.source = batch_maker_workload(maker, name, "default", "v1");
	connection->call.destination = batch_maker_workload(maker, name, "default", "v1");
	connection->call.protocol = WEIR_REQUEST_TCP;
	connection->state = state;
	connection->sent_bytes = 5;
	connection->stream_id = batch_maker_text(maker, stream);
	return batch_maker_finish(maker);
}

/* An opening (three series) is beyond a budget of which two are left; bytes (two) fit: then the next opening counts
 * there, but for what is still beyond, whether or not somebody remembers the first one. */
static void what_was_beyond_the_budget_and_is_not_any_more_is_so_for_all(void **state)
{
	struct batch_maker maker = { 0 };
	struct run run = run_make(14);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		const char name[2] = { (char)('x' + i), '\0' };

		both(&run, connection_batch(&maker, name, WEIR_CONNECTION_OPEN, name));
		both(&run, connection_batch(&maker, name, WEIR_CONNECTION_CLOSE, name));
	}
	assert_int_equal(run.live->series.live_series, 12);
	both(&run, connection_batch(&maker, "b", WEIR_CONNECTION_OPEN, "2"));
	assert_int_equal(run.live->series.overflow_sets, 1);
	both(&run, connection_batch(&maker, "b", WEIR_CONNECTION_CONTINUE, "3"));
	assert_int_equal(run.live->series.live_series, 14);
	restart(&run);
	both(&run, connection_batch(&maker, "b", WEIR_CONNECTION_OPEN, "4"));
	assert_int_equal(run.live->series.overflow_sets, 1);
	run_end(&run);
	batch_maker_fini(&maker);
}

static void span_add(struct batch_maker *maker, uint8_t kind, uint8_t id, uint8_t parent, bool is_error)
{
	struct weir_span *span = batch_maker_span(maker);

	span->kind = kind;
	span->resource = kind == WEIR_SPAN_SERVER ? 1 : 0;
	span->trace_id[0] = 1;
	span->span_id[0] = id;
	span->parent_id[0] = parent;
	span->flags = WEIR_SPAN_NO_DURATION | (is_error ? WEIR_SPAN_ERROR : 0);
}

static const struct weir_batch *call_batch(struct batch_maker *maker, uint8_t id, uint8_t parent, bool is_error)
{
	batch_maker_begin(maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_SPAN, "p", T0);
	batch_maker_resource(maker, "caller");
	batch_maker_resource(maker, "callee");
	span_add(maker, WEIR_SPAN_CLIENT, id, 0, is_error);
	span_add(maker, WEIR_SPAN_SERVER, (uint8_t)(id + 1), parent, is_error);
	return batch_maker_finish(maker);
}

/* The same of calls between spans: a failed one has a series more. */
static void so_it_is_for_calls_between_spans(void **state)
{
	struct batch_maker maker = { 0 };
	struct run run = run_make(28);

	(void)state;
	both(&run, call_batch(&maker, 10, 99, false)); /* two spans that do not meet */
	both(&run, call_batch(&maker, 20, 20, true));
	assert_int_equal(run.live->traces.live_series, 4);
	assert_int_equal(run.live->traces.overflow_sets, 1);
	both(&run, call_batch(&maker, 30, 30, false));
	assert_int_equal(run.live->traces.live_series, 7);
	restart(&run);
	both(&run, call_batch(&maker, 40, 40, true));
	run_end(&run);
	batch_maker_fini(&maker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_budgets_expiry_and_restarts_change_nothing_and_lose_nothing),
		cmocka_unit_test(reloads_between_them_do_not_either),
		cmocka_unit_test(restarts_with_other_rules_go_on_with_what_is_the_same),
		cmocka_unit_test(what_was_beyond_the_budget_and_is_not_any_more_is_so_for_all),
		cmocka_unit_test(so_it_is_for_calls_between_spans),
	};

	return cmocka_run_group_tests(tests, rules_make, rules_let_go);
}
