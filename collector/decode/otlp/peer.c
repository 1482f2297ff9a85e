/* peer: the other end of a span, from its attributes (wire.md 4.5).
 *
 * SDKs of ten years name the same thing differently, and a span may carry old
 * and new names at once. So each purpose has a ranked list, the best name that
 * was seen is kept, and the span's kind decides at the end (it may stand behind
 * the attributes):
 *
 *   name     CLIENT and PRODUCER only, the first of: service.peer.name,
 *            peer.service, db.namespace, db.name, messaging.destination.name,
 *            messaging.destination, server.address, net.peer.name, http.host
 *   address  the first that is an IP of: network.peer.address,
 *            net.sock.peer.addr, net.peer.ip, peer.address (Envoy's tag); and,
 *            for CLIENT and PRODUCER, server.address, net.peer.name
 *   error    a bool `error` that is true, or the text "true" (proxies write
 *            only strings)
 *
 * For a SERVER or CONSUMER server.* is its own address, so it names no peer. */
#include "decode/otlp/peer.h"

#include "decode/address.h"

static bool key_is(const char *key, const char *name)
{
	return memcmp(key, name, strlen(name)) == 0;
}

static void name_take(struct weir_otlp_peer *peer, const struct weir_attr *attr, enum weir_otlp_peer_name rank)
{
	if (rank < peer->name_rank && attr->type == WEIR_ATTR_STRING && attr->value.text.length > 0) {
		peer->name_rank = (uint8_t)rank;
		peer->name = attr->value.text;
	}
}

static void address_take(const struct weir_draft *draft, struct weir_otlp_peer *peer, const struct weir_attr *attr,
	enum weir_otlp_peer_end end)
{
	if (attr->type == WEIR_ATTR_STRING) {
		peer->address[end] = weir_draft_str(draft, attr->value.text);
		peer->seen |= UINT32_C(1) << end;
	}
}

static void port_take(const struct weir_draft *draft, struct weir_otlp_peer *peer, const struct weir_attr *attr,
	enum weir_otlp_peer_end end)
{
	unsigned long long port = 0;

	if (attr->type == WEIR_ATTR_INT) {
		port = (unsigned long long)attr->value.number;
	} else if (attr->type == WEIR_ATTR_STRING &&
		   weir_str_to_u64(weir_draft_str(draft, attr->value.text), &port) != 0) {
		return;
	}
	peer->port[end] = port <= UINT16_MAX ? (uint16_t)port : 0;
}

static void long_key_observe(
	const struct weir_draft *draft, const struct weir_attr *attr, struct weir_str key, struct weir_otlp_peer *peer)
{
	switch (key.length) {
	case 17:
		if (key_is(key.data, "service.peer.name")) {
			name_take(peer, attr, WEIR_OTLP_NAME_SERVICE_PEER);
		} else if (key_is(key.data, "network.peer.port")) {
			port_take(draft, peer, attr, WEIR_OTLP_END_NETWORK_PEER);
		}
		break;
	case 18:
		if (key_is(key.data, "net.sock.peer.addr")) {
			address_take(draft, peer, attr, WEIR_OTLP_END_SOCK_PEER);
		} else if (key_is(key.data, "net.sock.peer.port")) {
			port_take(draft, peer, attr, WEIR_OTLP_END_SOCK_PEER);
		}
		break;
	case 20:
		if (key_is(key.data, "network.peer.address")) {
			address_take(draft, peer, attr, WEIR_OTLP_END_NETWORK_PEER);
		}
		break;
	case 21:
		if (key_is(key.data, "messaging.destination")) {
			name_take(peer, attr, WEIR_OTLP_NAME_DESTINATION);
		}
		break;
	case 26:
		if (key_is(key.data, "messaging.destination.name")) {
			name_take(peer, attr, WEIR_OTLP_NAME_DESTINATION_NAME);
		}
		break;
	default:
		break;
	}
}

