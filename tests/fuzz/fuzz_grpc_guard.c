/* fuzz_grpc_guard: any bytes as a connection, in one piece and in pieces: the verdict is the same. */
#include <stdint.h>

#include "base/err.h"
#include "serve/grpc_guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_NS UINT64_C(1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_grpc_guard whole = { 0 }, pieces = { 0 };
	bool is_good, is_still_good = true;

	weir_grpc_guard_settle(1024, 1);
	is_good = weir_grpc_guard_look(&whole, data, size, NOW_NS);
	for (size_t at = 0, piece = 1; at < size && is_still_good; at += piece) {
		piece = 1 + data[at] % 17;
		piece = piece < size - at ? piece : size - at;
		is_still_good = weir_grpc_guard_look(&pieces, data + at, piece, NOW_NS);
	}
	weir_assert(is_good == is_still_good);
	weir_assert(!is_good || (whole.phase == pieces.phase && whole.left == pieces.left &&
					whole.block_bytes == pieces.block_bytes));
	return 0;
}
