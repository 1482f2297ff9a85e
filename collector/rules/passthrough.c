/* passthrough: names and labels of metrics that are passed through.
 *
 *   naming    family's name
 *   OTEL      OpenTelemetry's rules for Prometheus: foreign characters become
 *             `_`, a run of them one; the unit's name, unless the name has it
 *             already; then `_total` of a monotonic sum or `_ratio` of a gauge of
 *             unit 1, which stands nowhere else
 *   ENVOY     as Envoy's own /stats/prometheus has it: `envoy_`, each foreign
 *             character `_`, nothing added: a dashboard made for one finds the other
 *   VERBATIM  as it is
 *
 *   label     value
 *   job       service.namespace/service.name, or the name alone
 *   instance  service.instance.id; without one what else tells replicas apart: the
 *             proxy, the pod, the host
 *   otel_scope_name, otel_scope_version
 *             of the scope; its schema URL and attributes are attributes of the point
 *             already, otel_scope_… by name (decode/otlp/scope.h)
 *   …         the point's attributes, ordered by label name; values whose names became
 *             the same are joined with `;` in the order of their keys
 *
 * A label that weir sets itself (job, instance, otel_scope_…, le, quantile)
 * stays weir's: an attribute of that name is written as `exported_…`, as
 * Prometheus does. An attribute without a value is no label: Prometheus takes
 * one for the other, and what differs in it alone is one series.
 *
 * Invariants
 *  1. Equal points give equal bytes, whatever the order of their attributes.
 *  2. No label occurs twice.
 *
 * Any thread; no state. */
#include "rules/passthrough.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/utf8.h"
#include "rules/label.h"

static const char *const type_names[WEIR_EXPOSEDS] = { "gauge", "counter", "histogram", "summary" };

const char *weir_passthrough_type_name(unsigned exposed)
{
	return exposed < WEIR_EXPOSEDS ? type_names[exposed] : NULL;
}

enum weir_exposed weir_passthrough_type_of_kind(enum weir_metric_kind kind)
{
	switch (kind) {
	case WEIR_METRIC_COUNTER:
		return WEIR_EXPOSED_COUNTER;
	case WEIR_METRIC_HISTOGRAM:
		return WEIR_EXPOSED_HISTOGRAM;
	case WEIR_METRIC_GAUGE:
		break;
	}
	return WEIR_EXPOSED_GAUGE;
}

enum weir_exposed weir_passthrough_type(const struct weir_instrument *instrument)
{
	switch (instrument->kind) {
	case WEIR_INSTRUMENT_SUM:
		return instrument->is_monotonic ? WEIR_EXPOSED_COUNTER : WEIR_EXPOSED_GAUGE;
	case WEIR_INSTRUMENT_HISTOGRAM:
	case WEIR_INSTRUMENT_EXPONENTIAL:
		return WEIR_EXPOSED_HISTOGRAM;
	case WEIR_INSTRUMENT_SUMMARY:
		return WEIR_EXPOSED_SUMMARY;
	default:
		return WEIR_EXPOSED_GAUGE;
	}
}

/* ---- names -------------------------------------------------------------- */

static const struct {
	const char *unit, *name, *per; /* UCUM; as a suffix; behind `_per_` */
} units[] = {
	{ "d", "days", "day" },
	{ "h", "hours", "hour" },
	{ "min", "minutes", "minute" },
	{ "s", "seconds", "second" },
	{ "ms", "milliseconds", "millisecond" },
	{ "us", "microseconds", "microsecond" },
	{ "ns", "nanoseconds", "nanosecond" },
	{ "By", "bytes", "byte" },
	{ "KiBy", "kibibytes", "kibibyte" },
	{ "MiBy", "mebibytes", "mebibyte" },
	{ "GiBy", "gibibytes", "gibibyte" },
	{ "TiBy", "tibibytes", "tibibyte" },
	{ "kBy", "kilobytes", "kilobyte" },
	{ "KBy", "kilobytes", "kilobyte" }, /* not UCUM, but written */
	{ "MBy", "megabytes", "megabyte" },
	{ "GBy", "gigabytes", "gigabyte" },
	{ "TBy", "terabytes", "terabyte" },
	{ "m", "meters", "minute" }, /* what is counted is counted by the minute, UCUM or not */
	{ "V", "volts", "volt" },
	{ "A", "amperes", "ampere" },
	{ "J", "joules", "joule" },
	{ "W", "watts", "watt" },
	{ "g", "grams", "gram" },
	{ "Cel", "celsius", "celsius" },
	{ "Hz", "hertz", "hertz" },
	{ "%", "percent", "percent" },
	{ "w", "weeks", "week" },
	{ "mo", "months", "month" },
	{ "y", "years", "year" },
	{ "1", "", "" },
};

