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
#include "rules/language/re2_syntax.h"

#define WORKSPACE_INTS 4096u
#define MEMO_CELLS 1024u
#define MEMO_VALUE 108u
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
	struct weir_pattern *regex = weir_arena_zalloc(set->arena, sizeof(*regex));
	const char *wrong;
	char *text;
	PCRE2_SIZE offset;
	int code;

	if (pattern.length > WEIR_PATTERN_PATTERN_MAX) {
		return bad(why, weir_str_make(pattern.data, 64), "expression too large");
	}
	text = weir_arena_alloc(set->arena, pattern.length + 1);
	if (regex == NULL || text == NULL) {
		return -ENOMEM;
	}
	wrong = weir_re2_syntax_read(pattern, text, &offset);
	if (wrong != NULL) {
		return bad(why, pattern, wrong);
	}
	regex->code = pcre2_compile((PCRE2_SPTR)text, pattern.length,
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
