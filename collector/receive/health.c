/* health: grpc.health.v1.Health, which Kubernetes' probes and gRPC clients ask.
 *
 *   service ""         the whole server      ┐ SERVING, or NOT_SERVING from the
 *   a listed service   one of ours           ┘ moment that main.c says so
 *   another            Check: NOT_FOUND; Watch: SERVICE_UNKNOWN, and the stream
 *                      stays open (the protocol's answers, no errors of ours)
 *
 * Serving is one flag for all: weir takes everything, or refuses as a whole.
 *
 * Watch: one message at once, then one a change. The client's one question
 * half-closes its side; the call goes on until it goes away or weir stops.
 *
 * Threads: questions come on the gRPC listener's thread, the flag is set by any.
 * Invariants: 1. The flag and the list of watchers are under one lock, and
 * what is said is said under it: a watcher hears the changes in their order,
 * and none after its close. 2. A watcher hears a state only if it differs from
 * what it heard last. */
#include "receive/receive.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "grpc/health/v1/health.pb-c.h"

#include "base/stat.h"

#define SERVICE "/grpc.health.v1.Health/"
#define STATUS_BYTES 16u

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus status_of_service;

#define UNKNOWN_SERVICE GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN
#define SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING

struct watcher {
	struct weir_grpc_talk *talk;
	struct watcher *next, *previous;
	bool is_asked, is_known; /* the question came; it was for a service of ours */
};

struct weir_health {
	const char *const *services; /* the caller's */
	size_t service_count;
	pthread_mutex_t lock;
	bool is_serving;
	struct watcher *watchers;
};

int weir_health_create(const char *const *services, size_t service_count, struct weir_health **ret)
{
	struct weir_health *health = calloc(1, sizeof(*health));

	if (!health) {
		return -ENOMEM;
	}
	health->services = services;
	health->service_count = service_count;
	health->is_serving = true;
	pthread_mutex_init(&health->lock, NULL);
	*ret = health;
	return 0;
}

void weir_health_destroy(struct weir_health *health)
{
	if (health) {
		pthread_mutex_destroy(&health->lock);
		free(health);
	}
}

static struct weir_buf status_message(status_of_service status)
{
	Grpc__Health__V1__HealthCheckResponse response;
	uint8_t bytes[STATUS_BYTES];
	struct weir_buf message;

	grpc__health__v1__health_check_response__init(&response);
	response.status = status;
	weir_buf_init(&message, 0);
	weir_buf_add(&message, bytes, grpc__health__v1__health_check_response__pack(&response, bytes));
	return message;
}

void weir_health_set_serving(struct weir_health *health, bool is_serving)
{
	pthread_mutex_lock(&health->lock);
	if (health->is_serving != is_serving) {
		health->is_serving = is_serving;
		for (struct watcher *watcher = health->watchers; watcher; watcher = watcher->next) {
			if (watcher->is_known) {
				weir_grpc_talk_say(watcher->talk, status_message(is_serving ? SERVING : NOT_SERVING));
			}
		}
	}
	pthread_mutex_unlock(&health->lock);
}

static bool is_listed(const struct weir_health *health, const char *service)
{
	if (service[0] == '\0') {
		return true;
	}
	for (size_t i = 0; i < health->service_count; i++) {
		if (strcmp(service, health->services[i]) == 0) {
			return true;
		}
	}
	return false;
}

static status_of_service status_now(struct weir_health *health)
{
	bool is_serving;

	pthread_mutex_lock(&health->lock);
	is_serving = health->is_serving;
	pthread_mutex_unlock(&health->lock);
	return is_serving ? SERVING : NOT_SERVING;
}

/* The question, or NULL and the answer to what cannot be read. */
static Grpc__Health__V1__HealthCheckRequest *question_read(struct weir_str message, struct weir_grpc_answer *answer)
{
	Grpc__Health__V1__HealthCheckRequest *request =
		grpc__health__v1__health_check_request__unpack(NULL, message.length, (const uint8_t *)message.data);

	if (!request) {
		weir_stat_add(WEIR_STAT_MALFORMED_PROTOBUF, 1);
		answer->code = WEIR_GRPC_INVALID_ARGUMENT;
		answer->message = "not a HealthCheckRequest";
	}
	return request;
}

static void on_check(
	void *ctx, const struct weir_grpc_peer *peer, struct weir_str message, struct weir_grpc_answer *answer)
{
	Grpc__Health__V1__HealthCheckRequest *request = question_read(message, answer);
	struct weir_health *health = ctx;

	(void)peer;
	if (!request) {
		return;
	}
	if (is_listed(health, request->service)) {
		answer->body = status_message(status_now(health));
	} else {
		answer->code = WEIR_GRPC_NOT_FOUND;
		answer->message = "weir has no such service";
	}
	grpc__health__v1__health_check_request__free_unpacked(request, NULL);
}

