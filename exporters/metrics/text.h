/* text: the Prometheus text format 0.0.4. */
#ifndef WEIR_EXPORTERS_METRICS_TEXT_H
#define WEIR_EXPORTERS_METRICS_TEXT_H

#include "aggregate/snapshot.h"
#include "base/buf.h"

#define WEIR_TEXT_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* HELP and TYPE; `type` is "counter", "gauge" or "histogram". */
void weir_text_family(struct weir_buf *text, const char *name, const char *type, const char *help);
/* One line; `labels` is the text between the braces, "" for none. */
void weir_text_sample(struct weir_buf *text, const char *name, const char *labels, uint64_t value);
void weir_text_sample_double(struct weir_buf *text, const char *name, const char *labels, double value);

/* Where a text that may become very long goes: `fn` is called now and then and may take what is there. */
struct weir_text_drain {
	void (*fn)(void *ctx);
	void *ctx;
};

static inline void weir_text_drain(const struct weir_text_drain *drain)
{
	if (drain != NULL) {
		drain->fn(drain->ctx);
	}
}

/* Every family of the snapshot that has a series (part SERIES). `drain` may be NULL. */
void weir_text_series(struct weir_buf *text, const struct weir_snapshot *snapshot, const struct weir_text_drain *drain);

/* The ledger's sums by signal, and what else of weir's own is exact over a
 * crash (parts LEDGER and SERIES). Signals and reasons that can occur are
 * there from the start, at 0. */
void weir_text_ledger(struct weir_buf *text, const struct weir_snapshot *snapshot);

#endif
