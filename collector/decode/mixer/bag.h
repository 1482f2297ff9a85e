/* bag: the attributes of one entry of a report, by slot. Private to this folder. */
#ifndef WEIR_DECODE_MIXER_BAG_H
#define WEIR_DECODE_MIXER_BAG_H

#include "decode/draft.h"
#include "decode/mixer/words.h"

#define WEIR_BAG_EXTRAS (WEIR_WORDS_SLOTS - WEIR_WORDS_EXTRA)

union weir_bag_value {
	struct weir_word *word; /* STRING */
	int64_t number;         /* INT, BOOL */
	double real;
	uint64_t ns;           /* TIME: since 1970; DURATION. 0: out of what can be said */
	struct weir_str bytes; /* BYTES */
	struct {
		uint32_t first, count; /* MAP: of the reader's pairs */
	} map;
};

struct weir_bag {
	uint64_t known, extra; /* what is set: bit `slot`, bit `slot - WEIR_WORDS_EXTRA` */
	union weir_bag_value values[WEIR_WORDS_SLOTS];
	uint8_t types[WEIR_BAG_EXTRAS]; /* enum weir_words_type */
};

struct weir_bag_pair { /* of a map */
	struct weir_word *key, *value;
};

struct weir_bag_words { /* a dictionary of the message */
	struct weir_word *data;
	uint32_t count;
};

struct weir_bag_reader { /* of one report; in its arena */
	struct weir_draft *draft;
	bool is_delta; /* a bag begins as the one before it was */
	struct weir_bag bag, before;
	struct weir_rows pairs, own; /* of the bag's maps; words that bags bring along */
	struct weir_bag_words default_words;
	struct weir_bag_words words[2];    /* by an index's lowest bit: the global ones; those of the bag at hand */
	uint32_t entry;                    /* counts the bags */
	uint32_t map;                      /* counts the maps */
	uint64_t stamps[WEIR_WORDS_SLOTS]; /* entry << 4 | type: which bag set it last, and as what; type 0: as two */
	uint32_t extra_count;
	struct weir_ref extra_names[WEIR_BAG_EXTRAS];
	struct weir_word globals[WEIR_WORDS_GLOBAL];
};

/* A new reader in the draft's arena; NULL when that is full. */
struct weir_bag_reader *weir_bag_reader_create(struct weir_draft *draft, bool is_delta);

/* The default words, one after the other. False: the arena is full. */
bool weir_bag_add_default(struct weir_bag_reader *reader, struct weir_str text);

enum weir_bag_outcome {
	WEIR_BAG_READ,
	WEIR_BAG_INVALID,   /* an index beyond its dictionary, or an attribute of two types: reader->bag has the rest */
	WEIR_BAG_MALFORMED, /* no message */
	WEIR_BAG_FULL,      /* the arena is */
};

/* Reads one CompressedAttributes into reader->bag. */
enum weir_bag_outcome weir_bag_read(struct weir_bag_reader *reader, struct weir_str message);

/* The half of weir_bag_ref() that is done once a word. */
struct weir_ref weir_bag_place(struct weir_draft *draft, struct weir_word *word);

/* The word in the batch. */
static inline struct weir_ref weir_bag_ref(struct weir_draft *draft, struct weir_word *word)
{
	return word->ref.length > 0 ? word->ref : weir_bag_place(draft, word);
}

/* Is the bag said in default words? Only they stay where they are. */
static inline bool weir_bag_is_default(const struct weir_bag_reader *reader)
{
	return reader->words[1].data == reader->default_words.data;
}

static inline bool weir_bag_has(const struct weir_bag *bag, enum weir_words_slot slot)
{
	return (bag->known >> slot & 1) != 0;
}

/* A string's word, or NULL. */
static inline struct weir_word *weir_bag_word(const struct weir_bag *bag, enum weir_words_slot slot)
{
	return weir_bag_has(bag, slot) ? bag->values[slot].word : NULL;
}

/* A string, empty when it is unset. */
static inline struct weir_str weir_bag_text(const struct weir_bag *bag, enum weir_words_slot slot)
{
	return weir_bag_has(bag, slot) ? bag->values[slot].word->text : (struct weir_str){ NULL, 0 };
}

static inline struct weir_ref weir_bag_text_ref(
	struct weir_draft *draft, const struct weir_bag *bag, enum weir_words_slot slot)
{
	return weir_bag_has(bag, slot) ? weir_bag_ref(draft, bag->values[slot].word) : (struct weir_ref){ 0, 0 };
}

/* A number, 0 when it is unset or negative. */
static inline uint64_t weir_bag_count(const struct weir_bag *bag, enum weir_words_slot slot)
{
	return weir_bag_has(bag, slot) && bag->values[slot].number > 0 ? (uint64_t)bag->values[slot].number : 0;
}

static inline uint64_t weir_bag_ns(const struct weir_bag *bag, enum weir_words_slot slot)
{
	return weir_bag_has(bag, slot) ? bag->values[slot].ns : 0;
}

/* An address of 4 or 16 bytes; *ret is untouched when it is none. */
void weir_bag_address(struct weir_str bytes, uint64_t port, struct weir_address *ret);

/* The pairs of a map; *ret_count 0 when it is unset. Good until the next bag is read. */
static inline const struct weir_bag_pair *weir_bag_map(
	const struct weir_bag_reader *reader, const union weir_bag_value *value, uint32_t *ret_count)
{
	*ret_count = value->map.count;
	return (const struct weir_bag_pair *)reader->pairs.data + value->map.first;
}

#endif
