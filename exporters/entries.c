/* entries: log entries that rules make.
 *
 *   the fold's thread ──▶ lines ──▶ buffer ──▶ the writer's thread ──▶ stdout, stderr, file
 *
 * The fold must not wait for a pipe that nobody reads or a disk that is slow, so
 * lines go into a buffer of BUFFER_BYTES for each output; a thread of its own
 * takes a full buffer away and writes it. What does not fit is dropped and
 * counted, and so is what an output does not take for a second:
 * weir_log_entries_total{result}. Lines are dropped whole.
 *
 * A file that has grown to its rule's size is renamed to `<path>.1`, what was
 * there before to `.2`, and so on up to max_backups; older ones, and those of
 * more than max_age_days, go. That happens between two lines. A file that somebody
 * else moved away, or the outputs of the rules before, is opened anew.
 *
 * Other rules come with outputs that are open already. The writer's thread takes
 * them between two writes, in one step for the fold, and then writes what the
 * old ones still had; so no line is lost, and none of the old after a new one.
 *
 * Invariants
 *  1. `lock` guards rules, outputs and buffers; it is held while lines are made
 *     and copied, never over a write.
 *  2. Without an output (the usual case) a record costs one look at a flag.
 *  3. written + dropped + failed = lines that rules made.
 *  4. A buffer is written within TAKE_MS, or the rest of it has failed: whoever
 *     waits for the writer's thread waits no longer. */
#include "exporters/entries.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/stat.h"

#define BUFFER_BYTES (1u << 20)
#define OUTPUTS_MAX 32u
#define WAIT_MS 1000 /* for an output that takes nothing */
#define TAKE_MS 5000 /* and for one that takes little, for a buffer */
#define PATH_BYTES 4200u
#define DAY_NS (86400u * UINT64_C(1000000000))

struct output {
	const struct weir_ruleset_output *rule; /* of the rules that are held */
	int fd;
	bool is_regular; /* a pipe or a device has no size: it is not rotated */
	uint64_t size_bytes;
	struct weir_buf filling; /* lines taken; swapped with the writer's */
	uint32_t lines;
	bool has_failed; /* the log said so */
};

struct outputs {                            /* of one rule set */
	const struct weir_ruleset *ruleset; /* held */
	struct output at[OUTPUTS_MAX];
	uint32_t count;
};

struct weir_entries {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* there is something to write, or it is the end */
	pthread_cond_t taken;   /* `next` is NULL again */
	struct outputs now;
	struct outputs before; /* the writer's: what is written and closed */
	struct outputs *next;  /* of the thread that waits for them to be taken, whose the old ones become */
	bool is_stopping;
	_Atomic bool has_outputs;
	struct weir_scratch values; /* of the fold's thread */
	struct weir_buf lines;      /* likewise */
};

/* ---- outputs ------------------------------------------------------------- */

/* The file at the output's path from now on. */
static int output_reopen(struct output *output)
{
	struct stat status;
	/* O_NONBLOCK: a pipe that nobody reads is no output; whoever opens it would wait for a reader, main among them. */
	int fd = open(output->rule->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);

	if (fd < 0) {
		return -errno;
	}
	if (output->fd >= 0) {
		close(output->fd);
	}
	output->fd = fd;
	output->is_regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
	output->size_bytes = output->is_regular ? (uint64_t)status.st_size : 0;
	return 0;
}

static int output_open(struct output *output, const struct weir_ruleset_output *rule)
{
	*output = (struct output){ .rule = rule, .fd = -1 };
	weir_buf_init(&output->filling, BUFFER_BYTES);
	if (rule->sink != WEIR_SINK_FILE) {
		output->fd = rule->sink == WEIR_SINK_STDOUT ? STDOUT_FILENO : STDERR_FILENO;
		return 0;
	}
	return output_reopen(output);
}

static void output_close(struct output *output)
{
	weir_buf_fini(&output->filling);
	if (output->fd >= 0 && output->rule->sink == WEIR_SINK_FILE) {
		close(output->fd);
	}
	output->fd = -1;
}

