/* draft: a batch while it is being written; decoders fill it, receivers put it
 * into the ring.
 *
 * The pool starts with the sender's body, so a ref to a string of the body
 * costs nothing; strings that had to change are appended. Rows are appended
 * table by table; lay() and finish() make one struct weir_batch of all. All
 * of it lives in one arena and is gone with its reset.
 *
 * Refs are final from the start: the finished batch is header, body, extra,
 * tables, so where a byte of the body or of the extra will lie is known while
 * it is written, and finish() only copies. */
#ifndef WEIR_DECODE_DRAFT_H
#define WEIR_DECODE_DRAFT_H

#include "base/arena.h"
#include "base/err.h"
#include "ring/record.h"

enum {                             /* outcomes of decoders */
	WEIR_DECODE_MALFORMED = 1, /* draft->error and error_offset say what and where */
	WEIR_DECODE_TOO_LARGE,     /* the batch would exceed the draft's limit */
};

struct weir_rows { /* growing rows of one type */
	void *data;
	uint32_t count, capacity, row_bytes;
	uint32_t first_capacity; /* rows of the first growth, guessed from the body */
};

struct weir_known; /* identity/known.h */
struct weir_workload_reader;
struct weir_identity_more;

struct weir_draft {
	struct weir_arena *arena;
	struct weir_str body; /* the pool's first part */
	struct weir_rows workloads, resources, spans, requests, connections, attrs, events, links;
	struct weir_rows instruments, points, logs;
	char *extra; /* the pool's second part */
	uint32_t extra_length, extra_capacity;
	uint32_t offered, dropped[WEIR_DROPS], thinned[WEIR_THINS], replaced_utf8;
	const char *error; /* static sentence */
	size_t error_offset;
	bool is_exhausted; /* the arena is full */
	/* Set by the receiver before decoding: what the sender's certificate says (security.identity), or empty. */
	struct weir_str peer_namespace, peer_account;
	uint32_t mismatched; /* rows that claim another one: weir_draft_claim() */
	/* Set by the receiver of OTLP's logs: the proxies that log here. Peers are looked up in the first, senders
	 * are introduced to both; NULL: none. */
	struct weir_known *known[2];
	/* Set by the receiver, which holds it while it decodes: the pods that are known; NULL: none. */
	struct weir_workload_reader *pods;
	/* Whose items the first were, kept or not: a sender of which nothing was kept has a name in the ledger too.
	 * Only of protocols that drop items. */
	struct weir_ref service;
};

/* `body` stays where it is until finish(); at most 1 GiB. */
void weir_draft_init(struct weir_draft *draft, struct weir_arena *arena, struct weir_str body);

/* Room for one more row; false when the arena is full (is_exhausted is set). */
bool weir_draft_grow(struct weir_draft *draft, struct weir_rows *rows);

/* A new row whose bytes are not set, or NULL when the arena is full. */
__attribute__((always_inline)) static inline void *weir_draft_row(struct weir_draft *draft, struct weir_rows *rows)
{
	if (__builtin_expect(rows->count == rows->capacity, 0) && !weir_draft_grow(draft, rows)) {
		return NULL;
	}
	return (char *)rows->data + (size_t)rows->row_bytes * rows->count++;
}

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
struct weir_instrument *weir_draft_instrument(struct weir_draft *draft);
struct weir_point *weir_draft_point(struct weir_draft *draft);
struct weir_log *weir_draft_log(struct weir_draft *draft); /* without a request: WEIR_NONE */

/* The bytes of 16 at `at`, folded into 8. */
static inline uint64_t weir_draft_fold16(const char *at)
{
	uint64_t words[2];

	memcpy(words, at, sizeof(words));
	return words[0] | words[1];
}

/* Is every byte below 0x80? Most text of a mesh is short ASCII: the last bytes
 * are looked at again instead of one by one, since a mispredicted branch costs
 * more than the whole check. */
__attribute__((always_inline)) static inline bool weir_draft_is_ascii(struct weir_str text)
{
	const char *at = text.data, *end;
	uint64_t bits = 0, words[2];

	if (text.length == 0) { /* its data may be NULL, to which nothing can be added */
		return true;
	}
	end = at + text.length;
	if (text.length >= 16) {
		for (; end - at > 32; at += 32) {
			bits |= weir_draft_fold16(at) | weir_draft_fold16(at + 16);
		}
		/* 1 to 32 are left, or 16 to 32 are all. */
		if (end - at > 16) {
			bits |= weir_draft_fold16(at);
		}
		bits |= weir_draft_fold16(end - 16);
	} else if (text.length >= 8) {
		memcpy(&words[0], at, 8);
		memcpy(&words[1], end - 8, 8);
		bits = words[0] | words[1];
	} else {
		for (; at != end; at++) {
			bits |= (unsigned char)*at;
		}
	}
	return (bits & UINT64_C(0x8080808080808080)) == 0;
}

