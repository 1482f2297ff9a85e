/* names: which names the database already knows, so that a commit writes only
 * the new ones. */
#ifndef WEIR_STORAGE_NAMES_H
#define WEIR_STORAGE_NAMES_H

#include <sqlite3.h>

#include "storage/segment.h"

enum weir_names_what { WEIR_NAMES_SERVICE, WEIR_NAMES_SPAN, WEIR_NAMES_REMOTE, WEIR_NAMES_WHATS };

#define WEIR_NAMES_MOST 10000u /* of each */

struct weir_names;

/* Reads what the database knows. 0 or a fault. */
int weir_names_create(sqlite3 *db, struct weir_names **ret_names);
void weir_names_destroy(struct weir_names *names);

/* Writes the names of a segment that are new or were not seen for a while,
 * within the caller's transaction. Beyond WEIR_NAMES_MOST new ones are left out. */
int weir_names_write(struct weir_names *names, const struct weir_segment_info *info);
/* After a rollback: nothing that was written since the last commit is known. */
int weir_names_rollback(struct weir_names *names);
/* Deletes what was not seen since `before_ns`, in a transaction of its own. */
int weir_names_expire(struct weir_names *names, uint64_t before_ns);

#endif
