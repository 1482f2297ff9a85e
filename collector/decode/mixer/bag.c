/* bag: CompressedAttributes → attributes by slot.
 *
 *   CompressedAttributes { 1 words …
 *                          2 strings      { 1 name, 2 value } …    both are words
 *                          3 int64s  4 doubles  5 bools
 *                          6 timestamps  7 durations  8 bytes      { 1 name, 2 value } …
 *                          9 string_maps  { 1 name, 2 { 1 { 1 key, 2 value } … } } … }
 *
 *   word   varint, zigzag:  0, 2, 4 …  global word 0, 1, 2 …
 *                           1, 3, 5 …  message word 0, 1, 2 …
 *
 * A word that is a name is found out about once (its slot), and from then on an
 * attribute costs its varints, two look-ups in arrays and a store. Names that
 * no record has a place for get slots of their own as they come, the same slot
 * for the same name, up to WEIR_BAG_EXTRAS; what lies beyond is passed over.
 *
 * INDEPENDENT: a bag begins empty. DELTA: it begins as the one before it ended,
 * even if that one was invalid: what could be read of it is what changed.
 *
 * Invariants
 *  1. known and extra have a bit exactly where values is set, and there with
 *     the type that the slot has.
 *  2. A word that a value refers to lives as long as the reader; of a bag's own
 *     words in INDEPENDENT encoding, only until the next bag is read.
 *  3. A map has a word as its key once: the last one wins, in the place of the
 *     first. (No dictionary says one word twice.)
 *  4. An attribute set by two maps of one bag is unset, and the bag invalid; so
 *     is one whose value is a word that does not exist. One of a type that its
 *     slot has not is unset, and the bag as good as without it.
 *  5. Work and memory are linear in the message.
 *
 * One thread: the listener whose draft it is. */
#include "decode/mixer/bag.h"

#include "base/utf8.h"
#include "decode/mixer/map_entry.h"

struct weir_bag_reader *weir_bag_reader_create(struct weir_draft *draft, bool is_delta)
{
	struct weir_bag_reader *reader = weir_arena_alloc(draft->arena, sizeof(*reader));

	if (reader == NULL) {
		draft->is_exhausted = true;
		return NULL;
	}
	/* All but `bag.values`, `before` and `extra_names`, which are never read before they are set. */
	reader->draft = draft;
	reader->is_delta = is_delta;
	reader->bag.known = reader->bag.extra = 0;
	reader->pairs = (struct weir_rows){ .row_bytes = sizeof(struct weir_bag_pair), .first_capacity = 64 };
	reader->own = (struct weir_rows){ .row_bytes = sizeof(struct weir_word), .first_capacity = 64 };
	reader->default_words = reader->words[1] = (struct weir_bag_words){ NULL, 0 };
	reader->words[0] = (struct weir_bag_words){ reader->globals, WEIR_WORDS_GLOBAL };
	reader->entry = 0;
	reader->map = 0;
	reader->extra_count = 0;
	memset(reader->stamps, 0, sizeof(reader->stamps));
	memcpy(reader->globals, weir_words_global, sizeof(reader->globals));
	return reader;
}

/* ---- words -------------------------------------------------------------- */

/* One more word behind *words, the last dictionary in `own`; which moves as a
 * whole when there is no room behind it. */
static bool word_add(struct weir_bag_reader *reader, struct weir_bag_words *words, struct weir_str text)
{
	struct weir_rows *own = &reader->own;
	struct weir_word *row;

	if (own->count == own->capacity) {
		uint32_t capacity = words->count < 32 ? 64 : 2 * words->count;

		row = weir_arena_alloc(reader->draft->arena, (size_t)capacity * sizeof(*row));
		if (row == NULL || capacity < words->count) {
			reader->draft->is_exhausted = true;
			return false;
		}
		if (words->count > 0) {
			memcpy(row, words->data, words->count * sizeof(*row));
		}
		own->data = row;
		own->count = words->count;
		own->capacity = capacity;
	}
	row = (struct weir_word *)own->data + own->count++;
	words->data = row - words->count++;
	*row = (struct weir_word){ .text = text };
	return true;
}

