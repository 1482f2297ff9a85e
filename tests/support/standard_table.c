/* standard_table: Istio's standard metrics of 1.5 and later, as one table. The
 * product makes them by rules (standard.yaml); this says the same another way.
 *
 * `dimensions` says what the labels are, in the order in which they are written,
 * where each value comes from, what stands for an unset one, and which series
 * have it:
 *
 *   label                    value of            unset      series
 *   reporter                 call                           all
 *   source_…                 workload row        unknown    all (…_revision: latest; …_cluster: no label)
 *   destination_…            workload row, call  unknown    all
 *   request_protocol         call                           all
 *   response_code            request                        requests
 *   grpc_response_status     request             ""         requests
 *   response_flags           call                -          requests, TCP
 *   connection_security_…    call                           all
 *
 * A cluster is never written as `unknown`: Kiali would drop the series. */
#include "support/standard_table.h"

#include <stdio.h>

#include "rules/label.h"
#include "rules/response_flags.h"

const double standard_table_bounds[STANDARD_TABLE_BOUNDS] = { 0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000,
	10000, 30000, 60000, 300000, 600000, 1800000, 3600000 };

const struct standard_table_family standard_table_families[STANDARD_TABLE_METRICS] = {
	{ "istio_requests_total", "Finished HTTP and gRPC requests.", false },
	{ "istio_request_duration_milliseconds",
		"Time from the first byte of a request to the last byte of its answer, in milliseconds.", true },
	{ "istio_request_bytes", "Size of requests, headers and body, in bytes.", true },
	{ "istio_response_bytes", "Size of responses, headers and body, in bytes.", true },
	{ "istio_request_messages_total", "gRPC messages sent by clients.", false },
	{ "istio_response_messages_total", "gRPC messages sent by servers.", false },
	{ "istio_tcp_connections_opened_total", "TCP connections opened.", false },
	{ "istio_tcp_connections_closed_total", "TCP connections closed.", false },
	{ "istio_tcp_sent_bytes_total", "Bytes sent to clients of TCP connections.", false },
	{ "istio_tcp_received_bytes_total", "Bytes received from clients of TCP connections.", false },
};

/* ---- values ------------------------------------------------------------- */

struct scene { /* what a value may come from */
	const struct weir_batch *batch;
	const struct weir_call *call;
	const struct weir_request *request;
	struct weir_workload source, destination; /* zeroed when there is no row */
	struct weir_buf text;                     /* of values that are written, not found */
};

/* What a value is. WORKLOAD values are a member of the source or destination. */
enum value {
	REPORTER,
	SOURCE,
	DESTINATION,
	CALL,
	PROTOCOL,
	RESPONSE_CODE,
	GRPC_STATUS,
	FLAGS,
	SECURITY,
};

enum series { REQUEST = 1, TCP = 2, MESSAGE = 4, ALL = REQUEST | TCP | MESSAGE };

struct dimension {
	const char *label;
	enum value value;
	size_t member;     /* of weir_workload or weir_call: where its ref is */
	const char *unset; /* NULL: the label is left out */
	unsigned series;
};

static const char unknown[] = "unknown";

static const struct dimension dimensions[] = {
	{ "reporter", REPORTER, 0, unknown, ALL },
	{ "source_workload", SOURCE, offsetof(struct weir_workload, name), unknown, ALL },
	{ "source_canonical_service", SOURCE, offsetof(struct weir_workload, canonical_service), unknown, ALL },
	{ "source_canonical_revision", SOURCE, offsetof(struct weir_workload, canonical_revision), "latest", ALL },
	{ "source_workload_namespace", SOURCE, offsetof(struct weir_workload, namespace_), unknown, ALL },
	{ "source_principal", CALL, offsetof(struct weir_call, source_principal), unknown, ALL },
	{ "source_app", SOURCE, offsetof(struct weir_workload, app), unknown, ALL },
	{ "source_version", SOURCE, offsetof(struct weir_workload, version), unknown, ALL },
	{ "source_cluster", SOURCE, offsetof(struct weir_workload, cluster), NULL, ALL },
	{ "destination_workload", DESTINATION, offsetof(struct weir_workload, name), unknown, ALL },
	{ "destination_workload_namespace", DESTINATION, offsetof(struct weir_workload, namespace_), unknown, ALL },
	{ "destination_principal", CALL, offsetof(struct weir_call, destination_principal), unknown, ALL },
	{ "destination_app", DESTINATION, offsetof(struct weir_workload, app), unknown, ALL },
	{ "destination_version", DESTINATION, offsetof(struct weir_workload, version), unknown, ALL },
	{ "destination_service", CALL, offsetof(struct weir_call, service_host), unknown, ALL },
	{ "destination_canonical_service", DESTINATION, offsetof(struct weir_workload, canonical_service), unknown,
		ALL },
	{ "destination_canonical_revision", DESTINATION, offsetof(struct weir_workload, canonical_revision), "latest",
		ALL },
	{ "destination_service_name", CALL, offsetof(struct weir_call, service_name), unknown, ALL },
	{ "destination_service_namespace", CALL, offsetof(struct weir_call, service_namespace), unknown, ALL },
	{ "destination_cluster", DESTINATION, offsetof(struct weir_workload, cluster), NULL, ALL },
	{ "request_protocol", PROTOCOL, 0, unknown, ALL },
	{ "response_code", RESPONSE_CODE, 0, "0", REQUEST },
	{ "grpc_response_status", GRPC_STATUS, 0, "", REQUEST },
	{ "response_flags", FLAGS, 0, "-", REQUEST | TCP },
	{ "connection_security_policy", SECURITY, 0, unknown, ALL },
};

