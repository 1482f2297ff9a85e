/* response_flags: the short names, in the order of the bits (ring/record.h). */
#include "rules/response_flags.h"

#include <string.h>

static const struct weir_str names[] = { { "LH", 2 }, { "UH", 2 }, { "UT", 2 }, { "LR", 2 }, { "UR", 2 }, { "UF", 2 },
	{ "UC", 2 }, { "UO", 2 }, { "NR", 2 }, { "DI", 2 }, { "FI", 2 }, { "RL", 2 }, { "UAEX", 4 }, { "RLSE", 4 },
	{ "DC", 2 }, { "URX", 3 }, { "SI", 2 }, { "IH", 2 }, { "DPE", 3 }, { "UMSDR", 5 }, { "RFCF", 4 }, { "NFCF", 4 },
	{ "DT", 2 }, { "UPE", 3 }, { "NC", 2 }, { "OM", 2 }, { "DF", 2 }, { "DR", 2 } };

#define NAMES (sizeof(names) / sizeof(names[0]))
#define LONGEST 5u /* of the names */

_Static_assert(NAMES < 32 && NAMES * (LONGEST + 1) <= WEIR_RESPONSE_FLAGS_MAX, "all names fit");

struct weir_str weir_response_flags_text(uint32_t response_flags, char text[WEIR_RESPONSE_FLAGS_MAX])
{
	uint32_t left = response_flags & ((UINT32_C(1) << NAMES) - 1);
	size_t length = 0;

	if (left == 0) {
		return weir_str_make(NULL, 0);
	}
	if ((left & (left - 1)) == 0) {
		return names[__builtin_ctz(left)];
	}
	for (; left != 0; left &= left - 1) {
		const struct weir_str *name = &names[__builtin_ctz(left)];

		memcpy(text + length, name->data, name->length);
		text[length + name->length] = ',';
		length += name->length + 1;
	}
	return weir_str_make(text, length - 1);
}

void weir_response_flags_add(uint32_t response_flags, struct weir_buf *ret_text)
{
	char room[WEIR_RESPONSE_FLAGS_MAX];
	struct weir_str text = weir_response_flags_text(response_flags, room);

	weir_buf_add_str(ret_text, text.length > 0 ? text : weir_str_of("-"));
}