bool weir_bag_add_default(struct weir_bag_reader *reader, struct weir_str text)
{
	return word_add(reader, &reader->default_words, text);
}

struct weir_ref weir_bag_place(struct weir_draft *draft, struct weir_word *word)
{
	uintptr_t at = (uintptr_t)word->text.data, body = (uintptr_t)draft->body.data;
	char *room;

	if (word->text.length == 0) {
		return word->ref;
	}
	if (at >= body && at - body < draft->body.length) {
		word->ref = weir_draft_text(draft, word->text);
	} else if (weir_draft_is_ascii(word->text) || weir_utf8_is_valid(word->text)) {
		word->ref = weir_draft_copy(draft, word->text);
	} else {
		draft->replaced_utf8++;
		room = weir_draft_reserve(draft, 3 * word->text.length);
		if (room != NULL) {
			word->ref = weir_draft_commit(draft, weir_utf8_repair(word->text, room));
		}
	}
	return word->ref;
}

void weir_bag_address(struct weir_str bytes, uint64_t port, struct weir_address *ret)
{
	if (bytes.length == 4) {
		memset(ret->ip, 0, 10);
		memset(ret->ip + 10, 0xff, 2);
		memcpy(ret->ip + 12, bytes.data, 4);
	} else if (bytes.length == 16) {
		memcpy(ret->ip, bytes.data, 16);
	} else {
		return;
	}
	ret->port = port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* The word that an index on the wire means, or NULL. Which dictionary, nobody can predict. */
__attribute__((always_inline)) static inline struct weir_word *word_at(struct weir_bag_reader *reader, uint64_t wire)
{
	uint32_t zigzag = (uint32_t)wire, i = zigzag >> 1;
	const struct weir_bag_words *words = &reader->words[zigzag & 1];

	return __builtin_expect(i < words->count, 1) ? &words->data[i] : NULL;
}

/* Out of line: once a word. */
__attribute__((noinline)) static uint8_t word_resolve(struct weir_bag_reader *reader, struct weir_word *word)
{
	struct weir_draft *draft = reader->draft;

	word->slot = weir_words_slot(word->text);
	for (uint32_t i = 0; i < reader->extra_count && word->slot == WEIR_WORDS_UNRESOLVED; i++) {
		if (weir_str_equal(weir_draft_str(draft, reader->extra_names[i]), word->text)) {
			word->slot = (uint8_t)(WEIR_WORDS_EXTRA + i);
		}
	}
	if (word->slot != WEIR_WORDS_UNRESOLVED) {
		return word->slot;
	}
	if (reader->extra_count == WEIR_BAG_EXTRAS || word->text.length == 0) {
		word->slot = WEIR_WORDS_NOWHERE;
		return word->slot;
	}
	reader->extra_names[reader->extra_count] = weir_bag_ref(draft, word);
	word->slot = (uint8_t)(WEIR_WORDS_EXTRA + reader->extra_count++);
	return word->slot;
}

/* ---- attributes --------------------------------------------------------- */

/* An attribute that has no place, or is there already as something else, or
 * has the wrong type; or one of the extras, of which any type will do. */
__attribute__((noinline)) static union weir_bag_value *value_of_slowly(
	struct weir_bag_reader *reader, struct weir_word *name, enum weir_words_type type, bool *is_valid)
{
	uint8_t slot = name->slot != WEIR_WORDS_UNRESOLVED ? name->slot : word_resolve(reader, name);
	uint64_t base = (uint64_t)reader->entry << 4, stamp = base | type, bit = UINT64_C(1) << slot % 64;
	struct weir_bag *bag = &reader->bag;
	bool is_known = slot < WEIR_WORDS_EXTRA, is_twice;

	if (slot == WEIR_WORDS_NOWHERE) {
		return NULL;
	}
	is_twice = reader->stamps[slot] >= base && reader->stamps[slot] != stamp;
	reader->stamps[slot] = is_twice ? base : stamp;
	if (is_twice || (is_known && weir_words_types[slot] != type)) {
		*is_valid = *is_valid && !is_twice;
		bag->known &= is_known ? ~bit : UINT64_MAX;
		bag->extra &= is_known ? UINT64_MAX : ~bit;
		return NULL;
	}
	if (is_known) {
		bag->known |= bit;
	} else {
		bag->extra |= bit;
		bag->types[slot - WEIR_WORDS_EXTRA] = (uint8_t)type;
	}
	return &bag->values[slot];
}

/* Where the value of this attribute goes, or NULL: nowhere, or the bag is invalid. */
__attribute__((always_inline)) static inline union weir_bag_value *value_of(
	struct weir_bag_reader *reader, uint64_t key, enum weir_words_type type, bool *is_valid)
{
	struct weir_word *name = word_at(reader, key);
	uint64_t base = (uint64_t)reader->entry << 4, old;

	if (__builtin_expect(name == NULL, 0)) {
		*is_valid = false;
		return NULL;
	}
	if (__builtin_expect(weir_words_types[name->slot] == type, 1)) {
		old = reader->stamps[name->slot];
		if (__builtin_expect(old < base || old == (base | type), 1)) {
			reader->stamps[name->slot] = base | type;
			reader->bag.known |= UINT64_C(1) << name->slot;
			return &reader->bag.values[name->slot];
		}
	}
	return value_of_slowly(reader, name, type, is_valid);
}

/* The attribute whose value was just asked for cannot have one. */
static void value_unset(struct weir_bag_reader *reader, const union weir_bag_value *value)
{
	uint32_t slot = (uint32_t)(value - reader->bag.values);

	if (slot < WEIR_WORDS_EXTRA) {
		reader->bag.known &= ~(UINT64_C(1) << slot);
	} else {
		reader->bag.extra &= ~(UINT64_C(1) << (slot - WEIR_WORDS_EXTRA));
	}
}

__attribute__((always_inline)) static inline void string_put(
	struct weir_bag_reader *reader, uint64_t key, uint64_t text, bool *is_valid)
{
	union weir_bag_value *value = value_of(reader, key, WEIR_WORDS_STRING, is_valid);
	struct weir_word *word = word_at(reader, text);

	if (__builtin_expect(word == NULL, 0)) {
		*is_valid = false;
		if (value != NULL) {
			value_unset(reader, value);
		}
	} else if (value != NULL) {
		value->word = word;
	}
}

__attribute__((always_inline)) static inline void number_put(
	struct weir_bag_reader *reader, uint64_t key, uint64_t number, enum weir_words_type type, bool *is_valid)
{
	union weir_bag_value *value = value_of(reader, key, type, is_valid);

	if (value != NULL) {
		value->number = type == WEIR_WORDS_BOOL ? number != 0 : (int64_t)number;
	}
}

/* One entry of `strings`, `int64s` or `bools`, and all that follow it in their usual form. */
__attribute__((always_inline)) static inline enum weir_bag_outcome take_numbers(struct weir_bag_reader *reader,
	struct weir_str message, enum weir_words_type type, struct weir_wire *wire, bool *is_valid)
{
	struct weir_map_entry entry;
	const uint8_t *at = wire->at, *next;
	uint32_t key, value;

	if (!weir_map_entry_read_numbers(message, &entry)) {
		return WEIR_BAG_MALFORMED;
	}
	if (type == WEIR_WORDS_STRING) {
		string_put(reader, entry.key, entry.value, is_valid);
	} else {
		number_put(reader, entry.key, entry.value, type, is_valid);
	}
	while ((next = weir_map_entry_read_short(at, wire->end, type << 3 | WEIR_WIRE_BYTES, &key, &value)) != NULL) {
		at = next;
		if (type == WEIR_WORDS_STRING) {
			string_put(reader, key, value, is_valid);
		} else {
			number_put(reader, key, value, type, is_valid);
		}
	}
	wire->at = at;
	return WEIR_BAG_READ;
}

static enum weir_bag_outcome take_double(struct weir_bag_reader *reader, struct weir_str message, bool *is_valid)
{
	union weir_bag_value *value;
	struct weir_map_entry entry;

	if (!weir_map_entry_read_any(message, WEIR_MAP_ENTRY_FIXED64, &entry)) {
		return WEIR_BAG_MALFORMED;
	}
	value = value_of(reader, entry.key, WEIR_WORDS_DOUBLE, is_valid);
	if (value != NULL) {
		memcpy(&value->real, &entry.value, sizeof(value->real));
	}
	return WEIR_BAG_READ;
}

/* One pair behind the reader's. False: the arena is full. */
__attribute__((always_inline)) static inline bool pair_put(
	struct weir_bag_reader *reader, uint64_t key_index, uint64_t value_index, bool *is_valid)
{
	struct weir_word *key = word_at(reader, key_index), *value = word_at(reader, value_index);
	struct weir_bag_pair *pair;

	if (__builtin_expect(key == NULL || value == NULL, 0)) {
		*is_valid = false;
		return true;
	}
	if (__builtin_expect(key->map == reader->map, 0)) {
		((struct weir_bag_pair *)reader->pairs.data)[key->at].value = value;
		return true;
	}
	key->map = reader->map;
	key->at = reader->pairs.count;
	pair = weir_draft_row(reader->draft, &reader->pairs);
	if (pair == NULL) {
		return false;
	}
	*pair = (struct weir_bag_pair){ key, value };
	return true;
}

/* A StringMap behind the reader's pairs. */
static enum weir_bag_outcome read_map(
	struct weir_bag_reader *reader, struct weir_str message, union weir_bag_value *ret, bool *is_valid)
{
	struct weir_wire wire = weir_wire_of(message);
	uint32_t first = reader->pairs.count, key, value;
	struct weir_wire_field field;
	struct weir_map_entry entry;
	const uint8_t *next;
	bool has_room = true;

	reader->map++;
	while (has_room) {
		next = weir_map_entry_read_short(wire.at, wire.end, 1 << 3 | WEIR_WIRE_BYTES, &key, &value);
		if (next != NULL) {
			wire.at = next;
			has_room = pair_put(reader, key, value, is_valid);
			continue;
		}
		if (!weir_wire_next(&wire, &field)) {
			break;
		}
		if (field.tag != (1 << 3 | WEIR_WIRE_BYTES)) {
			continue;
		}
		if (!weir_map_entry_read_numbers(field.bytes, &entry)) {
			return WEIR_BAG_MALFORMED;
		}
		has_room = pair_put(reader, entry.key, entry.value, is_valid);
	}
	ret->map.first = first;
	ret->map.count = reader->pairs.count - first;
	if (!has_room) {
		return WEIR_BAG_FULL;
	}
	return wire.is_malformed ? WEIR_BAG_MALFORMED : WEIR_BAG_READ;
}

static enum weir_bag_outcome take_bytes(struct weir_bag_reader *reader, struct weir_str message, const uint8_t *limit,
	enum weir_words_type type, bool *is_valid)
{
	union weir_bag_value *value, read;
	enum weir_bag_outcome outcome = WEIR_BAG_READ;
	struct weir_map_entry entry;
	bool is_whole = true;

	if (!weir_map_entry_read_bytes(message, &entry)) {
		return WEIR_BAG_MALFORMED;
	}
	value = value_of(reader, entry.key, type, is_valid);
	switch (type) {
	case WEIR_WORDS_TIME:
	case WEIR_WORDS_DURATION:
		outcome = weir_map_entry_read_time(entry.bytes, limit, &read.ns) ? WEIR_BAG_READ : WEIR_BAG_MALFORMED;
		break;
	case WEIR_WORDS_MAP:
		outcome = read_map(reader, entry.bytes, &read, &is_whole);
		break;
	default:
		read.bytes = entry.bytes;
	}
	if (outcome != WEIR_BAG_READ) {
		return outcome;
	}
	*is_valid = *is_valid && is_whole;
	if (value != NULL && is_whole) {
		*value = read;
	} else if (value != NULL) {
		value_unset(reader, value);
	}
	return WEIR_BAG_READ;
}

/* ---- bags --------------------------------------------------------------- */

enum { LATE_WORDS = WEIR_BAG_FULL + 1 }; /* further outcome: words behind what needs them */

/* With `words` all known beforehand, or collected in front of the maps. */
static int read_fields(struct weir_bag_reader *reader, struct weir_str message, bool has_words)
{
	struct weir_bag_words own = { NULL, 0 };
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	enum weir_bag_outcome outcome = WEIR_BAG_READ;
	bool is_valid = true, is_begun = has_words;

	while (outcome == WEIR_BAG_READ && weir_map_entry_next(&wire, &field)) {
		if (field.type != WEIR_WIRE_BYTES || field.number > WEIR_WORDS_MAP) {
			continue;
		}
		if (field.number == 1) {
			if (is_begun && !has_words) {
				return LATE_WORDS;
			}
			if (!has_words && !word_add(reader, &own, field.bytes)) {
				return WEIR_BAG_FULL;
			}
			continue;
		}
		if (!is_begun) {
			reader->words[1] = own.count > 0 ? own : reader->default_words;
			is_begun = true;
		}
		switch (field.number) {
		case WEIR_WORDS_STRING:
			outcome = take_numbers(reader, field.bytes, WEIR_WORDS_STRING, &wire, &is_valid);
			break;
		case WEIR_WORDS_INT:
			outcome = take_numbers(reader, field.bytes, WEIR_WORDS_INT, &wire, &is_valid);
			break;
		case WEIR_WORDS_BOOL:
			outcome = take_numbers(reader, field.bytes, WEIR_WORDS_BOOL, &wire, &is_valid);
			break;
		case WEIR_WORDS_DOUBLE:
			outcome = take_double(reader, field.bytes, &is_valid);
			break;
		default:
			outcome = take_bytes(
				reader, field.bytes, wire.end, (enum weir_words_type)field.number, &is_valid);
		}
	}
	if (wire.is_malformed) {
		return WEIR_BAG_MALFORMED;
	}
	if (outcome != WEIR_BAG_READ) {
		return (int)outcome;
	}
	return is_valid ? WEIR_BAG_READ : WEIR_BAG_INVALID;
}

static bool collect_words(struct weir_bag_reader *reader, struct weir_str message)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	reader->words[1] = (struct weir_bag_words){ NULL, 0 };
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == (1 << 3 | WEIR_WIRE_BYTES) && !word_add(reader, &reader->words[1], field.bytes)) {
			return false;
		}
	}
	return true;
}

enum weir_bag_outcome weir_bag_read(struct weir_bag_reader *reader, struct weir_str message)
{
	int outcome;

	if (!reader->is_delta) {
		reader->bag.known = reader->bag.extra = 0;
		reader->pairs.count = 0;
		reader->own.count = reader->default_words.data == reader->own.data ? reader->default_words.count : 0;
	} else {
		reader->before = reader->bag;
	}
	reader->entry++;
	outcome = read_fields(reader, message, false);
	if (outcome == LATE_WORDS) {
		reader->bag.known = reader->bag.extra = 0;
		if (reader->is_delta) {
			reader->bag = reader->before;
		}
		reader->entry++;
		outcome = collect_words(reader, message) ? read_fields(reader, message, true) : WEIR_BAG_FULL;
	}
	return (enum weir_bag_outcome)outcome;
}
