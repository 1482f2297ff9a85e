/* otlp_json: OTLP's two encodings, turned into each other by protobuf-c's
 * descriptors: an oracle for the decoder of JSON, which has tables of its own. */
#ifndef WEIR_TESTS_OTLP_JSON_H
#define WEIR_TESTS_OTLP_JSON_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "base/buf.h"

enum {                       /* outcomes */
	OTLP_JSON_WRONG = 1, /* a known member of a wrong type */
	OTLP_JSON_ODD,       /* what this oracle does not judge: old names, two members of one oneof, great numbers */
};

enum { /* what senders write differently; any of them together */
	OTLP_JSON_UPPER_HEX = 1,
	OTLP_JSON_NUMBERS = 2, /* 64-bit integers as numbers */
	OTLP_JSON_NAMES = 4,   /* enums by name */
	OTLP_JSON_URL_SAFE = 8 /* base64 without padding */
};

/* Fields that the record has no place for: nothing of them is read. */
bool otlp_json_is_skipped(const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *field);
bool otlp_json_is_hex(const ProtobufCFieldDescriptor *field);

/* "start_time_unix_nano" → "startTimeUnixNano" */
void otlp_json_key(const ProtobufCFieldDescriptor *field, char key[64]);

/* Appends `object` as protobuf. 0, WRONG, ODD. */
int otlp_json_to_wire(const ProtobufCMessageDescriptor *message, const json_t *object, struct weir_buf *out);

/* A sound message as JSON, in the fields' order on the wire. */
json_t *otlp_json_of_wire(const ProtobufCMessageDescriptor *message, struct weir_str bytes, unsigned style);

#endif
