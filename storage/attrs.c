/* attrs: lists of attributes, written as shapes and changes.
 *
 * A shape is the sequence of (key, type) of a list. Most spans of one name have
 * one shape, and most of their values are those of the span before. So a row
 * keeps the number of its list's shape, and the section holds
 *
 *   shapes   varint count; each: varint slots, then (varint key, varint type) a slot
 *   varint length of the masks
 *   masks    for each list in order, a bit a slot: the value differs from the
 *            one that the slot had in the last list of this shape
 *   tokens   for each set bit: the value
 *              STRING, BYTES, JSON: 0 = the next new value, else number + 1
 *              INT: varint zigzag of the difference; BOOL: varint
 *              DOUBLE: 8 bytes; EMPTY: never set
 *
 * Values are numbered in the order of their first use, so a new one needs no
 * number. Before its first list a slot has the empty string, or 0.
 *
 * Invariants: 1. lists are read in the order in which they were written.
 * 2. shape 0 is the empty list. 3. a value's first use is a token 0. */
#include "storage/attrs.h"

#include <errno.h>
#include <stdlib.h>

#include "base/arena.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FIRST_SLOTS 1024u
#define FIRST_SHAPES 128u
#define LAST_HINTED UINT16_MAX

int weir_attrs_init(struct weir_attrs *attrs, struct weir_dictionary *keys, struct weir_dictionary *values)
{
	*attrs = (struct weir_attrs){ .keys = keys, .values = values };
	attrs->slot_capacity = FIRST_SLOTS;
	attrs->shape_capacity = FIRST_SHAPES;
	attrs->index_mask = 2 * FIRST_SHAPES - 1;
	attrs->slots = malloc(FIRST_SLOTS * sizeof(*attrs->slots));
	attrs->shapes = malloc(FIRST_SHAPES * sizeof(*attrs->shapes));
	attrs->index = malloc(2 * FIRST_SHAPES * sizeof(*attrs->index));
	weir_buf_init(&attrs->masks, 0);
	weir_buf_init(&attrs->tokens, 0);
	if (attrs->slots == NULL || attrs->shapes == NULL || attrs->index == NULL) {
		weir_attrs_fini(attrs);
		return -ENOMEM;
	}
	weir_attrs_clear(attrs);
	return 0;
}

void weir_attrs_fini(struct weir_attrs *attrs)
{
	free(attrs->slots);
	free(attrs->shapes);
	free(attrs->index);
	weir_buf_fini(&attrs->masks);
	weir_buf_fini(&attrs->tokens);
	attrs->slots = NULL;
	attrs->shapes = NULL;
	attrs->index = NULL;
}

void weir_attrs_clear(struct weir_attrs *attrs)
{
	memset(attrs->index, 0, ((size_t)attrs->index_mask + 1) * sizeof(*attrs->index));
	memset(attrs->hints, 0, sizeof(attrs->hints));
	attrs->shapes[0] = (struct weir_attrs_shape){ 0, 0, 0 };
	attrs->shape_count = 1;
	attrs->slot_count = 0;
	attrs->total = 0;
	attrs->is_full = false;
	weir_buf_clear(&attrs->masks);
	weir_buf_clear(&attrs->tokens);
}

static bool shape_fits(const struct weir_attrs *attrs, const struct weir_attrs_shape *shape,
	const struct weir_batch *batch, const struct weir_attr *list, uint32_t count)
{
	const struct weir_attrs_slot *slot = attrs->slots + shape->first;

	if (shape->count != count) {
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (list[i].type != slot[i].type ||
			!weir_dictionary_is(attrs->keys, slot[i].key, weir_batch_str(batch, list[i].key))) {
			return false;
		}
	}
	return true;
}

static int shapes_grow(struct weir_attrs *attrs, uint32_t slots)
{
	while (attrs->slot_count + (uint64_t)slots > attrs->slot_capacity) {
		struct weir_attrs_slot *grown =
			realloc(attrs->slots, 2 * (size_t)attrs->slot_capacity * sizeof(*grown));

		if (grown == NULL) {
			return -ENOMEM;
		}
		attrs->slots = grown;
		attrs->slot_capacity *= 2;
	}
	if (attrs->shape_count == attrs->shape_capacity) {
		uint32_t mask = 4 * attrs->shape_capacity - 1;
		uint32_t *index = calloc((size_t)mask + 1, sizeof(*index));
		struct weir_attrs_shape *grown =
			realloc(attrs->shapes, 2 * (size_t)attrs->shape_capacity * sizeof(*grown));

		if (grown != NULL) {
			attrs->shapes = grown;
		}
		if (grown == NULL || index == NULL) {
			free(index);
			return -ENOMEM;
		}
		for (uint32_t i = 1; i < attrs->shape_count; i++) {
			uint32_t at = attrs->shapes[i].hash & mask;

			while (index[at] != 0) {
				at = (at + 1) & mask;
			}
			index[at] = i + 1;
		}
		free(attrs->index);
		attrs->index = index;
		attrs->index_mask = mask;
		attrs->shape_capacity *= 2;
	}
	return 0;
}

