/* check: the quotas of a CheckRequest.
 *
 *   CheckRequest { 1 attributes  2 global_word_count  3 deduplication_id
 *                  4 quotas { 1 name  2 params { 1 amount  2 best_effort } } … }
 *
 * One thread: the listener's; no state. */
#include "decode/mixer/check.h"

enum {
	ATTRIBUTES = 1 << 3 | WEIR_WIRE_BYTES,
	QUOTAS = 4 << 3 | WEIR_WIRE_BYTES,
	NAME = 1 << 3 | WEIR_WIRE_BYTES,
	PARAMS = 2 << 3 | WEIR_WIRE_BYTES,
	AMOUNT = 1 << 3 | WEIR_WIRE_VARINT,
};

static bool read_amount(struct weir_str message, int64_t *ret)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	while (weir_wire_next(&wire, &field)) {
		if (field.tag == AMOUNT) {
			*ret = (int64_t)field.value;
		}
	}
	return !wire.is_malformed;
}

static bool read_quota(struct weir_str message, struct weir_check_quota *ret)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	bool is_ok = true;

	*ret = (struct weir_check_quota){ { NULL, 0 }, 0 };
	while (is_ok && weir_wire_next(&wire, &field)) {
		if (field.tag == NAME) {
			ret->name = field.bytes;
		} else if (field.tag == PARAMS) {
			is_ok = read_amount(field.bytes, &ret->amount);
		}
	}
	return is_ok && !wire.is_malformed;
}

/* Nothing of the attributes is used, but what is no message is none here either. */
static bool is_message(struct weir_str message)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	while (weir_wire_next(&wire, &field)) {
	}
	return !wire.is_malformed;
}

bool weir_check_next(struct weir_wire *wire, struct weir_check_quota *ret_quota)
{
	struct weir_wire_field field;

	while (weir_wire_next(wire, &field)) {
		bool is_ok = true;

		if (field.tag == QUOTAS) {
			is_ok = read_quota(field.bytes, ret_quota);
			if (is_ok) {
				return true;
			}
		} else if (field.tag == ATTRIBUTES) {
			is_ok = is_message(field.bytes);
		}
		if (!is_ok) {
			wire->is_malformed = true;
			break;
		}
	}
	return false;
}
