/* json_write: JSON written into a buffer, the commas and the escapes taken care
 * of; the counterpart of base/json_read.
 *
 * Nothing is checked but by the eye of the caller: a key before each value of
 * an object, as many closed as opened. Errors are the buffer's and sticky. Text
 * is UTF-8 already (record.h, invariant 4) or from the request's own arguments;
 * what is neither is written as U+FFFD, so the output is JSON in any case. */
#ifndef WEIR_EXPORTERS_JSON_WRITE_H
#define WEIR_EXPORTERS_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct weir_json_write {
	struct weir_buf *buf; /* borrowed */
	bool needs_comma;     /* a value stands before the next one */
};

void weir_json_write_init(struct weir_json_write *json, struct weir_buf *buf);

/* '{' or '[' and their ends. */
void weir_json_write_open(struct weir_json_write *json, char bracket);
void weir_json_write_close(struct weir_json_write *json, char bracket);

void weir_json_write_key(struct weir_json_write *json, const char *key); /* our own word: needs no escape */
void weir_json_write_key_str(struct weir_json_write *json, struct weir_str key);

void weir_json_write_str(struct weir_json_write *json, struct weir_str text);
void weir_json_write_text(struct weir_json_write *json, const char *text);
void weir_json_write_lower(struct weir_json_write *json, struct weir_str text); /* ASCII letters lowered */
void weir_json_write_hex(struct weir_json_write *json, const uint8_t *bytes, size_t length);
void weir_json_write_u64(struct weir_json_write *json, uint64_t value);
void weir_json_write_double(struct weir_json_write *json, double value);  /* not finite: null */
void weir_json_write_rounded(struct weir_json_write *json, double value); /* to 6 decimals: for what was measured */
void weir_json_write_bool(struct weir_json_write *json, bool value);
void weir_json_write_raw(struct weir_json_write *json, struct weir_str value); /* JSON already */

/* A string value in pieces: begin, any number of pieces (escaped), end. */
void weir_json_write_string_begin(struct weir_json_write *json);
void weir_json_write_piece(struct weir_json_write *json, struct weir_str text);
void weir_json_write_string_end(struct weir_json_write *json);

/* The shortest decimal text that reads back as `value`: at most 31 characters
 * are written to `out` and their number returned. Whole numbers below 2^53
 * come without exponent; NaN, +Inf and -Inf as Prometheus spells them. */
#define WEIR_JSON_WRITE_NUMBER 32u
size_t weir_json_write_number(char out[WEIR_JSON_WRITE_NUMBER], double value);

#endif
