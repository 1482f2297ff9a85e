/* exposition: what all formats and all sources of families share; see the header. */
#include "exporters/metrics/exposition.h"

#include <math.h>

#include "base/err.h"

#define EXEMPLARS_MAX 64u /* of one sample that are looked at: a bit each */

void weir_exposition_family(struct weir_exposition *out, const struct weir_exposition_family *family)
{
	weir_assert(family->bound_count <= WEIR_METRIC_BOUNDS_MAX);
	out->family = *family;
	out->passes = 0;
	out->format->family(out);
}

bool weir_exposition_pass(struct weir_exposition *out)
{
	bool is_wanted = out->format->pass(out);

	out->passes += is_wanted;
	return is_wanted;
}

void weir_exposition_sample(struct weir_exposition *out, const struct weir_exposition_sample *sample)
{
	out->format->sample(out, sample);
	if (out->opts.drain != NULL) {
		out->opts.drain(out->opts.drain_ctx);
	}
}

void weir_exposition_end(struct weir_exposition *out)
{
	if (out->format->end != NULL) {
		out->format->end(out);
	}
}

void weir_exposition_one(struct weir_exposition *out, const char *name, enum weir_exposed type, const char *help,
	struct weir_exposition_number number, uint64_t created_ns)
{
	const struct weir_exposition_family family = {
		.name = weir_str_of(name), .help = weir_str_of(help), .type = type
	};
	const struct weir_exposition_sample sample = { .number = number, .created_ns = created_ns };

	weir_exposition_family(out, &family);
	while (weir_exposition_pass(out)) {
		weir_exposition_sample(out, &sample);
	}
}

void weir_exposition_count(struct weir_exposition *out, struct weir_str labels, uint64_t value, uint64_t created_ns)
{
	const struct weir_exposition_sample sample = {
		.labels = labels, .number = weir_exposition_whole(value), .created_ns = created_ns
	};

	weir_exposition_sample(out, &sample);
}

double weir_exposition_double(const struct weir_exposition_number *number)
{
	switch (number->form) {
	case WEIR_EXPOSITION_WHOLE:
		return (double)number->whole;
	case WEIR_EXPOSITION_NEGATIVE:
		return -(double)number->whole;
	case WEIR_EXPOSITION_REAL:
		break;
	}
	return number->real;
}

struct weir_str weir_exposition_unit(struct weir_str name)
{
	static const char *const units[] = { "seconds", "milliseconds", "bytes", "ratio", "celsius", "meters", "volts",
		"amperes", "joules", "watts", "grams", "hertz" };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t length = strlen(units[i]);

		if (name.length > length + 1 && weir_str_ends_with(name, units[i]) &&
			name.data[name.length - length - 1] == '_') {
			return weir_str_make(name.data + name.length - length, length);
		}
	}
	return (struct weir_str){ 0 };
}

const struct weir_exemplar_view *weir_exposition_exemplar(
	struct weir_exposition *out, const struct weir_exposition_sample *sample, double low, double high)
{
	static const uint8_t none[16];
	uint32_t count = sample->exemplar_count < EXEMPLARS_MAX ? sample->exemplar_count : EXEMPLARS_MAX;
	uint64_t passed_over = 0;

	while (out->opts.has_trace != NULL) {
		const struct weir_exemplar_view *newest = NULL;

		for (uint32_t i = 0; i < count; i++) {
			const struct weir_exemplar_view *at = &sample->exemplars[i];

			if ((passed_over >> i & 1) == 0 && at->value > low && at->value <= high &&
				(newest == NULL || at->time_ns > newest->time_ns)) {
				newest = at;
			}
		}
		if (newest == NULL) {
			return NULL;
		}
		if (memcmp(newest->trace_id, none, sizeof(none)) != 0 &&
			out->opts.has_trace(out->opts.trace_ctx, newest->trace_id)) {
			return newest;
		}
		passed_over |= UINT64_C(1) << (newest - sample->exemplars);
	}
	return NULL;
}