#define UNITS (sizeof(units) / sizeof(units[0]))

/* `{requests}` says what is counted, not in what it is measured. */
static void unit_add(struct weir_buf *text, struct weir_str unit, bool is_per)
{
	const char *brace;

	unit = weir_str_trim(unit);
	brace = unit.length > 0 ? memchr(unit.data, '{', unit.length) : NULL;
	if (brace != NULL) {
		unit.length = (size_t)(brace - unit.data);
	}
	for (size_t i = 0; i < UNITS; i++) {
		if (weir_str_is(unit, units[i].unit)) {
			weir_buf_add_text(text, is_per ? units[i].per : units[i].name);
			return;
		}
	}
	weir_label_add_name(text, unit, WEIR_LABEL_SQUEEZED, false);
}

/* Is `word` one of the parts of `name` between underscores? */
static bool has_word(struct weir_str name, struct weir_str word)
{
	while (name.length > 0) {
		if (weir_str_equal(weir_str_cut(&name, '_'), word)) {
			return true;
		}
	}
	return false;
}

/* The name without this word wherever it stands, nor an underscore at its end. */
static void word_drop(struct weir_buf *name, size_t start, struct weir_str word)
{
	struct weir_str rest = weir_str_make(name->data + start, name->length - start);
	size_t end = start;
	bool is_first = true;

	while (rest.length > 0) {
		struct weir_str part = weir_str_cut(&rest, '_');

		if ((part.length == 0 && !is_first) || (part.length > 0 && weir_str_equal(part, word))) {
			continue;
		}
		if (!is_first) {
			name->data[end++] = '_';
		}
		memmove(name->data + end, part.data, part.length);
		end += part.length;
		is_first = false;
	}
	if (end > start || word.length > 0) {
		name->length = end;
	}
}

static void suffix_add(struct weir_buf *name, size_t start, struct weir_str suffix)
{
	struct weir_str so_far = weir_str_make(name->data + start, name->length - start);

	if (suffix.length == 0 || has_word(so_far, suffix)) {
		return;
	}
	if (so_far.length > 0 && so_far.data[so_far.length - 1] != '_') {
		weir_buf_add_char(name, '_');
	}
	weir_buf_add_str(name, suffix);
}

static void suffixes_add(struct weir_buf *name, size_t start, struct weir_str unit, const struct weir_instrument *of)
{
	struct weir_buf main, per;
	struct weir_str rest = unit, last = { NULL, 0 }; /* the word that stands at the end, once */

	weir_buf_init(&main, WEIR_PASSTHROUGH_NAME_MAX);
	weir_buf_init(&per, WEIR_PASSTHROUGH_NAME_MAX);
	unit_add(&main, weir_str_cut(&rest, '/'), false);
	unit_add(&per, rest, true);
	if (of->kind == WEIR_INSTRUMENT_SUM && of->is_monotonic) {
		last = weir_str_of("total");
	} else if (of->kind == WEIR_INSTRUMENT_GAUGE && weir_str_is(unit, "1")) {
		last = weir_str_of("ratio");
	}
	word_drop(name, start, last);
	suffix_add(name, start, weir_buf_str(&main));
	if (per.length > 0) {
		suffix_add(name, start, weir_str_of("per"));
		suffix_add(name, start, weir_buf_str(&per));
	}
	suffix_add(name, start, last);
	weir_buf_fini(&main);
	weir_buf_fini(&per);
}

