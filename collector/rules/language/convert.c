/* convert: what Mixer's functions make of a text, and when two are the same.
 *
 * Mixer took Go's parsers; these read the same forms (tests/integration/test_peers_cexl.py
 * asks both), but for what README.md tells of under "Where weir is not Mixer".
 *
 * Any thread; no state. */
#include "rules/language/convert.h"

#include "base/hex.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_equal_ignoring_case(struct weir_str a, struct weir_str b)
{
	for (size_t i = 0; a.length == b.length && i < a.length; i++) {
		if (weir_str_lower(a.data[i]) != weir_str_lower(b.data[i])) {
			return false;
		}
	}
	return a.length == b.length;
}

/* ---- times -------------------------------------------------------------- */

/* `count` digits at *at, which moves behind them. */
static bool digits_read(struct weir_str text, size_t *at, unsigned count, int64_t *ret)
{
	int64_t number = 0;

	if (text.length - *at < count) {
		return false;
	}
	for (unsigned i = 0; i < count; i++) {
		char c = text.data[*at + i];

		if (!is_digit(c)) {
			return false;
		}
		number = number * 10 + (c - '0');
	}
	*at += count;
	*ret = number;
	return true;
}

static bool char_read(struct weir_str text, size_t *at, char c)
{
	if (*at >= text.length || text.data[*at] != c) {
		return false;
	}
	(*at)++;
	return true;
}

static bool fraction_read(struct weir_str text, size_t *at, int64_t *ret_ns)
{
	int64_t scale = 100000000;

	*ret_ns = 0;
	if (!char_read(text, at, '.')) {
		return true;
	}
	if (*at >= text.length || !is_digit(text.data[*at])) {
		return false;
	}
	for (; *at < text.length && is_digit(text.data[*at]); (*at)++) {
		*ret_ns += (text.data[*at] - '0') * scale;
		scale /= 10;
	}
	return true;
}

