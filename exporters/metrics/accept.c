/* accept: content negotiation of /metrics (RFC 9110, 12.5.1).
 *
 *   Accept = range [;parameter …] [;q=0.7] , …      range: type/subtype, type/<star>, <star>/<star>
 *
 * For each form that weir can make the most specific range that has it decides:
 * its q, and its escaping. A range has a form when it has its type and every
 * parameter that both know (version, proto, encoding) is the same. The form
 * with the highest q wins; among equals the one whose range stands first, then
 * the one that stands first in `forms`.
 *
 *   Accept: application/openmetrics-text;version=1.0.0;q=0.7,text/plain;version=0.0.4;q=0.4
 *
 * `escaping` says what the scraper wants done to names that older ones could not
 * read. All names here are such that nothing is to be done under any scheme but
 * `dots`, which changes underscores too: who asks for that is told that it got
 * `underscores`.
 *
 * Any thread; no state. The header is bounded by limits.header. */
#include "exporters/metrics/accept.h"

#include <stdint.h>

enum escaping { NOT_SAID, ALLOW_UTF_8, UNDERSCORES, VALUES, ESCAPINGS };

#define ESCAPED(type)                                                                                                  \
	{                                                                                                              \
		type, type "; escaping=allow-utf-8", type "; escaping=underscores", type "; escaping=values"           \
	}

#define PROTOBUF_TYPE "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

struct form {
	enum weir_accept_format format;
	const char *type, *subtype;
	const char *version, *proto, *encoding; /* NULL: has none */
	const char *content_types[ESCAPINGS];
};

/* Of two that are wanted alike, the first. */
static const struct form forms[] = {
	{ WEIR_ACCEPT_TEXT, "text", "plain", "0.0.4", NULL, NULL, ESCAPED("text/plain; version=0.0.4; charset=utf-8") },
	{ WEIR_ACCEPT_OPENMETRICS, "application", "openmetrics-text", "1.0.0", NULL, NULL,
		ESCAPED("application/openmetrics-text; version=1.0.0; charset=utf-8") },
	{ WEIR_ACCEPT_OPENMETRICS, "application", "openmetrics-text", "0.0.1", NULL, NULL,
		ESCAPED("application/openmetrics-text; version=0.0.1; charset=utf-8") },
	{ WEIR_ACCEPT_TEXT, "text", "plain", "1.0.0", NULL, NULL, ESCAPED("text/plain; version=1.0.0; charset=utf-8") },
	{ WEIR_ACCEPT_PROTOBUF, "application", "vnd.google.protobuf", NULL, "io.prometheus.client.MetricFamily",
		"delimited", ESCAPED(PROTOBUF_TYPE) },
};

#define FORMS (sizeof(forms) / sizeof(forms[0]))
#define Q_ONE 1000u /* q has three decimals */

struct range {
	struct weir_str type, subtype, version, proto, encoding; /* data NULL: not said */
	enum escaping escaping;
	unsigned q; /* thousandths */
	uint32_t place;
};

struct wish {                 /* of one form: the range that decides */
	unsigned specificity; /* 0: no range has it */
	unsigned q;
	uint32_t place;
	enum escaping escaping;
};

/* Cuts at the first separator that is not within quotes. */
static struct weir_str cut(struct weir_str *text, char separator)
{
	struct weir_str part = *text;
	bool is_quoted = false;

	for (size_t i = 0; i < text->length; i++) {
		char c = text->data[i];

		if (is_quoted && c == '\\') {
			i++;
		} else if (c == '"') {
			is_quoted = !is_quoted;
		} else if (c == separator && !is_quoted) {
			part.length = i;
			*text = weir_str_make(text->data + i + 1, text->length - i - 1);
			return part;
		}
	}
	*text = (struct weir_str){ 0 };
	return part;
}

/* `0.75` in thousandths; what is no such number is 0, as if it was not wanted. */
static unsigned q_of(struct weir_str text)
{
	unsigned q = 0, weight = Q_ONE;

	if (text.length == 0 || text.length > 5 || (text.data[0] != '0' && text.data[0] != '1')) {
		return 0;
	}
	for (size_t i = 0; i < text.length; i++) {
		if (i == 1) {
			if (text.data[i] != '.') {
				return 0;
			}
			continue;
		}
		if (text.data[i] < '0' || text.data[i] > '9') {
			return 0;
		}
		q += (unsigned)(text.data[i] - '0') * weight;
		weight /= 10;
	}
	return q <= Q_ONE ? q : 0;
}

