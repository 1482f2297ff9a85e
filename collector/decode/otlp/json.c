/* json: OTLP's JSON, written anew as protobuf, which the decoders then read.
 *
 *   JSON text ── one pass, by the tables of json_shape ──▶ protobuf, in the arena
 *   protobuf  ── decode/otlp/{trace,metrics,logs} ───────▶ rows
 *
 * The two encodings say the same, and there is one place that knows what it
 * means: whatever is decided there about ids, peers, duplicates or access logs
 * holds for JSON, and the batch carries the shorter of the two texts.
 *
 * What JSON adds
 *  - Members come in any order, and so do protobuf's fields.
 *  - null is unset; in a list of objects it is one with nothing set.
 *  - Of a member that stands twice the last one counts, whatever its type: what
 *    the first one wrote is taken out again. (Protobuf would join two lists.)
 *  - Unknown members are skipped; known ones of a wrong type refuse the request.
 *  - Brackets nest WEIR_JSON_DEPTH deep, three for each level of a nested value,
 *    so a value nests less deeply than in protobuf: about seventeen levels.
 *
 * Invariants
 *  1. Bytes are only taken out of the object that is being read, so no length
 *     that is written already becomes wrong.
 *  2. Recursion is at most WEIR_JSON_DEPTH objects deep.
 *  3. The first failure sets draft->error; everything then returns at once.
 *
 * One thread: the listener's. */
#include "decode/otlp/json.h"

#include "decode/otlp/json_scalar.h"
#include "decode/otlp/logs.h"
#include "decode/otlp/metrics.h"
#include "decode/otlp/trace.h"
#include "decode/wire.h"

#define KEY_BUFFER (6 * WEIR_OTLP_JSON_KEY) /* every known key fits, all of it written as \uXXXX */

/* The field of that key, or NULL. Members mostly come in one order: the one
 * behind the last is tried first. */
static const struct weir_otlp_json_field *field_find(
	const struct weir_otlp_json_shape *shape, struct weir_str key, uint32_t *next)
{
	if (key.length == 0 || key.length >= WEIR_OTLP_JSON_KEY) {
		return NULL;
	}
	for (uint32_t i = 0, at = *next; i < shape->count; i++, at++) {
		const struct weir_otlp_json_field *field = &shape->fields[at < shape->count ? at : at - shape->count];

		/* As behind the key there are zeros, and its last byte is none, the lengths agree. */
		if (field->key[key.length] == '\0' && field->key[key.length - 1] != '\0' &&
			memcmp(field->key, key.data, key.length) == 0) {
			*next = (uint32_t)(field - shape->fields) + 1;
			return field;
		}
	}
	return NULL;
}

static void tag_write(struct weir_otlp_json_reader *reader, const struct weir_otlp_json_field *field, unsigned type)
{
	weir_otlp_json_write_varint(&reader->out, (uint64_t)field->number << 3 | type);
}

static bool value_read(struct weir_otlp_json_reader *reader, struct weir_json_value *ret)
{
	return weir_json_value(&reader->json, ret) == 0 || weir_otlp_json_scalar_fail(reader);
}

static bool members_read(struct weir_otlp_json_reader *reader, const struct weir_otlp_json_shape *shape);

/* One value that is not null, with its tag. */
static bool item_read(struct weir_otlp_json_reader *reader, const struct weir_otlp_json_field *field,
	const struct weir_json_value *value)
{
	uint32_t opened;

	tag_write(reader, field, weir_otlp_json_scalar_wire_type(field->kind));
	if (field->kind != WEIR_OTLP_JSON_OBJECT) {
		return weir_otlp_json_scalar_write(reader, field, value);
	}
	opened = weir_otlp_json_write_open(&reader->out);
	if (value->kind == WEIR_JSON_OBJECT) {
		if (!members_read(reader, field->shape)) {
			return false;
		}
	} else if (value->kind != WEIR_JSON_NULL) {
		return weir_otlp_json_scalar_fail_at(reader, "not an object", value->text.data);
	}
	weir_otlp_json_write_close(&reader->out, opened);
	return !reader->out.is_full;
}

/* Behind the opening bracket. */
static bool list_read(struct weir_otlp_json_reader *reader, const struct weir_otlp_json_field *field)
{
	bool is_first = true, is_packed = field->kind != WEIR_OTLP_JSON_OBJECT;
	struct weir_json_value value;
	uint32_t opened = 0;
	int r;

	if (is_packed) {
		tag_write(reader, field, WEIR_WIRE_BYTES);
		opened = weir_otlp_json_write_open(&reader->out);
	}
	while ((r = weir_json_element(&reader->json, &is_first)) == 0) {
		if (!value_read(reader, &value) || !(is_packed ? weir_otlp_json_scalar_write(reader, field, &value)
							       : item_read(reader, field, &value))) {
			return false;
		}
	}
	if (is_packed) {
		weir_otlp_json_write_close(&reader->out, opened);
	}
	return r == WEIR_JSON_END ? !reader->out.is_full : weir_otlp_json_scalar_fail(reader);
}

