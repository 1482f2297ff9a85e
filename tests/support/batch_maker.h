/* batch_maker: batches made by hand, for the tests of whoever reads batches. */
#ifndef WEIR_TESTS_BATCH_MAKER_H
#define WEIR_TESTS_BATCH_MAKER_H

#include "ring/record.h"

struct batch_rows { /* rows of one table while they grow */
	char *data;
	uint32_t count, capacity;
};

struct batch_maker {
	struct weir_batch head; /* the test may set anything in it before finish */
	char *pool;
	uint32_t pool_length, pool_capacity;
	struct batch_rows workloads, resources, spans, requests, connections, attrs, events, links, instruments, points,
		logs;
	struct weir_batch *made;
};

/* An empty batch of `source`. Also after finish, for the next one. */
void batch_maker_begin(struct batch_maker *maker, enum weir_protocol protocol, enum weir_signal signal,
	const char *source, uint64_t received_ns);
void batch_maker_fini(struct batch_maker *maker);

struct weir_ref batch_maker_text(struct batch_maker *maker, const char *text);
/* The number of a new row, and the row, zeroed; valid until the next of its kind. */
uint32_t batch_maker_workload(struct batch_maker *maker, const char *name, const char *namespace_, const char *version);
uint32_t batch_maker_resource(struct batch_maker *maker, const char *service);
struct weir_span *batch_maker_span(struct batch_maker *maker);
struct weir_request *batch_maker_request(struct batch_maker *maker);
struct weir_connection *batch_maker_connection(struct batch_maker *maker);
struct weir_attr *batch_maker_attr(struct batch_maker *maker);
struct weir_event *batch_maker_event(struct batch_maker *maker);
struct weir_link *batch_maker_link(struct batch_maker *maker);

/* A metric of the resource added last (SUM: monotonic), and its row to change. */
uint32_t batch_maker_instrument(struct batch_maker *maker, const char *name, unsigned kind, unsigned temporality);
struct weir_instrument *batch_maker_instrument_row(struct batch_maker *maker, uint32_t instrument);
struct weir_point *batch_maker_point(struct batch_maker *maker, uint32_t instrument);
/* `count` numbers of 8 bytes, as the arrays of a point hold them. */
struct weir_ref batch_maker_numbers(struct batch_maker *maker, const void *numbers, uint32_t count);
struct weir_log *batch_maker_log(struct batch_maker *maker);
/* One attribute more: a string. */
void batch_maker_tag(struct batch_maker *maker, const char *key, const char *value);

/* The batch; kept counts the rows of its signal, offered what closes the sum. Lives until the next begin or fini. */
const struct weir_batch *batch_maker_finish(struct batch_maker *maker);

#endif
