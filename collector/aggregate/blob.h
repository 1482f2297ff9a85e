/* blob: the bytes in which tables are saved: whole numbers short, words sparse,
 * sections sealed with a check. Reading never trusts a length. Private to the room. */
#ifndef WEIR_AGGREGATE_BLOB_H
#define WEIR_AGGREGATE_BLOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* --- writing: errors are the buffer's own, sticky --- */
void weir_blob_add_varint(struct weir_buf *buf, uint64_t value); /* LEB128: 1 to 10 bytes */
void weir_blob_add_u64(struct weir_buf *buf, uint64_t value);
/* Words of which most are 0: per 64 words a mask of those that are not, then these as varints. */
void weir_blob_add_words(struct weir_buf *buf, const uint64_t *words, uint32_t count);

/* A section: tag, length, check, payload. Begin returns where it starts. */
size_t weir_blob_begin(struct weir_buf *buf, uint32_t tag);
void weir_blob_end(struct weir_buf *buf, size_t start);

/* --- reading: what goes wrong is kept in is_bad; reads then give 0 --- */
struct weir_blob_reader {
	const unsigned char *at, *end;
	bool is_bad;
	unsigned version; /* of the blob, when what is read depends on it; 0: this version (image.c) */
};

uint64_t weir_blob_varint(struct weir_blob_reader *reader);
/* A count or an id: is_bad when above `max`. */
uint32_t weir_blob_number(struct weir_blob_reader *reader, uint32_t max);
uint64_t weir_blob_u64(struct weir_blob_reader *reader);
/* NULL when fewer are left. */
const unsigned char *weir_blob_bytes(struct weir_blob_reader *reader, size_t length);
void weir_blob_words(struct weir_blob_reader *reader, uint64_t *words, uint32_t count);

/* The next section, checked. False at the end or when damaged (is_bad). */
bool weir_blob_section(struct weir_blob_reader *reader, uint32_t *ret_tag, struct weir_blob_reader *ret_payload);

#endif
