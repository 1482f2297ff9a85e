/* flags: response flags as text, in the order in which Envoy numbers them
 * (wire.md 2). A name that is not among them ("DO", or a newer Envoy's) has no
 * bit; what else the text says is still taken.
 *
 * Any thread. */
#include "decode/flags.h"

static const char *const names[] = { "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX",
	"RLSE", "DC", "URX", "SI", "IH", "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DR" };

uint32_t weir_flags_parse(struct weir_str text)
{
	uint32_t flags = 0;

	while (text.length > 0) {
		struct weir_str name = weir_str_trim(weir_str_cut(&text, ','));

		for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			if (weir_str_is(name, names[i])) {
				flags |= UINT32_C(1) << i;
			}
		}
	}
	return flags;
}
