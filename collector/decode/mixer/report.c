/* report: the bags of a ReportRequest, so far only counted. */
#include "decode/mixer/report.h"

#include "decode/wire.h"

int weir_report_decode(struct weir_draft *draft, struct weir_str *ret_reporter)
{
	struct weir_wire wire = weir_wire_of(draft->body);
	struct weir_wire_field field;

	*ret_reporter = (struct weir_str){ NULL, 0 };
	while (weir_wire_next(&wire, &field)) {
		if (field.number == 1) {
			draft->offered++;
			draft->dropped[WEIR_DROP_INVALID]++;
		}
	}
	draft->error = wire.is_malformed ? "the report cannot be read" : NULL;
	return wire.is_malformed ? WEIR_DECODE_MALFORMED : 0;
}
