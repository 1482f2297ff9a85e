/* recover: walks what the last process left and makes it whole.
 *
 *   position                                                              head
 *   | record | record |///// hole /////| record |xx damaged xx| record |// hole //|
 *
 * A process may die between reserving and committing: the head has moved, the
 * commit word is not there, and other producers have committed behind it. And
 * memory may be damaged. Both are found here and become padding, so that the
 * reader, who waits at a missing commit word, never waits for a dead producer.
 *
 * Invariants
 *  1. Where a record ends is believed only if the record is whole: commit word,
 *     size, checksum and layout. Otherwise the next record is looked for in
 *     steps of 16 bytes, by its commit word, which nothing but a committed
 *     record of that very position carries.
 *  2. Padding is committed like a record, its word last. A kill in here leaves
 *     a hole again, and the next walk does the rest: walking twice is walking
 *     once.
 *  3. Padding at the beginning is passed over for good: the tail moves behind
 *     it, or holes that fill the ring would leave no room for the record whose
 *     release makes room. The header remembers the stretch, so that a database
 *     that still says where it began has no gap.
 *  4. The head never moves back, so a position is never used twice. If the
 *     database is ahead of the head (the ring is older than it), the head
 *     moves up to it: what is put next must have a higher position than what
 *     is stored, or the next recovery would skip it.
 *
 * One thread, before any put or next. */
#include "ring/recover.h"

#include "ring/crc.h"

/* Size of the whole record at `position`, or 0 if it is not to be believed. */
static uint64_t whole_record(const struct weir_map *map, uint64_t position, uint64_t head, bool *ret_is_batch)
{
	const struct weir_format_record *record = weir_map_record(map, position);
	const struct weir_batch *batch = weir_map_batch(record);
	uint32_t kind = record->size_and_kind % WEIR_FORMAT_ALIGNMENT;
	uint64_t size = record->size_and_kind - kind;

	if (size < sizeof(*record) || size > head - position) {
		return 0;
	}
	if (kind == WEIR_FORMAT_PADDING) {
		*ret_is_batch = false;
		return record->crc == weir_map_seal_crc(~0u, record->size_and_kind, position) ? size : 0;
	}
	if (kind != WEIR_FORMAT_BATCH || size > map->capacity / WEIR_FORMAT_SHARE ||
		size < sizeof(*record) + sizeof(*batch) || weir_format_record_bytes(batch->size_bytes) != size) {
		return 0;
	}
	if (record->crc != weir_map_seal_crc(
				   weir_crc_add(~0u, batch, batch->size_bytes), record->size_and_kind, position) ||
		!weir_batch_is_sound(batch, batch->size_bytes)) {
		return 0;
	}
	*ret_is_batch = true;
	return size;
}

static void pad(struct weir_map *map, uint64_t begin, uint64_t end)
{
	while (begin < end) {
		struct weir_format_record *record = weir_map_record(map, begin);
		uint32_t size =
			end - begin < WEIR_FORMAT_PADDING_MAX ? (uint32_t)(end - begin) : WEIR_FORMAT_PADDING_MAX;

		record->size_and_kind = size + WEIR_FORMAT_PADDING;
		record->crc = weir_map_seal_crc(~0u, record->size_and_kind, begin);
		atomic_store_explicit(&record->word, weir_format_word(map->salt, begin), memory_order_release);
		begin += size;
	}
}

/* Where reading starts; moves the head up if it has to. */
static uint64_t starting_point(struct weir_map *map, uint64_t ring_id, uint64_t position, bool *ret_has_gap)
{
	uint64_t tail = atomic_load(&map->header->tail), head = weir_map_head(map);

	if (ring_id != map->ring_id) {
		/* Nothing stored: a ring that was released from has lost what is gone.
		 * Another epoch: what that one held unread is gone. */
		*ret_has_gap = ring_id != 0 || tail != 0;
		return tail;
	}
	if (position < tail && position >= atomic_load(&map->header->padded_from) &&
		atomic_load(&map->header->padded_to) >= tail) {
		position = tail;
	}
	*ret_has_gap = position < tail || position > head || position % WEIR_FORMAT_ALIGNMENT != 0;
	if (position < tail || position > WEIR_FORMAT_POSITION_LIMIT) {
		return tail;
	}
	position = (position + WEIR_FORMAT_ALIGNMENT - 1) / WEIR_FORMAT_ALIGNMENT * WEIR_FORMAT_ALIGNMENT;
	if (position > head) {
		atomic_store(&map->header->head, position);
	}
	return position;
}

/* Moves the tail from where the walk began to the first record. */
static void set_tail(struct weir_map *map, uint64_t begin, uint64_t first)
{
	struct weir_format_header *header = map->header;

	if (begin < first) {
		/* Another stretch right behind the last one makes it longer. (It ends
		 * behind the tail if a kill came between the last two stores.) */
		if (atomic_load(&header->padded_to) < begin) {
			atomic_store(&header->padded_from, begin);
		}
		atomic_store(&header->padded_to, first);
	}
	atomic_store(&header->tail, first);
}

void weir_recover_walk(struct weir_map *map, uint64_t ring_id, uint64_t position, struct weir_ring_recovery *ret)
{
	struct weir_ring_recovery found = { 0 };
	uint64_t at, head, first = UINT64_MAX;

	found.position = starting_point(map, ring_id, position, &found.has_gap);
	head = weir_map_head(map);
	for (at = found.position; at < head;) {
		bool is_committed = weir_map_is_committed(map, at), is_batch = false;
		uint64_t size = is_committed ? whole_record(map, at, head, &is_batch) : 0;
		uint64_t end = at + size;

		if (size == 0) {
			end = at + WEIR_FORMAT_ALIGNMENT;
			while (end < head && !weir_map_is_committed(map, end)) {
				end += WEIR_FORMAT_ALIGNMENT;
			}
			pad(map, at, end);
			if (is_committed) {
				found.damaged++;
			} else {
				found.holes++;
				found.hole_bytes += end - at;
			}
		} else if (is_batch) {
			found.records++;
			first = first < at ? first : at;
		}
		at = end;
	}
	first = first < head ? first : head;
	set_tail(map, found.position, first);
	found.position = first;
	*ret = found;
}
