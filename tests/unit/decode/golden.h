/* golden: wire bytes in, text out. */
#ifndef WEIR_TESTS_DECODE_GOLDEN_H
#define WEIR_TESTS_DECODE_GOLDEN_H

#include "decode/draft.h"

/* Decodes every <folder>/<name>.bin below the golden folder (WEIR_GOLDEN in the
 * environment) and compares the dump with <name>.txt, byte for byte; fails when
 * there is none. With WEIR_GOLDEN_WRITE set the text files are written instead:
 * look at the difference before you commit it. */
void golden_check(const char *folder, int (*decode)(struct weir_draft *draft));

#endif
