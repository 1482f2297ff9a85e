/* pattern: patterns of RE2's syntax on PCRE2's breadth-first matcher.
 *
 * Who writes a selector thinks of RE2: no look-around, no back-reference, and
 * never exponential. PCRE2's usual matcher backtracks: `(a+)+$` against thirty
 * letters would hold a query thread for minutes, and with a limit it would
 * refuse what RE2 answers. Its other matcher (pcre2_dfa_match) keeps the set of
 * places where the pattern may be and walks the value once, as RE2 does; what
 * it cannot do, RE2 has not.
 *
 *   pattern ─ check: syntax that RE2 does not have is refused, `\v` is a character
 *           ─ compile, anchored at both ends, `.` is any character (Prometheus 3)
 *   value   ─ remembered? else walked, from the left end to the right one
 *
 * Values repeat on thousands of lines, so the last answers are remembered, by
 * pattern and whole value.
 *
 * Invariants
 *  1. Memory: compiled patterns, the workspace and what is remembered lie in the
 *     request's arena. A walk has at most WORKSPACE_INTS / 6 places at a time.
 *  2. Time: a walk is at most value × places², a quarter of a second for the
 *     worst that fits (nested repetitions over the longest value) and usually a
 *     microsecond; the clock is asked before each.
 *  3. `memo` is a direct-mapped table: a newer answer takes an older one's place.
 *
 * Thread: the request's. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "exporters/metrics/pattern.h"

#include <errno.h>
#include <pcre2.h>
#include <string.h>

#include "base/clock.h"

#define WORKSPACE_INTS 4096u
#define MEMO_CELLS 1024u
#define MEMO_VALUE 108u
#define REPEAT_MAX 1000u
#define NEST_MAX 100u
#define STEPS_MAX 20000u
#define HEAP_MAX_KIB 1024u

struct memo_cell {
	const struct weir_pattern *regex; /* NULL: empty */
	uint16_t length;
	bool is_match;
	char value[MEMO_VALUE];
};

struct weir_pattern_set {
	struct weir_arena *arena;
	uint64_t deadline_ns;
	uint32_t count;
	pcre2_general_context *general;
	pcre2_compile_context *compiling;
	pcre2_match_context *matching;
	pcre2_match_data *data;
	int workspace[WORKSPACE_INTS];
	struct memo_cell memo[MEMO_CELLS];
};

struct weir_pattern {
	struct weir_pattern_set *set;
	pcre2_code *code;
	uint32_t number; /* for the memo's hash */
};

static void *memory_get(PCRE2_SIZE size, void *arena)
{
	return weir_arena_alloc(arena, size);
}

static void memory_put(void *memory, void *arena)
{
	(void)memory;
	(void)arena; /* it goes with the arena */
}

int weir_pattern_set_create(struct weir_arena *arena, uint64_t deadline_ns, struct weir_pattern_set **ret_set)
{
	struct weir_pattern_set *set = weir_arena_zalloc(arena, sizeof(*set));

	if (set == NULL) {
		return -ENOMEM;
	}
	set->arena = arena;
	set->deadline_ns = deadline_ns;
	set->general = pcre2_general_context_create(memory_get, memory_put, arena);
	if (set->general == NULL) {
		return -ENOMEM;
	}
	set->compiling = pcre2_compile_context_create(set->general);
	set->matching = pcre2_match_context_create(set->general);
	set->data = pcre2_match_data_create(1, set->general);
	if (set->compiling == NULL || set->matching == NULL || set->data == NULL) {
		return -ENOMEM;
	}
	pcre2_set_parens_nest_limit(set->compiling, NEST_MAX);
	pcre2_set_newline(set->compiling, PCRE2_NEWLINE_LF);
	pcre2_set_match_limit(set->matching, STEPS_MAX);
	pcre2_set_depth_limit(set->matching, NEST_MAX);
	pcre2_set_heap_limit(set->matching, HEAP_MAX_KIB);
	*ret_set = set;
	return 0;
}

/* ---- what RE2 has --------------------------------------------------------- */

struct check { /* a pattern on its way into one that means the same to PCRE2 */
	struct weir_str pattern;
	size_t at;
	bool is_class; /* between [ and ] */
	char *out;
	size_t length;
};

static int peek(const struct check *check, size_t ahead)
{
	size_t at = check->at + ahead;

	return at < check->pattern.length ? (unsigned char)check->pattern.data[at] : -1;
}

