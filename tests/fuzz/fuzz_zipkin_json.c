/* fuzz_zipkin_json: any bytes through the decoder of Zipkin's v2 JSON. What is
 * taken must be, beyond what zipkin_judge asks, JSON with as many elements as
 * spans for jansson too. */
#include "base/err.h"
#include "decode/zipkin/json.h"
#include "zipkin_judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct weir_batch *batch, const json_t *list)
{
	weir_assert(list == NULL || json_array_size(list) == batch->spans.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	zipkin_judge(data, size, weir_zipkin_json_decode, judge);
	return 0;
}
