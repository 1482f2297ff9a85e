/* accept: headers that scrapers send, and what they get. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "exporters/metrics/accept.h"

#define TEXT "text/plain; version=0.0.4; charset=utf-8"
#define TEXT_1 "text/plain; version=1.0.0; charset=utf-8"
#define OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define OPENMETRICS_OLD "application/openmetrics-text; version=0.0.1; charset=utf-8"
#define PROTOBUF "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
#define ASKED_PROTOBUF "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

static void the_header_says_what_is_answered(void **state)
{
	static const struct {
		const char *header, *content_type;
		enum weir_accept_format format;
	} rows[] = {
		{ NULL, TEXT, WEIR_ACCEPT_TEXT },
		{ "", TEXT, WEIR_ACCEPT_TEXT },
		{ "*/*", TEXT, WEIR_ACCEPT_TEXT },
		{ "text/*", TEXT, WEIR_ACCEPT_TEXT },
		{ "text/plain", TEXT, WEIR_ACCEPT_TEXT },
		{ "TEXT/Plain ; Version=\"0.0.4\"", TEXT, WEIR_ACCEPT_TEXT },
		{ "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", TEXT,
			WEIR_ACCEPT_TEXT },
		/* Prometheus 3, and with native histograms; Prometheus 2 */
		{ "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,application/openmetrics-text;"
		  "version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;"
		  "q=0.4,*/*;q=0.3",
			OPENMETRICS "; escaping=allow-utf-8", WEIR_ACCEPT_OPENMETRICS },
		{ ASKED_PROTOBUF ";escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=1.0.0;"
				 "escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
			PROTOBUF "; escaping=allow-utf-8", WEIR_ACCEPT_PROTOBUF },
		{ "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
		  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
			OPENMETRICS, WEIR_ACCEPT_OPENMETRICS },
		{ "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
			OPENMETRICS_OLD, WEIR_ACCEPT_OPENMETRICS },
		{ "text/plain;version=1.0.0;escaping=allow-utf-8", TEXT_1 "; escaping=allow-utf-8", WEIR_ACCEPT_TEXT },
		{ "text/plain;version=1.0.0;escaping=values", TEXT_1 "; escaping=values", WEIR_ACCEPT_TEXT },
		{ "text/plain;version=1.0.0;escaping=dots", TEXT_1 "; escaping=underscores", WEIR_ACCEPT_TEXT },
		{ "text/plain;version=1.0.0;escaping=none", TEXT_1, WEIR_ACCEPT_TEXT },
		{ "text/plain;version=0.0.4;escaping=underscores", TEXT "; escaping=underscores", WEIR_ACCEPT_TEXT },
		{ "application/openmetrics-text", OPENMETRICS, WEIR_ACCEPT_OPENMETRICS },
		{ "application/vnd.google.protobuf", PROTOBUF, WEIR_ACCEPT_PROTOBUF },
		{ "application/*", OPENMETRICS, WEIR_ACCEPT_OPENMETRICS },
		/* what is not made here */
		{ "application/openmetrics-text;version=2.0.0", TEXT, WEIR_ACCEPT_TEXT },
		{ "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", TEXT,
			WEIR_ACCEPT_TEXT },
		{ "application/vnd.google.protobuf;proto=other;encoding=delimited", TEXT, WEIR_ACCEPT_TEXT },
		{ "application/json", TEXT, WEIR_ACCEPT_TEXT },
		{ "application/json;escaping=values", TEXT, WEIR_ACCEPT_TEXT },
		/* q */
		{ "text/plain;q=0.5,application/openmetrics-text;q=0.6", OPENMETRICS, WEIR_ACCEPT_OPENMETRICS },
		{ "text/plain;q=0.501,application/openmetrics-text;q=0.5", TEXT, WEIR_ACCEPT_TEXT },
		{ "application/openmetrics-text,text/plain", OPENMETRICS, WEIR_ACCEPT_OPENMETRICS },
		{ "text/plain,application/openmetrics-text", TEXT, WEIR_ACCEPT_TEXT },
		{ "text/plain;q=0,*/*", OPENMETRICS, WEIR_ACCEPT_OPENMETRICS },
		{ "text/plain;q=0", TEXT, WEIR_ACCEPT_TEXT },
		{ "*/*;q=0.1,application/*;q=0.9,application/openmetrics-text;q=0.2", PROTOBUF, WEIR_ACCEPT_PROTOBUF },
		{ "application/openmetrics-text;q=1.5,text/plain;q=0.1", TEXT, WEIR_ACCEPT_TEXT },
		{ "application/openmetrics-text;q=high,text/plain;q=0.1", TEXT, WEIR_ACCEPT_TEXT },
		{ "application/openmetrics-text;q=0.1234,text/plain;q=0.1", TEXT, WEIR_ACCEPT_TEXT },
		{ "application/openmetrics-text;q=1.000,text/plain;q=0.999", OPENMETRICS, WEIR_ACCEPT_OPENMETRICS },
		/* malformed, or with separators in quotes */
		{ ",,;;,/,text", TEXT, WEIR_ACCEPT_TEXT },
		{ "application/openmetrics-text;x=\"a,b;q=0\\\"\";q=0.5,text/plain;q=0.4", OPENMETRICS,
			WEIR_ACCEPT_OPENMETRICS },
		{ "application/openmetrics-text;x=\"open", OPENMETRICS, WEIR_ACCEPT_OPENMETRICS },
		{ " application/openmetrics-text \t; q = 0.5 , text/plain ; q=0.4", OPENMETRICS,
			WEIR_ACCEPT_OPENMETRICS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct weir_accept accept = weir_accept_choose(weir_str_of(rows[i].header));

		if (strcmp(accept.content_type, rows[i].content_type) != 0) {
			print_message("for %s\n", rows[i].header);
		}
		assert_string_equal(accept.content_type, rows[i].content_type);
		assert_int_equal(accept.format, rows[i].format);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header_says_what_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
