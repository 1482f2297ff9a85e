/* standard: label texts of hand-made batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/standard.h"

struct made { /* a batch with two workloads and a pool */
	struct weir_batch batch;
	struct weir_workload workloads[2];
	char pool[8192];
	uint32_t used;
};

static struct weir_ref text(struct made *made, const char *value)
{
	struct weir_ref ref = { (uint32_t)(offsetof(struct made, pool) + made->used), (uint32_t)strlen(value) };

	assert_true(made->used + ref.length <= sizeof(made->pool));
	memcpy(made->pool + made->used, value, ref.length);
	made->used += ref.length;
	return ref;
}

static struct made *make(void)
{
	struct made *made = calloc(1, sizeof(*made));
	struct weir_workload *w = made->workloads;

	made->batch.workloads = (struct weir_table){ offsetof(struct made, workloads), 2 };
	w[0].name = text(made, "productpage-v1");
	w[0].namespace_ = text(made, "default");
	w[0].app = text(made, "productpage");
	w[0].version = text(made, "v1");
	w[0].canonical_service = text(made, "productpage");
	w[0].canonical_revision = text(made, "v1");
	w[0].cluster = text(made, "east");
	return made;
}

static void expect(const struct made *made, const struct weir_call *call, const struct weir_request *request,
	bool is_message, const char *want)
{
	struct weir_buf buf;

	weir_buf_init(&buf, 0);
	weir_standard_labels(&made->batch, call, request, is_message, &buf);
	weir_buf_add_char(&buf, '\0');
	assert_int_equal(weir_buf_error(&buf), 0);
	assert_string_equal(buf.data, want);
	weir_buf_fini(&buf);
}

static const char both_ends[] =
	"source_workload=\"productpage-v1\",source_canonical_service=\"productpage\",source_canonical_revision=\"v1\","
	"source_workload_namespace=\"default\",source_principal=\"unknown\",source_app=\"productpage\","
	"source_version=\"v1\",source_cluster=\"east\",destination_workload=\"unknown\","
	"destination_workload_namespace=\"unknown\",destination_principal=\"unknown\",destination_app=\"unknown\","
	"destination_version=\"unknown\",destination_service=\"a.b.svc.c\",destination_canonical_service=\"unknown\","
	"destination_canonical_revision=\"latest\",destination_service_name=\"a\",destination_service_namespace=\"b\",";

static char *whole(const char *reporter, const char *rest)
{
	char *all = calloc(1, 4096);

	strcat(strcat(strcat(all, reporter), both_ends), rest);
	return all;
}

static void labels_stand_in_istios_order_with_its_defaults(void **state)
{
	struct made *made = make();
	struct weir_request request = { .response_code = 0, .grpc_status = WEIR_GRPC_STATUS_NONE };
	char *want;

	(void)state;
	request.call = (struct weir_call){ .source = 0, .destination = 1, .reporter = WEIR_REPORTER_SOURCE };
	request.call.service_host = text(made, "a.b.svc.c");
	request.call.service_name = text(made, "a");
	request.call.service_namespace = text(made, "b");
	want = whole("reporter=\"source\",",
		"request_protocol=\"http\",response_code=\"0\",grpc_response_status=\"\",response_flags=\"-\","
		"connection_security_policy=\"unknown\"");
	expect(made, &request.call, &request, false, want);
	request.call.destination = WEIR_NONE; /* no row is nobody, too */
	expect(made, &request.call, &request, false, want);
	free(want);

	request.call.reporter = WEIR_REPORTER_DESTINATION;
	request.call.protocol = WEIR_REQUEST_GRPC;
	request.call.security = WEIR_SECURITY_MUTUAL_TLS;
	request.call.response_flags = 1u << 5 | 1u << 15;
	request.response_code = 503;
	request.grpc_status = 14;
	want = whole("reporter=\"destination\",",
		"request_protocol=\"grpc\",response_code=\"503\",grpc_response_status=\"14\",response_flags=\"UF,URX\","
		"connection_security_policy=\"mutual_tls\"");
	expect(made, &request.call, &request, false, want);
	free(want);
	want = whole(
		"reporter=\"destination\",", "request_protocol=\"grpc\",connection_security_policy=\"mutual_tls\"");
	expect(made, &request.call, &request, true, want);
	free(want);

	request.call.reporter = WEIR_REPORTER_WAYPOINT;
	request.call.protocol = WEIR_REQUEST_TCP;
	request.call.security = WEIR_SECURITY_NONE;
	want = whole("reporter=\"waypoint\",",
		"request_protocol=\"tcp\",response_flags=\"UF,URX\",connection_security_policy=\"none\"");
	expect(made, &request.call, NULL, false, want);
	free(want);
	free(made);
}

static void values_are_escaped_and_cut_between_characters(void **state)
{
	struct weir_call call = { .source = WEIR_NONE, .destination = WEIR_NONE };
	struct made *made = make();
	struct weir_buf buf;
	char longer[1200];

	(void)state;
	call.service_name = text(made, "a\"b\\c\nd");
	memset(longer, 'x', sizeof(longer));
	memcpy(longer + 1022, "\xe2\x82\xac", 3); /* a euro across the limit */
	longer[1199] = '\0';
	call.service_host = text(made, longer);
	weir_buf_init(&buf, 0);
	weir_standard_labels(&made->batch, &call, NULL, false, &buf);
	weir_buf_add_char(&buf, '\0');
	assert_non_null(strstr(buf.data, "destination_service_name=\"a\\\"b\\\\c\\nd\""));
	assert_non_null(strstr(buf.data, "xx\",destination_canonical_service"));
	assert_null(strstr(buf.data, "\xe2"));
	assert_int_equal(strcspn(strstr(buf.data, "destination_service=\"") + 21, "\""), 1022);
	weir_buf_fini(&buf);
	free(made);
}

static void flags_have_envoys_names_in_its_order(void **state)
{
	struct weir_buf buf;

	(void)state;
	weir_buf_init(&buf, 0);
	weir_standard_flags(0, &buf);
	weir_buf_add_char(&buf, ' ');
	weir_standard_flags(1u << 12, &buf);
	weir_buf_add_char(&buf, ' ');
	weir_standard_flags(UINT32_MAX, &buf);
	weir_buf_add_char(&buf, '\0');
	assert_string_equal(buf.data,
		"- UAEX LH,UH,UT,LR,UR,UF,UC,UO,NR,DI,FI,RL,UAEX,RLSE,DC,URX,SI,IH,DPE,UMSDR,RFCF,"
		"NFCF,DT,UPE,NC,OM,DF,DR");
	weir_buf_fini(&buf);
}

static void families_are_istios(void **state)
{
	(void)state;
	for (size_t i = 0; i < WEIR_STANDARD_METRICS; i++) {
		const struct weir_standard_family *family = &weir_standard_families[i];

		assert_memory_equal(family->name, "istio_", 6);
		assert_true(strlen(family->help) > 10);
		assert_int_equal(family->is_histogram, !strstr(family->name, "_total"));
	}
	for (size_t i = 1; i < WEIR_STANDARD_BOUNDS; i++) {
		assert_true(weir_standard_bounds[i] > weir_standard_bounds[i - 1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_stand_in_istios_order_with_its_defaults),
		cmocka_unit_test(values_are_escaped_and_cut_between_characters),
		cmocka_unit_test(flags_have_envoys_names_in_its_order),
		cmocka_unit_test(families_are_istios),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
