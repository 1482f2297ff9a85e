/* scope: see the header. OpenTelemetry's rules for Prometheus make labels of
 * them; an attribute whose label would be that of the scope's name, version or
 * schema URL is dropped, as these rules say.
 *
 * Any thread; no state. */
#include "decode/otlp/scope.h"

#include "decode/otlp/group.h"
#include "decode/otlp/value.h"

enum { /* tags */
	SCOPED_SCHEMA_URL = 3 << 3 | WEIR_WIRE_BYTES,
	SCOPE_ATTRIBUTES = 3 << 3 | WEIR_WIRE_BYTES,
};

static const char prefix[] = "otel_scope_";

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Does the key become this word behind the prefix, as labels are spelled: whatever is no letter or digit is `_`, a run of
 * them one? */
static bool is_spelled(struct weir_str key, const char *word)
{
	bool was_letter = false; /* the prefix ends in `_` */

	for (size_t i = 0; i < key.length; i++) {
		char c = is_letter(key.data[i]) ? key.data[i] : '_';

		if (c == '_' && !was_letter) {
			continue;
		}
		if (*word++ != c) {
			return false;
		}
		was_letter = c != '_';
	}
	return *word == '\0';
}

static bool is_taken(struct weir_str key)
{
	return is_spelled(key, "name") || is_spelled(key, "version") || is_spelled(key, "schema_url");
}

static struct weir_attr *last_attr(struct weir_draft *draft)
{
	return (struct weir_attr *)draft->attrs.data + draft->attrs.count - 1;
}

/* The last attribute's key, behind the prefix. */
static bool key_prefix(struct weir_draft *draft)
{
	struct weir_ref key = last_attr(draft)->key;
	char *at = weir_draft_reserve(draft, sizeof(prefix) - 1 + key.length);

	if (at == NULL) {
		return false;
	}
	memcpy(at, prefix, sizeof(prefix) - 1);
	memcpy(at + sizeof(prefix) - 1, weir_draft_str(draft, key).data, key.length);
	last_attr(draft)->key = weir_draft_commit(draft, sizeof(prefix) - 1 + key.length);
	return true;
}

static bool attributes_read(struct weir_draft *draft, struct weir_str message)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct weir_str key;

	while (weir_wire_next(&wire, &field)) {
		if (field.tag != SCOPE_ATTRIBUTES) {
			continue;
		}
		if (weir_otlp_attr_read(draft, field.bytes, &key) == NULL) {
			return false;
		}
		if (key.length == 0 || is_taken(key)) {
			draft->attrs.count--;
		} else if (!key_prefix(draft)) {
			return false;
		}
	}
	return !wire.is_malformed;
}

static bool schema_url_add(struct weir_draft *draft, struct weir_str url)
{
	struct weir_ref key, text;
	struct weir_attr *attr;

	if (url.length == 0) {
		return true;
	}
	key = weir_draft_copy(draft, weir_str_of("otel_scope_schema_url"));
	text = weir_draft_text(draft, url);
	attr = weir_draft_row(draft, &draft->attrs);
	if (attr == NULL) {
		return false;
	}
	*attr = (struct weir_attr){ .key = key, .value.text = text, .type = WEIR_ATTR_STRING };
	return true;
}

bool weir_otlp_scope_survey(struct weir_draft *draft, struct weir_str message, struct weir_otlp_scope *ret_scope)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct weir_str url = { NULL, 0 };

	ret_scope->attr_first = draft->attrs.count;
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == WEIR_OTLP_SCOPED_SCOPE && !attributes_read(draft, field.bytes)) {
			return false;
		}
		if (field.tag == SCOPED_SCHEMA_URL) {
			url = field.bytes;
		}
	}
	if (!schema_url_add(draft, url)) {
		return false;
	}
	ret_scope->attr_count = draft->attrs.count - ret_scope->attr_first;
	return !wire.is_malformed;
}

bool weir_otlp_scope_add(struct weir_draft *draft, const struct weir_otlp_scope *scope)
{
	for (uint32_t i = 0; i < scope->attr_count; i++) {
		struct weir_attr *attr = weir_draft_row(draft, &draft->attrs);

		if (attr == NULL) {
			return false;
		}
		*attr = ((
			const struct weir_attr *)draft->attrs.data)[scope->attr_first + i]; /* where the rows are now */
	}
	((struct weir_point *)draft->points.data)[draft->points.count - 1].attr_count += scope->attr_count;
	return true;
}