void weir_passthrough_name(
	const struct weir_batch *batch, const struct weir_instrument *instrument, struct weir_buf *ret_name)
{
	struct weir_str name = weir_batch_str(batch, instrument->name);
	size_t start = ret_name->length;

	if (name.length == 0 || name.length > WEIR_PASSTHROUGH_NAME_MAX) {
		return;
	}
	switch (instrument->naming) {
	case WEIR_NAMING_ENVOY:
		weir_buf_add_text(ret_name, "envoy_");
		weir_label_add_name(ret_name, name, WEIR_LABEL_PLAIN, false);
		return;
	case WEIR_NAMING_VERBATIM:
		weir_label_add_name(ret_name, name, WEIR_LABEL_PLAIN, true);
		return;
	default:
		weir_label_add_name(ret_name, name, WEIR_LABEL_SQUEEZED, true);
		suffixes_add(ret_name, start, weir_batch_str(batch, instrument->unit), instrument);
		return;
	}
}

void weir_passthrough_help(
	const struct weir_batch *batch, const struct weir_instrument *instrument, struct weir_buf *ret_help)
{
	struct weir_str help = weir_batch_str(batch, instrument->description);

	if (help.length == 0) {
		weir_buf_add_text(ret_help, instrument->naming == WEIR_NAMING_ENVOY ? "Envoy's " : "The sender's ");
		help = weir_batch_str(batch, instrument->name);
	}
	weir_buf_add_str(ret_help, weir_utf8_cut(help, WEIR_PASSTHROUGH_NAME_MAX));
}

bool weir_passthrough_is_free(struct weir_str name)
{
	static const char *const own[] = { "process_cpu_seconds_total", "process_resident_memory_bytes",
		"process_virtual_memory_bytes", "process_start_time_seconds", "process_open_fds", "process_max_fds",
		WEIR_PASSTHROUGH_TARGET, "target", "up", "ALERTS", "ALERTS_FOR_STATE" };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (weir_str_is(name, own[i])) {
			return false;
		}
	}
	return name.length > 0 && !weir_str_starts_with(name, "weir_") && !weir_str_starts_with(name, "scrape_");
}

/* ---- values ------------------------------------------------------------- */

const struct weir_attr *weir_passthrough_attr(
	const struct weir_batch *batch, uint32_t first, uint32_t count, const char *key)
{
	const struct weir_attr *attrs = weir_batch_attrs(batch) + first;

	for (uint32_t i = 0; i < count; i++) {
		if (weir_str_is(weir_batch_str(batch, attrs[i].key), key)) {
			return &attrs[i];
		}
	}
	return NULL;
}

static void real_add(struct weir_buf *text, double real)
{
	char number[40];

	if (isnan(real) || isinf(real)) {
		weir_buf_add_text(text, isnan(real) ? "NaN" : real > 0 ? "+Inf" : "-Inf");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(number, sizeof(number), "%.*g", digits, real);
		if (digits == 17 || !(strtod(number, NULL) < real || strtod(number, NULL) > real)) {
			break;
		}
	}
	weir_buf_add_text(text, number);
}

static void base64_add(struct weir_buf *text, struct weir_str bytes)
{
	size_t length = weir_base64_length(bytes.length);
	char *at = weir_buf_reserve(text, length);

	if (at != NULL) {
		weir_base64_write(at, bytes);
		weir_buf_advance(text, length);
	}
}

