/* response_flags: the short names, in the order of the bits (ring/record.h). */
#include "rules/response_flags.h"

static const char *const names[] = { "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX",
	"RLSE", "DC", "URX", "SI", "IH", "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DR" };

void weir_response_flags_add(uint32_t response_flags, struct weir_buf *ret_text)
{
	bool is_first = true;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (response_flags & (UINT32_C(1) << i)) {
			weir_buf_add_text(ret_text, is_first ? "" : ",");
			weir_buf_add_text(ret_text, names[i]);
			is_first = false;
		}
	}
	if (is_first) {
		weir_buf_add_char(ret_text, '-');
	}
}
