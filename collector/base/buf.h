/* buf: bytes that grow while something is written, up to a limit.
 *
 * Errors are sticky: after a failed append the buffer takes nothing more and
 * weir_buf_error() says why, so a writer of many pieces checks once. */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct weir_buf {
	char *data;
	size_t length, capacity, limit;
	int error;
};

/* `limit` 0: no limit but memory. Nothing is allocated yet. */
void weir_buf_init(struct weir_buf *buf, size_t limit);
void weir_buf_fini(struct weir_buf *buf);
void weir_buf_clear(struct weir_buf *buf);

/* 0, or the first fault: -ENOMEM, or -EFBIG at the limit. */
int weir_buf_error(const struct weir_buf *buf);

/* Room for `size` more bytes, or NULL; then weir_buf_advance() what was used. */
char *weir_buf_reserve(struct weir_buf *buf, size_t size);
void weir_buf_advance(struct weir_buf *buf, size_t size);

void weir_buf_add(struct weir_buf *buf, const void *data, size_t length);
void weir_buf_add_str(struct weir_buf *buf, struct weir_str text);
void weir_buf_add_text(struct weir_buf *buf, const char *text);
void weir_buf_add_char(struct weir_buf *buf, char c);
void weir_buf_add_u64(struct weir_buf *buf, uint64_t value); /* decimal */
void weir_buf_add_hex(struct weir_buf *buf, const void *bytes, size_t length);
void weir_buf_addf(struct weir_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline struct weir_str weir_buf_str(const struct weir_buf *buf)
{
	return (struct weir_str){ buf->data, buf->length };
}

#endif
