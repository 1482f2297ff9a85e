/* fuzz_expression: any bytes as an expression.
 *
 * What comes is compiled, or refused with one sentence at a place inside it.
 * What was compiled is evaluated for a record without attributes and for one
 * that has them all: twice, with one outcome, one type (the expression's own)
 * and one text. Nearly all bytes are no expression, so they are also taken as a
 * choice of words, and as a choice of rules of the grammar: what comes of those
 * has the right types, and has to compile. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/utf8.h"
#include "rules/language/expression.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX 2048u

static const struct weir_rules_pair pairs[] = {
	{ WEIR_ATTRIBUTE_SOURCE_LABELS, { "app", 3 }, { "reviews", 7 } },
	{ WEIR_ATTRIBUTE_REQUEST_HEADERS, { "x", 1 }, { "kube-probe/1.2", 14 } },
};

static void tell_all(struct weir_value told[WEIR_ATTRIBUTES])
{
	for (unsigned i = 0; i < WEIR_ATTRIBUTES; i++) {
		told[i] = (struct weir_value){ .type = weir_attribute_type(i) };
		if (told[i].type == WEIR_TYPE_STRING) {
			told[i].text = weir_str_of(i % 3 == 0 ? "10.1.2.3" : i % 3 == 1 ? "http://a.b/c" : "a@B.c.");
		} else if (told[i].type != WEIR_TYPE_IP_ADDRESS) {
			told[i].number = told[i].type == WEIR_TYPE_BOOL ? i % 2 : (int64_t)i;
		}
	}
}

static int evaluate(const struct weir_expression *expression, const struct weir_rules_record *record,
	struct weir_scratch *scratch, struct weir_str *ret)
{
	struct weir_value value;
	int r;

	weir_scratch_reset(scratch);
	r = weir_expression_evaluate(expression, record, scratch, &value);
	weir_assert(r == 0 || r == WEIR_VALUE_ABSENT || r == WEIR_VALUE_FAILED);
	weir_assert(scratch->used <= WEIR_SCRATCH_BYTES);
	*ret = weir_str_make(NULL, 0);
	if (r == 0) {
		weir_assert(value.type == weir_expression_type(expression));
		weir_assert(value.type != WEIR_TYPE_BOOL || value.number == 0 || value.number == 1);
		*ret = weir_value_text(&value, scratch);
	}
	return r;
}

static void check_form(const struct weir_expression *expression, int outcome, struct weir_str text)
{
	static struct weir_scratch scratch;
	enum weir_attribute attribute = WEIR_ATTRIBUTES;
	struct weir_value value = { 0 };

	switch (weir_expression_form(expression, &attribute, &value)) {
	case WEIR_EXPRESSION_CONSTANT:
		weir_scratch_reset(&scratch);
		weir_assert(outcome == 0 && weir_str_equal(weir_value_text(&value, &scratch), text));
		break;
	case WEIR_EXPRESSION_ATTRIBUTE:
		weir_assert(attribute < WEIR_ATTRIBUTES && weir_expression_reads(expression, attribute));
		break;
	case WEIR_EXPRESSION_OTHER:
		break;
	}
}

static void check_compiled(const struct weir_expression *expression)
{
	static struct weir_value none[WEIR_ATTRIBUTES], all[WEIR_ATTRIBUTES];
	static struct weir_scratch first, second;
	struct weir_rules_record records[] = { { .told = none },
		{ .told = all, .told_pairs = pairs, .told_pair_count = sizeof(pairs) / sizeof(pairs[0]) } };

	tell_all(all);
	for (unsigned i = 0; i < 2; i++) {
		struct weir_str text, again;
		int r = evaluate(expression, &records[i], &first, &text);

		weir_assert(evaluate(expression, &records[i], &second, &again) == r);
		weir_assert(weir_str_equal(text, again));
		check_form(expression, r, text);
	}
}

static void check_refused(struct weir_str text, const struct weir_expression_error *error)
{
	struct weir_str why = weir_str_of(error->why);
	size_t lines = 1;

	for (size_t i = 0; i < text.length; i++) {
		lines += text.data[i] == '\n';
	}
	weir_assert(error->line >= 1 && error->line <= lines);
	weir_assert(error->column >= 1 && error->column <= text.length + 1);
	weir_assert(why.length > 0 && weir_utf8_is_valid(why) && memchr(why.data, '\n', why.length) == NULL);
}

/* Was it compiled? */
static bool check(struct weir_str text, enum weir_type wanted)
{
	const struct weir_expression *expression;
	struct weir_expression_error error;
	struct weir_arena arena;
	int r;

	weir_arena_init(&arena, 16384, 8u << 20);
	r = weir_expression_compile(&arena, text, wanted, &expression, &error);
	weir_assert(r == 0 || r == WEIR_EXPRESSION_WRONG);
	if (r == 0) {
		weir_assert(wanted == WEIR_TYPE_NONE || weir_expression_type(expression) == wanted);
		check_compiled(expression);
	} else {
		check_refused(text, &error);
	}
	weir_arena_fini(&arena);
	return r == 0;
}