static void value_add(struct weir_buf *text, const struct weir_batch *batch, const struct weir_attr *attr)
{
	struct weir_str bytes;

	switch (attr->type) {
	case WEIR_ATTR_STRING:
	case WEIR_ATTR_JSON:
		weir_buf_add_str(text, weir_batch_str(batch, attr->value.text));
		return;
	case WEIR_ATTR_BYTES:
		bytes = weir_batch_str(batch, attr->value.text);
		bytes.length = bytes.length < WEIR_LABEL_VALUE_MAX ? bytes.length : WEIR_LABEL_VALUE_MAX;
		base64_add(text, bytes);
		return;
	case WEIR_ATTR_BOOL:
		weir_buf_add_text(text, attr->value.number != 0 ? "true" : "false");
		return;
	case WEIR_ATTR_INT:
		weir_buf_addf(text, "%lld", (long long)attr->value.number);
		return;
	case WEIR_ATTR_DOUBLE:
		real_add(text, attr->value.real);
		return;
	default:
		return;
	}
}

/* ---- labels ------------------------------------------------------------- */

struct label { /* of one attribute; both lie in one buffer of all */
	const struct weir_attr *attr;
	size_t name, name_length;
};

static bool is_ours(struct weir_str name)
{
	static const char *const ours[] = { "job", "instance", "le", "quantile", "otel_scope_name",
		"otel_scope_version" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (weir_str_is(name, ours[i])) {
			return true;
		}
	}
	return false;
}

static int compare(struct weir_str a, struct weir_str b)
{
	size_t length = a.length < b.length ? a.length : b.length;
	int order = length > 0 ? memcmp(a.data, b.data, length) : 0;

	return order != 0 ? order : a.length < b.length ? -1 : a.length > b.length;
}

/* Before or behind: by label name, then by key, so that joined values have an order. */
static int labels_compare(
	const struct weir_batch *batch, const struct weir_buf *names, const struct label *a, const struct label *b)
{
	int order = compare(weir_str_make(names->data + a->name, a->name_length),
		weir_str_make(names->data + b->name, b->name_length));

	return order != 0 ? order : compare(weir_batch_str(batch, a->attr->key), weir_batch_str(batch, b->attr->key));
}

static void name_add(
	struct weir_buf *names, const struct weir_batch *batch, const struct weir_attr *attr, struct label *label)
{
	struct weir_buf name;

	weir_buf_init(&name, WEIR_PASSTHROUGH_NAME_MAX * 2);
	weir_label_add_name(&name, weir_batch_str(batch, attr->key), WEIR_LABEL_SQUEEZED, false);
	label->attr = attr;
	label->name = names->length;
	if (is_ours(weir_buf_str(&name))) {
		weir_buf_add_text(names, "exported_");
	}
	weir_buf_add_str(names, weir_buf_str(&name));
	label->name_length = names->length - label->name;
	weir_buf_fini(&name);
}

static bool is_identity(struct weir_str key)
{
	return weir_str_is(key, "service.name") || weir_str_is(key, "service.namespace") ||
	       weir_str_is(key, "service.instance.id");
}

/* Attributes as labels; without those that are in job and instance if they are a resource's. How many were cut. */
static unsigned attrs_add(
	struct weir_buf *text, const struct weir_batch *batch, uint32_t first, uint32_t count, bool is_resource)
{
	struct label labels[WEIR_PASSTHROUGH_ATTRS_MAX];
	const struct weir_attr *attrs = weir_batch_attrs(batch) + first;
	struct weir_buf names, value;
	uint32_t n = 0;
	unsigned cut = 0;

	weir_buf_init(&names, 0);
	weir_buf_init(&value, 0);
	for (uint32_t i = 0; i < count && n < WEIR_PASSTHROUGH_ATTRS_MAX; i++) {
		struct label label;
		uint32_t at = n;

		if (attrs[i].key.length == 0 || (is_resource && is_identity(weir_batch_str(batch, attrs[i].key)))) {
			continue;
		}
		name_add(&names, batch, &attrs[i], &label);
		for (; at > 0 && labels_compare(batch, &names, &label, &labels[at - 1]) < 0; at--) {
			labels[at] = labels[at - 1];
		}
		labels[at] = label;
		n++;
	}
	for (uint32_t i = 0; i < n;) {
		struct weir_str name = weir_str_make(names.data + labels[i].name, labels[i].name_length);

		weir_buf_clear(&value);
		value_add(&value, batch, labels[i].attr);
		for (i++;
			i < n && compare(name, weir_str_make(names.data + labels[i].name, labels[i].name_length)) == 0;
			i++) {
			weir_buf_add_char(&value, ';');
			value_add(&value, batch, labels[i].attr);
		}
		if (value.length > 0) {
			cut += weir_label_add(text, name, weir_buf_str(&value)) ? 1 : 0;
		}
	}
	weir_buf_fini(&names);
	weir_buf_fini(&value);
	return cut;
}

