/* check: what a sidecar asks before it lets a request through. Only what must
 * be answered is read: the quotas; nothing that it says of the request is. */
#ifndef WEIR_DECODE_MIXER_CHECK_H
#define WEIR_DECODE_MIXER_CHECK_H

#include "decode/wire.h"

struct weir_check_quota { /* borrowed from the message */
	struct weir_str name;
	int64_t amount;
};

/* The next quota of an istio.mixer.v1.CheckRequest: start with
 * weir_wire_of(message). False at the end or when malformed (ask is_malformed). */
bool weir_check_next(struct weir_wire *wire, struct weir_check_quota *ret_quota);

#endif
