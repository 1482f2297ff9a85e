/* text: Prometheus' text format 0.0.4.
 *
 *   # HELP istio_requests_total …
 *   # TYPE istio_requests_total counter
 *   istio_requests_total{<labels>} 17
 *   istio_request_bytes_bucket{<labels>,le="0.5"} 0     … cumulative, le="+Inf" last,
 *   istio_request_bytes_sum{<labels>} 1234.5            then sum and count
 *   rpc{<labels>,quantile="0.5"} 3                      … a summary's, then sum and count
 *
 * A scrape of 100k series is mostly memcpy: the label text is made once per
 * series by the rules and kept by the fold, `le` texts once per family here;
 * room is reserved for all lines of a series at once, from an upper bound, so
 * no line tests for space.
 *
 * Invariants
 *  1. A family's samples are contiguous, its HELP and TYPE stand before them.
 *  2. le="+Inf" equals _count.
 *
 * Thread: any. */
#include "exporters/metrics/text.h"

#include <math.h>

#define S(text) weir_str_make(text, sizeof(text) - 1)

static struct weir_text_exposition *text_of(struct weir_exposition *out)
{
	return (struct weir_text_exposition *)out;
}

static void family(struct weir_exposition *out)
{
	const struct weir_exposition_family *family = &out->family;

	weir_line_about(out->opts.buf, "# HELP ", family->name, family->help, false);
	weir_line_about(
		out->opts.buf, "# TYPE ", family->name, weir_str_of(weir_passthrough_type_name(family->type)), false);
	for (uint32_t i = 0; i < family->bound_count; i++) {
		weir_line_bound_set(&text_of(out)->bounds[i], "le", family->bounds[i], false);
	}
}

static bool pass(struct weir_exposition *out)
{
	return out->passes == 0;
}

static char *put_whole(char *at, uint64_t value)
{
	at = weir_line_u64(at, value);
	*at++ = '\n';
	return at;
}

static char *put_sum_and_count(char *at, struct weir_str name, const struct weir_exposition_sample *sample)
{
	if (sample->has_sum) {
		at = weir_line_begin(at, name, S("_sum"), sample->labels, NULL);
		at += weir_json_write_number(at, sample->sum);
		*at++ = '\n';
	}
	at = weir_line_begin(at, name, S("_count"), sample->labels, NULL);
	return put_whole(at, sample->count);
}

static char *put_histogram(char *at, struct weir_text_exposition *text, const struct weir_exposition_sample *sample)
{
	static const struct weir_line_bound infinite = { "le=\"+Inf\"", 9 };
	const struct weir_exposition_family *family = &text->base.family;
	struct weir_line_bound own;
	uint64_t cumulative = 0;

	for (uint32_t i = 0; i < sample->bound_count; i++) {
		const struct weir_line_bound *bound = &text->bounds[i];

		if (sample->bounds != family->bounds) {
			weir_line_bound_set(&own, "le", sample->bounds[i], false);
			bound = &own;
		}
		cumulative += sample->counts[i];
		at = weir_line_begin(at, family->name, S("_bucket"), sample->labels, bound);
		at = put_whole(at, cumulative);
	}
	at = weir_line_begin(at, family->name, S("_bucket"), sample->labels, &infinite);
	at = put_whole(at, sample->count);
	return put_sum_and_count(at, family->name, sample);
}

static char *put_summary(char *at, struct weir_str name, const struct weir_exposition_sample *sample)
{
	struct weir_line_bound quantile;

	for (uint32_t i = 0; i < sample->bound_count; i++) {
		weir_line_bound_set(&quantile, "quantile", sample->bounds[2 * i], false);
		at = weir_line_begin(at, name, S(""), sample->labels, &quantile);
		at += weir_json_write_number(at, sample->bounds[2 * i + 1]);
		*at++ = '\n';
	}
	return put_sum_and_count(at, name, sample);
}

static void sample(struct weir_exposition *out, const struct weir_exposition_sample *sample)
{
	struct weir_str name = out->family.name;
	size_t room = weir_line_room(name, sample->labels) * (sample->bound_count + 3);
	char *begin = weir_buf_reserve(out->opts.buf, room), *at = begin;

	if (begin == NULL) {
		return;
	}
	switch (out->family.type) {
	case WEIR_EXPOSED_HISTOGRAM:
		at = put_histogram(at, text_of(out), sample);
		break;
	case WEIR_EXPOSED_SUMMARY:
		at = put_summary(at, name, sample);
		break;
	default:
		at = weir_line_begin(at, name, S(""), sample->labels, NULL);
		at = weir_line_number(at, &sample->number);
		*at++ = '\n';
		break;
	}
	weir_buf_advance(out->opts.buf, (size_t)(at - begin));
}

void weir_text_exposition_begin(struct weir_text_exposition *text, const struct weir_exposition_opts *opts)
{
	static const struct weir_exposition_format format = { family, pass, sample, NULL };

	text->base = (struct weir_exposition){ .format = &format, .opts = *opts };
}
