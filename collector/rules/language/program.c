/* program: the value of a tree for one record.
 *
 * An outcome that is no value goes up as it is: ABSENT until a `|` looks
 * further, FAILED all the way. An entry that a map does not have is ABSENT only
 * where a `|` asks for it, and else an empty text, as Mixer had it: a match of
 * `request.headers["x"] != "y"` applies to who has no x. What is not needed is
 * not evaluated: behind a
 * false of &&, a true of ||, the first that is set of |, the other branch of
 * conditional.
 *
 * Invariants
 *  1. Every node has the type that the checker gave it: values are not looked
 *     at for theirs.
 *  2. Nothing is allocated; texts that are made are in the scratch, and when it
 *     is used up the value is ABSENT.
 *
 * Any thread; no state. */
#include "rules/language/program.h"

#include "rules/language/convert.h"
#include "rules/language/functions.h"
#include "rules/language/regex.h"

/* ---- comparisons -------------------------------------------------------- */

static int order_of_texts(struct weir_str a, struct weir_str b)
{
	size_t length = a.length < b.length ? a.length : b.length;
	int order = length > 0 ? memcmp(a.data, b.data, length) : 0;

	return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static bool is_equal(enum weir_type type, const struct weir_value *a, const struct weir_value *b)
{
	switch (type) {
	case WEIR_TYPE_STRING:
		return weir_str_equal(a->text, b->text);
	case WEIR_TYPE_DOUBLE:
		return a->real == b->real;
	case WEIR_TYPE_IP_ADDRESS:
		return memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
	case WEIR_TYPE_DNS_NAME:
		return weir_convert_dns_name_equal(a->text, b->text);
	case WEIR_TYPE_EMAIL_ADDRESS:
		return weir_convert_email_equal(a->text, b->text);
	case WEIR_TYPE_URI:
		return weir_convert_uri_equal(a->text, b->text);
	default:
		return a->number == b->number;
	}
}

static int order_of(enum weir_type type, const struct weir_value *a, const struct weir_value *b)
{
	if (type == WEIR_TYPE_STRING) {
		return order_of_texts(a->text, b->text);
	}
	if (type == WEIR_TYPE_DOUBLE) {
		return (a->real > b->real) - (a->real < b->real);
	}
	return (a->number > b->number) - (a->number < b->number);
}

static bool is_so(unsigned sign, enum weir_type type, const struct weir_value *a, const struct weir_value *b)
{
	switch (sign) {
	case WEIR_TOKEN_EQUAL:
		return is_equal(type, a, b);
	case WEIR_TOKEN_NOT_EQUAL:
		return !is_equal(type, a, b);
	case WEIR_TOKEN_LESS:
		return order_of(type, a, b) < 0;
	case WEIR_TOKEN_LESS_OR_EQUAL:
		return order_of(type, a, b) <= 0;
	case WEIR_TOKEN_GREATER:
		return order_of(type, a, b) > 0;
	default:
		return order_of(type, a, b) >= 0;
	}
}

static int compare(const struct weir_node *node, const struct weir_rules_record *record, struct weir_scratch *scratch,
	struct weir_value *ret)
{
	const struct weir_node *left = node->first;
	struct weir_value a, b;
	int r = weir_program_run(left, record, scratch, &a);

	r = r != 0 ? r : weir_program_run(left->next, record, scratch, &b);
	if (r == 0) {
		ret->type = WEIR_TYPE_BOOL;
		ret->number = is_so(node->sign, left->type, &a, &b);
	}
	return r;
}

/* ---- sums --------------------------------------------------------------- */

static int texts_join(struct weir_str a, struct weir_str b, struct weir_scratch *scratch, struct weir_str *ret)
{
	char *to;

	if (a.length + b.length > WEIR_SCRATCH_BYTES) {
		return WEIR_VALUE_ABSENT;
	}
	to = weir_scratch_take(scratch, (uint32_t)(a.length + b.length));
	if (to == NULL) {
		return WEIR_VALUE_ABSENT;
	}
	if (a.length > 0) {
		memcpy(to, a.data, a.length);
	}
	if (b.length > 0) {
		memcpy(to + a.length, b.data, b.length);
	}
	*ret = weir_str_make(to, a.length + b.length);
	return 0;
}

static int add(const struct weir_node *node, const struct weir_rules_record *record, struct weir_scratch *scratch,
	struct weir_value *ret)
{
	struct weir_value sum, more;
	int r = weir_program_run(node->first, record, scratch, &sum);

	for (const struct weir_node *operand = node->first->next; r == 0 && operand != NULL; operand = operand->next) {
		r = weir_program_run(operand, record, scratch, &more);
		if (r != 0) {
			return r;
		}
		if (node->type == WEIR_TYPE_STRING) {
			r = texts_join(sum.text, more.text, scratch, &sum.text);
		} else if (node->type == WEIR_TYPE_DOUBLE) {
			sum.real += more.real;
		} else if (__builtin_add_overflow(sum.number, more.number, &sum.number)) {
			r = WEIR_VALUE_FAILED;
		}
	}
	if (r == 0) {
		*ret = sum;
	}
	return r;
}

/* ---- choices ------------------------------------------------------------ */

static int first_set(const struct weir_node *node, const struct weir_rules_record *record, struct weir_scratch *scratch,
	struct weir_value *ret)
{
	int r = WEIR_VALUE_ABSENT;

	for (const struct weir_node *operand = node->first; r == WEIR_VALUE_ABSENT && operand != NULL;
		operand = operand->next) {
		r = weir_program_run(operand, record, scratch, ret);
	}
	return r;
}

/* The first operand that is `end` decides. */
static int chain(const struct weir_node *node, int64_t end, const struct weir_rules_record *record,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	int r = 0;

	for (const struct weir_node *operand = node->first; operand != NULL; operand = operand->next) {
		r = weir_program_run(operand, record, scratch, ret);
		if (r != 0 || ret->number == end) {
			break;
		}
	}
	return r;
}

/* ---- maps and calls ----------------------------------------------------- */

static int entry(const struct weir_node *node, const struct weir_rules_record *record, struct weir_scratch *scratch,
	struct weir_value *ret)
{
	struct weir_value map, key;
	int r = weir_program_run(node->first, record, scratch, &map);

	r = r != 0 ? r : weir_program_run(node->first->next, record, scratch, &key);
	if (r != 0) {
		return r;
	}
	r = map.map < WEIR_ATTRIBUTES ? weir_attribute_get_entry(record, map.map, key.text, ret) : WEIR_VALUE_ABSENT;
	if (r == WEIR_VALUE_ABSENT && !node->is_asked) {
		*ret = (struct weir_value){ .type = WEIR_TYPE_STRING };
		r = 0;
	}
	return r;
}

static int matches(const struct weir_node *node, const struct weir_rules_record *record, struct weir_scratch *scratch,
	struct weir_value *ret)
{
	struct weir_value text;
	bool is_match = false;
	int r = weir_program_run(node->first->next, record, scratch, &text);

	r = r != 0 ? r : weir_regex_match(node->regex, text.text, &is_match);
	if (r == 0) {
		ret->type = WEIR_TYPE_BOOL;
		ret->number = is_match;
	}
	return r;
}

static int conditional(const struct weir_node *node, const struct weir_rules_record *record,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	const struct weir_node *branch = node->first->next;
	struct weir_value condition;
	int r = weir_program_run(node->first, record, scratch, &condition);

	return r != 0 ? r : weir_program_run(condition.number != 0 ? branch : branch->next, record, scratch, ret);
}

static int call(const struct weir_node *node, const struct weir_rules_record *record, struct weir_scratch *scratch,
	struct weir_value *ret)
{
	struct weir_value arguments[WEIR_FUNCTION_ARGUMENTS_MAX];
	unsigned count = 0;
	int r = 0;

	if (node->function->special == WEIR_FUNCTION_CONDITIONAL) {
		return conditional(node, record, scratch, ret);
	}
	if (node->function->special == WEIR_FUNCTION_MATCHES) {
		return matches(node, record, scratch, ret);
	}
	for (const struct weir_node *operand = node->first; r == 0 && operand != NULL; operand = operand->next) {
		r = weir_program_run(operand, record, scratch, &arguments[count++]);
	}
	return r != 0 ? r : node->function->apply(arguments, scratch, ret);
}

/* ---- nodes -------------------------------------------------------------- */

int weir_program_run(const struct weir_node *node, const struct weir_rules_record *record, struct weir_scratch *scratch,
	struct weir_value *ret)
{
	int r;

	switch ((enum weir_node_kind)node->kind) {
	case WEIR_NODE_LITERAL:
		*ret = node->value;
		return 0;
	case WEIR_NODE_ATTRIBUTE:
		return weir_attribute_get(record, node->attribute, scratch, ret);
	case WEIR_NODE_INDEX:
		return entry(node, record, scratch, ret);
	case WEIR_NODE_CALL:
		return call(node, record, scratch, ret);
	case WEIR_NODE_FIRST:
		return first_set(node, record, scratch, ret);
	case WEIR_NODE_ADD:
		return add(node, record, scratch, ret);
	case WEIR_NODE_COMPARE:
		return compare(node, record, scratch, ret);
	case WEIR_NODE_AND:
		return chain(node, 0, record, scratch, ret);
	case WEIR_NODE_OR:
		return chain(node, 1, record, scratch, ret);
	case WEIR_NODE_NOT:
		r = weir_program_run(node->first, record, scratch, ret);
		if (r == 0) {
			ret->number = ret->number == 0;
		}
		return r;
	}
	return WEIR_VALUE_FAILED;
}
