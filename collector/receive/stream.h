/* stream: what all streams of a proxy have in common: a sender that names
 * itself once, no acknowledgement, and nobody who could come again. The access
 * log service and the metrics service say what is theirs. Inside receive only. */
#ifndef WEIR_RECEIVE_STREAM_H
#define WEIR_RECEIVE_STREAM_H

#include "decode/draft.h"
#include "decode/envoy/sender.h"
#include "receive/receive.h"

#define WEIR_STREAM_WAYS 2u

struct weir_stream_kind { /* what a service says of itself; static */
	const char *paths[WEIR_STREAM_WAYS];
	enum weir_protocol protocols[WEIR_STREAM_WAYS];
	enum weir_signal signal;
	const char *too_large; /* the sentence for a message that is */
	bool joins;            /* its senders are known to each other while they stream */
	int (*decode)(struct weir_draft *draft, struct weir_envoy_sender *sender, const struct weir_receive_opts *opts);
	void (*pack)(struct weir_draft *draft); /* leaves the pool's unused part behind; NULL: it is not worth it */
	void (*thin)(struct weir_draft *draft); /* cuts what only detail needs too; NULL: its items have none */
};

struct weir_stream_service;

/* 0 or -ENOMEM. */
int weir_stream_create(
	const struct weir_stream_kind *kind, const struct weir_receive_opts *opts, struct weir_stream_service **ret);
void weir_stream_destroy(struct weir_stream_service *service);

/* One row per way. */
void weir_stream_grpc(struct weir_stream_service *service, struct weir_grpc_method ret_methods[WEIR_STREAM_WAYS]);

#endif
