/* test_entries: lines of log entries reach their outputs, each once, whatever becomes of rules and files meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/stat.h"
#include "exporters/entries.h"

static char folder[] = "/tmp/weir-entries-XXXXXX";
static char pipe_path[64];

static const char document[] =
	"{kind: logentry, apiVersion: config.istio.io/v1alpha2, metadata: {name: e, namespace: n}, spec: {severity: "
	"'\"info\"', variables: {n: response.code | 0}}}\n---\n"
	"{kind: stdio, apiVersion: config.istio.io/v1alpha2, metadata: {name: s, namespace: n}, spec: {logStream: "
	"%s, outputPath: %s/%s, outputAsJson: true, maxMegabytesBeforeRotation: 1, maxRotatedFiles: 3}}\n---\n"
	"{kind: rule, apiVersion: config.istio.io/v1alpha2, metadata: {name: r, namespace: n}, spec: {actions: "
	"[{handler: s.stdio, instances: [e.logentry]}]}}\n";

static const struct weir_ruleset *rules_of(const char *stream, const char *file)
{
	char path[128], text[2048];
	const char *paths[] = { path };
	const struct weir_ruleset_opts opts = { .paths = paths, .path_count = 1 };
	const struct weir_ruleset *ruleset = NULL;
	struct weir_ruleset_error error;
	FILE *rules;

	snprintf(path, sizeof(path), "%s/rules.yaml", folder);
	snprintf(text, sizeof(text), document, stream, folder, file);
	rules = fopen(path, "w");
	assert_non_null(rules);
	assert_true(fputs(text, rules) >= 0);
	assert_int_equal(fclose(rules), 0);
	if (weir_ruleset_load(&opts, &ruleset, &error) != 0) {
		fail_msg("%s: %s", error.where, error.why);
	}
	return ruleset;
}

static uint32_t lines_of(const char *name)
{
	char path[128];
	uint32_t count = 0;
	FILE *file;
	int c;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "r");
	while (file != NULL && (c = fgetc(file)) != EOF) {
		count += c == '\n';
	}
	if (file != NULL) {
		assert_int_equal(fclose(file), 0);
		assert_int_equal(unlink(path), 0);
	}
	return count;
}

static void watch(struct weir_entries *entries, uint32_t count)
{
	static struct weir_value told[WEIR_ATTRIBUTES];
	const struct weir_rules_record record = { .told = told };

	for (uint32_t i = 0; i < count; i++) {
		weir_entries_watch(entries, &record);
	}
}

static struct weir_entries *start(const char *file)
{
	const struct weir_ruleset *rules = rules_of("FILE", file);
	struct weir_entries *entries = NULL;
	const char *which;

	assert_int_equal(weir_entries_start(rules, &which, &entries), 0);
	weir_ruleset_let_go(rules);
	return entries;
}

/* Lines that were taken are the old output's, those after a reload the new one's; a reload that fails changes nothing. */
static void a_reload_loses_no_line(void **state)
{
	const struct weir_ruleset *good = rules_of("FILE", "new"), *bad = rules_of("FILE", "none/there");
	uint64_t written = weir_stat_get(WEIR_STAT_ENTRIES_WRITTEN);
	struct weir_entries *entries = start("old");
	const char *which;

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		watch(entries, 100);
		assert_true(weir_entries_rules(entries, bad, &which) < 0);
		assert_non_null(strstr(which, "none/there"));
		watch(entries, 1);
	}
	assert_int_equal(weir_entries_rules(entries, good, &which), 0);
	watch(entries, 77);
	assert_int_equal(weir_entries_rules(entries, good, &which), 0); /* the same file twice open */
	watch(entries, 3);
	weir_entries_stop(entries);
	assert_int_equal(lines_of("old"), 50 * 101);
	assert_int_equal(lines_of("new"), 80);
	assert_int_equal(weir_stat_get(WEIR_STAT_ENTRIES_WRITTEN) - written, 50 * 101 + 80);
	weir_ruleset_let_go(good);
	weir_ruleset_let_go(bad);
}

enum { MANY = 40000 };

static atomic_bool is_told;

static void *many_watch(void *arg)
{
	watch(arg, MANY);
	atomic_store(&is_told, true);
	return NULL;
}

/* The fold goes on while rules change: what it tells is written, or dropped and counted. */
static void lines_of_a_reload_are_counted(void **state)
{
	const struct weir_ruleset *rules[2] = { rules_of("FILE", "a"), rules_of("FILE", "b") };
	uint64_t before = weir_stat_get(WEIR_STAT_ENTRIES_WRITTEN) + weir_stat_get(WEIR_STAT_ENTRIES_DROPPED);
	struct weir_entries *entries = start("a");
	const char *which;
	pthread_t fold;

	(void)state;
	assert_int_equal(pthread_create(&fold, NULL, many_watch, entries), 0);
	for (unsigned i = 0; !atomic_load(&is_told); i++) {
		assert_int_equal(weir_entries_rules(entries, rules[i % 2], &which), 0);
	}
	assert_int_equal(pthread_join(fold, NULL), 0);
	weir_entries_stop(entries);
	assert_int_equal(
		weir_stat_get(WEIR_STAT_ENTRIES_WRITTEN) + weir_stat_get(WEIR_STAT_ENTRIES_DROPPED) - before, MANY);
	for (unsigned i = 0; i < 10; i++) {
		char name[2][16];

		snprintf(name[0], sizeof(name[0]), "a.%u", i);
		snprintf(name[1], sizeof(name[1]), "b.%u", i);
		for (unsigned k = 0; k < 2; k++) {
			name[k][1] = i == 0 ? '\0' : '.';
			lines_of(name[k]);
		}
	}
	weir_ruleset_let_go(rules[0]);
	weir_ruleset_let_go(rules[1]);
}

