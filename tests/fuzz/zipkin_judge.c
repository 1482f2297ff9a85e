/* zipkin_judge: any bytes through a decoder of Zipkin's JSON; see the header. */
#include "zipkin_judge.h"

#include "base/err.h"
#include "base/utf8.h"

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

static void batch_judge(const uint8_t *data, size_t size, const struct weir_batch *batch, zipkin_judge_fn *judge)
{
	json_t *list = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

	batch_check(batch);
	weir_assert(list == NULL || json_is_array(list));
	judge(batch, list);
	json_decref(list);
}

void zipkin_judge(const uint8_t *data, size_t size, int (*decode)(struct weir_draft *draft), zipkin_judge_fn *judge)
{
	struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_ZIPKIN_HTTP, .signal = WEIR_SIGNAL_SPAN };
	const struct weir_batch *batch;
	struct weir_arena arena;
	struct weir_draft draft;

	weir_arena_init(&arena, 1 << 16, 1 << 26);
	weir_draft_init(&draft, &arena, weir_str_make((const char *)data, size));
	switch (decode(&draft)) {
	case 0:
		batch = weir_draft_finish(&draft, &head);
		if (batch != NULL) {
			batch_judge(data, size, batch, judge);
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
}
