/* segment: the format of what the database keeps.
 *
 *   +--------+-----+------+---------+------+-------+--------+
 *   | header | ids | core | strings | rest | attrs | values |
 *   +--------+-----+------+---------+------+-------+--------+
 *
 * The header (struct weir_segment_head, little endian) counts the rows of every
 * table and says where each section lies; every section but `ids` is zstd of
 * its own and has a check of its own, so a reader opens what it needs: a link
 * or a search ids, core and strings; an answer all.
 *
 * Tables are written in the order of weir_columns_order, columns in the order of
 * columns.c; a column goes to `core` or `rest` as packed integers (codec.c), or
 * to `ids` as bytes:
 *
 *   U8…U64, SEEN the number            REF, ADDRESS, ID16, ID8  number in `strings`
 *   TRACE        before its column, `ids` gets the distinct trace ids (16 bytes
 *                each, by first use) and core the start of each one's first
 *                span; the column is the place in that list
 *   START        zigzag of the distance to that start; 0 if not known
 *   SPAN_ID      8 bytes in `ids`
 *   PARENT       0 none; 1 foreign, its 8 bytes follow in `ids` after the span
 *                ids; else 2 + zigzag of the distance in rows to the parent
 *   RESOURCE             row of the segment's distinct ones
 *   WORKLOAD             the same, counted from 1; 0 nobody known (version 1: from 0)
 *   ATTRS        the shape of the list (attrs.c); the lists lie in `attrs`
 *   BODY                 the same, of a list of one without a key
 *   EVENTS, LINKS        how many; the rows follow each other
 *
 * Version 1 (2026-11) had no logs, so its header counts one table less, and none
 * of the columns that say `since 2`. It is read for ever; merging rewrites it.
 *
 * Strings are numbered by first use, 0 is the empty one. Attribute values have
 * a numbering of their own, so that a search need not read them.
 *
 * Invariants
 *  1. A decoded segment is a sound batch (weir_batch_is_sound): whatever the
 *     bytes are, reading gives one or -EBADMSG.
 *  2. Encoding what was decoded gives the same rows again; the order of rows
 *     is kept.
 *  3. Nothing in a segment depends on another one: each can be dropped alone.
 *
 * Changing anything here: WEIR_SEGMENT_VERSION, tests/unit/storage/golden. */
#include "storage/segment.h"

#include <errno.h>
#include <stddef.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FILTER_BITS (WEIR_SEGMENT_FILTER_BYTES * 8u)
#define FILTER_TEXT 256u /* of a longer name the beginning counts */

struct head_v1 { /* the header of version 1 */
	char magic[4];
	uint16_t version;
	uint8_t kind, protocol;
	uint32_t rows[WEIR_ROWS_LOGS];
	uint32_t traces, foreign_parents, attrs, strings, values;
	uint64_t received_ns;
	struct weir_codec_section sections[WEIR_SEGMENT_SECTIONS];
	uint32_t padding;
	uint32_t check;
};

_Static_assert(sizeof(struct head_v1) == 144, "the header of version 1 has no hidden padding");
_Static_assert(sizeof(struct weir_segment_head) == 152, "the header has no hidden padding");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the header lies on disk as it is in memory");

uint64_t weir_segment_offset(const struct weir_segment_head *head, enum weir_segment_section section)
{
	uint64_t offset = head->version == 1 ? sizeof(struct head_v1) : sizeof(*head);

	for (unsigned i = 0; i < section; i++) {
		offset += head->sections[i].stored_bytes;
	}
	return offset;
}

/* A sound header of version 1, as one of today; false: it is none. */
static bool head_v1_read(struct weir_str bytes, struct weir_segment_head *ret_head)
{
	struct head_v1 old;

	if (bytes.length < sizeof(old)) {
		return false;
	}
	memcpy(&old, bytes.data, sizeof(old));
	if (memcmp(old.magic, "wseg", 4) != 0 || old.version != 1 ||
		old.check != weir_codec_check(&old, offsetof(struct head_v1, check))) {
		return false;
	}
	*ret_head = (struct weir_segment_head){ .version = 1,
		.kind = old.kind,
		.protocol = old.protocol,
		.traces = old.traces,
		.foreign_parents = old.foreign_parents,
		.attrs = old.attrs,
		.strings = old.strings,
		.values = old.values,
		.received_ns = old.received_ns };
	memcpy(ret_head->magic, old.magic, sizeof(old.magic));
	memcpy(ret_head->rows, old.rows, sizeof(old.rows));
	memcpy(ret_head->sections, old.sections, sizeof(old.sections));
	return true;
}

int weir_segment_head_read(struct weir_str bytes, struct weir_segment_head *ret_head)
{
	if (!head_v1_read(bytes, ret_head)) {
		if (bytes.length < sizeof(*ret_head)) {
			return -EBADMSG;
		}
		memcpy(ret_head, bytes.data, sizeof(*ret_head));
		if (memcmp(ret_head->magic, "wseg", 4) != 0 || ret_head->version != WEIR_SEGMENT_VERSION ||
			ret_head->check != weir_codec_check(ret_head, offsetof(struct weir_segment_head, check))) {
			return -EBADMSG;
		}
	}
	if (!weir_columns_is_detail(ret_head->kind) ||
		weir_segment_offset(ret_head, WEIR_SEGMENT_SECTIONS) != bytes.length) {
		return -EBADMSG;
	}
	return 0;
}

uint32_t weir_segment_trace_hash(const uint8_t trace_id[16], uint64_t seed)
{
	return (uint32_t)(XXH3_64bits_withSeed(trace_id + 8, 8, seed) >> 32);
}

static size_t lowered(char *ret_text, struct weir_str text)
{
	size_t length = text.length < FILTER_TEXT ? text.length : FILTER_TEXT;

	weir_str_copy_lower(ret_text, weir_str_make(text.data, length));
	return length;
}

/* The filter is part of the database: this hash must not change within a version. */
static uint64_t filter_hash(enum weir_segment_name what, struct weir_str service, struct weir_str name)
{
	char text[FILTER_TEXT];
	size_t length = lowered(text, service);
	uint64_t hash = XXH3_64bits_withSeed(text, length, (uint64_t)what + 1);

	length = lowered(text, name);
	return XXH3_64bits_withSeed(text, length, hash);
}

void weir_segment_filter_add(
	uint8_t *filter, enum weir_segment_name what, struct weir_str service, struct weir_str name)
{
	uint64_t hash = filter_hash(what, service, name);

	for (unsigned i = 0; i < 2; i++, hash >>= 32) {
		uint32_t bit = (uint32_t)hash % FILTER_BITS;

		filter[bit / 8] = (uint8_t)(filter[bit / 8] | 1u << bit % 8);
	}
}

bool weir_segment_filter_may_have(
	const uint8_t *filter, enum weir_segment_name what, struct weir_str service, struct weir_str name)
{
	uint64_t hash = filter_hash(what, service, name);

	for (unsigned i = 0; i < 2; i++, hash >>= 32) {
		uint32_t bit = (uint32_t)hash % FILTER_BITS;

		if ((filter[bit / 8] >> bit % 8 & 1) == 0) {
			return false;
		}
	}
	return true;
}
