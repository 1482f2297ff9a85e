/* fetch: HTTP requests of one thread, several at a time: to the kubelet, to the
 * API server. The only place for libcurl. */
#ifndef WEIR_IDENTITY_FETCH_H
#define WEIR_IDENTITY_FETCH_H

#include <stdint.h>

#include "base/str.h"

#define WEIR_FETCH_SLOTS 8u
#define WEIR_FETCH_BODY_MAX ((size_t)64 << 20)

struct weir_fetches;

struct weir_fetches_opts {      /* texts stay the caller's, and live as long */
	const char *token_file; /* read again for each request: it rotates. Missing, or over plain HTTP: none is sent */
	const char *ca_file; /* who signs the server's certificate, read for each connection; missing: the system's */
	bool skips_verification;
};

/* 0, -ENOMEM, or -EIO: libcurl cannot be used. */
int weir_fetches_create(const struct weir_fetches_opts *opts, struct weir_fetches **ret_fetches);
void weir_fetches_destroy(struct weir_fetches *fetches); /* what runs is cut off, without a word; NULL is nothing */

struct weir_fetch_answer {
	long status;          /* HTTP; 0: there was none */
	struct weir_str body; /* borrowed until the callback returns; of a stream empty */
	const char *why;      /* status 0, or an answer that broke off: a sentence */
	uint64_t retry_s;     /* Retry-After, as the server has it; 0: it does not say */
};

#define WEIR_FETCH_WHY_MAX 256u
/* Why an answer is of no use: its own sentence, or its status. */
void weir_fetch_why(const struct weir_fetch_answer *answer, char ret_why[WEIR_FETCH_WHY_MAX]);

struct weir_fetch {
	const char *url;
	uint32_t timeout_s; /* of the whole */
	/* Not NULL: pieces of a 200 answer as they come; false: enough of it. It then ends as an answer that broke off. */
	bool (*piece)(void *ctx, struct weir_str bytes);
	void (*done)(void *ctx,
		const struct weir_fetch_answer *answer); /* exactly once, from weir_fetches_wait() or _cut() */
	void *ctx;
};

enum { WEIR_FETCH_BUSY = 1 }; /* outcome: all slots are taken */

/* 0: `done` will be called; BUSY; or a fault: it will not. */
int weir_fetch_start(struct weir_fetches *fetches, const struct weir_fetch *fetch);

/* Ends what was started with this ctx, if it still runs: `done` is called from here, as of an answer that broke off. */
void weir_fetch_cut(struct weir_fetches *fetches, const void *ctx);

/* Goes on with what runs; returns after at most `wait_ms`, or when something came, or when woken. */
void weir_fetches_wait(struct weir_fetches *fetches, int wait_ms);
/* Any thread. */
void weir_fetches_wake(struct weir_fetches *fetches);

#endif
