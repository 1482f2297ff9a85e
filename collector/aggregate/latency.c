/* latency: the bounds of an edge's latency. */
#include "aggregate/latency.h"

const double weir_latency_bounds_ms[WEIR_LATENCY_BOUNDS] = { 0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000,
	10000, 30000, 60000, 300000, 600000, 1800000, 3600000 };
