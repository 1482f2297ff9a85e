/* json_number: the value of a JSON number, or of a string that holds one.
 * Inside decode only. */
#ifndef WEIR_DECODE_OTLP_JSON_NUMBER_H
#define WEIR_DECODE_OTLP_JSON_NUMBER_H

#include "decode/otlp/json_scalar.h"

/* `text` as `field` wants it, which is of a kind from INT64 to DOUBLE: the bits
 * to write (SINT32: zigzagged; DOUBLE: IEEE). False: not such a number, or the
 * arena is full (reader->out.is_full). */
bool weir_otlp_json_number_read(struct weir_otlp_json_reader *reader, const struct weir_otlp_json_field *field,
	bool is_string, struct weir_str text, uint64_t *ret);

#endif
