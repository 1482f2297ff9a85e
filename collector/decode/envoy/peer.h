/* peer: what a proxy was told about the other end of a call, in each of the
 * forms in which Istio passes it on (wire.md 2.3). Remote input, all of it:
 * every step is checked against the bytes that there are. Private to this folder. */
#ifndef WEIR_DECODE_ENVOY_PEER_H
#define WEIR_DECODE_ENVOY_PEER_H

#include "base/arena.h"
#include "decode/envoy/node.h"

enum weir_peer_form { /* in the order of preference: the larger one wins */
	WEIR_PEER_NONE,
	WEIR_PEER_HEADER, /* x-envoy-peer-metadata: base64 of a Struct, upper-case keys */
	WEIR_PEER_FLAT,   /* wasm.*_peer: FlatBuffers FlatNode */
	WEIR_PEER_STRUCT, /* *_peer of 1.24 and later: a Struct, lower-case keys */
};

#define WEIR_PEER_BASE64_MAX 32768u /* longer header values are not decoded; Envoy's limit is 60 KiB for all headers */

/* Reads `metadata` into *ret (not settled), with the labels that are wanted. False: unreadable, *ret is then
 * unset; or the arena is full (HEADER only, which decodes into it). */
bool weir_peer_read(enum weir_peer_form form, struct weir_str metadata, const struct weir_wanted *wanted,
	struct weir_arena *arena, struct weir_node *ret);

/* The pieces, each usable alone. */
bool weir_peer_read_struct(struct weir_str bytes, struct weir_node *ret);
bool weir_peer_read_flat(struct weir_str bytes, struct weir_node *ret);
/* Standard or URL alphabet, padding optional. Data NULL: not base64, or the arena is full. */
struct weir_str weir_peer_decode_base64(struct weir_str text, struct weir_arena *arena);

#endif
