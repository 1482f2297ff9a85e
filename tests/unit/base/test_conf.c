/* test_conf: what an operator writes is taken, or refused with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/conf.h"

struct loaded {
	struct weir_arena arena;
	struct weir_conf conf;
	struct weir_buf why;
	char path[64];
	int result;
};

/* Variables of the caller's own environment must not decide these tests. */
static int clear_environment(void **state)
{
	(void)state;
	return clearenv();
}

/* `file` NULL: none. The flags end with NULL. */
static struct loaded load(const char *file, const char *const *flags)
{
	struct loaded loaded = { .path = "/tmp/weir-test-conf-XXXXXX" };
	size_t count = 0;

	weir_arena_init(&loaded.arena, 4096, 1 << 20);
	weir_buf_init(&loaded.why, 0);
	while (flags != NULL && flags[count] != NULL) {
		count++;
	}
	if (file != NULL) {
		int fd = mkstemp(loaded.path);

		assert_true(fd >= 0);
		assert_int_equal(write(fd, file, strlen(file)), strlen(file));
		close(fd);
	}
	loaded.result = weir_conf_load(
		&loaded.arena, file != NULL ? loaded.path : NULL, flags, count, &loaded.conf, &loaded.why);
	if (file != NULL) {
		unlink(loaded.path);
	}
	return loaded;
}

static void unload(struct loaded *loaded)
{
	weir_buf_fini(&loaded->why);
	weir_arena_fini(&loaded->arena);
}

static void check_refused(struct loaded loaded, const char *expected)
{
	assert_int_equal(loaded.result, WEIR_CONF_BAD);
	weir_buf_add_char(&loaded.why, '\0');
	assert_string_equal(loaded.why.data, expected);
	unload(&loaded);
}

/* `where` is what stands behind the file's name. */
static void file_is_refused(const char *file, const char *where)
{
	struct loaded loaded = load(file, NULL);
	char expected[256];

	snprintf(expected, sizeof(expected), "%s:%s", loaded.path, where);
	check_refused(loaded, expected);
}

static void flag_is_refused(const char *flag, const char *expected)
{
	const char *const flags[] = { flag, NULL };

	check_refused(load(NULL, flags), expected);
}

static void variable_is_refused(const char *name, const char *value, const char *expected)
{
	assert_int_equal(setenv(name, value, 1), 0);
	check_refused(load(NULL, NULL), expected);
	unsetenv(name);
}

static void check_defaults(const struct weir_conf *conf)
{
	assert_int_equal(conf->listen_grpc.count, 2);
	assert_string_equal(conf->listen_grpc.items[0], "127.0.0.1:4317");
	assert_string_equal(conf->listen_grpc.items[1], "127.0.0.1:9091");
	assert_int_equal(conf->limits_memory, 256u << 20);
	assert_int_equal(conf->limits_query_s, 5);
	assert_int_equal(conf->storage_max_age, 72 * 3600);
	assert_string_equal(conf->storage_path, "./weir.db");
	assert_string_equal(conf->storage_sync, "interval");
	assert_string_equal(conf->ring_path, "");
	assert_int_equal(conf->metrics_max_series, 50000);
}

static void defaults_stand_without_any_source(void **state)
{
	struct loaded loaded = load(NULL, NULL);

	(void)state;
	assert_int_equal(loaded.result, 0);
	check_defaults(&loaded.conf);
	unload(&loaded);
}

static void empty_files_change_nothing(void **state)
{
	static const char *const files[] = { "", "# only this\n", "---\n", "ring:\nlog:\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct loaded loaded = load(files[i], NULL);

		assert_int_equal(loaded.result, 0);
		check_defaults(&loaded.conf);
		unload(&loaded);
	}
}

static void later_sources_win(void **state)
{
	const char *const flags[] = { "log.level=warn", "log.level=error", NULL };
	struct loaded loaded;

	(void)state;
	setenv("WEIR_LOG_LEVEL", "debug", 1);
	setenv("WEIR_RING_SIZE", "2MiB", 1);
	loaded = load("ring:\n  size: 4MiB\nstorage: {max_size: 8 MiB}\n", flags);
	unsetenv("WEIR_LOG_LEVEL");
	unsetenv("WEIR_RING_SIZE");
	assert_int_equal(loaded.result, 0);
	assert_string_equal(loaded.conf.log_level, "error");
	assert_int_equal(loaded.conf.ring_size, 2u << 20);
	assert_int_equal(loaded.conf.storage_max_size, 8u << 20);
	unload(&loaded);
}

