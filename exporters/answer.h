/* answer: what every route of this room needs: a query of its own for the time
 * of one answer, a snapshot, numbers out of arguments, refusals in one voice. */
#ifndef WEIR_EXPORTERS_ANSWER_H
#define WEIR_EXPORTERS_ANSWER_H

#include <pthread.h>

#include "exporters/exporters.h"
#include "exporters/json_write.h"

#define WEIR_ANSWER_ROUTES 48u

struct weir_exporters {
	struct weir_exporters_opts opts;
	pthread_mutex_t lock;        /* guards free_queries and free_count */
	struct weir_query **queries; /* all, opts.query_threads of them */
	struct weir_query **free_queries;
	uint32_t free_count;
	struct weir_http_route routes[WEIR_ANSWER_ROUTES];
	size_t route_count;
};

struct weir_answer { /* a query and scratch memory, for the time of one answer */
	struct weir_exporters *exporters;
	struct weir_query *query;
	struct weir_arena arena;
};

/* Borrows a query and begins it. False: the response says why (503) and there
 * is nothing to end. On success the response carries Weir-Behind-Ms. */
bool weir_answer_begin(struct weir_answer *answer, struct weir_exporters *exporters,
	const struct weir_http_request *request, struct weir_http_response *response);
void weir_answer_end(struct weir_answer *answer);

/* Turns what a weir_query_… call returned into a refusal; true when it was not 0. */
bool weir_answer_refused(struct weir_http_response *response, int result);

/* A snapshot with these parts, or NULL and 503. Let go with weir_snapshot_let_go. The response carries Weir-Behind-Ms. */
const struct weir_snapshot *weir_answer_snapshot(
	struct weir_exporters *exporters, unsigned parts, struct weir_http_response *response);

/* Starts a JSON answer; weir_answer_json_end turns a writer's fault into 500. */
void weir_answer_json(struct weir_http_response *response, struct weir_json_write *ret_json);
void weir_answer_json_end(struct weir_http_response *response);

/* A JSON array of strings. */
void weir_answer_names(struct weir_http_response *response, const struct weir_str *names, uint32_t count);

/* An argument as a decimal number. 0: *ret is set, or the argument is absent
 * (or empty) and *ret stays. -EINVAL: it is something else, the response says
 * so (400, naming it). */
int weir_answer_number(
	const struct weir_http_request *request, const char *name, struct weir_http_response *response, int64_t *ret);

/* An argument as a duration in Go's syntax, of the units ns us µs ms s m h:
 * "90s", "1h30m", "1.5m". 0 or -EINVAL (also when negative, or beyond a week). */
int weir_answer_duration(struct weir_str text, uint64_t *ret_ns);

#endif
