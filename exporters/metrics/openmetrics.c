/* openmetrics: OpenMetrics 1.0 as text.
 *
 *   # TYPE istio_requests counter                         without _total: see clash.c
 *   # HELP istio_requests Finished requests.
 *   istio_requests_total{<labels>} 17 # {trace_id="…",span_id="…"} 1 1700000000.25
 *   istio_requests_created{<labels>} 1699990000.5         only with metrics.om_created
 *   # TYPE istio_request_bytes histogram
 *   # UNIT istio_request_bytes bytes                      when the name ends in one
 *   istio_request_bytes_bucket{<labels>,le="1.0"} 3 # {…} 0.7 1700000000.25
 *   istio_request_bytes_sum{<labels>} 1234.5              then count, created
 *   # EOF
 *
 * Bounds and quantiles are written as Go writes them, since they are label
 * values and others compare them as text. An exemplar is the newest whose trace
 * is still here, so what a reader follows leads somewhere; its labels take 63
 * of the 128 characters that there may be.
 *
 * What OpenMetrics forbids a sender to have said is left out, the rest of the
 * series stays: negative bounds of a histogram, beside which there may be no sum
 * (what is below them counts in the next bucket); its count and sum, when the
 * sum is negative or there is none; a counter that is negative or no number; a
 * quantile that is negative.
 *
 * Invariants: those of text.c, and
 *  3. No line is empty; nothing follows `# EOF`.
 *
 * Thread: any. */
#include "exporters/metrics/openmetrics.h"

#include <math.h>
#include <stdio.h>

#include "base/err.h"
#include "base/hex.h"

#define EXEMPLAR_ROOM 160u

#define S(text) weir_str_make(text, sizeof(text) - 1)

static struct weir_openmetrics *openmetrics_of(struct weir_exposition *out)
{
	return (struct weir_openmetrics *)out;
}

static bool is_info(const struct weir_openmetrics *openmetrics)
{
	return openmetrics->form == WEIR_CLASH_TYPED &&
	       weir_str_is(openmetrics->base.family.name, WEIR_PASSTHROUGH_TARGET);
}

static bool is_counter(const struct weir_openmetrics *openmetrics)
{
	return openmetrics->form == WEIR_CLASH_TYPED && openmetrics->base.family.type == WEIR_EXPOSED_COUNTER;
}

static struct weir_str type_of(const struct weir_openmetrics *openmetrics)
{
	if (openmetrics->form == WEIR_CLASH_UNKNOWN) {
		return S("unknown");
	}
	return is_info(openmetrics) ? S("info")
				    : weir_str_of(weir_passthrough_type_name(openmetrics->base.family.type));
}

static void family(struct weir_exposition *out)
{
	struct weir_openmetrics *openmetrics = openmetrics_of(out);
	struct weir_str unit;

	openmetrics->form = weir_clash_next(out->opts.clash, out->family.name);
	openmetrics->name = out->family.name;
	if (openmetrics->form == WEIR_CLASH_LEFT_OUT) {
		return;
	}
	if (is_info(openmetrics)) {
		openmetrics->name.length -= strlen("_info");
	} else if (is_counter(openmetrics)) {
		openmetrics->name.length -= strlen("_total");
	}
	weir_line_about(out->opts.buf, "# TYPE ", openmetrics->name, type_of(openmetrics), false);
	unit = weir_exposition_unit(openmetrics->name);
	if (unit.length > 0 && !is_info(openmetrics)) {
		weir_line_about(out->opts.buf, "# UNIT ", openmetrics->name, unit, false);
	}
	if (out->family.help.length > 0) {
		weir_line_about(out->opts.buf, "# HELP ", openmetrics->name, out->family.help, true);
	}
	for (uint32_t i = 0; i < out->family.bound_count; i++) {
		weir_line_bound_set(&openmetrics->bounds[i], "le", out->family.bounds[i], true);
	}
}

static bool pass(struct weir_exposition *out)
{
	return out->passes == 0 && openmetrics_of(out)->form != WEIR_CLASH_LEFT_OUT;
}

/* Seconds since 1970, all that is known of them. */
static char *put_time(char *at, uint64_t time_ns)
{
	uint64_t rest = time_ns % 1000000000;

	at = weir_line_u64(at, time_ns / 1000000000);
	if (rest != 0) {
		at += snprintf(at, 11, ".%09u", (unsigned)rest);
		while (at[-1] == '0') {
			at--;
		}
	}
	return at;
}

/* ` # {…} value time`, or nothing. */
static char *put_exemplar(char *at, const struct weir_exemplar_view *exemplar)
{
	static const uint8_t none[8];

	if (exemplar == NULL) {
		return at;
	}
	at = weir_line_put(at, " # {trace_id=\"", 14);
	at = weir_hex_write(at, exemplar->trace_id, sizeof(exemplar->trace_id));
	if (memcmp(exemplar->span_id, none, sizeof(none)) != 0) {
		at = weir_line_put(at, "\",span_id=\"", 11);
		at = weir_hex_write(at, exemplar->span_id, sizeof(exemplar->span_id));
	}
	at = weir_line_put(at, "\"} ", 3);
	at += weir_json_write_number(at, exemplar->value);
	*at++ = ' ';
	return put_time(at, exemplar->time_ns);
}