static bool field_read(struct weir_otlp_json_reader *reader, const struct weir_otlp_json_field *field)
{
	struct weir_json_value value;

	if (!value_read(reader, &value)) {
		return false;
	}
	if (value.kind == WEIR_JSON_NULL) {
		return true;
	}
	if (!field->is_list) {
		return item_read(reader, field, &value);
	}
	return value.kind == WEIR_JSON_ARRAY ? list_read(reader, field)
					     : weir_otlp_json_scalar_fail_at(reader, "not a list", value.text.data);
}

struct places { /* where the fields of one object lie */
	uint32_t from[WEIR_OTLP_JSON_FIELDS], to[WEIR_OTLP_JSON_FIELDS];
};

/* Takes out what a member wrote that now comes again. */
static void forget(struct weir_otlp_json_reader *reader, struct places *places, uint32_t slot)
{
	uint32_t from = places->from[slot], length = places->to[slot] - from;

	weir_otlp_json_write_remove(&reader->out, from, from + length);
	for (uint32_t i = 0; i < WEIR_OTLP_JSON_FIELDS; i++) {
		if (places->from[i] > from) {
			places->from[i] -= length;
			places->to[i] -= length;
		}
	}
	places->from[slot] = places->to[slot] = 0;
}

/* Behind the opening brace. */
static bool members_read(struct weir_otlp_json_reader *reader, const struct weir_otlp_json_shape *shape)
{
	bool is_first = true, has_escapes = false;
	struct places places = { { 0 }, { 0 } };
	char buffer[KEY_BUFFER];
	struct weir_str key;
	uint32_t next = 0;
	int r;

	while ((r = weir_json_member(&reader->json, &is_first, &key, &has_escapes)) == 0) {
		const struct weir_otlp_json_field *field;
		uint32_t slot;

		if (has_escapes && key.length <= sizeof(buffer)) {
			key = weir_str_make(buffer, weir_json_unescape(key, buffer));
		}
		field = field_find(shape, key, &next);
		if (field == NULL) {
			if (weir_json_skip(&reader->json) != 0) {
				return weir_otlp_json_scalar_fail(reader);
			}
			continue;
		}
		slot = (uint32_t)(field - shape->fields);
		if (places.to[slot] > places.from[slot]) {
			forget(reader, &places, slot);
		}
		places.from[slot] = reader->out.length;
		if (!field_read(reader, field)) {
			return false;
		}
		places.to[slot] = reader->out.length;
	}
	return r == WEIR_JSON_END || weir_otlp_json_scalar_fail(reader);
}

/* Replaces the draft's body by its protobuf. */
static int request_read(struct weir_draft *draft, const struct weir_otlp_json_shape *shape)
{
	struct weir_otlp_json_reader reader = { .draft = draft };
	struct weir_json_value value;
	bool is_read;

	weir_json_init(&reader.json, draft->body);
	/* Senders need a quarter to a third of the bytes in protobuf. */
	weir_otlp_json_write_init(&reader.out, draft->arena, draft->body.length / 3);
	is_read = !reader.out.is_full && value_read(&reader, &value);
	if (is_read && value.kind != WEIR_JSON_OBJECT) {
		is_read = weir_otlp_json_scalar_fail_at(&reader, "the body is not an object", value.text.data);
	}
	is_read = is_read && members_read(&reader, shape);
	if (is_read && weir_json_finish(&reader.json) != 0) {
		is_read = weir_otlp_json_scalar_fail(&reader);
	}
	if (reader.out.is_full) {
		draft->is_exhausted = true;
		return WEIR_DECODE_TOO_LARGE;
	}
	if (!is_read) {
		return WEIR_DECODE_MALFORMED;
	}
	draft->body = weir_str_make((const char *)reader.out.data, reader.out.length);
	return 0;
}

int weir_otlp_trace_json_decode(struct weir_draft *draft)
{
	int r = request_read(draft, &weir_otlp_json_trace_request);

	return r == 0 ? weir_otlp_trace_decode(draft) : r;
}

int weir_otlp_metrics_json_decode(struct weir_draft *draft)
{
	int r = request_read(draft, &weir_otlp_json_metrics_request);

	return r == 0 ? weir_otlp_metrics_decode(draft) : r;
}

int weir_otlp_logs_json_decode(struct weir_draft *draft)
{
	int r = request_read(draft, &weir_otlp_json_logs_request);

	return r == 0 ? weir_otlp_logs_decode(draft) : r;
}
