/* put: protobuf written forward, into room that was reserved before: what
 * io.prometheus.client is made of. Each call returns where it ended. */
#ifndef WEIR_EXPORTERS_METRICS_PUT_H
#define WEIR_EXPORTERS_METRICS_PUT_H

#include "aggregate/snapshot.h"

#define WEIR_PUT_VARINT_MOST 10u
#define WEIR_PUT_EXEMPLAR_MOST 120u /* two labels, value and timestamp, with their keys and lengths */

enum { WEIR_PUT_VARINT = 0, WEIR_PUT_DOUBLE = 1, WEIR_PUT_BYTES = 2 }; /* what is behind a key */

size_t weir_put_varint_length(uint64_t value);
char *weir_put_varint(char *at, uint64_t value);
char *weir_put_key(char *at, unsigned field, unsigned kind);
char *weir_put_number(char *at, unsigned field, uint64_t value);
char *weir_put_signed(char *at, unsigned field, int64_t value); /* zigzag */
char *weir_put_double(char *at, unsigned field, double value);
char *weir_put_bytes(char *at, unsigned field, const void *data, size_t length);
char *weir_put_timestamp(char *at, unsigned field, uint64_t time_ns); /* google.protobuf.Timestamp */

/* Each label of `a="b",c="d"`, unescaped, as a LabelPair in field 1. The text is
 * the rules' own: what is not of this form ends it. */
char *weir_put_labels(char *at, struct weir_str labels);
size_t weir_put_labels_room(struct weir_str labels); /* what that takes at most */

/* NULL: nothing. */
char *weir_put_exemplar(char *at, unsigned field, const struct weir_exemplar_view *exemplar);

#endif