static void on_list(
	void *ctx, const struct weir_grpc_peer *peer, struct weir_str message, struct weir_grpc_answer *answer)
{
	struct weir_health *health = ctx;
	size_t count = health->service_count + 1;
	Grpc__Health__V1__HealthListResponse__StatusesEntry *entries = calloc(count, sizeof(*entries));
	Grpc__Health__V1__HealthListResponse__StatusesEntry **list = calloc(count, sizeof(void *));
	Grpc__Health__V1__HealthCheckResponse status;
	Grpc__Health__V1__HealthListResponse response;
	char *room;

	(void)peer;
	(void)message; /* its message has no fields */
	grpc__health__v1__health_check_response__init(&status);
	grpc__health__v1__health_list_response__init(&response);
	status.status = status_now(health);
	for (size_t i = 0; entries && list && i < count; i++) {
		grpc__health__v1__health_list_response__statuses_entry__init(&entries[i]);
		entries[i].key = (char *)(uintptr_t)(i == 0 ? "" : health->services[i - 1]); /* only read */
		entries[i].value = &status;
		list[i] = &entries[i];
	}
	if (entries && list) {
		response.n_statuses = count;
		response.statuses = list;
		room = weir_buf_reserve(
			&answer->body, grpc__health__v1__health_list_response__get_packed_size(&response));
		if (room) {
			weir_buf_advance(&answer->body,
				grpc__health__v1__health_list_response__pack(&response, (uint8_t *)room));
		}
	} else {
		answer->code = WEIR_GRPC_INTERNAL;
		answer->message = "out of memory";
	}
	free(entries);
	free(list);
}

static int watch_open(void *ctx, const struct weir_grpc_peer *peer, struct weir_grpc_talk *talk, void **ret_stream)
{
	struct watcher *watcher = calloc(1, sizeof(*watcher));
	struct weir_health *health = ctx;

	(void)peer;
	if (!watcher) {
		return -ENOMEM;
	}
	watcher->talk = talk;
	pthread_mutex_lock(&health->lock);
	watcher->next = health->watchers;
	if (watcher->next) {
		watcher->next->previous = watcher;
	}
	health->watchers = watcher;
	pthread_mutex_unlock(&health->lock);
	*ret_stream = watcher;
	return 0;
}

static void watch_message(void *ctx, void *stream, struct weir_str message, struct weir_grpc_answer *answer)
{
	struct watcher *watcher = stream;
	struct weir_health *health = ctx;
	Grpc__Health__V1__HealthCheckRequest *request;
	status_of_service status = UNKNOWN_SERVICE;

	if (watcher->is_asked) {
		answer->code = WEIR_GRPC_INVALID_ARGUMENT;
		answer->message = "Watch takes one question";
		return;
	}
	request = question_read(message, answer);
	if (!request) {
		return;
	}
	pthread_mutex_lock(&health->lock);
	watcher->is_asked = true;
	watcher->is_known = is_listed(health, request->service);
	if (watcher->is_known) {
		status = health->is_serving ? SERVING : NOT_SERVING;
	}
	weir_grpc_talk_say(watcher->talk, status_message(status));
	pthread_mutex_unlock(&health->lock);
	grpc__health__v1__health_check_request__free_unpacked(request, NULL);
}

/* A call that ends without a question has nothing to wait for. */
static bool watch_end(void *ctx, void *stream)
{
	const struct watcher *watcher = stream;

	(void)ctx;
	return !watcher->is_asked;
}

static void watch_close(void *ctx, void *stream)
{
	struct watcher *watcher = stream;
	struct weir_health *health = ctx;

	pthread_mutex_lock(&health->lock);
	if (watcher->previous) {
		watcher->previous->next = watcher->next;
	} else {
		health->watchers = watcher->next;
	}
	if (watcher->next) {
		watcher->next->previous = watcher->previous;
	}
	pthread_mutex_unlock(&health->lock);
	free(watcher);
}

void weir_health_grpc(struct weir_health *health, struct weir_grpc_method ret_methods[WEIR_HEALTH_METHODS])
{
	static const struct weir_grpc_talk_fns watch = { watch_open, watch_message, watch_end, watch_close };

	ret_methods[0] = (struct weir_grpc_method){ .path = SERVICE "Check", .unary = on_check, .ctx = health };
	ret_methods[1] = (struct weir_grpc_method){ .path = SERVICE "List", .unary = on_list, .ctx = health };
	ret_methods[2] = (struct weir_grpc_method){ .path = SERVICE "Watch", .talk = &watch, .ctx = health };
}