/* Keys of one length stand together, so that most attributes cost one jump. */
void weir_otlp_peer_observe_key(
	const struct weir_draft *draft, const struct weir_attr *attr, struct weir_str key, struct weir_otlp_peer *peer)
{
	switch (key.length) {
	case 5:
		if (key_is(key.data, "error")) {
			peer->is_error |= (attr->type == WEIR_ATTR_BOOL && attr->value.number != 0) ||
					  (attr->type == WEIR_ATTR_STRING &&
						  weir_str_is(weir_draft_str(draft, attr->value.text), "true"));
		}
		break;
	case 7:
		if (key_is(key.data, "db.name")) {
			name_take(peer, attr, WEIR_OTLP_NAME_DB_NAME);
		}
		break;
	case 9:
		if (key_is(key.data, "http.host")) {
			name_take(peer, attr, WEIR_OTLP_NAME_HTTP_HOST);
		}
		break;
	case 11:
		if (key_is(key.data, "server.port")) {
			port_take(draft, peer, attr, WEIR_OTLP_END_SERVER);
		} else if (key_is(key.data, "net.peer.ip")) {
			address_take(draft, peer, attr, WEIR_OTLP_END_NET_PEER_IP);
		}
		break;
	case 12:
		if (key_is(key.data, "peer.address")) {
			address_take(draft, peer, attr, WEIR_OTLP_END_PEER_ADDRESS);
		} else if (key_is(key.data, "peer.service")) {
			name_take(peer, attr, WEIR_OTLP_NAME_PEER_SERVICE);
		} else if (key_is(key.data, "db.namespace")) {
			name_take(peer, attr, WEIR_OTLP_NAME_DB_NAMESPACE);
		}
		break;
	case 13:
		if (key_is(key.data, "net.peer.name")) {
			name_take(peer, attr, WEIR_OTLP_NAME_NET_PEER);
			address_take(draft, peer, attr, WEIR_OTLP_END_NET_PEER_NAME);
		} else if (key_is(key.data, "net.peer.port")) {
			port_take(draft, peer, attr, WEIR_OTLP_END_NET_PEER_IP);
			port_take(draft, peer, attr, WEIR_OTLP_END_NET_PEER_NAME);
		}
		break;
	case 14:
		if (key_is(key.data, "server.address")) {
			name_take(peer, attr, WEIR_OTLP_NAME_SERVER);
			address_take(draft, peer, attr, WEIR_OTLP_END_SERVER);
		}
		break;
	default:
		long_key_observe(draft, attr, key, peer);
		break;
	}
}

/* Without ":80" at the end: http.host is a header, not a name. */
static struct weir_ref host_of(const struct weir_draft *draft, struct weir_ref ref)
{
	struct weir_str text = weir_draft_str(draft, ref);
	uint32_t length = ref.length;

	while (length > 0 && (unsigned char)(text.data[length - 1] - '0') < 10) {
		length--;
	}
	if (length > 1 && length < ref.length && text.data[length - 1] == ':') {
		ref.length = length - 1;
	}
	return ref;
}

void weir_otlp_peer_settle(const struct weir_draft *draft, const struct weir_otlp_peer *peer, struct weir_span *span)
{
	bool is_caller = span->kind == WEIR_SPAN_CLIENT || span->kind == WEIR_SPAN_PRODUCER;
	unsigned ends = is_caller ? WEIR_OTLP_ENDS : WEIR_OTLP_END_SERVER;

	if (is_caller && peer->name_rank != WEIR_OTLP_NAME_NONE) {
		span->peer = peer->name_rank == WEIR_OTLP_NAME_HTTP_HOST ? host_of(draft, peer->name) : peer->name;
	}
	for (unsigned i = 0; i < ends; i++) {
		if ((peer->seen >> i & 1) != 0 && weir_address_parse(peer->address[i], &span->peer_address)) {
			if (peer->port[i] != 0) {
				span->peer_address.port = peer->port[i];
			}
			break;
		}
	}
}
