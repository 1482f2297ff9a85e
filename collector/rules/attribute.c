/* attribute: known attributes of one record.
 *
 * vocabulary.def has them in groups, and each group is a range with one function:
 *
 *   source.uid … source.labels             end_get, of the source
 *   destination.uid … destination.labels   end_get, of the destination
 *   destination.service … weir.duration_ms call_get
 *   connection.id … …requested_server_name connection_get
 *   request.method … response.messages     weir_attribute_request_get
 *   request.headers … request.auth.claims  maps: weir_attribute_get_entry
 *   source.owner … api.protocol            what the sender told under this name
 *
 * Invariants
 *  1. An empty text is unset, as Mixer had it. A number is set when the record
 *     is of the kind that has it (a request's size, though it be 0).
 *  2. Nothing is allocated; no loop but over the attributes that have no field.
 *
 * Any thread; no state. */
#include "rules/attribute.h"

#include "base/ip.h"
#include "rules/attribute_set.h"
#include "rules/response_flags.h"

#define DESTINATION_DISTANCE (WEIR_ATTRIBUTE_DESTINATION_UID - WEIR_ATTRIBUTE_SOURCE_UID)

_Static_assert(WEIR_ATTRIBUTE_DESTINATION_LABELS - WEIR_ATTRIBUTE_SOURCE_LABELS == DESTINATION_DISTANCE,
	"the destination's attributes are in the order of the source's");
_Static_assert(WEIR_ATTRIBUTE_DESTINATION_WORKLOAD_UID - WEIR_ATTRIBUTE_SOURCE_WORKLOAD_UID == DESTINATION_DISTANCE,
	"the destination's attributes are in the order of the source's");

static const struct {
	struct weir_str name;
	uint8_t type;
	bool is_keyed;
} vocabulary[WEIR_ATTRIBUTES] = {
#define WEIR_ATTRIBUTE(id, name, type, keyed) { { name, sizeof(name) - 1 }, WEIR_TYPE_##type, keyed },
#include "rules/vocabulary.def"
#undef WEIR_ATTRIBUTE
};

/* ---- names -------------------------------------------------------------- */

const char *weir_attribute_name(enum weir_attribute attribute)
{
	return vocabulary[attribute].name.data;
}

enum weir_type weir_attribute_type(enum weir_attribute attribute)
{
	return vocabulary[attribute].type;
}

bool weir_attribute_is_keyed(enum weir_attribute attribute)
{
	return vocabulary[attribute].is_keyed;
}

