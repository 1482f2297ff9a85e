/* test_expression: Mixer's expression language, case by case: every operator and
 * function with its types, what is unset, what fails, and what is refused where. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/language/convert.h"
#include "rules/language/expression.h"
#include "rules/language/parse.h"

#define PAIRS_MAX 8u

struct told { /* attributes told by the text `name=value; map[key]=value` */
	struct weir_value values[WEIR_ATTRIBUTES];
	struct weir_rules_pair pairs[PAIRS_MAX];
	uint32_t pair_count;
};

static void value_tell(struct weir_str text, enum weir_type type, struct weir_value *ret)
{
	long long number = 0;

	ret->type = type;
	switch (type) {
	case WEIR_TYPE_STRING:
		ret->text = text;
		break;
	case WEIR_TYPE_INT64:
		assert_int_equal(weir_str_to_i64(text, &number), 0);
		ret->number = number;
		break;
	case WEIR_TYPE_BOOL:
		ret->number = weir_str_is(text, "true");
		break;
	case WEIR_TYPE_DURATION:
		assert_true(weir_convert_duration(text, &ret->number));
		break;
	case WEIR_TYPE_TIMESTAMP:
		assert_true(weir_convert_timestamp(text, &ret->number));
		break;
	case WEIR_TYPE_IP_ADDRESS:
		assert_true(weir_convert_ip(text, ret->ip));
		break;
	default:
		fail_msg("no attribute has this type");
	}
}

static void tell(struct told *told, const char *text)
{
	struct weir_str rest = weir_str_of(text);

	memset(told, 0, sizeof(*told));
	while (rest.length > 0) {
		struct weir_str value = weir_str_trim(weir_str_cut(&rest, ';'));
		struct weir_str key = weir_str_cut(&value, '=');
		struct weir_str name = weir_str_cut(&key, '[');
		enum weir_attribute attribute = 0;

		if (!weir_attribute_find(name, &attribute)) {
			fail_msg("no attribute %.*s", (int)name.length, name.data);
		}
		if (key.length > 0) {
			assert_true(told->pair_count < PAIRS_MAX);
			told->pairs[told->pair_count++] = (struct weir_rules_pair){
				.map = attribute, .key = weir_str_cut(&key, ']'), .value = value
			};
		} else {
			value_tell(value, weir_attribute_type(attribute), &told->values[attribute]);
		}
	}
}

struct scene {
	struct weir_arena arena;
	struct weir_expression_error error;
	const struct weir_expression *expression;
};

static int compile(struct scene *scene, const char *text, enum weir_type wanted)
{
	memset(scene, 0, sizeof(*scene));
	weir_arena_init(&scene->arena, 4096, 4u << 20);
	return weir_expression_compile(&scene->arena, weir_str_of(text), wanted, &scene->expression, &scene->error);
}

static void compile_well(struct scene *scene, const char *text)
{
	int r = compile(scene, text, WEIR_TYPE_NONE);

	if (r != 0) {
		fail_msg("%s: %zu:%zu: %s", text, scene->error.line, scene->error.column, scene->error.why);
	}
}

/* ---- values ------------------------------------------------------------- */

enum {
	S = WEIR_TYPE_STRING,
	I = WEIR_TYPE_INT64,
	D = WEIR_TYPE_DOUBLE,
	B = WEIR_TYPE_BOOL,
	T = WEIR_TYPE_TIMESTAMP,
	IP = WEIR_TYPE_IP_ADDRESS,
	EMAIL = WEIR_TYPE_EMAIL_ADDRESS,
	URI = WEIR_TYPE_URI,
	DNS = WEIR_TYPE_DNS_NAME,
	DUR = WEIR_TYPE_DURATION,
	MAP = WEIR_TYPE_STRING_MAP
};

#define ABSENT ((const char *)1)
#define FAILED ((const char *)2)

struct row {
	const char *expression, *told;
	unsigned type;
	const char *expected; /* as text; ABSENT, FAILED */
};

static void check_row(const struct row *row)
{
	static struct told told;
	static struct weir_scratch scratch;
	struct weir_rules_record record = { .told = told.values, .told_pairs = told.pairs };
	struct weir_value value = { 0 };
	struct scene scene;
	struct weir_str text;
	int r;

	compile_well(&scene, row->expression);
	tell(&told, row->told);
	record.told_pair_count = told.pair_count;
	weir_scratch_reset(&scratch);
	if (weir_expression_type(scene.expression) != row->type) {
		fail_msg("%s: is %s, not %s", row->expression, weir_type_name(weir_expression_type(scene.expression)),
			weir_type_name(row->type));
	}
	r = weir_expression_evaluate(scene.expression, &record, &scratch, &value);
	if (row->expected == ABSENT || row->expected == FAILED) {
		if (r != (row->expected == ABSENT ? WEIR_VALUE_ABSENT : WEIR_VALUE_FAILED)) {
			fail_msg("%s with %s: outcome %d", row->expression, row->told, r);
		}
	} else {
		if (r != 0 || value.type != row->type) {
			fail_msg("%s with %s: outcome %d, type %d", row->expression, row->told, r, (int)value.type);
		}
		text = weir_value_text(&value, &scratch);
		if (!weir_str_is(text, row->expected)) {
			fail_msg("%s with %s: %.*s instead of %s", row->expression, row->told, (int)text.length,
				text.data, row->expected);
		}
	}
	weir_arena_fini(&scene.arena);
}

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		check_row(&rows[i]);
	}
}

