/* attrs: an entry's headers and tags: what they tell about the call, and what
 * of them is kept as attributes. Private to this folder. */
#ifndef WEIR_DECODE_ENVOY_ATTRS_H
#define WEIR_DECODE_ENVOY_ATTRS_H

#include "decode/envoy/entry.h"

struct weir_pair { /* of a map<string, …>, or an Any: type and value */
	struct weir_str key, value;
};

/* False: malformed. */
bool weir_pair_read(struct weir_str message, struct weir_pair *ret);

/* One map entry of headers or tags. Peer metadata and ids go to *entry and
 * nowhere else; all others become attributes too. False: malformed. */
bool weir_entry_attrs_read(struct weir_draft *draft, struct weir_entry_keys *keys, enum weir_entry_group group,
	struct weir_str message, struct weir_entry *entry);

#endif
