/* migrate: makes a new database, or brings an older one to our version. */
#ifndef WEIR_STORAGE_MIGRATE_H
#define WEIR_STORAGE_MIGRATE_H

#include <sqlite3.h>

#include "storage/store.h"

#define WEIR_MIGRATE_VERSION 2
#define WEIR_MIGRATE_APPLICATION 0x77656972 /* "weir" */

enum {                            /* outcomes */
	WEIR_MIGRATE_FOREIGN = 1, /* another program's database */
	WEIR_MIGRATE_NEWER,       /* written by a newer weir */
};

/* 0, an outcome, or a fault. *ret_is_new: it was empty and is made. */
int weir_migrate(sqlite3 *db, bool *ret_is_new);

#endif
