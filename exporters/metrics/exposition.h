/* exposition: families on their way out, whatever the format.
 *
 * Who has families says each of them once, in these words, and a format writes
 * them down:
 *
 *	weir_exposition_family(out, &family);
 *	while (weir_exposition_pass(out)) {
 *		weir_exposition_sample(out, &sample);   … of each series
 *	}
 *
 * A format asks for a family's samples as often as it needs them: not at all,
 * once, or twice (protobuf has to know how long a large family is before its
 * first byte). They must be the same each time.
 *
 * A number and its name are the same in every format: a counter's sample is
 * called what its family is called here, `_total` included. */
#ifndef WEIR_EXPORTERS_METRICS_EXPOSITION_H
#define WEIR_EXPORTERS_METRICS_EXPOSITION_H

#include "aggregate/snapshot.h"
#include "base/buf.h"
#include "rules/passthrough.h"

struct weir_exposition_family {
	struct weir_str name; /* as its samples are called; a histogram's and a summary's without suffix */
	struct weir_str help;
	enum weir_exposed type;
	const double *bounds; /* histogram: of all its samples; NULL: each has its own */
	uint32_t bound_count; /* at most WEIR_METRIC_BOUNDS_MAX */
};

enum weir_exposition_form { WEIR_EXPOSITION_WHOLE, WEIR_EXPOSITION_NEGATIVE, WEIR_EXPOSITION_REAL };

struct weir_exposition_number { /* WHOLE: whole; NEGATIVE: -whole; REAL: real */
	uint64_t whole;
	double real;
	enum weir_exposition_form form;
};

struct weir_exposition_sample {
	struct weir_str labels;               /* `a="b",…` escaped, without braces */
	uint64_t created_ns;                  /* 0: not known */
	struct weir_exposition_number number; /* gauge, counter */
	uint64_t count;                       /* histogram, summary */
	double sum;
	bool has_sum;
	const double *bounds; /* histogram: upper bounds, ascending, without +Inf; summary: quantile, value, … */
	uint32_t bound_count; /* histogram: bounds; summary: pairs */
	const uint64_t
		*counts; /* histogram: of each bound, not cumulative; what is beyond the last follows from count */
	const struct weir_point_view *native; /* an exponential histogram, for a format that has such; or NULL */
	const struct weir_exemplar_view *exemplars;
	uint32_t exemplar_count;
};

struct weir_exposition;
struct weir_clash;

struct weir_exposition_format {
	void (*family)(struct weir_exposition *out); /* out->family begins */
	bool (*pass)(struct weir_exposition *out);   /* out->passes were made; another one? False: the family ends */
	void (*sample)(struct weir_exposition *out, const struct weir_exposition_sample *sample);
	void (*end)(struct weir_exposition *out); /* of all; may be NULL */
};

struct weir_exposition_opts {
	struct weir_buf *buf;     /* what is written; errors are its own and sticky */
	void (*drain)(void *ctx); /* called now and then, may take what is in buf; may be NULL */
	void *drain_ctx;
	/* Is the trace still here? NULL: no exemplars. Asked where a format has exemplars. */
	bool (*has_trace)(void *ctx, const uint8_t trace_id[16]);
	void *trace_ctx;
	struct weir_clash *clash; /* OpenMetrics: what the names of all families come to (clash.h) */
	bool has_created;         /* OpenMetrics: `_created` lines */
};

struct weir_exposition { /* the first member of each format's own struct */
	const struct weir_exposition_format *format;
	struct weir_exposition_opts opts;
	struct weir_exposition_family family; /* the present one */
	unsigned passes;                      /* over its samples, so far */
};

void weir_exposition_family(struct weir_exposition *out, const struct weir_exposition_family *family);
bool weir_exposition_pass(struct weir_exposition *out);
void weir_exposition_sample(struct weir_exposition *out, const struct weir_exposition_sample *sample);
void weir_exposition_end(struct weir_exposition *out);

/* ---- for those who have families ---------------------------------------- */

static inline struct weir_exposition_number weir_exposition_whole(uint64_t value)
{
	return (struct weir_exposition_number){ .whole = value };
}

static inline struct weir_exposition_number weir_exposition_real(double value)
{
	return (struct weir_exposition_number){ .real = value, .form = WEIR_EXPOSITION_REAL };
}

/* A gauge or counter of one series without labels. created_ns 0: not known. */
void weir_exposition_one(struct weir_exposition *out, const char *name, enum weir_exposed type, const char *help,
	struct weir_exposition_number number, uint64_t created_ns);
/* One more sample of the present family: its labels, and a whole number. created_ns 0: not known. */
void weir_exposition_count(struct weir_exposition *out, struct weir_str labels, uint64_t value, uint64_t created_ns);

/* ---- for formats -------------------------------------------------------- */

double weir_exposition_double(const struct weir_exposition_number *number);

/* The unit that a name ends in (`_seconds`); empty: none that is known. Readers give up all of a scrape over a unit that
 * a family's name does not end in; whose `_total` does not count, takes it off before it asks. */
struct weir_str weir_exposition_unit(struct weir_str name);

/* The newest exemplar with low < value <= high whose trace is still here; NULL: there is none. */
const struct weir_exemplar_view *weir_exposition_exemplar(
	struct weir_exposition *out, const struct weir_exposition_sample *sample, double low, double high);

#endif
