/* protobuf: io.prometheus.client, delimited.
 *
 *   varint length, MetricFamily   1 name  2 help  3 type  4 metric …  5 unit
 *   Metric                        1 label …  2 gauge | 3 counter | 4 summary | 7 histogram
 *
 * A family is one message with its length before it, and may be half a gigabyte;
 * two messages of one name would be two families. So a family is written in one
 * pass over its samples when its metrics take less than KEPT_MOST, and in two
 * when they take more: the first measures, the second writes. protobuf-c would
 * hold the whole family, as structs, before the first byte. It is the oracle of
 * the tests instead.
 *
 *   KEEPING ──▶ (small) out
 *      └─ KEPT_MOST ──▶ MEASURING ──▶ length ──▶ WRITING ──▶ out
 *
 * Labels are kept as the text formats have them; here they are taken apart and
 * unescaped again (put.c). Histograms are protobuf_histogram.c.
 *
 * Invariants
 *  1. What the second pass writes is as long as the first one measured: samples
 *     do not change (exposition.h), nor what was said of their exemplars' traces.
 *  2. Scalars that are set are written also when they are 0: presence matters.
 *
 * Thread: any. */
#include "exporters/metrics/protobuf.h"

#include <errno.h>
#include <math.h>

#include "base/err.h"
#include "exporters/metrics/put.h"

#define KEPT_MOST (4u << 20)
#define SMALL_MOST (WEIR_PUT_EXEMPLAR_MOST + 40u) /* a counter or a gauge */
#define PAIR_MOST 24u                             /* a quantile */

static struct weir_protobuf *protobuf_of(struct weir_exposition *out)
{
	return (struct weir_protobuf *)out;
}

/* ---- exemplars ----------------------------------------------------------- */

static bool remember(struct weir_protobuf *protobuf, const uint8_t trace_id[16])
{
	bool answer = protobuf->has_trace(protobuf->trace_ctx, trace_id);
	uint64_t at = protobuf->asked++;

	if (at % 8 == 0) {
		weir_buf_add_char(&protobuf->answers, 0);
	}
	if (at / 8 >= protobuf->answers.length) {
		return false; /* no memory, now and in the second pass */
	}
	protobuf->answers.data[at / 8] = (char)(protobuf->answers.data[at / 8] | (int)answer << at % 8);
	return answer;
}

static bool has_trace(void *ctx, const uint8_t trace_id[16])
{
	struct weir_protobuf *protobuf = ctx;
	uint64_t at;

	if (protobuf->state != WEIR_PROTOBUF_WRITING) {
		return remember(protobuf, trace_id);
	}
	at = protobuf->asked++;
	return at / 8 < protobuf->answers.length && (protobuf->answers.data[at / 8] >> at % 8 & 1) != 0;
}

/* ---- gauges, counters, summaries ----------------------------------------- */

static char *put_created(char *at, unsigned field, const struct weir_exposition_sample *sample)
{
	return sample->created_ns > 0 ? weir_put_timestamp(at, field, sample->created_ns) : at;
}

static char *put_gauge(char *at, const struct weir_exposition_sample *sample)
{
	char data[SMALL_MOST], *end = weir_put_double(data, 1, weir_exposition_double(&sample->number));

	return weir_put_bytes(at, 2, data, (size_t)(end - data));
}

static char *put_counter(char *at, struct weir_exposition *out, const struct weir_exposition_sample *sample)
{
	char data[SMALL_MOST], *end = weir_put_double(data, 1, weir_exposition_double(&sample->number));

	end = weir_put_exemplar(end, 2, weir_exposition_exemplar(out, sample, -INFINITY, INFINITY));
	end = put_created(end, 3, sample);
	return weir_put_bytes(at, 3, data, (size_t)(end - data));
}

