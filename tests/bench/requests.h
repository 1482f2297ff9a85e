/* requests: batches of requests, each of another label set. */
#ifndef WEIR_BENCH_REQUESTS_H
#define WEIR_BENCH_REQUESTS_H

#include "support/batch_maker.h"

#define REQUESTS_T0 1700000000000000000u

/* A batch of the requests of the label sets `first` and on; the maker's, until it makes the next one. */
const struct weir_batch *requests_make(struct batch_maker *maker, unsigned first, unsigned count);

#endif
