/* own: weir about itself; see the header. Pure but for weir_own_process_read. */
#include "exporters/metrics/own.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "exporters/metrics/text.h"

static int64_t count_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int64_t count = -3; /* ".", ".." and the one that reads */

	if (folder == NULL) {
		return -1;
	}
	while (readdir(folder) != NULL) {
		count++;
	}
	closedir(folder);
	return count;
}

void weir_own_process_read(struct weir_own_process *ret_process)
{
	struct timespec cpu = { 0 };
	struct rlimit limit;
	unsigned long long pages, resident;
	FILE *statm = fopen("/proc/self/statm", "re");

	*ret_process = (struct weir_own_process){ .resident_bytes = -1, .virtual_bytes = -1, .max_fds = -1 };
	if (statm != NULL) {
		if (fscanf(statm, "%llu %llu", &pages, &resident) == 2) {
			int64_t page = sysconf(_SC_PAGESIZE);

			ret_process->virtual_bytes = (int64_t)pages * page;
			ret_process->resident_bytes = (int64_t)resident * page;
		}
		fclose(statm);
	}
	ret_process->open_fds = count_fds();
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
		ret_process->max_fds = (int64_t)limit.rlim_cur;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	ret_process->cpu_s = (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
}

static void one(struct weir_buf *text, const char *name, const char *type, const char *help, uint64_t value)
{
	weir_text_family(text, name, type, help);
	weir_text_sample(text, name, "", value);
}

static void one_double(struct weir_buf *text, const char *name, const char *type, const char *help, double value)
{
	weir_text_family(text, name, type, help);
	weir_text_sample_double(text, name, "", value);
}

static void render_ring(struct weir_buf *text, const struct weir_own *own)
{
	one(text, "weir_ring_size_bytes", "gauge", "Size of the ring.", own->ring_size_bytes);
	one(text, "weir_ring_used_bytes", "gauge", "Bytes in the ring that are not released yet.",
		own->ring_head - own->ring_tail);
	one(text, "weir_ring_unfolded_bytes", "gauge", "Bytes in the ring that were not folded yet.",
		own->ring_head > own->ring_folded ? own->ring_head - own->ring_folded : 0);
	one(text, "weir_ring_position_bytes", "gauge", "Position of the ring's head: bytes put since it was made.",
		own->ring_head);
}

static void render_store(struct weir_buf *text, const struct weir_own *own)
{
	const struct weir_store_figures *store = &own->store;

	one(text, "weir_storage_state", "gauge", "0: storing, 1: full, 2: failing.", (uint64_t)own->store_state);
	one(text, "weir_storage_used_bytes", "gauge", "Used pages of the database.", store->used_bytes);
	one(text, "weir_storage_wal_bytes", "gauge", "Size of the write-ahead log.", store->wal_bytes);
	one(text, "weir_storage_segments", "gauge", "Segments in the database.", store->segments);
	one(text, "weir_storage_spans", "gauge", "Spans in the database.", store->spans);
	one(text, "weir_storage_requests", "gauge", "Requests of access logs in the database.", store->requests);
	one(text, "weir_storage_connections", "gauge", "TCP reports of access logs in the database.",
		store->connections);
	one(text, "weir_storage_logs", "gauge", "Log records in the database.", store->logs);
	one(text, "weir_storage_position_bytes", "gauge", "Ring position up to which all is in the database.",
		store->stored_position);
	one(text, "weir_storage_commits_total", "counter", "Transactions committed.", store->commits);
	one(text, "weir_storage_failed_commits_total", "counter", "Transactions that failed.", store->failed_commits);
	one(text, "weir_storage_expired_segments_total", "counter", "Segments removed by age or size.",
		store->expired_segments);
	one(text, "weir_storage_merged_segments_total", "counter", "Segments merged into larger ones.",
		store->merged_segments);
	one(text, "weir_storage_unreadable_segments_total", "counter", "Segments that could not be read back.",
		store->unreadable_segments);
	if (store->last_commit_ns > 0) {
		one_double(text, "weir_storage_last_commit_timestamp_seconds", "gauge", "Time of the last commit.",
			(double)store->last_commit_ns / 1e9);
	}
	if (store->oldest_ns > 0) {
		one_double(text, "weir_storage_oldest_timestamp_seconds", "gauge", "Arrival of the oldest detail.",
			(double)store->oldest_ns / 1e9);
	}
}

void weir_own_render(struct weir_buf *text, const struct weir_own *own)
{
	char labels[96];

	snprintf(labels, sizeof(labels), "version=\"%s\"", own->version);
	weir_text_family(text, "weir_build_info", "gauge", "Always 1; the version is in the label.");
	weir_text_sample(text, "weir_build_info", labels, 1);
	render_ring(text, own);
	render_store(text, own);
}

void weir_own_process_render(struct weir_buf *text, const struct weir_own_process *process, uint64_t started_ns)
{
	one_double(text, "process_cpu_seconds_total", "counter", "CPU time spent, user and system.", process->cpu_s);
	if (process->resident_bytes >= 0) {
		one(text, "process_resident_memory_bytes", "gauge", "Resident memory, the ring's pages included.",
			(uint64_t)process->resident_bytes);
		one(text, "process_virtual_memory_bytes", "gauge", "Virtual memory.", (uint64_t)process->virtual_bytes);
	}
	one_double(text, "process_start_time_seconds", "gauge", "Start of the process since 1970.",
		(double)started_ns / 1e9);
	if (process->open_fds >= 0) {
		one(text, "process_open_fds", "gauge", "Open file descriptors.", (uint64_t)process->open_fds);
	}
	if (process->max_fds >= 0) {
		one(text, "process_max_fds", "gauge", "Most file descriptors that may be open.",
			(uint64_t)process->max_fds);
	}
}
