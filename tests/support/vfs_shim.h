/* vfs_shim: SQLite's file layer with faults on purpose: no space, I/O errors,
 * syncs that hang. Only for tests; the product never links it. */
#ifndef WEIR_TESTS_VFS_SHIM_H
#define WEIR_TESTS_VFS_SHIM_H

#include <stdbool.h>

enum vfs_shim_fault { VFS_SHIM_NONE, VFS_SHIM_FULL, VFS_SHIM_IO };

/* Becomes the default VFS, over the one that was. Before any database is open. */
void vfs_shim_install(void);
/* All writes fail like this from now on. */
void vfs_shim_set_writes(enum vfs_shim_fault fault);
/* Syncs wait until they are let go. */
void vfs_shim_stall_syncs(bool is_stalled);
/* How many syncs were begun since the installation. */
unsigned vfs_shim_syncs(void);

/* Installs the shim, which from then on does what the file at `path` says: the
 * words `write enospc`, `write eio` (writes fail), `write stall` and `fsync
 * stall` (they hang while it stands there), `fsync slow` (each sync takes 0.9 s). A test replaces the
 * file by renaming another one over it; no file, or an empty one, means no fault. When somebody hangs
 * there is a file PATH.hangs. */
void vfs_shim_follow(const char *path);

#endif