static void outputs_close(struct outputs *outputs)
{
	for (uint32_t i = 0; i < outputs->count; i++) {
		output_close(&outputs->at[i]);
	}
	weir_ruleset_let_go(outputs->ruleset);
	outputs->ruleset = NULL;
	outputs->count = 0;
}

/* All outputs of these rules, or none and -errno. */
static int outputs_open(const struct weir_ruleset *ruleset, struct outputs *outputs, const char **ret_which)
{
	uint32_t count = weir_ruleset_output_count(ruleset);
	int error = count > OUTPUTS_MAX ? -E2BIG : 0;

	*ret_which = "too many handlers";
	outputs->ruleset = weir_ruleset_hold(ruleset);
	outputs->count = 0;
	for (uint32_t i = 0; i < count && error == 0; i++) {
		const struct weir_ruleset_output *rule = weir_ruleset_output(ruleset, i);

		error = output_open(&outputs->at[i], rule);
		outputs->count++;
		*ret_which = error != 0 ? rule->path : *ret_which;
	}
	if (error != 0) {
		outputs_close(outputs);
	}
	return error;
}

/* ---- rotation: the writer's thread --------------------------------------- */

static void backup_name(const struct output *output, uint32_t number, char name[PATH_BYTES])
{
	if (number == 0) {
		snprintf(name, PATH_BYTES, "%s", output->rule->path);
	} else {
		snprintf(name, PATH_BYTES, "%s.%u", output->rule->path, number);
	}
}

static bool is_too_old(const char *name, uint32_t max_age_days)
{
	struct stat status;

	return max_age_days > 0 && stat(name, &status) == 0 &&
	       (uint64_t)status.st_mtime * 1000000000u + max_age_days * DAY_NS < weir_clock_now_ns();
}

/* The first number that no backup has; the last one when all are there. */
static uint32_t backup_free(const struct output *output)
{
	uint32_t number = 1;
	char name[PATH_BYTES];

	for (; number < output->rule->max_backups; number++) {
		backup_name(output, number, name);
		if (access(name, F_OK) != 0) {
			break;
		}
	}
	return number;
}

/* The file becomes `.1`, and so on; what has no place any more goes. */
static int rotate(struct output *output)
{
	char from[PATH_BYTES], to[PATH_BYTES];

	for (uint32_t i = backup_free(output); i-- > 0;) {
		backup_name(output, i, from);
		backup_name(output, i + 1, to);
		if (rename(from, to) != 0 && errno != ENOENT) {
			return -errno;
		}
		if (is_too_old(to, output->rule->max_age_days)) {
			unlink(to);
		}
	}
	return output_reopen(output);
}

/* The file that is at the path now, and its size: somebody may have moved it away
 * or emptied it; the outputs of the rules before may have written on. */
static int output_follow(struct output *output)
{
	struct stat here, there;

	if (!output->is_regular || fstat(output->fd, &here) != 0) {
		return 0;
	}
	if (stat(output->rule->path, &there) != 0 || here.st_ino != there.st_ino || here.st_dev != there.st_dev) {
		return output_reopen(output);
	}
	output->size_bytes = (uint64_t)here.st_size;
	return 0;
}

/* How large it may become; 0: there is no limit. */
static uint64_t max_of(const struct output *output)
{
	return output->is_regular ? output->rule->max_size_bytes : 0;
}

/* A pipe takes up to PIPE_BUF at once when it says that it takes any; one that takes nothing for a while is given up. */
static int all_write(int fd, const char *data, size_t length, uint64_t deadline_ns)
{
	while (length > 0) {
		struct pollfd ready = { .fd = fd, .events = POLLOUT };
		int count = poll(&ready, 1, WAIT_MS);
		ssize_t written;

		if (count < 0 && errno != EINTR) {
			return -errno;
		}
		if (count == 0 || weir_clock_monotonic_ns() > deadline_ns) {
			return -ETIMEDOUT;
		}
		if (count < 0) {
			continue;
		}
		written = write(fd, data, length < PIPE_BUF ? length : PIPE_BUF);
		if (written < 0 && errno != EINTR && errno != EAGAIN) {
			return -errno;
		}
		data += written > 0 ? written : 0;
		length -= written > 0 ? (size_t)written : 0;
	}
	return 0;
}

