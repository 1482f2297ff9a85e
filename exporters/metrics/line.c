/* line: see the header. Pure. */
#include "exporters/metrics/line.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "rules/label.h"

#define MAX_DIGITS 20u

char *weir_line_u64(char *at, uint64_t value)
{
	char digits[MAX_DIGITS];
	size_t begin = sizeof(digits);

	do {
		digits[--begin] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	return weir_line_put(at, digits + begin, sizeof(digits) - begin);
}

char *weir_line_number(char *at, const struct weir_exposition_number *number)
{
	switch (number->form) {
	case WEIR_EXPOSITION_WHOLE:
		return weir_line_u64(at, number->whole);
	case WEIR_EXPOSITION_NEGATIVE:
		*at++ = '-';
		return weir_line_u64(at, number->whole);
	case WEIR_EXPOSITION_REAL:
		break;
	}
	return at + weir_json_write_number(at, number->real);
}

char *weir_line_begin(char *at, struct weir_str name, struct weir_str suffix, struct weir_str labels,
	const struct weir_line_bound *last)
{
	at = weir_line_put(at, name.data, name.length);
	at = weir_line_put(at, suffix.data, suffix.length);
	if (labels.length > 0 || last != NULL) {
		*at++ = '{';
		if (labels.length > 0) {
			at = weir_line_put(at, labels.data, labels.length);
		}
		if (last != NULL) {
			if (labels.length > 0) {
				*at++ = ',';
			}
			at = weir_line_put(at, last->data, last->length);
		}
		*at++ = '}';
	}
	*at++ = ' ';
	return at;
}

/* What Go's shortest %g writes, and `.0` behind it where nothing else says that it is a real. */
static size_t canonical(char out[WEIR_JSON_WRITE_NUMBER], double value)
{
	char exact[WEIR_JSON_WRITE_NUMBER];
	int digits, exponent, n;

	if (!isfinite(value)) {
		return weir_json_write_number(out, value);
	}
	for (digits = 1; digits < 17; digits++) {
		snprintf(exact, sizeof(exact), "%.*e", digits - 1, value);
		if (strtod(exact, NULL) == value) {
			break;
		}
	}
	snprintf(exact, sizeof(exact), "%.*e", digits - 1, value);
	exponent = atoi(strchr(exact, 'e') + 1);
	if (exponent < -4 || exponent >= 6) {
		return (size_t)snprintf(out, WEIR_JSON_WRITE_NUMBER, "%s", exact);
	}
	n = snprintf(out, WEIR_JSON_WRITE_NUMBER, "%.*f", digits - 1 > exponent ? digits - 1 - exponent : 1, value);
	return (size_t)n;
}

void weir_line_bound_set(struct weir_line_bound *bound, const char *key, double value, bool is_canonical)
{
	char number[WEIR_JSON_WRITE_NUMBER];
	size_t n = is_canonical ? canonical(number, value) : weir_json_write_number(number, value);

	bound->length = (size_t)snprintf(bound->data, sizeof(bound->data), "%s=\"%.*s\"", key, (int)n, number);
}

void weir_line_about(
	struct weir_buf *buf, const char *begin, struct weir_str name, struct weir_str text, bool has_quotes)
{
	weir_buf_add_text(buf, begin);
	weir_buf_add_str(buf, name);
	weir_buf_add_char(buf, ' ');
	weir_label_escape(buf, text, has_quotes);
	weir_buf_add_char(buf, '\n');
}
