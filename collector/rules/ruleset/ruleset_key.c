/* ruleset_key: what a record's labels and matches hang on beyond the base key.
 *
 * Asked for each record; labels and matches only for one that the fold's memo
 * does not know. The key is made of
 *
 *   questions   the parts of matches, taken apart at && and ||, that the base key
 *               does not answer: two bits each (yes, no, cannot be told)
 *   labels      that it does not tell: their value as it will be written: a path's
 *               template, not the path
 *
 * So what multiplies the memo's entries is what multiplies series, and no more: a
 * rule may look at user agents without an entry for each of them.
 *
 * Guards keep the work small: tests that the base key does answer, asked once a
 * record for all that they guard.
 *
 *   C && Q                   is no whatever Q is, where C is no
 *   C || Q                   is yes whatever Q is, where C is yes
 *   conditional(C, X, Y)     is Y where C is no; Y is told by the base key
 *
 * Only what stands behind C is guarded: before it, an unset attribute would have
 * ended the whole.
 *
 * Invariants
 *  1. Records of equal base keys and equal keys have equal hits and equal label
 *     texts. A label that cannot be evaluated is told apart from an empty one.
 *  2. Scratch is left as it was found. */
#include <errno.h>

#include <xxhash.h>

#include "rules/ruleset/ruleset_inside.h"
#include "rules/ruleset/split.h"

#define PARTS_DEEP 16u
#define QUESTIONS_MAX 1024u
#define A_WORD 32u /* questions */

/* ---- while loading -------------------------------------------------------------- */

static const struct weir_ruleset_guard no_guard = { .test = WEIR_RULESET_GUARDS_MAX };

static int question_add(
	struct weir_ruleset *set, const struct weir_ruleset_compare *test, const struct weir_ruleset_guard *guard)
{
	for (uint32_t i = 0; i < set->question_count; i++) {
		const struct weir_ruleset_question *other = &set->questions[i];

		if (weir_str_equal(other->test.text, test->text) && other->guard.test == guard->test &&
			other->guard.closing == guard->closing) {
			return 0;
		}
	}
	if (set->question_count == QUESTIONS_MAX) {
		return -ENOMEM; /* 256 rules of so many parts do not fit the arena either */
	}
	set->questions[set->question_count++] = (struct weir_ruleset_question){ .test = *test, .guard = *guard };
	return 0;
}

/* Is one yes where the other is no: a == b and a != b, of which neither can be untold? */
static bool are_opposite(const struct weir_ruleset_compare *a, const struct weir_ruleset_compare *b)
{
	return a->is_simple && b->is_simple && a->constant.type == WEIR_TYPE_STRING &&
	       b->constant.type == WEIR_TYPE_STRING && a->left.attribute == b->left.attribute &&
	       a->left.constant.type == WEIR_TYPE_STRING && b->left.constant.type == WEIR_TYPE_STRING &&
	       weir_str_equal(a->constant.text, b->constant.text) &&
	       weir_str_equal(a->left.constant.text, b->left.constant.text) && a->operator_ != b->operator_;
}

static struct weir_ruleset_guard guard_add(
	struct weir_ruleset *set, const struct weir_ruleset_compare *test, uint32_t closing)
{
	for (uint32_t i = 0; i < set->guard_count; i++) {
		if (weir_str_equal(set->guards[i].text, test->text)) {
			return (struct weir_ruleset_guard){ .test = i, .closing = closing };
		}
		if (are_opposite(&set->guards[i], test)) {
			return (struct weir_ruleset_guard){ .test = i,
				.closing = closing == WEIR_TEST_YES ? WEIR_TEST_NO : WEIR_TEST_YES };
		}
	}
	if (set->guard_count == WEIR_RULESET_GUARDS_MAX) {
		return no_guard;
	}
	set->guards[set->guard_count] = *test;
	return (struct weir_ruleset_guard){ .test = set->guard_count++, .closing = closing };
}

/* The parts of a match; *guard becomes what guards that which follows in the same chain. */
static int questions_add(struct weir_ruleset *set, struct weir_str text, uint32_t closing, unsigned depth,
	struct weir_ruleset_guard *guard)
{
	struct weir_str whole = weir_split_bare(text);
	bool is_or = weir_split_at(whole, "||") < whole.length;
	size_t cut = weir_split_at(whole, is_or ? "||" : "&&");
	struct weir_ruleset_guard inner = *guard;
	struct weir_ruleset_compare test;
	int r;

	if (cut == whole.length || depth == PARTS_DEEP) {
		r = weir_ruleset_compare_make(&set->arena, whole, &test);
		if (r != 0 || !weir_expression_is_keyed(test.expression)) {
			return r != 0 ? r : question_add(set, &test, guard);
		}
		*guard = guard_add(set, &test, closing);
		return 0;
	}
	closing = is_or ? WEIR_TEST_YES : WEIR_TEST_NO;
	for (r = 0; r == 0 && cut < whole.length; cut = weir_split_at(whole, is_or ? "||" : "&&")) {
		r = questions_add(set, weir_str_make(whole.data, cut), closing, depth + 1, &inner);
		whole = weir_str_make(whole.data + cut + 2, whole.length - cut - 2);
	}
	return r != 0 ? r : questions_add(set, whole, closing, depth + 1, &inner);
}

