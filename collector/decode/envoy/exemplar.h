/* exemplar: io.prometheus.client.Exemplar and Timestamp → the exemplar of a
 * point. Private to this folder. */
#ifndef WEIR_DECODE_ENVOY_EXEMPLAR_H
#define WEIR_DECODE_ENVOY_EXEMPLAR_H

#include <stdbool.h>

#include "ring/record.h"

/* Takes it when it names a trace and is not older than the one that the point has. False: malformed. */
bool weir_exemplar_read(struct weir_str message, struct weir_point *point);

/* A google.protobuf.Timestamp; negative or absurd ones are 0. False: malformed. */
bool weir_exemplar_read_time(struct weir_str message, uint64_t *ret_ns);

#endif
