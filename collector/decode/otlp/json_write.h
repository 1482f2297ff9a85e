/* json_write: a protobuf message while it is written, in an arena. Inside
 * decode only. */
#ifndef WEIR_DECODE_OTLP_JSON_WRITE_H
#define WEIR_DECODE_OTLP_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct weir_otlp_json_write {
	struct weir_arena *arena;
	uint8_t *data;
	uint32_t length, capacity;
	bool is_full; /* the arena is, or the message would exceed 1 GiB; sticky, and what follows is not written */
};

/* `expected` bytes are made room for at once. */
void weir_otlp_json_write_init(struct weir_otlp_json_write *out, struct weir_arena *arena, size_t expected);

/* Room for `size` bytes behind what is written, or NULL; then advance. */
uint8_t *weir_otlp_json_write_reserve(struct weir_otlp_json_write *out, size_t size);
void weir_otlp_json_write_advance(struct weir_otlp_json_write *out, size_t size);

void weir_otlp_json_write_varint(struct weir_otlp_json_write *out, uint64_t value);
void weir_otlp_json_write_fixed32(struct weir_otlp_json_write *out, uint32_t value);
void weir_otlp_json_write_fixed64(struct weir_otlp_json_write *out, uint64_t value);

/* What is written between the two gets its length in front. open() returns
 * where; close() takes that. */
uint32_t weir_otlp_json_write_open(struct weir_otlp_json_write *out);
void weir_otlp_json_write_close(struct weir_otlp_json_write *out, uint32_t opened);

/* Takes the bytes [from, to) out again; what is behind them moves up. */
void weir_otlp_json_write_remove(struct weir_otlp_json_write *out, uint32_t from, uint32_t to);

#endif
