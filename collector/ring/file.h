/* file: finds, locks, checks, makes and replaces the file of a ring; private to
 * the room. The essay is on top of file.c. */
#ifndef WEIR_RING_FILE_H
#define WEIR_RING_FILE_H

#include <stdbool.h>

#include "ring/format.h"
#include "ring/ring.h"

struct weir_file {
	int fd;                           /* locked; closing it gives the lock back */
	struct weir_format_header header; /* as it was read or written; its head and tail too */
	bool is_new;
	const char *replaced_why; /* static text, or NULL */
	char *path;               /* heap, the caller's */
};

/* 0, WEIR_RING_BUSY, WEIR_RING_NO_ROOM or a fault. On success every byte of the
 * file is allocated and the caller owns fd and path. */
int weir_file_open(const struct weir_ring_opts *opts, struct weir_file *ret_file);

#endif
