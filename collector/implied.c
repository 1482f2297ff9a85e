/* implied: what one attribute says of another; see the header.
 *
 * Decoders keep a fact once, and attribute.c reads several attributes of it: a
 * reporter is weir.reporter and context.reporter.kind, an application's label
 * names a canonical service. A person tells the one that he knows, and expects
 * of `weir check --explain` what his proxies' records would be counted as.
 *
 * What no expression can say is filled first. Rows are taken in their order, so a later one may read what an earlier one
 * gave; of two that give the same attribute the first has precedence. */
#include "implied.h"

#include <errno.h>

#include "base/err.h"
#include "identity/source.h"
#include "rules/language/expression.h"

#define APP(end)                                                                                                       \
	end ".labels[\"service.istio.io/canonical-name\"] | " end ".labels[\"app.kubernetes.io/name\"] | " end         \
	    ".labels[\"app\"] | " end ".workload.name"
#define REVISION(end)                                                                                                  \
	end ".labels[\"service.istio.io/canonical-revision\"] | " end ".labels[\"app.kubernetes.io/version\"] | " end  \
	    ".labels[\"version\"]"

static const struct {
	enum weir_attribute attribute;
	const char *expression;
} implied[] = {
	{ WEIR_ATTRIBUTE_WEIR_REPORTER,
		"conditional(context.reporter.kind == \"outbound\", \"source\", \"destination\")" },
	{ WEIR_ATTRIBUTE_REPORTER_KIND, "conditional(weir.reporter == \"source\", \"outbound\", \"inbound\")" },
	{ WEIR_ATTRIBUTE_SOURCE_NAMESPACE, "source.workload.namespace" },
	{ WEIR_ATTRIBUTE_SOURCE_WORKLOAD_NAMESPACE, "source.namespace" },
	{ WEIR_ATTRIBUTE_SOURCE_CANONICAL_SERVICE, APP("source") },
	{ WEIR_ATTRIBUTE_SOURCE_CANONICAL_REVISION, REVISION("source") },
	{ WEIR_ATTRIBUTE_SOURCE_PRINCIPAL, "source.user" },
	{ WEIR_ATTRIBUTE_SOURCE_USER, "source.principal" },
	{ WEIR_ATTRIBUTE_SOURCE_SPIFFE_ID, "\"spiffe://\" + source.principal" },
	{ WEIR_ATTRIBUTE_DESTINATION_NAMESPACE, "destination.workload.namespace" },
	{ WEIR_ATTRIBUTE_DESTINATION_WORKLOAD_NAMESPACE, "destination.namespace" },
	{ WEIR_ATTRIBUTE_DESTINATION_CANONICAL_SERVICE, APP("destination") },
	{ WEIR_ATTRIBUTE_DESTINATION_CANONICAL_REVISION, REVISION("destination") },
	{ WEIR_ATTRIBUTE_DESTINATION_PRINCIPAL, "destination.user" },
	{ WEIR_ATTRIBUTE_DESTINATION_USER, "destination.principal" },
	{ WEIR_ATTRIBUTE_DESTINATION_SPIFFE_ID, "\"spiffe://\" + destination.principal" },
	{ WEIR_ATTRIBUTE_DESTINATION_SERVICE_HOST, "destination.service" },
	{ WEIR_ATTRIBUTE_DESTINATION_SERVICE, "destination.service.host" },
	/* The source's proxy does not know whether the other side asked for a certificate; of the other's, Mixer's word
	 * is complete. */
	{ WEIR_ATTRIBUTE_CONNECTION_SECURITY_POLICY,
		"conditional((weir.reporter | \"\") == \"source\", \"unknown\", conditional(conditional((weir.signal | "
		"\"\") == \"mixer\", connection.mtls | false, connection.mtls), \"mutual_tls\", \"none\"))" },
	{ WEIR_ATTRIBUTE_CONNECTION_MTLS, "connection.security_policy == \"mutual_tls\"" },
	{ WEIR_ATTRIBUTE_REQUEST_SIZE, "request.total_size" },
	{ WEIR_ATTRIBUTE_REQUEST_TOTAL_SIZE, "request.size" },
	{ WEIR_ATTRIBUTE_RESPONSE_SIZE, "response.total_size" },
	{ WEIR_ATTRIBUTE_RESPONSE_TOTAL_SIZE, "response.size" },
	{ WEIR_ATTRIBUTE_REQUEST_REFERER, "request.headers[\"referer\"]" },
	{ WEIR_ATTRIBUTE_REQUEST_USERAGENT, "request.headers[\"user-agent\"]" },
	{ WEIR_ATTRIBUTE_WEIR_MESSAGES, "(request.messages | 0) > 0 || (response.messages | 0) > 0" },
	{ WEIR_ATTRIBUTE_CONTEXT_TIME, "response.time | request.time" },
	{ WEIR_ATTRIBUTE_CONTEXT_TIMESTAMP, "context.time" },
};

