/* point_scene: a fold whose passed-through series expire, and senders of points. */
#include "support/point_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/snapshot_part.h"

struct weir_fold *fold_make(uint32_t max_series)
{
	const struct weir_fold_opts opts = { .max_series = max_series, .hash_seed = 42, .began_ns = BEGAN };
	struct weir_fold *fold;

	assert_int_equal(weir_fold_create(&opts, &fold), 0);
	return fold;
}

void scene_make(struct scene *scene, uint32_t max_series)
{
	memset(scene, 0, sizeof(*scene));
	scene->fold = fold_make(max_series);
	scene->retire = weir_retire_create();
	assert_non_null(scene->retire);
	weir_points_retire(&scene->fold->points, scene->retire);
	scene->now_ns = T0;
}

void scene_end(struct scene *scene)
{
	weir_snapshot_let_go(scene->snapshot);
	batch_maker_fini(&scene->maker);
	weir_fold_destroy(scene->fold);
	weir_retire_destroy(scene->retire);
}

void sweep(struct weir_fold *fold)
{
	weir_points_expire(&fold->points, fold->watermark_ns, EXPIRY);
}

/* A sender's point, of an instrument that is a SUM unless the test says else. */
struct weir_point *point_begin(
	struct scene *scene, const char *service, const char *name, unsigned kind, unsigned temporality)
{
	struct weir_point *point;

	batch_maker_begin(&scene->maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_METRIC_POINT, "sender", scene->now_ns);
	batch_maker_resource(&scene->maker, service);
	point = batch_maker_point(&scene->maker, batch_maker_instrument(&scene->maker, name, kind, temporality));
	point->start_ns = T0 - 3600 * S;
	point->time_ns = scene->now_ns;
	point->flags = WEIR_POINT_IS_INT | WEIR_POINT_HAS_SUM;
	return point;
}

void point_end(struct scene *scene)
{
	assert_int_equal(weir_fold_batch(scene->fold, batch_maker_finish(&scene->maker)), 0);
	scene->now_ns += S;
}

void counter_since(struct scene *scene, const char *service, const char *name, uint64_t start_ns, int64_t value)
{
	struct weir_point *point = point_begin(scene, service, name, WEIR_INSTRUMENT_SUM, CUMULATIVE);

	point->start_ns = start_ns;
	point->value.integer = value;
	point_end(scene);
}

void counter(struct scene *scene, const char *service, const char *name, int64_t value)
{
	counter_since(scene, service, name, T0 - 3600 * S, value);
}

void gauge(struct scene *scene, const char *service, const char *name, int64_t value)
{
	point_begin(scene, service, name, WEIR_INSTRUMENT_GAUGE, 0)->value.integer = value;
	point_end(scene);
}

/* So much later, somebody else sends; then it is swept. */
void later(struct scene *scene, uint64_t ns)
{
	scene->now_ns += ns;
	gauge(scene, "somebody.else", "clock", 1);
	sweep(scene->fold);
}

const struct weir_family_view *family_of(struct scene *scene, const char *name)
{
	weir_snapshot_let_go(scene->snapshot);
	assert_int_equal(weir_snapshot_make(scene->fold, WEIR_SNAPSHOT_POINTS, 0, T0, &scene->snapshot), 0);
	for (uint32_t i = 0; i < scene->snapshot->family_count; i++) {
		if (weir_str_is(scene->snapshot->families[i].name, name)) {
			return &scene->snapshot->families[i];
		}
	}
	return NULL;
}

const struct weir_point_view *only(struct scene *scene, const char *name)
{
	const struct weir_family_view *family = family_of(scene, name);

	assert_non_null(family);
	assert_int_equal(family->point_count, 1);
	return family->points;
}

/* What the row of this metric says; all rows: NULL. Behind a row of weir's own. */
/* The rows, behind one of a metric of weir's own; to be freed, as their names. */
static struct weir_expired_view *expired_rows(const struct weir_fold *fold, uint32_t *ret_count, char **ret_names)
{
	size_t count = weir_snapshot_points_expired_count(fold) + 1;
	size_t bytes = weir_snapshot_points_expired_bytes(fold);
	struct weir_expired_view *rows = calloc(count, sizeof(*rows));
	struct weir_snapshot snapshot = { .began_ns = weir_fold_began(fold), .expired_count = 1 };
	struct weir_snapshot_room room;

	*ret_names = malloc(bytes);
	assert_non_null(rows);
	assert_non_null(*ret_names);
	room = (struct weir_snapshot_room){ .at = *ret_names, .end = *ret_names + bytes };
	rows[0] = (struct weir_expired_view){ .metric = weir_str_of("istio_requests_total"), .value = 0 };
	weir_snapshot_points_expired_copy(fold, &snapshot, rows, &room);
	assert_in_range(snapshot.expired_count, 1, count);
	*ret_count = snapshot.expired_count;
	return rows;
}

double expired_of(const struct weir_fold *fold, const char *metric)
{
	char *names;
	uint32_t n;
	struct weir_expired_view *rows = expired_rows(fold, &n, &names);
	double sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		sum += metric == NULL || weir_str_is(rows[i].metric, metric) ? rows[i].value : 0;
		for (uint32_t k = 0; k < i; k++) {
			assert_false(weir_str_equal(rows[i].metric, rows[k].metric));
		}
	}
	free(rows);
	free(names);
	return sum;
}

uint64_t expired_since(const struct weir_fold *fold, const char *metric)
{
	char *names;
	uint32_t n, at = 0;
	struct weir_expired_view *rows = expired_rows(fold, &n, &names);
	uint64_t since_ns;

	while (at < n && !weir_str_is(rows[at].metric, metric)) {
		at++;
	}
	assert_true(at < n);
	since_ns = rows[at].created_ns;
	free(rows);
	free(names);
	return since_ns;
}

/* All that is in the family, and all that went. */
double total_of(struct scene *scene, const char *name)
{
	const struct weir_family_view *family = family_of(scene, name);
	double sum = expired_of(scene->fold, name);

	for (uint32_t i = 0; family != NULL && i < family->point_count; i++) {
		sum += (double)family->points[i].whole;
	}
	return sum;
}

void digests_equal(const struct weir_fold *a, const struct weir_fold *b)
{
	uint8_t digests[2][16];

	weir_fold_digest(a, digests[0]);
	weir_fold_digest(b, digests[1]);
	assert_memory_equal(digests[0], digests[1], 16);
}

void cut_and_load(struct weir_fold *from, struct weir_fold *to, bool as_image)
{
	struct weir_buf bytes;

	weir_buf_init(&bytes, 0);
	assert_int_equal(weir_fold_cut(from, as_image, &bytes), 0);
	assert_int_equal(weir_fold_load(to, weir_buf_str(&bytes)), 0);
	weir_buf_fini(&bytes);
}
