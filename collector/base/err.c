/* err: where a failed assertion ends the process. */
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void weir_err_assert_failed(const char *what, const char *file, int line)
{
	fprintf(stderr, "fatal base assertion failed what=\"%s\" at=%s:%d\n", what, file, line);
	abort();
}