static const char *const reporter_names[] = { "source", "destination", "waypoint" };
static const char *const protocol_names[] = { "http", "grpc", "tcp" };
static const char *const security_names[] = { "unknown", "none", "mutual_tls" };

static struct weir_str name_of(const char *const *names, size_t count, unsigned which)
{
	return which < count ? weir_str_of(names[which]) : weir_str_make(NULL, 0);
}

static struct weir_str number_of(struct scene *scene, long value)
{
	weir_buf_clear(&scene->text);
	weir_buf_addf(&scene->text, "%ld", value);
	return weir_buf_str(&scene->text);
}

static struct weir_str flags_of(struct scene *scene)
{
	weir_buf_clear(&scene->text);
	weir_response_flags_add(scene->call->response_flags, &scene->text);
	return weir_buf_str(&scene->text);
}

static struct weir_str member_of(const struct scene *scene, const void *row, size_t member)
{
	struct weir_ref ref;

	memcpy(&ref, (const char *)row + member, sizeof(ref));
	return weir_batch_str(scene->batch, ref);
}

static struct weir_str value_of(struct scene *scene, const struct dimension *dimension)
{
	const struct weir_call *call = scene->call;

	switch (dimension->value) {
	case REPORTER:
		return name_of(reporter_names, 3, call->reporter);
	case SOURCE:
		return member_of(scene, &scene->source, dimension->member);
	case DESTINATION:
		return member_of(scene, &scene->destination, dimension->member);
	case CALL:
		return member_of(scene, call, dimension->member);
	case PROTOCOL:
		return name_of(protocol_names, 3, call->protocol);
	case RESPONSE_CODE:
		return number_of(scene, scene->request->response_code);
	case GRPC_STATUS:
		return scene->request->grpc_status == WEIR_GRPC_STATUS_NONE
			       ? weir_str_make(NULL, 0)
			       : number_of(scene, scene->request->grpc_status);
	case FLAGS:
		return flags_of(scene);
	case SECURITY:
		return name_of(security_names, 3, call->security);
	}
	return weir_str_make(NULL, 0);
}

/* ---- text --------------------------------------------------------------- */

static struct weir_workload row_of(const struct weir_batch *batch, uint32_t row)
{
	struct weir_workload workload = { 0 };

	if (row < batch->workloads.count) {
		memcpy(&workload, weir_batch_workload(batch, row), WEIR_WORKLOAD_BYTES_V2);
	}
	return workload;
}

void standard_table_labels(const struct weir_batch *batch, const struct weir_call *call,
	const struct weir_request *request, bool is_message_series, struct weir_buf *ret_text)
{
	unsigned series = !request ? TCP : is_message_series ? MESSAGE : REQUEST;
	struct scene scene = { .batch = batch, .call = call, .request = request };

	weir_buf_init(&scene.text, 0);
	scene.source = row_of(batch, call->source);
	scene.destination = row_of(batch, call->destination);
	for (size_t i = 0; i < sizeof(dimensions) / sizeof(dimensions[0]); i++) {
		const struct dimension *dimension = &dimensions[i];
		struct weir_str value;

		if (!(dimension->series & series)) {
			continue;
		}
		value = value_of(&scene, dimension);
		if (value.length == 0) {
			if (!dimension->unset) {
				continue;
			}
			value = weir_str_of(dimension->unset);
		}
		weir_label_add(ret_text, weir_str_of(dimension->label), value);
	}
	weir_buf_fini(&scene.text);
}
