/* fuzz_selector: any bytes as the selectors of one request, one a line.
 *
 * Whatever comes is either taken, and then it says of every sample that it
 * chooses it or not, the same twice, and a filter over a small exposition gives
 * back only lines that were put in; or refused with a place and a sentence. */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "exporters/metrics/federate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char exposition[] = "# HELP a_total One.\n"
				 "# TYPE a_total counter\n"
				 "a_total{b=\"c\",d=\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"} 1\n"
				 "a_total 2\n"
				 "# HELP e Two.\n"
				 "# TYPE e histogram\n"
				 "e_bucket{b=\"\\\\ \\\" \\n\",le=\"+Inf\"} 3\n"
				 "e_count{b=\"\\\\ \\\" \\n\"} 3\n";

static void filter(const struct weir_selectors *selectors, struct weir_buf *ret_out)
{
	struct weir_federate federate;
	struct weir_str text = weir_str_of(exposition);
	int result;

	weir_federate_init(&federate, selectors);
	result = weir_federate_take(&federate, text, ret_out);
	weir_assert(result == 0 || result == -E2BIG);
	weir_federate_fini(&federate);
}

/* Each line of `out` is one of the exposition's, and none comes twice. */
static void check_lines(struct weir_str out)
{
	const char *from = exposition;

	while (out.length > 0) {
		struct weir_str line = weir_str_cut(&out, '\n');
		const char *found = memmem(from, strlen(from), line.data, line.length);

		weir_assert(line.length > 0 && found != NULL && found[line.length] == '\n');
		from = found + line.length;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_str rest = weir_str_make((const char *)data, size);
	struct weir_selectors selectors;
	struct weir_arena arena;
	struct weir_buf why, once, twice;
	int outcome = 0;

	weir_arena_init(&arena, 65536, 1u << 20);
	weir_buf_init(&why, 0);
	weir_buf_init(&once, 0);
	weir_buf_init(&twice, 0);
	weir_assert(weir_selectors_init(&selectors, &arena, 0) == 0);
	do {
		outcome = weir_selectors_add(&selectors, weir_str_cut(&rest, '\n'), &why);
		weir_assert(outcome == 0 || outcome == WEIR_SELECTOR_BAD || outcome == -ENOMEM);
		weir_assert((outcome == WEIR_SELECTOR_BAD) == (why.length > 0));
	} while (outcome == 0 && rest.length > 0);
	if (outcome == 0) {
		filter(&selectors, &once);
		filter(&selectors, &twice);
		weir_assert(weir_str_equal(weir_buf_str(&once), weir_buf_str(&twice)));
		check_lines(weir_buf_str(&once));
	}
	weir_buf_fini(&twice);
	weir_buf_fini(&once);
	weir_buf_fini(&why);
	weir_arena_fini(&arena);
	return 0;
}
