/* memory: what limits.memory is spent on. */
#ifndef WEIR_MEMORY_H
#define WEIR_MEMORY_H

#include "base/conf.h"

/* What the limit leaves for each of the `threads` that answer queries: tables and
 * ring are bounded by keys of their own. -ENOMEM, logged: too little. */
int weir_memory_settle(const struct weir_conf *conf, unsigned threads, uint64_t *ret_query_bytes);

#endif
