/* replay: runs a fuzz entry over its corpus, where there is no libFuzzer.
 *
 *   fuzz_<name> FOLDER…
 *
 * Each file runs whole; then its prefixes; then copies with one byte changed.
 * Which ones is a function of the file alone (no clock, no random seed), so a
 * red run stays red. The work is bounded by bytes: each file gets its share of
 * the budget, and a file too long for all its prefixes and bytes gets evenly
 * spread ones. Every input is a heap block of its exact size, so that a
 * sanitizer sees a read behind it. A folder without a file is a failure.
 *
 * A run that aborts leaves its input in fuzz-failure in the working folder. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUDGET_BYTES (12u << 20)
#define RUNS_MAX 6000u /* of one file, of each sort */
#define FILES_MAX 1024u
#define FILE_MAX_BYTES (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *current; /* what runs now, for the handler of SIGABRT */
static size_t current_length;

static void keep_input(int signal_number)
{
	int fd = open("fuzz-failure", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	const char *said = fd >= 0 && write(fd, current, current_length) == (ssize_t)current_length
				   ? "the input is in fuzz-failure\n"
				   : "the input could not be kept\n";

	(void)!write(STDERR_FILENO, said, strlen(said));
	signal(signal_number, SIG_DFL); /* and abort() goes on */
}

static void die(const char *what, const char *path)
{
	fprintf(stderr, "%s: %s: %s\n", what, path, errno != 0 ? strerror(errno) : "nothing there");
	exit(2);
}

/* The prefix of `length` bytes, with one of them changed if there is a mask. */
static void run(const uint8_t *data, size_t length, size_t changed_at, uint8_t mask)
{
	uint8_t *copy = malloc(length > 0 ? length : 1);

	if (copy == NULL) {
		die("memory", "input");
	}
	memcpy(copy, data, length);
	if (mask != 0) {
		copy[changed_at] ^= mask;
	}
	current = copy;
	current_length = length;
	LLVMFuzzerTestOneInput(copy, length);
	free(copy);
}

static uint64_t mixed(uint64_t n)
{
	n = (n ^ n >> 31) * 0x9e3779b97f4a7c15ull;
	n = (n ^ n >> 29) * 0xbf58476d1ce4e5b9ull;
	return n ^ n >> 32;
}

static size_t play(const uint8_t *data, size_t length, size_t budget_bytes)
{
	size_t runs = length > 0 ? budget_bytes / 2 / length : 0, prefixes;

	run(data, length, 0, 0);
	runs = runs < RUNS_MAX ? runs : RUNS_MAX;
	prefixes = runs < length ? runs : length;
	for (size_t i = 0; i < prefixes; i++) {
		run(data, length * i / prefixes, 0, 0);
	}
	for (size_t i = 0; i < runs; i++) {
		uint8_t mask = (uint8_t)(mixed(i + 1) | 1u << (i & 7));

		run(data, length, runs < length ? length * i / runs : i % length, mask);
	}
	return 1 + prefixes + runs;
}

static uint8_t *load(const char *path, size_t *ret_length)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(FILE_MAX_BYTES);

	if (file == NULL || data == NULL) {
		die("open", path);
	}
	*ret_length = fread(data, 1, FILE_MAX_BYTES, file);
	if (ferror(file) != 0 || (*ret_length == FILE_MAX_BYTES && fgetc(file) != EOF)) {
		die("read (or larger than 4 MiB)", path);
	}
	fclose(file);
	return data;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static size_t play_folder(const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_visible, alphasort);
	size_t runs = 0;

	if (count <= 0 || count > (int)FILES_MAX) {
		die("corpus", folder);
	}
	for (int i = 0; i < count; i++) {
		char path[4096];
		uint8_t *data;
		size_t length;

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		data = load(path, &length);
		runs += play(data, length, BUDGET_BYTES / (size_t)count);
		free(data);
		free(entries[i]);
	}
	free(entries);
	return runs;
}

int main(int argc, char **argv)
{
	size_t runs = 0;

	signal(SIGABRT, keep_input);
	for (int i = 1; i < argc; i++) {
		errno = 0;
		runs += play_folder(argv[i]);
	}
	printf("%zu runs\n", runs);
	return argc > 1 ? 0 : 2;
}
