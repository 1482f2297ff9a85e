/* file: the whole of a file, when it is not too long. */
#ifndef WEIR_BASE_FILE_H
#define WEIR_BASE_FILE_H

#include "base/buf.h"

/* What an open file has from here on, appended. 0; -EFBIG: that is more than
 * `most_bytes`; else a fault. A read that a signal interrupts goes on. */
int weir_file_read(int fd, size_t most_bytes, struct weir_buf *ret_text);

#endif
