/* search: which spans and traces a search wants, by Zipkin's rules (wire.md 5.6).
 *
 * The trace's time (its root's start, else the earliest) must lie in
 * [end - lookback, end]. The service constrains all other conditions to spans
 * of that local service; each condition may hold on another span of it, the
 * two durations on one. A tag without a value is the key of a tag or the value
 * of an annotation (our events' names); `error` is also what the error flag
 * says. Names are compared ignoring case. Pure; any thread. */
#include "storage/search.h"

#include <stdlib.h>
#include <string.h>

static bool equal_ignoring_case(struct weir_str a, struct weir_str b)
{
	if (a.length != b.length) {
		return false;
	}
	for (size_t i = 0; i < a.length; i++) {
		unsigned char x = (unsigned char)a.data[i], y = (unsigned char)b.data[i];

		x = x >= 'A' && x <= 'Z' ? (unsigned char)(x + 32) : x;
		y = y >= 'A' && y <= 'Z' ? (unsigned char)(y + 32) : y;
		if (x != y) {
			return false;
		}
	}
	return true;
}

static bool is_of_service(
	const struct weir_query_search *search, const struct weir_batch *batch, const struct weir_span *span)
{
	return search->service.length == 0 ||
	       equal_ignoring_case(
		       search->service, weir_batch_str(batch, weir_batch_resources(batch)[span->resource].service));
}

static bool has_name(
	const struct weir_query_search *search, const struct weir_batch *batch, const struct weir_span *span)
{
	return equal_ignoring_case(search->span_name, weir_batch_str(batch, span->name));
}

static bool has_remote(
	const struct weir_query_search *search, const struct weir_batch *batch, const struct weir_span *span)
{
	return equal_ignoring_case(search->remote_service, weir_batch_str(batch, span->peer));
}

static bool wants_duration(const struct weir_query_search *search)
{
	return search->min_duration_us != 0 || search->max_duration_us != 0;
}

static bool has_duration(const struct weir_query_search *search, const struct weir_span *span)
{
	uint64_t us = span->duration_ns / 1000;

	if ((span->flags & WEIR_SPAN_NO_DURATION) != 0) {
		return false;
	}
	us = us == 0 ? 1 : us; /* as Zipkin shows it */
	return us >= search->min_duration_us && (search->max_duration_us == 0 || us <= search->max_duration_us);
}

/* Is the attribute's value, as a tag shows it, `text`? */
static bool is_value(const struct weir_batch *batch, const struct weir_attr *attr, struct weir_str text)
{
	char number[64];
	long long whole;

	switch ((enum weir_attr_type)attr->type) {
	case WEIR_ATTR_STRING:
	case WEIR_ATTR_BYTES:
	case WEIR_ATTR_JSON:
		return weir_str_equal(weir_batch_str(batch, attr->value.text), text);
	case WEIR_ATTR_BOOL:
		return weir_str_is(text, attr->value.number != 0 ? "true" : "false");
	case WEIR_ATTR_INT:
		return weir_str_to_i64(text, &whole) == 0 && whole == attr->value.number;
	case WEIR_ATTR_DOUBLE:
		if (text.length == 0 || text.length >= sizeof(number)) {
			return false;
		}
		memcpy(number, text.data, text.length);
		number[text.length] = '\0';
		return strtod(number, NULL) == attr->value.real;
	case WEIR_ATTR_EMPTY:
		break;
	}
	return text.length == 0;
}

static bool list_has(const struct weir_batch *batch, uint32_t first, uint32_t count, const struct weir_query_tag *tag)
{
	const struct weir_attr *attrs = weir_batch_attrs(batch) + first;

	for (uint32_t i = 0; i < count; i++) {
		if (weir_str_equal(weir_batch_str(batch, attrs[i].key), tag->key) &&
			(!tag->has_value || is_value(batch, &attrs[i], tag->value))) {
			return true;
		}
	}
	return false;
}

static bool has_tag(const struct weir_batch *batch, const struct weir_span *span, const struct weir_query_tag *tag)
{
	const struct weir_event *events = weir_batch_events(batch) + span->event_first;
	const struct weir_resource *resource = weir_batch_resources(batch) + span->resource;

	if (list_has(batch, span->attr_first, span->attr_count, tag) ||
		list_has(batch, resource->attr_first, resource->attr_count, tag)) {
		return true;
	}
	if (weir_str_is(tag->key, "error") && (span->flags & WEIR_SPAN_ERROR) != 0) {
		return !tag->has_value || weir_str_equal(weir_batch_str(batch, span->status_message), tag->value);
	}
	for (uint32_t i = 0; !tag->has_value && i < span->event_count; i++) {
		if (weir_str_equal(weir_batch_str(batch, events[i].name), tag->key)) {
			return true;
		}
	}
	return false;
}

bool weir_search_span_may_match(
	const struct weir_query_search *search, const struct weir_batch *batch, const struct weir_span *span)
{
	if (!is_of_service(search, batch, span)) {
		return false;
	}
	if (search->tag_count > 0) {
		return has_tag(batch, span, &search->tags[0]);
	}
	if (search->span_name.length > 0) {
		return has_name(search, batch, span);
	}
	if (search->remote_service.length > 0) {
		return has_remote(search, batch, span);
	}
	return !wants_duration(search) || has_duration(search, span);
}

bool weir_search_trace_matches(const struct weir_query_search *search, const struct weir_query_trace *trace)
{
	uint64_t first = search->end_ns > search->lookback_ns ? search->end_ns - search->lookback_ns : 0;
	bool service = false, name = search->span_name.length == 0, remote = search->remote_service.length == 0,
	     duration = !wants_duration(search);

	if (trace->timestamp_ns < first || trace->timestamp_ns > search->end_ns) {
		return false;
	}
	for (uint32_t i = 0; i < trace->span_count; i++) {
		const struct weir_batch *batch = trace->spans[i].batch;
		const struct weir_span *span = trace->spans[i].span;

		if (!is_of_service(search, batch, span)) {
			continue;
		}
		service = true;
		name = name || has_name(search, batch, span);
		remote = remote || has_remote(search, batch, span);
		duration = duration || has_duration(search, span);
	}
	if (!service || !name || !remote || !duration) {
		return false;
	}
	for (uint32_t t = 0; t < search->tag_count; t++) {
		bool has = false;

		for (uint32_t i = 0; i < trace->span_count && !has; i++) {
			has = is_of_service(search, trace->spans[i].batch, trace->spans[i].span) &&
			      has_tag(trace->spans[i].batch, trace->spans[i].span, &search->tags[t]);
		}
		if (!has) {
			return false;
		}
	}
	return true;
}
