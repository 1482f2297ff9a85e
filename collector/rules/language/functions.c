/* functions: Mixer's functions, a row each.
 *
 * Any thread; no state. */
#include "rules/language/functions.h"

#include "base/ip.h"
#include "rules/language/convert.h"

/* ---- conversions -------------------------------------------------------- */

static int ip(const struct weir_value *arguments, struct weir_scratch *scratch, struct weir_value *ret)
{
	(void)scratch;
	ret->type = WEIR_TYPE_IP_ADDRESS;
	return weir_ip_read(arguments[0].text, ret->ip) ? 0 : WEIR_VALUE_FAILED;
}

static int timestamp(const struct weir_value *arguments, struct weir_scratch *scratch, struct weir_value *ret)
{
	(void)scratch;
	ret->type = WEIR_TYPE_TIMESTAMP;
	return weir_convert_timestamp(arguments[0].text, &ret->number) ? 0 : WEIR_VALUE_FAILED;
}

static int as(enum weir_type type, bool is_one, const struct weir_value *argument, struct weir_value *ret)
{
	*ret = (struct weir_value){ .type = type, .text = argument->text };
	return is_one ? 0 : WEIR_VALUE_FAILED;
}

static int dns_name(const struct weir_value *arguments, struct weir_scratch *scratch, struct weir_value *ret)
{
	(void)scratch;
	return as(WEIR_TYPE_DNS_NAME, weir_convert_is_dns_name(arguments[0].text), arguments, ret);
}

static int email(const struct weir_value *arguments, struct weir_scratch *scratch, struct weir_value *ret)
{
	(void)scratch;
	return as(WEIR_TYPE_EMAIL_ADDRESS, weir_convert_is_email(arguments[0].text), arguments, ret);
}

static int uri(const struct weir_value *arguments, struct weir_scratch *scratch, struct weir_value *ret)
{
	(void)scratch;
	return as(WEIR_TYPE_URI, weir_convert_is_uri(arguments[0].text), arguments, ret);
}

/* ---- texts -------------------------------------------------------------- */

static int set_bool(bool is_true, struct weir_value *ret)
{
	*ret = (struct weir_value){ .type = WEIR_TYPE_BOOL, .number = is_true };
	return 0;
}

static bool begins(struct weir_str text, struct weir_str with)
{
	return text.length >= with.length && (with.length == 0 || memcmp(text.data, with.data, with.length) == 0);
}

static bool ends(struct weir_str text, struct weir_str with)
{
	return text.length >= with.length &&
	       (with.length == 0 || memcmp(text.data + text.length - with.length, with.data, with.length) == 0);
}

/* One `*`, at the end or else at the beginning; elsewhere it is a character like others. */
static int match(const struct weir_value *arguments, struct weir_scratch *scratch, struct weir_value *ret)
{
	struct weir_str text = arguments[0].text, pattern = arguments[1].text;

	(void)scratch;
	if (pattern.length > 0 && pattern.data[pattern.length - 1] == '*') {
		return set_bool(begins(text, weir_str_make(pattern.data, pattern.length - 1)), ret);
	}
	if (pattern.length > 0 && pattern.data[0] == '*') {
		return set_bool(ends(text, weir_str_make(pattern.data + 1, pattern.length - 1)), ret);
	}
	return set_bool(weir_str_equal(text, pattern), ret);
}

static int starts_with(const struct weir_value *arguments, struct weir_scratch *scratch, struct weir_value *ret)
{
	(void)scratch;
	return set_bool(begins(arguments[0].text, arguments[1].text), ret);
}

static int ends_with(const struct weir_value *arguments, struct weir_scratch *scratch, struct weir_value *ret)
{
	(void)scratch;
	return set_bool(ends(arguments[0].text, arguments[1].text), ret);
}

static int size(const struct weir_value *arguments, struct weir_scratch *scratch, struct weir_value *ret)
{
	(void)scratch;
	*ret = (struct weir_value){ .type = WEIR_TYPE_INT64, .number = (int64_t)arguments[0].text.length };
	return 0;
}

/* Room for a text as long as this one. */
static char *room_for(struct weir_str text, struct weir_scratch *scratch)
{
	return text.length <= WEIR_SCRATCH_BYTES ? weir_scratch_take(scratch, (uint32_t)text.length) : NULL;
}

