/* mixer_expander: a bag of Mixer's as a list of named values, done plainly. Part of fuzz_mixer. */
#ifndef WEIR_TESTS_FUZZ_MIXER_EXPANDER_H
#define WEIR_TESTS_FUZZ_MIXER_EXPANDER_H

#include <stdint.h>
#include <string.h>

#include "decode/mixer/words.h"
#include "mixer/v1/mixer.pb-c.h"

#define NAMES_MAX 24u
#define PAIRS_MAX 64u

typedef Istio__Mixer__V1__ReportRequest Report;
typedef Istio__Mixer__V1__CompressedAttributes Bag;

struct pair {
	int32_t index; /* of the key's word */
	const char *key, *value;
};

struct value {
	const char *name;
	int type; /* the number of its map */
	bool is_set;
	unsigned seen; /* maps that had it in this bag, by bit */
	const char *text;
	int64_t number; /* nanoseconds, too */
	double real;
	ProtobufCBinaryData bytes;
	struct pair pairs[PAIRS_MAX];
	size_t pair_count;
};

struct expander {
	const Report *report;
	struct value values[NAMES_MAX * 4];
	size_t count;
	bool is_beyond; /* more than can be compared */
	bool is_valid;  /* of the bag at hand */
	char *const *words;
	size_t word_count;
};

/* The names that one attribute had over the years. */
static const char *today(const char *name)
{
	static const char *const olds[][2] = { { "target.ip", "destination.ip" }, { "target.port", "destination.port" },
		{ "target.service", "destination.service" }, { "target.name", "destination.name" },
		{ "target.uid", "destination.uid" }, { "target.namespace", "destination.namespace" },
		{ "target.labels", "destination.labels" }, { "target.user", "destination.user" },
		{ "context.timestamp", "context.time" } };

	for (size_t i = 0; i < sizeof(olds) / sizeof(olds[0]); i++) {
		if (strcmp(name, olds[i][0]) == 0) {
			return olds[i][1];
		}
	}
	return name;
}

static const char *word(const struct expander *expander, int32_t index)
{
	int64_t own = -((int64_t)index + 1);

	if (index >= 0) {
		return (uint32_t)index < WEIR_WORDS_GLOBAL ? weir_words_global[index].text.data : NULL;
	}
	return (size_t)own < expander->word_count ? expander->words[own] : NULL;
}

static struct value *value_of(struct expander *expander, const char *name)
{
	name = today(name);
	for (size_t i = 0; i < expander->count; i++) {
		if (strcmp(expander->values[i].name, name) == 0) {
			return &expander->values[i];
		}
	}
	if (expander->count == sizeof(expander->values) / sizeof(expander->values[0])) {
		expander->is_beyond = true;
		return NULL;
	}
	expander->values[expander->count] = (struct value){ .name = name };
	return &expander->values[expander->count++];
}

static const struct value *get(struct expander *expander, const char *name)
{
	const struct value *value = value_of(expander, name);

	return value != NULL && value->is_set ? value : NULL;
}

/* The type that a known attribute must have; 0: any will do. */
static int type_of(const char *name)
{
	uint8_t slot = weir_words_slot(weir_str_of(name));

	return slot != WEIR_WORDS_UNRESOLVED ? weir_words_types[slot] : 0;
}

/* The value to be set by map number `type`, or NULL. */
static struct value *put(struct expander *expander, int32_t index, int type)
{
	const char *name = word(expander, index);
	struct value *value;

	if (name == NULL) {
		expander->is_valid = false;
		return NULL;
	}
	value = name[0] != '\0' ? value_of(expander, name) : NULL;
	if (value == NULL) {
		return NULL;
	}
	value->seen |= 1u << type;
	value->is_set = false;
	if ((value->seen & (value->seen - 1)) != 0) {
		expander->is_valid = false;
		return NULL;
	}
	if (type_of(value->name) != 0 && type_of(value->name) != type) {
		return NULL;
	}
	value->type = type;
	value->is_set = true;
	return value;
}

