/* http_scene: an HTTP listener on two ports and a Unix socket, with a route of each kind. For tests of cmocka. */
#ifndef WEIR_TESTS_SERVE_HTTP_SCENE_H
#define WEIR_TESTS_SERVE_HTTP_SCENE_H

#include <pthread.h>
#include <semaphore.h>

#include "http_client.h"
#include "serve/ack.h"
#include "serve/http.h"

#define MAX_BODY 50000u
#define MAX_HEADER 4000u
#define MAX_CONNECTIONS 20u

/* GET  /small      JSON of the argument `name` and the peer, with headers; or how often `m[]` came, and two of it
 *      /large      100,000 bytes
 *      /trace/X    the X
 *      /page       with an entity tag
 *      /moved      to elsewhere
 *      /slow       posts `entered`, then waits for `leave`; one runs, one may wait
 * POST /spans      202 and the body's length, then `entered` is posted; "full": 429; "park": parked, which one may be
 *                  at a time. Says refusals in its own way to senders of the type `odd`
 *      /only-post  the same, in plain text */
struct fixture {
	struct weir_http *http;
	struct weir_ack *ack;
	sem_t entered, leave;
	char folder[32], unix_address[64];
	pthread_t ingest_thread; /* one for all of them: the route fails the test otherwise */
	bool has_ingested;
};

int http_scene_setup(void **state);
int http_scene_teardown(void **state);
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, http_scene_setup, http_scene_teardown)

/* Until a handler has posted `entered`. */
void wait_entered(struct fixture *fixture);

/* A request to the first address, on a connection of its own; a POST goes to /spans, `headers` are whole lines. */
struct answer ask(struct fixture *fixture, const char *head);
struct answer post(struct fixture *fixture, const char *headers, const void *body, size_t length);

#endif
