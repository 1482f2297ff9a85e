/* fuzz_accept: any bytes as an Accept header. Whatever it says, one of the forms
 * is answered, its content type is one that says so, and asking for exactly that
 * content type gives it again. */
#include <stdint.h>

#include "base/err.h"
#include "exporters/metrics/accept.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = { [WEIR_ACCEPT_TEXT] = "text/plain; ",
	[WEIR_ACCEPT_OPENMETRICS] = "application/openmetrics-text; ",
	[WEIR_ACCEPT_PROTOBUF] = "application/vnd.google.protobuf; " };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_accept accept = weir_accept_choose(weir_str_make((const char *)data, size)), again;

	weir_assert((unsigned)accept.format < sizeof(types) / sizeof(types[0]));
	weir_assert(weir_str_starts_with(weir_str_of(accept.content_type), types[accept.format]));
	again = weir_accept_choose(weir_str_of(accept.content_type));
	weir_assert(again.format == accept.format && strcmp(again.content_type, accept.content_type) == 0);
	return 0;
}
