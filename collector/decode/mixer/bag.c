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

#include "decode/wire.h"

#define SECONDS_MAX INT64_C(18000000000)
#define KEY_VARINT (1 << 3 | WEIR_WIRE_VARINT)
#define VALUE_VARINT (2 << 3 | WEIR_WIRE_VARINT)
#define VALUE_FIXED64 (2 << 3 | WEIR_WIRE_FIXED64)
#define VALUE_BYTES (2 << 3 | WEIR_WIRE_BYTES)

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
	reader->default_words = reader->words = (struct weir_bag_words){ NULL, 0 };
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

	if (word->text.length > 0) {
		word->ref = at >= body && at - body < draft->body.length ? weir_draft_text(draft, word->text)
									 : weir_draft_copy(draft, word->text);
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

/* The word that an index on the wire means, or NULL. */
static inline struct weir_word *word_at(struct weir_bag_reader *reader, uint64_t wire)
{
	uint32_t zigzag = (uint32_t)wire, i = zigzag >> 1;

	if ((zigzag & 1) == 0) {
		return i < WEIR_WORDS_GLOBAL ? &reader->globals[i] : NULL;
	}
	return i < reader->words.count ? &reader->words.data[i] : NULL;
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

static inline uint8_t slot_of(struct weir_bag_reader *reader, struct weir_word *word)
{
	return __builtin_expect(word->slot != WEIR_WORDS_UNRESOLVED, 1) ? word->slot : word_resolve(reader, word);
}

/* ---- entries of the maps ------------------------------------------------ */

struct entry { /* of any of the maps; what is absent is 0 */
	uint64_t key, value;
	struct weir_str bytes;
};

/* As no encoder writes it, but any might. */
__attribute__((noinline)) static bool entry_read_slowly(struct weir_str message, uint32_t value_tag, struct entry *ret)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	*ret = (struct entry){ 0 };
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == KEY_VARINT) {
			ret->key = field.value;
		} else if (field.tag == value_tag) {
			ret->value = field.value;
			ret->bytes = field.bytes;
		}
	}
	return !wire.is_malformed;
}

/* Two varints, in order and of one or two bytes: the key and the value of most entries. */
static inline bool entry_read_numbers(struct weir_str message, struct entry *ret)
{
	const uint8_t *at = (const uint8_t *)message.data, *const end = at + message.length;
	uint64_t key, value;

	if (message.length < 4 || *at != KEY_VARINT) {
		return entry_read_slowly(message, VALUE_VARINT, ret);
	}
	at = weir_wire_varint(at + 1, end, &key);
	if (at == NULL || at == end || *at != VALUE_VARINT) {
		return entry_read_slowly(message, VALUE_VARINT, ret);
	}
	at = weir_wire_varint(at + 1, end, &value);
	if (at != end) {
		return entry_read_slowly(message, VALUE_VARINT, ret);
	}
	ret->key = key;
	ret->value = value;
	return true;
}

/* A varint and bytes. */
static inline bool entry_read_bytes(struct weir_str message, struct entry *ret)
{
	const uint8_t *at = (const uint8_t *)message.data, *const end = at + message.length;
	uint64_t key, length;

	if (message.length < 4 || *at != KEY_VARINT) {
		return entry_read_slowly(message, VALUE_BYTES, ret);
	}
	at = weir_wire_varint(at + 1, end, &key);
	if (at == NULL || at == end || *at != VALUE_BYTES) {
		return entry_read_slowly(message, VALUE_BYTES, ret);
	}
	at = weir_wire_varint(at + 1, end, &length);
	if (at == NULL || length != (uint64_t)(end - at)) {
		return entry_read_slowly(message, VALUE_BYTES, ret);
	}
	ret->key = key;
	ret->bytes = (struct weir_str){ (const char *)at, length };
	return true;
}

/* Timestamp and Duration alike. */
static bool read_time(struct weir_str message, uint64_t *ret_ns)
{
	struct entry time = { 0 };
	int64_t seconds;
	int32_t nanos;

	/* The fields are numbered as an entry's are. */
	if (message.length > 0 && !entry_read_numbers(message, &time)) {
		return false;
	}
	seconds = (int64_t)time.key;
	nanos = (int32_t)(uint32_t)time.value;
	*ret_ns = seconds < 0 || seconds > SECONDS_MAX || nanos < 0 || nanos > 999999999
			  ? 0
			  : (uint64_t)seconds * UINT64_C(1000000000) + (uint64_t)nanos;
	return true;
}

/* ---- attributes --------------------------------------------------------- */

/* Where the value of this attribute goes, or NULL: nowhere, or the bag is invalid. */
static inline union weir_bag_value *value_of(
	struct weir_bag_reader *reader, uint64_t key, enum weir_words_type type, bool *is_valid)
{
	struct weir_word *name = word_at(reader, key);
	struct weir_bag *bag = &reader->bag;
	uint64_t stamp = (uint64_t)reader->entry << 4 | type;
	uint8_t slot;
	bool is_twice;

