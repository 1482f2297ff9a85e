/* fuzz_zipkin_proto: any bytes through the decoder of Zipkin's protobuf, with
 * protobuf-c's generated types as oracle: both must agree on what is malformed,
 * and on every span's ids, kind, times, names, ends, tags and annotations. */
#include <stdint.h>
#include <strings.h>

#include "base/err.h"
#include "base/utf8.h"
#include "comparable.h"
#include "decode/zipkin/proto.h"
#include "zipkin/proto3/zipkin.pb-c.h"

typedef Zipkin__Proto3__ListOfSpans List;
typedef Zipkin__Proto3__Span Span;
typedef Zipkin__Proto3__Endpoint Endpoint;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A NUL in a text would end it for the oracle: no key, no value, another name. */
static bool is_alike(const ProtobufCFieldDescriptor *known, const struct weir_wire_field *field)
{
	return known->type != PROTOBUF_C_TYPE_STRING || field->bytes.length == 0 ||
	       memchr(field->bytes.data, '\0', field->bytes.length) == NULL;
}

/* ---- what must be refused --------------------------------------------------- */

static bool is_set(ProtobufCBinaryData id)
{
	for (size_t i = 0; i < id.len; i++) {
		if (id.data[i] != 0) {
			return true;
		}
	}
	return false;
}

static bool is_time(uint64_t micros)
{
	return micros > INT64_MAX || micros <= INT64_MAX / 1000;
}

static bool is_port(const Endpoint *endpoint)
{
	return endpoint == NULL || endpoint->port <= UINT16_MAX;
}

static bool is_wanted(const Span *span)
{
	for (size_t i = 0; i < span->n_annotations; i++) {
		if (!is_time(span->annotations[i]->timestamp)) {
			return false;
		}
	}
	return is_set(span->trace_id) && span->trace_id.len <= 16 && is_set(span->id) && span->id.len <= 8 &&
	       span->parent_id.len <= 8 && is_time(span->timestamp) && is_time(span->duration) &&
	       is_port(span->local_endpoint) && is_port(span->remote_endpoint);
}

/* ---- what must be equal ------------------------------------------------------ */

/* Text is compared when it is valid; a NUL ends what protobuf-c can tell. */
static void text_compare(const struct weir_batch *batch, struct weir_ref ref, const char *expected)
{
	struct weir_str text = weir_batch_str(batch, ref);

	weir_assert(weir_utf8_is_valid(text));
	if (weir_utf8_is_valid(weir_str_of(expected))) {
		size_t length = strlen(expected);

		weir_assert(text.length >= length && strncasecmp(text.data, expected, length) == 0);
	}
}

static void id_compare(const uint8_t *id, size_t size, ProtobufCBinaryData expected)
{
	uint8_t padded[16] = { 0 };

	if (expected.len > 0) {
		memcpy(padded + size - expected.len, expected.data, expected.len);
	}
	weir_assert(memcmp(id, padded, size) == 0);
}

static void address_compare(const struct weir_address *address, const Endpoint *endpoint)
{
	const ProtobufCBinaryData *v4 = &endpoint->ipv4, *v6 = &endpoint->ipv6;

	weir_assert(address->port == (endpoint->port > 0 ? endpoint->port : 0));
	if (v4->len == 4 && v6->len != 4) {
		weir_assert(memcmp(address->ip + 12, v4->data, 4) == 0 && address->ip[11] == 0xff);
	} else if (v6->len == 16 && v4->len != 4 && v4->len != 16) {
		weir_assert(memcmp(address->ip, v6->data, 16) == 0);
	}
}

/* The last value of a key counts. */
static void tags_compare(const struct weir_batch *batch, const struct weir_span *span, const Span *expected)
{
	uint32_t found = 0;

	for (size_t i = 0; i < expected->n_tags; i++) {
		bool is_last = true;

		for (size_t k = i + 1; k < expected->n_tags; k++) {
			is_last = is_last && strcmp(expected->tags[k]->key, expected->tags[i]->key) != 0;
		}
		if (is_last && expected->tags[i]->key[0] != '\0') {
			weir_assert(found < span->attr_count);
			text_compare(
				batch, weir_batch_attrs(batch)[span->attr_first + found].key, expected->tags[i]->key);
			text_compare(batch, weir_batch_attrs(batch)[span->attr_first + found].value.text,
				expected->tags[i]->value);
			found++;
		}
	}
	weir_assert(found == span->attr_count);
}

