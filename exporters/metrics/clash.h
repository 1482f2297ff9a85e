/* clash: what the names of all families come to in OpenMetrics, which calls a
 * counter without its `_total` and lets no name belong to two families. */
#ifndef WEIR_EXPORTERS_METRICS_CLASH_H
#define WEIR_EXPORTERS_METRICS_CLASH_H

#include "exporters/metrics/exposition.h"

enum weir_clash_form {
	WEIR_CLASH_TYPED,    /* as its type says: a counter and an info without their suffix */
	WEIR_CLASH_UNKNOWN,  /* of type unknown, by its full name */
	WEIR_CLASH_LEFT_OUT, /* a name of its samples is another family's */
};

struct weir_clash_row {
	struct weir_str name;
	uint8_t type; /* enum weir_exposed */
	uint8_t form; /* once settled */
};

/* Takes families like a format, asks for no samples, and keeps their names:
 * say all of them, settle, then say them again, in the same order, to
 * OpenMetrics. The names must live as long. */
struct weir_clash {
	struct weir_exposition base; /* first */
	struct weir_buf rows;        /* struct weir_clash_row */
	uint64_t *taken;             /* hashes of names; 0: free */
	uint32_t taken_mask;
	uint32_t left_out; /* families, once settled */
	uint32_t at;       /* the next one that OpenMetrics asks for */
};

void weir_clash_begin(struct weir_clash *clash);
void weir_clash_end(struct weir_clash *clash);   /* frees */
int weir_clash_settle(struct weir_clash *clash); /* 0, or -ENOMEM */

/* Of the next family, which must be this one. */
enum weir_clash_form weir_clash_next(struct weir_clash *clash, struct weir_str name);

#endif
