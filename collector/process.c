/* process: see the header. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stat.h"
#include "ring/record.h"

static void name_refusals(void)
{
	const char *signals[WEIR_SIGNALS], *reasons[WEIR_REFUSALS];

	for (unsigned i = 0; i < WEIR_SIGNALS; i++) {
		signals[i] = weir_signal_name(i);
	}
	for (unsigned i = 0; i < WEIR_REFUSALS; i++) {
		reasons[i] = weir_refusal_name(i);
	}
	weir_stat_name_refusals(signals, WEIR_SIGNALS, reasons, WEIR_REFUSALS);
}

static enum weir_log_level level_of(const char *text)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };

	for (int i = 0; i < 4; i++) {
		if (strcmp(text, names[i]) == 0) {
			return (enum weir_log_level)i;
		}
	}
	return WEIR_LOG_INFO;
}

/* What was started without one of the standard streams has nothing there; else the first file that is opened, the
 * database perhaps, would get lines of log. */
static int streams_hold(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0) {
		return -errno;
	}
	close(fd);
	return 0;
}

int weir_process_settle(const char *log_level)
{
	int r = streams_hold();
	struct rlimit files;
	sigset_t all;

	if (r < 0) {
		return r;
	}
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 1 << 20); /* and no growing one: what is large goes back when it is freed */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	weir_log_set_level(level_of(log_level));
	name_refusals();
	sigfillset(&all);
	signal(SIGPIPE, SIG_IGN);
	return -pthread_sigmask(SIG_BLOCK, &all, NULL);
}

int weir_process_refuse(const char *what, const char *which, int fault)
{
	weir_log(WEIR_LOG_ERROR, "main", "cannot start: %s which=%s why=\"%s\"", what, which, strerror(-fault));
	return fault;
}
