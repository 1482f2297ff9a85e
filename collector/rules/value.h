/* value: what an attribute or an expression is worth, and its type.
 *
 * Types are Mixer's (wire.md 1.6, policy.v1beta1.ValueType). */
#ifndef WEIR_RULES_VALUE_H
#define WEIR_RULES_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum weir_type {
	WEIR_TYPE_NONE,
	WEIR_TYPE_STRING,
	WEIR_TYPE_INT64,
	WEIR_TYPE_DOUBLE,
	WEIR_TYPE_BOOL,
	WEIR_TYPE_TIMESTAMP,
	WEIR_TYPE_IP_ADDRESS,
	WEIR_TYPE_EMAIL_ADDRESS,
	WEIR_TYPE_URI,
	WEIR_TYPE_DNS_NAME,
	WEIR_TYPE_DURATION,
	WEIR_TYPE_STRING_MAP,
	WEIR_TYPES
};

/* "STRING", "INT64", …, as Mixer's documents spell them. */
const char *weir_type_name(unsigned type);

struct weir_value {
	enum weir_type type;
	union {
		struct weir_str text; /* STRING, EMAIL_ADDRESS, URI, DNS_NAME */
		int64_t number;       /* INT64; TIMESTAMP: ns since 1970; DURATION: ns; BOOL: 0 or 1 */
		double real;          /* DOUBLE */
		uint8_t ip[16];       /* IP_ADDRESS: IPv6 or v4-mapped, network order */
		uint32_t map;         /* STRING_MAP: enum weir_attribute of the map itself */
	};
};

#define WEIR_SCRATCH_BYTES 16384u

/* Where texts that an evaluation makes live: the caller's, reset by the caller. Nothing is allocated. */
struct weir_scratch {
	uint32_t used;
	char bytes[WEIR_SCRATCH_BYTES];
};

static inline void weir_scratch_reset(struct weir_scratch *scratch)
{
	scratch->used = 0;
}

/* Room for `size` bytes, or NULL when it is used up (the value is then ABSENT: see expression.h). */
static inline char *weir_scratch_take(struct weir_scratch *scratch, uint32_t size)
{
	char *at = scratch->bytes + scratch->used;

	if (size > WEIR_SCRATCH_BYTES - scratch->used) {
		return NULL;
	}
	scratch->used += size;
	return at;
}

#define WEIR_VALUE_TEXT_MAX 64u /* of all that is no text: an IPv6 address is 45 bytes */

/* The value as a label or a log says it: INT64 in decimal, DURATION as Go prints
 * it ("1.5s"), TIMESTAMP with microseconds, BOOL "true"; text as it is. In `room`,
 * or wherever a text was before. */
struct weir_str weir_value_write(const struct weir_value *value, char room[WEIR_VALUE_TEXT_MAX]);
/* The same, in the scratch; empty when that is used up. */
struct weir_str weir_value_text(const struct weir_value *value, struct weir_scratch *scratch);

#endif