static void summary(struct weir_protobuf *protobuf, const struct weir_exposition_sample *sample)
{
	char *at = weir_buf_reserve(&protobuf->content, 64 + (size_t)sample->bound_count * PAIR_MOST);

	if (at == NULL) {
		return;
	}
	at = weir_put_number(at, 1, sample->count);
	if (sample->has_sum) {
		at = weir_put_double(at, 2, sample->sum);
	}
	for (uint32_t i = 0; i < sample->bound_count; i++) {
		char pair[PAIR_MOST], *end = weir_put_double(pair, 1, sample->bounds[2 * i]);

		end = weir_put_double(end, 2, sample->bounds[2 * i + 1]);
		at = weir_put_bytes(at, 3, pair, (size_t)(end - pair));
	}
	at = put_created(at, 4, sample);
	weir_buf_advance(&protobuf->content, (size_t)(at - protobuf->content.data));
}

/* ---- families ------------------------------------------------------------ */

static void family(struct weir_exposition *out)
{
	struct weir_protobuf *protobuf = protobuf_of(out);

	protobuf->state = WEIR_PROTOBUF_KEEPING;
	protobuf->metric_bytes = protobuf->written_bytes = protobuf->asked = 0;
	weir_buf_clear(&protobuf->kept);
	weir_buf_clear(&protobuf->answers);
}

static unsigned type_of(enum weir_exposed type)
{
	switch (type) {
	case WEIR_EXPOSED_COUNTER:
		return 0;
	case WEIR_EXPOSED_SUMMARY:
		return 2;
	case WEIR_EXPOSED_HISTOGRAM:
		return 4;
	case WEIR_EXPOSED_GAUGE:
	case WEIR_EXPOSEDS:
		break;
	}
	return 1;
}

static struct weir_str unit_of(const struct weir_exposition_family *family)
{
	struct weir_str name = family->name;

	if (family->type == WEIR_EXPOSED_COUNTER && weir_str_ends_with(name, "_total")) {
		name.length -= strlen("_total");
	}
	return weir_exposition_unit(name);
}

/* The length and what stands before the metrics. */
static void head_write(struct weir_protobuf *protobuf)
{
	const struct weir_exposition_family *family = &protobuf->base.family;
	struct weir_str unit = unit_of(family);
	size_t unit_bytes = unit.length > 0 ? 1 + weir_put_varint_length(unit.length) + unit.length : 0;
	char *begin = weir_buf_reserve(
		protobuf->base.opts.buf, family->name.length + family->help.length + 5 * (WEIR_PUT_VARINT_MOST + 1));
	char *at = begin;

	if (begin == NULL) {
		return;
	}
	at = weir_put_varint(at, 1 + weir_put_varint_length(family->name.length) + family->name.length + 1 +
					 weir_put_varint_length(family->help.length) + family->help.length + 2 +
					 protobuf->metric_bytes + unit_bytes);
	at = weir_put_bytes(at, 1, family->name.data, family->name.length);
	at = family->help.length > 0 ? weir_put_bytes(at, 2, family->help.data, family->help.length)
				     : weir_put_bytes(at, 2, "", 0);
	at = weir_put_number(at, 3, type_of(family->type));
	weir_buf_advance(protobuf->base.opts.buf, (size_t)(at - begin));
}

static void tail_write(struct weir_protobuf *protobuf)
{
	struct weir_str unit = unit_of(&protobuf->base.family);
	char *begin = weir_buf_reserve(protobuf->base.opts.buf, unit.length + 2 * WEIR_PUT_VARINT_MOST);

	if (begin != NULL && unit.length > 0) {
		weir_buf_advance(
			protobuf->base.opts.buf, (size_t)(weir_put_bytes(begin, 5, unit.data, unit.length) - begin));
	}
}

static bool pass(struct weir_exposition *out)
{
	struct weir_protobuf *protobuf = protobuf_of(out);

	if (out->passes == 0) {
		return true;
	}
	switch (protobuf->state) {
	case WEIR_PROTOBUF_KEEPING:
		head_write(protobuf);
		weir_buf_add_str(out->opts.buf, weir_buf_str(&protobuf->kept));
		break;
	case WEIR_PROTOBUF_MEASURING:
		head_write(protobuf);
		protobuf->state = WEIR_PROTOBUF_WRITING;
		protobuf->asked = 0;
		return true;
	case WEIR_PROTOBUF_WRITING:
		weir_assert(protobuf->written_bytes == protobuf->metric_bytes || weir_buf_error(out->opts.buf) != 0);
		break;
	}
	tail_write(protobuf);
	return false;
}

