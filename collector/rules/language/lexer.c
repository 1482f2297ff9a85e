/* lexer: expressions have Go's words, as far as Mixer gave them a meaning.
 *
 *   name     a letter or `_`, then letters, digits and `_`
 *   text     "…" with Go's escapes, `…` as it stands, 'c' of one character
 *   number   decimal digits; with a point or an exponent it is a double
 * and Go's two kinds of comments.
 *
 * A place is a line and a column, both from 1; a column is a character, not a
 * byte, as editors and YAML count. Line ends are blanks: Go would end the
 * expression there, but a document may fold a long one anywhere.
 *
 * One thread; state is the caller's. */
#include "rules/language/lexer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/utf8.h"
#include "rules/language/escape.h"
#include "rules/sentence.h"

#define NUMBER_MAX 64u /* digits of a number: no double needs more */

int weir_lexer_wrong(struct weir_expression_error *error, uint32_t line, uint32_t column, const char *format, ...)
{
	va_list args;

	weir_assert(format != NULL); /* gcc's sanitizer believes otherwise */
	error->line = line;
	error->column = column;
	va_start(args, format);
	(void)vsnprintf(error->why, sizeof(error->why), format, args);
	va_end(args);
	weir_sentence_repair(error->why);
	return WEIR_EXPRESSION_WRONG;
}

void weir_lexer_init(
	struct weir_lexer *lexer, struct weir_arena *arena, struct weir_str source, struct weir_expression_error *error)
{
	*lexer = (struct weir_lexer){ .arena = arena, .source = source, .line = 1, .column = 1, .error = error };
}

/* ---- places ------------------------------------------------------------- */

static bool has_more(const struct weir_lexer *lexer)
{
	return lexer->at < lexer->source.length;
}

/* The byte that is `ahead` of the place; NUL beyond the end. */
static char peek(const struct weir_lexer *lexer, size_t ahead)
{
	return lexer->source.length - lexer->at > ahead ? lexer->source.data[lexer->at + ahead] : '\0';
}

static void step(struct weir_lexer *lexer)
{
	char c = lexer->source.data[lexer->at++];

	if (c == '\n') {
		lexer->line++;
		lexer->column = 1;
	} else if (((unsigned char)peek(lexer, 0) & 0xc0) != 0x80) {
		lexer->column++;
	}
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

/* ---- texts -------------------------------------------------------------- */

static bool is_one_character(struct weir_str text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.length; i++) {
		count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
	}
	return count == 1;
}

/* The closing quote; the text has been copied up to it. */
static int text_end(struct weir_lexer *lexer, char quote, struct weir_token *ret)
{
	step(lexer);
	if (!weir_utf8_is_valid(ret->text)) {
		return weir_lexer_wrong(lexer->error, ret->line, ret->column, "The text is not valid UTF-8.");
	}
	if (quote == '\'' && !is_one_character(ret->text)) {
		return weir_lexer_wrong(lexer->error, ret->line, ret->column,
			"Between single quotes there is one character; a text stands between \" or `.");
	}
	ret->kind = WEIR_TOKEN_TEXT;
	return 0;
}

/* How many bytes there are to the closing quote: what the text means is no longer. */
static size_t text_length(const struct weir_lexer *lexer, char quote)
{
	size_t length = 1;

	while (peek(lexer, length) != '\0' && peek(lexer, length) != quote) {
		length += peek(lexer, length) == '\\' && quote != '`' ? 2 : 1;
	}
	return length;
}

static int text_take(struct weir_lexer *lexer, struct weir_token *ret)
{
	char quote = peek(lexer, 0);
	char *to = weir_arena_alloc(lexer->arena, text_length(lexer, quote));

	if (to == NULL) {
		return -ENOMEM;
	}
	ret->text = weir_str_make(to, 0);
	step(lexer);
	while (has_more(lexer)) {
		uint32_t line = lexer->line, column = lexer->column;
		char c = peek(lexer, 0);
		size_t size = 1, read;

		if (c == quote) {
			return text_end(lexer, quote, ret);
		}
		if (c == '\0') {
			return weir_lexer_wrong(lexer->error, line, column, "The byte 0x00 stands in a text.");
		}
		if (c == '\n' && quote != '`') {
			break;
		}
		step(lexer);
		if (c == '\\' && quote != '`') {
			struct weir_str rest =
				weir_str_make(lexer->source.data + lexer->at, lexer->source.length - lexer->at);

			if (weir_escape_read(rest, quote, to + ret->text.length, &size, &read) != 0) {
				return weir_lexer_wrong(
					lexer->error, line, column, "There is no such escape; \\\\ is one backslash.");
			}
			while (read-- > 0) {
				step(lexer);
			}
		} else {
			to[ret->text.length] = c;
		}
		ret->text.length += size;
	}
	return weir_lexer_wrong(
		lexer->error, ret->line, ret->column, "The text that begins here has no closing %c.", quote);
}

/* ---- numbers ------------------------------------------------------------ */

static void digits_skip(struct weir_lexer *lexer)
{
	while (is_digit(peek(lexer, 0))) {
		step(lexer);
	}
}

