/* split: brackets and quotes of the language (lexer.c), no more. */
#include "rules/ruleset/split.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The first byte behind the quoted text that begins at `at`. */
static size_t behind_quoted(struct weir_str text, size_t at)
{
	char quote = text.data[at++];

	while (at < text.length && text.data[at] != quote) {
		at += quote != '`' && text.data[at] == '\\' ? 2 : 1;
	}
	return at < text.length ? at + 1 : text.length;
}

static bool is_quote(char c)
{
	return c == '"' || c == '`' || c == '\'';
}

size_t weir_split_at(struct weir_str text, const char *operator_)
{
	size_t length = strlen(operator_), depth = 0;

	for (size_t i = 0; i < text.length;) {
		char c = text.data[i];

		if (is_quote(c)) {
			i = behind_quoted(text, i);
			continue;
		}
		if (depth == 0 && i + length <= text.length && memcmp(text.data + i, operator_, length) == 0) {
			return i;
		}
		if (c == '(' || c == '[') {
			depth++;
		} else if ((c == ')' || c == ']') && depth > 0) {
			depth--;
		}
		i++;
	}
	return text.length;
}

static struct weir_str trimmed(struct weir_str text)
{
	while (text.length > 0 && is_blank(text.data[0])) {
		text.data++;
		text.length--;
	}
	while (text.length > 0 && is_blank(text.data[text.length - 1])) {
		text.length--;
	}
	return text;
}

/* Is the bracket at `open` closed by the very last character? */
static bool is_closed_by_last(struct weir_str text, size_t open)
{
	size_t depth = 0;

	for (size_t i = open; i < text.length;) {
		char c = text.data[i];

		if (is_quote(c)) {
			i = behind_quoted(text, i);
			continue;
		}
		if (c == '(') {
			depth++;
		} else if (c == ')' && --depth == 0) {
			return i + 1 == text.length;
		}
		i++;
	}
	return false;
}

struct weir_str weir_split_bare(struct weir_str text)
{
	text = trimmed(text);
	while (text.length >= 2 && text.data[0] == '(' && is_closed_by_last(text, 0)) {
		text = trimmed(weir_str_make(text.data + 1, text.length - 2));
	}
	return text;
}

bool weir_split_call(struct weir_str text, const char *function, size_t count, struct weir_str *ret_arguments)
{
	struct weir_str rest = weir_split_bare(text);
	size_t length = strlen(function);

	if (!weir_str_starts_with(rest, function)) {
		return false;
	}
	while (length < rest.length && is_blank(rest.data[length])) {
		length++;
	}
	if (length >= rest.length || rest.data[length] != '(' || !is_closed_by_last(rest, length)) {
		return false;
	}
	rest = weir_str_make(rest.data + length + 1, rest.length - length - 2);
	for (size_t i = 0; i < count; i++) {
		size_t end = weir_split_at(rest, ",");

		if ((end == rest.length) != (i + 1 == count)) {
			return false;
		}
		ret_arguments[i] = weir_split_bare(weir_str_make(rest.data, end));
		rest = i + 1 < count ? weir_str_make(rest.data + end + 1, rest.length - end - 1) : rest;
	}
	return true;
}
