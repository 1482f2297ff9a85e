/* buf: a growing byte buffer with a sticky error; see the header. */
#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"

void weir_buf_init(struct weir_buf *buf, size_t limit)
{
	*buf = (struct weir_buf){ .limit = limit };
}

void weir_buf_fini(struct weir_buf *buf)
{
	if (buf != NULL) {
		free(buf->data);
		*buf = (struct weir_buf){ 0 };
	}
}

void weir_buf_clear(struct weir_buf *buf)
{
	buf->length = 0;
	buf->error = 0;
}

int weir_buf_error(const struct weir_buf *buf)
{
	return buf->error;
}

char *weir_buf_reserve(struct weir_buf *buf, size_t size)
{
	size_t want;
	char *data;

	if (buf->error != 0) {
		return NULL;
	}
	if (size <= buf->capacity - buf->length) {
		return buf->data + buf->length;
	}
	if (buf->limit != 0 && size > buf->limit - buf->length) {
		buf->error = -EFBIG;
		return NULL;
	}
	want = buf->capacity != 0 ? buf->capacity * 2 : 256;
	while (want < buf->length + size) {
		want *= 2;
	}
	if (buf->limit != 0 && want > buf->limit) {
		want = buf->limit;
	}
	data = realloc(buf->data, want);
	if (data == NULL) {
		buf->error = -ENOMEM;
		return NULL;
	}
	buf->data = data;
	buf->capacity = want;
	return buf->data + buf->length;
}

void weir_buf_advance(struct weir_buf *buf, size_t size)
{
	buf->length += size;
}

void weir_buf_add(struct weir_buf *buf, const void *data, size_t length)
{
	char *at = length > 0 ? weir_buf_reserve(buf, length) : NULL;

	if (at != NULL) {
		memcpy(at, data, length);
		buf->length += length;
	}
}

void weir_buf_add_str(struct weir_buf *buf, struct weir_str text)
{
	weir_buf_add(buf, text.data, text.length);
}

void weir_buf_add_text(struct weir_buf *buf, const char *text)
{
	weir_buf_add(buf, text, strlen(text));
}

void weir_buf_add_char(struct weir_buf *buf, char c)
{
	weir_buf_add(buf, &c, 1);
}

void weir_buf_add_u64(struct weir_buf *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	weir_buf_add(buf, digits + at, sizeof(digits) - at);
}

void weir_buf_add_hex(struct weir_buf *buf, const void *bytes, size_t length)
{
	char *at = length > 0 ? weir_buf_reserve(buf, length * 2) : NULL;

	if (at == NULL) {
		return;
	}
	weir_hex_write(at, bytes, length);
	buf->length += length * 2;
}

void weir_buf_addf(struct weir_buf *buf, const char *format, ...)
{
	va_list args, again;
	char small[256];
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(small, sizeof(small), format, args);
	va_end(args);
	if (n < 0) {
		buf->error = buf->error != 0 ? buf->error : -EINVAL;
	} else if ((size_t)n < sizeof(small)) {
		weir_buf_add(buf, small, (size_t)n);
	} else {
		char *at = weir_buf_reserve(buf, (size_t)n + 1);

		if (at != NULL) {
			vsnprintf(at, (size_t)n + 1, format, again);
			buf->length += (size_t)n;
		}
	}
	va_end(again);
}