static struct weir_str text_of(const struct weir_batch *batch, const struct weir_attr *attr)
{
	return attr != NULL && attr->type == WEIR_ATTR_STRING ? weir_batch_str(batch, attr->value.text)
							      : weir_str_make(NULL, 0);
}

static struct weir_str resource_text(
	const struct weir_batch *batch, const struct weir_resource *resource, const char *key)
{
	return text_of(batch, weir_passthrough_attr(batch, resource->attr_first, resource->attr_count, key));
}

unsigned weir_passthrough_identity(const struct weir_batch *batch, const struct weir_resource *resource,
	enum weir_instrument_naming naming, struct weir_buf *ret_text)
{
	static const char *const keys[] = { "k8s.pod.name", "host.name", "host.id" };
	struct weir_str name = weir_batch_str(batch, resource->service);
	struct weir_str namespace_ = resource_text(batch, resource, "service.namespace");
	struct weir_str instance = resource_text(batch, resource, "service.instance.id");
	struct weir_buf job;
	unsigned cut = 0;

	weir_buf_init(&job, 0);
	if (namespace_.length > 0 && name.length > 0) {
		weir_buf_add_str(&job, namespace_);
		weir_buf_add_char(&job, '/');
	}
	weir_buf_add_str(&job, name.length > 0 || naming == WEIR_NAMING_OTEL ? name : weir_str_of("envoy"));
	if (job.length > 0) {
		cut += weir_label_add(ret_text, weir_str_of("job"), weir_buf_str(&job)) ? 1 : 0;
	}
	weir_buf_fini(&job);
	instance = instance.length > 0 ? instance : weir_batch_str(batch, resource->proxy);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && instance.length == 0; i++) {
		instance = resource_text(batch, resource, keys[i]);
	}
	if (instance.length > 0) {
		cut += weir_label_add(ret_text, weir_str_of("instance"), instance) ? 1 : 0;
	}
	return cut;
}

unsigned weir_passthrough_labels(const struct weir_batch *batch, const struct weir_instrument *instrument,
	const struct weir_point *point, struct weir_buf *ret_text)
{
	const struct weir_resource *resource = &weir_batch_resources(batch)[instrument->resource];
	struct weir_str scope = weir_batch_str(batch, resource->scope_name);
	struct weir_str version = weir_batch_str(batch, resource->scope_version);
	unsigned cut = weir_passthrough_identity(batch, resource, instrument->naming, ret_text);

	if (scope.length > 0) {
		cut += weir_label_add(ret_text, weir_str_of("otel_scope_name"), scope) ? 1 : 0;
	}
	if (version.length > 0) {
		cut += weir_label_add(ret_text, weir_str_of("otel_scope_version"), version) ? 1 : 0;
	}
	return cut + attrs_add(ret_text, batch, point->attr_first, point->attr_count, false);
}

bool weir_passthrough_target(const struct weir_batch *batch, const struct weir_resource *resource,
	struct weir_buf *ret_text, unsigned *ret_cut)
{
	unsigned cut = weir_passthrough_identity(batch, resource, WEIR_NAMING_OTEL, ret_text);
	size_t length = ret_text->length;

	*ret_cut = cut + attrs_add(ret_text, batch, resource->attr_first, resource->attr_count, true);
	return ret_text->length > length;
}