/* Each byte is a word: this meets the checker far more often than bytes do. */
static struct weir_str words_of(const uint8_t *data, size_t size, char text[TEXT_MAX])
{
	static const char *const words[] = { "source.name", "request.size", "connection.mtls", "source.ip",
		"request.time", "response.duration", "source.labels", "request.headers", "\"app\"", "\"10ms\"",
		"\"a.b*\"", "1", "2.5", "true", "(", ")", "[", "]", "|", "+", "==", "!=", "<", ">=", "&&", "||", "!",
		",", ".startsWith(", ".matches(", ".reverse()", "conditional(", "match(", "ip(", "timestamp(", "uri(",
		"dnsName(", "email(", "toLower(", "size(", "emptyStringMap()", "\"(a|b)*c\"", "-", "[\"x\"]" };
	size_t length = 0;

	for (size_t i = 0; i < size; i++) {
		struct weir_str word = weir_str_of(words[data[i] % (sizeof(words) / sizeof(words[0]))]);

		if (length + word.length + 1 > TEXT_MAX) {
			break;
		}
		memcpy(text + length, word.data, word.length);
		length += word.length;
		text[length++] = ' ';
	}
	return weir_str_make(text, length);
}

/* Rules of the grammar, by type: a digit stands for an expression of the type of that number. */
static const struct {
	const char *first, *others[8]; /* the first has nothing to go on with */
} rules[] = {
	{ "source.name", { "0 | 0", "0 + 0", "conditional(1, 0, 0)", "3[0]", "3[\"x\"]", "toLower(0)", "0.reverse()",
				 "\"10ms\" | 0" } },
	{ "connection.mtls", { "1 && 1", "1 || 1", "!1", "0 < 0", "2 >= 2", "4 == 4", "match(0, 0)",
				     "`^(a|[b-z])*\\d?$`.matches(0)" } },
	{ "request.size",
		{ "2 | 2", "2 + 2", "size(0)", "conditional(1, 2, 2)", "2 | 7", "(2)", "response.code", "-8" } },
	{ "source.labels", { "3 | 3", "request.headers", "emptyStringMap()", "conditional(1, 3, 3)", "(3)", "3 | 3",
				   "request.query_params", "destination.labels" } },
	{ "source.ip", { "ip(0)", "4 | 4", "conditional(1, 4, 4)", "ip(\"fd00::1\")", "(4)", "origin.ip", "ip(0)",
			       "destination.ip" } },
};

struct grammar {
	const uint8_t *data;
	size_t size, at, length;
	char *text;
};

static void grammar_write(struct grammar *grammar, unsigned rule, unsigned depth)
{
	bool ends = grammar->at >= grammar->size || depth == 0 || grammar->length + 1024 > TEXT_MAX;
	unsigned choice = ends ? 0 : grammar->data[grammar->at++] % 9;
	const char *at = choice == 0 ? rules[rule].first : rules[rule].others[choice - 1];

	grammar->text[grammar->length++] = '(';
	for (bool is_text = false; *at != '\0'; at++) {
		is_text = is_text != (*at == '"' || *at == '`');
		if (!is_text && *at >= '0' && *at <= '4') {
			grammar_write(grammar, (unsigned)(*at - '0'), depth - 1);
		} else {
			grammar->text[grammar->length++] = *at;
		}
	}
	grammar->text[grammar->length++] = ')';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_str bytes = { (const char *)data, size };
	char text[TEXT_MAX];
	struct grammar grammar = { .data = data + (size > 0), .size = size > 0 ? size - 1 : 0, .text = text };

	(void)check(bytes, WEIR_TYPE_NONE);
	(void)check(bytes, WEIR_TYPE_BOOL);
	(void)check(words_of(data, size, text), size % 2 == 0 ? WEIR_TYPE_NONE : WEIR_TYPE_DURATION);
	grammar_write(&grammar, size > 0 ? data[0] % 5 : 0, 6);
	weir_assert(check(weir_str_make(text, grammar.length), WEIR_TYPE_NONE));
	return 0;
}