/* A whole metric, in protobuf->metric. False: no memory, and the output knows. */
static bool metric(struct weir_exposition *out, const struct weir_exposition_sample *sample)
{
	struct weir_protobuf *protobuf = protobuf_of(out);
	bool is_large = out->family.type == WEIR_EXPOSED_HISTOGRAM || out->family.type == WEIR_EXPOSED_SUMMARY;
	unsigned field = out->family.type == WEIR_EXPOSED_HISTOGRAM ? 7 : 4;
	size_t room = weir_put_labels_room(sample->labels) + SMALL_MOST + 2 * WEIR_PUT_VARINT_MOST;
	char *at;

	weir_buf_clear(&protobuf->metric);
	weir_buf_clear(&protobuf->content);
	if (out->family.type == WEIR_EXPOSED_HISTOGRAM) {
		weir_protobuf_histogram(out, sample);
	} else if (is_large) {
		summary(protobuf, sample);
	}
	at = weir_buf_reserve(&protobuf->metric, room + protobuf->content.length);
	if (at == NULL || weir_buf_error(&protobuf->content) != 0) {
		out->opts.buf->error = -ENOMEM;
		return false;
	}
	at = weir_put_labels(at, sample->labels);
	if (is_large) {
		at = weir_put_bytes(at, field, protobuf->content.data, protobuf->content.length);
	} else {
		at = out->family.type == WEIR_EXPOSED_COUNTER ? put_counter(at, out, sample) : put_gauge(at, sample);
	}
	weir_buf_advance(&protobuf->metric, (size_t)(at - protobuf->metric.data));
	return true;
}

/* As field 4 of the family. */
static void metric_add(struct weir_buf *buf, struct weir_str metric)
{
	char *begin = weir_buf_reserve(buf, metric.length + 2 * WEIR_PUT_VARINT_MOST);

	if (begin != NULL) {
		weir_buf_advance(buf, (size_t)(weir_put_bytes(begin, 4, metric.data, metric.length) - begin));
	}
}

static void sample(struct weir_exposition *out, const struct weir_exposition_sample *sample)
{
	struct weir_protobuf *protobuf = protobuf_of(out);
	struct weir_str made;
	uint64_t bytes;

	if (!metric(out, sample)) {
		return;
	}
	made = weir_buf_str(&protobuf->metric);
	bytes = 1 + weir_put_varint_length(made.length) + made.length;
	switch (protobuf->state) {
	case WEIR_PROTOBUF_KEEPING:
		protobuf->metric_bytes += bytes;
		if (protobuf->metric_bytes > KEPT_MOST) {
			protobuf->state = WEIR_PROTOBUF_MEASURING;
		} else {
			metric_add(&protobuf->kept, made);
			out->opts.buf->error =
				out->opts.buf->error != 0 ? out->opts.buf->error : weir_buf_error(&protobuf->kept);
		}
		break;
	case WEIR_PROTOBUF_MEASURING:
		protobuf->metric_bytes += bytes;
		break;
	case WEIR_PROTOBUF_WRITING:
		protobuf->written_bytes += bytes;
		metric_add(out->opts.buf, made);
		break;
	}
}

void weir_protobuf_begin(struct weir_protobuf *protobuf, const struct weir_exposition_opts *opts)
{
	static const struct weir_exposition_format format = { family, pass, sample, NULL };

	*protobuf = (struct weir_protobuf){ .base = { .format = &format, .opts = *opts } };
	if (opts->has_trace != NULL) {
		protobuf->has_trace = opts->has_trace;
		protobuf->trace_ctx = opts->trace_ctx;
		protobuf->base.opts.has_trace = has_trace;
		protobuf->base.opts.trace_ctx = protobuf;
	}
}

void weir_protobuf_end(struct weir_protobuf *protobuf)
{
	weir_buf_fini(&protobuf->kept);
	weir_buf_fini(&protobuf->metric);
	weir_buf_fini(&protobuf->content);
	weir_buf_fini(&protobuf->answers);
}
