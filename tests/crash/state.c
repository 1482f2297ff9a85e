/* state: prints the digest of the fold's tables that a database holds, and the
 * position that they stand for. For comparing two runs over the same ring. */
#include <stdio.h>
#include <string.h>

#include "aggregate/fold.h"
#include "storage/store.h"

static int print_state(const char *path)
{
	struct weir_store_opts opts = { .path = path,
		.max_size_bytes = UINT64_MAX / 2,
		.max_age_s = UINT32_MAX,
		.max_indexed = WEIR_STORE_INDEXED };
	struct weir_store_found found = { 0 };
	struct weir_fold_opts fold_opts = { .max_series = 50000 };
	struct weir_store *store = NULL;
	struct weir_fold *fold = NULL;
	uint8_t digest[16];
	int r = weir_store_open(&opts, &store, &found);

	fold_opts.hash_seed = found.hash_seed;
	r = r == 0 ? weir_fold_create(&fold_opts, &fold) : r;
	r = r == 0 ? weir_store_load_fold(store, fold) : r;
	if (r == 0) {
		weir_fold_digest(fold, digest);
		for (size_t i = 0; i < sizeof(digest); i++) {
			printf("%02x", digest[i]);
		}
		printf(" position=%llu\n", (unsigned long long)found.position);
	}
	weir_fold_destroy(fold);
	weir_store_close(store);
	return r;
}

int main(int argc, char **argv)
{
	int r = argc == 2 ? print_state(argv[1]) : -1;

	if (r != 0) {
		fprintf(stderr, "state: %s: %s\n", argc > 1 ? argv[1] : "usage: state DATABASE",
			strerror(r < 0 ? -r : 0));
	}
	return r == 0 ? 0 : 1;
}