static void lists_may_be_sequences_or_texts_or_empty(void **state)
{
	const char *const flags[] = { "listen.http=[::1]:0 , unix:/run/w,x:1", NULL };
	struct loaded loaded = load("listen:\n  grpc: []\n", flags);

	(void)state;
	assert_int_equal(loaded.result, 0);
	assert_int_equal(loaded.conf.listen_grpc.count, 0);
	assert_int_equal(loaded.conf.listen_http.count, 3);
	assert_string_equal(loaded.conf.listen_http.items[0], "[::1]:0");
	assert_string_equal(loaded.conf.listen_http.items[1], "unix:/run/w");
	assert_null(loaded.conf.listen_http.items[3]);
	unload(&loaded);

	loaded = load("listen:\n  grpc: \"\"\n  http:\n    - a:1\n    - b:2\n", NULL);
	assert_int_equal(loaded.result, 0);
	assert_int_equal(loaded.conf.listen_grpc.count, 0);
	assert_int_equal(loaded.conf.listen_http.count, 2);
	assert_string_equal(loaded.conf.listen_http.items[1], "b:2");
	unload(&loaded);
}

static void numbers_have_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} sizes[] = {
		{ "4194304", 4194304 },
		{ "4194304B", 4194304 },
		{ "5000KB", 5000000 },
		{ "5MB", 5000000 },
		{ "5 GB", 5000000000 },
		{ "1TB", 1000000000000 },
		{ "4096KiB", 4194304 },
		{ "1TiB", 1ull << 40 },
	};
	static const struct {
		const char *text;
		uint64_t value;
	} times[] = { { "9", 9 }, { "9s", 9 }, { "9m", 540 }, { "9 h", 32400 }, { "9d", 777600 } };
	char flag[64];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const char *const flags[] = { flag, NULL };
		struct loaded loaded;

		snprintf(flag, sizeof(flag), "storage.max_size=%s", sizes[i].text);
		loaded = load(NULL, flags);
		assert_int_equal(loaded.result, 0);
		assert_int_equal(loaded.conf.storage_max_size, sizes[i].value);
		unload(&loaded);
	}
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		const char *const flags[] = { flag, NULL };
		struct loaded loaded;

		snprintf(flag, sizeof(flag), "storage.max_age=%s", times[i].text);
		loaded = load(NULL, flags);
		assert_int_equal(loaded.result, 0);
		assert_int_equal(loaded.conf.storage_max_age, times[i].value);
		unload(&loaded);
	}
}

static void what_is_wrong_in_a_file_has_line_and_column(void **state)
{
	(void)state;
	file_is_refused("rong:\n", "1:1: rong: unknown section");
	file_is_refused("log:\nring:\n  siz: 1\n", "3:3: ring.siz: unknown key");
	file_is_refused("ring:\n  size: 2MiB\n  size: 2MiB\n", "3:3: ring.size: the key stands here twice");
	file_is_refused("ring:\nlog:\nring:\n", "3:1: ring: the section stands here twice");
	file_is_refused("ring:\n  size: 1\n", "2:9: ring.size: out of range: from 1MiB to 16GiB");
	file_is_refused("ring:\n  size: [2MiB]\n", "2:9: ring.size: one value stands here");
	file_is_refused("ring:\n  size: {a: b}\n", "2:9: ring.size: one value stands here");
	file_is_refused("ring:\n  size:\n", "2:8: ring.size: no value; leave the key out for its default");
	file_is_refused("ring: 7\n", "1:7: ring: a section holds keys and their values");
	file_is_refused("[ring]\n", "1:1: the file holds sections, each with its keys");
	file_is_refused("log: {level: loud}\n", "1:14: log.level: not one of debug,info,warn,error");
	file_is_refused("listen:\n  grpc: [a, [b]]\n", "2:13: listen.grpc: a list of texts stands here");
	file_is_refused("listen:\n  grpc: [a, '']\n", "2:9: listen.grpc: an item of the list is empty");
	file_is_refused("ring: &a\n", "1:7: anchors and tags are not taken here");
	file_is_refused("ring: *a\n", "1:7: aliases are not taken here");
	file_is_refused("ring: !!map {}\n", "1:7: anchors and tags are not taken here");
	file_is_refused("ring:\n---\nlog:\n", "2:1: only one document is taken here");
	file_is_refused("ring:\n  path: \"a\\0b\"\n", "2:9: ring.path: a NUL byte inside the value");
}

static void a_file_that_is_not_there_is_named(void **state)
{
	struct loaded loaded = { .result = 0 };

	(void)state;
	weir_arena_init(&loaded.arena, 4096, 1 << 20);
	weir_buf_init(&loaded.why, 0);
	loaded.result = weir_conf_load(&loaded.arena, "/nonexistent/weir.yaml", NULL, 0, &loaded.conf, &loaded.why);
	check_refused(loaded, "/nonexistent/weir.yaml: No such file or directory");
}

static void a_file_beyond_its_bound_is_refused(void **state)
{
	char *file = malloc((1u << 20) + 2);

	(void)state;
	memset(file, '#', (1u << 20) + 1);
	file[(1u << 20) + 1] = '\0';
	file_is_refused(file, " larger than 1 MiB");
	free(file);
}

