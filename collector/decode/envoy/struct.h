/* struct: google.protobuf.Struct, one entry after the other, for those who know
 * which keys they want. Nothing is built and nothing recurses. Private to this folder. */
#ifndef WEIR_DECODE_ENVOY_STRUCT_H
#define WEIR_DECODE_ENVOY_STRUCT_H

#include "decode/wire.h"

struct weir_struct_entry { /* key, and a value that is text or another Struct; other kinds are empty */
	struct weir_str key, text, inner;
};

/* The next entry of a Struct's map; false at the end or when malformed. */
bool weir_struct_next(struct weir_wire *wire, struct weir_struct_entry *ret);

#endif