/* How much of the text may be written before the file is to be rotated: whole lines, at least one. */
static size_t piece_of(const struct output *output, struct weir_str text)
{
	uint64_t max = max_of(output);
	const char *end;

	if (max == 0 || text.data == NULL || output->size_bytes + text.length <= max) {
		return text.length;
	}
	end = output->size_bytes < max ? memrchr(text.data, '\n', (size_t)(max - output->size_bytes)) : NULL;
	end = end == NULL ? memchr(text.data, '\n', text.length) : end;
	return end == NULL ? text.length : (size_t)(end + 1 - text.data);
}

static int text_write(struct output *output, struct weir_str text)
{
	uint64_t deadline_ns = weir_clock_monotonic_ns() + TAKE_MS * UINT64_C(1000000);
	int error = output_follow(output);

	while (text.length > 0 && error == 0) {
		size_t piece;

		if (max_of(output) > 0 && output->size_bytes >= max_of(output)) {
			error = rotate(output);
		}
		piece = piece_of(output, text);
		error = error != 0 ? error : all_write(output->fd, text.data, piece, deadline_ns);
		output->size_bytes += piece;
		text = weir_str_make(text.data + piece, text.length - piece);
	}
	return error;
}

/* ---- the writer's thread -------------------------------------------------- */

static void written_count(struct output *output, uint32_t lines, int error)
{
	weir_stat_add(error == 0 ? WEIR_STAT_ENTRIES_WRITTEN : WEIR_STAT_ENTRIES_FAILED, lines);
	if (error != 0 && !output->has_failed) {
		weir_log(WEIR_LOG_WARN, "entries", "log entries cannot be written handler=%s why=\"%s\"",
			output->rule->name, strerror(-error));
	}
	output->has_failed = error != 0;
}

/* Writes what one output has; the lock is not held meanwhile. */
static void output_write(struct weir_entries *entries, struct output *output, struct weir_buf *spare)
{
	struct weir_buf full = output->filling;
	uint32_t lines = output->lines;
	int error;

	output->filling = *spare;
	output->lines = 0;
	pthread_mutex_unlock(&entries->lock);
	error = text_write(output, weir_buf_str(&full));
	written_count(output, lines, error);
	pthread_mutex_lock(&entries->lock);
	weir_buf_clear(&full);
	*spare = full;
}

static struct output *output_waiting(struct outputs *outputs)
{
	for (uint32_t i = 0; i < outputs->count; i++) {
		if (outputs->at[i].lines > 0) {
			return &outputs->at[i];
		}
	}
	return NULL;
}

/* Other rules: in one step for the fold; then the old outputs are written to their end. */
static void next_take(struct weir_entries *entries, struct weir_buf *spare)
{
	struct output *output;

	entries->before = entries->now;
	entries->now = *entries->next;
	entries->next = NULL;
	atomic_store(&entries->has_outputs, entries->now.count > 0);
	pthread_cond_broadcast(&entries->taken);
	while ((output = output_waiting(&entries->before)) != NULL) {
		output_write(entries, output, spare);
	}
	pthread_mutex_unlock(&entries->lock);
	outputs_close(&entries->before);
	pthread_mutex_lock(&entries->lock);
}