#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void literals_have_the_types_and_values_of_go(void **state)
{
	static const struct row rows[] = {
		{ "true", "", B, "true" },
		{ "false", "", B, "false" },
		{ "True", "", B, "true" },
		{ "FALSE", "", B, "false" },
		{ "456789", "", I, "456789" },
		{ "0", "", I, "0" },
		{ "-5", "", I, "-5" },
		{ "9223372036854775807", "", I, "9223372036854775807" },
		{ "456.789", "", D, "456.789" },
		{ "1e3", "", D, "1000" },
		{ ".5", "", D, "0.5" },
		{ "2.", "", D, "2" },
		{ "1e21", "", D, "1e+21" },
		{ "0.00001", "", D, "1e-05" },
		{ "0.0001", "", D, "0.0001" },
		{ "-1.5e-3", "", D, "-0.0015" },
		{ "0.1", "", D, "0.1" },
		{ "123456789.125", "", D, "123456789.125" },
		{ "\"ABC\"", "", S, "ABC" },
		{ "`a\\n\"b`", "", S, "a\\n\"b" },
		{ "\"\"", "", S, "" },
		{ "'x'", "", S, "x" },
		{ "'\\''", "", S, "'" },
		{ "'\\u00e9'", "", S, "\xc3\xa9" },
		{ "\"a\\\"b\\\\c\"", "", S, "a\"b\\c" },
		{ "\"\\a\\b\\f\\n\\r\\t\\v\"", "", S, "\a\b\f\n\r\t\v" },
		{ "\"\\x41\\101\\u20ac\\U0001f600\"", "", S, "AA\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\"\\xc3\\xa9\"", "", S, "\xc3\xa9" },
		{ "`two\nlines`", "", S, "two\nlines" },
	};

	(void)state;
	CHECK(rows);
}

static void attributes_have_the_vocabularys_types(void **state)
{
	static const struct row rows[] = {
		{ "source.name", "source.name=a", S, "a" },
		{ "source.name ", "source.name=a", S, "a" },
		{ "source.name", "", S, ABSENT },
		{ "source.name", "source.name=", S, ABSENT },
		{ "request.size", "request.size=0", I, "0" },
		{ "request.size", "", I, ABSENT },
		{ "connection.mtls", "connection.mtls=false", B, "false" },
		{ "response.duration", "response.duration=1.5s", DUR, "1.5s" },
		{ "response.duration", "response.duration=20ms", DUR, "20ms" },
		{ "response.duration", "response.duration=1500us", DUR, "1.5ms" },
		{ "response.duration", "response.duration=1500ns", DUR, "1.5\xc2\xb5s" },
		{ "response.duration", "response.duration=2h3s", DUR, "2h0m3s" },
		{ "response.duration", "response.duration=-90s", DUR, "-1m30s" },
		{ "response.duration", "response.duration=0", DUR, "0s" },
		{ "response.duration", "response.duration=7ns", DUR, "7ns" },
		{ "request.time", "request.time=2015-01-02T15:04:35Z", T, "2015-01-02T15:04:35Z" },
		{ "request.time", "request.time=2015-01-02T15:04:35.25+02:00", T, "2015-01-02T13:04:35.25Z" },
		{ "source.ip", "source.ip=10.1.2.3", IP, "10.1.2.3" },
		{ "source.ip", "source.ip=::ffff:10.1.2.3", IP, "10.1.2.3" },
		{ "source.ip", "source.ip=fd00::1", IP, "fd00::1" },
		{ "source.labels", "", MAP, "" },
	};

	(void)state;
	CHECK(rows);
}

static void first_that_is_set_is_taken(void **state)
{
	static const struct row rows[] = {
		{ "source.name | \"u\"", "", S, "u" },
		{ "source.name | \"u\"", "source.name=a", S, "a" },
		{ "source.name | source.uid | \"u\"", "", S, "u" },
		{ "source.name | source.uid | \"u\"", "source.uid=b", S, "b" },
		{ "source.name | source.uid | \"u\"", "source.name=a; source.uid=b", S, "a" },
		{ "source.name | source.uid", "", S, ABSENT },
		{ "source.name | \"\"", "", S, "" },
		{ "request.size | 200", "request.size=120", I, "120" },
		{ "request.size | 200", "request.size=0", I, "0" },
		{ "request.size | 200", "", I, "200" },
		{ "connection.mtls | true", "connection.mtls=false", B, "false" },
		{ "connection.mtls | true", "", B, "true" },
		{ "\"foo\" | \"bar\"", "", S, "foo" },
		{ "response.duration | \"19ms\"", "", DUR, "19ms" },
		{ "response.duration | \"19ms\"", "response.duration=20ms", DUR, "20ms" },
		{ "response.duration | connection.duration | \"0\"", "", DUR, "0s" },
		{ "\"1ms\" | response.duration", "", DUR, "1ms" },
		{ "request.time | context.time", "context.time=1999-12-31T23:59:00Z", T, "1999-12-31T23:59:00Z" },
		{ "request.time | timestamp(\"2015-01-02T15:04:35Z\")", "", T, "2015-01-02T15:04:35Z" },
		{ "source.ip | destination.ip", "destination.ip=4.5.6.7", IP, "4.5.6.7" },
		{ "source.ip | ip(\"10.1.12.3\")", "", IP, "10.1.12.3" },
		{ "source.ip | ip(source.name)", "source.name=10.1.12", IP, FAILED },
		{ "ip(source.name) | ip(\"1.1.1.1\")", "", IP, "1.1.1.1" },
		{ "ip(source.name) | ip(\"1.1.1.1\")", "source.name=x", IP, FAILED },
		{ "(source.name == \"a\") | false", "", B, "false" },
		{ "source.labels[\"app\"] | source.labels[\"svc\"] | \"u\"", "", S, "u" },
		{ "source.labels[\"app\"] | source.labels[\"svc\"] | \"u\"", "source.labels[svc]=b", S, "b" },
		{ "source.labels[\"app\"] | source.labels[\"svc\"] | \"u\"",
			"source.labels[svc]=b; source.labels[app]=a", S, "a" },
		/* as strong as +, stronger than ==, from the left */
		{ "source.name | \"a\" == \"a\"", "", B, "true" },
		{ "source.name | \"a\" + \"b\"", "", S, "ab" },
		{ "\"x\" + (source.name | \"a\")", "", S, "xa" },
	};

	(void)state;
	CHECK(rows);
}

