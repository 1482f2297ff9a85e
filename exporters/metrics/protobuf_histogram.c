/* protobuf_histogram: histograms of protobuf.c.
 *
 * A histogram has its classic buckets, the same that the text formats show. An
 * exponential one has native buckets beside them: whoever takes native ones
 * ignores the classic ones, the others see what they would see in text. Both
 * have one count and one sum. A histogram that Prometheus would refuse as native
 * (exponential.h) stays classic.
 *
 *   native   spans of buckets side by side: where each begins, from the end of the
 *            one before, and how many; then their counts, each less the one before
 *
 * Thread: any. */
#include <math.h>

#include "exporters/metrics/exponential.h"
#include "exporters/metrics/protobuf.h"
#include "exporters/metrics/put.h"

#define BUCKET_MOST (WEIR_PUT_EXEMPLAR_MOST + 40u)
#define SPAN_MOST 16u
#define GAP_FILLED 2 /* so many empty native buckets cost less than a new span */

static char *put_bucket(char *at, struct weir_exposition *out, const struct weir_exposition_sample *sample,
	uint32_t bucket, uint64_t cumulative)
{
	double low = bucket > 0 ? sample->bounds[bucket - 1] : -INFINITY;
	double high = bucket < sample->bound_count ? sample->bounds[bucket] : INFINITY;
	char data[BUCKET_MOST], *end = weir_put_number(data, 1, cumulative);

	end = weir_put_double(end, 2, high);
	end = weir_put_exemplar(end, 3, weir_exposition_exemplar(out, sample, low, high));
	return weir_put_bytes(at, 3, data, (size_t)(end - data));
}

static char *put_span(char *at, unsigned field, int32_t offset, uint32_t length)
{
	char data[SPAN_MOST], *end = weir_put_signed(data, 1, offset);

	end = weir_put_number(end, 2, length);
	return weir_put_bytes(at, field, data, (size_t)(end - data));
}

struct stretch { /* of native buckets side by side: a span */
	int64_t first, next;
};

/* The next span of one sign; *at begins at 0. */
static bool stretch_next(
	const struct weir_point_buckets *buckets, unsigned shift, uint32_t *at, struct stretch *ret_stretch)
{
	uint32_t ahead = *at;
	uint64_t count;
	int32_t index;

	if (!weir_exponential_next(buckets, shift, &ahead, &index, &count)) {
		return false;
	}
	*ret_stretch = (struct stretch){ index, (int64_t)index + 1 };
	*at = ahead;
	while (weir_exponential_next(buckets, shift, &ahead, &index, &count) &&
		index - ret_stretch->next <= GAP_FILLED) {
		ret_stretch->next = (int64_t)index + 1;
		*at = ahead;
	}
	return true;
}

static char *put_spans(char *at, unsigned field, const struct weir_point_buckets *buckets, unsigned shift)
{
	struct stretch stretch;
	uint32_t place = 0;
	int64_t last = 0; /* the first offset is a bucket's number, the others are gaps */

	while (stretch_next(buckets, shift, &place, &stretch)) {
		at = put_span(at, field, (int32_t)(stretch.first - last), (uint32_t)(stretch.next - stretch.first));
		last = stretch.next;
	}
	return at;
}

static char *put_deltas(char *at, unsigned field, const struct weir_point_buckets *buckets, unsigned shift)
{
	struct stretch stretch;
	uint32_t place = 0, within = 0;
	uint64_t count = 0, last = 0;
	int32_t index;

	while (stretch_next(buckets, shift, &place, &stretch)) {
		int64_t next = stretch.first;

		while (next < stretch.next && weir_exponential_next(buckets, shift, &within, &index, &count)) {
			for (; next < index; next++) {
				at = weir_put_signed(at, field, -(int64_t)last);
				last = 0;
			}
			at = weir_put_signed(at, field, (int64_t)count - (int64_t)last);
			last = count;
			next++;
		}
	}
	return at;
}

static char *put_native(char *at, struct weir_exposition *out, const struct weir_exposition_sample *sample)
{
	const struct weir_point_view *native = sample->native;
	unsigned shift;

	at = weir_put_signed(at, 5, weir_exponential_schema(native, &shift));
	at = weir_put_double(at, 6, native->zero_threshold);
	at = weir_put_number(at, 7, native->zero_count);
	at = put_spans(at, 9, &native->negative, shift);
	at = put_deltas(at, 10, &native->negative, shift);
	if (native->count == native->zero_count) {
		at = put_span(at, 12, 0, 0); /* else an empty one is not seen to be native */
	}
	at = put_spans(at, 12, &native->positive, shift);
	at = put_deltas(at, 13, &native->positive, shift);
	at = weir_put_exemplar(at, 16, weir_exposition_exemplar(out, sample, -INFINITY, INFINITY));
	return at;
}

void weir_protobuf_histogram(struct weir_exposition *out, const struct weir_exposition_sample *sample)
{
	struct weir_buf *buf = &((struct weir_protobuf *)out)->content;
	bool is_native = sample->native != NULL && weir_exponential_is_native(sample->native);
	size_t native = is_native ? (size_t)sample->native->positive.count + sample->native->negative.count : 0;
	uint64_t cumulative = 0;
	char *at;

	at = weir_buf_reserve(buf, 256 + WEIR_PUT_EXEMPLAR_MOST +
					   ((size_t)sample->bound_count + 1) * (BUCKET_MOST + 4) +
					   native * (SPAN_MOST + 4 + (1 + GAP_FILLED) * (WEIR_PUT_VARINT_MOST + 2)));
	if (at == NULL) {
		return;
	}
	at = weir_put_number(at, 1, sample->count);
	if (sample->has_sum) {
		at = weir_put_double(at, 2, sample->sum);
	}
	for (uint32_t i = 0; i < sample->bound_count; i++) {
		cumulative += sample->counts[i];
		at = put_bucket(at, out, sample, i, cumulative);
	}
	at = put_bucket(at, out, sample, sample->bound_count, sample->count);
	if (is_native) {
		at = put_native(at, out, sample);
	}
	if (sample->created_ns > 0) {
		at = weir_put_timestamp(at, 15, sample->created_ns);
	}
	weir_buf_advance(buf, (size_t)(at - buf->data));
}
