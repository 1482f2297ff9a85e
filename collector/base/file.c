/* file: the whole of a file, when it is not too long. */
#include "base/file.h"

#include <errno.h>
#include <unistd.h>

#define STEP_BYTES 65536u

int weir_file_read(int fd, size_t most_bytes, struct weir_buf *ret_text)
{
	size_t before = ret_text->length;

	for (;;) {
		char *at = weir_buf_reserve(ret_text, STEP_BYTES);
		ssize_t size;

		if (at == NULL) {
			return weir_buf_error(ret_text);
		}
		size = read(fd, at, STEP_BYTES);
		if (size == 0) {
			return 0;
		}
		if (size > 0) {
			weir_buf_advance(ret_text, (size_t)size);
		} else if (errno != EINTR) {
			return -errno;
		}
		if (ret_text->length - before > most_bytes) {
			return -EFBIG;
		}
	}
}
