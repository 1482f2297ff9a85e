/* selector: one instant vector selector, read and asked.
 *
 *   selector = [ name ] [ "{" [ item { "," item } [ "," ] ] "}" ]
 *   name     = [a-zA-Z_:][a-zA-Z0-9_:]*
 *   item     = label op string        label = [a-zA-Z_][a-zA-Z0-9_]*, or a string
 *            | string                 the metric's name
 *   op       = "=" | "!=" | "=~" | "!~"
 *   string   = "…" or '…' with Go's escapes, or `…` without any
 *
 * White space and comments (# to the end of the line) may stand between all of
 * it. What Prometheus demands beyond the grammar: a name at most once, and at
 * least one matcher that an empty value does not satisfy, since a selector of
 * everything is mostly a slip.
 *
 * A name is a matcher of the label __name__ like any other. Labels are numbered
 * over all selectors of a request, so that a line's labels are looked at once.
 *
 * Thread: the request's. */
#include "exporters/metrics/selector.h"

#include <errno.h>
#include <stdio.h>

#include "base/utf8.h"
#include "rules/language/escape.h"

#define NAME_LABEL 0u
#define ECHO_MAX 64

struct reader {
	struct weir_selectors *selectors;
	struct weir_str text;
	size_t at;
	struct weir_buf *why;
	struct weir_matcher *first, **last;
	bool has_name; /* as a word or a string, not as a matcher */
	struct weir_str name;
};

int weir_selectors_init(struct weir_selectors *selectors, struct weir_arena *arena, uint64_t deadline_ns)
{
	*selectors = (struct weir_selectors){ .arena = arena, .label_count = 1 };
	selectors->labels[NAME_LABEL] = weir_str_of("__name__");
	return weir_pattern_set_create(arena, deadline_ns, &selectors->regexes);
}

/* ---- faults ----------------------------------------------------------------- */

/* What is wrong, at byte `at`. Begins the sentence; the caller may go on with it. */
static int wrong(const struct reader *reader, size_t at, const char *what)
{
	size_t line = 1, begin = 0;

	for (size_t i = 0; i < at && i < reader->text.length; i++) {
		if (reader->text.data[i] == '\n') {
			line++;
			begin = i + 1;
		}
	}
	weir_buf_addf(reader->why, "%zu:%zu: parse error: %s", line, at - begin + 1, what);
	return WEIR_SELECTOR_BAD;
}

static int wrong_text(const struct reader *reader, size_t at, const char *what, struct weir_str text)
{
	wrong(reader, at, what);
	weir_buf_addf(reader->why, " \"%.*s\"", (int)(text.length < ECHO_MAX ? text.length : ECHO_MAX), text.data);
	return WEIR_SELECTOR_BAD;
}

static int wrong_character(const struct reader *reader, const char *where)
{
	size_t length = 1;

	if (reader->at >= reader->text.length) {
		wrong(reader, reader->at, "unexpected end of input");
	} else {
		while (reader->at + length < reader->text.length &&
			((unsigned char)reader->text.data[reader->at + length] & 0xc0u) == 0x80u) {
			length++;
		}
		wrong_text(reader, reader->at, "unexpected character",
			weir_str_make(reader->text.data + reader->at, length));
	}
	weir_buf_add_text(reader->why, where);
	return WEIR_SELECTOR_BAD;
}

/* ---- words ------------------------------------------------------------------- */

static int peek(const struct reader *reader)
{
	return reader->at < reader->text.length ? (unsigned char)reader->text.data[reader->at] : -1;
}

static void skip_blank(struct reader *reader)
{
	for (;; reader->at++) {
		int c = peek(reader);

		if (c == '#') {
			while (c >= 0 && c != '\n' && c != '\r') {
				reader->at++;
				c = peek(reader);
			}
		}
		if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
			return;
		}
	}
}

/* Empty: there is none. */
static struct weir_str read_word(struct reader *reader, bool may_have_colon)
{
	size_t begin = reader->at;

	for (;; reader->at++) {
		int c = peek(reader);
		bool is_alpha =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c == ':' && may_have_colon);

		if (!is_alpha && !(c >= '0' && c <= '9' && reader->at > begin)) {
			return weir_str_make(reader->text.data + begin, reader->at - begin);
		}
	}
}

/* At the character behind the backslash. Never more bytes than are read. */
static int read_escape(struct reader *reader, int quote, char *out, size_t *length)
{
	struct weir_str rest = weir_str_make(reader->text.data + reader->at, reader->text.length - reader->at);
	size_t size = 0, read = 0;

	switch (weir_escape_read(rest, (char)quote, out + *length, &size, &read)) {
	case WEIR_ESCAPE_UNKNOWN:
		return wrong(reader, reader->at,
			rest.length == 0 ? "escape sequence not terminated" : "unknown escape sequence");
	case WEIR_ESCAPE_DIGITS:
		return wrong(reader, reader->at + read, "illegal character in escape sequence");
	case WEIR_ESCAPE_CHARACTER:
		return wrong(reader, reader->at + read, "escape sequence is an invalid Unicode code point");
	default:
		*length += size;
		reader->at += read;
		return 0;
	}
}

