/* conf_value: the rows of the keys, and how a text becomes a value. Private to conf. */
#ifndef WEIR_BASE_CONF_VALUE_H
#define WEIR_BASE_CONF_VALUE_H

#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"

enum weir_conf_type {
	WEIR_CONF_IS_text,
	WEIR_CONF_IS_list,
	WEIR_CONF_IS_size,
	WEIR_CONF_IS_seconds,
	WEIR_CONF_IS_count,
	WEIR_CONF_IS_choice
};

struct weir_conf_row {
	const char *section, *key;
	enum weir_conf_type type;
	const char *value; /* the default, as an operator would write it */
	uint64_t low, high;
	const char *range, *sentence;
	size_t offset; /* in struct weir_conf */
};

enum weir_conf_row_index {
#define WEIR_CONF(section, key, type, value, low, high, range, sentence) WEIR_CONF_ROW_##section##_##key,
#include "base/conf.def"
#undef WEIR_CONF
	WEIR_CONF_ROWS
};

extern const struct weir_conf_row weir_conf_rows[WEIR_CONF_ROWS];

/* NULL: there is no such key. */
const struct weir_conf_row *weir_conf_row_find(struct weir_str section, struct weir_str key);

/* The most items that a list may have. */
#define WEIR_CONF_LIST_MAX 64u

/* Reads `text` as the row's type and writes it into *conf. 0; WEIR_CONF_BAD,
 * with a sentence appended to `why`; -ENOMEM. */
int weir_conf_value_set(const struct weir_conf_row *row, struct weir_str text, struct weir_arena *arena,
	struct weir_conf *conf, struct weir_buf *why);

/* The same for a list whose items came one by one (at most WEIR_CONF_LIST_MAX,
 * else BAD). They are copied. */
int weir_conf_value_set_list(const struct weir_conf_row *row, const struct weir_conf_list *list,
	struct weir_arena *arena, struct weir_conf *conf, struct weir_buf *why);

/* A bound of the row as an operator would write it: 64MiB, 72h, 1024. */
void weir_conf_value_write(const struct weir_conf_row *row, uint64_t value, struct weir_buf *ret_text);

#endif
