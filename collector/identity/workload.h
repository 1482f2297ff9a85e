/* workload: the table of pods that decoders ask who an end of a call is: by
 * pod and namespace, or by address, at the time of the record.
 *
 * A table is immutable. It is published as one pointer, swapped whole, together
 * with the list of wanted labels; a receiver holds what is published while it
 * decodes one message, without a lock. Who is not in it may be asked for: the
 * source of the table (pods.h) looks later, never the receiver. */
#ifndef WEIR_IDENTITY_WORKLOAD_H
#define WEIR_IDENTITY_WORKLOAD_H

#include <stdint.h>

#include "identity/asks.h"
#include "identity/pod.h"
#include "identity/wanted.h"

#define WEIR_WORKLOAD_PODS_MAX 65536u
#define WEIR_WORKLOAD_READERS 16u /* receivers; each is one thread at a time */

struct weir_workload_row { /* a pod, and when it was who it is: [since, until) */
	struct weir_pod *pod;
	uint64_t since_ns, until_ns; /* since 0: for ever; until UINT64_MAX: still */
};

struct weir_workload_table;

/* The rows' pods are held. 0; -E2BIG beyond WEIR_WORKLOAD_PODS_MAX; -ENOMEM. */
int weir_workload_table_create(
	const struct weir_workload_row *rows, uint32_t count, const struct weir_workload_table **ret_table);
void weir_workload_table_destroy(const struct weir_workload_table *table);
size_t weir_workload_table_bytes(const struct weir_workload_table *table); /* without its pods */

/* A pod's name is hardly used again: the row of that time, else the nearest.
 * An address is: only a row of that time, and none of the host's network. Time 0: now. NULL: nobody. */
const struct weir_workload_row *weir_workload_table_by_name(
	const struct weir_workload_table *table, struct weir_str pod, struct weir_str namespace_, uint64_t time_ns);
const struct weir_workload_row *weir_workload_table_by_address(
	const struct weir_workload_table *table, const uint8_t ip[16], uint64_t time_ns);

/* ---- what is published ---------------------------------------------------- */

struct weir_workloads;

/* `cluster` names the cluster of those who do not tell it; may be empty. Nothing
 * is published yet: nobody is known. 0 or -ENOMEM. */
int weir_workloads_create(const char *cluster, struct weir_workloads **ret_workloads);
void weir_workloads_destroy(struct weir_workloads *workloads); /* after its readers and its source; NULL is nothing */

/* Takes the table over. Any thread, one after the other. 0, or -ENOMEM: what was published stays, the table is
 * destroyed. */
int weir_workloads_publish(struct weir_workloads *workloads, const struct weir_workload_table *table);
/* The labels that rules want from now on; NULL: none. A reference of its own is taken. Any thread. 0 or -ENOMEM. */
int weir_workloads_want(struct weir_workloads *workloads, const struct weir_wanted *wanted);
/* From now on readers ask for whom they do not find; NULL: no more. Before the readers, or after them. */
void weir_workloads_ask_through(struct weir_workloads *workloads, struct weir_asks *asks);

/* ---- reading -------------------------------------------------------------- */

struct weir_workload_reader;

/* Of one receiver. 0, or -ENOSPC: all WEIR_WORKLOAD_READERS are taken. */
int weir_workload_reader_open(struct weir_workloads *workloads, struct weir_workload_reader **ret_reader);
void weir_workload_reader_close(struct weir_workload_reader *reader); /* NULL is nothing */

/* What is published at this moment stays until release(). Of a reader NULL everything below is empty. */
void weir_workload_hold(struct weir_workload_reader *reader);
void weir_workload_release(struct weir_workload_reader *reader);

/* Between hold and release. What comes back is borrowed until release. Who is not found is asked for. */
const struct weir_workload_row *weir_workload_by_name(
	struct weir_workload_reader *reader, struct weir_str pod, struct weir_str namespace_, uint64_t time_ns);
const struct weir_workload_row *weir_workload_by_address(
	struct weir_workload_reader *reader, const uint8_t ip[16], uint64_t time_ns);
/* Is it a node's own, at that time? Nobody is known by it, whatever else may know it. */
bool weir_workload_is_host_address(const struct weir_workload_reader *reader, const uint8_t ip[16], uint64_t time_ns);
const struct weir_wanted *weir_workload_wanted(const struct weir_workload_reader *reader);
struct weir_str weir_workload_cluster(const struct weir_workload_reader *reader);

#endif