static bool is_told(const struct weir_value *told, enum weir_attribute attribute)
{
	return told[attribute].type != WEIR_TYPE_NONE;
}

static void number_fill(struct weir_value *told, enum weir_attribute attribute, int64_t number)
{
	if (!is_told(told, attribute)) {
		told[attribute].type = weir_attribute_type(attribute);
		told[attribute].number = number;
	}
}

static void text_fill(struct weir_value *told, enum weir_attribute attribute, struct weir_str text)
{
	if (!is_told(told, attribute) && text.length > 0) {
		told[attribute].type = WEIR_TYPE_STRING;
		told[attribute].text = text;
	}
}

/* `cart.shop.svc.cluster.local` names a service and its namespace. */
static void service_fill(struct weir_value *told)
{
	enum weir_attribute host = is_told(told, WEIR_ATTRIBUTE_DESTINATION_SERVICE_HOST)
					   ? WEIR_ATTRIBUTE_DESTINATION_SERVICE_HOST
					   : WEIR_ATTRIBUTE_DESTINATION_SERVICE;
	struct weir_str name, namespace_;

	if (is_told(told, host)) {
		weir_identity_service(told[host].text, &name, &namespace_);
		text_fill(told, WEIR_ATTRIBUTE_DESTINATION_SERVICE_NAME, name);
		text_fill(told, WEIR_ATTRIBUTE_DESTINATION_SERVICE_NAMESPACE, namespace_);
	}
}

static void times_fill(struct weir_value *told)
{
	int64_t start_ns = told[WEIR_ATTRIBUTE_REQUEST_TIME].number, end_ns;

	if (!is_told(told, WEIR_ATTRIBUTE_RESPONSE_DURATION)) {
		return;
	}
	number_fill(told, WEIR_ATTRIBUTE_WEIR_DURATION_MS, told[WEIR_ATTRIBUTE_RESPONSE_DURATION].number / 1000000);
	if (is_told(told, WEIR_ATTRIBUTE_REQUEST_TIME) &&
		!__builtin_add_overflow(start_ns, told[WEIR_ATTRIBUTE_RESPONSE_DURATION].number, &end_ns)) {
		number_fill(told, WEIR_ATTRIBUTE_RESPONSE_TIME, end_ns);
	}
}

static void path_fill(struct weir_value *told)
{
	struct weir_str rest = told[WEIR_ATTRIBUTE_REQUEST_PATH].text;

	if (is_told(told, WEIR_ATTRIBUTE_REQUEST_PATH)) {
		rest = weir_str_cut(&rest, '?');
		text_fill(told, WEIR_ATTRIBUTE_REQUEST_URL_PATH, weir_str_cut(&rest, '#'));
	}
}

int weir_implied_fill(struct weir_arena *arena, const struct weir_rules_record *record, struct weir_value *told)
{
	struct weir_scratch *scratch = weir_arena_alloc(arena, sizeof(*scratch));

	if (scratch == NULL) {
		return -ENOMEM;
	}
	service_fill(told);
	times_fill(told);
	path_fill(told);
	for (size_t i = 0; i < sizeof(implied) / sizeof(implied[0]); i++) {
		struct weir_value *value = &told[implied[i].attribute], got;
		const struct weir_expression *expression;
		struct weir_expression_error error;
		int r;

		if (value->type != WEIR_TYPE_NONE) {
			continue;
		}
		weir_scratch_reset(scratch);
		r = weir_expression_compile(arena, weir_str_of(implied[i].expression),
			weir_attribute_type(implied[i].attribute), &expression, &error);
		weir_assert(r <= 0);
		if (r < 0) {
			return r;
		}
		if (weir_expression_evaluate(expression, record, scratch, &got) != 0) {
			continue;
		}
		if (got.type == WEIR_TYPE_STRING) {
			got.text = weir_arena_copy(arena, got.text);
			if (got.text.data == NULL) {
				return -ENOMEM;
			}
		}
		*value = got;
	}
	return 0;
}
