/* pods_file: see the header.
 *
 * A file is looked at by its inode, size and times and read when one of them
 * has changed; whoever writes it should rename a finished one to its name. One
 * that is read while it is being written is malformed, says so, and is read
 * again when its times have changed.
 *
 * One thread, the source's. */
#include "identity/pods_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "identity/pod_read.h"

#define FILE_MAX ((size_t)64 << 20)
#define PIECE 65536u

struct taking {
	struct weir_pod_set *set;
	uint64_t now_ns;
};

static void take(void *ctx, struct weir_pod *pod)
{
	struct taking *taking = ctx;

	weir_pod_set_put(taking->set, pod, false, taking->now_ns);
}

/* 0 or a fault. */
static void failed(struct weir_pods_report *report, const char *why)
{
	report->result = WEIR_PODS_FAILED;
	snprintf(report->why, sizeof(report->why), "%s", why);
}

static void use(struct weir_str body, struct taking *taking, struct weir_pods_report *report)
{
	struct weir_pod_list list;
	int r;

	weir_pod_set_list_begin(taking->set);
	r = weir_pod_read_list(body, take, taking, &list);
	report->pods = list.pods;
	report->left_out = list.left_out;
	if (r < 0) {
		failed(report, strerror(-r));
	} else if (r == WEIR_POD_READ_MALFORMED) {
		report->result = WEIR_PODS_FAILED;
		snprintf(report->why, sizeof(report->why), "%s at byte %zu", list.error, list.error_offset);
	} else {
		weir_pod_set_list_end(taking->set, taking->now_ns);
		report->result = WEIR_PODS_USED;
	}
}

void weir_pods_file_step(struct weir_pods_file *file, struct weir_pod_set *set, bool is_forced, uint64_t now_ns,
	struct weir_pods_report *ret_report)
{
	struct taking taking = { set, now_ns };
	struct weir_buf body;
	struct stat status;
	int fd, r;

	*ret_report = (struct weir_pods_report){ 0 };
	fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &status) < 0) {
		failed(ret_report, strerror(errno));
		if (fd >= 0) {
			close(fd);
		}
		file->was_seen = false;
		return;
	}
	const uint64_t seen[] = { status.st_dev, status.st_ino, (uint64_t)status.st_size,
		(uint64_t)status.st_mtim.tv_sec * UINT64_C(1000000000) + (uint64_t)status.st_mtim.tv_nsec,
		(uint64_t)status.st_ctim.tv_sec * UINT64_C(1000000000) + (uint64_t)status.st_ctim.tv_nsec };
	_Static_assert(sizeof(seen) == sizeof(file->seen), "all of it is compared");
	if (file->was_seen && !is_forced && memcmp(seen, file->seen, sizeof(seen)) == 0) {
		close(fd);
		return;
	}
	file->was_seen = true;
	memcpy(file->seen, seen, sizeof(seen));
	weir_buf_init(&body, 0);
	r = S_ISREG(status.st_mode) ? weir_file_read(fd, FILE_MAX, &body) : -EINVAL;
	close(fd);
	if (r < 0) {
		failed(ret_report, r == -EFBIG ? "the file is longer than 64 MiB" : strerror(-r));
	} else {
		use(weir_buf_str(&body), &taking, ret_report);
	}
	weir_buf_fini(&body);
}