/* `Z`, or hours and minutes east of Greenwich. */
static bool zone_read(struct weir_str text, size_t *at, int64_t *ret_seconds)
{
	int64_t sign, hours, minutes;

	*ret_seconds = 0;
	if (char_read(text, at, 'Z')) {
		return true;
	}
	sign = char_read(text, at, '+') ? 1 : char_read(text, at, '-') ? -1 : 0;
	if (sign == 0 || !digits_read(text, at, 2, &hours) || !char_read(text, at, ':') ||
		!digits_read(text, at, 2, &minutes) || hours > 24 || minutes > 59) {
		return false;
	}
	*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

/* Days since 1970 of a date in the Gregorian calendar: years begin in March, so that leap days are last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t march_year = month > 2 ? year : year - 1;
	int64_t months = (month + 9) % 12;

	return 365 * march_year + march_year / 4 - march_year / 100 + march_year / 400 + (153 * months + 2) / 5 + day -
	       1 - 719468;
}

static bool is_date(int64_t year, int64_t month, int64_t day)
{
	static const uint8_t lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month >= 1 && month <= 12 && day >= 1 && day <= lengths[month - 1] + (month == 2 && is_leap ? 1 : 0);
}

bool weir_convert_timestamp(struct weir_str text, int64_t *ret_ns)
{
	int64_t year, month, day, hour, minute, second, fraction, zone;
	size_t at = 0;

	if (!digits_read(text, &at, 4, &year) || !char_read(text, &at, '-') || !digits_read(text, &at, 2, &month) ||
		!char_read(text, &at, '-') || !digits_read(text, &at, 2, &day) || !char_read(text, &at, 'T') ||
		!digits_read(text, &at, 2, &hour) || !char_read(text, &at, ':') ||
		!digits_read(text, &at, 2, &minute) || !char_read(text, &at, ':') ||
		!digits_read(text, &at, 2, &second) || !fraction_read(text, &at, &fraction) ||
		!zone_read(text, &at, &zone) || at != text.length) {
		return false;
	}
	if (!is_date(year, month, day) || hour > 23 || minute > 59 || second > 59 || year < 1678 || year > 2261) {
		return false;
	}
	*ret_ns =
		(days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone) * 1000000000 + fraction;
	return true;
}

/* The unit at *at, in nanoseconds; 0: none. */
static uint64_t unit_read(struct weir_str text, size_t *at)
{
	static const struct {
		struct weir_str name;
		uint64_t ns;
	} units[] = { { { "ns", 2 }, 1 }, { { "us", 2 }, 1000 }, { { "\xc2\xb5s", 3 }, 1000 },
		{ { "\xce\xbcs", 3 }, 1000 }, { { "ms", 2 }, 1000000 }, { { "s", 1 }, 1000000000 },
		{ { "m", 1 }, UINT64_C(60000000000) }, { { "h", 1 }, UINT64_C(3600000000000) } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t length = units[i].name.length;

		if (text.length - *at >= length && memcmp(text.data + *at, units[i].name.data, length) == 0) {
			*at += length;
			return units[i].ns;
		}
	}
	return 0;
}

/* One `1.5h` at *at, in nanoseconds. */
static bool part_read(struct weir_str text, size_t *at, uint64_t *ret_ns)
{
	uint64_t whole = 0, unit;
	double fraction = 0, scale = 1;
	bool is_number = false;

	for (; *at < text.length && is_digit(text.data[*at]); (*at)++) {
		is_number = true;
		if (whole > INT64_MAX / 10) {
			return false;
		}
		whole = whole * 10 + (uint64_t)(text.data[*at] - '0');
	}
	if (char_read(text, at, '.')) {
		for (; *at < text.length && is_digit(text.data[*at]); (*at)++) {
			is_number = true;
			scale /= 10;
			fraction += (text.data[*at] - '0') * scale;
		}
	}
	unit = is_number ? unit_read(text, at) : 0;
	if (unit == 0 || __builtin_mul_overflow(whole, unit, &whole)) {
		return false;
	}
	return !__builtin_add_overflow(whole, (uint64_t)(fraction * (double)unit + 0.5), ret_ns);
}

bool weir_convert_duration(struct weir_str text, int64_t *ret_ns)
{
	uint64_t total = 0, part;
	size_t at = 0;
	bool is_negative = char_read(text, &at, '-');

	if (!is_negative) {
		(void)char_read(text, &at, '+');
	}
	if (text.length - at == 1 && text.data[at] == '0') {
		*ret_ns = 0;
		return true;
	}
	if (at == text.length) {
		return false;
	}
	while (at < text.length) {
		if (!part_read(text, &at, &part) || __builtin_add_overflow(total, part, &total) || total > INT64_MAX) {
			return false;
		}
	}
	*ret_ns = is_negative ? -(int64_t)total : (int64_t)total;
	return true;
}

/* ---- names -------------------------------------------------------------- */

/* Whatever is no dot, as Mixer had it: `_` and `*` stand in names of the mesh. Only hyphens have rules of
 * their own: not at the ends, and two of them at the third place only behind `xn`. */
static bool is_dns_label(struct weir_str label)
{
	if (label.length == 0 || label.data[0] == '-' || label.data[label.length - 1] == '-') {
		return false;
	}
	return label.length < 4 || memcmp(label.data + 2, "--", 2) != 0 ||
	       (weir_str_lower(label.data[0]) == 'x' && weir_str_lower(label.data[1]) == 'n');
}

static struct weir_str without_last_dot(struct weir_str name)
{
	return name.length > 0 && name.data[name.length - 1] == '.' ? weir_str_make(name.data, name.length - 1) : name;
}

bool weir_convert_is_dns_name(struct weir_str text)
{
	struct weir_str rest = without_last_dot(text);

	if (rest.length == 0 || rest.data[rest.length - 1] == '.') {
		return false;
	}
	while (rest.length > 0) {
		if (!is_dns_label(weir_str_cut(&rest, '.'))) {
			return false;
		}
	}
	return true;
}

bool weir_convert_dns_name_equal(struct weir_str a, struct weir_str b)
{
	return is_equal_ignoring_case(without_last_dot(a), without_last_dot(b));
}

/* At the last `@`: a quoted local part may have others. */
static bool email_split(struct weir_str text, struct weir_str *ret_local, struct weir_str *ret_domain)
{
	const char *at = text.length > 0 ? memrchr(text.data, '@', text.length) : NULL;

	if (at == NULL) {
		return false;
	}
	*ret_local = weir_str_make(text.data, (size_t)(at - text.data));
	*ret_domain = weir_str_make(at + 1, text.length - ret_local->length - 1);
	return true;
}

/* Atoms with dots between them. */
static bool is_dot_atom(struct weir_str text)
{
	static const char others[] = "!#$%&'*+-/=?^_`{|}~";
	bool was_dot = true;

	for (size_t i = 0; i < text.length; i++) {
		char c = text.data[i];

		if (c == '.') {
			if (was_dot) {
				return false;
			}
		} else if (!is_letter(c) && !is_digit(c) && (unsigned char)c < 0x80 &&
			   (c == '\0' || strchr(others, c) == NULL)) {
			return false;
		}
		was_dot = c == '.';
	}
	return !was_dot;
}

static bool is_quoted(struct weir_str text)
{
	if (text.length < 3 || text.data[0] != '"' || text.data[text.length - 1] != '"') {
		return false;
	}
	for (size_t i = 1; i + 1 < text.length; i++) {
		char c = text.data[i];

		if (c == '"' || ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f) {
			return false;
		}
		if (c == '\\' && ++i + 1 >= text.length) {
			return false;
		}
	}
	return true;
}

bool weir_convert_is_email(struct weir_str text)
{
	struct weir_str local, domain;

	return email_split(text, &local, &domain) && (is_dot_atom(local) || is_quoted(local)) && is_dot_atom(domain) &&
	       weir_convert_is_dns_name(domain);
}

/* The next character of a local part; what stands between quotes begins and ends one byte further in. */
static bool local_next(struct weir_str local, size_t *at, char *ret)
{
	bool is_in_quotes = local.length > 1 && local.data[0] == '"';
	size_t end = is_in_quotes ? local.length - 1 : local.length;

	if (is_in_quotes && *at == 0) {
		*at = 1;
	}
	if (is_in_quotes && *at < end && local.data[*at] == '\\') {
		++*at;
	}
	if (*at >= end) {
		return false;
	}
	*ret = local.data[(*at)++];
	return true;
}

/* `"a"` is the same as `a`. */
static bool is_local_equal(struct weir_str a, struct weir_str b)
{
	size_t at_a = 0, at_b = 0;
	char c_a = 0, c_b = 0;
	bool has_a, has_b;

	do {
		has_a = local_next(a, &at_a, &c_a);
		has_b = local_next(b, &at_b, &c_b);
	} while (has_a && has_b && c_a == c_b);
	return !has_a && !has_b;
}

bool weir_convert_email_equal(struct weir_str a, struct weir_str b)
{
	struct weir_str local_a, domain_a, local_b, domain_b;

	if (!email_split(a, &local_a, &domain_a) || !email_split(b, &local_b, &domain_b)) {
		return weir_str_equal(a, b);
	}
	return is_local_equal(local_a, local_b) && weir_convert_dns_name_equal(domain_a, domain_b);
}

/* ---- URIs --------------------------------------------------------------- */

struct uri { /* scheme ":" "//" user "@" host ":" port rest; what is not there is empty */
	struct weir_str scheme, user, host, port, rest;
	bool has_authority;
};

/* How long the scheme is, without its colon; 0: there is none. */
static size_t scheme_length(struct weir_str text)
{
	for (size_t i = 0; i < text.length; i++) {
		char c = text.data[i];

		if (c == ':') {
			return i;
		}
		if (!is_letter(c) && (i == 0 || (!is_digit(c) && c != '+' && c != '-' && c != '.'))) {
			return 0;
		}
	}
	return 0;
}

static void authority_split(struct weir_str authority, struct uri *ret)
{
	const char *at = authority.length > 0 ? memrchr(authority.data, '@', authority.length) : NULL;
	const char *colon;

	if (at != NULL) {
		ret->user = weir_str_make(authority.data, (size_t)(at - authority.data));
		authority = weir_str_make(at + 1, authority.length - ret->user.length - 1);
	}
	colon = authority.length > 0 ? memrchr(authority.data, ':', authority.length) : NULL;
	if (colon != NULL && memchr(colon, ']', (size_t)(authority.data + authority.length - colon)) == NULL) {
		ret->port = weir_str_make(colon + 1, (size_t)(authority.data + authority.length - colon) - 1);
		authority.length = (size_t)(colon - authority.data);
	}
	ret->host = authority;
}

static void uri_split(struct weir_str text, struct uri *ret)
{
	size_t length = scheme_length(text), end = 2;

	*ret = (struct uri){ .rest = text };
	if (length > 0) {
		ret->scheme = weir_str_make(text.data, length);
		ret->rest = weir_str_make(text.data + length + 1, text.length - length - 1);
	}
	if (!weir_str_starts_with(ret->rest, "//")) {
		return;
	}
	while (end < ret->rest.length && strchr("/?#", ret->rest.data[end]) == NULL) {
		end++;
	}
	ret->has_authority = true;
	authority_split(weir_str_make(ret->rest.data + 2, end - 2), ret);
	ret->rest = weir_str_make(ret->rest.data + end, ret->rest.length - end);
}

/* The two digits behind a `%`, as a byte; -1: that is none. */
static int percent_read(struct weir_str text, size_t at)
{
	int high = text.length - at < 3 ? -1 : weir_hex_digit(text.data[at + 1]);
	int low = high < 0 ? -1 : weir_hex_digit(text.data[at + 2]);

	return low < 0 ? -1 : high * 16 + low;
}

/* Brackets stand around the whole of an address only; `%` before what has no other form, or a zone (`%25`). */
static bool is_host(struct weir_str host)
{
	bool is_bracketed = host.length > 1 && host.data[0] == '[' && host.data[host.length - 1] == ']';

	for (size_t i = 0; i < host.length; i++) {
		char c = host.data[i];

		if (strchr(" \\^`{|}", c) != NULL ||
			((c == '[' || c == ']') && (!is_bracketed || (i > 0 && i + 1 < host.length))) ||
			(c == '%' && percent_read(host, i) < 0x80 && percent_read(host, i) != '%')) {
			return false;
		}
	}
	return true;
}

/* Digits behind each `%`. */
static bool is_spelled(struct weir_str text)
{
	for (size_t i = 0; i < text.length; i++) {
		if (text.data[i] == '%' && percent_read(text, i) < 0) {
			return false;
		}
	}
	return true;
}

static bool is_user(struct weir_str user)
{
	for (size_t i = 0; i < user.length; i++) {
		char c = user.data[i];

		if (!is_letter(c) && !is_digit(c) && (c == '\0' || strchr("-._:~!$&'()*+,;=%@", c) == NULL)) {
			return false;
		}
	}
	return is_spelled(user);
}

static bool is_port(struct weir_str port)
{
	for (size_t i = 0; i < port.length; i++) {
		if (!is_digit(port.data[i])) {
			return false;
		}
	}
	return true;
}

/* What is behind the authority. A query is not taken apart, nor what a scheme like `urn:` says. */
static bool is_rest(struct weir_str rest, bool has_scheme)
{
	struct weir_str before = weir_str_cut(&rest, '#'); /* the fragment is left */
	struct weir_str path = weir_str_cut(&before, '?'), first;

	if (!is_spelled(rest)) {
		return false;
	}
	if (path.length == 0 || path.data[0] == '/') {
		return is_spelled(path);
	}
	first = weir_str_cut(&(struct weir_str){ path.data, path.length }, '/');
	return has_scheme || (is_spelled(path) && memchr(first.data, ':', first.length) == NULL);
}

bool weir_convert_is_uri(struct weir_str text)
{
	struct uri uri;

	for (size_t i = 0; i < text.length; i++) {
		if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f) {
			return false;
		}
	}
	uri_split(text, &uri);
	return text.length > 0 && is_user(uri.user) && is_host(uri.host) && is_port(uri.port) &&
	       is_rest(uri.rest, uri.scheme.length > 0);
}

bool weir_convert_uri_equal(struct weir_str a, struct weir_str b)
{
	struct uri uri_a, uri_b;
	bool is_http;

	uri_split(a, &uri_a);
	uri_split(b, &uri_b);
	is_http = weir_str_equal_ignoring_case(uri_a.scheme, "http") ||
		  weir_str_equal_ignoring_case(uri_a.scheme, "https");
	return is_equal_ignoring_case(uri_a.scheme, uri_b.scheme) && uri_a.has_authority == uri_b.has_authority &&
	       weir_str_equal(uri_a.user, uri_b.user) && weir_str_equal(uri_a.port, uri_b.port) &&
	       weir_str_equal(uri_a.rest, uri_b.rest) &&
	       (is_http ? weir_convert_dns_name_equal(uri_a.host, uri_b.host) : weir_str_equal(uri_a.host, uri_b.host));
}
