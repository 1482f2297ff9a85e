/* re2_syntax: is a pattern RE2's, and how PCRE2 has to read it.
 *
 * Who writes a pattern here thinks of RE2 (Mixer's and Prometheus' were): no
 * looking around, no reference back. PCRE2 knows all of that and more, so what
 * RE2 does not have is refused before PCRE2 sees it, and what both write the
 * same but mean otherwise (`\v`) is written as PCRE2 has it. What is left means
 * the same in both; mistakes of form (`(`, `[b-a]`) are PCRE2's to find. Octal
 * escapes but `\0` are the one thing of RE2's that is refused: `\12` may be a
 * reference to PCRE2.
 *
 * Invariant: the text is as long as the pattern, so that what PCRE2 says about a
 * byte is about that byte of the pattern. */
#include "rules/language/re2_syntax.h"

#include <string.h>

#define REPEAT_MAX 1000u

struct check {
	struct weir_str pattern;
	size_t at;
	bool is_class; /* between [ and ] */
	char *text;    /* what PCRE2 is to read; as far as `at` */
};

static int peek(const struct check *check, size_t ahead)
{
	size_t at = check->at + ahead;

	return at < check->pattern.length ? (unsigned char)check->pattern.data[at] : -1;
}

static void take(struct check *check, size_t count)
{
	memcpy(check->text + check->at, check->pattern.data + check->at, count);
	check->at += count;
}

static bool is_among(int c, const char *set)
{
	return c > 0 && strchr(set, c) != NULL;
}

static bool is_word(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static const char *check_escape(struct check *check)
{
	static const char verbatim[] = "\\Q";
	int c = peek(check, 1);

	if (c < 0) {
		return "trailing backslash at end of expression";
	}
	if (c == 'v') { /* to PCRE2 a class of all vertical white space; a backslash before the character is none */
		memcpy(check->text + check->at, "\\\x0b", 2);
		check->at += 2;
		return NULL;
	}
	if (c == 'Q' && !check->is_class) {
		const char *begin = check->pattern.data + check->at + sizeof(verbatim) - 1;
		const char *end = memmem(begin, check->pattern.length - check->at - 2, "\\E", 2);

		take(check, end != NULL ? (size_t)(end - begin) + 4 : check->pattern.length - check->at);
		return NULL;
	}
	if (c < 0x80 &&
		(!is_word(c) || c == '_' || is_among(c, check->is_class ? "0aftnrdDsSwWpPx" : "0aftnrdDsSwWpPxAzbB"))) {
		take(check, 2);
		return NULL;
	}
	return "invalid escape sequence";
}

/* `(`: a group, with or without a name, or flags. */
static const char *check_group(struct check *check)
{
	size_t i = 2;

	if (peek(check, 1) == '*') {
		return "missing argument to repetition operator: `*`";
	}
	if (peek(check, 1) != '?') {
		take(check, 1);
		return NULL;
	}
	if (peek(check, 2) == 'P' || peek(check, 2) == '<') {
		i = peek(check, 2) == 'P' ? 3 : 2;
		if (peek(check, i) != '<' || !is_word(peek(check, i + 1))) {
			return "invalid or unsupported Perl syntax";
		}
		take(check, i + 1);
		return NULL;
	}
	while (is_among(peek(check, i), "imsU-")) {
		i++;
	}
	if (!is_among(peek(check, i), ":)") || (i == 2 && peek(check, i) == ')')) {
		return "invalid or unsupported Perl syntax";
	}
	take(check, i + 1);
	return NULL;
}

/* `{`: a count, or a plain character. */
static const char *check_count(struct check *check, size_t *ret_length)
{
	unsigned value = 0;
	size_t i = 1;
	bool is_count = peek(check, 1) >= '0' && peek(check, 1) <= '9';

	for (; is_count && peek(check, i) != '}'; i++) {
		int c = peek(check, i);

		is_count = (c >= '0' && c <= '9') || c == ',';
		value = c == ',' ? 0 : value * 10 + (unsigned)(c - '0');
		if (is_count && value > REPEAT_MAX) {
			return "invalid repeat count";
		}
	}
	*ret_length = is_count ? i + 1 : 0;
	return NULL;
}

/* A repetition, `is_lazy` of it, and then no other one: to PCRE2 `a++` would be possessive. */
static const char *check_repeat(struct check *check)
{
	size_t length = 1;
	const char *wrong = peek(check, 0) == '{' ? check_count(check, &length) : NULL;
	size_t ignored = 0;

	if (wrong != NULL) {
		return wrong;
	}
	if (length == 0) { /* a brace that is meant */
		take(check, 1);
		return NULL;
	}
	take(check, length);
	if (peek(check, 0) == '?') {
		take(check, 1);
	}
	if (peek(check, 0) == '{') {
		wrong = check_count(check, &ignored);
	}
	if (wrong == NULL && (is_among(peek(check, 0), "*+?") || ignored > 0)) {
		wrong = "invalid nested repetition operator";
	}
	return wrong;
}

/* Up to the closing bracket. */
static const char *check_class(struct check *check)
{
	const char *wrong = NULL;

	check->is_class = true;
	take(check, peek(check, 1) == '^' ? 2 : 1);
	if (peek(check, 0) == ']') {
		take(check, 1);
	}
	while (wrong == NULL && peek(check, 0) >= 0 && peek(check, 0) != ']') {
		if (peek(check, 0) == '\\') {
			wrong = check_escape(check);
		} else if (peek(check, 0) == '[' && is_among(peek(check, 1), ":.=")) {
			const char *begin = check->pattern.data + check->at;
			const char *end = memmem(begin + 2, check->pattern.length - check->at - 2, ":]", 2);

			if (peek(check, 1) != ':' || end == NULL || is_among(peek(check, 2), "<>")) {
				return "invalid character class range";
			}
			take(check, (size_t)(end - begin) + 2);
		} else {
			take(check, 1);
		}
	}
	if (wrong == NULL && peek(check, 0) < 0) {
		wrong = "missing closing ]";
	}
	if (wrong == NULL) {
		take(check, 1);
	}
	check->is_class = false;
	return wrong;
}

const char *weir_re2_syntax_read(struct weir_str pattern, char *ret_text, size_t *ret_at)
{
	struct check check = { .pattern = pattern, .text = ret_text };
	const char *wrong = NULL;

	while (wrong == NULL && peek(&check, 0) >= 0) {
		switch (peek(&check, 0)) {
		case '\\':
			wrong = check_escape(&check);
			break;
		case '(':
			wrong = check_group(&check);
			break;
		case '[':
			wrong = check_class(&check);
			break;
		case '*':
		case '+':
		case '?':
		case '{':
			wrong = check_repeat(&check);
			break;
		default:
			take(&check, 1);
		}
	}
	*ret_at = check.at;
	return wrong;
}
