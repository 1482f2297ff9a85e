/* conf_load: what the sources of a configuration share while it is loaded.
 * Private to conf. */
#ifndef WEIR_BASE_CONF_LOAD_H
#define WEIR_BASE_CONF_LOAD_H

#include "base/conf_value.h"

struct weir_conf_loading {
	struct weir_arena *arena;
	struct weir_conf conf;
	struct weir_buf *why;
	struct weir_buf sentence; /* what is wrong with a value, before its place is said */
};

/* 0; WEIR_CONF_BAD, then loading->sentence says why; -ENOMEM. */
int weir_conf_loading_set(struct weir_conf_loading *loading, const struct weir_conf_row *row, struct weir_str text);

/* What an operator wrote, shortened, and on one line. */
void weir_conf_add_quoted(struct weir_buf *why, struct weir_str text);

/* All that the file says. 0; WEIR_CONF_BAD, said in loading->why; -ENOMEM. */
int weir_conf_file_load(struct weir_conf_loading *loading, const char *path);

#endif