/* Finds or makes the shape of a list that did not fit its hint. */
static uint32_t shape_of(
	struct weir_attrs *attrs, const struct weir_batch *batch, const struct weir_attr *list, uint32_t count)
{
	uint64_t hash = count;
	uint32_t at, first = attrs->slot_count;
	bool is_new;

	if (shapes_grow(attrs, count) < 0) {
		attrs->is_full = true;
		return 0;
	}
	/* The slots are filled in where a new shape would have them; they count only if it is new. */
	for (uint32_t i = 0; i < count; i++) {
		struct weir_attrs_slot *slot = attrs->slots + first + i;

		*slot = (struct weir_attrs_slot){ .type = list[i].type };
		slot->key = weir_dictionary_add(attrs->keys, weir_batch_str(batch, list[i].key), &is_new);
		hash = (hash ^ slot->key ^ ((uint64_t)slot->type << 32)) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	for (at = (uint32_t)hash & attrs->index_mask; attrs->index[at] != 0; at = (at + 1) & attrs->index_mask) {
		uint32_t shape = attrs->index[at] - 1;

		if (attrs->shapes[shape].hash == (uint32_t)hash &&
			shape_fits(attrs, attrs->shapes + shape, batch, list, count)) {
			return shape;
		}
	}
	attrs->index[at] = attrs->shape_count + 1;
	attrs->shapes[attrs->shape_count] = (struct weir_attrs_shape){ first, count, (uint32_t)hash };
	attrs->slot_count += count;
	return attrs->shape_count++;
}

/* Writes the value if it differs from the slot's; says whether it did. */
static bool value_write(struct weir_attrs *attrs, struct weir_attrs_slot *slot, const struct weir_batch *batch,
	const struct weir_attr *attr)
{
	uint64_t number = (uint64_t)attr->value.number;
	struct weir_str text;
	bool is_new;

	switch ((enum weir_attr_type)slot->type) {
	case WEIR_ATTR_STRING:
	case WEIR_ATTR_BYTES:
	case WEIR_ATTR_JSON:
		text = weir_batch_str(batch, attr->value.text);
		if (weir_dictionary_is(attrs->values, slot->text, text)) {
			return false;
		}
		slot->text = weir_dictionary_add(attrs->values, text, &is_new);
		weir_codec_varint(&attrs->tokens, is_new ? 0 : (uint64_t)slot->text + 1);
		return true;
	case WEIR_ATTR_BOOL:
	case WEIR_ATTR_INT:
		if (number == slot->number) {
			return false;
		}
		weir_codec_varint(&attrs->tokens, weir_codec_zigzag((int64_t)(number - slot->number)));
		slot->number = number;
		return true;
	case WEIR_ATTR_DOUBLE:
		if (number == slot->number) {
			return false;
		}
		weir_buf_add(&attrs->tokens, &number, sizeof(number));
		slot->number = number;
		return true;
	case WEIR_ATTR_EMPTY:
		break;
	}
	return false;
}

uint32_t weir_attrs_write(struct weir_attrs *attrs, const struct weir_batch *batch, const struct weir_attr *list,
	uint32_t count, uint32_t hint)
{
	uint16_t *hinted = attrs->hints + (hint & (WEIR_ATTRS_HINTS - 1));
	uint32_t shape = *hinted;
	struct weir_attrs_slot *slots;
	uint8_t *masks;

	if (count == 0) {
		return 0;
	}
	if (!shape_fits(attrs, attrs->shapes + shape, batch, list, count)) {
		shape = shape_of(attrs, batch, list, count);
		if (shape == 0) {
			return 0;
		}
		*hinted = shape <= LAST_HINTED ? (uint16_t)shape : 0;
	}
	slots = attrs->slots + attrs->shapes[shape].first;
	masks = (uint8_t *)weir_buf_reserve(&attrs->masks, (count + 7) / 8);
	if (masks == NULL) {
		return 0;
	}
	for (uint32_t i = 0; i < count; i += 8) {
		unsigned mask = 0;

		for (uint32_t bit = 0; bit < 8 && i + bit < count; bit++) {
			mask |= (unsigned)value_write(attrs, slots + i + bit, batch, list + i + bit) << bit;
		}
		*masks++ = (uint8_t)mask;
	}
	weir_buf_advance(&attrs->masks, (count + 7) / 8);
	attrs->total += count;
	return shape;
}

void weir_attrs_finish(struct weir_attrs *attrs, struct weir_buf *out)
{
	weir_codec_varint(out, attrs->shape_count - 1);
	for (uint32_t i = 1; i < attrs->shape_count; i++) {
		const struct weir_attrs_shape *shape = attrs->shapes + i;

		weir_codec_varint(out, shape->count);
		for (uint32_t j = 0; j < shape->count; j++) {
			weir_codec_varint(out, attrs->slots[shape->first + j].key);
			weir_codec_varint(out, attrs->slots[shape->first + j].type);
		}
	}
	weir_codec_varint(out, attrs->masks.length);
	weir_buf_add(out, attrs->masks.data, attrs->masks.length);
	weir_buf_add(out, attrs->tokens.data, attrs->tokens.length);
	if (weir_buf_error(&attrs->masks) != 0 || weir_buf_error(&attrs->tokens) != 0) {
		attrs->is_full = true;
	}
}

int weir_attrs_read_begin(struct weir_attrs_reader *reader, struct weir_arena *arena, struct weir_str section,
	uint32_t key_count, uint32_t value_count)
{
	struct weir_codec_cursor in = { (const uint8_t *)section.data, (const uint8_t *)section.data + section.length,
		false };
	uint64_t shapes = weir_codec_read_varint(&in), used = 0, masks;
	size_t most = section.length / 2 + 1; /* a slot takes at least two bytes */

	*reader = (struct weir_attrs_reader){ .next_value = 1, .value_count = value_count };
	if (in.is_bad || shapes > section.length) {
		return -EBADMSG;
	}
	reader->shapes = weir_arena_alloc(arena, (shapes + 1) * sizeof(*reader->shapes));
	reader->slots = weir_arena_alloc(arena, most * sizeof(*reader->slots));
	if (reader->shapes == NULL || reader->slots == NULL) {
		return -ENOMEM;
	}
	reader->shapes[0] = (struct weir_attrs_shape){ 0, 0, 0 };
	reader->shape_count = (uint32_t)shapes + 1;
	for (uint32_t i = 1; i <= shapes; i++) {
		uint64_t count = weir_codec_read_varint(&in);

		if (in.is_bad || count == 0 || count > most - used) {
			return -EBADMSG;
		}
		reader->shapes[i] = (struct weir_attrs_shape){ (uint32_t)used, (uint32_t)count, 0 };
		for (uint64_t j = 0; j < count; j++, used++) {
			uint64_t key = weir_codec_read_varint(&in), type = weir_codec_read_varint(&in);

			if (in.is_bad || key >= key_count || type > WEIR_ATTR_EMPTY) {
				return -EBADMSG;
			}
			reader->slots[used] = (struct weir_attrs_slot){ .key = (uint32_t)key, .type = (uint32_t)type };
		}
	}
	masks = weir_codec_read_varint(&in);
	reader->masks.at = weir_codec_read_bytes(&in, masks);
	if (in.is_bad) {
		return -EBADMSG;
	}
	reader->masks.end = in.at;
	reader->tokens = in;
	return 0;
}

uint32_t weir_attrs_count(const struct weir_attrs_reader *reader, uint64_t shape)
{
	return shape < reader->shape_count ? reader->shapes[shape].count : UINT32_MAX;
}

static int value_read(struct weir_attrs_reader *reader, struct weir_attrs_slot *slot)
{
	uint64_t token;
	const uint8_t *bytes;

	switch ((enum weir_attr_type)slot->type) {
	case WEIR_ATTR_STRING:
	case WEIR_ATTR_BYTES:
	case WEIR_ATTR_JSON:
		token = weir_codec_read_varint(&reader->tokens);
		token = token == 0 ? reader->next_value++ : token - 1;
		if (token >= reader->value_count) {
			return -EBADMSG;
		}
		slot->text = (uint32_t)token;
		break;
	case WEIR_ATTR_BOOL:
	case WEIR_ATTR_INT:
		slot->number += (uint64_t)weir_codec_unzigzag(weir_codec_read_varint(&reader->tokens));
		break;
	case WEIR_ATTR_DOUBLE:
		bytes = weir_codec_read_bytes(&reader->tokens, sizeof(slot->number));
		if (bytes != NULL) {
			memcpy(&slot->number, bytes, sizeof(slot->number));
		}
		break;
	case WEIR_ATTR_EMPTY:
		return -EBADMSG;
	}
	return reader->tokens.is_bad ? -EBADMSG : 0;
}

static bool is_text(uint32_t type)
{
	return type == WEIR_ATTR_STRING || type == WEIR_ATTR_BYTES || type == WEIR_ATTR_JSON;
}

int weir_attrs_read(struct weir_attrs_reader *reader, uint32_t shape, struct weir_attr *ret_list)
{
	uint32_t count = reader->shapes[shape].count;
	struct weir_attrs_slot *slots = reader->slots + reader->shapes[shape].first;
	const uint8_t *masks = weir_codec_read_bytes(&reader->masks, (count + 7) / 8);

	if (masks == NULL && count > 0) {
		return -EBADMSG;
	}
	for (uint32_t i = 0; i < count; i++) {
		if ((masks[i / 8] >> (i % 8) & 1) != 0 && value_read(reader, slots + i) < 0) {
			return -EBADMSG;
		}
		if (ret_list == NULL) {
			continue;
		}
		ret_list[i] = (struct weir_attr){ .key.offset = slots[i].key, .type = slots[i].type };
		if (is_text(slots[i].type)) {
			ret_list[i].value.text.offset = slots[i].text;
		} else {
			ret_list[i].value.number = (int64_t)slots[i].number;
		}
	}
	return 0;
}
