/* fuzz_pods: any bytes as a list of pods, and as an event of a watch. Whatever
 * they are, each pod that comes out has a name, keeps its bounds, and can be
 * put into a set of which a table is made. */
#include <stdlib.h>

#include "base/err.h"
#include "identity/pod_read.h"
#include "identity/pod_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct weir_pod *pod)
{
	struct weir_identity identity;

	weir_assert(pod->name.length > 0 && pod->namespace_.length > 0);
	weir_assert(pod->label_count <= WEIR_POD_LABELS_MAX && pod->ip_count <= WEIR_POD_IPS_MAX);
	weir_assert(pod->bytes <= sizeof(*pod) + WEIR_POD_LABELS_MAX * sizeof(*pod->labels) + WEIR_POD_TEXT_MAX);
	weir_pod_identity(pod, NULL, &identity);
	weir_assert(identity.workload.length > 0 && identity.canonical_service.length > 0);
}

static void take(void *ctx, struct weir_pod *pod)
{
	check(pod);
	weir_pod_set_put(ctx, pod, false, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_str text = { (const char *)data, size };
	const struct weir_workload_table *table;
	struct weir_pod_event event;
	struct weir_pod_list list;
	struct weir_pod_set *set;
	int r;

	weir_assert(weir_pod_set_create(&set) == 0);
	r = weir_pod_read_list(text, take, set, &list);
	weir_assert(r == 0 || (r == WEIR_POD_READ_MALFORMED && list.error != NULL && list.error_offset <= size));
	if (weir_pod_read_event(text, &event) == 0 && event.pod != NULL) {
		check(event.pod);
		weir_pod_set_put(set, event.pod, true, 2);
	}
	weir_assert(weir_pod_set_table(set, &table) == 0);
	weir_workload_table_destroy(table);
	weir_pod_set_destroy(set);
	return 0;
}
