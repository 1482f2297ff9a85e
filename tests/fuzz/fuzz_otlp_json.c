/* fuzz_otlp_json: any bytes through the decoders of OTLP's JSON. The first byte
 * chooses the signal (t, m, l), the rest is the body. The oracle is jansson's
 * tree, turned into protobuf by protobuf-c's descriptors: both must agree on
 * what is refused and on every field of what is taken. What is taken must be a
 * sound batch; what is refused must say why and where.
 *
 * jansson refuses what is no UTF-8, halves of surrogate pairs and numbers too
 * large for it, so its silence proves nothing; what the oracle calls odd is
 * only decoded. */
#include <stdint.h>

#include "base/err.h"
#include "decode/otlp/json.h"
#include "opentelemetry/proto/collector/logs/v1/logs_service.pb-c.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb-c.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "tests/support/otlp_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sort {
	char letter;
	enum weir_signal signal;
	int (*decode)(struct weir_draft *draft);
	const ProtobufCMessageDescriptor *request;
};

static const struct sort sorts[] = {
	{ 't', WEIR_SIGNAL_SPAN, weir_otlp_trace_json_decode,
		&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor },
	{ 'm', WEIR_SIGNAL_METRIC_POINT, weir_otlp_metrics_json_decode,
		&opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor },
	{ 'l', WEIR_SIGNAL_LOG, weir_otlp_logs_json_decode,
		&opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor },
};

/* `r` and `body` are what weir made of it. */
static void oracle_check(const struct sort *sort, struct weir_str text, int r, struct weir_str body)
{
	json_t *tree = NULL, *want, *have;
	struct weir_buf wire;
	bool is_single = false;

	/* A NUL between two values is a blank for jansson. */
	if (text.length > 0 && memchr(text.data, '\0', text.length) == NULL) {
		tree = json_loadb(text.data, text.length, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
		is_single = tree != NULL;
		tree = tree != NULL ? tree : json_loadb(text.data, text.length, JSON_ALLOW_NUL, NULL);
	}
	if (tree == NULL) {
		return;
	}
	weir_buf_init(&wire, 0);
	switch (otlp_json_to_wire(sort->request, tree, &wire)) {
	case 0:
		/* Of a member that stands twice jansson shows the last one only; the first may be wrong. */
		weir_assert(r == 0 || !is_single);
		if (r != 0) {
			break;
		}
		want = otlp_json_of_wire(sort->request, weir_buf_str(&wire), 0);
		have = otlp_json_of_wire(sort->request, body, 0);
		weir_assert(json_equal(want, have));
		json_decref(want);
		json_decref(have);
		break;
	case OTLP_JSON_WRONG:
		weir_assert(r == WEIR_DECODE_MALFORMED);
		break;
	default:
		break;
	}
	weir_buf_fini(&wire);
	json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct weir_batch *batch;
	const struct sort *sort = &sorts[0];
	struct weir_draft_head head;
	struct weir_arena arena;
	struct weir_draft draft;
	struct weir_str text;
	int r;

	if (size == 0) {
		return 0;
	}
	for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++) {
		sort = sorts[i].letter == (char)data[0] ? &sorts[i] : sort;
	}
	text = weir_str_make((const char *)data + 1, size - 1);
	weir_arena_init(&arena, 1 << 16, 1 << 26);
	weir_draft_init(&draft, &arena, text);
	r = sort->decode(&draft);
	if (r == 0) {
		head = (struct weir_draft_head){ .protocol = WEIR_PROTOCOL_OTLP_HTTP, .signal = sort->signal };
		batch = weir_draft_finish(&draft, &head);
		weir_assert(batch == NULL || weir_batch_is_sound(batch, batch->size_bytes));
	}
	weir_assert(r != WEIR_DECODE_MALFORMED || (draft.error != NULL && draft.error_offset <= text.length));
	weir_assert(r != WEIR_DECODE_TOO_LARGE || draft.is_exhausted);
	if (r != WEIR_DECODE_TOO_LARGE && (r == 0 || strcmp(draft.error, "nested too deeply") != 0)) {
		oracle_check(sort, text, r, draft.body);
	}
	weir_arena_fini(&arena);
	return 0;
}
