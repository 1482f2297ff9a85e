/* file: the file of a ring: one per database, held by one process, never sparse.
 *
 *                 +--------- missing ----------> make `.new`, fill, rename --+
 *   open by name -+--------- held -------------> BUSY                        |
 *        ^        +--------- not to be used ---> rename to `.bad` --+        +--> open, locked
 *        |        +--------- good -------------> fit the size ------|--------+
 *        +-----------------------------------------------------------+
 *
 * Invariants
 *  1. Whoever returns from here holds the file's lock, and the name leads to
 *     that very file: after locking, the name is looked up again.
 *  2. A name never leads to a half-made file: a ring is made as `.new`, whose
 *     lock orders those who make one at the same time, and renamed when whole.
 *  3. Every byte is allocated (a hole would be SIGBUS in the middle of a put).
 *  4. What is set aside is kept as `.bad`, one at most; it is the first to go
 *     when there is no room for a new ring. So is the ring of a database that
 *     was set aside itself.
 *  5. The size changes only while the ring is empty. Position p then has
 *     another place, but nothing lies there that could pass for p's record: a
 *     commit word is unique to its position, and no position is used twice. So
 *     the epoch goes on, and a crash between header and size leaves a file
 *     that is larger than it says, which the next open trims.
 *
 * Runs once, in main, before the threads. */
#include "ring/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "ring/crc.h"

#define NAME_BYTES 64u
#define ATTEMPTS 16 /* others may rename under us; each of them makes progress */

enum {
	NOT_OURS = 100, /* acquire: there is something, but no file of ours */
	AGAIN           /* somebody was faster: look again */
};

struct place {
	int directory;
	char name[NAME_BYTES], new_name[NAME_BYTES], bad_name[NAME_BYTES];
	const struct weir_ring_opts *opts;
	uint32_t page;
	uint64_t capacity; /* asked for */
};

static uint32_t header_crc(const struct weir_format_header *header)
{
	return ~weir_crc_add(~0u, header, offsetof(struct weir_format_header, crc));
}

/* The folder is ours and nobody else may rename in it; made when missing. */
static int open_directory(const char *path, int *ret_fd)
{
	struct stat info;
	int fd, r;

	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		return -errno;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	if (fstat(fd, &info) < 0) {
		r = -errno;
	} else if (info.st_uid != geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		r = -EPERM;
	} else {
		*ret_fd = fd;
		return 0;
	}
	close(fd);
	return r;
}

/* Is `fd` a plain file of this user that `name` still leads to? 0, NOT_OURS, AGAIN or a fault. */
static int check_identity(int directory, const char *name, int fd)
{
	struct stat mine, named;

	if (fstat(fd, &mine) < 0) {
		return -errno;
	}
	if (!S_ISREG(mine.st_mode) || mine.st_uid != geteuid()) {
		return NOT_OURS;
	}
	if (fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) < 0) {
		return errno == ENOENT ? AGAIN : -errno;
	}
	if (named.st_dev != mine.st_dev || named.st_ino != mine.st_ino) {
		return AGAIN;
	}
	if ((mine.st_mode & 0777) != 0600 && fchmod(fd, 0600) < 0) {
		return -errno;
	}
	return 0;
}

