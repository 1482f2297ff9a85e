/* vfs_shim: see the header. Every method goes to the real file behind ours, but
 * writes and syncs look at the wanted fault first. */
#include "vfs_shim.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <sqlite3.h>

#define SLOW_NS 900000000 /* what a sync of a slow disk takes */

struct shim_file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct, in the same allocation */
};

static sqlite3_vfs shim;
static sqlite3_vfs *real_vfs;
static _Atomic int fault;
static _Atomic unsigned syncs;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t let_go = PTHREAD_COND_INITIALIZER;
static bool is_stalled, are_writes_stalled; /* guarded by mutex */
static _Atomic bool is_slow;
static const char *control;
static struct stat control_read; /* guarded by mutex: of the file as it was read last */

/* Reads the control file again if it is another one than before: one stat for each write. */
static void control_look(void)
{
	char text[64] = "";
	struct stat now;
	FILE *file;

	if (control == NULL || stat(control, &now) < 0) {
		return;
	}
	pthread_mutex_lock(&mutex);
	if (now.st_ino != control_read.st_ino || now.st_mtim.tv_sec != control_read.st_mtim.tv_sec ||
		now.st_mtim.tv_nsec != control_read.st_mtim.tv_nsec) {
		file = fopen(control, "re");
		if (file != NULL) {
			text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
			fclose(file);
			control_read = now;
			if (strstr(text, "write enospc") != NULL) {
				fault = VFS_SHIM_FULL;
			} else {
				fault = strstr(text, "write eio") != NULL ? VFS_SHIM_IO : VFS_SHIM_NONE;
			}
			is_stalled = strstr(text, "fsync stall") != NULL;
			are_writes_stalled = strstr(text, "write stall") != NULL;
			is_slow = strstr(text, "fsync slow") != NULL;
		}
	}
	pthread_mutex_unlock(&mutex);
}

/* For the test that waits for it: PATH.hangs is there once somebody hangs. */
static void say_hanging(void)
{
	char path[4096];
	FILE *file;

	if (control == NULL) {
		return;
	}
	snprintf(path, sizeof(path), "%s.hangs", control);
	file = fopen(path, "we");
	if (file != NULL) {
		fclose(file);
	}
}

/* Waits while the stall lasts; looks at the control file now and then. */
static void wait_stall(const bool *is_on)
{
	struct timespec soon;

	control_look();
	pthread_mutex_lock(&mutex);
	if (*is_on) {
		say_hanging();
	}
	while (*is_on) {
		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_nsec += 20000000;
		soon.tv_sec += soon.tv_nsec / 1000000000;
		soon.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&let_go, &mutex, &soon);
		pthread_mutex_unlock(&mutex);
		control_look();
		pthread_mutex_lock(&mutex);
	}
	pthread_mutex_unlock(&mutex);
}

static sqlite3_file *real_of(sqlite3_file *file)
{
	return ((struct shim_file *)file)->real;
}

static int write_fault(void)
{
	wait_stall(&are_writes_stalled);
	if (fault == VFS_SHIM_FULL) {
		return SQLITE_FULL;
	}
	return fault == VFS_SHIM_IO ? SQLITE_IOERR_WRITE : SQLITE_OK;
}

static int shim_close(sqlite3_file *file)
{
	return real_of(file)->pMethods->xClose(real_of(file));
}

static int shim_read(sqlite3_file *file, void *to, int length, sqlite3_int64 at)
{
	return real_of(file)->pMethods->xRead(real_of(file), to, length, at);
}

static int shim_write(sqlite3_file *file, const void *from, int length, sqlite3_int64 at)
{
	int result = write_fault();

	return result != SQLITE_OK ? result : real_of(file)->pMethods->xWrite(real_of(file), from, length, at);
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int shim_sync(sqlite3_file *file, int flags)
{
	const struct timespec while_slow = { .tv_nsec = SLOW_NS };

	syncs++;
	wait_stall(&is_stalled);
	if (is_slow) {
		nanosleep(&while_slow, NULL);
	}
	return fault == VFS_SHIM_IO ? SQLITE_IOERR_FSYNC : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int shim_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int shim_lock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int shim_unlock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int shim_check_lock(sqlite3_file *file, int *is_locked)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), is_locked);
}

static int shim_control(sqlite3_file *file, int what, void *argument)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), what, argument);
}

static int shim_sector(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int shim_traits(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int shim_map(sqlite3_file *file, int page, int size, int extend, void volatile **memory)
{
	return real_of(file)->pMethods->xShmMap(real_of(file), page, size, extend, memory);
}

static int shim_map_lock(sqlite3_file *file, int offset, int count, int flags)
{
	return real_of(file)->pMethods->xShmLock(real_of(file), offset, count, flags);
}

static void shim_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int shim_unmap(sqlite3_file *file, int should_delete)
{
	return real_of(file)->pMethods->xShmUnmap(real_of(file), should_delete);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = shim_close,
	.xRead = shim_read,
	.xWrite = shim_write,
	.xTruncate = shim_truncate,
	.xSync = shim_sync,
	.xFileSize = shim_size,
	.xLock = shim_lock,
	.xUnlock = shim_unlock,
	.xCheckReservedLock = shim_check_lock,
	.xFileControl = shim_control,
	.xSectorSize = shim_sector,
	.xDeviceCharacteristics = shim_traits,
	.xShmMap = shim_map,
	.xShmLock = shim_map_lock,
	.xShmBarrier = shim_barrier,
	.xShmUnmap = shim_unmap,
};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
	struct shim_file *ours = (struct shim_file *)file;
	int result;

	(void)vfs;
	ours->real = (sqlite3_file *)(ours + 1);
	result = real_vfs->xOpen(real_vfs, name, ours->real, flags, ret_flags);
	ours->base.pMethods = result == SQLITE_OK ? &methods : NULL;
	return result;
}

void vfs_shim_install(void)
{
	if (real_vfs != NULL) {
		return;
	}
	sqlite3_initialize();
	real_vfs = sqlite3_vfs_find(NULL);
	shim = *real_vfs; /* the other methods take any vfs, they only look at its data */
	shim.zName = "weir-shim";
	shim.szOsFile = (int)sizeof(struct shim_file) + real_vfs->szOsFile;
	shim.xOpen = shim_open;
	sqlite3_vfs_register(&shim, 1);
}

void vfs_shim_set_writes(enum vfs_shim_fault wanted)
{
	fault = wanted;
}

void vfs_shim_stall_syncs(bool wanted)
{
	pthread_mutex_lock(&mutex);
	is_stalled = wanted;
	pthread_cond_broadcast(&let_go);
	pthread_mutex_unlock(&mutex);
}

unsigned vfs_shim_syncs(void)
{
	return syncs;
}

void vfs_shim_follow(const char *path)
{
	vfs_shim_install();
	control = path;
}