static void annotations_compare(const struct weir_batch *batch, const struct weir_span *span, const Span *expected)
{
	uint32_t found = 0;

	for (size_t i = 0; i < expected->n_annotations; i++) {
		uint64_t micros = expected->annotations[i]->timestamp;

		if (micros != 0 && micros <= INT64_MAX && expected->annotations[i]->value[0] != '\0') {
			const struct weir_event *event = &weir_batch_events(batch)[span->event_first + found];

			weir_assert(found++ < span->event_count && event->time_ns == micros * 1000);
			text_compare(batch, event->name, expected->annotations[i]->value);
		}
	}
	weir_assert(found == span->event_count);
}

static void span_compare(const struct weir_batch *batch, const struct weir_span *span, const Span *expected)
{
	static const uint8_t kinds[] = { WEIR_SPAN_UNSPECIFIED, WEIR_SPAN_CLIENT, WEIR_SPAN_SERVER, WEIR_SPAN_PRODUCER,
		WEIR_SPAN_CONSUMER };
	const struct weir_resource *resource = &weir_batch_resources(batch)[span->resource];
	uint32_t kind = (uint32_t)expected->kind;
	static const uint8_t none[8];

	id_compare(span->trace_id, 16, expected->trace_id);
	id_compare(span->span_id, 8, expected->id);
	if (memcmp(span->parent_id, none, 8) != 0) {
		id_compare(span->parent_id, 8, expected->parent_id);
	}
	weir_assert(
		span->kind == (kind < sizeof(kinds) ? kinds[kind] : WEIR_SPAN_UNSPECIFIED) || kind >= sizeof(kinds));
	weir_assert(span->start_ns == (expected->timestamp > INT64_MAX ? 0 : expected->timestamp * 1000));
	weir_assert(span->duration_ns == (expected->duration > INT64_MAX ? 0 : expected->duration * 1000));
	weir_assert(((span->flags & WEIR_SPAN_DEBUG) != 0) == (expected->debug != 0));
	weir_assert((span->flags & WEIR_SPAN_SHARED) == 0 || expected->shared);
	text_compare(batch, span->name, expected->name);
	if (expected->local_endpoint != NULL) {
		text_compare(batch, resource->service, expected->local_endpoint->service_name);
		address_compare(&resource->address, expected->local_endpoint);
	} else {
		weir_assert(resource->service.length == 0);
	}
	if (expected->remote_endpoint != NULL) {
		text_compare(batch, span->peer, expected->remote_endpoint->service_name);
		address_compare(&span->peer_address, expected->remote_endpoint);
	} else {
		weir_assert(span->peer.length == 0);
	}
	annotations_compare(batch, span, expected);
	for (size_t i = 0; i < expected->n_tags; i++) {
		/* Keys that differ behind a NUL, or that had to be repaired, are the same to the oracle alone. */
		if (!weir_utf8_is_valid(weir_str_of(expected->tags[i]->key))) {
			return;
		}
	}
	tags_compare(batch, span, expected);
}

static void oracle_check(const uint8_t *data, size_t size, int r, const struct weir_batch *batch)
{
	List *list = zipkin__proto3__list_of_spans__unpack(NULL, size, data);
	bool is_all_wanted = list != NULL;

	for (size_t i = 0; list != NULL && i < list->n_spans; i++) {
		is_all_wanted = is_all_wanted && is_wanted(list->spans[i]);
	}
	weir_assert(is_all_wanted == (r == 0));
	if (batch != NULL) {
		weir_assert(batch->spans.count == list->n_spans);
		/* Ids have NULs as well: the texts of such an input are compared as far as they go. */
		for (size_t i = 0; i < list->n_spans; i++) {
			span_compare(batch, &weir_batch_spans(batch)[i], list->spans[i]);
		}
	}
	if (list != NULL) {
		zipkin__proto3__list_of_spans__free_unpacked(list, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_ZIPKIN_GRPC, .signal = WEIR_SIGNAL_SPAN };
	struct weir_str body = weir_str_make((const char *)data, size);
	const struct weir_batch *batch = NULL;
	struct weir_arena arena;
	struct weir_draft draft;
	int r;

	weir_arena_init(&arena, 1 << 16, 1 << 26);
	weir_draft_init(&draft, &arena, body);
	r = weir_zipkin_proto_decode(&draft);
	if (r == 0) {
		batch = weir_draft_finish(&draft, &head);
		if (batch != NULL) {
			weir_assert(weir_batch_is_sound(batch, batch->size_bytes));
			weir_assert(batch->offered == batch->kept && batch->kept == batch->spans.count);
		}
	} else if (r == WEIR_DECODE_MALFORMED) {
		weir_assert(draft.error != NULL && draft.error_offset <= size);
	} else {
		weir_assert(draft.is_exhausted);
	}
	if (r != WEIR_DECODE_TOO_LARGE && is_comparable(&zipkin__proto3__list_of_spans__descriptor, body, is_alike)) {
		oracle_check(data, size, r, batch);
	}
	weir_arena_fini(&arena);
	return 0;
}
