/* ring: the shared mapping that outlives the process; where an answer becomes
 * a promise. Many producers, one reader, refuse when full. The essay and the
 * numbered invariants are on top of ring.c. */
#ifndef WEIR_RING_RING_H
#define WEIR_RING_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/record.h"

struct weir_ring;

enum {                       /* outcomes */
	WEIR_RING_FULL = 1,  /* come again: the reader is behind */
	WEIR_RING_SEALED,    /* no more water (and, for the reader, all read) */
	WEIR_RING_TOO_LARGE, /* larger than ring/8: will never fit */
	WEIR_RING_EMPTY,     /* nothing within wait_ms */
	WEIR_RING_BUSY,      /* open: another process holds it */
	WEIR_RING_NO_ROOM,   /* open: the file system has too little room */
};

struct weir_ring_opts {
	const char *directory;      /* where ring-<database uuid> lives; made 0700 when missing */
	uint64_t size_bytes;        /* rounded up to the page; 1 MiB to 16 GiB, else -EINVAL */
	const uint8_t *database_id; /* 16 bytes: a ring belongs to one database */
	/* 16 bytes, or NULL: a database that was set aside, for which this one was made. Nobody will read its
	 * ring again: that becomes our *.bad, so that it does not take the room of the new one. */
	const uint8_t *replaced_id;
};

struct weir_ring_found {          /* what open met; for the log and for counters */
	bool is_new;              /* made or replaced: its epoch is new */
	const char *replaced_why; /* why an existing file was set aside as *.bad, or NULL; static text */
};

/* Opens or makes the ring, fallocated, mapped twice side by side. A file of
 * another version than n or n-1, of another database, truncated or with a
 * damaged header is renamed to *.bad and replaced; the *.bad is given up if
 * there is no room for both. A ring that holds unread records keeps its own
 * size (weir_ring_capacity() tells); an empty one takes the size asked for and
 * keeps its epoch. A new ring may be used at once; one that was there before
 * must be recovered first (asserted). 0, WEIR_RING_BUSY, WEIR_RING_NO_ROOM or a
 * fault: -EPERM if the folder is another user's or others may write to it. */
int weir_ring_open(const struct weir_ring_opts *opts, struct weir_ring **ret_ring, struct weir_ring_found *ret_found);
void weir_ring_close(struct weir_ring *ring); /* unmaps; the file stays */

/* The epoch: positions are only comparable within one. Random, per new file. */
uint64_t weir_ring_id(const struct weir_ring *ring);
uint64_t weir_ring_capacity(const struct weir_ring *ring);
/* Positions grow for ever, in bytes. tail <= read <= head. */
uint64_t weir_ring_head(const struct weir_ring *ring);
uint64_t weir_ring_tail(const struct weir_ring *ring);
const char *weir_ring_path(const struct weir_ring *ring);

/* What recovery did. */
struct weir_ring_recovery {
	uint64_t position;          /* where reading starts: the first record, or the head */
	bool has_gap;               /* `position` was not where the ring still is: something is lost */
	uint64_t records;           /* committed records between position and head */
	uint64_t holes, hole_bytes; /* reserved, never committed: made into padding */
	uint64_t damaged;           /* committed, but crc or layout wrong: made into padding */
};

/* Before any put or next: walks from `position` (the one stored with the
 * database, valid if `ring_id` matches) to the head, turns holes and damage
 * into padding, sets tail and reader. ring_id 0: nothing stored; all that the
 * ring holds is replayed (a gap if something was released before). Another
 * epoch's id: likewise, and always a gap. A position beyond the head is a gap
 * with nothing to replay; the head moves up to it. Returns 0. */
int weir_ring_recover(struct weir_ring *ring, uint64_t ring_id, uint64_t position, struct weir_ring_recovery *ret);

/* Any thread. Copies the batch in and commits it; *ret_end (may be NULL) is the
 * position behind it: once the released or stored position is >= it, it is in
 * the database. Never blocks. 0, FULL, SEALED, TOO_LARGE. */
int weir_ring_put(struct weir_ring *ring, const struct weir_batch *batch, uint64_t *ret_end);
/* The same of a batch that lies in pieces, size_bytes in all. */
int weir_ring_put_parts(
	struct weir_ring *ring, const struct weir_str *parts, size_t count, uint32_t size_bytes, uint64_t *ret_end);

struct weir_ring_entry {
	const struct weir_batch *batch; /* borrowed until released past `end` */
	uint64_t begin, end;            /* `end`: also behind the padding that follows it */
};

/* The reader's thread only. Waits up to wait_ms (0: not at all; -1: for ever)
 * for the next record; what is put just after the last was read may be noticed
 * some milliseconds later. 0, EMPTY, SEALED. weir_ring_wake() ends a wait early;
 * one that comes when nobody waits ends the next wait. */
int weir_ring_next(struct weir_ring *ring, int64_t wait_ms, struct weir_ring_entry *ret_entry);
void weir_ring_wake(struct weir_ring *ring);

/* The writer's thread only: everything before `position` (an entry's `end`,
 * read before, not below the tail) may be overwritten. */
void weir_ring_release(struct weir_ring *ring, uint64_t position);

/* From now on put says SEALED; next says SEALED when all is read. */
void weir_ring_seal(struct weir_ring *ring);

#endif