static void comparisons_compare_equal_types(void **state)
{
	static const struct row rows[] = {
		{ "request.size == 2", "request.size=2", B, "true" },
		{ "request.size != 2", "request.size=2", B, "false" },
		{ "2 != request.size", "", B, ABSENT },
		{ "request.size == 2", "", B, ABSENT },
		{ "request.size == 9151314442816847872", "request.size=2", B, "false" },
		{ "source.name == destination.name", "source.name=a; destination.name=a", B, "true" },
		{ "source.name == destination.name", "source.name=a; destination.name=ab", B, "false" },
		{ "source.name == destination.name", "source.name=a", B, ABSENT },
		{ "true == connection.mtls", "connection.mtls=true", B, "true" },
		{ "true != false", "", B, "true" },
		{ "23.45 == 45.23", "", B, "false" },
		{ "23.45 != 45.23", "", B, "true" },
		{ "\"ABC\" == \"abc\"", "", B, "false" },
		{ "source.ip == ip(\"10.1.2.3\")", "source.ip=::ffff:10.1.2.3", B, "true" },
		{ "source.ip == ip(\"::ffff:10.1.2.3\")", "source.ip=10.1.2.3", B, "true" },
		{ "source.ip != destination.ip", "source.ip=10.1.2.3; destination.ip=10.1.2.4", B, "true" },
		{ "request.time == timestamp(\"2015-01-02T15:04:35Z\")", "request.time=2015-01-02T17:04:35+02:00", B,
			"true" },
		{ "request.time < context.time", "request.time=2015-01-02T15:04:34Z; context.time=2015-01-02T15:04:35Z",
			B, "true" },
		{ "request.time >= context.time",
			"request.time=2015-01-02T15:04:34Z; context.time=2015-01-02T15:04:35Z", B, "false" },
		{ "response.duration == \"20ms\"", "response.duration=20ms", B, "true" },
		{ "\"0.02s\" == response.duration", "response.duration=20ms", B, "true" },
		{ "response.duration > \"1m\"", "response.duration=61s", B, "true" },
		{ "response.duration < (connection.duration | \"1s\")", "response.duration=5ms", B, "true" },
		{ "response.duration <= conditional(connection.mtls, \"1s\", \"1ms\")",
			"response.duration=5ms; connection.mtls=false", B, "false" },
		{ "request.host == \"10m\"", "request.host=10m", B, "true" },
		{ "1 < 2", "", B, "true" },
		{ "2 < 2", "", B, "false" },
		{ "2 <= 2", "", B, "true" },
		{ "3 <= 2", "", B, "false" },
		{ "3 > 2", "", B, "true" },
		{ "2 > 2", "", B, "false" },
		{ "2 >= 2", "", B, "true" },
		{ "-3 >= 2", "", B, "false" },
		{ "1.5 < 2.5", "", B, "true" },
		{ "\"a\" < \"b\"", "", B, "true" },
		{ "\"a\" < \"ab\"", "", B, "true" },
		{ "\"b\" <= \"ab\"", "", B, "false" },
		{ "\"b\" >= \"ab\"", "", B, "true" },
		{ "\"b\" > \"b\"", "", B, "false" },
		{ "1 == 1 == true", "", B, "true" },
		{ "dnsName(\"Svc.NS.\") == dnsName(source.name)", "source.name=svc.ns", B, "true" },
		{ "dnsName(\"svc.ns\") == dnsName(source.name)", "source.name=svc.ns2", B, "false" },
		{ "email(\"a@Istio.io\") == email(source.name)", "source.name=a@istio.io", B, "true" },
		{ "email(\"A@istio.io\") == email(source.name)", "source.name=a@istio.io", B, "false" },
		{ "uri(\"HTTP://Istio.io/a\") == uri(source.name)", "source.name=http://istio.io./a", B, "true" },
		{ "uri(\"http://istio.io/a\") == uri(source.name)", "source.name=http://istio.io/A", B, "false" },
		{ "uri(\"http://istio.io:80/a\") == uri(source.name)", "source.name=http://istio.io/a", B, "false" },
		{ "uri(\"spiffe://A/x\") == uri(source.name)", "source.name=spiffe://a/x", B, "false" },
	};

	(void)state;
	CHECK(rows);
}

static void logic_stops_where_it_is_decided(void **state)
{
	static const struct row rows[] = {
		{ "true || false", "", B, "true" },
		{ "false || true", "", B, "true" },
		{ "false || false", "", B, "false" },
		{ "false || true || false", "", B, "true" },
		{ "true && false", "", B, "false" },
		{ "true && true", "", B, "true" },
		{ "false && true", "", B, "false" },
		{ "!true", "", B, "false" },
		{ "!!true", "", B, "true" },
		{ "!connection.mtls", "connection.mtls=false", B, "true" },
		{ "!connection.mtls", "", B, ABSENT },
		{ "connection.mtls && true", "", B, ABSENT },
		{ "false && connection.mtls", "", B, "false" },
		{ "true && connection.mtls", "", B, ABSENT },
		{ "true || connection.mtls", "", B, "true" },
		{ "connection.mtls || true", "", B, ABSENT },
		{ "false || connection.mtls", "", B, ABSENT },
		/* && binds more strongly than || */
		{ "true || true && false", "", B, "true" },
		{ "(true || true) && false", "", B, "false" },
		{ "(request.size == 20 && response.code == 10) || request.size == 30",
			"request.size=20; response.code=10", B, "true" },
		{ "request.size == 20 || source.labels[\"b\"] == \"c\"", "request.size=19; source.labels[b]=c", B,
			"true" },
		{ "!(1 == 2) && 1 == 1", "", B, "true" },
		{ "(context.protocol == \"http\" || context.protocol == \"grpc\") && "
		  "(match((request.useragent | \"-\"), \"kube-probe*\") == false) && "
		  "(match((request.useragent | \"-\"), \"Prometheus*\") == false)",
			"context.protocol=http; request.useragent=curl/8", B, "true" },
		{ "(context.protocol == \"http\" || context.protocol == \"grpc\") && "
		  "(match((request.useragent | \"-\"), \"kube-probe*\") == false)",
			"context.protocol=grpc; request.useragent=kube-probe/1.2", B, "false" },
	};

	(void)state;
	CHECK(rows);
}

