/* pods_sheet: a workload table with a few pods, and a reader of it. */
#ifndef WEIR_TESTS_DECODE_PODS_SHEET_H
#define WEIR_TESTS_DECODE_PODS_SHEET_H

#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "identity/workload.h"

struct sheet_pod {
	const char *name, *namespace_, *workload, *app, *version, *team; /* team NULL: no label of it */
	uint8_t last;                                                    /* 10.0.0.<last>; 0: no address */
	const char *account;
	uint64_t since_ns, until_ns; /* until 0: still */
	bool is_host_network;
};

struct sheet {
	struct weir_workloads *workloads;
	struct weir_workload_reader *reader;
};

static inline struct weir_pod *sheet_pod_make(const struct sheet_pod *from)
{
	struct weir_identity_label labels[] = { { weir_str_of("app"), weir_str_of(from->app) },
		{ weir_str_of("version"), weir_str_of(from->version) },
		{ weir_str_of("team"), weir_str_of(from->team != NULL ? from->team : "") } };
	struct weir_pod pod = { .name = weir_str_of(from->name),
		.namespace_ = weir_str_of(from->namespace_),
		.labels = labels,
		.label_count = from->team != NULL ? 3 : 2,
		.is_host_network = from->is_host_network,
		.ip_count = from->last > 0,
		.ips = { { [10] = 0xff, 0xff, 10, 0, 0, from->last } } };
	const struct weir_pod_owner owner = { .kind = weir_str_of("StatefulSet"), .name = weir_str_of(from->workload) };
	struct weir_pod *made;

	weir_assert(weir_pod_create(&pod, &owner, weir_str_of(from->account != NULL ? from->account : ""), &made) == 0);
	return made;
}

/* `wanted`: the key of a label that is wanted, or NULL. */
static inline void sheet_init(
	struct sheet *sheet, const char *cluster, const struct sheet_pod *pods, uint32_t count, const char *wanted)
{
	struct weir_workload_row rows[16];
	const struct weir_workload_table *table;
	const struct weir_wanted *list;

	weir_assert(count <= 16 && weir_workloads_create(cluster, &sheet->workloads) == 0);
	for (uint32_t i = 0; i < count; i++) {
		rows[i] = (struct weir_workload_row){ sheet_pod_make(&pods[i]), pods[i].since_ns,
			pods[i].until_ns > 0 ? pods[i].until_ns : UINT64_MAX };
	}
	weir_assert(weir_workload_table_create(rows, count, &table) == 0);
	for (uint32_t i = 0; i < count; i++) {
		weir_pod_let_go(rows[i].pod);
	}
	weir_assert(weir_workloads_publish(sheet->workloads, table) == 0);
	if (wanted != NULL) {
		weir_assert(weir_wanted_create(&wanted, 1, &list) == 0);
		weir_assert(weir_workloads_want(sheet->workloads, list) == 0);
		weir_wanted_let_go(list);
	}
	weir_assert(weir_workload_reader_open(sheet->workloads, &sheet->reader) == 0);
}

static inline void sheet_fini(struct sheet *sheet)
{
	weir_workload_reader_close(sheet->reader);
	weir_workloads_destroy(sheet->workloads);
}

#endif
