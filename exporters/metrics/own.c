/* own: weir about itself; see the header. */
#include "exporters/metrics/own.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/stat.h"

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

void weir_own_read(const struct weir_exporters_opts *opts, struct weir_own *ret_own)
{
	/* Tail before head: what is released in between cannot make used negative. */
	*ret_own = (struct weir_own){
		.version = opts->version,
		.started_ns = opts->started_ns,
		.ring_size_bytes = weir_ring_capacity(opts->ring),
		.ring_tail = weir_ring_tail(opts->ring),
		.ring_folded = weir_run_position(opts->run),
		.store_state = weir_store_state(opts->store),
	};
	ret_own->ring_head = weir_ring_head(opts->ring);
	weir_store_figures(opts->store, &ret_own->store);
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

static void one(struct weir_exposition *out, const char *name, enum weir_exposed type, const char *help, uint64_t value)
{
	weir_exposition_one(out, name, type, help, weir_exposition_whole(value), 0);
}

static void one_real(struct weir_exposition *out, const char *name, const char *help, double value)
{
	weir_exposition_one(out, name, WEIR_EXPOSED_GAUGE, help, weir_exposition_real(value), 0);
}

/* Of this process: it began with it. */
static void counter(
	struct weir_exposition *out, const char *name, const char *help, uint64_t value, uint64_t started_ns)
{
	weir_exposition_one(out, name, WEIR_EXPOSED_COUNTER, help, weir_exposition_whole(value), started_ns);
}

static void render_ring(struct weir_exposition *out, const struct weir_own *own)
{
	one(out, "weir_ring_size_bytes", WEIR_EXPOSED_GAUGE, "Size of the ring.", own->ring_size_bytes);
	one(out, "weir_ring_used_bytes", WEIR_EXPOSED_GAUGE, "Bytes in the ring that are not released yet.",
		own->ring_head - own->ring_tail);
	one(out, "weir_ring_unfolded_bytes", WEIR_EXPOSED_GAUGE, "Bytes in the ring that were not folded yet.",
		own->ring_head > own->ring_folded ? own->ring_head - own->ring_folded : 0);
	one(out, "weir_ring_position_bytes", WEIR_EXPOSED_GAUGE,
		"Position of the ring's head: bytes put since it was made.", own->ring_head);
}

static void render_store(struct weir_exposition *out, const struct weir_own *own)
{
	const struct weir_store_figures *store = &own->store;

	one(out, "weir_storage_state", WEIR_EXPOSED_GAUGE, "0: storing, 1: full, 2: failing.",
		(uint64_t)own->store_state);
	one(out, "weir_storage_used_bytes", WEIR_EXPOSED_GAUGE, "Used pages of the database.", store->used_bytes);
	one(out, "weir_storage_wal_bytes", WEIR_EXPOSED_GAUGE, "Size of the write-ahead log.", store->wal_bytes);
	one(out, "weir_storage_segments", WEIR_EXPOSED_GAUGE, "Segments in the database.", store->segments);
	one(out, "weir_storage_spans", WEIR_EXPOSED_GAUGE, "Spans in the database.", store->spans);
	one(out, "weir_storage_requests", WEIR_EXPOSED_GAUGE, "Requests of access logs in the database.",
		store->requests);
	one(out, "weir_storage_connections", WEIR_EXPOSED_GAUGE, "TCP reports of access logs in the database.",
		store->connections);
	one(out, "weir_storage_logs", WEIR_EXPOSED_GAUGE, "Log records in the database.", store->logs);
	one(out, "weir_storage_position_bytes", WEIR_EXPOSED_GAUGE, "Ring position up to which all is in the database.",
		store->stored_position);
	counter(out, "weir_storage_commits_total", "Transactions committed.", store->commits, own->started_ns);
	counter(out, "weir_storage_failed_commits_total", "Transactions that failed.", store->failed_commits,
		own->started_ns);
	counter(out, "weir_storage_expired_segments_total", "Segments removed by age or size.", store->expired_segments,
		own->started_ns);
	counter(out, "weir_storage_merged_segments_total", "Segments merged into larger ones.", store->merged_segments,
		own->started_ns);
	counter(out, "weir_storage_unreadable_segments_total", "Segments that could not be read back.",
		store->unreadable_segments, own->started_ns);
	if (store->last_commit_ns > 0) {
		one_real(out, "weir_storage_last_commit_timestamp_seconds", "Time of the last commit.",
			(double)store->last_commit_ns / 1e9);
	}
	if (store->oldest_ns > 0) {
		one_real(out, "weir_storage_oldest_timestamp_seconds", "Arrival of the oldest detail.",
			(double)store->oldest_ns / 1e9);
	}
}

static void render_build(struct weir_exposition *out, const char *version)
{
	const struct weir_exposition_family family = {
		.name = weir_str_of("weir_build_info"),
		.help = weir_str_of("Always 1; the version is in the label."),
		.type = WEIR_EXPOSED_GAUGE,
	};
	char labels[96];
	int n = snprintf(labels, sizeof(labels), "version=\"%s\"", version);

	weir_exposition_family(out, &family);
	while (weir_exposition_pass(out)) {
		weir_exposition_count(out, weir_str_make(labels, (size_t)n), 1, 0);
	}
}

void weir_own_render(struct weir_exposition *out, const struct weir_own *own)
{
	render_build(out, own->version);
	render_ring(out, own);
	render_store(out, own);
	one(out, "weir_openmetrics_left_out_families", WEIR_EXPOSED_GAUGE,
		"Families that are not in OpenMetrics, because a name of theirs is another family's there.",
		own->left_out_families);
}

/* ---- counters of stat.def ------------------------------------------------ */

struct stats {
	struct weir_exposition *out;
	const char *name; /* of the present family; NULL: none yet */
	uint64_t started_ns;
	bool is_wanted; /* the format takes its samples */
};

static void stats_end(const struct stats *stats)
{
	if (stats->name != NULL && stats->is_wanted) {
		/* A few lines: no format needs them twice. */
		weir_assert(!weir_exposition_pass(stats->out));
	}
}

static void stats_row(void *ctx, const struct weir_stat_row *row)
{
	struct stats *stats = ctx;

	if (stats->name == NULL || strcmp(stats->name, row->name) != 0) {
		const struct weir_exposition_family family = {
			.name = weir_str_of(row->name),
			.help = weir_str_of(row->help),
			.type = row->is_gauge ? WEIR_EXPOSED_GAUGE : WEIR_EXPOSED_COUNTER,
		};

		stats_end(stats);
		stats->name = row->name;
		weir_exposition_family(stats->out, &family);
		stats->is_wanted = weir_exposition_pass(stats->out);
	}
	if (stats->is_wanted) {
		const struct weir_exposition_sample sample = {
			.labels = weir_str_of(row->labels),
			.number = weir_exposition_whole(row->value),
			.created_ns = stats->started_ns,
		};

		weir_exposition_sample(stats->out, &sample);
	}
}

void weir_own_stats_render(struct weir_exposition *out, uint64_t started_ns)
{
	struct stats stats = { .out = out, .started_ns = started_ns };

	weir_stat_each(stats_row, &stats);
	stats_end(&stats);
}

/* ---- the process --------------------------------------------------------- */

void weir_own_process_render(struct weir_exposition *out, const struct weir_own_process *process, uint64_t started_ns)
{
	weir_exposition_one(out, "process_cpu_seconds_total", WEIR_EXPOSED_COUNTER, "CPU time spent, user and system.",
		weir_exposition_real(process->cpu_s), started_ns);
	if (process->resident_bytes >= 0) {
		one(out, "process_resident_memory_bytes", WEIR_EXPOSED_GAUGE,
			"Resident memory, the ring's pages included.", (uint64_t)process->resident_bytes);
		one(out, "process_virtual_memory_bytes", WEIR_EXPOSED_GAUGE, "Virtual memory.",
			(uint64_t)process->virtual_bytes);
	}
	one_real(out, "process_start_time_seconds", "Start of the process since 1970.", (double)started_ns / 1e9);
	if (process->open_fds >= 0) {
		one(out, "process_open_fds", WEIR_EXPOSED_GAUGE, "Open file descriptors.", (uint64_t)process->open_fds);
	}
	if (process->max_fds >= 0) {
		one(out, "process_max_fds", WEIR_EXPOSED_GAUGE, "Most file descriptors that may be open.",
			(uint64_t)process->max_fds);
	}
}