static int guard_find(struct weir_ruleset *set, const struct weir_ruleset_term *label, struct weir_ruleset_guard *ret)
{
	struct weir_expression_error error;
	const struct weir_expression *otherwise;
	struct weir_str arguments[3];
	struct weir_ruleset_compare test;
	int r;

	*ret = no_guard;
	if (!weir_split_call(label->text, "conditional", 3, arguments)) {
		return 0;
	}
	r = weir_ruleset_compare_make(&set->arena, arguments[0], &test);
	r = r != 0 ? r : weir_expression_compile(&set->arena, arguments[2], WEIR_TYPE_NONE, &otherwise, &error);
	if (r == 0 && weir_expression_is_keyed(test.expression) && weir_expression_is_keyed(otherwise)) {
		*ret = guard_add(set, &test, WEIR_TEST_NO);
	}
	return r < 0 ? r : 0;
}

static int label_add(struct weir_ruleset *set, const struct weir_ruleset_term *label)
{
	struct weir_ruleset_key_label *added = &set->key_labels[set->key_label_count];

	for (uint32_t i = 0; i < set->key_label_count; i++) {
		if (weir_str_equal(set->key_labels[i].label->text, label->text)) {
			return 0;
		}
	}
	set->key_label_count++;
	added->label = label;
	return guard_find(set, label, &added->guard);
}

int weir_ruleset_key_prepare(struct weir_ruleset *set)
{
	uint32_t most = 0;
	int r = 0;

	for (uint32_t i = 0; i < set->schema.group_count; i++) {
		most += set->groups[i].label_count;
	}
	set->key_labels = weir_arena_zalloc(&set->arena, (most + 1) * sizeof(*set->key_labels));
	set->questions = weir_arena_zalloc(&set->arena, QUESTIONS_MAX * sizeof(*set->questions));
	set->guards = weir_arena_zalloc(&set->arena, WEIR_RULESET_GUARDS_MAX * sizeof(*set->guards));
	if (set->key_labels == NULL || set->questions == NULL || set->guards == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < set->schema.group_count; i++) {
		for (uint32_t j = 0; j < set->groups[i].label_count && r == 0; j++) {
			r = set->groups[i].labels[j].is_keyed ? 0 : label_add(set, &set->groups[i].labels[j]);
		}
	}
	for (uint32_t i = 0; i < set->rule_count && r == 0; i++) {
		const struct weir_ruleset_rule *rule = &set->rules[i];

		if (rule->counts && rule->match.expression != NULL && !rule->match.is_keyed) {
			struct weir_ruleset_guard guard = no_guard;

			r = questions_add(set, rule->match.text, WEIR_TEST_NO, 0, &guard);
			if (r > 0) { /* what cannot be taken apart is one question */
				r = question_add(set,
					&(struct weir_ruleset_compare){
						.expression = rule->match.expression, .text = rule->match.text },
					&no_guard);
			}
		}
	}
	return r;
}

/* ---- for each record -------------------------------------------------------------- */

static void key_add(struct weir_ruleset_key *key, uint32_t which, const void *data, size_t length)
{
	XXH128_hash_t hash = XXH3_128bits_withSeed(data, length, which + 1);

	key->low = (key->low ^ hash.low64) * UINT64_C(0x9e3779b97f4a7c15);
	key->high = (key->high ^ hash.high64) * UINT64_C(0xc2b2ae3d27d4eb4f);
}

static void label_key_add(const struct weir_ruleset *ruleset, uint32_t i, const struct weir_rules_record *record,
	struct weir_scratch *scratch, struct weir_ruleset_key *key)
{
	uint32_t used = scratch->used;
	struct weir_str text = { NULL, 0 };
	int r = weir_ruleset_label_text(ruleset->key_labels[i].label, record, scratch, &text);

	if (r != 0) {
		key_add(key, UINT32_MAX / 2 + i, "", 0);
	} else if (text.length > 0) {
		key_add(key, i, text.data, text.length);
	}
	scratch->used = used;
}

static bool is_moot(const struct weir_ruleset_guard *guard, const uint64_t answers[2])
{
	return guard->test < WEIR_RULESET_GUARDS_MAX && (answers[guard->closing] >> guard->test & 1);
}

struct weir_ruleset_key weir_ruleset_key(
	const struct weir_ruleset *ruleset, const struct weir_rules_record *record, struct weir_scratch *scratch)
{
	struct weir_ruleset_key key = { 0, 0 };
	uint64_t guards[3] = { 0 }, answers = 0;

	for (uint32_t i = 0; i < ruleset->guard_count; i++) {
		guards[weir_ruleset_compare_ask(&ruleset->guards[i], record, scratch)] |= UINT64_C(1) << i;
	}
	for (uint32_t i = 0; i < ruleset->question_count; i++) {
		const struct weir_ruleset_question *question = &ruleset->questions[i];

		if (!is_moot(&question->guard, guards)) {
			answers |= (uint64_t)weir_ruleset_compare_ask(&question->test, record, scratch)
				   << i % A_WORD * 2;
		}
		if (i % A_WORD == A_WORD - 1) {
			key_add(&key, UINT32_MAX - 1 - i / A_WORD, &answers, sizeof(answers));
			answers = 0;
		}
	}
	for (uint32_t i = 0; i < ruleset->key_label_count; i++) {
		if (!is_moot(&ruleset->key_labels[i].guard, guards)) {
			label_key_add(ruleset, i, record, scratch, &key);
		}
	}
	key.low ^= answers;
	return key;
}
