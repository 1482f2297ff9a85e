/* sample: rings and batches for the tests of the ring. */
#ifndef WEIR_TESTS_RING_SAMPLE_H
#define WEIR_TESTS_RING_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/format.h"
#include "ring/ring.h"

#define SAMPLE_BATCH_MAX 16384u
#define SAMPLE_RING_BYTES (UINT64_C(1) << 20)

extern const uint8_t sample_database_id[16];

/* A new folder of this test; the path is kept until sample_folder_remove(). */
const char *sample_folder(void);
void sample_folder_remove(const char *folder);

/* Opens (it must succeed) and, if asked for, recovers from an unknown position. */
struct weir_ring *sample_open(const char *folder, uint64_t size_bytes, struct weir_ring_found *ret_found);
struct weir_ring *sample_open_ready(const char *folder);

/* A sound batch of `size_bytes` (a multiple of 8) whose every byte follows from
 * producer and number; `room` has SAMPLE_BATCH_MAX bytes and is 8-aligned. */
const struct weir_batch *sample_batch(void *room, uint32_t producer, uint32_t number, uint32_t size_bytes);
uint32_t sample_size(uint32_t producer, uint32_t number); /* varies: odd sizes, to meet every alignment */

/* Is this exactly such a batch? Then who wrote it and which one it is. */
bool sample_is_whole(const struct weir_batch *batch, uint32_t *ret_producer, uint32_t *ret_number);

/* Puts number `number` of producer 0 and says how it went. */
int sample_put(struct weir_ring *ring, uint32_t number);

/* Reads one record that must be there and whole; its number. */
uint32_t sample_next(struct weir_ring *ring, struct weir_ring_entry *ret_entry);

#endif
