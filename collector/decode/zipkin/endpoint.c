/* endpoint: {serviceName, ipv4, ipv6, port}.
 *
 * Proxies write the same few endpoints over and over, byte for byte: the last
 * WEIR_ZIPKIN_ENDPOINTS texts are remembered, and one that comes again is
 * stepped over and shares its row. An object's text ends with its own brace,
 * so equal bytes are the equal object whatever follows.
 *
 * An address that does not parse is ignored, as in the reference. Of ipv4 and
 * ipv6 the record keeps one: ipv4. */
#include "decode/zipkin/endpoint.h"

#include "decode/address.h"

static bool address_read(struct weir_zipkin_reader *reader, struct weir_address *ret)
{
	struct weir_json_value value;
	struct weir_address address;

	if (!weir_zipkin_read_value(reader, &value)) {
		return false;
	}
	if (value.kind == WEIR_JSON_NULL) {
		return true;
	}
	if (value.kind != WEIR_JSON_STRING) {
		return weir_zipkin_read_fail_at(reader, "not the text of an address", value.text.data);
	}
	if (weir_address_parse(value.text, &address)) {
		memcpy(ret->ip, address.ip, sizeof(ret->ip));
	}
	return true;
}

static bool port_read(struct weir_zipkin_reader *reader, uint16_t *ret)
{
	struct weir_json_value value;
	int64_t port = 0;

	if (!weir_zipkin_read_value(reader, &value)) {
		return false;
	}
	if (value.kind == WEIR_JSON_NULL) {
		return true;
	}
	if ((value.kind != WEIR_JSON_NUMBER && value.kind != WEIR_JSON_STRING) ||
		weir_json_to_i64(value.text, &port) != 0 || port > UINT16_MAX) {
		return weir_zipkin_read_fail_at(reader, "not a port", value.text.data);
	}
	*ret = port > 0 ? (uint16_t)port : 0;
	return true;
}

static bool is_set(const struct weir_address *address)
{
	static const uint8_t none[16];

	return memcmp(address->ip, none, sizeof(none)) != 0;
}

static bool endpoint_parse(struct weir_zipkin_reader *reader, struct weir_zipkin_endpoint *ret)
{
	struct weir_address v4 = { 0 }, v6 = { 0 };
	char buffer[WEIR_ZIPKIN_KEY_BUFFER];
	bool is_first = true, is_null, is_read = true;
	struct weir_str key;
	int r = WEIR_JSON_END;

	if (!weir_zipkin_read_object(reader, "not an endpoint", &is_null)) {
		return false;
	}
	while (!is_null && is_read && (r = weir_zipkin_read_member(reader, &is_first, &key, buffer)) == 0) {
		if (weir_str_is(key, "serviceName")) {
			is_read = weir_zipkin_read_name(reader, "not the name of a service", &ret->service);
		} else if (weir_str_is(key, "ipv4")) {
			is_read = address_read(reader, &v4);
		} else if (weir_str_is(key, "ipv6")) {
			is_read = address_read(reader, &v6);
		} else if (weir_str_is(key, "port")) {
			is_read = port_read(reader, &v4.port);
		} else {
			is_read = weir_zipkin_read_skip(reader);
		}
	}
	memcpy(ret->address.ip, is_set(&v4) ? v4.ip : v6.ip, sizeof(ret->address.ip));
	ret->address.port = v4.port;
	return is_read && r == WEIR_JSON_END;
}

/* The endpoint at hand; *ret is good until the next call. */
bool weir_zipkin_endpoint_read(struct weir_zipkin_reader *reader, struct weir_zipkin_endpoint **ret)
{
	const char *at = reader->json.at;
	size_t left = (size_t)(reader->json.end - at);
	struct weir_zipkin_endpoint *endpoint;

	for (unsigned i = 0; i < WEIR_ZIPKIN_ENDPOINTS; i++) {
		endpoint = &reader->endpoints[i];
		if (endpoint->text.length - 1 < left && memcmp(at, endpoint->text.data, endpoint->text.length) == 0) {
			reader->json.at += endpoint->text.length;
			*ret = endpoint;
			return true;
		}
	}
	endpoint = &reader->endpoints[reader->next_endpoint++ % WEIR_ZIPKIN_ENDPOINTS];
	*endpoint = (struct weir_zipkin_endpoint){ .resource = WEIR_NONE };
	if (!endpoint_parse(reader, endpoint)) {
		return false;
	}
	/* Only what begins with its brace ends with it, whatever follows. */
	if (*at == '{') {
		endpoint->text = weir_str_make(at, (size_t)(reader->json.at - at));
	}
	*ret = endpoint;
	return true;
}

/* The row of a local endpoint. */
bool weir_zipkin_endpoint_resource(
	struct weir_zipkin_reader *reader, struct weir_zipkin_endpoint *endpoint, uint32_t *ret_row)
{
	if (endpoint->resource == WEIR_NONE) {
		struct weir_resource *resource = weir_draft_resource(reader->draft);

		if (resource == NULL) {
			return false;
		}
		resource->service = endpoint->service;
		resource->address = endpoint->address;
		endpoint->resource = reader->draft->resources.count - 1;
	}
	*ret_row = endpoint->resource;
	return true;
}
