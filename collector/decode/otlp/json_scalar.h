/* json_scalar: what a request's JSON is read with, and the values that are
 * neither object nor list. Inside decode only. */
#ifndef WEIR_DECODE_OTLP_JSON_SCALAR_H
#define WEIR_DECODE_OTLP_JSON_SCALAR_H

#include "base/json_read.h"
#include "decode/draft.h"
#include "decode/otlp/json_shape.h"
#include "decode/otlp/json_write.h"

struct weir_otlp_json_reader {
	struct weir_draft *draft;
	struct weir_json json;
	struct weir_otlp_json_write out;
};

/* Both return false. The first failure sets draft->error and stays; `at` is inside the body. */
bool weir_otlp_json_scalar_fail_at(struct weir_otlp_json_reader *reader, const char *sentence, const char *at);
/* For what the JSON reader found itself. */
bool weir_otlp_json_scalar_fail(struct weir_otlp_json_reader *reader);

/* Writes `value`, which is not null, as the value of `field`, behind its tag.
 * False: it is of another type, or the arena is full (reader->out.is_full). */
bool weir_otlp_json_scalar_write(struct weir_otlp_json_reader *reader, const struct weir_otlp_json_field *field,
	const struct weir_json_value *value);

/* The wire type of a field of this kind, OBJECT included. */
unsigned weir_otlp_json_scalar_wire_type(unsigned kind);

#endif