static void maps_are_looked_up(void **state)
{
	static const struct row rows[] = {
		{ "source.labels[\"app\"]", "source.labels[app]=a", S, "a" },
		{ "source.labels[\"app\"]", "source.labels[app]=", S, ABSENT },
		{ "source.labels[\"app\"]", "destination.labels[app]=a", S, ABSENT },
		{ "request.headers[\"X-Forwarded-Host\"] == \"aaa\"", "request.headers[X-Forwarded-Host]=bbb", B,
			"false" },
		{ "request.headers[\"x\"] == \"aaa\"", "", B, ABSENT },
		{ "request.headers[source.name]", "source.name=x; request.headers[x]=1", S, "1" },
		{ "request.headers[source.name] | \"foo\"", "source.name=x", S, "foo" },
		{ "request.headers[source.name] | \"foo\"", "request.headers[x]=1", S, "foo" },
		{ "request.headers[source.name | \"x\"]", "request.headers[x]=1", S, "1" },
		{ "(source.labels | request.headers)[\"a\"]", "source.labels[a]=l; request.headers[a]=h", S, "l" },
		{ "emptyStringMap()[\"a\"] | \"none\"", "", S, "none" },
		{ "conditional(connection.mtls, source.labels, destination.labels)[\"a\"]",
			"connection.mtls=false; source.labels[a]=s; destination.labels[a]=d", S, "d" },
		{ "source.labels[\"10ms\"]", "source.labels[10ms]=x", S, "x" },
	};

	(void)state;
	CHECK(rows);
}

static void functions_do_what_mixers_did(void **state)
{
	static const struct row rows[] = {
		{ "conditional(connection.mtls, \"m\", \"p\")", "connection.mtls=true", S, "m" },
		{ "conditional(connection.mtls, \"m\", \"p\")", "", S, ABSENT },
		{ "conditional(true, 1, request.size)", "", I, "1" },
		{ "conditional(false, 1, request.size)", "", I, ABSENT },
		{ "conditional((context.reporter.kind | \"inbound\") == \"outbound\", \"source\", \"destination\")", "",
			S, "destination" },
		{ "conditional((context.reporter.kind | \"inbound\") == \"outbound\", \"unknown\", "
		  "conditional(connection.mtls | false, \"mutual_tls\", \"none\"))",
			"connection.mtls=true", S, "mutual_tls" },
		{ "match(source.name, \"*.ns1.cluster\")", "source.name=svc1.ns1.cluster", B, "true" },
		{ "match(source.name, \"*.ns1.cluster\")", "source.name=svc1.ns2.cluster", B, "false" },
		{ "match(source.name, \"svc*\")", "source.name=svc1", B, "true" },
		{ "match(source.name, \"*\")", "source.name=a", B, "true" },
		{ "match(source.name, \"svc1\")", "source.name=svc1", B, "true" },
		{ "match(source.name, \"svc1\")", "source.name=svc12", B, "false" },
		{ "match(source.name, \"*b*\")", "source.name=abc", B, "false" },
		{ "match(source.name, \"*b*\")", "source.name=*bc", B, "true" },
		{ "match(source.name, destination.name)", "source.name=a; destination.name=a*", B, "true" },
		{ "match(source.name, destination.name)", "source.name=a", B, ABSENT },
		{ "match(\"\", \"\")", "", B, "true" },
		{ "\"svc.*\".matches(source.name)", "source.name=my-svc1", B, "true" },
		{ "\"^svc.*\".matches(source.name)", "source.name=my-svc1", B, "false" },
		{ "\"ab.*d\".matches(\"abc\")", "", B, "false" },
		{ "\"^ab$\".matches(source.name)", "", B, ABSENT },
		{ "`^a\\d+(b|c){2}$`.matches(source.name)", "source.name=a12bc", B, "true" },
		{ "\"(?i)HELLO\".matches(source.name)", "source.name=say hello", B, "true" },
		{ "\"^.$\".matches(\"\\u00e9\")", "", B, "true" },
		{ "\"a$\".matches(\"a\\n\")", "", B, "false" },
		{ "\"\".matches(source.name)", "source.name=a", B, "true" },
		{ "\"(a*)*b$\".matches(source.name)",
			"source.name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", B, "false" },
		{ "\"^(a|a|a)*$\".matches(source.name)",
			"source.name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", B, FAILED },
		{ "source.name.startsWith(\"ab\")", "source.name=abcd", B, "true" },
		{ "source.name.startsWith(\"abcde\")", "source.name=abcd", B, "false" },
		{ "\"abcd\".startsWith(source.name)", "source.name=b", B, "false" },
		{ "source.name.endsWith(\"cd\")", "source.name=abcd", B, "true" },
		{ "source.name.endsWith(\"\")", "source.name=abcd", B, "true" },
		{ "source.name.endsWith(destination.name)", "source.name=abcd", B, ABSENT },
		{ "(source.name | \"abc\").endsWith(\"bc\")", "", B, "true" },
		{ "source.labels[\"a\"].startsWith(\"x\")", "source.labels[a]=xy", B, "true" },
		{ "email(\"awesome@istio.io\")", "", EMAIL, "awesome@istio.io" },
		{ "email(source.name)", "source.name=no.at.sign", EMAIL, FAILED },
		{ "email(source.name)", "source.name=.a@b.c", EMAIL, FAILED },
		{ "email(source.name)", "source.name=a@-b.c", EMAIL, FAILED },
		{ "email(source.name)", "source.name=\"a b\"@b.c", EMAIL, "\"a b\"@b.c" },
		{ "dnsName(\"www.istio.io\")", "", DNS, "www.istio.io" },
		{ "dnsName(source.name)", "source.name=a..b", DNS, FAILED },
		{ "dnsName(source.name)", "source.name=a_b", DNS, FAILED },
		{ "dnsName(source.name)", "source.name=-a", DNS, FAILED },
		{ "ip(source.name)", "source.name=1.2.3.4", IP, "1.2.3.4" },
		{ "ip(source.name | \"5.6.7.8\")", "", IP, "5.6.7.8" },
		{ "ip(source.name | destination.name)", "", IP, ABSENT },
		{ "ip(source.name)", "source.name=1.2.3", IP, FAILED },
		{ "ip(\"2001:db8::1\")", "", IP, "2001:db8::1" },
		{ "timestamp(\"2015-01-02T15:04:35Z\")", "", T, "2015-01-02T15:04:35Z" },
		{ "timestamp(\"1969-12-31T23:59:59.5Z\")", "", T, "1969-12-31T23:59:59.5Z" },
		{ "timestamp(\"2000-02-29T00:00:00.123456789-05:30\")", "", T, "2000-02-29T05:30:00.123456789Z" },
		{ "timestamp(source.name)", "source.name=242233", T, FAILED },
		{ "timestamp(source.name)", "source.name=2015-02-29T00:00:00Z", T, FAILED },
		{ "timestamp(source.name)", "source.name=2015-01-02 15:04:35Z", T, FAILED },
		{ "uri(\"http://istio.io\")", "", URI, "http://istio.io" },
		{ "uri(source.name)", "source.name=/a/b?c=%41", URI, "/a/b?c=%41" },
		{ "uri(source.name)", "source.name=:x", URI, FAILED },
		{ "uri(source.name)", "source.name=/a%zz", URI, FAILED },
		{ "uri(source.name)", "source.name=http://a:b/", URI, FAILED },
		{ "uri(source.name)", "source.name=1a:b", URI, FAILED },
		{ "toLower(\"User-Agent\")", "", S, "user-agent" },
		{ "toLower(source.name)", "source.name=ABC-\xc3\x89", S, "abc-\xc3\x89" },
		{ "source.name.toLower()", "source.name=abc", S, "abc" },
		{ "size(\"admin\")", "", I, "5" },
		{ "size(source.name)", "source.name=\xc3\xa9", I, "2" },
		{ "source.name.size()", "", I, ABSENT },
		{ "size(\"10ms\")", "", I, "4" },
		{ "reverse(source.name)", "source.name=str1", S, "1rts" },
		{ "source.name.reverse()", "source.name=a\xc3\xa9z", S,
			"z\xc3\xa9"
			"a" },
		{ "reverse(\"\")", "", S, "" },
	};

	(void)state;
	CHECK(rows);
}