/* Somebody else rotates. */
static void a_file_that_was_moved_is_opened_anew(void **state)
{
	struct weir_entries *entries = start("moved");
	const struct weir_ruleset *same = rules_of("FILE", "moved");
	uint64_t written = weir_stat_get(WEIR_STAT_ENTRIES_WRITTEN);
	char from[128], to[128];
	const char *which;

	(void)state;
	snprintf(from, sizeof(from), "%s/moved", folder);
	snprintf(to, sizeof(to), "%s/away", folder);
	watch(entries, 5);
	/* The second one is taken when all that was before the first is written. */
	assert_int_equal(weir_entries_rules(entries, same, &which), 0);
	assert_int_equal(weir_entries_rules(entries, same, &which), 0);
	assert_int_equal(weir_stat_get(WEIR_STAT_ENTRIES_WRITTEN) - written, 5);
	assert_int_equal(rename(from, to), 0);
	watch(entries, 7);
	assert_int_equal(weir_entries_rules(entries, same, &which), 0);
	watch(entries, 2);
	weir_entries_stop(entries);
	assert_int_equal(lines_of("away"), 5);
	assert_int_equal(lines_of("moved"), 9);
	weir_ruleset_let_go(same);
}

enum { PIPED = 3000 };

static sem_t drained; /* posted for each PIPED lines */

static void *drain(void *arg)
{
	static char bytes[65536];
	int fd = open(pipe_path, O_RDONLY);
	uint32_t lines = 0;
	ssize_t count;

	(void)arg;
	assert_true(fd >= 0);
	while ((count = read(fd, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < count; i++) {
			if (bytes[i] == '\n' && ++lines % PIPED == 0) {
				assert_int_equal(sem_post(&drained), 0);
			}
		}
	}
	assert_int_equal(close(fd), 0);
	return NULL;
}

/* A pipe has no size: the next program reads on, whatever the rule says of rotation. */
static void a_pipe_is_not_rotated(void **state)
{
	uint64_t before = weir_stat_get(WEIR_STAT_ENTRIES_WRITTEN);
	const struct weir_ruleset *rules;
	struct weir_entries *entries = NULL;
	struct timespec end;
	struct stat status;
	const char *which;
	pthread_t reader;
	int keeper;

	(void)state;
	snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", folder);
	assert_int_equal(mkfifo(pipe_path, 0600), 0);
	assert_int_equal(sem_init(&drained, 0, 0), 0);
	rules = rules_of("ROTATED_FILE", "pipe");
	assert_int_equal(weir_entries_start(rules, &which, &entries), -ENXIO); /* and does not wait for a reader */
	keeper = open(pipe_path, O_RDWR | O_CLOEXEC);
	assert_true(keeper >= 0);
	assert_int_equal(weir_entries_start(rules, &which, &entries), 0);
	assert_int_equal(pthread_create(&reader, NULL, drain, NULL), 0);
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &end), 0);
	end.tv_sec += 30;
	for (unsigned i = 0; i < 10; i++) { /* 10 * 3000 lines of 80 bytes: more than the MiB of the rule */
		watch(entries, PIPED);
		assert_int_equal(sem_timedwait(&drained, &end), 0);
	}
	weir_entries_stop(entries);
	assert_int_equal(close(keeper), 0);
	assert_int_equal(pthread_join(reader, NULL), 0);
	assert_int_equal(sem_destroy(&drained), 0);
	assert_int_equal(stat(pipe_path, &status), 0);
	assert_true(S_ISFIFO(status.st_mode));
	assert_int_equal(unlink(pipe_path), 0);
	assert_int_equal(weir_stat_get(WEIR_STAT_ENTRIES_WRITTEN) - before, 10 * PIPED);
	weir_ruleset_let_go(rules);
}

/* Each backup of a log without a limit stays, and none is lost in between. */
static void backups_are_numbered_from_the_newest(void **state)
{
	const struct weir_ruleset *rules = rules_of("ROTATED_FILE", "rotated");
	struct weir_entries *entries = NULL;
	uint32_t lines[5], all = 0;
	const char *which;
	char name[32];

	(void)state;
	assert_int_equal(weir_entries_start(rules, &which, &entries), 0);
	for (unsigned i = 0; i < 64; i++) {
		watch(entries, 1000);
		assert_int_equal(weir_entries_rules(entries, rules, &which), 0);
	}
	weir_entries_stop(entries);
	for (unsigned i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), i == 0 ? "rotated" : "rotated.%u", i);
		lines[i] = lines_of(name);
		all += lines[i];
	}
	assert_int_equal(lines[4], 0); /* three backups, says the rule */
	assert_true(lines[0] > 0 && lines[1] > 0 && lines[1] == lines[2] && lines[2] == lines[3]);
	assert_int_equal(lines[0], 64000 % lines[1]);
	assert_true(all < 64000);
	weir_ruleset_let_go(rules);
}

static int folder_make(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL;
}

static int folder_remove(void **state)
{
	(void)state;
	lines_of("rules.yaml");
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reload_loses_no_line),
		cmocka_unit_test(lines_of_a_reload_are_counted),
		cmocka_unit_test(a_file_that_was_moved_is_opened_anew),
		cmocka_unit_test(a_pipe_is_not_rotated),
		cmocka_unit_test(backups_are_numbered_from_the_newest),
	};

	return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
