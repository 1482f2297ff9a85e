/* crc: CRC-32C (Castagnoli), as fast as the machine can, private to the room. */
#ifndef WEIR_RING_CRC_H
#define WEIR_RING_CRC_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` over `data`. The usual checksum of one run of bytes is
 * ~weir_crc_add(~0u, data, length). Any thread. */
uint32_t weir_crc_add(uint32_t crc, const void *data, size_t length);

/* The same by table, for machines without the instruction and for the tests. */
uint32_t weir_crc_add_by_table(uint32_t crc, const void *data, size_t length);

#endif