/* At the opening quote. */
static int read_string(struct reader *reader, struct weir_str *ret_text)
{
	size_t begin = reader->at++, length = 0;
	int quote = (unsigned char)reader->text.data[begin], c;
	char *out = weir_arena_alloc(reader->selectors->arena, reader->text.length - begin);

	if (out == NULL) {
		return -ENOMEM;
	}
	while ((c = peek(reader)) != quote) {
		if (c < 0 || (c == '\n' && quote != '`')) {
			return wrong(
				reader, begin, quote == '`' ? "unterminated raw string" : "unterminated quoted string");
		}
		reader->at++;
		if (c == '\\' && quote != '`') {
			int outcome = read_escape(reader, quote, out, &length);

			if (outcome != 0) {
				return outcome;
			}
		} else {
			out[length++] = (char)c;
		}
	}
	reader->at++;
	*ret_text = weir_str_make(out, length);
	return 0;
}

/* ---- matchers ----------------------------------------------------------------- */

static int label_number(struct reader *reader, struct weir_str name, uint32_t *ret_label)
{
	struct weir_selectors *selectors = reader->selectors;

	for (uint32_t i = 0; i < selectors->label_count; i++) {
		if (weir_str_equal(selectors->labels[i], name)) {
			*ret_label = i;
			return 0;
		}
	}
	if (selectors->label_count == WEIR_SELECTOR_LABELS_MAX) {
		return wrong(reader, reader->at, "too many different labels in one request");
	}
	*ret_label = selectors->label_count;
	selectors->labels[selectors->label_count++] = name;
	return 0;
}

static int matcher_add(
	struct reader *reader, size_t at, struct weir_str label, enum weir_matcher_kind kind, struct weir_str value)
{
	struct weir_matcher *matcher = weir_arena_zalloc(reader->selectors->arena, sizeof(*matcher));
	int outcome;

	if (matcher == NULL) {
		return -ENOMEM;
	}
	matcher->kind = kind;
	matcher->value = value;
	outcome = label_number(reader, label, &matcher->label);
	if (outcome == 0 && (kind == WEIR_MATCHER_LIKE || kind == WEIR_MATCHER_NOT_LIKE)) {
		struct weir_buf said;

		weir_buf_init(&said, 0);
		outcome = weir_pattern_compile(reader->selectors->regexes, value, &said, &matcher->regex);
		if (outcome == WEIR_PATTERN_BAD) {
			outcome = wrong(reader, at, "");
			weir_buf_add_str(reader->why, weir_buf_str(&said));
		}
		weir_buf_fini(&said);
	}
	if (outcome == 0) {
		*reader->last = matcher;
		reader->last = &matcher->next;
	}
	return outcome;
}

static int name_set(struct reader *reader, size_t at, struct weir_str name)
{
	if (reader->has_name) {
		wrong_text(reader, at, "metric name must not be set twice:", reader->name);
		weir_buf_addf(
			reader->why, " or \"%.*s\"", (int)(name.length < ECHO_MAX ? name.length : ECHO_MAX), name.data);
		return WEIR_SELECTOR_BAD;
	}
	reader->has_name = true;
	reader->name = name;
	return 0;
}

static bool read_operator(struct reader *reader, enum weir_matcher_kind *ret_kind)
{
	int first = peek(reader), second;

	if (first != '=' && first != '!') {
		return false;
	}
	reader->at++;
	second = peek(reader);
	if (second == '~' || (first == '!' && second == '=')) {
		reader->at++;
	} else if (first == '!') {
		return false;
	}
	if (first == '=') {
		*ret_kind = second == '~' ? WEIR_MATCHER_LIKE : WEIR_MATCHER_IS;
	} else {
		*ret_kind = second == '~' ? WEIR_MATCHER_NOT_LIKE : WEIR_MATCHER_IS_NOT;
	}
	return true;
}

static bool is_quote(int c)
{
	return c == '"' || c == '\'' || c == '`';
}

/* `label op string`, or the metric's name in quotes. */
static int read_item(struct reader *reader)
{
	bool is_quoted = is_quote(peek(reader));
	size_t begin = reader->at;
	struct weir_str label, value;
	enum weir_matcher_kind kind;
	int outcome;

	if (is_quoted) {
		outcome = read_string(reader, &label);
		if (outcome != 0) {
			return outcome;
		}
	} else {
		label = read_word(reader, false);
	}
	if (label.length == 0) {
		return is_quoted ? wrong(reader, begin, "a name must not be empty")
				 : wrong_character(reader, " inside braces, expected a label, a name or \"}\"");
	}
	skip_blank(reader);
	if (is_quoted && (peek(reader) == ',' || peek(reader) == '}')) {
		return name_set(reader, begin, label);
	}
	if (!read_operator(reader, &kind)) {
		return wrong_character(reader, " in label matching, expected one of = != =~ !~");
	}
	skip_blank(reader);
	begin = reader->at;
	if (!is_quote(peek(reader))) {
		return wrong_character(reader, " in label matching, expected a string");
	}
	outcome = read_string(reader, &value);
	return outcome != 0 ? outcome : matcher_add(reader, begin, label, kind, value);
}

