/* ruleset: rule documents, loaded: which metrics there are, which records they
 * count and under which labels; which log entries are written. Immutable;
 * shared by counted references; replaced whole on a reload. */
#ifndef WEIR_RULES_RULESET_H
#define WEIR_RULES_RULESET_H

#include "base/buf.h"
#include "rules/attribute.h"
#include "rules/metric.h"

struct weir_ruleset;

struct weir_ruleset_opts {
	/* Files or folders of documents (*.yaml, *.yml, *.json), in order; `builtin` is the standard set
	 * (standard.yaml). None: builtin alone. metrics.rules */
	const char *const *paths;
	size_t path_count;
	bool is_both; /* metrics.profile: both */
};

struct weir_ruleset_error { /* "rules/http.yaml:12:8: …" */
	char where[512];
	char why[512];
};

enum { WEIR_RULESET_WRONG = 1 }; /* outcome */

/* 0: the caller holds one reference. WRONG: *ret_error says where and why. -ENOMEM. */
int weir_ruleset_load(
	const struct weir_ruleset_opts *opts, const struct weir_ruleset **ret, struct weir_ruleset_error *ret_error);
const struct weir_ruleset *weir_ruleset_hold(const struct weir_ruleset *ruleset);
void weir_ruleset_let_go(const struct weir_ruleset *ruleset); /* NULL is nothing */

/* metrics.profile: what weir_rules_record.is_both is for records that these rules see. */
bool weir_ruleset_is_both(const struct weir_ruleset *ruleset);

const struct weir_schema *weir_ruleset_schema(const struct weir_ruleset *ruleset);

/* What leads to the record's labels and rules beyond the base key of the fold's
 * memo: 0 when there is nothing. Equal records, equal keys; what labels or
 * matches depend on and the base key does not tell is in it. */
struct weir_ruleset_key {
	uint64_t low, high;
};
struct weir_ruleset_key weir_ruleset_key(
	const struct weir_ruleset *ruleset, const struct weir_rules_record *record, struct weir_scratch *scratch);

struct weir_ruleset_hit { /* a label text under which the record counts */
	uint32_t group;
	uint32_t mask; /* which of the group's metrics: bit `place` */
};
/* All groups of which a metric matches: at most WEIR_GROUPS_MAX. A metric of
 * which a label cannot be evaluated does not match (counted: label_failed). */
uint32_t weir_ruleset_match(const struct weir_ruleset *ruleset, const struct weir_rules_record *record,
	struct weir_scratch *scratch, struct weir_ruleset_hit *ret_hits);
/* The label text of a group, `reporter="source",…`, escaped, appended. An empty
 * value is no label. A path is written as a template. Values are cut to
 * WEIR_LABEL_VALUE_MAX; returns how many were. `_overflow` is no value. */
uint32_t weir_ruleset_labels(const struct weir_ruleset *ruleset, uint32_t group, const struct weir_rules_record *record,
	struct weir_scratch *scratch, struct weir_buf *ret_text);

/* What a metric observes of the record, in its unit (WHOLE, DURATION: number;
 * REAL: real). False: it cannot be evaluated, or is negative where it counts. */
bool weir_ruleset_value(const struct weir_ruleset *ruleset, const struct weir_metric *metric,
	const struct weir_rules_record *record, struct weir_scratch *scratch, struct weir_observation *ret);

/* The same, known ahead: of records of equal keys a metric reads the same field,
 * or it is to be asked (OTHER). */
enum weir_reading_kind {
	WEIR_READING_CONSTANT,
	WEIR_READING_DURATION_NS,
	WEIR_READING_DURATION_MS,
	WEIR_READING_REQUEST_BYTES,
	WEIR_READING_RESPONSE_BYTES,
	WEIR_READING_SENT_BYTES,
	WEIR_READING_RECEIVED_BYTES,
	WEIR_READING_OTHER,
};
struct weir_reading {
	enum weir_reading_kind kind;
	uint64_t constant;
};
struct weir_reading weir_ruleset_reading(const struct weir_ruleset *ruleset, const struct weir_metric *metric,
	const struct weir_rules_record *record, struct weir_scratch *scratch);

static inline uint64_t weir_reading_take(struct weir_reading reading, const struct weir_rules_record *record)
{
	switch (reading.kind) {
	case WEIR_READING_DURATION_NS:
		return record->request->duration_ns;
	case WEIR_READING_DURATION_MS:
		return record->request->duration_ns / 1000000;
	case WEIR_READING_REQUEST_BYTES:
		return record->request->request_bytes;
	case WEIR_READING_RESPONSE_BYTES:
		return record->request->response_bytes;
	case WEIR_READING_SENT_BYTES:
		return record->sent_bytes;
	case WEIR_READING_RECEIVED_BYTES:
		return record->received_bytes;
	default:
		return reading.constant;
	}
}

/* Log entries (logentry instances with a stdio handler). */
enum weir_ruleset_sink { WEIR_SINK_STDOUT, WEIR_SINK_STDERR, WEIR_SINK_FILE };
struct weir_ruleset_output { /* a handler */
	const char *name;
	enum weir_ruleset_sink sink;
	const char *path;        /* FILE */
	uint64_t max_size_bytes; /* 0: it is not rotated */
	uint32_t max_backups;    /* of a rotated one at least 1 */
	uint32_t max_age_days;   /* 0: however old */
};
uint32_t weir_ruleset_output_count(const struct weir_ruleset *ruleset);
const struct weir_ruleset_output *weir_ruleset_output(const struct weir_ruleset *ruleset, uint32_t output);
/* The lines that this record makes for this output, each ended by \n, appended.
 * Returns how many. */
uint32_t weir_ruleset_entries(const struct weir_ruleset *ruleset, uint32_t output,
	const struct weir_rules_record *record, struct weir_scratch *scratch, struct weir_buf *ret_text);

/* Label keys of workloads that rules read (source.labels["team"]) beyond app,
 * version and the canonical ones: decoders keep these. NULL beyond the last. */
const char *weir_ruleset_wanted_label(const struct weir_ruleset *ruleset, uint32_t i);

/* The longest metricsExpiryDuration of its prometheus handlers; 0: none is told. */
uint64_t weir_ruleset_expiry_ns(const struct weir_ruleset *ruleset);

/* What was passed over while it was loaded, for a person: lines
 * "FILE:LINE:COLUMN: note: …" (no rule of ours) and "…: warning: …" (a rule
 * that weir cannot do as a whole), each ended by \n. Lives as long as it. */
struct weir_str weir_ruleset_notes(const struct weir_ruleset *ruleset);

/* Does the file look like rules rather than a configuration: is it a folder, or
 * does its first document have `kind` or `apiVersion`? False also when it cannot be read. */
bool weir_ruleset_is_file_of_rules(const char *path);

/* For `weir check --explain`: which rules matched, which series they touch, why
 * the others did not; as text for a person. */
void weir_ruleset_explain(
	const struct weir_ruleset *ruleset, const struct weir_rules_record *record, struct weir_buf *ret_text);

#endif
