/* fuzz_zipkin_v1: any bytes through the decoder of Zipkin's v1 JSON. What is
 * taken must be a sound batch of valid UTF-8, and JSON for jansson too: its
 * elements in order, each with one span or more that has its ids and name, and
 * with each annotation that is not a core one on exactly one of them. What is
 * refused must say why and where. */
#include <jansson.h>
#include <stdint.h>
#include <strings.h>

#include "base/err.h"
#include "base/utf8.h"
#include "decode/zipkin/v1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void text_check(const struct weir_batch *batch, struct weir_ref ref)
{
	weir_assert(weir_utf8_is_valid(weir_batch_str(batch, ref)));
}

static void batch_check(const struct weir_batch *batch)
{
	static const uint8_t none[16];

	weir_assert(weir_batch_is_sound(batch, batch->size_bytes));
	weir_assert(batch->offered == batch->kept && batch->kept == batch->spans.count);
	for (uint32_t i = 0; i < batch->spans.count; i++) {
		const struct weir_span *span = &weir_batch_spans(batch)[i];

		weir_assert(memcmp(span->trace_id, none, 16) != 0 && memcmp(span->span_id, none, 8) != 0);
		weir_assert(memcmp(span->parent_id, span->span_id, 8) != 0);
		weir_assert((span->start_ns == 0) == ((span->flags & WEIR_SPAN_NO_START) != 0));
		weir_assert(span->kind != WEIR_SPAN_CLIENT || (span->flags & WEIR_SPAN_SHARED) == 0);
		text_check(batch, span->name);
		text_check(batch, span->peer);
	}
	for (uint32_t i = 0; i < batch->attrs.count; i++) {
		text_check(batch, weir_batch_attrs(batch)[i].key);
		text_check(batch, weir_batch_attrs(batch)[i].value.text);
	}
	for (uint32_t i = 0; i < batch->events.count; i++) {
		text_check(batch, weir_batch_events(batch)[i].name);
	}
}

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
 * the next element's ids begin. Elements of equal ids cannot be told apart, so they are not asked about. */
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

/* jansson refuses what is no UTF-8, halves of surrogate pairs, NULs in names
 * and numbers too large for it: its silence proves nothing. */
static void oracle_check(const uint8_t *data, size_t size, const struct weir_batch *batch)
{
	json_t *list = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	uint32_t at = 0;
	size_t n, i, k;

	if (list == NULL) {
		return;
	}
	weir_assert(json_is_array(list));
	n = json_array_size(list);
	weir_assert(n <= batch->spans.count);
	for (i = 0; i < n; i++) {
		for (k = 0; k < i; k++) {
			if (json_equal(json_object_get(json_array_get(list, i), "id"),
				    json_object_get(json_array_get(list, k), "id"))) {
				goto out;
			}
		}
		if (strtoull(json_string_value(json_object_get(json_array_get(list, i), "id")), NULL, 16) < 10) {
			goto out; /* "01" and "1" are the same id, written in two ways */
		}
	}
	for (i = 0; i < n; i++) {
		at = element_check(batch, json_array_get(list, i), at);
	}
	weir_assert(at == batch->spans.count);
out:
	json_decref(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_ZIPKIN_HTTP, .signal = WEIR_SIGNAL_SPAN };
	const struct weir_batch *batch;
	struct weir_arena arena;
	struct weir_draft draft;

	weir_arena_init(&arena, 1 << 16, 1 << 26);
	weir_draft_init(&draft, &arena, weir_str_make((const char *)data, size));
	switch (weir_zipkin_v1_decode(&draft)) {
	case 0:
		batch = weir_draft_finish(&draft, &head);
		if (batch != NULL) {
			batch_check(batch);
			oracle_check(data, size, batch);
		}
		break;
	case WEIR_DECODE_MALFORMED:
		weir_assert(draft.error != NULL && draft.error_offset <= size);
		break;
	default:
		weir_assert(draft.is_exhausted);
		break;
	}
	weir_arena_fini(&arena);
	return 0;
}
