/* coding: transport coding, gzip in both directions (private to serve).
 *
 * Reading is bounded while it goes, so a few kilobytes that would inflate to
 * gigabytes stop at the limit. */
#ifndef WEIR_SERVE_CODING_H
#define WEIR_SERVE_CODING_H

#include <stdbool.h>

#define ZLIB_CONST /* next_in points to what we only read */
#include <zlib.h>

#include "base/buf.h"
#include "base/str.h"

enum { WEIR_CODING_MALFORMED = 1, WEIR_CODING_TOO_LARGE = 2 }; /* outcomes */

/* A reader of gzip (or zlib: the header tells) that is fed piece by piece. */
struct weir_coding {
	z_stream stream;
	bool is_open, is_ended, is_empty;
};

/* 0 or -ENOMEM. A reader that is open already is made ready for a new text. */
int weir_coding_open(struct weir_coding *coding);
void weir_coding_close(struct weir_coding *coding); /* a zeroed one is ignored */

/* Appends what `piece` inflates to; `out->length` never exceeds `limit`.
 * 0, MALFORMED, TOO_LARGE, or a fault (-ENOMEM). Several gzip members one
 * after the other are one text, as RFC 1952 has it. */
int weir_coding_read(struct weir_coding *coding, struct weir_str piece, size_t limit, struct weir_buf *out);

/* After the last piece: 0, or MALFORMED when the text broke off. */
int weir_coding_finish(const struct weir_coding *coding);

/* Appends `text` as gzip at level 1. 0 or a fault; `out` is then unusable. */
int weir_coding_gzip(struct weir_str text, struct weir_buf *out);

/* Does an Accept-Encoding header allow gzip (RFC 9110, 12.5.3)? */
bool weir_coding_accepts_gzip(struct weir_str accept_encoding);

#endif
