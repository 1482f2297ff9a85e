/* span_json: one span as Zipkin's v2 JSON (wire.md 5.1). */
#ifndef WEIR_EXPORTERS_TRACES_SPAN_JSON_H
#define WEIR_EXPORTERS_TRACES_SPAN_JSON_H

#include "exporters/json_write.h"
#include "exporters/traces/merge.h"

/* Scratch comes from `arena`. 0, or -ENOMEM (the JSON is then cut short). */
int weir_span_json_write(struct weir_json_write *json, struct weir_arena *arena, const uint8_t trace_id[16],
	const struct weir_merge_span *span);

#endif
