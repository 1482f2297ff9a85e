/* regex: patterns as Go has them, by PCRE2.
 *
 * Mixer's patterns were RE2's (re2_syntax.h), which needs one pass. PCRE2
 * searches by trying, so each match has a budget of steps and of room, and texts
 * have a length; what needs more (`^(a|a)*$`, a path of many kilobytes) has
 * failed: clients choose texts, and must not choose how long a record takes.
 *
 * Invariants
 *  1. A pattern's code is in the arena; nothing is freed.
 *  2. A match takes its room from the stack: nothing is allocated or shared,
 *     and there is no code made at run time.
 *
 * Any thread. */
#include "rules/language/regex.h"

#include <errno.h>
#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "rules/language/re2_syntax.h"

#define PATTERN_MAX 1024u
#define PARENS_MAX 32u
#define TEXT_MAX 4096u /* a step may look at all of it */
#define STEPS_MAX 10000u
#define ROOM_BYTES 163840u /* of a match: 20 KiB at first, then 40, then 80 */

struct weir_regex {
	pcre2_code *code;
};

/* ---- memory ------------------------------------------------------------- */

struct room { /* of one match: given out, not taken back */
	size_t used;
	_Alignas(16) char bytes[ROOM_BYTES];
};

static void *room_take(size_t size, void *data)
{
	struct room *room = data;
	void *at = room->bytes + room->used;
	size_t rounded = (size + 15) & ~(size_t)15;

	if (rounded < size || rounded > ROOM_BYTES - room->used) {
		return NULL;
	}
	room->used += rounded;
	return at;
}

static void *arena_take(size_t size, void *data)
{
	return weir_arena_alloc(data, size);
}

static void leave(void *at, void *data)
{
	(void)at;
	(void)data;
}

/* ---- patterns ----------------------------------------------------------- */

int weir_regex_compile(
	struct weir_arena *arena, struct weir_str pattern, const struct weir_regex **ret, char *why, size_t why_size)
{
	const uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
				 PCRE2_NO_AUTO_CAPTURE;
	pcre2_general_context *general = pcre2_general_context_create(arena_take, leave, arena);
	pcre2_compile_context *context = general != NULL ? pcre2_compile_context_create(general) : NULL;
	struct weir_regex *regex = weir_arena_alloc(arena, sizeof(*regex));
	char message[160], *text;
	const char *wrong;
	PCRE2_SIZE offset;
	int error;

	if (pattern.length > PATTERN_MAX) {
		(void)snprintf(why, why_size, "The pattern is %zu bytes long; at most %u are read.", pattern.length,
			PATTERN_MAX);
		return WEIR_EXPRESSION_WRONG;
	}
	text = weir_arena_alloc(arena, pattern.length + 1);
	if (context == NULL || regex == NULL || text == NULL) {
		return -ENOMEM;
	}
	wrong = weir_re2_syntax_read(pattern, text, &offset);
	if (wrong != NULL) {
		(void)snprintf(why, why_size, "The pattern is wrong at its byte %zu: %s.", offset + 1, wrong);
		return WEIR_EXPRESSION_WRONG;
	}
	(void)pcre2_set_parens_nest_limit(context, PARENS_MAX);
	regex->code = pcre2_compile((PCRE2_SPTR)text, pattern.length, options, &error, &offset, context);
	if (regex->code == NULL) {
		if (error == PCRE2_ERROR_NOMEMORY || error == 121 /* ERR21: no room */) {
			return -ENOMEM;
		}
		(void)pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof(message));
		(void)snprintf(why, why_size, "The pattern is wrong at its byte %zu: %s.", (size_t)offset + 1, message);
		return WEIR_EXPRESSION_WRONG;
	}
	*ret = regex;
	return 0;
}

int weir_regex_match(const struct weir_regex *regex, struct weir_str text, bool *ret)
{
	struct room room;
	pcre2_general_context *general;
	pcre2_match_context *context;
	pcre2_match_data *data;
	int r;

	if (text.length > TEXT_MAX) {
		return WEIR_VALUE_FAILED;
	}
	room.used = 0; /* the rest stays as it was: it is large */
	general = pcre2_general_context_create(room_take, leave, &room);
	context = general != NULL ? pcre2_match_context_create(general) : NULL;
	data = general != NULL ? pcre2_match_data_create(1, general) : NULL;
	if (context == NULL || data == NULL) {
		return WEIR_VALUE_FAILED;
	}
	(void)pcre2_set_match_limit(context, STEPS_MAX);
	r = pcre2_match(regex->code, (PCRE2_SPTR)(text.data != NULL ? text.data : ""), text.length, 0, PCRE2_NO_JIT,
		data, context);
	if (r < 0 && r != PCRE2_ERROR_NOMATCH) {
		return WEIR_VALUE_FAILED;
	}
	*ret = r != PCRE2_ERROR_NOMATCH;
	return 0;
}
