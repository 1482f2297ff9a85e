/* expression_case: one expression compiled and evaluated, from text to text. */
#include "support/expression_case.h"

#include "base/ip.h"
#include "rules/language/convert.h"
#include "rules/language/expression.h"

/* ---- pictures ------------------------------------------------------------ */

static bool is_picture(const char *at)
{
	return (unsigned char)at[0] == 0xe2 && (unsigned char)at[1] == 0x90 && ((unsigned char)at[2] & 0xe0) == 0x80;
}

static void pictures_undo(char *text)
{
	char *to = text;

	while (*text != '\0') {
		bool is_one = is_picture(text);

		*to++ = is_one ? (char)(text[2] & 0x1f) : *text;
		text += is_one ? 3 : 1;
	}
	*to = '\0';
}

static void pictures_add(struct weir_buf *buf, struct weir_str text)
{
	for (size_t i = 0; i < text.length; i++) {
		if ((unsigned char)text.data[i] < 0x20) {
			weir_buf_add(buf, "\xe2\x90", 2);
			weir_buf_add_char(buf, (char)(0x80 | text.data[i]));
		} else {
			weir_buf_add_char(buf, text.data[i]);
		}
	}
}

/* ---- attributes ---------------------------------------------------------- */

static bool value_tell(struct weir_str text, enum weir_type type, struct weir_value *ret)
{
	long long number = 0;

	ret->type = type;
	switch (type) {
	case WEIR_TYPE_STRING:
		ret->text = text;
		return true;
	case WEIR_TYPE_INT64:
		if (weir_str_to_i64(text, &number) != 0) {
			return false;
		}
		ret->number = number;
		return true;
	case WEIR_TYPE_BOOL:
		ret->number = weir_str_is(text, "true");
		return ret->number == 1 || weir_str_is(text, "false");
	case WEIR_TYPE_DURATION:
		return weir_convert_duration(text, &ret->number);
	case WEIR_TYPE_TIMESTAMP:
		return weir_convert_timestamp(text, &ret->number);
	case WEIR_TYPE_IP_ADDRESS:
		return weir_ip_read(text, ret->ip);
	default: /* no attribute has this type */
		return false;
	}
}

bool expression_case_tell(struct weir_str text, struct expression_told *ret)
{
	memset(ret, 0, sizeof(*ret));
	while (text.length > 0) {
		struct weir_str value = weir_str_trim(weir_str_cut(&text, ';'));
		struct weir_str key = weir_str_cut(&value, '=');
		struct weir_str name = weir_str_cut(&key, '[');
		enum weir_attribute attribute = 0;

		if (!weir_attribute_find(name, &attribute)) {
			return false;
		}
		if (key.length == 0) {
			if (!value_tell(value, weir_attribute_type(attribute), &ret->values[attribute])) {
				return false;
			}
		} else if (ret->pair_count < EXPRESSION_CASE_PAIRS_MAX) {
			ret->pairs[ret->pair_count++] = (struct weir_rules_pair){
				.map = attribute, .key = weir_str_cut(&key, ']'), .value = value
			};
		} else {
			return false;
		}
	}
	return true;
}

/* ---- the outcome ---------------------------------------------------------- */

static void outcome_say(
	const struct weir_expression *expression, const struct expression_told *told, struct weir_buf *ret_outcome)
{
	static struct weir_scratch scratch;
	struct weir_rules_record record = {
		.told = told->values, .told_pairs = told->pairs, .told_pair_count = told->pair_count
	};
	struct weir_value value = { 0 };
	int r;

	weir_scratch_reset(&scratch);
	weir_buf_add_text(ret_outcome, weir_type_name(weir_expression_type(expression)));
	r = weir_expression_evaluate(expression, &record, &scratch, &value);
	if (r != 0) {
		weir_buf_add_text(ret_outcome, r == WEIR_VALUE_ABSENT ? " absent" : " failed");
		return;
	}
	if (value.type != weir_expression_type(expression)) {
		weir_buf_addf(ret_outcome, " as %s", weir_type_name(value.type));
	}
	weir_buf_add_text(ret_outcome, " =");
	pictures_add(ret_outcome, weir_value_text(&value, &scratch));
}

bool expression_case_run(char *expression, char *told, struct weir_buf *ret_outcome)
{
	static struct expression_told attributes;
	const struct weir_expression *compiled;
	struct weir_expression_error error;
	struct weir_arena arena;
	int r;

	pictures_undo(expression);
	pictures_undo(told);
	if (!expression_case_tell(weir_str_of(told), &attributes)) {
		return false;
	}
	weir_arena_init(&arena, 4096, 4u << 20);
	r = weir_expression_compile(&arena, weir_str_of(expression), WEIR_TYPE_NONE, &compiled, &error);
	if (r == 0) {
		outcome_say(compiled, &attributes, ret_outcome);
	} else if (r == WEIR_EXPRESSION_WRONG) {
		weir_buf_addf(ret_outcome, "refused %zu:%zu %s", error.line, error.column, error.why);
	} else {
		weir_buf_addf(ret_outcome, "error %d", r);
	}
	weir_arena_fini(&arena);
	return true;
}