/* Opens and locks. 0, WEIR_RING_BUSY, NOT_OURS, AGAIN, -ENOENT or a fault. */
static int acquire(int directory, const char *name, int flags, int *ret_fd)
{
	int fd = openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, 0600);
	int r;

	if (fd < 0) {
		return errno == ELOOP || errno == EACCES || errno == EISDIR || errno == ENXIO ? NOT_OURS : -errno;
	}
	r = check_identity(directory, name, fd);
	if (r == 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		r = errno == EWOULDBLOCK ? WEIR_RING_BUSY : -errno;
	}
	if (r == 0) {
		r = check_identity(directory, name, fd);
	}
	if (r != 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* Allocates [0, size). 0, WEIR_RING_NO_ROOM or a fault. */
static int allocate(int fd, uint64_t size)
{
	int r;

	do {
		r = posix_fallocate(fd, 0, (off_t)size);
	} while (r == EINTR);
	return r == ENOSPC || r == EDQUOT || r == EFBIG ? WEIR_RING_NO_ROOM : -r;
}

static int write_header(int fd, struct weir_format_header *header)
{
	size_t length = offsetof(struct weir_format_header, head);
	ssize_t written;

	header->version = WEIR_FORMAT_VERSION;
	header->crc = header_crc(header);
	written = pwrite(fd, header, length, 0);
	if (written < 0) {
		return -errno;
	}
	return (size_t)written == length ? 0 : -EIO;
}

static int fill_random(void *bytes, size_t size)
{
	ssize_t got;

	do {
		got = getrandom(bytes, size, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		return -errno;
	}
	return (size_t)got == size ? 0 : -EIO; /* up to 256 bytes come whole or not at all */
}

static int fill_header(const struct place *place, struct weir_format_header *header)
{
	int r;

	memset(header, 0, sizeof(*header));
	header->magic = WEIR_FORMAT_MAGIC;
	header->header_bytes = place->page;
	header->capacity = place->capacity;
	memcpy(header->database_id, place->opts->database_id, sizeof(header->database_id));
	r = fill_random(header->salt, sizeof(header->salt));
	while (r == 0 && header->ring_id == 0) {
		r = fill_random(&header->ring_id, sizeof(header->ring_id));
		header->ring_id &= INT64_MAX; /* a database keeps it as a signed number */
	}
	return r;
}

/* 0, BUSY, NO_ROOM, AGAIN or a fault. */
static int make(const struct place *place, struct weir_file *file)
{
	int fd, r = acquire(place->directory, place->new_name, O_CREAT, &fd);

	if (r != 0) {
		return r == NOT_OURS ? -EPERM : r;
	}
	/* Everyone who makes a ring holds this lock, so what is missing now stays missing. */
	if (faccessat(place->directory, place->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		r = AGAIN;
	} else if (errno != ENOENT || ftruncate(fd, 0) < 0) {
		r = -errno;
	}
	if (r == 0) {
		r = allocate(fd, place->page + place->capacity);
	}
	if (r == 0) {
		r = fill_header(place, &file->header);
	}
	if (r == 0) {
		r = write_header(fd, &file->header);
	}
	if (r == 0 && renameat(place->directory, place->new_name, place->directory, place->name) < 0) {
		r = -errno;
	}
	if (r != 0) {
		unlinkat(place->directory, place->new_name,
			0); /* if it stays, the next one to make a ring takes it over */
		close(fd);
		return r;
	}
	file->fd = fd;
	file->is_new = true;
	return 0;
}

/* What speaks against this header, or NULL. */
static const char *objection(const struct place *place, const struct weir_format_header *header, uint64_t size)
{
	uint64_t head = header->head & ~WEIR_FORMAT_SEALED;

	if (header->magic != WEIR_FORMAT_MAGIC) {
		return "not a ring";
	}
	if (!weir_format_is_readable(header->version)) {
		return "another version";
	}
	if (header->crc != header_crc(header)) {
		return "damaged header";
	}
	if (memcmp(header->database_id, place->opts->database_id, sizeof(header->database_id)) != 0) {
		return "another database";
	}
	if (header->header_bytes != place->page || header->capacity % place->page != 0) {
		return "another page size";
	}
	if (header->capacity < WEIR_FORMAT_CAPACITY_MIN || header->capacity > WEIR_FORMAT_CAPACITY_MAX) {
		return "damaged header";
	}
	if (size < header->header_bytes + header->capacity) {
		return "truncated";
	}
	if (header->tail > head || head - header->tail > header->capacity || head > WEIR_FORMAT_POSITION_LIMIT ||
		head % WEIR_FORMAT_ALIGNMENT != 0 || header->tail % WEIR_FORMAT_ALIGNMENT != 0) {
		return "damaged positions";
	}
	return NULL;
}

/* Reads and judges; *ret_why is NULL for a good one. */
static int examine(const struct place *place, struct weir_file *file, const char **ret_why)
{
	struct stat info;
	ssize_t got = pread(file->fd, &file->header, sizeof(file->header), 0);

	if (got < 0 || fstat(file->fd, &info) < 0) {
		return -errno;
	}
	if ((size_t)got < sizeof(file->header)) {
		*ret_why = "truncated";
	} else {
		*ret_why = objection(place, &file->header, (uint64_t)info.st_size);
	}
	return 0;
}

/* Gives a good file the size asked for if nothing unread is in it, its own
 * otherwise, and today's version. 0, NO_ROOM or a fault. */
static int fit(const struct place *place, struct weir_file *file)
{
	struct weir_format_header *header = &file->header;
	bool is_empty = (header->head & ~WEIR_FORMAT_SEALED) == header->tail;
	bool is_changed = header->version != WEIR_FORMAT_VERSION;
	int r;

	if (is_empty && header->capacity != place->capacity) {
		header->capacity = place->capacity;
		is_changed = true;
	}
	r = allocate(file->fd, header->header_bytes + header->capacity);
	if (r == 0 && is_changed) {
		r = write_header(file->fd, header);
	}
	if (r == 0 && ftruncate(file->fd, (off_t)(header->header_bytes + header->capacity)) < 0) {
		r = -errno;
	}
	return r;
}

static int set_aside(const struct place *place, struct weir_file *file, const char *why)
{
	if (renameat(place->directory, place->name, place->directory, place->bad_name) < 0 && errno != ENOENT) {
		return -errno;
	}
	if (file->replaced_why == NULL) {
		file->replaced_why = why;
	}
	return AGAIN;
}

/* One look. 0, BUSY, NO_ROOM, AGAIN or a fault. */
static int try_once(const struct place *place, struct weir_file *file)
{
	const char *why = NULL;
	int r = acquire(place->directory, place->name, 0, &file->fd);

	if (r == -ENOENT) {
		r = make(place, file);
		if (r == WEIR_RING_NO_ROOM && unlinkat(place->directory, place->bad_name, 0) == 0) {
			r = make(place, file);
		}
		return r;
	}
	if (r == NOT_OURS) {
		return set_aside(place, file, "not a file of this user");
	}
	if (r != 0) {
		return r;
	}
	r = examine(place, file, &why);
	if (r == 0) {
		r = why != NULL ? set_aside(place, file, why) : fit(place, file);
	}
	if (r != 0) {
		close(file->fd);
	}
	return r;
}

static void name_make(const uint8_t database_id[16], const char *end, char ret_name[NAME_BYTES])
{
	char hex[33];

	for (size_t i = 0; i < 16; i++) {
		snprintf(hex + 2 * i, 3, "%02x", database_id[i]);
	}
	snprintf(ret_name, NAME_BYTES, "ring-%s%s", hex, end);
}

/* The ring of a database that was set aside becomes our `.bad`; one that
 * somebody holds, or that cannot be renamed, only takes room: it stays. */
static void take_over(const struct place *place, const uint8_t replaced_id[16])
{
	char name[NAME_BYTES];
	int fd;

	name_make(replaced_id, "", name);
	if (acquire(place->directory, name, 0, &fd) == 0) {
		renameat(place->directory, name, place->directory, place->bad_name);
		close(fd);
	}
}

int weir_file_open(const struct weir_ring_opts *opts, struct weir_file *ret_file)
{
	struct place place = { .directory = -1, .opts = opts, .page = (uint32_t)sysconf(_SC_PAGESIZE) };
	struct weir_file file = { .fd = -1 };
	int r;

	if (opts->size_bytes < WEIR_FORMAT_CAPACITY_MIN || opts->size_bytes > WEIR_FORMAT_CAPACITY_MAX) {
		return -EINVAL;
	}
	place.capacity = (opts->size_bytes + place.page - 1) / place.page * place.page;
	name_make(opts->database_id, "", place.name);
	name_make(opts->database_id, ".new", place.new_name);
	name_make(opts->database_id, ".bad", place.bad_name);
	if (asprintf(&file.path, "%s/%s", opts->directory, place.name) < 0) {
		return -ENOMEM;
	}
	r = open_directory(opts->directory, &place.directory);
	if (r == 0) {
		if (opts->replaced_id != NULL) {
			take_over(&place, opts->replaced_id);
		}
		r = AGAIN;
		for (int i = 0; i < ATTEMPTS && r == AGAIN; i++) {
			r = try_once(&place, &file);
		}
		close(place.directory);
	}
	if (r != 0) {
		free(file.path);
		return r == AGAIN ? WEIR_RING_BUSY : r;
	}
	*ret_file = file;
	return 0;
}
