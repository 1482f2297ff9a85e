/* owner: which signal of a proxy is counted, and how much of what a proxy says
 * that it sent has come. Private to the room. */
#ifndef WEIR_AGGREGATE_OWNER_H
#define WEIR_AGGREGATE_OWNER_H

#include "aggregate/fold.h"
#include "aggregate/snapshot.h"
#include "aggregate/slots.h"
#include "aggregate/text.h"

#define WEIR_OWNER_SIDES 3u /* enum weir_reporter */

enum weir_owner_rank { /* of signals that report each request; the higher is the better one */
	WEIR_OWNER_NOBODY,
	WEIR_OWNER_MIXER,
	WEIR_OWNER_LOG,
	WEIR_OWNER_ALS,
	WEIR_OWNER_RANKS
};

struct weir_owner_side { /* saved as words */
	uint64_t rank, next_rank;
	uint64_t edge_ns;     /* when next_rank takes over; 0: nobody does */
	uint64_t matching_ns; /* until then another signal's requests are known one by one */
	uint64_t has_own;     /* the proxy's own istio_* are what is counted */
	uint64_t own_edge_ns; /* when they may take over, or give up; 0: neither */
};

struct weir_owner_heard {                    /* of a side; saved as words */
	uint64_t ranks_ns[WEIR_OWNER_RANKS]; /* watermark, to a second; [WEIR_OWNER_NOBODY]: its own istio_* */
	uint64_t own_from_ns;  /* by the proxy's clock: what ended later is in its own istio_*, what ended before not */
	uint64_t own_until_ns; /* watermark until which that is looked at */
	uint64_t counted_ns; /* by the proxy's clock: newest end of what logs counted, while its own wait for an edge */
};

struct weir_owner_measure { /* saved as words; since_ns 0: the proxy has not said anything yet */
	uint64_t since_ns, seen, sent, dropped;
};

struct weir_owner {
	struct weir_owner_side sides[WEIR_OWNER_SIDES];
	struct weir_owner_measure measures[WEIR_MEASURES];
	struct weir_owner_heard heard[WEIR_OWNER_SIDES]; /* images of version 2 do not have it */
	uint64_t is_dirty;
};

struct weir_owners {
	struct weir_text names;
	struct weir_owner *rows; /* by the number of the proxy's name */
	uint32_t row_capacity;
	uint32_t *dirty, dirty_count;
	struct weir_slots slots; /* requests of proxies that more than one signal reports, or may */
	enum weir_fold_istio istio;
	struct weir_ref known; /* of the batch at hand: this proxy is … */
	uint32_t known_row;    /* … this row; a cache */
};

void weir_owners_init(struct weir_owners *owners, enum weir_fold_istio istio, uint64_t seed);
void weir_owners_fini(struct weir_owners *owners);
/* Completeness begins anew; who owns what stays. */
void weir_owners_reset(struct weir_owners *owners);

/* Before the first row of a batch. */
void weir_owners_batch(struct weir_owners *owners);
/* The row of a proxy; all beyond the bound share one. */
uint32_t weir_owners_row(struct weir_owners *owners, const struct weir_batch *batch, struct weir_ref proxy);

enum { WEIR_OWNER_SERIES = 1, WEIR_OWNER_EDGES = 2 }; /* what a report counts in */

struct weir_owner_report {
	const struct weir_call *call;
	uint64_t start_ns, end_ns; /* by the proxy's clock; end_ns 0: unknown */
	struct weir_str id;        /* request id */
	bool is_connection;
};
/* Is this report counted? Each request is, once, whichever signals tell of it. */
unsigned weir_owners_judge(struct weir_owners *owners, const struct weir_batch *batch,
	const struct weir_owner_report *report, uint64_t now_ns);

/* A point of the proxy's own istio_* has come, for this side, of this time by
 * the proxy's clock (0: unknown): is it what is counted? */
bool weir_owners_own(struct weir_owners *owners, uint32_t row, unsigned side, uint64_t time_ns, uint64_t now_ns);

/* `count` items came of this proxy. */
void weir_owners_seen(struct weir_owners *owners, uint32_t row, enum weir_measure measure, uint64_t count);
/* The proxy says that it sent so many more. `is_first`: of a counter that was
 * not known before; then, as the first of all, it says what was before us. */
void weir_owners_sent(struct weir_owners *owners, uint32_t row, enum weir_measure measure, uint64_t more, bool is_first,
	uint64_t now_ns);
/* … or that it dropped so many more. */
void weir_owners_dropped(struct weir_owners *owners, uint32_t row, enum weir_measure measure, uint64_t more,
	bool is_first, uint64_t now_ns);

void weir_owners_expire(struct weir_owners *owners, uint64_t now_ns);

/* Names and rows; the slots are saved by themselves. */
void weir_owners_save(struct weir_owners *owners, bool all, struct weir_buf *buf);
/* `has_heard`: rows say what was heard when. If not, who owns was heard `now_ns`. */
int weir_owners_load(struct weir_owners *owners, struct weir_blob_reader *reader, bool has_heard, uint64_t now_ns);
void weir_owners_digest(const struct weir_owners *owners, XXH3_state_t *state);

#endif
