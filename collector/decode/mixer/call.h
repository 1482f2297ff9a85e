/* call: who called whom, by one bag. Private to this folder. */
#ifndef WEIR_DECODE_MIXER_CALL_H
#define WEIR_DECODE_MIXER_CALL_H

#include "decode/mixer/ends.h"

struct weir_calls { /* of one report */
	struct weir_draft *draft;
	const struct weir_bag_reader *reader;
	struct weir_ends ends;
	struct weir_ends_row *source, *destination; /* of the call at hand */
	struct weir_str reporter;                   /* the last proxy, and where its name is */
	struct weir_ref proxy;
};

void weir_calls_init(struct weir_calls *calls, const struct weir_bag_reader *reader);

/* Everything but the protocol. `host`: what the client asked for, or empty. */
void weir_calls_fill(struct weir_calls *calls, struct weir_ref host, struct weir_call *ret);

#endif
