/* The file of a ring: whose it is, what is replaced and why, and its size. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ring/crc.h"
#include "ring/format.h"
#include "sample.h"

struct fixture {
	const char *folder;
	char path[256], bad[264], new[264];
};

static int make_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->folder = sample_folder();
	snprintf(fixture->path, sizeof(fixture->path), "%s/ring-da7aba5e0102030405060708090a0b0c", fixture->folder);
	snprintf(fixture->bad, sizeof(fixture->bad), "%s.bad", fixture->path);
	snprintf(fixture->new, sizeof(fixture->new), "%s.new", fixture->path);
	*state = fixture;
	return 0;
}

static int remove_fixture(void **state)
{
	struct fixture *fixture = *state;

	sample_folder_remove(fixture->folder);
	free(fixture);
	return 0;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* Makes a ring with three records in it; its id. */
static uint64_t leave_a_ring(const struct fixture *fixture)
{
	struct weir_ring_found found;
	struct weir_ring *ring = sample_open(fixture->folder, SAMPLE_RING_BYTES, &found);
	uint64_t id = weir_ring_id(ring);

	assert_true(found.is_new);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(sample_put(ring, i), 0);
	}
	weir_ring_close(ring);
	return id;
}

static void change_file(const struct fixture *fixture, off_t at, const void *bytes, size_t size)
{
	int fd = open(fixture->path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, size, at), (ssize_t)size);
	close(fd);
}

