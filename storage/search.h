/* search: which spans and traces a search wants, by Zipkin's rules. */
#ifndef WEIR_STORAGE_SEARCH_H
#define WEIR_STORAGE_SEARCH_H

#include "storage/query.h"

/* Could this span be the one that makes its trace match? What is asked first of
 * name, remote service, tag, duration is tested, of the service asked for. */
bool weir_search_span_may_match(
	const struct weir_query_search *search, const struct weir_batch *batch, const struct weir_span *span);
/* Does the whole trace match? */
bool weir_search_trace_matches(const struct weir_query_search *search, const struct weir_query_trace *trace);

#endif
