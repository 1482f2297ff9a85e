/* ends: the workloads of a report, each one row. Private to this folder. */
#ifndef WEIR_DECODE_MIXER_ENDS_H
#define WEIR_DECODE_MIXER_ENDS_H

#include "decode/mixer/bag.h"
#include "identity/source.h"
#include "identity/workload.h"

#define WEIR_ENDS_ROWS 32u
#define WEIR_ENDS_PRINCIPALS 16u

enum weir_ends_side { WEIR_ENDS_SOURCE, WEIR_ENDS_DESTINATION };

struct weir_ends_told { /* all that a bag says of one end */
	struct weir_str uid, name, workload, workload_namespace, namespace_, owner, service;
	struct weir_str ip, principal; /* looked at only when no name is told */
	struct weir_identity_labels labels;
};

#define WEIR_ENDS_WORDS 7u

struct weir_ends_row {
	struct weir_ends_told told;
	/* The words it was told in, of dictionaries that stay where they are; words[0] is never NULL then. */
	const struct weir_word *words[WEIR_ENDS_WORDS];
	uint32_t workload;           /* row of `workloads`, or WEIR_NONE: nobody */
	uint64_t since_ns, until_ns; /* when that is true: an address is somebody else's at another time */
	struct weir_ref
		spoken;    /* `<app, else workload>.<namespace>`, as Envoy's spans call a service; when asked for */
	uint32_t resource; /* row of `resources` for its spans; WEIR_NONE: none yet */
};

struct weir_ends { /* of one report */
	struct weir_draft *draft;
	struct weir_ends_row rows[WEIR_ENDS_ROWS];
	uint32_t count, next, last[2];
	struct {
		struct weir_str text;
		struct weir_ref ref;
	} principals[WEIR_ENDS_PRINCIPALS];
};

void weir_ends_init(struct weir_ends *ends, struct weir_draft *draft);

/* Who one end of the bag's call is; made a row when it is none yet. The pointer is good until the next-but-one call. */
struct weir_ends_row *weir_ends_find(
	struct weir_ends *ends, const struct weir_bag_reader *reader, enum weir_ends_side side);

/* The end's name for spans; empty when nobody knows it. */
struct weir_ref weir_ends_spoken(struct weir_ends *ends, struct weir_ends_row *row);

/* One end's principal, as a SPIFFE URI: proxies leave the scheme out. */
struct weir_ref weir_ends_principal(struct weir_ends *ends, const struct weir_bag *bag, enum weir_ends_side side);

/* `kubernetes://pod.namespace`; false when it is something else. */
bool weir_ends_split_uid(struct weir_str uid, struct weir_str *ret_pod, struct weir_str *ret_namespace);

#endif
