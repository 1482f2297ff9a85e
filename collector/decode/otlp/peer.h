/* peer: what a span's attributes say about its other end, collected while they
 * are read. Inside decode only. */
#ifndef WEIR_DECODE_OTLP_PEER_H
#define WEIR_DECODE_OTLP_PEER_H

#include "decode/draft.h"

enum weir_otlp_peer_name { /* the first that is there names the peer */
	WEIR_OTLP_NAME_SERVICE_PEER,
	WEIR_OTLP_NAME_PEER_SERVICE,
	WEIR_OTLP_NAME_DB_NAMESPACE,
	WEIR_OTLP_NAME_DB_NAME,
	WEIR_OTLP_NAME_DESTINATION_NAME,
	WEIR_OTLP_NAME_DESTINATION,
	WEIR_OTLP_NAME_SERVER,
	WEIR_OTLP_NAME_NET_PEER,
	WEIR_OTLP_NAME_HTTP_HOST,
	WEIR_OTLP_NAME_NONE,
};

enum weir_otlp_peer_end { /* where an address and its port may stand, best first */
	WEIR_OTLP_END_NETWORK_PEER,
	WEIR_OTLP_END_SOCK_PEER,
	WEIR_OTLP_END_NET_PEER_IP,
	WEIR_OTLP_END_PEER_ADDRESS, /* Envoy's tag */
	WEIR_OTLP_END_SERVER,       /* this and what follows: the caller's view only */
	WEIR_OTLP_END_NET_PEER_NAME,
	WEIR_OTLP_ENDS
};

struct weir_otlp_peer {
	uint32_t seen; /* bit n: address[n] is set */
	uint8_t name_rank;
	bool is_error; /* `error` is true, or "true" as proxies write it */
	struct weir_ref name;
	struct weir_str address[WEIR_OTLP_ENDS]; /* only those in `seen` are set */
	uint16_t port[WEIR_OTLP_ENDS];           /* 0: none */
};

/* The lengths of the keys that are looked for; bit n: n bytes. */
#define WEIR_OTLP_PEER_LENGTHS                                                                                         \
	(UINT32_C(1) << 5 | UINT32_C(1) << 7 | UINT32_C(1) << 9 | UINT32_C(1) << 11 | UINT32_C(1) << 12 |              \
		UINT32_C(1) << 13 | UINT32_C(1) << 14 | UINT32_C(1) << 17 | UINT32_C(1) << 18 | UINT32_C(1) << 20 |    \
		UINT32_C(1) << 21 | UINT32_C(1) << 26)

static inline void weir_otlp_peer_init(struct weir_otlp_peer *peer)
{
	peer->seen = 0;
	peer->name_rank = WEIR_OTLP_NAME_NONE;
	peer->is_error = false;
	memset(peer->port, 0, sizeof(peer->port));
}

/* The half of weir_otlp_peer_observe() for keys of a length that matters. */
void weir_otlp_peer_observe_key(
	const struct weir_draft *draft, const struct weir_attr *attr, struct weir_str key, struct weir_otlp_peer *peer);

/* Takes note of one attribute; most are passed by with one test. */
static inline void weir_otlp_peer_observe(
	const struct weir_draft *draft, const struct weir_attr *attr, struct weir_str key, struct weir_otlp_peer *peer)
{
	if (key.length < 32 && (WEIR_OTLP_PEER_LENGTHS >> key.length & 1) != 0) {
		weir_otlp_peer_observe_key(draft, attr, key, peer);
	}
}

/* Sets the span's peer and peer_address; its kind is known by now. */
void weir_otlp_peer_settle(const struct weir_draft *draft, const struct weir_otlp_peer *peer, struct weir_span *span);

#endif