/* A ref to text inside the body (checked by assertion). */
__attribute__((always_inline)) static inline struct weir_ref weir_draft_ref(
	const struct weir_draft *draft, struct weir_str inside_body)
{
	size_t offset;

	if (inside_body.length == 0) {
		return (struct weir_ref){ 0, 0 };
	}
	offset = (size_t)(inside_body.data - draft->body.data);
	weir_assert(offset < draft->body.length && inside_body.length <= draft->body.length - offset);
	return (struct weir_ref){ (uint32_t)(sizeof(struct weir_batch) + offset), (uint32_t)inside_body.length };
}

/* A copy in the pool; empty when the arena is full (is_exhausted is set). */
struct weir_ref weir_draft_copy(struct weir_draft *draft, struct weir_str text);

/* A ref to text that lies anywhere: inside the body as it is, else a copy; repaired and counted if it is not UTF-8. */
struct weir_ref weir_draft_place(struct weir_draft *draft, struct weir_str text);

/* Labels of the workload, as rows of attrs behind those that there are; so not while a list of attrs is being made. */
void weir_draft_labels(struct weir_draft *draft, const struct weir_identity_more *more, struct weir_workload *workload);

/* Room for `size` bytes of new text, or NULL when the arena is full; then
 * commit what was used. Nothing else may be added to the pool in between. */
char *weir_draft_reserve(struct weir_draft *draft, size_t size);
struct weir_ref weir_draft_commit(struct weir_draft *draft, size_t used);

/* What a ref of this draft says; good until the pool grows. */
struct weir_str weir_draft_str(const struct weir_draft *draft, struct weir_ref ref);

/* The half of weir_draft_text() for text that is not plain ASCII. */
struct weir_ref weir_draft_text_checked(struct weir_draft *draft, struct weir_str inside_body);

/* As weir_draft_ref, after a UTF-8 check; repaired into the pool and counted if invalid. */
static inline struct weir_ref weir_draft_text(struct weir_draft *draft, struct weir_str inside_body)
{
	if (__builtin_expect(weir_draft_is_ascii(inside_body), 1)) {
		return weir_draft_ref(draft, inside_body);
	}
	return weir_draft_text_checked(draft, inside_body);
}

/* `items` items say that their sender lives in this namespace, under this
 * service account (either may be unset: then it claims nothing). */
static inline void weir_draft_claim(
	struct weir_draft *draft, struct weir_str namespace_, struct weir_str account, uint32_t items)
{
	if ((draft->peer_namespace.length > 0 && namespace_.length > 0 &&
		    !weir_str_equal(draft->peer_namespace, namespace_)) ||
		(draft->peer_account.length > 0 && account.length > 0 &&
			!weir_str_equal(draft->peer_account, account))) {
		draft->mismatched += items;
	}
}

struct weir_draft_head {
	enum weir_protocol protocol;
	enum weir_signal signal;
	uint64_t received_ns;
	struct weir_str source;    /* anywhere */
	const uint8_t *digest;     /* 16 bytes, or NULL for a stream */
	struct weir_str principal; /* of the sender's certificate, anywhere; empty: none */
};

#define WEIR_DRAFT_PARTS 17u

struct weir_draft_parts {        /* a sound batch, in pieces that lie one behind the other */
	struct weir_batch batch; /* the first of them */
	struct weir_str parts[WEIR_DRAFT_PARTS];
	uint32_t count;
};

/* The batch where its pieces are, for whoever copies them anyway (the ring);
 * good while draft, body and head's source are. False when the arena was full.
 * `kept` becomes the rows of the signal less the thinned ones (which have rows
 * too): requests and connections of an access log or a Mixer report, points,
 * logs, spans. Rows beside those of the signal (the span or the request that
 * was told by a report or a log) are not items. The body's bytes are only copied when there are rows to refer to them. */
bool weir_draft_lay(struct weir_draft *draft, const struct weir_draft_head *head, struct weir_draft_parts *ret_parts);

/* The same in one piece in the arena; NULL when that is full. */
const struct weir_batch *weir_draft_finish(struct weir_draft *draft, const struct weir_draft_head *head);

#endif