static void sums_join_texts_and_add_numbers(void **state)
{
	static const struct row rows[] = {
		{ "request.host + request.path", "request.host=h; request.path=/p", S, "h/p" },
		{ "request.host + request.path", "request.host=h", S, ABSENT },
		{ "\"a\" + \"b\" + \"c\"", "", S, "abc" },
		{ "1 + 2 + -4", "", I, "-1" },
		{ "1.5 + 2.5", "", D, "4" },
		{ "9223372036854775807 + request.size", "request.size=1", I, FAILED },
		{ "\"1\" + \"2ms\"", "", S, "12ms" },
	};

	(void)state;
	CHECK(rows);
}

static void blanks_and_line_ends_stand_anywhere(void **state)
{
	static const struct row rows[] = {
		{ "\n source.name\n\t|\r\n \"u\" \n", "", S, "u" },
		{ "conditional(\n true,\n \"a\",\n \"b\",\n)", "", S, "a" },
		{ "( ( ( 1 ) ) )", "", I, "1" },
	};

	(void)state;
	CHECK(rows);
}

/* ---- refusals ----------------------------------------------------------- */

struct refusal {
	const char *expression;
	unsigned wanted;
	size_t line, column;
	const char *why;
};

static void what_is_wrong_is_named_where_it_stands(void **state)
{
	static const struct refusal rows[] = {
		{ "", 0, 1, 1, "Expected a literal, an attribute, a function or (; the expression ends here." },
		{ "request.size = 2", 0, 1, 14, "Expected ==, there is only one =." },
		{ "@23", 0, 1, 1, "The language knows no @." },
		{ "request.size / 2", 0, 1, 14, "The language knows no /." },
		{ "request.size - 2", 0, 1, 14, "Expected an operator or the end; there is -." },
		{ "true & false", 0, 1, 6, "Expected &&, there is only one &." },
		{ "\"abc", 0, 1, 1, "The text that begins here has no closing \"." },
		{ "\"a\nb\"", 0, 1, 1, "The text that begins here has no closing \"." },
		{ "\"a\\q\"", 0, 1, 3, "There is no such escape; \\\\ is one backslash." },
		{ "\"\\ud800\"", 0, 1, 2, "There is no such escape; \\\\ is one backslash." },
		{ "\"\\xff\"", 0, 1, 1, "The text is not valid UTF-8." },
		{ "'ab'", 0, 1, 1, "Between single quotes there is one character; a text stands between \" or `." },
		{ "0x1f", 0, 1, 1,
			"0x1f is no number: expected decimal digits, of an INT64 or with a point of a DOUBLE." },
		{ "9223372036854775808", 0, 1, 1,
			"9223372036854775808 is no number: expected decimal digits, of an INT64 or with a point of a "
			"DOUBLE." },
		{ "(1", 0, 1, 3, "Expected an operator or ); the expression ends here." },
		{ "1 2", 0, 1, 3, "Expected an operator or the end; there is 2." },
		{ "source.", 0, 1, 8, "Expected a name after the dot; the expression ends here." },
		{ "source.labels[\"a\"", 0, 1, 18, "Expected an operator or ]; the expression ends here." },
		{ "\"a\".b", 0, 1, 6, "Expected ( after a method's name; the expression ends here." },
		{ "match(source.name \"a\")", 0, 1, 19, "Expected a comma or ); there is \"a\"." },
		{ "source.nam", 0, 1, 1, "There is no attribute source.nam; did you mean source.name?" },
		{ "1 == 1 &&\n  (source.name | foo.bar) == \"a\"", 0, 2, 18, "There is no attribute foo.bar." },
		{ "\"\xc3\xa9\xc3\xa9\" == foo", 0, 1, 9, "There is no attribute foo; a text stands in quotes." },
		{ "match == 1", 0, 1, 1, "match is a function: expected ( behind it." },
		{ "foo(1)", 0, 1, 1, "There is no function foo." },
		{ "source.name.foo()", 0, 1, 13, "There is no method foo." },
		{ "true == request.size", 0, 1, 9, "Expected BOOL, as on its left; this is INT64." },
		{ "3.14 == request.size", 0, 1, 9, "Expected DOUBLE, as on its left; this is INT64." },
		{ "request.size == \"2\"", 0, 1, 17, "Expected INT64, as on its left; this is STRING." },
		{ "source.name | 2", 0, 1, 15, "Expected STRING, as on its left; this is INT64." },
		{ "source.name | source.uid | request.size + 1", 0, 1, 28,
			"Expected STRING, as on its left; this is INT64." },
		{ "response.duration == \"x\"", 0, 1, 22, "Expected DURATION, as on its left; this is STRING." },
		{ "source.name == response.duration", 0, 1, 16, "Expected STRING, as on its left; this is DURATION." },
		{ "source.name == dnsName(\"a\")", 0, 1, 16, "Expected STRING, as on its left; this is DNS_NAME." },
		{ "source.labels == destination.labels", 0, 1, 1,
			"A STRING_MAP cannot be compared; one of its entries can." },
		{ "connection.mtls < true", 0, 1, 1,
			"Only STRING, INT64, DOUBLE, TIMESTAMP and DURATION have an order; this is BOOL." },
		{ "source.ip >= ip(\"1.1.1.1\")", 0, 1, 1,
			"Only STRING, INT64, DOUBLE, TIMESTAMP and DURATION have an order; this is IP_ADDRESS." },
		{ "true && source.name", 0, 1, 9, "&& takes BOOL; this is STRING." },
		{ "1 || true", 0, 1, 1, "|| takes BOOL; this is INT64." },
		{ "!source.name", 0, 1, 2, "! takes BOOL; this is STRING." },
		{ "true + false", 0, 1, 1, "+ adds STRING, INT64 or DOUBLE; this is BOOL." },
		{ "source.name[\"a\"]", 0, 1, 1, "Expected STRING_MAP before [; this is STRING." },
		{ "source.labels[1]", 0, 1, 15, "Expected STRING as a key; this is INT64." },
		{ "match(source.name, 1)", 0, 1, 20, "Argument 2 of match is to be STRING; this is INT64." },
		{ "match(source.name)", 0, 1, 1, "match takes 2 arguments; there is 1." },
		{ "ip(2)", 0, 1, 4, "Argument 1 of ip is to be STRING; this is INT64." },
		{ "ip(\"10.1.12\")", 0, 1, 4, "ip cannot make IP_ADDRESS of this." },
		{ "source.ip | ip(\"10.1.12\")", 0, 1, 16, "ip cannot make IP_ADDRESS of this." },
		{ "timestamp(\"242233\")", 0, 1, 11, "timestamp cannot make TIMESTAMP of this." },
		{ "emptyStringMap(1)", 0, 1, 1, "emptyStringMap takes 0 arguments; there is 1." },
		{ "source.name.startsWith()", 0, 1, 13, "startsWith takes 1 argument; there are 0." },
		{ "\"aaa\".matches(23)", 0, 1, 15, "Argument 1 of matches is to be STRING; this is INT64." },
		{ "request.size.startsWith(\"a\")", 0, 1, 1, "startsWith is a method of STRING; this is INT64." },
		{ "matches(\"aaa\")", 0, 1, 1, "matches is a method: expected a text and a dot before matches(…)." },
		{ "source.name.match(\"a\")", 0, 1, 13, "match is no method: expected match(…)." },
		{ "source.name.matches(\"a\")", 0, 1, 1, "The pattern of matches has to be a literal." },
		{ "\"a(\".matches(\"a\")", 0, 1, 1,
			"The pattern is wrong at its byte 3: missing closing parenthesis." },
		{ "\"(a)\\\\1\".matches(\"a\")", 0, 1, 1,
			"The pattern is wrong at its byte 4: invalid escape sequence." },
		{ "\"a(?=b)\".matches(\"a\")", 0, 1, 1,
			"The pattern is wrong at its byte 2: invalid or unsupported Perl syntax." },
		{ "\"a++\".matches(\"a\")", 0, 1, 1,
			"The pattern is wrong at its byte 3: invalid nested repetition operator." },
		{ "conditional(1, 2, 3)", 0, 1, 13, "Argument 1 of conditional is to be BOOL; this is INT64." },
		{ "conditional(true, 2, \"3\")", 0, 1, 22, "Expected INT64, as on its left; this is STRING." },
		{ "request.size", B, 1, 1, "Expected BOOL; the expression is INT64." },
		{ "\"x\" | source.name", I, 1, 1, "Expected INT64; the expression is STRING." },
		{ "\"x\"", DUR, 1, 1, "Expected DURATION; the expression is STRING." },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene scene;
		int r = compile(&scene, rows[i].expression, rows[i].wanted);

		if (r != WEIR_EXPRESSION_WRONG || scene.error.line != rows[i].line ||
			scene.error.column != rows[i].column || strcmp(scene.error.why, rows[i].why) != 0) {
			fail_msg("%s: %d: %zu:%zu: %s\ninstead of %zu:%zu: %s", rows[i].expression, r, scene.error.line,
				scene.error.column, scene.error.why, rows[i].line, rows[i].column, rows[i].why);
		}
		weir_arena_fini(&scene.arena);
	}
}

