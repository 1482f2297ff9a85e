/* fuzz_conf: any bytes as a configuration file, and as a flag.
 *
 * Whatever comes is either taken, and then every number lies in the range that
 * conf.def names, or refused with a sentence on one line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_number(uint64_t value, uint64_t low, uint64_t high)
{
	weir_assert(value >= low && value <= high);
}

static void check_conf(const struct weir_conf *conf)
{
#define CHECK_text(value, low, high) weir_assert((value) != NULL)
#define CHECK_list(value, low, high) weir_assert((value).items[(value).count] == NULL)
#define CHECK_size(value, low, high) check_number(value, low, high)
#define CHECK_seconds(value, low, high) check_number(value, low, high)
#define CHECK_count(value, low, high) check_number(value, low, high)
#define CHECK_choice(value, low, high) weir_assert((value)[0] != '\0')
#define WEIR_CONF(section, key, type, value, low, high, range, sentence) CHECK_##type(conf->section##_##key, low, high);
#include "base/conf.def"
#undef WEIR_CONF
}

static void load(const char *path, const char *flag)
{
	struct weir_arena arena;
	struct weir_conf conf;
	struct weir_buf why;
	int r;

	weir_arena_init(&arena, 16384, 8u << 20);
	weir_buf_init(&why, 0);
	r = weir_conf_load(&arena, path, &flag, flag != NULL ? 1 : 0, &conf, &why);
	weir_assert(r == 0 || r == WEIR_CONF_BAD || r == -ENOMEM);
	weir_assert((r == WEIR_CONF_BAD) == (why.length > 0));
	weir_assert(why.length == 0 || memchr(why.data, '\n', why.length) == NULL);
	if (r == 0) {
		check_conf(&conf);
	}
	weir_buf_fini(&why);
	weir_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	char path[64], *flag;

	if (fd < 0) {
		fd = memfd_create("conf", MFD_CLOEXEC);
		weir_assert(fd >= 0);
	}
	weir_assert(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	load(path, NULL);

	flag = strndup((const char *)data, size);
	weir_assert(flag != NULL);
	load(NULL, flag);
	free(flag);
	return 0;
}
