/* json_shape: which members OTLP's JSON objects have, and what each is in
 * protobuf. Inside decode only. */
#ifndef WEIR_DECODE_OTLP_JSON_SHAPE_H
#define WEIR_DECODE_OTLP_JSON_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#define WEIR_OTLP_JSON_FIELDS 17u /* members that one object may have */

enum weir_otlp_json_kind {
	WEIR_OTLP_JSON_TEXT,
	WEIR_OTLP_JSON_ID,    /* bytes as hex */
	WEIR_OTLP_JSON_BYTES, /* bytes as base64 */
	WEIR_OTLP_JSON_BOOL,
	WEIR_OTLP_JSON_INT64, /* a varint, as the next four */
	WEIR_OTLP_JSON_UINT64,
	WEIR_OTLP_JSON_UINT32,
	WEIR_OTLP_JSON_SINT32, /* zigzag */
	WEIR_OTLP_JSON_ENUM,
	WEIR_OTLP_JSON_FIXED32,
	WEIR_OTLP_JSON_FIXED64,
	WEIR_OTLP_JSON_SFIXED64,
	WEIR_OTLP_JSON_DOUBLE,
	WEIR_OTLP_JSON_OBJECT,
};

struct weir_otlp_json_name { /* of a value of an enum; text NULL: the end */
	const char *text;
	uint32_t value;
};

#define WEIR_OTLP_JSON_KEY 32u /* longer than every key */

struct weir_otlp_json_field {
	char key[WEIR_OTLP_JSON_KEY]; /* zeros behind it */
	uint16_t number;
	uint8_t kind;
	bool is_list;                             /* of numbers: packed */
	const struct weir_otlp_json_shape *shape; /* OBJECT */
	const struct weir_otlp_json_name *names;  /* ENUM */
};

struct weir_otlp_json_shape {
	const char *name; /* of the protobuf message */
	uint32_t count;
	const struct weir_otlp_json_field *fields;
};

extern const struct weir_otlp_json_shape weir_otlp_json_trace_request, weir_otlp_json_metrics_request,
	weir_otlp_json_logs_request;

#endif