static void wanted_type_makes_a_duration_of_a_text(void **state)
{
	struct scene scene;
	struct weir_value value;
	enum weir_attribute attribute;

	(void)state;
	assert_int_equal(compile(&scene, "\"10ms\"", WEIR_TYPE_DURATION), 0);
	assert_int_equal(weir_expression_type(scene.expression), WEIR_TYPE_DURATION);
	assert_int_equal(weir_expression_form(scene.expression, &attribute, &value), WEIR_EXPRESSION_CONSTANT);
	assert_int_equal(value.number, 10000000);
	weir_arena_fini(&scene.arena);
	assert_int_equal(compile(&scene, "\"10ms\"", WEIR_TYPE_STRING), 0);
	assert_int_equal(weir_expression_type(scene.expression), WEIR_TYPE_STRING);
	weir_arena_fini(&scene.arena);
}

/* `count` times `part`, between `begin` and `end`. */
static char *repeated(const char *begin, const char *part, size_t count, const char *end)
{
	char *text = malloc(strlen(begin) + strlen(part) * count + strlen(end) + 1), *at;

	assert_non_null(text);
	at = stpcpy(text, begin);
	for (size_t i = 0; i < count; i++) {
		at = stpcpy(at, part);
	}
	strcpy(at, end);
	return text;
}

