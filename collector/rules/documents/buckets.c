/* buckets: explicit, linear and exponential bounds.
 *
 *   explicit_buckets:     bounds: [b0, b1, …]
 *   linear_buckets:       num_finite_buckets n, offset o, width w:        o, o+w, … o+n·w
 *   exponential_buckets:  num_finite_buckets n, scale s, growth_factor g: s, s·g, … s·gⁿ
 *
 * n finite buckets have n + 1 bounds: what lies below the first one is a bucket more. */
#include "rules/documents/buckets.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "rules/documents/mixer_yaml.h"

static const double usual[] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 };

#define NUMBER_MAX_BYTES 64u

bool weir_buckets_number(struct weir_str text, double *ret)
{
	char copy[NUMBER_MAX_BYTES + 1], *end = NULL;
	double number;

	/* strtod takes more than a document should: blanks, hexadecimal, names of infinities. */
	if (text.length == 0 || text.length > NUMBER_MAX_BYTES || strspn(text.data, "0123456789.eE+-") < text.length) {
		return false;
	}
	memcpy(copy, text.data, text.length);
	copy[text.length] = '\0';
	number = strtod(copy, &end);
	if (*end != '\0' || !isfinite(number)) {
		return false;
	}
	*ret = number;
	return true;
}

static int number_get(const struct weir_node *map, const char *name, double *ret, struct weir_ruleset_error *ret_error)
{
	const struct weir_node *node = weir_node_get(map, name);

	if (node == NULL) {
		return weir_node_wrong(map, ret_error, "these buckets need %s", name);
	}
	if (node->kind != WEIR_NODE_TEXT || !weir_buckets_number(node->text, ret)) {
		return weir_node_wrong(node, ret_error, "%s is a number", name);
	}
	return 0;
}

static int count_get(const struct weir_node *map, uint32_t *ret, struct weir_ruleset_error *ret_error)
{
	double count;
	int r = number_get(map, "num_finite_buckets", &count, ret_error);

	if (r != 0) {
		return r;
	}
	if (count < 1 || count + 1 > WEIR_METRIC_BOUNDS_MAX || count != floor(count)) {
		return weir_node_wrong(weir_node_get(map, "num_finite_buckets"), ret_error,
			"num_finite_buckets is a whole number from 1 to %u", WEIR_METRIC_BOUNDS_MAX - 1);
	}
	*ret = (uint32_t)count + 1;
	return 0;
}

static int explicit_read(
	const struct weir_node *map, double *bounds, uint32_t *ret_count, struct weir_ruleset_error *ret_error)
{
	static const char *const fields[] = { "bounds", NULL };
	const struct weir_node *list = weir_node_get(map, "bounds");
	int r = weir_mixer_yaml_fields(map, fields, "explicit_buckets", ret_error);

	if (r != 0) {
		return r;
	}
	if (list == NULL || list->kind != WEIR_NODE_LIST || list->count == 0) {
		return weir_node_wrong(
			list != NULL ? list : map, ret_error, "explicit_buckets need bounds, a list of numbers");
	}
	if (list->count > WEIR_METRIC_BOUNDS_MAX) {
		return weir_node_wrong(
			list, ret_error, "%u bounds are more than %u", list->count, WEIR_METRIC_BOUNDS_MAX);
	}
	for (const struct weir_node *node = list->first; node != NULL; node = node->next) {
		double *bound = &bounds[*ret_count];

		if (node->kind != WEIR_NODE_TEXT || !weir_buckets_number(node->text, bound)) {
			return weir_node_wrong(node, ret_error, "a bound is a number");
		}
		if (*ret_count > 0 && *bound <= bound[-1]) {
			return weir_node_wrong(
				node, ret_error, "bounds ascend: %g does not follow %g", *bound, bound[-1]);
		}
		(*ret_count)++;
	}
	return 0;
}

static int linear_read(
	const struct weir_node *map, double *bounds, uint32_t *ret_count, struct weir_ruleset_error *ret_error)
{
	static const char *const fields[] = { "num_finite_buckets", "width", "offset", NULL };
	double width = 0, offset = 0;
	int r = weir_mixer_yaml_fields(map, fields, "linear_buckets", ret_error);

	r = r != 0 ? r : count_get(map, ret_count, ret_error);
	r = r != 0 ? r : number_get(map, "width", &width, ret_error);
	r = r != 0 || weir_node_get(map, "offset") == NULL ? r : number_get(map, "offset", &offset, ret_error);
	if (r == 0 && width <= 0) {
		r = weir_node_wrong(weir_node_get(map, "width"), ret_error, "width is above 0");
	}
	for (uint32_t i = 0; r == 0 && i < *ret_count; i++) {
		bounds[i] = offset + i * width;
	}
	return r;
}

static int exponential_read(
	const struct weir_node *map, double *bounds, uint32_t *ret_count, struct weir_ruleset_error *ret_error)
{
	static const char *const fields[] = { "num_finite_buckets", "growth_factor", "scale", NULL };
	double growth = 0, scale = 0;
	int r = weir_mixer_yaml_fields(map, fields, "exponential_buckets", ret_error);

	r = r != 0 ? r : count_get(map, ret_count, ret_error);
	r = r != 0 ? r : number_get(map, "growth_factor", &growth, ret_error);
	r = r != 0 ? r : number_get(map, "scale", &scale, ret_error);
	if (r == 0 && growth <= 1) {
		r = weir_node_wrong(weir_node_get(map, "growth_factor"), ret_error, "growth_factor is above 1");
	}
	if (r == 0 && scale <= 0) {
		r = weir_node_wrong(weir_node_get(map, "scale"), ret_error, "scale is above 0");
	}
	for (uint32_t i = 0; r == 0 && i < *ret_count; i++) {
		bounds[i] = i == 0 ? scale : bounds[i - 1] * growth;
	}
	return r;
}

/* Neighbours that rounding made equal, or infinite ones. */
static int order_check(
	const struct weir_node *node, const double *bounds, uint32_t count, struct weir_ruleset_error *ret_error)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1])) {
			return weir_node_wrong(node, ret_error, "these buckets do not ascend");
		}
	}
	return 0;
}

int weir_buckets_read(const struct weir_node *node, struct weir_arena *arena, const double **ret_bounds,
	uint32_t *ret_count, struct weir_ruleset_error *ret_error)
{
	static const struct {
		const char *name;
		int (*read)(const struct weir_node *, double *, uint32_t *, struct weir_ruleset_error *);
	} sorts[] = { { "explicit_buckets", explicit_read }, { "linear_buckets", linear_read },
		{ "exponential_buckets", exponential_read } };
	double *bounds;
	uint32_t count = 0;
	int r;

	if (node == NULL || (node->kind == WEIR_NODE_TEXT && node->is_null)) {
		*ret_bounds = usual;
		*ret_count = sizeof(usual) / sizeof(usual[0]);
		return 0;
	}
	bounds = weir_arena_alloc(arena, WEIR_METRIC_BOUNDS_MAX * sizeof(*bounds));
	if (bounds == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++) {
		const struct weir_node *sort = weir_node_get(node, sorts[i].name);

		if (sort == NULL || node->count != 1 || sort->kind != WEIR_NODE_MAP) {
			continue;
		}
		r = sorts[i].read(sort, bounds, &count, ret_error);
		r = r != 0 ? r : order_check(sort, bounds, count, ret_error);
		if (r == 0) {
			*ret_bounds = bounds;
			*ret_count = count;
		}
		return r;
	}
	return weir_node_wrong(node, ret_error,
		"buckets are one of explicit_buckets, linear_buckets, exponential_buckets, each a map");
}
