/* test_log: one event is one logfmt line, and a repeated one does not flood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

static char caught[65536];
static int catcher, stderr_before;

/* From here to lines_caught() standard error goes into a memory file. */
static void catch_lines(void)
{
	catcher = memfd_create("stderr", MFD_CLOEXEC);
	assert_true(catcher >= 0);
	stderr_before = dup(STDERR_FILENO);
	assert_true(dup2(catcher, STDERR_FILENO) >= 0);
}

static size_t lines_caught(void)
{
	size_t lines = 0;
	ssize_t n;

	dup2(stderr_before, STDERR_FILENO);
	close(stderr_before);
	n = pread(catcher, caught, sizeof(caught) - 1, 0);
	close(catcher);
	assert_true(n >= 0);
	caught[n] = '\0';
	for (ssize_t i = 0; i < n; i++) {
		lines += caught[i] == '\n';
	}
	return lines;
}

static void a_line_has_time_level_room_and_message(void **state)
{
	(void)state;
	catch_lines();
	weir_log(WEIR_LOG_WARN, "ring", "full used=%d", 7);
	assert_int_equal(lines_caught(), 1);
	assert_int_equal(caught[10], 'T');
	assert_string_equal(caught + strlen("2026-11-23T12:00:00.000Z"), " warn ring full used=7\n");
}

static void lines_below_the_level_are_not_written(void **state)
{
	(void)state;
	catch_lines();
	weir_log(WEIR_LOG_DEBUG, "base", "not by default");
	weir_log_set_level(WEIR_LOG_ERROR);
	weir_log(WEIR_LOG_WARN, "base", "not at this level");
	weir_log(WEIR_LOG_ERROR, "base", "but this");
	weir_log_set_level(WEIR_LOG_DEBUG);
	weir_log(WEIR_LOG_DEBUG, "base", "and this");
	weir_log_set_level(WEIR_LOG_INFO);
	assert_int_equal(lines_caught(), 2);
	assert_non_null(strstr(caught, "error base but this\n"));
	assert_non_null(strstr(caught, "debug base and this\n"));
}

static void a_flood_of_one_message_is_held_back(void **state)
{
	(void)state;
	catch_lines();
	for (int i = 0; i < 1000; i++) {
		weir_log(WEIR_LOG_INFO, "base", "flood n=%d", i);
		weir_log(WEIR_LOG_INFO, "base", i == 500 ? "another" : "flood n=%d", i);
	}
	/* A line a second at most: far fewer than calls, and the other message is not lost among them. */
	assert_in_range(lines_caught(), 2, 500);
	assert_non_null(strstr(caught, "info base another\n"));
}

static void control_characters_cannot_begin_a_line(void **state)
{
	(void)state;
	catch_lines();
	weir_log(WEIR_LOG_INFO, "serve", "peer name=%s", "a\nerror forged\x1b[1m");
	assert_int_equal(lines_caught(), 1);
	assert_non_null(strstr(caught, "peer name=a?error forged?[1m\n"));
}

static void long_messages_are_cut(void **state)
{
	char *text = malloc(5001);

	(void)state;
	memset(text, 'x', 5000);
	text[5000] = '\0';
	catch_lines();
	weir_log(WEIR_LOG_INFO, "base", "long text=%s", text);
	free(text);
	assert_int_equal(lines_caught(), 1);
	assert_in_range(strlen(caught), 1000, 1100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_time_level_room_and_message),
		cmocka_unit_test(lines_below_the_level_are_not_written),
		cmocka_unit_test(a_flood_of_one_message_is_held_back),
		cmocka_unit_test(control_characters_cannot_begin_a_line),
		cmocka_unit_test(long_messages_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
