/* golden: plays the golden bodies of one decoder; see the header. */
#include "golden.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dump.h"

static void file_read(const char *path, struct weir_buf *ret)
{
	FILE *file = fopen(path, "rb");
	char part[4096];
	size_t n;

	if (file == NULL) {
		fail_msg("%s cannot be read", path);
	}
	while ((n = fread(part, 1, sizeof(part), file)) > 0) {
		weir_buf_add(ret, part, n);
	}
	fclose(file);
}

static void file_write(const char *path, const struct weir_buf *text)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(text->data, 1, text->length, file), text->length);
	assert_int_equal(fclose(file), 0);
}

static void body_check(const char *stem, int (*decode)(struct weir_draft *draft))
{
	struct weir_draft_head head = { .signal = WEIR_SIGNAL_SPAN, .source = weir_str_of("golden") };
	struct weir_buf body, text, expected;
	const struct weir_batch *batch;
	struct weir_arena arena;
	struct weir_draft draft;
	char path[4096];

	weir_buf_init(&body, 0);
	weir_buf_init(&text, 0);
	weir_buf_init(&expected, 0);
	weir_arena_init(&arena, 1 << 16, 1 << 26);
	snprintf(path, sizeof(path), "%s.bin", stem);
	file_read(path, &body);
	weir_draft_init(&draft, &arena, weir_buf_str(&body));
	assert_int_equal(decode(&draft), 0);
	batch = weir_draft_finish(&draft, &head);
	assert_non_null(batch);
	assert_true(weir_batch_is_sound(batch, batch->size_bytes));
	dump_spans(batch, &text);
	snprintf(path, sizeof(path), "%s.txt", stem);
	if (getenv("WEIR_GOLDEN_WRITE") != NULL) {
		file_write(path, &text);
	} else {
		file_read(path, &expected);
		if (!weir_str_equal(weir_buf_str(&text), weir_buf_str(&expected))) {
			fail_msg("%s is not what was decoded:\n%.*s", path, (int)text.length, text.data);
		}
	}
	weir_arena_fini(&arena);
	weir_buf_fini(&body);
	weir_buf_fini(&text);
	weir_buf_fini(&expected);
}

void golden_check(const char *folder, int (*decode)(struct weir_draft *draft))
{
	const char *root = getenv("WEIR_GOLDEN");
	const struct dirent *entry;
	unsigned bodies = 0;
	char path[2048];
	DIR *dir;

	assert_non_null(root);
	snprintf(path, sizeof(path), "%s/%s", root, folder);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		size_t length = strlen(entry->d_name);

		if (length > 4 && strcmp(entry->d_name + length - 4, ".bin") == 0) {
			char stem[4000];

			snprintf(stem, sizeof(stem), "%s/%.*s", path, (int)length - 4, entry->d_name);
			body_check(stem, decode);
			bodies++;
		}
	}
	closedir(dir);
	assert_true(bodies > 0);
}
