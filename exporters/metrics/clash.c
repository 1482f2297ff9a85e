/* clash: see the header.
 *
 *   exposed                OpenMetrics' family   takes the names
 *   counter x_total        x, counter            x, x_total, x_created
 *   counter x              x, unknown            x
 *   target_info            target, info          target, target_info
 *   gauge x                x, gauge              x
 *   histogram x            x, histogram          x, x_bucket, x_sum, x_count, x_created
 *   summary x              x, summary            x, x_sum, x_count, x_created
 *
 * What a family must have in any case is taken first, in their order: its own
 * name and the names of its samples; who finds one of them taken is left out.
 * (The fold lets no two families have samples of one name; what it does not
 * look at is `_created`.) Then a counter gets its short name, if that and
 * `_created` are still free; else it is of type unknown, which keeps the names
 * of its samples. So `x` and `x_total` stand beside each other.
 *
 * Names are compared by a 64-bit hash of theirs: should two ever be equal, a
 * counter is called unknown.
 *
 * Invariants
 *  1. No name is taken by two families that OpenMetrics shows.
 *  2. A sample is called the same here as in the other formats.
 *
 * Thread: any. */
#include "exporters/metrics/clash.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

#define NAMES_OF_ONE 5u /* that a family takes at most */
#define FNV_BASIS 14695981039346656037u
#define FNV_PRIME 1099511628211u

static void note(struct weir_exposition *out)
{
	struct weir_clash *clash = (struct weir_clash *)out;
	const struct weir_clash_row row = { .name = out->family.name, .type = (uint8_t)out->family.type };

	weir_buf_add(&clash->rows, &row, sizeof(row));
}

static bool pass(struct weir_exposition *out)
{
	(void)out;
	return false;
}

void weir_clash_begin(struct weir_clash *clash)
{
	static const struct weir_exposition_format format = { note, pass, NULL, NULL };

	*clash = (struct weir_clash){ .base = { .format = &format } };
	weir_buf_init(&clash->rows, 0);
}

void weir_clash_end(struct weir_clash *clash)
{
	weir_buf_fini(&clash->rows);
	free(clash->taken);
	clash->taken = NULL;
}

static struct weir_clash_row *rows_of(struct weir_clash *clash, uint32_t *ret_count)
{
	*ret_count = (uint32_t)(clash->rows.length / sizeof(struct weir_clash_row));
	return (struct weir_clash_row *)clash->rows.data;
}

static uint64_t hash_more(uint64_t hash, struct weir_str text)
{
	for (size_t i = 0; i < text.length; i++) {
		hash = (hash ^ (unsigned char)text.data[i]) * FNV_PRIME;
	}
	return hash;
}

/* The place of the name, or the free one where it belongs. */
static uint64_t *place_of(struct weir_clash *clash, struct weir_str name, const char *suffix, uint64_t *ret_hash)
{
	uint64_t hash = hash_more(hash_more(FNV_BASIS, name), weir_str_of(suffix));
	uint32_t at;

	*ret_hash = hash = hash != 0 ? hash : 1;
	for (at = (uint32_t)(hash >> 32) & clash->taken_mask; clash->taken[at] != 0 && clash->taken[at] != hash;
		at = (at + 1) & clash->taken_mask) {
	}
	return &clash->taken[at];
}

static bool is_free(struct weir_clash *clash, struct weir_str name, const char *suffix)
{
	uint64_t hash;

	return *place_of(clash, name, suffix, &hash) == 0;
}

static void take(struct weir_clash *clash, struct weir_str name, const char *suffix)
{
	uint64_t hash, *place = place_of(clash, name, suffix, &hash);

	*place = hash;
}

/* What the family must have; up to NULL. */
static const char *const *suffixes_of(uint8_t type)
{
	static const char *const alone[] = { "", NULL };
	static const char *const histogram[] = { "", "_bucket", "_sum", "_count", "_created", NULL };
	static const char *const summary[] = { "", "_sum", "_count", "_created", NULL };

	return type == WEIR_EXPOSED_HISTOGRAM ? histogram : type == WEIR_EXPOSED_SUMMARY ? summary : alone;
}

static void take_own(struct weir_clash *clash, struct weir_clash_row *row)
{
	const char *const *suffixes = suffixes_of(row->type);

	for (unsigned i = 0; suffixes[i] != NULL; i++) {
		if (!is_free(clash, row->name, suffixes[i])) {
			row->form = WEIR_CLASH_LEFT_OUT;
			clash->left_out++;
			return;
		}
	}
	for (unsigned i = 0; suffixes[i] != NULL; i++) {
		take(clash, row->name, suffixes[i]);
	}
}

static void shorten(struct weir_clash *clash, struct weir_clash_row *row)
{
	bool is_info = weir_str_is(row->name, WEIR_PASSTHROUGH_TARGET);
	struct weir_str name = row->name;

	if (row->form == WEIR_CLASH_LEFT_OUT || (row->type != WEIR_EXPOSED_COUNTER && !is_info)) {
		return;
	}
	row->form = WEIR_CLASH_UNKNOWN;
	if (!is_info && !weir_str_ends_with(name, "_total")) {
		return;
	}
	name.length -= is_info ? strlen("_info") : strlen("_total");
	if (name.length > 0 && is_free(clash, name, "") && (is_info || is_free(clash, name, "_created"))) {
		take(clash, name, "");
		if (!is_info) {
			take(clash, name, "_created");
		}
		row->form = WEIR_CLASH_TYPED;
	}
}

int weir_clash_settle(struct weir_clash *clash)
{
	struct weir_clash_row *rows;
	uint32_t count, places = 64;

	if (weir_buf_error(&clash->rows) != 0) {
		return -ENOMEM;
	}
	rows = rows_of(clash, &count);
	while (places < 2 * NAMES_OF_ONE * (uint64_t)count) {
		places *= 2;
	}
	clash->taken = calloc(places, sizeof(*clash->taken));
	if (clash->taken == NULL) {
		return -ENOMEM;
	}
	clash->taken_mask = places - 1;
	for (uint32_t i = 0; i < count; i++) {
		take_own(clash, &rows[i]);
	}
	for (uint32_t i = 0; i < count; i++) {
		shorten(clash, &rows[i]);
	}
	return 0;
}

enum weir_clash_form weir_clash_next(struct weir_clash *clash, struct weir_str name)
{
	const struct weir_clash_row *rows;
	uint32_t count;

	rows = rows_of(clash, &count);
	weir_assert(clash->at < count && weir_str_equal(rows[clash->at].name, name));
	return (enum weir_clash_form)rows[clash->at++].form;
}
