/* template_mixer: Reports of captured attribute bags, of any number of bags, with
 * fresh times and request ids.
 *
 * A sidecar's client has one dictionary a message. Bags of several captured
 * messages are put under one: a word that was said before is said once, but
 * for ids, of which every bag has its own. Marks are the words that are a UUID
 * or 16 hex digits, and the seconds of every timestamp. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mixer/v1/mixer.pb-c.h"

#include "decode/wire.h"
#include "tests/bench/template.h"
#include "tests/support/mtcap.h"

#define REPORTS_MAX 64u
#define WORDS_MAX 65536u

typedef Istio__Mixer__V1__ReportRequest report;
typedef Istio__Mixer__V1__CompressedAttributes bag;

struct reports {
	report *items[REPORTS_MAX];
	uint32_t count, bag_count;
};

struct words { /* of the message that is being made */
	char *items[WORDS_MAX];
	uint32_t count;
};

static bool is_hex(const char *text, size_t length)
{
	return strlen(text) == length && strspn(text, "0123456789abcdef") == length;
}

static bool is_uuid(const char *text)
{
	return strlen(text) == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-';
}

/* A message word's number in the new dictionary; a global word keeps its own. */
static int32_t word_move(struct words *words, const report *from, int32_t index)
{
	char *word;

	if (index >= 0) {
		return index;
	}
	word = from->default_words[-(index + 1)];
	for (uint32_t i = 0; i < words->count && !is_uuid(word) && !is_hex(word, 16); i++) {
		if (strcmp(words->items[i], word) == 0) {
			return -(int32_t)(i + 1);
		}
	}
	if (words->count == WORDS_MAX) {
		abort();
	}
	words->items[words->count++] = word;
	return -(int32_t)words->count;
}

/* Sets every dictionary index of `copy` anew, from what `from` says. */
static void bag_move(struct words *words, const report *from, const bag *source, bag *copy)
{
	for (size_t i = 0; i < source->n_strings; i++) {
		copy->strings[i]->key = word_move(words, from, source->strings[i]->key);
		copy->strings[i]->value = word_move(words, from, source->strings[i]->value);
	}
	for (size_t i = 0; i < source->n_int64s; i++) {
		copy->int64s[i]->key = word_move(words, from, source->int64s[i]->key);
	}
	for (size_t i = 0; i < source->n_bools; i++) {
		copy->bools[i]->key = word_move(words, from, source->bools[i]->key);
	}
	for (size_t i = 0; i < source->n_timestamps; i++) {
		copy->timestamps[i]->key = word_move(words, from, source->timestamps[i]->key);
	}
	for (size_t i = 0; i < source->n_durations; i++) {
		copy->durations[i]->key = word_move(words, from, source->durations[i]->key);
	}
	for (size_t i = 0; i < source->n_bytes; i++) {
		copy->bytes[i]->key = word_move(words, from, source->bytes[i]->key);
	}
	for (size_t i = 0; i < source->n_string_maps; i++) {
		Istio__Mixer__V1__StringMap *map = source->string_maps[i]->value, *moved = copy->string_maps[i]->value;

		copy->string_maps[i]->key = word_move(words, from, source->string_maps[i]->key);
		for (size_t k = 0; k < map->n_entries; k++) {
			moved->entries[k]->key = word_move(words, from, map->entries[k]->key);
			moved->entries[k]->value = word_move(words, from, map->entries[k]->value);
		}
	}
}

static bag *bag_copy(const bag *source)
{
	size_t size = istio__mixer__v1__compressed_attributes__get_packed_size(source);
	uint8_t *bytes = malloc(size + 1);
	bag *copy = NULL;

	if (bytes != NULL) {
		istio__mixer__v1__compressed_attributes__pack(source, bytes);
		copy = istio__mixer__v1__compressed_attributes__unpack(NULL, size, bytes);
		free(bytes);
	}
	return copy;
}

/* Bag number n of the capture, its end joined to its beginning. */
static const bag *bag_at(const struct reports *reports, uint32_t n, const report **ret_from)
{
	n %= reports->bag_count;
	for (uint32_t i = 0; i < reports->count; i++) {
		if (n < reports->items[i]->n_attributes) {
			*ret_from = reports->items[i];
			return reports->items[i]->attributes[n];
		}
		n -= (uint32_t)reports->items[i]->n_attributes;
	}
	return NULL;
}

