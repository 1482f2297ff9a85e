/* value: values as text.
 *
 * Texts are what Mixer's labels and logs had:
 *
 *   DURATION   0s, 250ns, 1.5µs, 20ms, 1.5s, 2m0s, 1h2m3.5s
 *   DOUBLE     the shortest decimal that reads back as the same number; with an
 *              exponent below 1e-4 and from 1e21
 *   TIMESTAMP  RFC 3339 in UTC, with microseconds: 2018-09-15T20:46:36.009801Z
 *
 * Any thread; no state. */
#include "rules/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/ip.h"

#define TEXT_MAX WEIR_VALUE_TEXT_MAX

const char *weir_type_name(unsigned type)
{
	static const char *const names[WEIR_TYPES] = {
		[WEIR_TYPE_NONE] = "VALUE_TYPE_UNSPECIFIED",
		[WEIR_TYPE_STRING] = "STRING",
		[WEIR_TYPE_INT64] = "INT64",
		[WEIR_TYPE_DOUBLE] = "DOUBLE",
		[WEIR_TYPE_BOOL] = "BOOL",
		[WEIR_TYPE_TIMESTAMP] = "TIMESTAMP",
		[WEIR_TYPE_IP_ADDRESS] = "IP_ADDRESS",
		[WEIR_TYPE_EMAIL_ADDRESS] = "EMAIL_ADDRESS",
		[WEIR_TYPE_URI] = "URI",
		[WEIR_TYPE_DNS_NAME] = "DNS_NAME",
		[WEIR_TYPE_DURATION] = "DURATION",
		[WEIR_TYPE_STRING_MAP] = "STRING_MAP",
	};

	return type < WEIR_TYPES ? names[type] : NULL;
}

/* ---- numbers ------------------------------------------------------------ */

static char *number_write(char *end, uint64_t number)
{
	do {
		*--end = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	return end;
}

/* The text that ends at `end`. */
static char *int_write(char *end, int64_t number)
{
	char *at = number_write(end, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);

	if (number < 0) {
		*--at = '-';
	}
	return at;
}

static size_t double_write(double real, char text[TEXT_MAX])
{
	char form[TEXT_MAX], digits[24];
	int precision = 1, exponent, count = 0, at = 0;

	if (!isfinite(real)) {
		return (size_t)snprintf(text, TEXT_MAX, "%s", isnan(real) ? "NaN" : real > 0 ? "+Inf" : "-Inf");
	}
	do {
		(void)snprintf(form, sizeof(form), "%.*e", precision - 1, real);
	} while (strtod(form, NULL) != real && ++precision <= 17);
	exponent = atoi(strchr(form, 'e') + 1);
	if (exponent < -4 || exponent >= 21) {
		return (size_t)snprintf(text, TEXT_MAX, "%s", form);
	}
	for (const char *c = form; *c != 'e'; c++) {
		if (*c >= '0' && *c <= '9') {
			digits[count++] = *c;
		}
	}
	if (form[0] == '-') {
		text[at++] = '-';
	}
	for (int place = exponent < 0 ? 0 : exponent; place >= 0 || exponent - place < count; place--) {
		int i = exponent - place; /* which digit stands at 10^place */

		if (place == -1) {
			text[at++] = '.';
		}
		text[at++] = i >= 0 && i < count ? digits[i] : '0';
	}
	return (size_t)at;
}

/* ---- times -------------------------------------------------------------- */

/* `.` and the digits of number/10^places, without zeros at the end, before `end`. */
static char *fraction_write(char *end, uint64_t *number, int places)
{
	bool is_begun = false;

	for (int i = 0; i < places; i++) {
		char digit = (char)('0' + *number % 10);

		*number /= 10;
		is_begun = is_begun || digit != '0';
		if (is_begun) {
			*--end = digit;
		}
	}
	if (is_begun) {
		*--end = '.';
	}
	return end;
}

static char *duration_write(char *end, int64_t duration)
{
	uint64_t left = duration < 0 ? 0 - (uint64_t)duration : (uint64_t)duration;
	char *at = end;

	*--at = 's';
	if (left == 0) {
		*--at = '0';
		return at;
	}
	if (left < 1000000000) {
		int places = left < 1000 ? 0 : left < 1000000 ? 3 : 6;

		if (places == 3) { /* µ is two bytes */
			*--at = '\xb5';
			*--at = '\xc2';
		} else {
			*--at = places == 0 ? 'n' : 'm';
		}
		at = fraction_write(at, &left, places);
		at = number_write(at, left);
	} else {
		at = fraction_write(at, &left, 9);
		at = number_write(at, left % 60);
		left /= 60;
		if (left > 0) {
			*--at = 'm';
			at = number_write(at, left % 60);
			left /= 60;
		}
		if (left > 0) {
			*--at = 'h';
			at = number_write(at, left);
		}
	}
	if (duration < 0) {
		*--at = '-';
	}
	return at;
}

static size_t timestamp_write(int64_t ns, char text[TEXT_MAX])
{
	int64_t seconds = ns / 1000000000, rest = ns % 1000000000;
	time_t time;
	struct tm when;
	size_t length;

	if (rest < 0) {
		rest += 1000000000;
		seconds--;
	}
	time = (time_t)seconds;
	if (gmtime_r(&time, &when) == NULL) {
		return 0;
	}
	length = strftime(text, TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &when);
	return length + (size_t)snprintf(text + length, TEXT_MAX - length, ".%06dZ", (int)(rest / 1000));
}

/* ---- texts -------------------------------------------------------------- */

struct weir_str weir_value_write(const struct weir_value *value, char room[TEXT_MAX])
{
	char *end = room + TEXT_MAX, *at;

	switch (value->type) {
	case WEIR_TYPE_STRING:
	case WEIR_TYPE_EMAIL_ADDRESS:
	case WEIR_TYPE_URI:
	case WEIR_TYPE_DNS_NAME:
		return value->text;
	case WEIR_TYPE_INT64:
		at = int_write(end, value->number);
		return weir_str_make(at, (size_t)(end - at));
	case WEIR_TYPE_DURATION:
		at = duration_write(end, value->number);
		return weir_str_make(at, (size_t)(end - at));
	case WEIR_TYPE_BOOL:
		return weir_str_of(value->number != 0 ? "true" : "false");
	case WEIR_TYPE_DOUBLE:
		return weir_str_make(room, double_write(value->real, room));
	case WEIR_TYPE_TIMESTAMP:
		return weir_str_make(room, timestamp_write(value->number, room));
	case WEIR_TYPE_IP_ADDRESS:
		weir_ip_write(value->ip, room);
		return weir_str_of(room);
	case WEIR_TYPE_NONE:
	case WEIR_TYPE_STRING_MAP:
	case WEIR_TYPES:
		break;
	}
	return weir_str_make(NULL, 0);
}

struct weir_str weir_value_text(const struct weir_value *value, struct weir_scratch *scratch)
{
	char room[TEXT_MAX], *at;
	struct weir_str text = weir_value_write(value, room);

	if (text.length == 0 || text.data < room || text.data >= room + TEXT_MAX) {
		return text;
	}
	at = weir_scratch_take(scratch, (uint32_t)text.length);
	if (at == NULL) {
		return weir_str_make(NULL, 0);
	}
	memcpy(at, text.data, text.length);
	return weir_str_make(at, text.length);
}
