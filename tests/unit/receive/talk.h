/* talk: what a listener would do with what a receiver says: it is kept, in order. */
#ifndef WEIR_TESTS_RECEIVE_TALK_H
#define WEIR_TESTS_RECEIVE_TALK_H

#include "serve/route.h"

#define TALK_SAID 32u

struct weir_grpc_talk {
	struct weir_buf said[TALK_SAID];
	size_t count, read;
};

/* The next message that was said, or one with data NULL when there is none. */
struct weir_str talk_next(struct weir_grpc_talk *talk);
void talk_fini(struct weir_grpc_talk *talk);

#endif