static int read_braces(struct reader *reader)
{
	reader->at++;
	for (;;) {
		int outcome;

		skip_blank(reader);
		if (peek(reader) == '}') {
			reader->at++;
			return 0;
		}
		outcome = read_item(reader);
		if (outcome != 0) {
			return outcome;
		}
		skip_blank(reader);
		if (peek(reader) == ',') {
			reader->at++;
		} else if (peek(reader) != '}') {
			return wrong_character(reader, " inside braces, expected \",\" or \"}\"");
		}
	}
}

/* ---- one selector --------------------------------------------------------------- */

static int matcher_holds(const struct weir_matcher *matcher, struct weir_str value)
{
	int result;

	switch (matcher->kind) {
	case WEIR_MATCHER_IS:
		return weir_str_equal(matcher->value, value);
	case WEIR_MATCHER_IS_NOT:
		return !weir_str_equal(matcher->value, value);
	case WEIR_MATCHER_LIKE:
		return weir_pattern_matches(matcher->regex, value);
	case WEIR_MATCHER_NOT_LIKE:
		result = weir_pattern_matches(matcher->regex, value);
		return result < 0 ? result : !result;
	}
	return 0;
}

/* What the grammar does not say. */
static int check_whole(struct reader *reader)
{
	if (reader->has_name) {
		for (const struct weir_matcher *at = reader->first; at != NULL; at = at->next) {
			if (at->label == NAME_LABEL) {
				return name_set(reader, 0, at->value);
			}
		}
		return matcher_add(reader, 0, reader->selectors->labels[NAME_LABEL], WEIR_MATCHER_IS, reader->name);
	}
	for (const struct weir_matcher *at = reader->first; at != NULL; at = at->next) {
		int holds = matcher_holds(at, weir_str_of(""));

		if (holds < 0) {
			return wrong(reader, 0, "regular expression too large");
		}
		if (holds == 0) {
			return 0;
		}
	}
	return wrong(reader, 0, "vector selector must contain at least one non-empty matcher");
}

static int read_selector(struct reader *reader)
{
	struct weir_str name;
	int outcome = 0;

	if (!weir_utf8_is_valid(reader->text)) {
		return wrong(reader, 0, "invalid UTF-8");
	}
	skip_blank(reader);
	name = read_word(reader, true);
	if (name.length > 0) {
		name_set(reader, 0, name);
		skip_blank(reader);
	}
	if (peek(reader) == '{') {
		outcome = read_braces(reader);
	} else if (name.length == 0) {
		return wrong_character(reader, ", expected a selector");
	}
	if (outcome != 0) {
		return outcome;
	}
	skip_blank(reader);
	if (reader->at < reader->text.length) {
		return wrong_character(reader, " behind the selector");
	}
	return check_whole(reader);
}

int weir_selectors_add(struct weir_selectors *selectors, struct weir_str text, struct weir_buf *why)
{
	struct reader reader = { .selectors = selectors, .text = text, .why = why };
	int outcome;

	reader.last = &reader.first;
	if (selectors->count == WEIR_SELECTORS_MAX) {
		return wrong(&reader, 0, "too many selectors in one request");
	}
	outcome = read_selector(&reader);
	if (outcome == 0) {
		selectors->matchers[selectors->count++] = reader.first;
	}
	return outcome;
}

/* ---- asking ---------------------------------------------------------------------- */

int weir_selectors_of_name(const struct weir_selectors *selectors, struct weir_str name, uint64_t *ret_mask)
{
	uint64_t mask = 0;

	for (uint32_t i = 0; i < selectors->count; i++) {
		int holds = 1;

		for (const struct weir_matcher *at = selectors->matchers[i]; at != NULL && holds == 1; at = at->next) {
			holds = at->label == NAME_LABEL ? matcher_holds(at, name) : 1;
		}
		if (holds < 0) {
			return holds;
		}
		mask |= (uint64_t)(holds == 1) << i;
	}
	*ret_mask = mask;
	return 0;
}

int weir_selectors_match(const struct weir_selectors *selectors, uint64_t mask, const struct weir_str *values)
{
	for (uint32_t i = 0; i < selectors->count; i++) {
		int holds = (mask >> i & 1) != 0;

		for (const struct weir_matcher *at = selectors->matchers[i]; at != NULL && holds == 1; at = at->next) {
			holds = at->label == NAME_LABEL ? 1 : matcher_holds(at, values[at->label]);
		}
		if (holds != 0) {
			return holds;
		}
	}
	return 0;
}
