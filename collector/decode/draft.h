/* draft: a batch while it is being written; decoders fill it, receivers put it
 * into the ring.
 *
 * The pool starts with the sender's body, so a ref to a string of the body
 * costs nothing; strings that had to change are appended. Rows are appended
 * table by table; finish() lays everything out as one struct weir_batch. All
 * of it lives in one arena and is gone with its reset. */
#ifndef WEIR_DECODE_DRAFT_H
#define WEIR_DECODE_DRAFT_H

#include "base/arena.h"
#include "ring/record.h"

enum {                             /* outcomes of decoders */
	WEIR_DECODE_MALFORMED = 1, /* draft->error and error_offset say what and where */
	WEIR_DECODE_TOO_LARGE,     /* the batch would exceed the draft's limit */
};

struct weir_rows { /* growing rows of one type */
	void *data;
	uint32_t count, capacity, row_bytes;
};

struct weir_draft {
	struct weir_arena *arena;
	struct weir_str body; /* the pool's first part; refs are relative to it until finish() */
	struct weir_rows workloads, resources, spans, requests, connections, attrs, events, links;
	char *extra; /* the pool's second part */
	uint32_t extra_length, extra_capacity;
	uint32_t offered, dropped[WEIR_DROPS], thinned[WEIR_THINS], replaced_utf8;
	const char *error; /* static sentence */
	size_t error_offset;
	bool is_exhausted; /* the arena is full */
};

void weir_draft_init(struct weir_draft *draft, struct weir_arena *arena, struct weir_str body);

/* A new zeroed row, or NULL when the arena is full (is_exhausted is set). The
 * pointer is good until the next row of the same table. */
struct weir_workload *weir_draft_workload(struct weir_draft *draft);
struct weir_resource *weir_draft_resource(struct weir_draft *draft);
struct weir_span *weir_draft_span(struct weir_draft *draft);
struct weir_request *weir_draft_request(struct weir_draft *draft);
struct weir_connection *weir_draft_connection(struct weir_draft *draft);
struct weir_attr *weir_draft_attr(struct weir_draft *draft);
struct weir_event *weir_draft_event(struct weir_draft *draft);
struct weir_link *weir_draft_link(struct weir_draft *draft);

/* A ref to text inside the body (checked by assertion), or a copy in the pool. */
struct weir_ref weir_draft_ref(const struct weir_draft *draft, struct weir_str inside_body);
struct weir_ref weir_draft_copy(struct weir_draft *draft, struct weir_str text);
/* As weir_draft_ref, after a UTF-8 check; repaired into the pool and counted if invalid. */
struct weir_ref weir_draft_text(struct weir_draft *draft, struct weir_str inside_body);

struct weir_draft_head {
	enum weir_protocol protocol;
	enum weir_signal signal;
	uint64_t received_ns;
	struct weir_str source; /* anywhere */
	const uint8_t *digest;  /* 16 bytes, or NULL for a stream */
};

/* One contiguous, sound batch in the arena; NULL when the arena is full.
 * `kept` becomes the rows of the signal. The body's bytes are only copied when
 * anything refers to them. */
const struct weir_batch *weir_draft_finish(struct weir_draft *draft, const struct weir_draft_head *head);

#endif