static void what_is_wrong_in_a_flag_has_its_name(void **state)
{
	(void)state;
	flag_is_refused("ring.siz=1", "--ring.siz: unknown key");
	flag_is_refused("ring=1", "--ring: unknown key");
	flag_is_refused("ring.size", "--ring.size: no value; write --section.key=value");
	flag_is_refused("ring.size=1.5GiB",
		"--ring.size: not a size: a whole number, alone or with KiB, MiB, GiB, TiB, KB, MB, GB or TB");
	flag_is_refused("ring.size=18446744073709551615TiB", "--ring.size: out of range: from 1MiB to 16GiB");
	flag_is_refused("ring.size=99999999999999999999", "--ring.size: out of range: from 1MiB to 16GiB");
	flag_is_refused("limits.streams=-1", "--limits.streams: not a whole number");
	flag_is_refused("limits.streams=", "--limits.streams: not a whole number");
	flag_is_refused("storage.max_age=5 weeks",
		"--storage.max_age: not a time: a whole number of seconds, or one with s, m, h or d");
	flag_is_refused("storage.path=", "--storage.path: must not be empty");
	flag_is_refused("listen.grpc=a,,b", "--listen.grpc: an item of the list is empty");
}

static void what_is_wrong_in_a_variable_has_its_name(void **state)
{
	(void)state;
	variable_is_refused("WEIR_STORAGE_SYNC", "never", "WEIR_STORAGE_SYNC: not one of interval,always");
	variable_is_refused("WEIR_STORAGE_PTAH", "x", "WEIR_STORAGE_PTAH: no key has this variable");
	variable_is_refused("WEIR_LISTEN_PORT", "9411", "WEIR_LISTEN_PORT: no key has this variable");
}

/* Kubernetes sets these in every pod of a namespace that has a Service `weir`. */
static void variables_of_tests_and_of_services_are_passed_over(void **state)
{
	static const char *const names[] = { "WEIR_CRASH_POINT", "WEIR_FAULT_DISK", "WEIR_TEST_X", "WEIR_SERVICE_HOST",
		"WEIR_SERVICE_PORT_HTTP", "WEIR_PORT", "WEIR_PORT_9411_TCP_ADDR", "WEIR_GRPC_PORT", "WEIRD" };
	struct loaded loaded;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		setenv(names[i], "tcp://10.0.0.1:9411", 1);
	}
	loaded = load(NULL, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		unsetenv(names[i]);
	}
	assert_int_equal(loaded.result, 0);
	check_defaults(&loaded.conf);
	unload(&loaded);
}

static void the_sample_is_the_defaults(void **state)
{
	struct loaded loaded;
	struct weir_buf text;
	char *at;

	(void)state;
	weir_buf_init(&text, 0);
	weir_conf_sample(&text);
	weir_buf_add_char(&text, '\0');
	loaded = load(text.data, NULL);
	assert_int_equal(loaded.result, 0);
	check_defaults(&loaded.conf);
	unload(&loaded);
	for (at = text.data; (at = strstr(at, "\n  #")) != NULL; at += 4) {
		if (at[4] != ' ') {
			at[3] = ' '; /* takes the key in; YAML wants it as deep as the others */
		}
	}
	loaded = load(text.data, NULL);
	if (loaded.result != 0) {
		fail_msg("%.*s", (int)loaded.why.length, loaded.why.data);
	}
	check_defaults(&loaded.conf);
	unload(&loaded);
	weir_buf_fini(&text);
}

static void help_has_a_line_for_each_key(void **state)
{
	struct weir_buf text;
	size_t lines = 0, keys = 0;

	(void)state;
#define WEIR_CONF(section, key, type, value, low, high, range, sentence) keys++;
#include "base/conf.def"
#undef WEIR_CONF
	weir_buf_init(&text, 0);
	weir_conf_help(&text);
	for (size_t i = 0; i < text.length; i++) {
		lines += text.data[i] == '\n';
	}
	assert_int_equal(lines, keys);
	weir_buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_stand_without_any_source),
		cmocka_unit_test(empty_files_change_nothing),
		cmocka_unit_test(later_sources_win),
		cmocka_unit_test(lists_may_be_sequences_or_texts_or_empty),
		cmocka_unit_test(numbers_have_units),
		cmocka_unit_test(what_is_wrong_in_a_file_has_line_and_column),
		cmocka_unit_test(a_file_that_is_not_there_is_named),
		cmocka_unit_test(a_file_beyond_its_bound_is_refused),
		cmocka_unit_test(what_is_wrong_in_a_flag_has_its_name),
		cmocka_unit_test(what_is_wrong_in_a_variable_has_its_name),
		cmocka_unit_test(variables_of_tests_and_of_services_are_passed_over),
		cmocka_unit_test(the_sample_is_the_defaults),
		cmocka_unit_test(help_has_a_line_for_each_key),
	};

	return cmocka_run_group_tests(tests, clear_environment, NULL);
}