static int to_lower(const struct weir_value *arguments, struct weir_scratch *scratch, struct weir_value *ret)
{
	struct weir_str text = arguments[0].text;
	size_t i = 0;
	char *to;

	*ret = arguments[0];
	while (i < text.length && !(text.data[i] >= 'A' && text.data[i] <= 'Z')) {
		i++;
	}
	if (i == text.length) {
		return 0;
	}
	to = room_for(text, scratch);
	if (to == NULL) {
		return WEIR_VALUE_ABSENT;
	}
	weir_str_copy_lower(to, text);
	ret->text.data = to;
	return 0;
}

/* By characters: what follows the first byte of one stays behind it. */
static int reverse(const struct weir_value *arguments, struct weir_scratch *scratch, struct weir_value *ret)
{
	struct weir_str text = arguments[0].text;
	char *to = room_for(text, scratch);
	size_t end = text.length, at = 0;

	if (to == NULL) {
		return WEIR_VALUE_ABSENT;
	}
	*ret = (struct weir_value){ .type = WEIR_TYPE_STRING, .text = { to, text.length } };
	while (end > 0) {
		size_t begin = end - 1;

		while (begin > 0 && ((unsigned char)text.data[begin] & 0xc0) == 0x80) {
			begin--;
		}
		memcpy(to + at, text.data + begin, end - begin);
		at += end - begin;
		end = begin;
	}
	return 0;
}

static int empty_string_map(const struct weir_value *arguments, struct weir_scratch *scratch, struct weir_value *ret)
{
	(void)arguments;
	(void)scratch;
	*ret = (struct weir_value){ .type = WEIR_TYPE_STRING_MAP, .map = WEIR_ATTRIBUTES };
	return 0;
}

/* Both texts are evaluated, unlike those of `conditional`. */
static int conditional_string(const struct weir_value *arguments, struct weir_scratch *scratch, struct weir_value *ret)
{
	(void)scratch;
	*ret = arguments[arguments[0].number != 0 ? 1 : 2];
	return 0;
}

/* ---- all ---------------------------------------------------------------- */

enum {
	CALLED = WEIR_FUNCTION_CALLED,
	METHOD = WEIR_FUNCTION_METHOD,
	BOTH = WEIR_FUNCTION_CALLED | WEIR_FUNCTION_METHOD,
	PLAIN = WEIR_FUNCTION_PLAIN,
	S = WEIR_TYPE_STRING,
	B = WEIR_TYPE_BOOL,
	ANY = WEIR_TYPE_NONE,
};

static const struct weir_function functions[] = {
	/* name, forms, special, type, arguments, their types */
	{ { "conditional", 11 }, CALLED, WEIR_FUNCTION_CONDITIONAL, ANY, 3, { B, ANY, ANY }, NULL },
	{ { "conditionalString", 17 }, CALLED, PLAIN, S, 3, { B, S, S }, conditional_string },
	{ { "match", 5 }, CALLED, PLAIN, B, 2, { S, S }, match },
	{ { "matches", 7 }, METHOD, WEIR_FUNCTION_MATCHES, B, 2, { S, S }, NULL },
	{ { "startsWith", 10 }, METHOD, PLAIN, B, 2, { S, S }, starts_with },
	{ { "endsWith", 8 }, METHOD, PLAIN, B, 2, { S, S }, ends_with },
	{ { "email", 5 }, CALLED, PLAIN, WEIR_TYPE_EMAIL_ADDRESS, 1, { S }, email },
	{ { "dnsName", 7 }, CALLED, PLAIN, WEIR_TYPE_DNS_NAME, 1, { S }, dns_name },
	{ { "ip", 2 }, CALLED, PLAIN, WEIR_TYPE_IP_ADDRESS, 1, { S }, ip },
	{ { "timestamp", 9 }, CALLED, PLAIN, WEIR_TYPE_TIMESTAMP, 1, { S }, timestamp },
	{ { "uri", 3 }, CALLED, PLAIN, WEIR_TYPE_URI, 1, { S }, uri },
	{ { "toLower", 7 }, BOTH, PLAIN, S, 1, { S }, to_lower },
	{ { "size", 4 }, BOTH, PLAIN, WEIR_TYPE_INT64, 1, { S }, size },
	{ { "reverse", 7 }, BOTH, PLAIN, S, 1, { S }, reverse },
	{ { "emptyStringMap", 14 }, CALLED, PLAIN, WEIR_TYPE_STRING_MAP, 0, { ANY }, empty_string_map },
};

const struct weir_function *weir_function_find(struct weir_str name)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (weir_str_equal(functions[i].name, name)) {
			return &functions[i];
		}
	}
	return NULL;
}
