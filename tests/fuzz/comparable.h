/* comparable: may protobuf-c's generated types be asked about these bytes?
 *
 * protobuf-c has no bound on recursion, refuses groups and known fields of a
 * wrong wire type, lets some odd tags pass, and merges what stands twice in its
 * own way. So an input is walked first, by protobuf-c's own descriptors: what is
 * deeper than it can be trusted with, and what the two take differently on
 * purpose, is only decoded. */
#ifndef WEIR_FUZZ_COMPARABLE_H
#define WEIR_FUZZ_COMPARABLE_H

#include <stdbool.h>

#include <protobuf-c/protobuf-c.h>

#include "decode/wire.h"

/* What else a decoder takes in another way than the oracle: false for such a field. Its wire type is as it should be. */
typedef bool comparable_fn(const ProtobufCFieldDescriptor *known, const struct weir_wire_field *field);

/* `is_alike`: asked of each known field; NULL: all are. */
bool is_comparable(const ProtobufCMessageDescriptor *descriptor, struct weir_str message, comparable_fn *is_alike);

#endif