static int compile_repeated(const char *begin, const char *part, size_t count, const char *end, char why[256])
{
	char *text = repeated(begin, part, count, end);
	struct scene scene;
	int r = compile(&scene, text, WEIR_TYPE_NONE);

	memcpy(why, scene.error.why, sizeof(scene.error.why));
	weir_arena_fini(&scene.arena);
	free(text);
	return r;
}

static void length_depth_and_parts_are_bounded(void **state)
{
	char why[256];

	(void)state;
	assert_int_equal(compile_repeated("", " ", 4095, "1", why), 0);
	assert_int_equal(compile_repeated("", " ", 4096, "1", why), WEIR_EXPRESSION_WRONG);
	assert_string_equal(why, "The expression is 4097 bytes long; at most 4096 are read.");
	assert_int_equal(compile_repeated("", "(", 40, "1", why), WEIR_EXPRESSION_WRONG);
	assert_string_equal(why, "The expression is nested more than 32 deep.");
	assert_int_equal(compile_repeated("", "!", 40, "true", why), WEIR_EXPRESSION_WRONG);
	assert_string_equal(why, "The expression is nested more than 32 deep.");
	assert_int_equal(compile_repeated("source.name", ".reverse()", 40, "", why), WEIR_EXPRESSION_WRONG);
	assert_string_equal(why, "The expression is nested more than 32 deep.");
	assert_int_equal(compile_repeated("true", " == true", 40, "", why), WEIR_EXPRESSION_WRONG);
	assert_string_equal(why, "The expression is nested more than 32 deep.");
	/* A long list is not deep. */
	assert_int_equal(compile_repeated("true", "||true", 400, "", why), 0);
	assert_int_equal(compile_repeated("true", "||true", 600, "", why), WEIR_EXPRESSION_WRONG);
	assert_string_equal(why, "The expression has more than 512 parts.");
	assert_int_equal(compile_repeated("`", "a", 1030, "`.matches(\"\")", why), WEIR_EXPRESSION_WRONG);
	assert_string_equal(why, "The pattern is 1030 bytes long; at most 1024 are read.");
}

static void full_arena_is_no_memory(void **state)
{
	char *text = repeated("1", "+1", 200, "");
	struct weir_expression_error error;
	const struct weir_expression *expression;

	(void)state;
	for (size_t limit = 64; limit < 16384; limit += 64) {
		struct weir_arena arena;

		weir_arena_init(&arena, 64, limit);
		assert_int_equal(
			weir_expression_compile(&arena, weir_str_of(text), WEIR_TYPE_NONE, &expression, &error),
			-ENOMEM);
		weir_arena_fini(&arena);
	}
	free(text);
}

static void used_up_scratch_is_unset(void **state)
{
	static struct weir_scratch scratch;
	static struct told told;
	struct weir_rules_record record = { .told = told.values };
	struct weir_value value;
	struct scene scene;

	(void)state;
	tell(&told, "source.name=abc");
	compile_well(&scene, "reverse(source.name) | \"none\"");
	scratch.used = WEIR_SCRATCH_BYTES - 2;
	assert_int_equal(weir_expression_evaluate(scene.expression, &record, &scratch, &value), 0);
	assert_true(weir_str_is(value.text, "none"));
	weir_arena_fini(&scene.arena);
}

/* ---- what an expression reads ------------------------------------------- */

