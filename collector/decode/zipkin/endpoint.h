/* endpoint: Zipkin's local and remote endpoints. Inside decode only. */
#ifndef WEIR_DECODE_ZIPKIN_ENDPOINT_H
#define WEIR_DECODE_ZIPKIN_ENDPOINT_H

#include "decode/zipkin/read.h"

/* The endpoint (or null) at hand; *ret is good until the next call. */
bool weir_zipkin_endpoint_read(struct weir_zipkin_reader *reader, struct weir_zipkin_endpoint **ret);

/* The row of `resources` that says the same, made when there is none. False
 * when the arena is full. */
bool weir_zipkin_endpoint_resource(
	struct weir_zipkin_reader *reader, struct weir_zipkin_endpoint *endpoint, uint32_t *ret_row);

#endif