	if (__builtin_expect(name == NULL, 0)) {
		*is_valid = false;
		return NULL;
	}
	slot = slot_of(reader, name);
	if (slot == WEIR_WORDS_NOWHERE) {
		return NULL;
	}
	is_twice = (reader->stamps[slot] >> 4) == reader->entry && reader->stamps[slot] != stamp;
	reader->stamps[slot] = is_twice ? (uint64_t)reader->entry << 4 : stamp;
	if (slot < WEIR_WORDS_EXTRA) {
		bag->known |= UINT64_C(1) << slot;
		if (__builtin_expect(!is_twice && weir_words_type(slot) == type, 1)) {
			return &bag->values[slot];
		}
		bag->known &= ~(UINT64_C(1) << slot);
	} else {
		bag->extra |= UINT64_C(1) << (slot - WEIR_WORDS_EXTRA);
		bag->types[slot - WEIR_WORDS_EXTRA] = (uint8_t)type;
		if (!is_twice) {
			return &bag->values[slot];
		}
		bag->extra &= ~(UINT64_C(1) << (slot - WEIR_WORDS_EXTRA));
	}
	*is_valid = *is_valid && !is_twice;
	return NULL;
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

static inline enum weir_bag_outcome take_string(struct weir_bag_reader *reader, struct weir_str message, bool *is_valid)
{
	union weir_bag_value *value;
	struct weir_word *word;
	struct entry entry;

	if (!entry_read_numbers(message, &entry)) {
		return WEIR_BAG_MALFORMED;
	}
	value = value_of(reader, entry.key, WEIR_WORDS_STRING, is_valid);
	word = word_at(reader, entry.value);
	if (__builtin_expect(word == NULL, 0)) {
		*is_valid = false;
		if (value != NULL) {
			value_unset(reader, value);
		}
	} else if (value != NULL) {
		value->word = word;
	}
	return WEIR_BAG_READ;
}

static enum weir_bag_outcome take_number(
	struct weir_bag_reader *reader, struct weir_str message, enum weir_words_type type, bool *is_valid)
{
	union weir_bag_value *value;
	struct entry entry;
	bool is_read = type == WEIR_WORDS_DOUBLE ? entry_read_slowly(message, VALUE_FIXED64, &entry)
						 : entry_read_numbers(message, &entry);

	if (!is_read) {
		return WEIR_BAG_MALFORMED;
	}
	value = value_of(reader, entry.key, type, is_valid);
	if (value == NULL) {
		return WEIR_BAG_READ;
	}
	if (type == WEIR_WORDS_DOUBLE) {
		memcpy(&value->real, &entry.value, sizeof(value->real));
	} else {
		value->number = type == WEIR_WORDS_BOOL ? entry.value != 0 : (int64_t)entry.value;
	}
	return WEIR_BAG_READ;
}

/* A StringMap behind the reader's pairs. */
static enum weir_bag_outcome read_map(
	struct weir_bag_reader *reader, struct weir_str message, union weir_bag_value *ret, bool *is_valid)
{
	struct weir_wire wire = weir_wire_of(message);
	uint32_t first = reader->pairs.count;
	struct weir_wire_field field;

	reader->map++;
	while (weir_wire_next(&wire, &field)) {
		struct weir_bag_pair *pair;
		struct weir_word *key, *text;
		struct entry entry;

		if (field.tag != (1 << 3 | WEIR_WIRE_BYTES)) {
			continue;
		}
		if (!entry_read_numbers(field.bytes, &entry)) {
			return WEIR_BAG_MALFORMED;
		}
		key = word_at(reader, entry.key);
		text = word_at(reader, entry.value);
		if (key == NULL || text == NULL) {
			*is_valid = false;
			continue;
		}
		if (__builtin_expect(key->map == reader->map, 0)) {
			((struct weir_bag_pair *)reader->pairs.data)[key->at].value = text;
			continue;
		}
		key->map = reader->map;
		key->at = reader->pairs.count;
		pair = weir_draft_row(reader->draft, &reader->pairs);
		if (pair == NULL) {
			return WEIR_BAG_FULL;
		}
		*pair = (struct weir_bag_pair){ key, text };
	}
	ret->map.first = first;
	ret->map.count = reader->pairs.count - first;
	return wire.is_malformed ? WEIR_BAG_MALFORMED : WEIR_BAG_READ;
}

static enum weir_bag_outcome take_bytes(
	struct weir_bag_reader *reader, struct weir_str message, enum weir_words_type type, bool *is_valid)
{
	union weir_bag_value *value, read;
	enum weir_bag_outcome outcome = WEIR_BAG_READ;
	struct entry entry;
	bool is_whole = true;

	if (!entry_read_bytes(message, &entry)) {
		return WEIR_BAG_MALFORMED;
	}
	value = value_of(reader, entry.key, type, is_valid);
	switch (type) {
	case WEIR_WORDS_TIME:
	case WEIR_WORDS_DURATION:
		outcome = read_time(entry.bytes, &read.ns) ? WEIR_BAG_READ : WEIR_BAG_MALFORMED;
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

	while (outcome == WEIR_BAG_READ && weir_wire_next(&wire, &field)) {
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
			reader->words = own.count > 0 ? own : reader->default_words;
			is_begun = true;
		}
		switch (field.number) {
		case WEIR_WORDS_STRING:
			outcome = take_string(reader, field.bytes, &is_valid);
			break;
		case WEIR_WORDS_INT:
		case WEIR_WORDS_DOUBLE:
		case WEIR_WORDS_BOOL:
			outcome = take_number(reader, field.bytes, (enum weir_words_type)field.number, &is_valid);
			break;
		default:
			outcome = take_bytes(reader, field.bytes, (enum weir_words_type)field.number, &is_valid);
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

	reader->words = (struct weir_bag_words){ NULL, 0 };
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == (1 << 3 | WEIR_WIRE_BYTES) && !word_add(reader, &reader->words, field.bytes)) {
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