static void take(struct check *check, size_t count)
{
	memcpy(check->out + check->length, check->pattern.data + check->at, count);
	check->length += count;
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
	if (c == 'v') { /* to PCRE2 a class of all vertical white space */
		memcpy(check->out + check->length, "\\x0b", 4);
		check->length += 4;
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
		(!is_word(c) || c == '_' || is_among(c, check->is_class ? "aftnrdDsSwWpPx" : "aftnrdDsSwWpPxAzbB"))) {
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

/* NULL, or what is wrong. `out` has room for twice the pattern. */
static const char *check_pattern(struct check *check)
{
	const char *wrong = NULL;

	while (wrong == NULL && peek(check, 0) >= 0) {
		switch (peek(check, 0)) {
		case '\\':
			wrong = check_escape(check);
			break;
		case '(':
			wrong = check_group(check);
			break;
		case '[':
			wrong = check_class(check);
			break;
		case '*':
		case '+':
		case '?':
		case '{':
			wrong = check_repeat(check);
			break;
		default:
			take(check, 1);
		}
	}
	return wrong;
}

/* ---- compiling and matching ------------------------------------------------ */

static int bad(struct weir_buf *why, struct weir_str pattern, const char *what)
{
	weir_buf_add_text(why, "error parsing regexp: ");
	weir_buf_add_text(why, what);
	weir_buf_add_text(why, ": `");
	weir_buf_add_str(why, pattern);
	weir_buf_add_char(why, '`');
	return WEIR_PATTERN_BAD;
}

int weir_pattern_compile(
	struct weir_pattern_set *set, struct weir_str pattern, struct weir_buf *why, struct weir_pattern **ret_regex)
{
	struct check check = { .pattern = pattern, .at = 0 };
	struct weir_pattern *regex = weir_arena_zalloc(set->arena, sizeof(*regex));
	const char *wrong;
	PCRE2_SIZE offset;
	int code;

	if (pattern.length > WEIR_PATTERN_PATTERN_MAX) {
		return bad(why, weir_str_make(pattern.data, 64), "expression too large");
	}
	check.out = weir_arena_alloc(set->arena, 2 * pattern.length + 1);
	if (regex == NULL || check.out == NULL) {
		return -ENOMEM;
	}
	wrong = check_pattern(&check);
	if (wrong != NULL) {
		return bad(why, pattern, wrong);
	}
	regex->code = pcre2_compile((PCRE2_SPTR)check.out, check.length,
		PCRE2_UTF | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_ANCHORED | PCRE2_ENDANCHORED |
			PCRE2_NO_AUTO_CAPTURE | PCRE2_DUPNAMES,
		&code, &offset, set->compiling);
	if (regex->code == NULL) {
		PCRE2_UCHAR said[120];

		if (code == PCRE2_ERROR_HEAP_FAILED) {
			return -ENOMEM;
		}
		pcre2_get_error_message(code, said, sizeof(said));
		return bad(why, pattern, (const char *)said);
	}
	regex->set = set;
	regex->number = set->count++;
	*ret_regex = regex;
	return 0;
}

static struct memo_cell *memo_at(const struct weir_pattern *regex, struct weir_str value)
{
	uint32_t hash = 2166136261u ^ regex->number * 2654435761u;

	if (value.length > MEMO_VALUE) {
		return NULL;
	}
	for (size_t i = 0; i < value.length; i++) {
		hash = (hash ^ (unsigned char)value.data[i]) * 16777619u;
	}
	return &regex->set->memo[(hash ^ hash >> 16) % MEMO_CELLS];
}

static int walk(const struct weir_pattern *regex, struct weir_str value)
{
	struct weir_pattern_set *set = regex->set;
	int count;

	if (set->deadline_ns != 0 && weir_clock_monotonic_ns() > set->deadline_ns) {
		return -ETIMEDOUT;
	}
	count = pcre2_dfa_match(regex->code, (PCRE2_SPTR)(value.length > 0 ? value.data : ""), value.length, 0, 0,
		set->data, set->matching, set->workspace, WORKSPACE_INTS);
	if (count >= 0) { /* anchored at both ends: the whole */
		return 1;
	}
	if (count == PCRE2_ERROR_NOMATCH || (count <= PCRE2_ERROR_UTF8_ERR1 && count >= PCRE2_ERROR_UTF8_ERR21)) {
		return 0;
	}
	return -E2BIG;
}

int weir_pattern_matches(const struct weir_pattern *regex, struct weir_str value)
{
	struct memo_cell *cell = memo_at(regex, value);
	int result;

	if (cell != NULL && cell->regex == regex && cell->length == value.length &&
		memcmp(cell->value, value.data != NULL ? value.data : "", value.length) == 0) {
		return cell->is_match;
	}
	result = walk(regex, value);
	if (cell != NULL && result >= 0) {
		cell->regex = regex;
		cell->length = (uint16_t)value.length;
		cell->is_match = result == 1;
		memcpy(cell->value, value.data != NULL ? value.data : "", value.length);
	}
	return result;
}