static void forms_are_told(void **state)
{
	static const struct {
		const char *expression;
		enum weir_expression_form form;
		enum weir_attribute attribute;
		const char *value;
	} rows[] = {
		{ "\"a\"", WEIR_EXPRESSION_CONSTANT, 0, "a" },
		{ "(\"a\")", WEIR_EXPRESSION_CONSTANT, 0, "a" },
		{ "toLower(\"A\")", WEIR_EXPRESSION_CONSTANT, 0, "a" },
		{ "ip(\"1.2.3.4\")", WEIR_EXPRESSION_CONSTANT, 0, "1.2.3.4" },
		{ "source.name", WEIR_EXPRESSION_ATTRIBUTE, WEIR_ATTRIBUTE_SOURCE_NAME, NULL },
		{ "source.name | \"u\"", WEIR_EXPRESSION_ATTRIBUTE, WEIR_ATTRIBUTE_SOURCE_NAME, "u" },
		{ "source.name | \"u\" | source.uid", WEIR_EXPRESSION_ATTRIBUTE, WEIR_ATTRIBUTE_SOURCE_NAME, "u" },
		{ "response.duration | \"0ms\"", WEIR_EXPRESSION_ATTRIBUTE, WEIR_ATTRIBUTE_RESPONSE_DURATION, "0s" },
		{ "source.name | source.uid", WEIR_EXPRESSION_OTHER, 0, NULL },
		{ "source.labels[\"app\"] | \"u\"", WEIR_EXPRESSION_OTHER, 0, NULL },
		{ "1 == 1", WEIR_EXPRESSION_OTHER, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct weir_scratch scratch;
		enum weir_attribute attribute = 0;
		struct weir_value value = { 0 };
		struct scene scene;

		compile_well(&scene, rows[i].expression);
		weir_scratch_reset(&scratch);
		assert_int_equal(weir_expression_form(scene.expression, &attribute, &value), rows[i].form);
		assert_int_equal(attribute, rows[i].attribute);
		assert_int_equal(value.type == WEIR_TYPE_NONE, rows[i].value == NULL);
		assert_true(rows[i].value == NULL || weir_str_is(weir_value_text(&value, &scratch), rows[i].value));
		weir_arena_fini(&scene.arena);
	}
}

static void what_is_read_is_told(void **state)
{
	struct scene scene;
	enum weir_attribute map;
	struct weir_str key;

	(void)state;
	compile_well(&scene, "conditional(connection.mtls, source.labels[\"app\"] | source.labels[\"app\"], "
			     "(source.labels | request.headers)[\"x\"]) | source.labels[source.name]");
	assert_true(weir_expression_reads(scene.expression, WEIR_ATTRIBUTE_CONNECTION_MTLS));
	assert_true(weir_expression_reads(scene.expression, WEIR_ATTRIBUTE_SOURCE_LABELS));
	assert_true(weir_expression_reads(scene.expression, WEIR_ATTRIBUTE_REQUEST_HEADERS));
	assert_true(weir_expression_reads(scene.expression, WEIR_ATTRIBUTE_SOURCE_NAME));
	assert_false(weir_expression_reads(scene.expression, WEIR_ATTRIBUTE_API_PROTOCOL));
	assert_true(weir_expression_map_key(scene.expression, 0, &map, &key));
	assert_int_equal(map, WEIR_ATTRIBUTE_SOURCE_LABELS);
	assert_true(weir_str_is(key, "app"));
	assert_true(weir_expression_map_key(scene.expression, 1, &map, &key));
	assert_int_equal(map, WEIR_ATTRIBUTE_SOURCE_LABELS);
	assert_true(weir_str_is(key, "x"));
	assert_true(weir_expression_map_key(scene.expression, 2, &map, &key));
	assert_int_equal(map, WEIR_ATTRIBUTE_REQUEST_HEADERS);
	assert_true(weir_str_is(key, "x"));
	assert_false(weir_expression_map_key(scene.expression, 3, &map, &key));
	weir_arena_fini(&scene.arena);
}

static void keyed_is_what_reads_only_keyed_attributes(void **state)
{
	static const struct {
		const char *expression;
		bool is_keyed;
	} rows[] = {
		{ "\"a\"", true },
		{ "source.workload.name | \"unknown\"", true },
		{ "source.labels[\"app\"] | \"unknown\"", true },
		{ "source.labels[destination.workload.name]", true },
		{ "source.labels[request.host]", false },
		{ "request.headers[\"x\"]", false },
		{ "response.code | 200", true },
		{ "api.protocol | context.protocol", false },
		{ "true || weir.duration_ms > 5", false },
		{ "weir.probe || connection.event == \"open\"", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene scene;

		compile_well(&scene, rows[i].expression);
		assert_int_equal(weir_expression_is_keyed(scene.expression), rows[i].is_keyed);
		weir_arena_fini(&scene.arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_have_the_types_and_values_of_go),
		cmocka_unit_test(attributes_have_the_vocabularys_types),
		cmocka_unit_test(first_that_is_set_is_taken),
		cmocka_unit_test(comparisons_compare_equal_types),
		cmocka_unit_test(logic_stops_where_it_is_decided),
		cmocka_unit_test(maps_are_looked_up),
		cmocka_unit_test(functions_do_what_mixers_did),
		cmocka_unit_test(sums_join_texts_and_add_numbers),
		cmocka_unit_test(blanks_and_line_ends_stand_anywhere),
		cmocka_unit_test(what_is_wrong_is_named_where_it_stands),
		cmocka_unit_test(wanted_type_makes_a_duration_of_a_text),
		cmocka_unit_test(length_depth_and_parts_are_bounded),
		cmocka_unit_test(full_arena_is_no_memory),
		cmocka_unit_test(used_up_scratch_is_unset),
		cmocka_unit_test(forms_are_told),
		cmocka_unit_test(what_is_read_is_told),
		cmocka_unit_test(keyed_is_what_reads_only_keyed_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
