/* real: doubles in cells, which are words: their bits. Private to the room. */
#ifndef WEIR_AGGREGATE_REAL_H
#define WEIR_AGGREGATE_REAL_H

#include <stdint.h>
#include <string.h>

static inline double weir_real_of(uint64_t bits)
{
	double real;

	memcpy(&real, &bits, sizeof(real));
	return real;
}

static inline uint64_t weir_real_bits(double real)
{
	uint64_t bits;

	memcpy(&bits, &real, sizeof(bits));
	return bits;
}

static inline void weir_real_add(uint64_t *word, double more)
{
	*word = weir_real_bits(weir_real_of(*word) + more);
}

#endif
