/* zipkin_judge: any bytes through a decoder of Zipkin's JSON. What is taken must
 * be a sound batch of valid UTF-8, all of whose spans have ids; what is refused
 * must say why and where. */
#ifndef WEIR_FUZZ_ZIPKIN_JUDGE_H
#define WEIR_FUZZ_ZIPKIN_JUDGE_H

#include <stdint.h>

#include <jansson.h>

#include "decode/draft.h"

/* What more must hold of a batch that was taken; `list`: the same bytes as jansson reads them, or NULL. jansson
 * refuses what is no UTF-8, halves of surrogate pairs, NULs in names and numbers too large for it, and here also
 * names that stand twice: its silence proves nothing. */
typedef void zipkin_judge_fn(const struct weir_batch *batch, const json_t *list);

/* Ends the process when it does not hold. */
void zipkin_judge(const uint8_t *data, size_t size, int (*decode)(struct weir_draft *draft), zipkin_judge_fn *judge);

#endif
