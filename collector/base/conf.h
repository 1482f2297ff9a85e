/* conf: what an operator may set. One row in conf.def per key: the YAML file
 * (section = room or theme), WEIR_SECTION_KEY in the environment,
 * --section.key=value, --help and the sample file all come from it.
 * Later wins: default, file, environment, flag. */
#ifndef WEIR_BASE_CONF_H
#define WEIR_BASE_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

struct weir_conf_list { /* of NUL-terminated texts */
	const char **items;
	size_t count;
};

struct weir_conf {
#define WEIR_CONF_TYPE_text const char *
#define WEIR_CONF_TYPE_list struct weir_conf_list
#define WEIR_CONF_TYPE_size uint64_t    /* 48 MiB, 4096 */
#define WEIR_CONF_TYPE_seconds uint64_t /* 72h, 15m, 5 */
#define WEIR_CONF_TYPE_count uint64_t
#define WEIR_CONF_TYPE_choice const char * /* one of the texts in `range` */
#define WEIR_CONF(section, key, type, value, low, high, range, sentence) WEIR_CONF_TYPE_##type section##_##key;
#include "base/conf.def"
#undef WEIR_CONF
};

enum { WEIR_CONF_BAD = 1 }; /* outcome: *ret_why says what, with file:line:column or the name of the variable or flag */

/* All texts live in `arena`. `path` NULL: no file. `flags`: "section.key=value".
 * 0; WEIR_CONF_BAD; -ENOMEM (or the arena is full). *ret_conf only on success. */
int weir_conf_load(struct weir_arena *arena, const char *path, const char *const *flags, size_t flag_count,
	struct weir_conf *ret_conf, struct weir_buf *ret_why);

void weir_conf_help(struct weir_buf *ret_text);   /* a line per key, for --help */
void weir_conf_sample(struct weir_buf *ret_text); /* the sample file: every key, commented out, with its default */

#endif