static enum escaping escaping_of(struct weir_str text)
{
	return weir_str_equal_ignoring_case(text, "allow-utf-8")   ? ALLOW_UTF_8
	       : weir_str_equal_ignoring_case(text, "values")      ? VALUES
	       : weir_str_equal_ignoring_case(text, "underscores") ? UNDERSCORES
	       : weir_str_equal_ignoring_case(text, "dots")        ? UNDERSCORES
								   : NOT_SAID;
}

static void parameter_read(struct range *range, struct weir_str text)
{
	struct weir_str name = weir_str_trim(cut(&text, '=')), value = weir_str_trim(text);

	if (value.length >= 2 && value.data[0] == '"' && value.data[value.length - 1] == '"') {
		value = weir_str_make(value.data + 1, value.length - 2);
	}
	if (weir_str_equal_ignoring_case(name, "q")) {
		range->q = q_of(value);
	} else if (weir_str_equal_ignoring_case(name, "version")) {
		range->version = value;
	} else if (weir_str_equal_ignoring_case(name, "proto")) {
		range->proto = value;
	} else if (weir_str_equal_ignoring_case(name, "encoding")) {
		range->encoding = value;
	} else if (weir_str_equal_ignoring_case(name, "escaping")) {
		range->escaping = escaping_of(value);
	}
}

static struct range range_read(struct weir_str text, uint32_t place)
{
	struct range range = { .q = Q_ONE, .place = place };
	struct weir_str type = cut(&text, ';');

	range.type = weir_str_trim(cut(&type, '/'));
	range.subtype = weir_str_trim(type);
	while (text.length > 0) {
		parameter_read(&range, cut(&text, ';'));
	}
	return range;
}

/* Adds to the specificity when a parameter is said; false: it is another. */
static bool parameter_fits(struct weir_str said, const char *own, unsigned *specificity)
{
	if (said.data == NULL) {
		return true;
	}
	++*specificity;
	return own != NULL && weir_str_equal_ignoring_case(said, own);
}

/* How closely the range names the form; 0: it does not have it. */
static unsigned specificity_of(const struct range *range, const struct form *form)
{
	unsigned specificity = 30;

	if (weir_str_is(range->type, "*") && weir_str_is(range->subtype, "*")) {
		specificity = 10;
	} else if (!weir_str_equal_ignoring_case(range->type, form->type)) {
		return 0;
	} else if (weir_str_is(range->subtype, "*")) {
		specificity = 20;
	} else if (!weir_str_equal_ignoring_case(range->subtype, form->subtype)) {
		return 0;
	}
	return parameter_fits(range->version, form->version, &specificity) &&
			       parameter_fits(range->proto, form->proto, &specificity) &&
			       parameter_fits(range->encoding, form->encoding, &specificity)
		       ? specificity
		       : 0;
}

static void range_consider(const struct range *range, struct wish wishes[FORMS])
{
	for (size_t i = 0; i < FORMS; i++) {
		unsigned specificity = specificity_of(range, &forms[i]);

		if (specificity > wishes[i].specificity) {
			wishes[i] = (struct wish){ specificity, range->q, range->place, range->escaping };
		}
	}
}

struct weir_accept weir_accept_choose(struct weir_str header)
{
	struct wish wishes[FORMS] = { { 0 } };
	size_t best = 0;

	for (uint32_t place = 0; header.length > 0; place++) {
		struct range range = range_read(cut(&header, ','), place);

		range_consider(&range, wishes);
	}
	for (size_t i = 1; i < FORMS; i++) {
		if (wishes[i].q > wishes[best].q ||
			(wishes[i].q == wishes[best].q && wishes[i].q > 0 && wishes[i].place < wishes[best].place)) {
			best = i;
		}
	}
	if (wishes[best].q == 0) {
		best = 0;
		wishes[0].escaping = NOT_SAID;
	}
	return (struct weir_accept){ forms[best].format, forms[best].content_types[wishes[best].escaping] };
}
