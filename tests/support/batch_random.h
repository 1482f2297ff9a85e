/* batch_random: random batches of every kind, the same for the same seed. */
#ifndef WEIR_TESTS_BATCH_RANDOM_H
#define WEIR_TESTS_BATCH_RANDOM_H

#include "support/batch_maker.h"

struct batch_random {
	uint64_t state;  /* the seed; any value */
	uint64_t now_ns; /* of the next batch; advances by up to `step_ns` */
	uint64_t step_ns;
	uint32_t names;  /* how many services and workloads there are */
	uint32_t serial; /* of span and stream ids */
};

uint64_t batch_random_number(struct batch_random *random, uint64_t below);
/* Spans, requests or connections; now and then a repeated digest. Sound. */
const struct weir_batch *batch_random_next(struct batch_random *random, struct batch_maker *maker);

#endif
