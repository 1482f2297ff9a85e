/* read: what the parts of the Zipkin decoder share: the state of one list and
 * its scalars. Inside decode only. Every function that returns false has set
 * draft->error, unless the arena is full (draft->is_exhausted). */
#ifndef WEIR_DECODE_ZIPKIN_READ_H
#define WEIR_DECODE_ZIPKIN_READ_H

#include "base/json_read.h"
#include "decode/draft.h"

#define WEIR_ZIPKIN_ENDPOINTS 8u
#define WEIR_ZIPKIN_KEY_BUFFER 96u /* every known member's name fits, all of it written as \uXXXX */

struct weir_zipkin_endpoint {
	struct weir_str text; /* as it stands in the body, braces included */
	struct weir_ref service;
	struct weir_address address;
	uint32_t resource; /* the row that says the same, or WEIR_NONE */
};

struct weir_zipkin_reader {
	struct weir_draft *draft;
	struct weir_json json;
	struct weir_zipkin_endpoint endpoints[WEIR_ZIPKIN_ENDPOINTS]; /* text empty: free */
	unsigned next_endpoint;
	uint32_t nameless; /* resource row of spans without local endpoint, or WEIR_NONE */
};

/* Both return false. `at` is inside the body; the first failure stays. */
bool weir_zipkin_read_fail_at(struct weir_zipkin_reader *reader, const char *sentence, const char *at);
/* For what the JSON reader found itself. */
bool weir_zipkin_read_fail(struct weir_zipkin_reader *reader);

bool weir_zipkin_read_value(struct weir_zipkin_reader *reader, struct weir_json_value *ret);

/* A raw string as text of the pool: unescaped, repaired and counted if it is no UTF-8. */
struct weir_ref weir_zipkin_read_text(struct weir_draft *draft, struct weir_str raw, bool has_escapes);

/* As weir_zipkin_read_text, lower-cased where it is ASCII. */
struct weir_ref weir_zipkin_read_lower(struct weir_draft *draft, struct weir_str raw, bool has_escapes);

/* A lower-cased name; null leaves *ret, another type fails with `sentence`. */
bool weir_zipkin_read_name(struct weir_zipkin_reader *reader, const char *sentence, struct weir_ref *ret);

bool weir_zipkin_read_bool(struct weir_zipkin_reader *reader, bool *ret); /* null is false */

/* Positive microseconds as nanoseconds; 0 for 0, negative ones and null. */
bool weir_zipkin_read_micros(struct weir_zipkin_reader *reader, uint64_t *ret_ns);

/* Up to 2 * size hex digits, padded on the left with zeros; *ret_is_set: not all zero. */
bool weir_zipkin_read_id(struct weir_zipkin_reader *reader, uint8_t *id, size_t size, bool *ret_is_set);

/* The next member's name, unescaped into `buffer` of WEIR_ZIPKIN_KEY_BUFFER
 * when it is short enough to be one that we know. 0: a member, whose value
 * must be read; WEIR_JSON_END; WEIR_JSON_MALFORMED (draft->error is set). */
int weir_zipkin_read_member(struct weir_zipkin_reader *reader, bool *is_first, struct weir_str *ret_key, char *buffer);

bool weir_zipkin_read_skip(struct weir_zipkin_reader *reader); /* the next value, whatever it is */

/* An opening brace or null (*ret_is_null); anything else fails with `sentence`. */
bool weir_zipkin_read_object(struct weir_zipkin_reader *reader, const char *sentence, bool *ret_is_null);

/* Reads the next element. */
typedef bool weir_zipkin_span_fn(struct weir_zipkin_reader *reader, void *ctx);
/* The whole body, a list of spans; an empty one is no list and no span. Anything but a list fails with `expected`.
 * Outcomes as weir_zipkin_json_decode(). */
int weir_zipkin_read_list(struct weir_draft *draft, const char *expected, weir_zipkin_span_fn *span_read, void *ctx);

#endif
