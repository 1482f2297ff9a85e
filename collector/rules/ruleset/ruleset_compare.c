/* ruleset_compare: yes-or-no questions about a record, with a short way for those
 * that are simple:
 *
 *   attribute | default  OP  constant       of STRING (== !=), INT64 and BOOL: a get and a compare
 *
 * All else is evaluated as the language does it. Both ways give the same: keys
 * are made of these, matches of the language, and the tests compare them. */
#include "rules/ruleset/ruleset_inside.h"
#include "rules/ruleset/split.h"

static const struct {
	const char *text;
	enum weir_ruleset_operator operator_;
} operators[] = { { "==", WEIR_OPERATOR_EQUAL }, { "!=", WEIR_OPERATOR_UNEQUAL }, { "<=", WEIR_OPERATOR_NOT_ABOVE },
	{ ">=", WEIR_OPERATOR_NOT_BELOW }, { "<", WEIR_OPERATOR_BELOW }, { ">", WEIR_OPERATOR_ABOVE } };

/* 0: *ret is the form of the side; 1: it is none by itself; -ENOMEM. */
static int side_form(struct weir_arena *arena, struct weir_str text, struct weir_ruleset_value *ret)
{
	struct weir_expression_error error;
	int r = weir_expression_compile(arena, text, WEIR_TYPE_NONE, &ret->expression, &error);

	if (r == 0) {
		ret->form = weir_expression_form(ret->expression, &ret->attribute, &ret->constant);
	}
	return r;
}

static bool is_simple(const struct weir_ruleset_value *left, const struct weir_ruleset_value *right,
	enum weir_ruleset_operator operator_)
{
	enum weir_type type = right->constant.type;

	if (left->form != WEIR_EXPRESSION_ATTRIBUTE || right->form != WEIR_EXPRESSION_CONSTANT ||
		weir_attribute_type(left->attribute) != type ||
		(left->constant.type != WEIR_TYPE_NONE && left->constant.type != type)) {
		return false;
	}
	return type == WEIR_TYPE_INT64 ||
	       ((type == WEIR_TYPE_BOOL || type == WEIR_TYPE_STRING) &&
		       (operator_ == WEIR_OPERATOR_EQUAL || operator_ == WEIR_OPERATOR_UNEQUAL));
}

int weir_ruleset_compare_make(struct weir_arena *arena, struct weir_str text, struct weir_ruleset_compare *ret)
{
	struct weir_ruleset_compare test = { .text = weir_split_bare(text) };
	struct weir_expression_error error;
	int r = weir_expression_compile(arena, test.text, WEIR_TYPE_BOOL, &test.expression, &error);

	for (size_t i = 0; r == 0 && i < sizeof(operators) / sizeof(operators[0]); i++) {
		size_t at = weir_split_at(test.text, operators[i].text), length = strlen(operators[i].text);
		struct weir_ruleset_value right = { 0 };

		if (at == test.text.length) {
			continue;
		}
		r = side_form(arena, weir_str_make(test.text.data, at), &test.left);
		r = r < 0 ? r
			  : side_form(arena,
				    weir_str_make(test.text.data + at + length, test.text.length - at - length),
				    &right);
		test.is_simple = r == 0 && is_simple(&test.left, &right, operators[i].operator_);
		test.operator_ = operators[i].operator_;
		test.constant = right.constant;
		r = r < 0 ? r : 0;
		break;
	}
	if (r == 0) {
		*ret = test;
	}
	return r;
}

static bool compare(enum weir_ruleset_operator operator_, int64_t a, int64_t b)
{
	switch (operator_) {
	case WEIR_OPERATOR_EQUAL:
		return a == b;
	case WEIR_OPERATOR_UNEQUAL:
		return a != b;
	case WEIR_OPERATOR_BELOW:
		return a < b;
	case WEIR_OPERATOR_NOT_ABOVE:
		return a <= b;
	case WEIR_OPERATOR_ABOVE:
		return a > b;
	case WEIR_OPERATOR_NOT_BELOW:
		return a >= b;
	}
	return false;
}

unsigned weir_ruleset_compare_ask(
	const struct weir_ruleset_compare *test, const struct weir_rules_record *record, struct weir_scratch *scratch)
{
	uint32_t used = scratch->used;
	struct weir_value value;
	bool is = false;
	int r;

	if (test->is_simple) {
		r = weir_attribute_get(record, test->left.attribute, scratch, &value);
		if (r != 0 && test->left.constant.type != WEIR_TYPE_NONE) {
			value = test->left.constant;
			r = 0;
		}
		if (r == 0 && value.type == WEIR_TYPE_STRING) {
			is = weir_str_equal(value.text, test->constant.text) ==
			     (test->operator_ == WEIR_OPERATOR_EQUAL);
		} else if (r == 0) {
			is = compare(test->operator_, value.number, test->constant.number);
		}
	} else {
		r = weir_expression_evaluate(test->expression, record, scratch, &value);
		is = r == 0 && value.number != 0;
	}
	scratch->used = used;
	return r != 0 ? WEIR_TEST_UNTOLD : is ? WEIR_TEST_YES : WEIR_TEST_NO;
}
