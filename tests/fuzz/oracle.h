/* oracle: protobuf-c's generated types as the judge of our OTLP decoders: when
 * it may be asked, and what all signals have in common. */
#ifndef WEIR_FUZZ_ORACLE_H
#define WEIR_FUZZ_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#include "opentelemetry/proto/common/v1/common.pb-c.h"

#include "ring/record.h"

/* May the oracle be asked about this message? As comparable.h says, and not about what is not read here: references to
 * entities, indices into a dictionary. */
bool oracle_is_comparable(const ProtobufCMessageDescriptor *descriptor, struct weir_str message);

/* Of this length, and not all zero. */
bool oracle_is_id(ProtobufCBinaryData id, size_t size);

/* These end the process on a difference. Text is compared when it is valid; a NUL ends what the oracle can tell. */
void oracle_compare_text(const struct weir_batch *batch, struct weir_ref ref, const char *expected);
void oracle_compare_value(const struct weir_batch *batch, const struct weir_attr *attr,
	const Opentelemetry__Proto__Common__V1__AnyValue *value);
void oracle_compare_attrs(const struct weir_batch *batch, uint32_t first, uint32_t count,
	Opentelemetry__Proto__Common__V1__KeyValue *const *pairs, size_t pair_count);

#endif
