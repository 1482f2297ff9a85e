/* search: parameters of a query, checked as Zipkin checks them; see the header.
 * Pure: no request, no clock. */
#include "exporters/traces/search.h"

#define MS_NS 1000000u

static const char full[] = "the query is too large";

/* The far future is as far as a clock can tell, so that who adds to it does not wrap. */
static uint64_t ms_to_ns(int64_t ms)
{
	return ms > INT64_MAX / (int64_t)MS_NS ? (uint64_t)INT64_MAX : (uint64_t)ms * MS_NS;
}

const char *weir_search_numbers(const struct weir_search_numbers *numbers, struct weir_query_search *ret)
{
	if (numbers->end_ms <= 0) {
		return "endTs <= 0";
	}
	if (numbers->limit <= 0) {
		return "limit <= 0";
	}
	if (numbers->lookback_ms <= 0) {
		return "lookback <= 0";
	}
	if (numbers->has_min && numbers->min_us <= 0) {
		return "minDuration <= 0";
	}
	if (numbers->has_max && !numbers->has_min) {
		return "maxDuration is only valid with minDuration";
	}
	if (numbers->has_max && numbers->max_us < numbers->min_us) {
		return "maxDuration < minDuration";
	}
	ret->end_ns = ms_to_ns(numbers->end_ms);
	ret->lookback_ns = ms_to_ns(numbers->lookback_ms);
	ret->limit = numbers->limit < WEIR_SEARCH_TRACES ? (uint32_t)numbers->limit : WEIR_SEARCH_TRACES;
	ret->min_duration_us = numbers->has_min ? (uint64_t)numbers->min_us : 0;
	ret->max_duration_us = numbers->has_max ? (uint64_t)numbers->max_us : 0;
	return NULL;
}

/* Cuts the part before the next ` and ` off the front. */
static struct weir_str cut_part(struct weir_str *text)
{
	static const char and[] = " and ";
	size_t length = sizeof(and) - 1;
	struct weir_str part = *text;

	for (size_t i = 0; i + length <= text->length; i++) {
		if (memcmp(text->data + i, and, length) == 0) {
			part = weir_str_make(text->data, i);
			*text = weir_str_make(text->data + i + length, text->length - i - length);
			return part;
		}
	}
	*text = weir_str_make(NULL, 0);
	return part;
}

const char *weir_search_annotations(struct weir_arena *arena, struct weir_str text, struct weir_query_search *ret)
{
	struct weir_query_tag *tags = weir_arena_alloc(arena, WEIR_SEARCH_TAGS * sizeof(*tags));
	uint32_t count = 0;

	if (tags == NULL) {
		return full;
	}
	while (text.length > 0) {
		struct weir_str value = weir_str_trim(cut_part(&text)), key;
		bool has_value = value.length > 0 && memchr(value.data, '=', value.length) != NULL;
		uint32_t at = 0;

		key = has_value ? weir_str_trim(weir_str_cut(&value, '=')) : value;
		if (key.length == 0) {
			continue;
		}
		while (at < count && !(tags[at].has_value == has_value && weir_str_equal(tags[at].key, key))) {
			at++;
		}
		if (at == WEIR_SEARCH_TAGS) {
			return full;
		}
		tags[at] = (struct weir_query_tag){ .key = key, .has_value = has_value };
		if (has_value) {
			tags[at].value = weir_str_trim(value);
		}
		count = at == count ? count + 1 : count;
	}
	ret->tags = tags;
	ret->tag_count = count;
	return NULL;
}

struct weir_str weir_search_lower(struct weir_arena *arena, struct weir_str text)
{
	char *out = weir_arena_alloc(arena, text.length + 1);

	if (out == NULL) {
		return (struct weir_str){ NULL, 0 };
	}
	weir_str_copy_lower(out, text);
	return weir_str_make(out, text.length);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *weir_search_trace_id(struct weir_str text, uint8_t ret_id[16], bool *ret_is_short)
{
	uint8_t id[16] = { 0 }, any = 0;

	if (text.length == 0) {
		return "traceId is empty";
	}
	if (text.length > 32) {
		return "traceId.length > 32";
	}
	for (size_t i = 0; i < text.length; i++) {
		size_t at = 32 - text.length + i;
		int digit = hex_digit(text.data[i]);

		if (digit < 0) {
			return "traceId should be lower-hex encoded with no prefix";
		}
		id[at / 2] = (uint8_t)(id[at / 2] | (at % 2 == 0 ? digit << 4 : digit));
		any |= (uint8_t)digit;
	}
	if (any == 0) {
		return "traceId is all zeros";
	}
	memcpy(ret_id, id, 16);
	*ret_is_short = text.length <= 16;
	return NULL;
}
