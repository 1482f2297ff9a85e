/* fuzz_zipkin_v1: any bytes through the decoder of Zipkin's v1 JSON. What is
 * taken must be, beyond what zipkin_judge asks, JSON for jansson too: its
 * elements in order, each with one span or more that has its ids and name, and
 * with each annotation that is not a core one on exactly one of them. */
#include <strings.h>

#include "base/err.h"
#include "decode/zipkin/v1.h"
#include "zipkin_judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_core(const char *value)
{
	static const char *const cores[] = { "cs", "cr", "ss", "sr", "ms", "mr", "ws", "wr" };

	for (size_t i = 0; i < sizeof(cores) / sizeof(cores[0]); i++) {
		if (strcmp(value, cores[i]) == 0) {
			return true;
		}
	}
	return false;
}

/* Annotations that no conversion takes away. */
static uint32_t plain_count(const json_t *element)
{
	const json_t *annotation;
	uint32_t n = 0;
	size_t i;

	json_array_foreach(json_object_get(element, "annotations"), i, annotation)
	{
		n += !is_core(json_string_value(json_object_get(annotation, "value")));
	}
	return n;
}

static void id_compare(const uint8_t *id, size_t size, const json_t *text)
{
	const char *hex = json_string_value(text);
	size_t length = strlen(hex);
	uint8_t bytes[16] = { 0 };

	for (size_t i = 0, at = 2 * size - length; i < length; i++, at++) {
		char digit[2] = { hex[i], '\0' };

		bytes[at / 2] = (uint8_t)(bytes[at / 2] << 4 | (uint8_t)strtoul(digit, NULL, 16));
	}
	weir_assert(memcmp(id, bytes, size) == 0);
}

/* The spans of one element: the first from row `at` on, and those behind it until its annotations are all there and
 * the next element's ids begin. */
static uint32_t element_check(const struct weir_batch *batch, const json_t *element, uint32_t at)
{
	const struct weir_span *spans = weir_batch_spans(batch);
	const char *name = json_string_value(json_object_get(element, "name"));
	uint32_t first = at, plain = 0;

	weir_assert(at < batch->spans.count);
	id_compare(spans[at].trace_id, 16, json_object_get(element, "traceId"));
	id_compare(spans[at].span_id, 8, json_object_get(element, "id"));
	if (name != NULL) {
		weir_assert(spans[at].name.length == strlen(name) &&
			    strncasecmp(weir_batch_str(batch, spans[at].name).data, name, strlen(name)) == 0);
	}
	for (; at < batch->spans.count && memcmp(spans[at].span_id, spans[first].span_id, 8) == 0; at++) {
		for (uint32_t i = 0; i < spans[at].event_count; i++) {
			struct weir_ref value = weir_batch_events(batch)[spans[at].event_first + i].name;
			char text[3] = "";

			if (value.length == 2) {
				memcpy(text, weir_batch_str(batch, value).data, 2);
			}
			plain += !is_core(text);
		}
	}
	weir_assert(plain == plain_count(element));
	return at;
}

/* Elements of equal ids cannot be told apart; "01" and "1" are the same id, written in two ways. */
static bool has_plain_ids(const json_t *list)
{
	size_t n = json_array_size(list);

	for (size_t i = 0; i < n; i++) {
		const json_t *id = json_object_get(json_array_get(list, i), "id");

		for (size_t k = 0; k < i; k++) {
			if (json_equal(id, json_object_get(json_array_get(list, k), "id"))) {
				return false;
			}
		}
		if (strtoull(json_string_value(id), NULL, 16) < 10) {
			return false;
		}
	}
	return true;
}

static void judge(const struct weir_batch *batch, const json_t *list)
{
	size_t n = json_array_size(list);
	uint32_t at = 0;

	for (uint32_t i = 0; i < batch->spans.count; i++) {
		const struct weir_span *span = &weir_batch_spans(batch)[i];

		weir_assert(span->kind != WEIR_SPAN_CLIENT || (span->flags & WEIR_SPAN_SHARED) == 0);
	}
	weir_assert(n <= batch->spans.count);
	if (list == NULL || !has_plain_ids(list)) {
		return;
	}
	for (size_t i = 0; i < n; i++) {
		at = element_check(batch, json_array_get(list, i), at);
	}
	weir_assert(at == batch->spans.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	zipkin_judge(data, size, weir_zipkin_v1_decode, judge);
	return 0;
}
