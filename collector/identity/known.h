/* known: the proxies that stream to this process, by node id and by address.
 *
 * An access log names its peer often only by node id, and a TCP one only by
 * address; but the peer's own proxy usually streams here too and told all about
 * itself. What is looked up goes into the record before the ring, so a replay
 * needs none of this. */
#ifndef WEIR_IDENTITY_KNOWN_H
#define WEIR_IDENTITY_KNOWN_H

#include <stdint.h>

#include "identity/source.h"

struct weir_known;

/* Room for `capacity` proxies. 0 or -ENOMEM. */
int weir_known_create(uint32_t capacity, struct weir_known **ret_known);
void weir_known_destroy(struct weir_known *known);

/* A stream of this sender begins or ends; one proxy usually has several at a
 * time. Texts are copied. An identity without node id, or too long to keep, is
 * ignored. A full table forgets the one that is gone for longest; when all are
 * still streaming the new one is not kept. */
void weir_known_join(struct weir_known *known, const struct weir_identity *identity, const uint8_t ip[16]);
void weir_known_leave(struct weir_known *known, struct weir_str node_id);

/* Borrowed until the next join; NULL: not known. An address finds only proxies
 * that stream at this moment, and never when two of them share it (the host's
 * network): addresses are used again. `ip` is IPv6 or v4-mapped. */
const struct weir_identity *weir_known_by_node(const struct weir_known *known, struct weir_str node_id);
const struct weir_identity *weir_known_by_address(const struct weir_known *known, const uint8_t ip[16]);

#endif
