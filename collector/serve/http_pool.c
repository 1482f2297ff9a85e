/* http_pool: a few threads that run queries, and a bounded queue before them,
 * so that a slow query never stops ingest and no crowd of queries piles up.
 *
 * Invariants: 1. waiting <= capacity; a request in the queue, or being run, is
 * suspended in libmicrohttpd, so nothing else touches it. 2. Each request that
 * was put is resumed exactly once, with its answer made. 3. A request whose
 * time is over before it is run is refused, not run. */
#include "serve/http_request.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/stat.h"

static struct weir_http_request *take(struct weir_http_pool *pool, bool *ret_is_stopping)
{
	struct weir_http_request *request;

	pthread_mutex_lock(&pool->lock);
	while (pool->first == NULL && !pool->is_stopping) {
		pthread_cond_wait(&pool->is_changed, &pool->lock);
	}
	request = pool->first;
	if (request != NULL) {
		pool->first = request->next;
		request->next = NULL;
		pool->waiting--;
	}
	*ret_is_stopping = pool->is_stopping;
	pthread_mutex_unlock(&pool->lock);
	return request;
}

static void *run_queries(void *ctx)
{
	struct weir_http_pool *pool = ctx;
	struct weir_http_request *request;
	bool is_stopping;

	pthread_setname_np(pthread_self(), "weir-query");
	while ((request = take(pool, &is_stopping)) != NULL) {
		if (is_stopping) {
			weir_http_answer_refuse(request, 503, "weir stops\n", 1);
		} else if (weir_clock_monotonic_ns() > request->deadline_ns) {
			weir_stat_add(WEIR_STAT_QUERY_SHED, 1);
			weir_http_answer_refuse(request, 503, "the query waited too long\n", 1);
		} else {
			request->route->fn(request->route->ctx, request, &request->response);
			weir_http_answer_make(request);
		}
		MHD_resume_connection(request->connection);
	}
	return NULL;
}

int weir_http_pool_start(struct weir_http_pool *pool, uint32_t thread_count, uint32_t capacity)
{
	int fault = 0;

	pool->capacity = capacity;
	pool->thread_count = thread_count > 0 ? thread_count : 1;
	pool->threads = calloc(pool->thread_count, sizeof(pool->threads[0]));
	if (pool->threads == NULL) {
		return -ENOMEM;
	}
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->is_changed, NULL);
	while (pool->started < pool->thread_count && fault == 0) {
		fault = -pthread_create(&pool->threads[pool->started], NULL, run_queries, pool);
		pool->started += fault == 0;
	}
	return fault;
}

int weir_http_pool_put(struct weir_http_pool *pool, struct weir_http_request *request)
{
	int outcome = 0;

	request->next = NULL;
	pthread_mutex_lock(&pool->lock);
	if (pool->waiting == pool->capacity || pool->is_stopping) {
		outcome = WEIR_HTTP_POOL_FULL;
	} else {
		if (pool->first == NULL) {
			pool->first = request;
		} else {
			pool->last->next = request;
		}
		pool->last = request;
		pool->waiting++;
		pthread_cond_signal(&pool->is_changed);
	}
	pthread_mutex_unlock(&pool->lock);
	return outcome;
}

void weir_http_pool_stop(struct weir_http_pool *pool)
{
	if (pool->threads == NULL) {
		return;
	}
	pthread_mutex_lock(&pool->lock);
	pool->is_stopping = true;
	pthread_cond_broadcast(&pool->is_changed);
	pthread_mutex_unlock(&pool->lock);
	for (uint32_t i = 0; i < pool->started; i++) {
		pthread_join(pool->threads[i], NULL);
	}
	pool->started = 0;
}

void weir_http_pool_fini(struct weir_http_pool *pool)
{
	if (pool->threads == NULL) {
		return;
	}
	pthread_cond_destroy(&pool->is_changed);
	pthread_mutex_destroy(&pool->lock);
	free(pool->threads);
	*pool = (struct weir_http_pool){ 0 };
}