bool weir_attribute_find(struct weir_str name, enum weir_attribute *ret)
{
	for (unsigned i = 0; i < WEIR_ATTRIBUTES; i++) {
		if (weir_str_equal(vocabulary[i].name, name)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

/* ---- values ------------------------------------------------------------- */

/* `first` `a` `between` `b`; ABSENT without an `a`. */
static int set_joined(struct weir_scratch *scratch, const struct weir_str parts[4], struct weir_value *ret)
{
	size_t length = 0;
	char *at;

	for (unsigned i = 0; i < 4; i++) {
		length += parts[i].length;
	}
	at = parts[1].length > 0 && length <= WEIR_SCRATCH_BYTES ? weir_scratch_take(scratch, (uint32_t)length) : NULL;
	if (at == NULL) {
		return WEIR_VALUE_ABSENT;
	}
	ret->type = WEIR_TYPE_STRING;
	ret->text = weir_str_make(at, length);
	for (unsigned i = 0; i < 4; i++) {
		if (parts[i].length > 0) {
			memcpy(at, parts[i].data, parts[i].length);
		}
		at += parts[i].length;
	}
	return 0;
}

static int set_uid(const struct weir_rules_record *record, const struct weir_workload *workload,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	struct weir_str parts[4] = { { "kubernetes://", 13 }, weir_batch_str(record->batch, workload->pod), { ".", 1 },
		weir_batch_str(record->batch, workload->namespace_) };

	return set_joined(scratch, parts, ret);
}

/* `istio://<namespace>/<what>/<name>`. */
static int set_istio_uid(const struct weir_rules_record *record, struct weir_ref namespace_, const char *what,
	struct weir_ref name, struct weir_scratch *scratch, struct weir_value *ret)
{
	struct weir_str parts[4] = { { "istio://", 8 }, weir_batch_str(record->batch, namespace_), weir_str_of(what),
		weir_batch_str(record->batch, name) };

	return parts[3].length > 0 ? set_joined(scratch, parts, ret) : WEIR_VALUE_ABSENT;
}

/* ---- the ends ----------------------------------------------------------- */

/* Of addresses a row has the peer's only. */
static const struct weir_address *address_of(const struct weir_rules_record *record, bool is_source)
{
	static const uint8_t none[16];
	const struct weir_address *address =
		record->request != NULL ? &record->request->peer_address : &record->connection->peer_address;

	return is_source == (record->call->reporter != WEIR_REPORTER_SOURCE) &&
			       memcmp(address->ip, none, sizeof(none)) != 0
		       ? address
		       : NULL;
}

static struct weir_ref upstream_cluster_of(const struct weir_rules_record *record)
{
	return record->request != NULL ? record->request->upstream_cluster : record->connection->upstream_cluster;
}

/* Of the destination, its own proxy tells it in the cluster's name: `inbound|9080||`. */
static int port_get(const struct weir_rules_record *record, bool is_source, struct weir_value *ret)
{
	const struct weir_address *address = address_of(record, is_source);
	struct weir_str rest;
	unsigned long long port;

	if (address != NULL && address->port != 0) {
		return weir_attribute_set_number(WEIR_TYPE_INT64, address->port, ret);
	}
	rest = weir_batch_str(record->batch, upstream_cluster_of(record));
	if (is_source || !weir_str_is(weir_str_cut(&rest, '|'), "inbound") ||
		weir_str_to_u64(weir_str_cut(&rest, '|'), &port) < 0 || port == 0 || port > UINT16_MAX) {
		return WEIR_VALUE_ABSENT;
	}
	return weir_attribute_set_number(WEIR_TYPE_INT64, port, ret);
}

/* `<domain>/ns/<namespace>/sa/<account>`: all, or the account. */
static int principal_get(
	const struct weir_rules_record *record, bool is_source, bool is_account, struct weir_value *ret)
{
	static const char scheme[] = "spiffe://";
	struct weir_str text = weir_batch_str(
		record->batch, is_source ? record->call->source_principal : record->call->destination_principal);
	struct weir_str rest;

	if (weir_str_starts_with(text, scheme)) {
		text = weir_str_make(text.data + sizeof(scheme) - 1, text.length - (sizeof(scheme) - 1));
	}
	if (!is_account) {
		return weir_attribute_set_text(text, ret);
	}
	rest = text;
	(void)weir_str_cut(&rest, '/');
	if (!weir_str_is(weir_str_cut(&rest, '/'), "ns")) {
		return WEIR_VALUE_ABSENT;
	}
	(void)weir_str_cut(&rest, '/');
	return weir_str_is(weir_str_cut(&rest, '/'), "sa") ? weir_attribute_set_text(rest, ret) : WEIR_VALUE_ABSENT;
}

/* What the row tells. */
static int workload_get(const struct weir_rules_record *record, bool is_source, enum weir_attribute attribute,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	const struct weir_workload *workload = weir_attribute_record_workload(record, is_source);

	if (workload == NULL) {
		return WEIR_VALUE_ABSENT;
	}
	switch (attribute) {
	case WEIR_ATTRIBUTE_SOURCE_UID:
		return set_uid(record, workload, scratch, ret);
	case WEIR_ATTRIBUTE_SOURCE_NAME:
		return weir_attribute_set_ref(record, workload->pod, ret);
	case WEIR_ATTRIBUTE_SOURCE_WORKLOAD_UID:
		return set_istio_uid(record, workload->namespace_, "/workloads/", workload->name, scratch, ret);
	case WEIR_ATTRIBUTE_SOURCE_WORKLOAD_NAME:
		return weir_attribute_set_ref(record, workload->name, ret);
	case WEIR_ATTRIBUTE_SOURCE_NAMESPACE:
	case WEIR_ATTRIBUTE_SOURCE_WORKLOAD_NAMESPACE:
		return weir_attribute_set_ref(record, workload->namespace_, ret);
	case WEIR_ATTRIBUTE_SOURCE_CANONICAL_SERVICE:
		return weir_attribute_set_ref(record, workload->canonical_service, ret);
	case WEIR_ATTRIBUTE_SOURCE_CANONICAL_REVISION:
		return weir_attribute_set_ref(record, workload->canonical_revision, ret);
	case WEIR_ATTRIBUTE_SOURCE_CLUSTER:
		return weir_attribute_set_ref(record, workload->cluster, ret);
	default:
		return WEIR_VALUE_ABSENT;
	}
}

/* The peer's is in the row. A reporter's own is what it told, or in its node id: `sidecar~10.0.0.7~…`. */
static int ip_get(
	const struct weir_rules_record *record, bool is_source, struct weir_scratch *scratch, struct weir_value *ret)
{
	const struct weir_address *address = address_of(record, is_source);
	const struct weir_workload *workload;
	struct weir_str rest;

	if (address != NULL) {
		ret->type = WEIR_TYPE_IP_ADDRESS;
		memcpy(ret->ip, address->ip, sizeof(ret->ip));
		return 0;
	}
	if (weir_attribute_told(
		    record, is_source ? WEIR_ATTRIBUTE_SOURCE_IP : WEIR_ATTRIBUTE_DESTINATION_IP, scratch, ret) == 0) {
		return 0;
	}
	workload = weir_attribute_record_workload(record, is_source);
	rest = workload != NULL ? weir_batch_str(record->batch, workload->node_id) : (struct weir_str){ NULL, 0 };
	(void)weir_str_cut(&rest, '~');
	ret->type = WEIR_TYPE_IP_ADDRESS;
	return rest.length > 0 && weir_ip_read(weir_str_cut(&rest, '~'), ret->ip) ? 0 : WEIR_VALUE_ABSENT;
}

/* `attribute` is the source's, whichever end is meant. */
static int end_get(const struct weir_rules_record *record, bool is_source, enum weir_attribute attribute,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	switch (attribute) {
	case WEIR_ATTRIBUTE_SOURCE_IP:
		return ip_get(record, is_source, scratch, ret);
	case WEIR_ATTRIBUTE_SOURCE_PORT:
		return port_get(record, is_source, ret);
	case WEIR_ATTRIBUTE_SOURCE_PRINCIPAL:
	case WEIR_ATTRIBUTE_SOURCE_USER:
		return principal_get(record, is_source, false, ret);
	case WEIR_ATTRIBUTE_SOURCE_SERVICE_ACCOUNT:
		return principal_get(record, is_source, true, ret);
	case WEIR_ATTRIBUTE_SOURCE_SPIFFE_ID:
		return weir_attribute_set_ref(
			record, is_source ? record->call->source_principal : record->call->destination_principal, ret);
	default:
		return workload_get(record, is_source, attribute, scratch, ret);
	}
}

/* ---- the call ----------------------------------------------------------- */

static int service_get(const struct weir_rules_record *record, enum weir_attribute attribute,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	const struct weir_call *call = record->call;

	switch (attribute) {
	case WEIR_ATTRIBUTE_DESTINATION_SERVICE:
	case WEIR_ATTRIBUTE_DESTINATION_SERVICE_HOST:
		return weir_attribute_set_ref(record, call->service_host, ret);
	case WEIR_ATTRIBUTE_DESTINATION_SERVICE_NAME:
		return weir_attribute_set_ref(record, call->service_name, ret);
	case WEIR_ATTRIBUTE_DESTINATION_SERVICE_NAMESPACE:
		return weir_attribute_set_ref(record, call->service_namespace, ret);
	default:
		if (weir_attribute_told(record, attribute, scratch, ret) == 0) {
			return 0;
		}
		return set_istio_uid(record, call->service_namespace, "/services/", call->service_name, scratch, ret);
	}
}

static int flags_get(const struct weir_call *call, struct weir_scratch *scratch, struct weir_value *ret)
{
	char room[WEIR_RESPONSE_FLAGS_MAX];
	struct weir_str text = weir_response_flags_text(call->response_flags, room);

	if (text.data == room) { /* several */
		char *copy = weir_scratch_take(scratch, (uint32_t)text.length);

		if (copy == NULL) {
			return WEIR_VALUE_ABSENT;
		}
		memcpy(copy, text.data, text.length);
		text.data = copy;
	}
	return weir_attribute_set_text(text, ret);
}

static int reporter_uid_get(
	const struct weir_rules_record *record, struct weir_scratch *scratch, struct weir_value *ret)
{
	const struct weir_workload *workload =
		weir_attribute_record_workload(record, record->call->reporter == WEIR_REPORTER_SOURCE);

	/* A waypoint is neither end. */
	return workload != NULL && record->call->reporter != WEIR_REPORTER_WAYPOINT
		       ? set_uid(record, workload, scratch, ret)
		       : WEIR_VALUE_ABSENT;
}

static uint64_t duration_of(const struct weir_rules_record *record)
{
	return record->request != NULL ? record->request->duration_ns : record->connection->duration_ns;
}

/* The end of what the record tells, else when it came. */
static uint64_t time_of(const struct weir_rules_record *record)
{
	uint64_t start = record->request != NULL ? record->request->start_ns : record->connection->start_ns;

	return start > 0 ? start + duration_of(record) : record->batch->received_ns;
}

static int call_get(const struct weir_rules_record *record, enum weir_attribute attribute, struct weir_scratch *scratch,
	struct weir_value *ret)
{
	static const char *const kinds[] = { "outbound", "inbound", "inbound" };
	static const char *const reporters[] = { "source", "destination", "waypoint" };
	static const char *const protocols[] = { "http", "grpc", "tcp" };
	static const char *const policies[] = { "unknown", "none", "mutual_tls" };
	const struct weir_call *call = record->call;

	switch (attribute) {
	case WEIR_ATTRIBUTE_REPORTER_KIND:
		return weir_attribute_set_name(kinds, 3, call->reporter, ret);
	case WEIR_ATTRIBUTE_WEIR_REPORTER:
		return weir_attribute_set_name(reporters, 3, call->reporter, ret);
	case WEIR_ATTRIBUTE_REPORTER_UID:
		return reporter_uid_get(record, scratch, ret);
	case WEIR_ATTRIBUTE_PROTOCOL:
		return weir_attribute_set_name(protocols, 3, call->protocol, ret);
	case WEIR_ATTRIBUTE_CONTEXT_TIME:
	case WEIR_ATTRIBUTE_CONTEXT_TIMESTAMP:
		return weir_attribute_set_time(time_of(record), ret);
	case WEIR_ATTRIBUTE_PROXY_ERROR_CODE:
		return flags_get(call, scratch, ret);
	case WEIR_ATTRIBUTE_CONNECTION_MTLS:
		return call->security == WEIR_SECURITY_UNKNOWN
			       ? WEIR_VALUE_ABSENT
			       : weir_attribute_set_number(
					 WEIR_TYPE_BOOL, call->security == WEIR_SECURITY_MUTUAL_TLS, ret);
	case WEIR_ATTRIBUTE_CONNECTION_SECURITY_POLICY:
		return weir_attribute_set_name(policies, 3, call->security, ret);
	case WEIR_ATTRIBUTE_WEIR_SIGNAL:
		return weir_attribute_set_text(weir_str_of(weir_signal_name(record->batch->signal)), ret);
	case WEIR_ATTRIBUTE_WEIR_PROFILE:
		return weir_attribute_set_text(weir_str_of(record->is_both ? "both" : "auto"), ret);
	case WEIR_ATTRIBUTE_WEIR_PROBE:
		return weir_attribute_set_number(WEIR_TYPE_BOOL, call->is_probe != 0, ret);
	case WEIR_ATTRIBUTE_WEIR_MESSAGES:
		return record->request == NULL ? WEIR_VALUE_ABSENT
					       : weir_attribute_set_number(WEIR_TYPE_BOOL,
							 record->request->request_messages > 0 ||
								 record->request->response_messages > 0,
							 ret);
	case WEIR_ATTRIBUTE_WEIR_PROXY:
		return weir_attribute_set_ref(record, call->proxy, ret);
	case WEIR_ATTRIBUTE_WEIR_UPSTREAM_CLUSTER:
		return weir_attribute_set_ref(record, upstream_cluster_of(record), ret);
	case WEIR_ATTRIBUTE_WEIR_DURATION_MS:
		return weir_attribute_set_number(WEIR_TYPE_INT64, duration_of(record) / 1000000, ret);
	default:
		return service_get(record, attribute, scratch, ret);
	}
}

/* ---- connections -------------------------------------------------------- */

static int connection_get(const struct weir_rules_record *record, enum weir_attribute attribute,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	static const char *const events[] = { "open", "continue", "close" };
	const struct weir_connection *connection = record->connection;

	if (connection == NULL) { /* of the connection of a request, only what was told is known; it has no events */
		return attribute == WEIR_ATTRIBUTE_CONNECTION_EVENT
			       ? WEIR_VALUE_ABSENT
			       : weir_attribute_told(record, attribute, scratch, ret);
	}
	switch (attribute) {
	case WEIR_ATTRIBUTE_CONNECTION_ID:
		return weir_attribute_set_ref(record, connection->stream_id, ret);
	case WEIR_ATTRIBUTE_CONNECTION_EVENT:
		return weir_attribute_set_name(events, 3, record->event, ret);
	case WEIR_ATTRIBUTE_CONNECTION_RECEIVED_BYTES:
		return weir_attribute_set_number(WEIR_TYPE_INT64, record->received_bytes, ret);
	case WEIR_ATTRIBUTE_CONNECTION_SENT_BYTES:
		return weir_attribute_set_number(WEIR_TYPE_INT64, record->sent_bytes, ret);
	case WEIR_ATTRIBUTE_CONNECTION_RECEIVED_TOTAL:
		return connection->is_delta
			       ? WEIR_VALUE_ABSENT
			       : weir_attribute_set_number(WEIR_TYPE_INT64, connection->received_bytes, ret);
	case WEIR_ATTRIBUTE_CONNECTION_SENT_TOTAL:
		return connection->is_delta ? WEIR_VALUE_ABSENT
					    : weir_attribute_set_number(WEIR_TYPE_INT64, connection->sent_bytes, ret);
	case WEIR_ATTRIBUTE_CONNECTION_DURATION:
		return record->event == WEIR_CONNECTION_CLOSE
			       ? weir_attribute_set_number(WEIR_TYPE_DURATION, connection->duration_ns, ret)
			       : WEIR_VALUE_ABSENT;
	default:
		return weir_attribute_set_ref(record, connection->sni, ret);
	}
}

/* ---- records ------------------------------------------------------------ */

/* Labels are there, if without entries; what a request has, a connection has not. */
static bool has_map(const struct weir_rules_record *record, enum weir_attribute map)
{
	if (map < WEIR_ATTRIBUTE_REQUEST_HEADERS) {
		return true;
	}
	if (record->told == NULL) {
		return record->request != NULL;
	}
	for (uint32_t i = 0; i < record->told_pair_count; i++) {
		if (record->told_pairs[i].map == map) {
			return true;
		}
	}
	return record->told[map].type == WEIR_TYPE_STRING_MAP;
}

int weir_attribute_get(const struct weir_rules_record *record, enum weir_attribute attribute,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	if (vocabulary[attribute].type == WEIR_TYPE_STRING_MAP) {
		*ret = (struct weir_value){ .type = WEIR_TYPE_STRING_MAP, .map = attribute };
		return has_map(record, attribute) ? 0 : WEIR_VALUE_ABSENT;
	}
	if (record->told != NULL) {
		*ret = record->told[attribute];
		return ret->type != vocabulary[attribute].type ||
				       (ret->type == WEIR_TYPE_STRING && ret->text.length == 0)
			       ? WEIR_VALUE_ABSENT
			       : 0;
	}
	if (attribute < WEIR_ATTRIBUTE_DESTINATION_UID) {
		return end_get(record, true, attribute, scratch, ret);
	}
	if (attribute < WEIR_ATTRIBUTE_DESTINATION_SERVICE) {
		return end_get(record, false, attribute - DESTINATION_DISTANCE, scratch, ret);
	}
	if (attribute < WEIR_ATTRIBUTE_CONNECTION_ID) {
		return call_get(record, attribute, scratch, ret);
	}
	if (attribute < WEIR_ATTRIBUTE_REQUEST_METHOD) {
		return connection_get(record, attribute, scratch, ret);
	}
	if (attribute < WEIR_ATTRIBUTE_REQUEST_HEADERS) {
		return weir_attribute_request_get(record, attribute, scratch, ret);
	}
	return weir_attribute_told(record, attribute, scratch, ret);
}

static int pair_find(
	const struct weir_rules_record *record, enum weir_attribute map, struct weir_str key, struct weir_str *ret)
{
	for (uint32_t i = 0; i < record->told_pair_count; i++) {
		const struct weir_rules_pair *pair = &record->told_pairs[i];

		if (pair->map == map && weir_str_equal(pair->key, key)) {
			*ret = pair->value;
			return pair->value.length > 0 ? 0 : WEIR_VALUE_ABSENT;
		}
	}
	return WEIR_VALUE_ABSENT;
}

int weir_attribute_get_entry(
	const struct weir_rules_record *record, enum weir_attribute map, struct weir_str key, struct weir_value *ret)
{
	struct weir_str text;
	int outcome = record->told != NULL ? pair_find(record, map, key, &text)
					   : weir_attribute_record_entry(record, map, key, &text);

	if (outcome == 0) {
		ret->type = WEIR_TYPE_STRING;
		ret->text = text;
	}
	return outcome;
}
