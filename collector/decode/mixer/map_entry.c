/* map_entry: what of an entry is read seldom, or takes long.
 *
 * Any thread; no state. */
#include "decode/mixer/map_entry.h"

#define SECONDS_MAX INT64_C(9000000000) /* the year 2255: nanoseconds fit an int64 */

bool weir_map_entry_read_any(struct weir_str message, uint32_t value_tag, struct weir_map_entry *ret)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	*ret = (struct weir_map_entry){ 0 };
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == WEIR_MAP_ENTRY_KEY) {
			ret->key = field.value;
		} else if (field.tag == value_tag) {
			ret->value = field.value;
			ret->bytes = field.bytes;
		}
	}
	return !wire.is_malformed;
}

/* A varint of at most 8 bytes, all of which can be read; behind it, or NULL. The
 * bytes are put together without a loop: seconds take five, nanos four or five. */
static inline const uint8_t *varint8_read(const uint8_t *at, uint64_t *ret)
{
	uint64_t bytes = weir_wire_load64(at), ends = ~bytes & UINT64_C(0x8080808080808080);

	if (ends == 0) {
		return NULL;
	}
	bytes &= ends ^ (ends - 1); /* up to the first byte that ends it */
	bytes = (bytes & 0x7f007f007f007f) | (bytes & 0x7f007f007f007f00) >> 1;
	bytes = (bytes & 0x3fff00003fff) | (bytes & 0x3fff00003fff0000) >> 2;
	*ret = (bytes & 0xfffffff) | (bytes & 0xfffffff00000000) >> 4;
	return at + (__builtin_ctzll(ends) >> 3) + 1;
}

/* Both fields, in order: 08 seconds 10 nanos. False: not so. */
static bool time_read_usual(struct weir_str message, const uint8_t *limit, struct weir_map_entry *ret)
{
	const uint8_t *at = (const uint8_t *)message.data, *const end = at + message.length;

	if (message.length < 4 || limit - at < 18 || *at != WEIR_MAP_ENTRY_KEY) {
		return false;
	}
	at = varint8_read(at + 1, &ret->key); /* behind at + 9 at most */
	if (at == NULL || *at != WEIR_MAP_ENTRY_VARINT) {
		return false;
	}
	return varint8_read(at + 1, &ret->value) == end;
}

bool weir_map_entry_read_time(struct weir_str message, const uint8_t *limit, uint64_t *ret_ns)
{
	struct weir_map_entry time;
	int64_t seconds;
	int32_t nanos;

	/* 1 seconds, 2 nanos: numbered as an entry's are. */
	if (!time_read_usual(message, limit, &time) && !weir_map_entry_read_numbers(message, &time)) {
		return false;
	}
	seconds = (int64_t)time.key;
	nanos = (int32_t)(uint32_t)time.value;
	*ret_ns = seconds < 0 || seconds > SECONDS_MAX || nanos < 0 || nanos > 999999999
			  ? 0
			  : (uint64_t)seconds * UINT64_C(1000000000) + (uint64_t)nanos;
	return true;
}
