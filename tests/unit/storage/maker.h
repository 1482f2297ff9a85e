/* maker: builds batches by hand for the storage tests and benchmarks. */
#ifndef WEIR_TESTS_STORAGE_MAKER_H
#define WEIR_TESTS_STORAGE_MAKER_H

#include "base/buf.h"
#include "ring/record.h"

struct maker { /* tables and a pool that grow; refs are pool offsets until make */
	struct weir_buf workloads, resources, spans, requests, connections, attrs, events, links, pool;
	uint64_t random;
};

void maker_init(struct maker *maker, uint64_t seed);
void maker_fini(struct maker *maker);

uint64_t maker_random(struct maker *maker); /* deterministic */
struct weir_ref maker_text(struct maker *maker, const char *text);
uint32_t maker_attr(struct maker *maker, const char *key, const char *value); /* its row */
uint32_t maker_attr_number(struct maker *maker, const char *key, uint32_t type, int64_t number);
uint32_t maker_resource(struct maker *maker, const char *service);
/* Adds a span; the caller fills what else it wants before the next call. */
struct weir_span *maker_span(struct maker *maker, uint64_t trace, uint64_t id, uint64_t parent, uint32_t resource,
	const char *name, uint64_t start_ns, uint64_t duration_ns);

/* The batch (free() it); the maker is empty again. */
struct weir_batch *maker_batch(struct maker *maker, uint64_t received_ns);

/* About `spans` spans of a small mesh, whole traces of 8 to 12 spans over six
 * services with eight attributes each, as a gateway's proxies send them. */
struct weir_batch *maker_mesh(struct maker *maker, uint32_t spans, uint64_t now_ns);
/* Anything that a batch may hold, at random. */
struct weir_batch *maker_wild(struct maker *maker, uint32_t rows, uint64_t now_ns);

/* Are the rows of `a` from `a_first` on and all of `b` equal in all that is kept? */
int maker_is_same_span(
	const struct weir_batch *a, const struct weir_span *x, const struct weir_batch *b, const struct weir_span *y);
int maker_is_same(const struct weir_batch *a, uint32_t a_first, const struct weir_batch *b);

#endif
