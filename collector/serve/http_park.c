/* http_park: HTTP answers that wait until their batch is stored.
 *
 * A parked request is suspended in libmicrohttpd, has its answer made, stands in
 * http->parked and in the ack. Whoever takes it out of the ack resumes it: the
 * writer's thread (stored), libmicrohttpd's own (stored already, or the ack is
 * full), or main (the stop).
 *
 * Invariants: 1. In http->parked if and only if suspended for this reason; both
 * end together under the lock, so that an empty list means that all are
 * resumed: libmicrohttpd must not be stopped before. 2. After the end of
 * parking nothing is parked any more. */
#include "serve/http_request.h"

#include "base/clock.h"

#define LOOK_AGAIN_NS 10000000

/* Under the lock, so that whoever sees the list empty knows all are resumed. */
static void parked_resume(struct weir_http_request *request)
{
	struct weir_http *http = request->http;

	if (request->previous != NULL) {
		request->previous->next = request->next;
	} else {
		http->parked = request->next;
	}
	if (request->next != NULL) {
		request->next->previous = request->previous;
	}
	request->next = request->previous = NULL;
	MHD_resume_connection(request->connection);
	pthread_cond_signal(&http->is_answered);
}

/* The batch is stored: on the writer's thread, or at once on ours. */
static void unpark(void *ctx)
{
	struct weir_http_request *request = ctx;
	struct weir_http *http = request->http;

	pthread_mutex_lock(&http->lock);
	parked_resume(request);
	pthread_mutex_unlock(&http->lock);
}

void weir_http_park(struct weir_http_request *request)
{
	struct weir_http *http = request->http;
	bool is_over;

	MHD_suspend_connection(request->connection);
	pthread_mutex_lock(&http->lock);
	is_over = http->is_parking_over;
	request->previous = NULL;
	request->next = http->parked;
	if (request->next != NULL) {
		request->next->previous = request;
	}
	http->parked = request;
	pthread_mutex_unlock(&http->lock);
	if (is_over || weir_ack_park(http->opts.ack, request->response.park_position, unpark, request) != 0) {
		weir_http_answer_refuse(request, 503, "too many answers wait for storage\n", 1);
		unpark(request);
	}
}

/* Takes back what the writer has not taken out yet. */
static void parked_take_back(struct weir_http *http)
{
	struct weir_http_request *request, *next;

	for (request = http->parked; request != NULL; request = next) {
		next = request->next;
		if (http->opts.ack != NULL && weir_ack_forget(http->opts.ack, request)) {
			weir_http_answer_refuse(request, 503, "weir stops before the batch is stored\n", 1);
			parked_resume(request);
		}
	}
}

void weir_http_park_end(struct weir_http *http)
{
	struct timespec until;

	pthread_mutex_lock(&http->lock);
	http->is_parking_over = true;
	parked_take_back(http);
	while (http->parked != NULL) { /* about to be resumed by the writer, or on its way into the ack: look again */
		until = weir_clock_later(LOOK_AGAIN_NS);
		pthread_cond_clockwait(&http->is_answered, &http->lock, CLOCK_MONOTONIC, &until);
		parked_take_back(http);
	}
	pthread_mutex_unlock(&http->lock);
}
