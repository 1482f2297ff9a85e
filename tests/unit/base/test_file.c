/* file: a file is read as a whole, or refused when it is too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "base/file.h"

/* A file of `size` bytes, opened at its beginning. */
static int file_of(size_t size)
{
	FILE *file = tmpfile();
	int fd;

	assert_non_null(file);
	for (size_t i = 0; i < size; i++) {
		assert_int_equal(fputc('a' + (int)(i % 26), file), 'a' + (int)(i % 26));
	}
	assert_int_equal(fflush(file), 0);
	fd = dup(fileno(file));
	assert_true(fd >= 0);
	fclose(file);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void a_file_is_read_to_its_end(void **state)
{
	static const size_t sizes[] = { 0, 1, 65535, 65536, 200000 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int fd = file_of(sizes[i]);
		struct weir_buf text;

		weir_buf_init(&text, 0);
		weir_buf_add_text(&text, "before");
		assert_int_equal(weir_file_read(fd, sizes[i], &text), 0);
		assert_int_equal(text.length, 6 + sizes[i]);
		assert_memory_equal(text.data, "before", 6);
		if (sizes[i] > 0) {
			assert_int_equal(text.data[6 + sizes[i] - 1], 'a' + (int)((sizes[i] - 1) % 26));
		}
		weir_buf_fini(&text);
		close(fd);
	}
}

static void one_byte_too_many_is_refused(void **state)
{
	int fd = file_of(70001);
	struct weir_buf text;

	(void)state;
	weir_buf_init(&text, 0);
	assert_int_equal(weir_file_read(fd, 70000, &text), -EFBIG);
	weir_buf_fini(&text);
	close(fd);
}

static void faults_are_told(void **state)
{
	int fd = file_of(10);
	struct weir_buf text;

	(void)state;
	weir_buf_init(&text, 4); /* it may not hold more */
	assert_int_not_equal(weir_file_read(fd, 100, &text), 0);
	weir_buf_fini(&text);
	close(fd);
	weir_buf_init(&text, 0);
	assert_int_equal(weir_file_read(-1, 100, &text), -EBADF);
	weir_buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read_to_its_end),
		cmocka_unit_test(one_byte_too_many_is_refused),
		cmocka_unit_test(faults_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
