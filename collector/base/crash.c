/* crash: the hook of the crash tests, unset in the product. */
#include "base/crash.h"

void (*weir_crash_hook)(const char *point);
