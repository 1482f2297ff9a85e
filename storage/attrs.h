/* attrs: lists of attributes, written as shapes and changes. */
#ifndef WEIR_STORAGE_ATTRS_H
#define WEIR_STORAGE_ATTRS_H

#include <stdint.h>

#include "ring/record.h"
#include "storage/codec.h"
#include "storage/dictionary.h"

struct weir_attrs_slot { /* one attribute of a shape, and its value in the list before */
	uint32_t key;    /* number in the core strings */
	uint32_t type;   /* enum weir_attr_type */
	uint32_t text;   /* number in the values */
	uint64_t number; /* or the bits of a double */
};

struct weir_attrs_shape {
	uint32_t first, count; /* slots */
	uint32_t hash;
};

#define WEIR_ATTRS_HINTS 4096u

struct weir_attrs { /* the writer's side */
	struct weir_dictionary *keys, *values;
	struct weir_attrs_slot *slots;
	struct weir_attrs_shape *shapes;
	uint32_t *index; /* open addressing: shape + 1 */
	uint32_t slot_count, slot_capacity, shape_count, shape_capacity, index_mask;
	uint16_t hints[WEIR_ATTRS_HINTS]; /* the last shape of rows of the same name */
	struct weir_buf masks, tokens;
	uint64_t total; /* attributes of all lists */
	bool is_full;   /* sticky: memory ran out */
};

int weir_attrs_init(struct weir_attrs *attrs, struct weir_dictionary *keys, struct weir_dictionary *values);
void weir_attrs_fini(struct weir_attrs *attrs);
void weir_attrs_clear(struct weir_attrs *attrs);

/* Writes one list; returns the number of its shape, which its row keeps. Rows
 * with equal `hint` are expected to have lists of one shape. */
uint32_t weir_attrs_write(struct weir_attrs *attrs, const struct weir_batch *batch, const struct weir_attr *list,
	uint32_t count, uint32_t hint);
/* Appends the section: shapes, masks, tokens. */
void weir_attrs_finish(struct weir_attrs *attrs, struct weir_buf *out);

struct weir_attrs_reader {
	struct weir_attrs_slot *slots;
	struct weir_attrs_shape *shapes;
	uint32_t shape_count;
	struct weir_codec_cursor masks, tokens;
	uint32_t next_value, value_count;
};

struct weir_arena;
/* 0, -EBADMSG, -ENOMEM. Numbers of keys and values are checked against the counts. */
int weir_attrs_read_begin(struct weir_attrs_reader *reader, struct weir_arena *arena, struct weir_str section,
	uint32_t key_count, uint32_t value_count);
/* Attributes of a list of that shape; UINT32_MAX: no such shape. */
uint32_t weir_attrs_count(const struct weir_attrs_reader *reader, uint64_t shape);
/* Reads the next list. Texts come as numbers: key.offset and value.text.offset
 * are places in the key and value strings, for the caller to turn into refs.
 * ret_list NULL: only steps over it. 0 or -EBADMSG. */
int weir_attrs_read(struct weir_attrs_reader *reader, uint32_t shape, struct weir_attr *ret_list);

#endif