static void *loop(void *arg)
{
	struct weir_entries *entries = arg;
	struct weir_buf spare;

	pthread_setname_np(pthread_self(), "weir-entries");
	weir_buf_init(&spare, BUFFER_BYTES);
	pthread_mutex_lock(&entries->lock);
	for (;;) {
		struct output *output = output_waiting(&entries->now);

		if (entries->next != NULL) {
			next_take(entries, &spare);
		} else if (output != NULL) {
			output_write(entries, output, &spare);
		} else if (entries->is_stopping) {
			break;
		} else {
			pthread_cond_wait(&entries->changed, &entries->lock);
		}
	}
	pthread_mutex_unlock(&entries->lock);
	weir_buf_fini(&spare);
	return NULL;
}

/* ---- start, rules, stop --------------------------------------------------- */

int weir_entries_start(const struct weir_ruleset *ruleset, const char **ret_which, struct weir_entries **ret_entries)
{
	struct weir_entries *entries = calloc(1, sizeof(*entries));
	int error;

	*ret_which = "memory";
	if (entries == NULL) {
		return -ENOMEM;
	}
	error = outputs_open(ruleset, &entries->now, ret_which);
	if (error != 0) {
		free(entries);
		return error;
	}
	atomic_init(&entries->has_outputs, entries->now.count > 0);
	weir_buf_init(&entries->lines, BUFFER_BYTES);
	pthread_mutex_init(&entries->lock, NULL);
	pthread_cond_init(&entries->changed, NULL);
	pthread_cond_init(&entries->taken, NULL);
	error = pthread_create(&entries->thread, NULL, loop, entries);
	if (error != 0) {
		*ret_which = "a thread";
		entries->is_stopping = true;
		weir_entries_stop(entries);
		return -error;
	}
	*ret_entries = entries;
	return 0;
}

int weir_entries_rules(struct weir_entries *entries, const struct weir_ruleset *ruleset, const char **ret_which)
{
	struct outputs next;
	int error = outputs_open(ruleset, &next, ret_which);

	if (error != 0) {
		return error;
	}
	pthread_mutex_lock(&entries->lock);
	entries->next = &next;
	pthread_cond_signal(&entries->changed);
	while (entries->next != NULL) {
		pthread_cond_wait(&entries->taken, &entries->lock);
	}
	pthread_mutex_unlock(&entries->lock);
	return 0;
}

void weir_entries_stop(struct weir_entries *entries)
{
	if (entries == NULL) {
		return;
	}
	if (!entries->is_stopping) {
		pthread_mutex_lock(&entries->lock);
		entries->is_stopping = true;
		pthread_cond_signal(&entries->changed);
		pthread_mutex_unlock(&entries->lock);
		pthread_join(entries->thread, NULL);
	}
	outputs_close(&entries->now);
	weir_buf_fini(&entries->lines);
	pthread_cond_destroy(&entries->changed);
	pthread_cond_destroy(&entries->taken);
	pthread_mutex_destroy(&entries->lock);
	free(entries);
}

/* ---- the fold's thread ------------------------------------------------------ */

void weir_entries_watch(void *ctx, const struct weir_rules_record *record)
{
	struct weir_entries *entries = ctx;
	bool has_more = false;

	if (!atomic_load_explicit(&entries->has_outputs, memory_order_relaxed)) {
		return;
	}
	pthread_mutex_lock(&entries->lock);
	for (uint32_t i = 0; i < entries->now.count; i++) {
		struct output *output = &entries->now.at[i];
		uint32_t lines;

		weir_buf_clear(&entries->lines);
		weir_scratch_reset(&entries->values);
		lines = weir_ruleset_entries(entries->now.ruleset, i, record, &entries->values, &entries->lines);
		if (lines == 0) {
			continue;
		}
		if (weir_buf_error(&entries->lines) != 0 ||
			output->filling.length + entries->lines.length > BUFFER_BYTES) {
			weir_stat_add(WEIR_STAT_ENTRIES_DROPPED, lines);
			continue;
		}
		weir_buf_add_str(&output->filling, weir_buf_str(&entries->lines));
		output->lines += lines;
		has_more = true;
	}
	if (has_more) {
		pthread_cond_signal(&entries->changed);
	}
	pthread_mutex_unlock(&entries->lock);
}
