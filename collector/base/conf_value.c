/* conf_value: texts of an operator → values of a configuration.
 *
 *   text     its length lies between low and high (0: no bound), no NUL inside
 *   list     "a, b" or one by one; no empty item; the empty text is the empty list
 *   size     digits, then nothing, B, KB MB GB TB (1000) or KiB MiB GiB TiB (1024)
 *   seconds  digits, then nothing, s, m, h or d
 *   count    digits
 *   choice   one of the words in `range`
 *
 * Numbers lie between low and high. A blank before the unit is allowed, a sign
 * or a fraction is not. Main thread, at the start. */
#include "base/conf_value.h"

#include <errno.h>

#include "base/err.h"

#define WEIR_CONF(section, key, type, value, low, high, range, sentence)                                               \
	{ #section, #key, WEIR_CONF_IS_##type, value, low, high, range, sentence,                                      \
		offsetof(struct weir_conf, section##_##key) },
const struct weir_conf_row weir_conf_rows[WEIR_CONF_ROWS] = {
#include "base/conf.def"
};
#undef WEIR_CONF

const struct weir_conf_row *weir_conf_row_find(struct weir_str section, struct weir_str key)
{
	for (size_t i = 0; i < WEIR_CONF_ROWS; i++) {
		if (weir_str_is(section, weir_conf_rows[i].section) && weir_str_is(key, weir_conf_rows[i].key)) {
			return &weir_conf_rows[i];
		}
	}
	return NULL;
}

struct unit {
	const char *name;
	uint64_t factor;
};

/* A bound is written with the largest one that divides it. */
static const struct unit sizes[] = { { "", 1 }, { "B", 1 }, { "KB", 1000 }, { "MB", 1000000 }, { "GB", 1000000000 },
	{ "TB", 1000000000000 }, { "KiB", 1ull << 10 }, { "MiB", 1ull << 20 }, { "GiB", 1ull << 30 },
	{ "TiB", 1ull << 40 }, { NULL, 0 } };
static const struct unit times[] = { { "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }, { NULL, 0 } };
static const struct unit counts[] = { { "", 1 }, { NULL, 0 } };

static const struct unit *units_of(const struct weir_conf_row *row)
{
	return row->type == WEIR_CONF_IS_size ? sizes : row->type == WEIR_CONF_IS_seconds ? times : counts;
}

static void *slot_of(const struct weir_conf_row *row, struct weir_conf *conf)
{
	return (char *)conf + row->offset;
}

/* May a bound be written with this unit? Not with the decimal ones of a size; nor without one, if it is a time. */
static bool is_for_writing(const struct weir_conf_row *row, const struct unit *unit)
{
	switch (row->type) {
	case WEIR_CONF_IS_size:
		return unit->factor == 1 || unit->factor % 1024 == 0;
	case WEIR_CONF_IS_seconds:
		return unit->name[0] != '\0';
	default:
		return true;
	}
}

void weir_conf_value_write(const struct weir_conf_row *row, uint64_t value, struct weir_buf *ret_text)
{
	const struct unit *best = NULL;

	for (const struct unit *unit = units_of(row); unit->name != NULL; unit++) {
		if (is_for_writing(row, unit) &&
			(best == NULL || (value != 0 && value % unit->factor == 0 && unit->factor > best->factor))) {
			best = unit;
		}
	}
	weir_assert(best != NULL);
	weir_buf_add_u64(ret_text, value / best->factor);
	weir_buf_add_text(ret_text, best->name);
}

static int bad(struct weir_buf *why, const char *sentence)
{
	weir_buf_add_text(why, sentence);
	return WEIR_CONF_BAD;
}

static int bad_number(const struct weir_conf_row *row, struct weir_buf *why)
{
	switch (row->type) {
	case WEIR_CONF_IS_size:
		return bad(why, "not a size: a whole number, alone or with KiB, MiB, GiB, TiB, KB, MB, GB or TB");
	case WEIR_CONF_IS_seconds:
		return bad(why, "not a time: a whole number of seconds, or one with s, m, h or d");
	default:
		return bad(why, "not a whole number");
	}
}

static int out_of_range(const struct weir_conf_row *row, struct weir_buf *why)
{
	weir_buf_add_text(why, "out of range: from ");
	weir_conf_value_write(row, row->low, why);
	weir_buf_add_text(why, " to ");
	weir_conf_value_write(row, row->high, why);
	return WEIR_CONF_BAD;
}

static int set_number(
	const struct weir_conf_row *row, struct weir_str text, struct weir_conf *conf, struct weir_buf *why)
{
	const struct unit *unit = units_of(row);
	struct weir_str digits = text, name;
	unsigned long long number;
	uint64_t value;
	int r;

	digits.length = 0;
	while (digits.length < text.length && text.data[digits.length] >= '0' && text.data[digits.length] <= '9') {
		digits.length++;
	}
	name = weir_str_trim(weir_str_make(text.data + digits.length, text.length - digits.length));
	while (unit->name != NULL && !weir_str_is(name, unit->name)) {
		unit++;
	}
	r = weir_str_to_u64(digits, &number);
	if (r == -EINVAL || unit->name == NULL) {
		return bad_number(row, why);
	}
	if (r == -ERANGE || __builtin_mul_overflow(number, unit->factor, &value) || value < row->low ||
		value > row->high) {
		return out_of_range(row, why);
	}
	*(uint64_t *)slot_of(row, conf) = value;
	return 0;
}

static int copy_text(struct weir_str text, struct weir_arena *arena, const char **ret)
{
	struct weir_str copy = weir_arena_copy(arena, text);

	if (copy.data == NULL) {
		return -ENOMEM;
	}
	*ret = copy.data;
	return 0;
}

static int set_text(const struct weir_conf_row *row, struct weir_str text, struct weir_arena *arena,
	struct weir_conf *conf, struct weir_buf *why)
{
	if (text.length < row->low) {
		return bad(why, "must not be empty");
	}
	if (row->high != 0 && text.length > row->high) {
		weir_buf_addf(why, "longer than %llu bytes", (unsigned long long)row->high);
		return WEIR_CONF_BAD;
	}
	return copy_text(text, arena, slot_of(row, conf));
}

static int set_choice(const struct weir_conf_row *row, struct weir_str text, struct weir_arena *arena,
	struct weir_conf *conf, struct weir_buf *why)
{
	struct weir_str rest = weir_str_of(row->range);

	while (rest.data != NULL) {
		if (weir_str_equal(weir_str_cut(&rest, ','), text)) {
			return copy_text(text, arena, slot_of(row, conf));
		}
	}
	weir_buf_addf(why, "not one of %s", row->range);
	return WEIR_CONF_BAD;
}

int weir_conf_value_set_list(const struct weir_conf_row *row, const struct weir_conf_list *list,
	struct weir_arena *arena, struct weir_conf *conf, struct weir_buf *why)
{
	struct weir_conf_list copy = { .count = list->count };
	struct weir_str text;
	int r;

	if (list->count > WEIR_CONF_LIST_MAX) {
		return bad(why, "more than 64 items");
	}
	copy.items = weir_arena_zalloc(arena, (list->count + 1) * sizeof(*copy.items));
	if (copy.items == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < list->count; i++) {
		text = weir_str_trim(weir_str_of(list->items[i]));
		if (text.length == 0) {
			return bad(why, "an item of the list is empty");
		}
		r = copy_text(text, arena, &copy.items[i]);
		if (r < 0) {
			return r;
		}
	}
	*(struct weir_conf_list *)slot_of(row, conf) = copy;
	return 0;
}

_Static_assert(WEIR_CONF_LIST_MAX == 64, "the sentence above names it");

static int split_list(const struct weir_conf_row *row, struct weir_str text, struct weir_arena *arena,
	struct weir_conf *conf, struct weir_buf *why)
{
	const char *items[WEIR_CONF_LIST_MAX];
	struct weir_conf_list list = { .items = items };
	int r;

	if (weir_str_trim(text).length == 0) {
		return weir_conf_value_set_list(row, &list, arena, conf, why);
	}
	while (text.data != NULL) {
		struct weir_str item = weir_str_cut(&text, ',');

		if (list.count == WEIR_CONF_LIST_MAX) {
			return bad(why, "more than 64 items");
		}
		r = copy_text(item, arena, &items[list.count++]);
		if (r < 0) {
			return r;
		}
	}
	return weir_conf_value_set_list(row, &list, arena, conf, why);
}

int weir_conf_value_set(const struct weir_conf_row *row, struct weir_str text, struct weir_arena *arena,
	struct weir_conf *conf, struct weir_buf *why)
{
	if (text.length > 0 && memchr(text.data, '\0', text.length) != NULL) {
		return bad(why, "a NUL byte inside the value");
	}
	switch (row->type) {
	case WEIR_CONF_IS_text:
		return set_text(row, text, arena, conf, why);
	case WEIR_CONF_IS_list:
		return split_list(row, text, arena, conf, why);
	case WEIR_CONF_IS_choice:
		return set_choice(row, text, arena, conf, why);
	default:
		return set_number(row, text, conf, why);
	}
}
