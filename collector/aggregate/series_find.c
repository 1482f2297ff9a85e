/* series_find: which sets a label text leads to, within the budget and beyond it.
 *
 *   text ─▶ its set has the metric ─yes─▶ there
 *             │no
 *             ├ fits the budget ────────▶ there, made or grown
 *             └ does not ───────────────▶ overflow set of the group
 *
 * An overflow set has the same label names, with the values of all but
 * `reporter`, `response_code` and `request_protocol` replaced by `_overflow`.
 * What lies beyond the budget is bounded as well: codes come from outside, and a
 * rule may make the two others of what does. So from OVERFLOW_SETS or
 * OVERFLOW_WORDS on codes are replaced too, from twice as many on everything; and
 * a value of more than KEPT_BYTES is never kept.
 *
 * Invariants
 *  1. The answer is a function of the table: caches in front of it may forget.
 *     One that leads to an overflow set is the same until a set is made or grows
 *     (`changes`) or sets are removed; every other until sets are removed.
 *  2. A text has a metric in one set: where an overflow set has the very text that
 *     is asked for (a rule of no other labels), it goes on to count there.
 *  3. Sets that are made or grow are in the next cut, whether they count or not. */
#include "aggregate/bounds.h"
#include "aggregate/series_part.h"
#include "base/err.h"
#include "rules/label_text.h"

#define OVERFLOW_SETS 512u
#define OVERFLOW_WORDS WEIR_BOUNDS_SERIES_OVERFLOW_WORDS
#define KEPT_BYTES 64u

enum keeping { KEEPS_CODES, KEEPS_NO_CODES, KEEPS_NOTHING };

static bool keeps_value(struct weir_str name, size_t length, enum keeping keeping)
{
	return keeping != KEEPS_NOTHING && length <= KEPT_BYTES &&
	       (weir_str_is(name, "reporter") || weir_str_is(name, "request_protocol") ||
		       (keeping == KEEPS_CODES && weir_str_is(name, "response_code")));
}

/* The overflow text of `labels`: `name="value",…`, values escaped. */
static void overflow_text(struct weir_str labels, enum keeping keeping, struct weir_buf *ret)
{
	struct weir_label_text label;

	weir_buf_clear(ret);
	while (weir_label_text_next(&labels, &label) > 0) {
		if (ret->length > 0) {
			weir_buf_add_char(ret, ',');
		}
		weir_buf_add_str(ret, label.name);
		weir_buf_add_text(ret, "=\"");
		if (keeps_value(label.name, label.value.length, keeping)) {
			weir_buf_add_str(ret, label.value);
		} else {
			weir_buf_add_text(ret, "_overflow");
		}
		weir_buf_add_char(ret, '"');
	}
	if (ret->length == 0) { /* a metric without labels */
		weir_buf_add_char(ret, ' ');
	}
}

static uint32_t salt_of(const struct weir_series *series, uint32_t group)
{
	return (uint32_t)series->groups[group].id;
}

static void mask_grow(struct weir_series *series, uint32_t set, uint32_t more)
{
	if ((more & ~series->sets[set].mask) != 0) {
		series->sets[set].mask |= more;
		weir_series_touch(series, set);
	}
}

static bool has_room_for(const struct weir_series *series, uint32_t group, unsigned times)
{
	return series->overflow_sets < OVERFLOW_SETS * times &&
	       series->overflow_words + weir_series_words(series, group) <= (uint64_t)OVERFLOW_WORDS * times;
}

static struct weir_series_hit overflow_hit(
	struct weir_series *series, const struct weir_series_set *wish, struct weir_str labels)
{
	struct weir_series_set made = *wish;
	uint32_t salt = ~salt_of(series, made.group), set; /* a text of its own, should it be a real one too */

	overflow_text(labels, KEEPS_CODES, &series->scratch);
	set = weir_text_find(&series->labels, weir_buf_str(&series->scratch), salt);
	if (set == WEIR_TEXT_FULL && !has_room_for(series, made.group, 1)) {
		overflow_text(labels, KEEPS_NO_CODES, &series->scratch);
		set = weir_text_find(&series->labels, weir_buf_str(&series->scratch), salt);
	}
	if (set == WEIR_TEXT_FULL && !has_room_for(series, made.group, 2)) {
		overflow_text(labels, KEEPS_NOTHING, &series->scratch);
		set = weir_text_find(&series->labels, weir_buf_str(&series->scratch), salt);
	}
	if (set == WEIR_TEXT_FULL) {
		set = weir_text_add(&series->labels, weir_buf_str(&series->scratch), salt, true);
		/* Names of labels are bounded where rules are loaded, so the text is short. */
		weir_assert(set != WEIR_TEXT_FULL && set != WEIR_TEXT_EMPTY);
		made.is_overflow = true;
		weir_series_make(series, set, &made);
	}
	mask_grow(series, set, made.mask);
	return (struct weir_series_hit){ set, made.mask };
}

/* Which of these metrics an overflow set of the very same text has. */
static uint32_t beyond_already(const struct weir_series *series, struct weir_str text, uint32_t salt, uint32_t mask)
{
	uint32_t set = series->overflow_sets == 0 ? WEIR_TEXT_FULL : weir_text_find(&series->labels, text, ~salt);

	return set == WEIR_TEXT_FULL ? 0 : series->sets[set].mask & mask;
}

/* The set with these metrics more, if that fits: WEIR_TEXT_FULL when it does not. */
static uint32_t within(struct weir_series *series, const struct weir_series_set *made, struct weir_str text,
	uint32_t salt, uint32_t set)
{
	uint32_t words = set == WEIR_TEXT_FULL ? weir_series_words(series, made->group) : 0;

	if (series->live_series + weir_series_bits(made->mask) > series->max_series ||
		series->words + words > series->max_words) {
		return WEIR_TEXT_FULL;
	}
	if (set != WEIR_TEXT_FULL) {
		mask_grow(series, set, made->mask);
		series->live_series += weir_series_bits(made->mask);
	} else {
		set = weir_text_add(&series->labels, text, salt, false);
		if (set == WEIR_TEXT_FULL) {
			return set;
		}
		weir_series_make(series, set, made);
	}
	series->changes++;
	return set;
}

uint32_t weir_series_find(struct weir_series *series, uint32_t group, struct weir_str labels,
	struct weir_series_hit wish, uint64_t created_ns, struct weir_series_hit ret_hits[2])
{
	struct weir_series_set made = { .created_ns = created_ns, .group = (uint16_t)group };
	/* A set without labels has a text too: only numbers above 0 are sets. */
	struct weir_str text = labels.length > 0 ? labels : weir_str_of(" ");
	uint32_t salt = salt_of(series, group), set = weir_text_find(&series->labels, text, salt), count = 0;
	uint32_t there = set == WEIR_TEXT_FULL ? 0 : wish.mask & series->sets[set].mask;
	uint32_t beyond = there == wish.mask ? 0 : beyond_already(series, text, salt, wish.mask & ~there);

	made.mask = wish.mask & ~there & ~beyond;
	if (made.mask != 0) {
		uint32_t found = within(series, &made, text, salt, set);

		there |= found != WEIR_TEXT_FULL ? made.mask : 0;
		beyond |= found == WEIR_TEXT_FULL ? made.mask : 0;
		set = found != WEIR_TEXT_FULL ? found : set;
	}
	if (there != 0) {
		ret_hits[count++] = (struct weir_series_hit){ set, there };
	}
	if (beyond != 0) {
		made.mask = beyond;
		ret_hits[count++] = overflow_hit(series, &made, text);
	}
	return count;
}