static struct weir_format_header read_header(const struct fixture *fixture)
{
	struct weir_format_header header;
	int fd = open(fixture->path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
	close(fd);
	return header;
}

/* Writes the identity part with a checksum that fits it. */
static void write_header(const struct fixture *fixture, struct weir_format_header *header)
{
	header->crc = ~weir_crc_add(~0u, header, offsetof(struct weir_format_header, crc));
	change_file(fixture, 0, header, offsetof(struct weir_format_header, head));
}

/* Opens: the file must be replaced for this reason, and the old one kept. */
static void expect_replaced(const struct fixture *fixture, uint64_t old_id, const char *why)
{
	struct weir_ring_found found;
	struct weir_ring *ring = sample_open(fixture->folder, SAMPLE_RING_BYTES, &found);

	assert_true(found.is_new);
	assert_non_null(found.replaced_why);
	if (why != NULL) {
		assert_string_equal(found.replaced_why, why);
	}
	assert_true(weir_ring_id(ring) != old_id);
	assert_int_equal(weir_ring_head(ring), 0);
	assert_int_equal(sample_put(ring, 1), 0);
	assert_true(exists(fixture->bad));
	weir_ring_close(ring);
}

static void file_is_private_allocated_and_named_after_its_database(void **state)
{
	const struct fixture *fixture = *state;
	struct weir_ring_found found;
	struct weir_ring *ring = sample_open(fixture->folder, SAMPLE_RING_BYTES + 1, &found);
	struct stat info;

	assert_true(found.is_new);
	assert_null(found.replaced_why);
	assert_string_equal(weir_ring_path(ring), fixture->path);
	assert_true(weir_ring_id(ring) != 0);
	assert_int_equal(weir_ring_capacity(ring) % (uint64_t)sysconf(_SC_PAGESIZE), 0);
	assert_true(weir_ring_capacity(ring) > SAMPLE_RING_BYTES);
	assert_int_equal(stat(fixture->path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	assert_true((uint64_t)info.st_blocks * 512 >= weir_ring_capacity(ring));
	assert_false(exists(fixture->new));
	weir_ring_close(ring);
	weir_ring_close(NULL);
}

static void sparse_file_is_filled(void **state)
{
	const struct fixture *fixture = *state;
	uint64_t id = leave_a_ring(fixture);
	struct weir_format_header header = read_header(fixture);
	struct weir_ring_found found;
	struct weir_ring *ring;
	struct stat info;

	/* What a careless copy makes of it. */
	assert_int_equal(truncate(fixture->path, (off_t)header.header_bytes), 0);
	assert_int_equal(truncate(fixture->path, (off_t)(header.header_bytes + header.capacity)), 0);
	ring = sample_open(fixture->folder, SAMPLE_RING_BYTES, &found);
	assert_int_equal(weir_ring_id(ring), id);
	assert_int_equal(stat(fixture->path, &info), 0);
	assert_true((uint64_t)info.st_blocks * 512 >= weir_ring_capacity(ring));
	weir_ring_close(ring);
}

static void folder_is_made_private_and_refused_if_others_may_write(void **state)
{
	const struct fixture *fixture = *state;
	char folder[300];
	struct weir_ring_opts opts = { folder, SAMPLE_RING_BYTES, sample_database_id, NULL };
	struct weir_ring_found found;
	struct weir_ring *ring;
	struct stat info;

	snprintf(folder, sizeof(folder), "%s/made", fixture->folder);
	assert_int_equal(weir_ring_open(&opts, &ring, &found), 0);
	assert_int_equal(unlink(weir_ring_path(ring)), 0);
	weir_ring_close(ring);
	assert_int_equal(stat(folder, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0700);
	assert_int_equal(chmod(folder, 0770), 0);
	assert_int_equal(weir_ring_open(&opts, &ring, &found), -EPERM);
	snprintf(folder, sizeof(folder), "%s/no/such", fixture->folder);
	assert_int_equal(weir_ring_open(&opts, &ring, &found), -ENOENT);
}

static void second_opener_is_told_that_it_is_busy(void **state)
{
	const struct fixture *fixture = *state;
	struct weir_ring_opts opts = { fixture->folder, SAMPLE_RING_BYTES, sample_database_id, NULL };
	struct weir_ring_found found;
	struct weir_ring *ring = sample_open(fixture->folder, SAMPLE_RING_BYTES, &found), *other;
	uint8_t other_database[16] = { 1 };

	assert_int_equal(weir_ring_open(&opts, &other, &found), WEIR_RING_BUSY);
	opts.database_id = other_database;
	assert_int_equal(weir_ring_open(&opts, &other, &found), 0);
	assert_true(weir_ring_id(other) != weir_ring_id(ring));
	weir_ring_close(other);
	weir_ring_close(ring);
	opts.database_id = sample_database_id;
	assert_int_equal(weir_ring_open(&opts, &other, &found), 0);
	assert_false(found.is_new);
	weir_ring_close(other);
}

static void size_out_of_bounds_is_a_fault(void **state)
{
	const struct fixture *fixture = *state;
	struct weir_ring_opts opts = { fixture->folder, SAMPLE_RING_BYTES - 1, sample_database_id, NULL };
	struct weir_ring_found found;
	struct weir_ring *ring;

	assert_int_equal(weir_ring_open(&opts, &ring, &found), -EINVAL);
	opts.size_bytes = WEIR_FORMAT_CAPACITY_MAX + 1;
	assert_int_equal(weir_ring_open(&opts, &ring, &found), -EINVAL);
}

static void good_file_is_taken_up_with_its_epoch(void **state)
{
	const struct fixture *fixture = *state;
	uint64_t id = leave_a_ring(fixture);
	struct weir_ring_found found;
	struct weir_ring_recovery recovery;
	struct weir_ring *ring = sample_open(fixture->folder, SAMPLE_RING_BYTES, &found);

	assert_false(found.is_new);
	assert_null(found.replaced_why);
	assert_int_equal(weir_ring_id(ring), id);
	assert_int_equal(weir_ring_recover(ring, id, 0, &recovery), 0);
	assert_int_equal(recovery.records, 3);
	assert_false(exists(fixture->bad));
	weir_ring_close(ring);
}

static void file_of_another_kind_is_replaced(void **state)
{
	const struct fixture *fixture = *state;
	uint64_t id = leave_a_ring(fixture);

	change_file(fixture, 0, "SQLite format 3", 16);
	expect_replaced(fixture, id, "not a ring");
}

static void file_of_the_next_version_is_replaced(void **state)
{
	const struct fixture *fixture = *state;
	uint64_t id = leave_a_ring(fixture);
	struct weir_format_header header = read_header(fixture);

	header.version = WEIR_FORMAT_VERSION + 1;
	write_header(fixture, &header);
	expect_replaced(fixture, id, "another version");
}

static void file_of_the_version_before_is_read_and_becomes_this_version(void **state)
{
	const struct fixture *fixture = *state;
	uint64_t id = leave_a_ring(fixture);
	struct weir_format_header header = read_header(fixture);
	struct weir_ring_recovery recovery;
	struct weir_ring_found found;
	struct weir_ring *ring;

	header.version = WEIR_FORMAT_VERSION - 1;
	write_header(fixture, &header);
	ring = sample_open(fixture->folder, SAMPLE_RING_BYTES, &found);
	assert_false(found.is_new);
	assert_int_equal(weir_ring_id(ring), id);
	assert_int_equal(weir_ring_recover(ring, id, 0, &recovery), 0);
	assert_int_equal(recovery.records, 3);
	weir_ring_close(ring);
	assert_int_equal(read_header(fixture).version, WEIR_FORMAT_VERSION);
}

static void file_of_another_database_is_replaced(void **state)
{
	const struct fixture *fixture = *state;
	uint64_t id = leave_a_ring(fixture);
	struct weir_format_header header = read_header(fixture);

	header.database_id[15] ^= 1;
	write_header(fixture, &header);
	expect_replaced(fixture, id, "another database");
}

static void truncated_file_is_replaced(void **state)
{
	const struct fixture *fixture = *state;
	uint64_t id = leave_a_ring(fixture);
	const off_t lengths[] = { 0, 1, 40, 4096, 4096 + (off_t)SAMPLE_RING_BYTES - 1 };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		assert_int_equal(truncate(fixture->path, lengths[i]), 0);
		expect_replaced(fixture, id, "truncated");
		id = read_header(fixture).ring_id;
	}
}

static void every_flipped_bit_of_the_header_is_noticed(void **state)
{
	const struct fixture *fixture = *state;
	struct weir_format_header good;
	uint64_t id = leave_a_ring(fixture);

	for (size_t bit = 0; bit < 8 * offsetof(struct weir_format_header, crc) + 32; bit += 1) {
		unsigned char bytes[sizeof(good)];

		good = read_header(fixture);
		memcpy(bytes, &good, sizeof(bytes));
		bytes[bit / 8] = (unsigned char)(bytes[bit / 8] ^ 1u << bit % 8);
		change_file(fixture, 0, bytes, sizeof(bytes));
		expect_replaced(fixture, id, NULL);
		id = read_header(fixture).ring_id;
	}
	good = read_header(fixture); /* a version that is readable, but was not written there */
	good.version = WEIR_FORMAT_VERSION - 1;
	change_file(fixture, 0, &good, sizeof(good));
	expect_replaced(fixture, id, "damaged header");
}

static void impossible_positions_are_noticed(void **state)
{
	const struct fixture *fixture = *state;
	const struct {
		uint64_t head, tail;
	} cases[] = {
		{ 0, 16 },
		{ SAMPLE_RING_BYTES + 16, 0 },
		{ 24, 0 },
		{ 32, 8 },
		{ WEIR_FORMAT_POSITION_LIMIT + 16, WEIR_FORMAT_POSITION_LIMIT },
	};
	uint64_t id = leave_a_ring(fixture);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		change_file(fixture, offsetof(struct weir_format_header, head), &cases[i].head, 8);
		change_file(fixture, offsetof(struct weir_format_header, tail), &cases[i].tail, 8);
		expect_replaced(fixture, id, "damaged positions");
		id = read_header(fixture).ring_id;
	}
}

static void what_is_no_file_of_ours_is_moved_away_and_not_followed(void **state)
{
	const struct fixture *fixture = *state;
	char target[300];
	int fd;

	snprintf(target, sizeof(target), "%s/target", fixture->folder);
	fd = open(target, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(symlink(target, fixture->path), 0);
	expect_replaced(fixture, 0, "not a file of this user");
	assert_int_equal(truncate(target, 0), 0); /* still there, nothing was written to it */
	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(unlink(fixture->bad), 0);
	assert_int_equal(mkfifo(fixture->path, 0600), 0);
	expect_replaced(fixture, 0, "not a file of this user");
	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(unlink(fixture->bad), 0);
	assert_int_equal(mkdir(fixture->path, 0700), 0);
	expect_replaced(fixture, 0, "not a file of this user");
}

static void half_made_file_is_taken_over(void **state)
{
	const struct fixture *fixture = *state;
	struct weir_ring_found found;
	struct weir_ring *ring;
	int fd = open(fixture->new, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "half", 4), 4);
	close(fd);
	ring = sample_open(fixture->folder, SAMPLE_RING_BYTES, &found);
	assert_true(found.is_new);
	assert_null(found.replaced_why);
	assert_false(exists(fixture->new));
	weir_ring_close(ring);
}

static void too_little_room_is_named_and_leaves_nothing(void **state)
{
	const struct fixture *fixture = *state;
	struct weir_ring_opts opts = { fixture->folder, 4 * SAMPLE_RING_BYTES, sample_database_id, NULL };
	struct rlimit before, little;
	struct weir_ring_found found;
	struct weir_ring *ring;
	uint64_t id = leave_a_ring(fixture);

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	little = before;
	little.rlim_cur = 2 * SAMPLE_RING_BYTES;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	/* With unread records the ring keeps its size, so there is room enough. */
	assert_int_equal(weir_ring_open(&opts, &ring, &found), 0);
	assert_int_equal(weir_ring_id(ring), id);
	weir_ring_close(ring);
	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(weir_ring_open(&opts, &ring, &found), WEIR_RING_NO_ROOM);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_false(exists(fixture->path));
	assert_false(exists(fixture->new));
}

/* Reads all, as if the database had it. */
static void empty_the_ring(struct weir_ring *ring, uint32_t expected)
{
	struct weir_ring_entry entry = { 0 };

	for (uint32_t i = 0; i < expected; i++) {
		sample_next(ring, &entry);
	}
	weir_ring_release(ring, weir_ring_head(ring));
}

static void size_changes_once_the_ring_is_empty_and_the_epoch_goes_on(void **state)
{
	const struct fixture *fixture = *state;
	const uint64_t sizes[] = { 3 * SAMPLE_RING_BYTES, SAMPLE_RING_BYTES, 2 * SAMPLE_RING_BYTES };
	uint64_t id = leave_a_ring(fixture), position = 0, before = SAMPLE_RING_BYTES;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct weir_ring_recovery recovery;
		struct weir_ring_found found;
		struct weir_ring *ring = sample_open(fixture->folder, sizes[i], &found);
		struct stat info;

		assert_int_equal(weir_ring_capacity(ring), before); /* three unread records */
		assert_int_equal(weir_ring_recover(ring, id, position, &recovery), 0);
		assert_int_equal(recovery.records, 3);
		empty_the_ring(ring, 3);
		position = weir_ring_tail(ring);
		weir_ring_close(ring);

		ring = sample_open(fixture->folder, sizes[i], &found);
		assert_false(found.is_new);
		assert_int_equal(weir_ring_id(ring), id);
		assert_int_equal(weir_ring_capacity(ring), sizes[i]);
		assert_int_equal(stat(fixture->path, &info), 0);
		assert_int_equal((uint64_t)info.st_size, read_header(fixture).header_bytes + sizes[i]);
		assert_int_equal(weir_ring_recover(ring, id, position, &recovery), 0);
		assert_false(recovery.has_gap);
		assert_int_equal(recovery.position, position);
		assert_int_equal(recovery.records, 0);
		for (uint32_t n = 0; n < 3; n++) {
			assert_int_equal(sample_put(ring, n), 0);
		}
		before = sizes[i];
		weir_ring_close(ring);
	}
}

static void kill_while_the_size_changes_leaves_a_good_file(void **state)
{
	const struct fixture *fixture = *state;
	uint64_t id = leave_a_ring(fixture);
	struct weir_format_header header = read_header(fixture);
	struct weir_ring_recovery recovery;
	struct weir_ring_found found;
	struct weir_ring *ring;
	struct stat info;

	/* Between the two steps the file is larger than its header says, whichever way it went. */
	assert_int_equal(truncate(fixture->path, (off_t)(header.header_bytes + 2 * header.capacity)), 0);
	ring = sample_open(fixture->folder, SAMPLE_RING_BYTES, &found);
	assert_int_equal(weir_ring_id(ring), id);
	assert_int_equal(weir_ring_recover(ring, id, 0, &recovery), 0);
	assert_int_equal(recovery.records, 3);
	assert_int_equal(stat(fixture->path, &info), 0);
	assert_int_equal((uint64_t)info.st_size, header.header_bytes + header.capacity);
	weir_ring_close(ring);
}

#define ON_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_fixture, remove_fixture)

static void ring_of_a_database_set_aside_becomes_ours_to_give_up(void **state)
{
	const struct fixture *fixture = *state;
	static const uint8_t next_id[16] = { 7 };
	struct weir_ring_opts opts = { .directory = fixture->folder,
		.size_bytes = SAMPLE_RING_BYTES,
		.database_id = next_id,
		.replaced_id = sample_database_id };
	char bad[264];
	struct weir_ring_found found;
	struct weir_ring *ring, *held;

	snprintf(bad, sizeof(bad), "%s/ring-07000000000000000000000000000000.bad", fixture->folder);
	leave_a_ring(fixture);
	held = sample_open(fixture->folder, SAMPLE_RING_BYTES, &found);
	assert_int_equal(weir_ring_open(&opts, &ring, &found), 0);
	assert_true(exists(fixture->path) && !exists(bad)); /* somebody held it */
	weir_ring_close(ring);
	weir_ring_close(held);
	assert_int_equal(weir_ring_open(&opts, &ring, &found), 0);
	assert_true(!exists(fixture->path) && exists(bad));
	weir_ring_close(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_FOLDER(file_is_private_allocated_and_named_after_its_database),
		ON_A_FOLDER(sparse_file_is_filled),
		ON_A_FOLDER(folder_is_made_private_and_refused_if_others_may_write),
		ON_A_FOLDER(second_opener_is_told_that_it_is_busy),
		ON_A_FOLDER(size_out_of_bounds_is_a_fault),
		ON_A_FOLDER(good_file_is_taken_up_with_its_epoch),
		ON_A_FOLDER(file_of_another_kind_is_replaced),
		ON_A_FOLDER(file_of_the_next_version_is_replaced),
		ON_A_FOLDER(file_of_the_version_before_is_read_and_becomes_this_version),
		ON_A_FOLDER(file_of_another_database_is_replaced),
		ON_A_FOLDER(truncated_file_is_replaced),
		ON_A_FOLDER(every_flipped_bit_of_the_header_is_noticed),
		ON_A_FOLDER(impossible_positions_are_noticed),
		ON_A_FOLDER(what_is_no_file_of_ours_is_moved_away_and_not_followed),
		ON_A_FOLDER(half_made_file_is_taken_over),
		ON_A_FOLDER(ring_of_a_database_set_aside_becomes_ours_to_give_up),
		ON_A_FOLDER(too_little_room_is_named_and_leaves_nothing),
		ON_A_FOLDER(size_changes_once_the_ring_is_empty_and_the_epoch_goes_on),
		ON_A_FOLDER(kill_while_the_size_changes_leaves_a_good_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
