/* envoy_metrics: a StreamMetricsMessage in the making, and what became of it. */
#ifndef WEIR_TESTS_DECODE_ENVOY_METRICS_H
#define WEIR_TESTS_DECODE_ENVOY_METRICS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/envoy/metrics.h"
#include "tests/unit/decode/encode.h"

enum { COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM };
enum { AS_GAUGE = 2, AS_COUNTER = 3, AS_SUMMARY = 4, AS_UNTYPED = 5, AS_HISTOGRAM = 7 };

struct fixture {
	struct weir_buf message, metrics, metric, value, inner, label;
	struct weir_arena arena;
	struct weir_draft draft;
	struct weir_envoy_sender sender;
	const struct weir_batch *batch;
};

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	weir_arena_init(&f->arena, 1 << 16, 1 << 22);
	weir_envoy_sender_init(&f->sender);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	struct weir_buf *bufs[] = { &f->message, &f->metrics, &f->metric, &f->value, &f->inner, &f->label };

	for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++) {
		weir_buf_fini(bufs[i]);
	}
	weir_envoy_sender_fini(&f->sender);
	weir_arena_fini(&f->arena);
	free(f);
	return 0;
}

/* ---- writing ------------------------------------------------------------ */

static inline void real(struct weir_buf *out, uint32_t field, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	encode_fixed64(out, field, bits);
}

static inline uint64_t zigzag(int64_t value)
{
	return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static inline void identify(struct fixture *f, const char *node_id, const char *cluster)
{
	encode_text(&f->inner, 1, node_id);
	encode_text(&f->inner, 2, cluster);
	for (int i = 0; i < 600; i++) { /* extensions, which nobody reads */
		encode_text(&f->inner, 9, "an extension of about the size that Envoy's own have");
	}
	encode_nested(&f->value, 1, &f->inner);
	encode_nested(&f->message, 1, &f->value);
}

static inline void label(struct fixture *f, const char *name, const char *value)
{
	encode_text(&f->label, 1, name);
	encode_text(&f->label, 2, value);
	encode_nested(&f->metric, 1, &f->label);
}

/* f->value becomes the metric's value of this kind, the metric one of the family at hand. */
static inline void end_metric(struct fixture *f, uint32_t as, int64_t timestamp_ms)
{
	encode_nested(&f->metric, as, &f->value);
	encode_number(&f->metric, 6, (uint64_t)timestamp_ms);
	encode_nested(&f->metrics, 4, &f->metric);
}

static inline void end_family(struct fixture *f, const char *name, unsigned type)
{
	struct weir_buf family = { 0 };

	weir_buf_add(&family, f->metrics.data, f->metrics.length); /* metrics before their type: any order is good */
	weir_buf_clear(&f->metrics);
	encode_text(&family, 1, name);
	encode_text(&family, 2, "what it is");
	encode_number(&family, 3, type);
	encode_text(&family, 5, "ms");
	encode_nested(&f->message, 2, &family);
	weir_buf_fini(&family);
}

static inline void bucket(struct fixture *f, uint64_t cumulative, double bound)
{
	encode_number(&f->inner, 1, cumulative);
	real(&f->inner, 2, bound);
	encode_nested(&f->value, 3, &f->inner);
}

static inline void span(struct fixture *f, uint32_t field, int64_t offset, uint64_t length)
{
	encode_number(&f->inner, 1, zigzag(offset));
	encode_number(&f->inner, 2, length);
	encode_nested(&f->value, field, &f->inner);
}

static inline int try(struct fixture *f, bool counters_are_deltas)
{
	const struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_METRICS_V3,
		.signal = WEIR_SIGNAL_METRIC_POINT };
	int r;

	weir_arena_reset(&f->arena);
	weir_draft_init(&f->draft, &f->arena, weir_buf_str(&f->message));
	r = weir_envoy_metrics_decode(&f->draft, &f->sender, counters_are_deltas);
	f->batch = r == 0 ? weir_draft_finish(&f->draft, &head) : NULL;
	assert_true(r != 0 || weir_batch_is_sound(f->batch, f->batch->size_bytes));
	weir_buf_clear(&f->message);
	return r;
}

static inline const struct weir_point *decode(struct fixture *f, bool counters_are_deltas)
{
	assert_int_equal(try(f, counters_are_deltas), 0);
	return weir_batch_points(f->batch);
}

static inline bool says(struct fixture *f, struct weir_ref ref, const char *want)
{
	return weir_str_is(weir_batch_str(f->batch, ref), want);
}

static inline const struct weir_instrument *instrument(struct fixture *f, uint32_t i)
{
	assert_true(i < f->batch->instruments.count);
	return &weir_batch_instruments(f->batch)[i];
}

#endif
