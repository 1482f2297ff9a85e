/* family_name: which names a family of passed-through metrics may have.
 *
 * A family takes several names: its own, those of its samples, and the one that
 * OpenMetrics gives it:
 *
 *   counter x, or x_total   x, x_total, x_created
 *   histogram x             x, x_bucket, x_sum, x_count, x_created
 *   summary x               x, x_sum, x_count, x_created
 *   gauge x                 x
 *
 * No name has two types, so a family that would take a name of one of another
 * type is not made: the first stays. Two counters may share names (Envoy has
 * upstream_rq and upstream_rq_total, with other labels): their type is one.
 *
 * weir's own metrics come first, whenever they come: a family of the same name
 * and type joins its metric; one that clashes is not made, or, if the rules were
 * changed while it was there, is hidden for as long as they are so. It goes on
 * counting, and each of its points is counted as conflicting.
 *
 * Invariant: of families that are exposed, and weir's metrics, no two clash. */
#include "aggregate/points/family.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define SUFFIXES_MAX 4u

static const char *const suffixes[WEIR_EXPOSEDS][SUFFIXES_MAX] = {
	[WEIR_EXPOSED_GAUGE] = { NULL },
	[WEIR_EXPOSED_COUNTER] = { "_total", "_created" },
	[WEIR_EXPOSED_HISTOGRAM] = { "_bucket", "_sum", "_count", "_created" },
	[WEIR_EXPOSED_SUMMARY] = { "_sum", "_count", "_created" },
};

static const char *const all_suffixes[] = { "_total", "_created", "_bucket", "_sum", "_count" };

struct named { /* a family, ours or a sender's; `root`: its name without a counter's _total */
	struct weir_str name, root;
	enum weir_exposed exposed;
};

static struct named named_of(struct weir_str name, enum weir_exposed exposed)
{
	struct named named = { name, name, exposed };

	if (exposed == WEIR_EXPOSED_COUNTER && weir_str_ends_with(name, "_total")) {
		named.root.length -= strlen("_total");
	}
	return named;
}

/* Is `name` one of the names that this family takes? */
static bool takes(const struct named *family, struct weir_str name)
{
	const char *const *suffix = suffixes[family->exposed];

	if (name.length < family->root.length || family->root.length == 0 ||
		memcmp(name.data, family->root.data, family->root.length) != 0) {
		return false;
	}
	name.data += family->root.length;
	name.length -= family->root.length;
	for (unsigned i = 0; i < SUFFIXES_MAX && suffix[i] != NULL && name.length > 0; i++) {
		if (weir_str_is(name, suffix[i])) {
			return true;
		}
	}
	return name.length == 0;
}

/* Names begin with their roots, and no suffix ends with another: who has a name
 * in common, has it as the root of one of the two. */
static bool are_at_odds(const struct named *a, const struct named *b)
{
	if (a->exposed == b->exposed && (a->exposed == WEIR_EXPOSED_COUNTER || weir_str_equal(a->name, b->name))) {
		return false;
	}
	return takes(a, b->root) || takes(b, a->root);
}

uint32_t weir_families_named(const struct weir_families *families, struct weir_str name)
{
	uint32_t id = weir_text_find(&families->names, name, 0);

	return id != WEIR_TEXT_FULL && id != WEIR_TEXT_EMPTY ? id : WEIR_NONE;
}

/* The first of weir's metrics that it clashes with; NULL: none. */
static bool clashes_with_ours(const struct weir_families *families, const struct named *family)
{
	for (unsigned k = 0; k < WEIR_FAMILY_SCHEMAS; k++) {
		const struct weir_schema *schema = families->schemas[k];

		for (uint32_t i = 0; schema != NULL && i < schema->metric_count; i++) {
			const struct weir_metric *metric = &schema->metrics[i];
			struct named ours =
				named_of(weir_str_of(metric->name), weir_passthrough_type_of_kind(metric->kind));

			if (are_at_odds(family, &ours)) {
				return true;
			}
		}
	}
	return false;
}

static bool is_at_odds_with(const struct weir_families *families, const struct named *family, struct weir_str name)
{
	uint32_t other = weir_families_named(families, name);
	struct named theirs;

	if (other == WEIR_NONE) {
		return false;
	}
	theirs = named_of(name, (enum weir_exposed)families->rows[other].exposed);
	return are_at_odds(family, &theirs);
}

/* Senders' families of the root, of a name that it takes, or that take its root. */
static bool clashes_with_theirs(struct weir_families *families, const struct named *family)
{
	if (is_at_odds_with(families, family, family->root)) {
		return true;
	}
	for (size_t i = 0; i < sizeof(all_suffixes) / sizeof(all_suffixes[0]); i++) {
		struct weir_buf *longer = &families->scratch;
		struct weir_str base = family->root;

		weir_buf_clear(longer);
		weir_buf_add_str(longer, family->root);
		weir_buf_add_text(longer, all_suffixes[i]);
		if (is_at_odds_with(families, family, weir_buf_str(longer))) {
			return true;
		}
		/* A counter of x_sum is x_sum_total, as a rule. */
		weir_buf_add_text(longer, "_total");
		if (is_at_odds_with(families, family, weir_buf_str(longer))) {
			return true;
		}
		if (!weir_str_ends_with(base, all_suffixes[i])) {
			continue;
		}
		base.length -= strlen(all_suffixes[i]);
		weir_buf_clear(longer);
		weir_buf_add_str(longer, base);
		weir_buf_add_text(longer, "_total");
		if (is_at_odds_with(families, family, base) ||
			is_at_odds_with(families, family, weir_buf_str(longer))) {
			return true;
		}
	}
	return false;
}

bool weir_families_clash(struct weir_families *families, struct weir_str name, enum weir_exposed exposed)
{
	const struct named family = named_of(name, exposed);

	return clashes_with_ours(families, &family) || clashes_with_theirs(families, &family);
}

void weir_families_place(struct weir_families *families, uint32_t family)
{
	struct weir_family *row = &families->rows[family];
	const struct named named = named_of(weir_text_str(&families->names, family), (enum weir_exposed)row->exposed);
	uint32_t before = 0;

	row->metric = WEIR_NONE;
	row->is_hidden = clashes_with_ours(families, &named);
	for (unsigned k = 0; k < WEIR_FAMILY_SCHEMAS && !row->is_hidden; k++) {
		const struct weir_schema *schema = families->schemas[k];

		for (uint32_t i = 0; schema != NULL && i < schema->metric_count; i++) {
			if (weir_str_is(named.name, schema->metrics[i].name)) {
				row->metric = before + i;
			}
		}
		before += schema != NULL ? schema->metric_count : 0;
	}
}

void weir_families_schema(
	struct weir_families *families, const struct weir_schema *const *schemas, uint32_t schema_count)
{
	for (uint32_t i = 0; i < WEIR_FAMILY_SCHEMAS; i++) {
		families->schemas[i] = i < schema_count ? schemas[i] : NULL;
	}
	for (uint32_t i = 1; i < families->row_capacity; i++) {
		if (families->rows[i].is_known) {
			weir_families_place(families, i);
		}
	}
}