static int number_take(struct weir_lexer *lexer, struct weir_token *ret)
{
	const char *begin = lexer->source.data + lexer->at;
	char terminated[NUMBER_MAX + 1], *end;
	struct weir_str text;
	long long number;

	ret->kind = WEIR_TOKEN_INT;
	digits_skip(lexer);
	if (peek(lexer, 0) == '.') {
		ret->kind = WEIR_TOKEN_DOUBLE;
		step(lexer);
		digits_skip(lexer);
	}
	if ((peek(lexer, 0) | 0x20) == 'e') {
		ret->kind = WEIR_TOKEN_DOUBLE;
		step(lexer);
		if (peek(lexer, 0) == '+' || peek(lexer, 0) == '-') {
			step(lexer);
		}
		digits_skip(lexer);
	}
	while (is_name(peek(lexer, 0))) {
		ret->kind = WEIR_TOKEN_END; /* 0x1f, 12ms: no number */
		step(lexer);
	}
	text = weir_str_make(begin, (size_t)(lexer->source.data + lexer->at - begin));
	if (ret->kind == WEIR_TOKEN_INT && weir_str_to_i64(text, &number) == 0) {
		ret->number = number;
		return 0;
	}
	if (ret->kind == WEIR_TOKEN_DOUBLE && text.length <= NUMBER_MAX) {
		memcpy(terminated, text.data, text.length);
		terminated[text.length] = '\0';
		ret->real = strtod(terminated, &end);
		if (*end == '\0' && ret->real < 1e300 * 1e8) {
			return 0;
		}
	}
	return weir_lexer_wrong(lexer->error, ret->line, ret->column,
		"%.*s is no number: expected decimal digits, of an INT64 or with a point of a DOUBLE.",
		(int)(text.length < 32 ? text.length : 32), text.data);
}

/* ---- words -------------------------------------------------------------- */

static const struct {
	char text[3];
	uint8_t kind;
} signs[] = {
	/* the longer first */
	{ "||", WEIR_TOKEN_OR },
	{ "&&", WEIR_TOKEN_AND },
	{ "==", WEIR_TOKEN_EQUAL },
	{ "!=", WEIR_TOKEN_NOT_EQUAL },
	{ "<=", WEIR_TOKEN_LESS_OR_EQUAL },
	{ ">=", WEIR_TOKEN_GREATER_OR_EQUAL },
	{ "<", WEIR_TOKEN_LESS },
	{ ">", WEIR_TOKEN_GREATER },
	{ "|", WEIR_TOKEN_FIRST },
	{ "+", WEIR_TOKEN_PLUS },
	{ "-", WEIR_TOKEN_MINUS },
	{ "!", WEIR_TOKEN_NOT },
	{ ".", WEIR_TOKEN_DOT },
	{ ",", WEIR_TOKEN_COMMA },
	{ "(", WEIR_TOKEN_OPEN },
	{ ")", WEIR_TOKEN_CLOSE },
	{ "[", WEIR_TOKEN_OPEN_INDEX },
	{ "]", WEIR_TOKEN_CLOSE_INDEX },
};

static int sign_take(struct weir_lexer *lexer, struct weir_token *ret)
{
	char c = peek(lexer, 0);

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		size_t length = strlen(signs[i].text);

		if (c == signs[i].text[0] && (length == 1 || peek(lexer, 1) == signs[i].text[1])) {
			for (size_t j = 0; j < length; j++) {
				step(lexer);
			}
			ret->kind = signs[i].kind;
			return 0;
		}
	}
	if (c == '=' || c == '&') {
		return weir_lexer_wrong(
			lexer->error, ret->line, ret->column, "Expected %c%c, there is only one %c.", c, c, c);
	}
	if (c > 0x20 && c < 0x7f) {
		return weir_lexer_wrong(lexer->error, ret->line, ret->column, "The language knows no %c.", c);
	}
	return weir_lexer_wrong(lexer->error, ret->line, ret->column, "The byte 0x%02x stands outside of a text.",
		(unsigned)(unsigned char)c);
}

/* Blanks, line ends and Go's comments. */
static int blanks_skip(struct weir_lexer *lexer)
{
	while (has_more(lexer) && peek(lexer, 0) != '\0' && strchr(" \t\r\n/", peek(lexer, 0)) != NULL) {
		uint32_t line = lexer->line, column = lexer->column;
		bool is_block = peek(lexer, 0) == '/' && peek(lexer, 1) == '*';

		if (peek(lexer, 0) == '/' && peek(lexer, 1) != '/' && !is_block) {
			return 0; /* sign_take refuses it */
		}
		if (peek(lexer, 0) != '/') {
			step(lexer);
			continue;
		}
		step(lexer);
		step(lexer);
		while (has_more(lexer) &&
			(is_block ? peek(lexer, 0) != '*' || peek(lexer, 1) != '/' : peek(lexer, 0) != '\n')) {
			step(lexer);
		}
		if (is_block && !has_more(lexer)) {
			return weir_lexer_wrong(
				lexer->error, line, column, "The comment that begins here has no closing */.");
		}
		for (int i = 0; is_block && i < 2; i++) {
			step(lexer);
		}
	}
	return 0;
}

int weir_lexer_next(struct weir_lexer *lexer, struct weir_token *ret)
{
	size_t begin;
	int r = blanks_skip(lexer);

	if (r != 0) {
		return r;
	}
	*ret = (struct weir_token){ .kind = WEIR_TOKEN_END, .line = lexer->line, .column = lexer->column };
	if (!has_more(lexer)) {
		return 0;
	}
	begin = lexer->at;
	if (is_digit(peek(lexer, 0)) || (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1)))) {
		r = number_take(lexer, ret);
	} else if (is_name(peek(lexer, 0))) {
		ret->kind = WEIR_TOKEN_NAME;
		while (is_name(peek(lexer, 0))) {
			step(lexer);
		}
	} else if (peek(lexer, 0) == '"' || peek(lexer, 0) == '`' || peek(lexer, 0) == '\'') {
		r = text_take(lexer, ret);
	} else {
		r = sign_take(lexer, ret);
	}
	ret->spelling = weir_str_make(lexer->source.data + begin, lexer->at - begin);
	return r;
}