static char *put_created(char *at, struct weir_openmetrics *openmetrics, const struct weir_exposition_sample *sample)
{
	if (openmetrics->base.opts.has_created && sample->created_ns > 0) {
		at = weir_line_begin(at, openmetrics->name, S("_created"), sample->labels, NULL);
		at = put_time(at, sample->created_ns);
		*at++ = '\n';
	}
	return at;
}

static char *put_number(char *at, struct weir_openmetrics *openmetrics, const struct weir_exposition_sample *sample)
{
	if (is_counter(openmetrics) && !(weir_exposition_double(&sample->number) >= 0)) {
		return at;
	}
	at = weir_line_begin(at, openmetrics->base.family.name, S(""), sample->labels, NULL);
	at = weir_line_number(at, &sample->number);
	if (is_counter(openmetrics)) {
		at = put_exemplar(at, weir_exposition_exemplar(&openmetrics->base, sample, -INFINITY, INFINITY));
	}
	*at++ = '\n';
	return is_counter(openmetrics) ? put_created(at, openmetrics, sample) : at;
}

static char *put_sum(char *at, struct weir_str name, const struct weir_exposition_sample *sample)
{
	at = weir_line_begin(at, name, S("_sum"), sample->labels, NULL);
	at += weir_json_write_number(at, sample->sum);
	*at++ = '\n';
	return at;
}

static char *put_count(char *at, struct weir_str name, const struct weir_exposition_sample *sample)
{
	at = weir_line_begin(at, name, S("_count"), sample->labels, NULL);
	at = weir_line_u64(at, sample->count);
	*at++ = '\n';
	return at;
}

static char *put_bucket(char *at, struct weir_openmetrics *openmetrics, const struct weir_exposition_sample *sample,
	uint32_t bucket, uint64_t cumulative)
{
	static const struct weir_line_bound infinite = { "le=\"+Inf\"", 9 };
	const struct weir_line_bound *bound = bucket < sample->bound_count ? &openmetrics->bounds[bucket] : &infinite;
	double low = bucket > 0 && sample->bounds[bucket - 1] >= 0 ? sample->bounds[bucket - 1] : -INFINITY;
	double high = bucket < sample->bound_count ? sample->bounds[bucket] : INFINITY;
	struct weir_line_bound own;

	if (bucket < sample->bound_count && sample->bounds != openmetrics->base.family.bounds) {
		weir_line_bound_set(&own, "le", sample->bounds[bucket], true);
		bound = &own;
	}
	at = weir_line_begin(at, openmetrics->name, S("_bucket"), sample->labels, bound);
	at = weir_line_u64(at, cumulative);
	at = put_exemplar(at, weir_exposition_exemplar(&openmetrics->base, sample, low, high));
	*at++ = '\n';
	return at;
}

static char *put_histogram(char *at, struct weir_openmetrics *openmetrics, const struct weir_exposition_sample *sample)
{
	uint64_t cumulative = 0;

	for (uint32_t i = 0; i < sample->bound_count; i++) {
		cumulative += sample->counts[i];
		if (sample->bounds[i] >= 0) {
			at = put_bucket(at, openmetrics, sample, i, cumulative);
		}
	}
	at = put_bucket(at, openmetrics, sample, sample->bound_count, sample->count);
	if (sample->has_sum && sample->sum >= 0) {
		at = put_sum(at, openmetrics->name, sample);
		at = put_count(at, openmetrics->name, sample);
	}
	return put_created(at, openmetrics, sample);
}

static char *put_summary(char *at, struct weir_openmetrics *openmetrics, const struct weir_exposition_sample *sample)
{
	struct weir_line_bound quantile;

	for (uint32_t i = 0; i < sample->bound_count; i++) {
		double rank = sample->bounds[2 * i], value = sample->bounds[2 * i + 1];

		if (!(rank >= 0 && rank <= 1) || value < 0) {
			continue;
		}
		weir_line_bound_set(&quantile, "quantile", rank, true);
		at = weir_line_begin(at, openmetrics->name, S(""), sample->labels, &quantile);
		at += weir_json_write_number(at, value);
		*at++ = '\n';
	}
	if (sample->has_sum && sample->sum >= 0) {
		at = put_sum(at, openmetrics->name, sample);
	}
	at = put_count(at, openmetrics->name, sample);
	return put_created(at, openmetrics, sample);
}

static void sample(struct weir_exposition *out, const struct weir_exposition_sample *sample)
{
	struct weir_openmetrics *openmetrics = openmetrics_of(out);
	size_t room = (weir_line_room(out->family.name, sample->labels) + EXEMPLAR_ROOM) * (sample->bound_count + 4);
	char *begin = weir_buf_reserve(out->opts.buf, room), *at = begin;

	if (begin == NULL) {
		return;
	}
	switch (out->family.type) {
	case WEIR_EXPOSED_HISTOGRAM:
		at = put_histogram(at, openmetrics, sample);
		break;
	case WEIR_EXPOSED_SUMMARY:
		at = put_summary(at, openmetrics, sample);
		break;
	default:
		at = put_number(at, openmetrics, sample);
		break;
	}
	weir_buf_advance(out->opts.buf, (size_t)(at - begin));
}

static void end(struct weir_exposition *out)
{
	weir_buf_add_text(out->opts.buf, "# EOF\n");
}

void weir_openmetrics_begin(struct weir_openmetrics *openmetrics, const struct weir_exposition_opts *opts)
{
	static const struct weir_exposition_format format = { family, pass, sample, end };

	weir_assert(opts->clash != NULL);
	openmetrics->base = (struct weir_exposition){ .format = &format, .opts = *opts };
}