static int64_t nanoseconds(int64_t seconds, int32_t nanos)
{
	return seconds < 0 || seconds > INT64_C(9000000000) || nanos < 0 || nanos > 999999999
		       ? 0
		       : (int64_t)((uint64_t)seconds * UINT64_C(1000000000) + (uint64_t)nanos);
}

static void put_map(struct expander *expander, struct value *value, const Istio__Mixer__V1__StringMap *map)
{
	bool is_whole = true;

	if (value != NULL) {
		value->pair_count = 0;
	}
	for (size_t i = 0; map != NULL && i < map->n_entries; i++) {
		const char *key = word(expander, map->entries[i]->key), *text = word(expander, map->entries[i]->value);
		size_t at = 0;

		is_whole = is_whole && key != NULL && text != NULL;
		if (value == NULL || !is_whole) {
			continue;
		}
		while (at < value->pair_count && value->pairs[at].index != map->entries[i]->key) {
			at++;
		}
		if (at == PAIRS_MAX) {
			expander->is_beyond = true;
			return;
		}
		value->pair_count += at == value->pair_count ? 1 : 0;
		value->pairs[at] = (struct pair){ map->entries[i]->key, key, text };
	}
	if (!is_whole) {
		expander->is_valid = false;
		if (value != NULL) {
			value->is_set = false;
		}
	}
}

static void expand_strings(struct expander *expander, const Bag *bag)
{
	for (size_t i = 0; i < bag->n_strings; i++) {
		struct value *value = put(expander, bag->strings[i]->key, 2);
		const char *text = word(expander, bag->strings[i]->value);

		if (text == NULL) {
			expander->is_valid = false;
		}
		if (value != NULL) {
			value->text = text;
			value->is_set = text != NULL;
		}
	}
}

/* Reads one bag on top of what is there. */
static void expand(struct expander *expander, const Bag *bag)
{
	struct value *value;

	expander->is_valid = true;
	expander->words = bag->n_words > 0 ? bag->words : expander->report->default_words;
	expander->word_count = bag->n_words > 0 ? bag->n_words : expander->report->n_default_words;
	for (size_t i = 0; i < expander->count; i++) {
		expander->values[i].seen = 0;
	}
	expand_strings(expander, bag);
	for (size_t i = 0; i < bag->n_int64s; i++) {
		value = put(expander, bag->int64s[i]->key, 3);
		if (value != NULL) {
			value->number = bag->int64s[i]->value;
		}
	}
	for (size_t i = 0; i < bag->n_doubles; i++) {
		value = put(expander, bag->doubles[i]->key, 4);
		if (value != NULL) {
			value->real = bag->doubles[i]->value;
		}
	}
	for (size_t i = 0; i < bag->n_bools; i++) {
		value = put(expander, bag->bools[i]->key, 5);
		if (value != NULL) {
			value->number = bag->bools[i]->value != 0;
		}
	}
	for (size_t i = 0; i < bag->n_timestamps; i++) {
		value = put(expander, bag->timestamps[i]->key, 6);
		if (value != NULL) {
			value->number = bag->timestamps[i]->value ? nanoseconds(bag->timestamps[i]->value->seconds,
									    bag->timestamps[i]->value->nanos)
								  : 0;
		}
	}
	for (size_t i = 0; i < bag->n_durations; i++) {
		value = put(expander, bag->durations[i]->key, 7);
		if (value != NULL) {
			value->number = bag->durations[i]->value ? nanoseconds(bag->durations[i]->value->seconds,
									   bag->durations[i]->value->nanos)
								 : 0;
		}
	}
	for (size_t i = 0; i < bag->n_bytes; i++) {
		value = put(expander, bag->bytes[i]->key, 8);
		if (value != NULL) {
			value->bytes = bag->bytes[i]->value;
		}
	}
	for (size_t i = 0; i < bag->n_string_maps; i++) {
		put_map(expander, put(expander, bag->string_maps[i]->key, 9), bag->string_maps[i]->value);
	}
}

#endif
