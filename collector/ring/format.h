/* format: the bytes of a ring file, private to the room.
 *
 *   file     +--------------------- one page -----------------------+----------------------+
 *            | header: identity, checksum | ... head ... tail ...   | data: `capacity`     |
 *            +------------------------------------------------------+----------------------+
 *
 *   record   +0 commit word | +8 size and kind | +12 checksum | +16 batch ... zero to 15 bytes unused
 *
 * A position counts bytes since the ring was made and never turns back; its
 * place in the data is position % capacity. Every record starts at a multiple
 * of 16. The commit word is a bijection of the position under the ring's salt:
 * no other position has it, no lap repeats it, and no sender can write it into
 * a payload without knowing the salt.
 *
 * Changing anything here: WEIR_FORMAT_VERSION, weir_format_is_readable(), the
 * tests' files. A version n can read what n-1 left behind, so that an upgrade
 * loses nothing; a batch says its own version besides. */
#ifndef WEIR_RING_FORMAT_H
#define WEIR_RING_FORMAT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_FORMAT_MAGIC UINT64_C(0x676e697272696577) /* "weirring" on a little-endian machine */
#define WEIR_FORMAT_VERSION 2u
#define WEIR_FORMAT_SEALED (UINT64_C(1) << 63) /* in the head: no more reservations */
#define WEIR_FORMAT_POSITION_LIMIT (UINT64_C(1) << 62)
#define WEIR_FORMAT_CAPACITY_MIN (UINT64_C(1) << 20)
#define WEIR_FORMAT_CAPACITY_MAX (UINT64_C(1) << 34)
#define WEIR_FORMAT_SHARE 8u /* a record takes at most 1/8 of the ring */
#define WEIR_FORMAT_ALIGNMENT 16u
#define WEIR_FORMAT_PADDING_MAX (UINT32_C(1) << 30) /* a longer hole becomes several paddings */

struct weir_format_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_bytes; /* one page of the machine that made it */
	uint64_t capacity;     /* a multiple of header_bytes */
	uint64_t ring_id;      /* never 0 */
	uint64_t salt[2];
	uint8_t database_id[16];
	uint32_t padding;
	uint32_t crc; /* crc32c of all before it */
	alignas(128) _Atomic uint64_t head;
	alignas(128) _Atomic uint64_t tail;
	/* If padded_to is not below the tail: from padded_from to there is nothing but padding (recover.c). */
	alignas(128) _Atomic uint64_t padded_from;
	_Atomic uint64_t padded_to;
};

enum weir_format_kind { /* the low four bits of `size_and_kind` */
	WEIR_FORMAT_BATCH,
	WEIR_FORMAT_PADDING
};

struct weir_format_record {
	_Atomic uint64_t word;
	uint32_t size_and_kind; /* of the whole record, a multiple of 16 */
	uint32_t crc;           /* crc32c of batch, size_and_kind and position */
};

_Static_assert(sizeof(struct weir_format_record) == WEIR_FORMAT_ALIGNMENT, "a record's head is one step long");
_Static_assert(offsetof(struct weir_format_header, head) == 128, "the head has a line of its own");
_Static_assert(sizeof(struct weir_format_header) <= 4096, "the header fits into the smallest page");

/* This version and the one before it. Version 2 has the bytes of version 1: it
 * only says that batches of version 3 may lie in it, which an older weir must
 * not take for damage. */
static inline bool weir_format_is_readable(uint32_t version)
{
	return version == WEIR_FORMAT_VERSION || version == WEIR_FORMAT_VERSION - 1;
}

/* Every step can be undone, so two positions never share a word. */
static inline uint64_t weir_format_word(const uint64_t salt[2], uint64_t position)
{
	uint64_t x = position ^ salt[0];

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31) ^ salt[1];
}

/* What a batch of so many bytes takes. */
static inline uint64_t weir_format_record_bytes(uint32_t batch_bytes)
{
	return sizeof(struct weir_format_record) + (((uint64_t)batch_bytes + 15) & ~UINT64_C(15));
}

#endif
