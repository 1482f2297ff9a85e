/* crc: CRC-32C by the machine's instruction, or by tables.
 *
 * The instruction takes eight bytes at a time but answers three cycles later,
 * so one run alone uses a third of it. A block is therefore read as three runs
 * of equal length L side by side, A B C, and put together at its end:
 *
 *   crc(ABC) = crc(A) * x^(16L) + crc(B) * x^(8L) + crc(C)     (mod P)
 *
 * A product of two reflected 32-bit values comes out of the carry-less
 * multiplication short of one x, and running it through the instruction adds
 * x^32 and the division by P: so the constants are x^(16L-33) and x^(8L-33).
 * There are two lengths of L: one for bodies, one for what is left of them.
 *
 * Pure functions, any thread. The tests compare both ways over all lengths. */
#include "ring/crc.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* reflected */

static uint32_t tables[8][256]; /* tables[n]: the effect of a byte that n more bytes follow */
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t crc = byte;

		for (int bit = 0; bit < 8; bit++) {
			crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
		}
		tables[0][byte] = crc;
	}
	for (uint32_t byte = 0; byte < 256; byte++) {
		for (int n = 1; n < 8; n++) {
			uint32_t before = tables[n - 1][byte];

			tables[n][byte] = (before >> 8) ^ tables[0][before & 0xff];
		}
	}
}

uint32_t weir_crc_add_by_table(uint32_t crc, const void *data, size_t length)
{
	const unsigned char *at = data;

	pthread_once(&tables_once, make_tables);
	for (; length >= 8; at += 8, length -= 8) {
		crc ^= (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
		crc = tables[7][crc & 0xff] ^ tables[6][crc >> 8 & 0xff] ^ tables[5][crc >> 16 & 0xff] ^
		      tables[4][crc >> 24] ^ tables[3][at[4]] ^ tables[2][at[5]] ^ tables[1][at[6]] ^ tables[0][at[7]];
	}
	for (; length > 0; at++, length--) {
		crc = (crc >> 8) ^ tables[0][(crc ^ *at) & 0xff];
	}
	return crc;
}

#ifdef __x86_64__

#include <immintrin.h>

#define LONG_RUN 512u /* L of a body */
#define LONG_B UINT64_C(0xdd7e3b0c)
#define LONG_A UINT64_C(0x170076fa)
#define SHORT_RUN 64u /* L of the rest */
#define SHORT_B UINT64_C(0x9e4addf8)
#define SHORT_A UINT64_C(0x0d3b6092)

static inline uint64_t word_at(const unsigned char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

__attribute__((target("sse4.2,pclmul"))) static inline uint64_t three_runs(
	uint64_t crc, const unsigned char *at, size_t run, uint64_t factor_a, uint64_t factor_b)
{
	uint64_t a = crc, b = 0, c = 0;
	__m128i product_a, product_b;

	for (size_t i = 0; i < run; i += 8) {
		a = _mm_crc32_u64(a, word_at(at + i));
		b = _mm_crc32_u64(b, word_at(at + run + i));
		c = _mm_crc32_u64(c, word_at(at + 2 * run + i));
	}
	product_a = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)a), _mm_cvtsi64_si128((int64_t)factor_a), 0);
	product_b = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)b), _mm_cvtsi64_si128((int64_t)factor_b), 0);
	return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(product_a, product_b))) ^ c;
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t add_by_instruction(
	uint32_t before, const unsigned char *at, size_t length)
{
	uint64_t crc = before;

	for (; length >= 3 * LONG_RUN; at += 3 * LONG_RUN, length -= 3 * LONG_RUN) {
		crc = three_runs(crc, at, LONG_RUN, LONG_A, LONG_B);
	}
	for (; length >= 3 * SHORT_RUN; at += 3 * SHORT_RUN, length -= 3 * SHORT_RUN) {
		crc = three_runs(crc, at, SHORT_RUN, SHORT_A, SHORT_B);
	}
	for (; length >= 8; at += 8, length -= 8) {
		crc = _mm_crc32_u64(crc, word_at(at));
	}
	for (; length > 0; at++, length--) {
		crc = _mm_crc32_u8((uint32_t)crc, *at);
	}
	return (uint32_t)crc;
}

uint32_t weir_crc_add(uint32_t crc, const void *data, size_t length)
{
	if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")) {
		return add_by_instruction(crc, data, length);
	}
	return weir_crc_add_by_table(crc, data, length);
}

#else

uint32_t weir_crc_add(uint32_t crc, const void *data, size_t length)
{
	return weir_crc_add_by_table(crc, data, length);
}

#endif
