/* wire_type: how a field is written on the wire when it is not packed, by protobuf-c's descriptor. */
#ifndef WEIR_TESTS_WIRE_TYPE_H
#define WEIR_TESTS_WIRE_TYPE_H

#include <protobuf-c/protobuf-c.h>

#include "decode/wire.h"

static inline uint8_t wire_type_of(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WEIR_WIRE_BYTES;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WEIR_WIRE_FIXED64;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WEIR_WIRE_FIXED32;
	default:
		return WEIR_WIRE_VARINT;
	}
}

#endif