static void times_mark(struct weir_template *template, struct weir_str message)
{
	struct weir_wire bags = weir_wire_of(message), entry, time;
	struct weir_wire_field field, part, seconds;

	while (weir_wire_next(&bags, &field)) { /* a CompressedAttributes' timestamps */
		if (field.number != 6) {
			continue;
		}
		entry = weir_wire_of(field.bytes);
		while (weir_wire_next(&entry, &part)) {
			time = weir_wire_of(part.bytes);
			if (part.number == 2 && weir_wire_next(&time, &seconds) && seconds.number == 1 &&
				time.at - (const uint8_t *)part.bytes.data == 6) {
				weir_template_mark(template, (uint32_t)(part.bytes.data + 1 - template->body.data),
					WEIR_MARK_SECONDS, 0);
			}
		}
	}
}

static void marks_find(struct weir_template *template, uint64_t salt)
{
	struct weir_wire wire = weir_wire_of(weir_buf_str(&template->body));
	struct weir_wire_field field;
	char word[40];
	uint64_t n = 0;

	while (weir_wire_next(&wire, &field)) {
		uint32_t at = (uint32_t)(field.bytes.data - template->body.data);

		if (field.number == 1) {
			times_mark(template, field.bytes);
		} else if (field.number == 2 && field.bytes.length < sizeof(word)) {
			memcpy(word, field.bytes.data, field.bytes.length);
			word[field.bytes.length] = '\0';
			if (is_uuid(word)) {
				weir_template_mark(template, at, WEIR_MARK_UUID, salt << 20 | n++);
			} else if (is_hex(word, 16)) {
				weir_template_mark(template, at, WEIR_MARK_SPAN_HEX, salt << 20 | n++);
			}
		}
	}
}

static int encode(const struct reports *reports, uint32_t first, uint32_t batch, struct weir_template *template)
{
	struct words *words = calloc(1, sizeof(*words));
	bag **bags = calloc(batch, sizeof(*bags));
	report made = ISTIO__MIXER__V1__REPORT_REQUEST__INIT;
	char *room;

	if (words == NULL || bags == NULL) {
		abort();
	}
	for (uint32_t i = 0; i < batch; i++) {
		const report *from = NULL;
		const bag *source = bag_at(reports, first + i, &from);

		bags[i] = bag_copy(source);
		if (bags[i] == NULL) {
			abort();
		}
		bag_move(words, from, source, bags[i]);
	}
	made.attributes = bags;
	made.n_attributes = batch;
	made.default_words = words->items;
	made.n_default_words = words->count;
	made.global_word_count = reports->items[0]->global_word_count;
	made.repeated_attributes_semantics = reports->items[0]->repeated_attributes_semantics;
	room = weir_buf_reserve(&template->body, istio__mixer__v1__report_request__get_packed_size(&made));
	if (room == NULL) {
		abort();
	}
	weir_buf_advance(&template->body, istio__mixer__v1__report_request__pack(&made, (uint8_t *)room));
	marks_find(template, first);
	template->items = batch;
	for (uint32_t i = 0; i < batch; i++) {
		istio__mixer__v1__compressed_attributes__free_unpacked(bags[i], NULL);
	}
	free(bags);
	free(words);
	return 0;
}

static int reports_read(struct weir_mtcap *mtcap, struct reports *reports)
{
	struct weir_mtcap_record record;
	int r;

	while ((r = weir_mtcap_next(mtcap, &record)) == 0) {
		report *read = NULL;

		if (weir_str_is(record.kind, "msg") && reports->count < REPORTS_MAX) {
			read = istio__mixer__v1__report_request__unpack(
				NULL, record.payload.length, (const uint8_t *)record.payload.data);
		}
		if (read != NULL) {
			reports->bag_count += (uint32_t)read->n_attributes;
			reports->items[reports->count++] = read;
		}
	}
	return r == WEIR_MTCAP_END && reports->bag_count > 0 ? 0 : -EBADMSG;
}

int weir_template_make_mixer(const char *capture, uint32_t batch, uint32_t count, struct weir_template *templates)
{
	struct reports reports = { .count = 0 };
	struct weir_mtcap *mtcap = NULL;
	int r = weir_mtcap_open(capture, &mtcap);

	r = r < 0 ? r : reports_read(mtcap, &reports);
	for (uint32_t i = 0; r == 0 && i < count; i++) {
		r = encode(&reports, i * batch, batch, &templates[i]);
	}
	for (uint32_t i = 0; i < reports.count; i++) {
		istio__mixer__v1__report_request__free_unpacked(reports.items[i], NULL);
	}
	weir_mtcap_close(mtcap);
	return r;
}
