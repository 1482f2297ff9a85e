/* health: grpc.health.v1.Health/Check, which Kubernetes' probes ask.
 *
 *   service ""         the whole server      ┐ SERVING, or NOT_SERVING from the
 *   a listed service   one of ours           ┘ moment that main.c says so
 *   another            NOT_FOUND (the protocol's answer, not an error of ours)
 *
 * Serving is one flag for all: weir takes everything or stops as a whole.
 *
 * The answer is made on the gRPC listener's thread; the flag may be set by any. */
#include "receive/receive.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "grpc/health/v1/health.pb-c.h"

#include "base/stat.h"

#define METHOD "/grpc.health.v1.Health/Check"

struct weir_health {
	const char *const *services; /* the caller's, static */
	size_t service_count;
	atomic_bool is_serving;
};

int weir_health_create(const char *const *services, size_t service_count, struct weir_health **ret)
{
	struct weir_health *health = calloc(1, sizeof(*health));

	if (!health) {
		return -ENOMEM;
	}
	health->services = services;
	health->service_count = service_count;
	atomic_init(&health->is_serving, true);
	*ret = health;
	return 0;
}

void weir_health_destroy(struct weir_health *health)
{
	free(health);
}

void weir_health_set_serving(struct weir_health *health, bool is_serving)
{
	atomic_store(&health->is_serving, is_serving);
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

static void answer_status(const struct weir_health *health, struct weir_grpc_answer *answer)
{
	Grpc__Health__V1__HealthCheckResponse response;
	uint8_t bytes[16];

	grpc__health__v1__health_check_response__init(&response);
	response.status = atomic_load(&health->is_serving)
				  ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
				  : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
	weir_buf_add(&answer->body, bytes, grpc__health__v1__health_check_response__pack(&response, bytes));
}

static void on_check(
	void *ctx, const struct weir_grpc_peer *peer, struct weir_str message, struct weir_grpc_answer *answer)
{
	const struct weir_health *health = ctx;
	Grpc__Health__V1__HealthCheckRequest *request =
		grpc__health__v1__health_check_request__unpack(NULL, message.length, (const uint8_t *)message.data);

	(void)peer;
	if (!request) {
		weir_stat_add(WEIR_STAT_MALFORMED_PROTOBUF, 1);
		answer->code = WEIR_GRPC_INVALID_ARGUMENT;
		answer->message = "not a HealthCheckRequest";
		return;
	}
	if (is_listed(health, request->service)) {
		answer_status(health, answer);
	} else {
		answer->code = WEIR_GRPC_NOT_FOUND;
		answer->message = "weir has no such service";
	}
	grpc__health__v1__health_check_request__free_unpacked(request, NULL);
}

void weir_health_grpc(struct weir_health *health, struct weir_grpc_method *ret_method)
{
	*ret_method = (struct weir_grpc_method){ .path = METHOD, .unary = on_check, .ctx = health };
}
