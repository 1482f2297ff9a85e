/* fakes: what the routes ask of serve and storage, answered by the test. */
#ifndef WEIR_TESTS_EXPORTERS_FAKES_H
#define WEIR_TESTS_EXPORTERS_FAKES_H

#include "exporters/answer.h"

#define FAKES_ARGUMENTS 8u

struct fakes {
	struct {
		const char *name, *value;
	} arguments[FAKES_ARGUMENTS]; /* up to a NULL name */
	const char *rest, *if_none_match, *accept;
	uint64_t deadline_ns;                  /* of the request */
	int begin_result, result;              /* what the calls return */
	const struct weir_query_trace *traces; /* what searches and ids find; by id: the first */
	uint32_t trace_count;
	const char *const *names;          /* up to NULL */
	struct weir_query_search search;   /* as it was asked */
	char search_text[256];             /* its strings */
	const struct weir_query_row *rows; /* what searches of logs and requests find */
	uint32_t row_count;
	struct weir_query_log_search log_search; /* as they were asked */
	struct weir_query_request_search request_search;
	uint8_t asked_id[16];
	bool asked_short;
	struct weir_str asked_service;
	unsigned begun, ended;
	unsigned opens_left, opened, closed;  /* queries; opens_left 0: the next open fails */
	const struct weir_snapshot *snapshot; /* NULL: stopping */
	unsigned parts, let_go;
	bool is_ready;
	uint8_t alive_trace[16]; /* the one whose spans are still here; the first byte 0: none is */
	unsigned alive_made, alive_freed;
	enum weir_store_state state;
};

extern struct fakes fakes;

/* Exporters with one query, as the routes want them for ctx. */
struct weir_exporters *fakes_exporters(void);

/* Calls a route; the body ends in NUL. Freed by fakes_free. */
struct weir_http_response fakes_call(weir_http_fn *fn);
void fakes_free(struct weir_http_response *response);

#endif
