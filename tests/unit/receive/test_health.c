/* health: Check's four answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "receive/receive.h"
#include "tests/unit/decode/encode.h"

static const char *const services[] = { "a.A", "b.B" };

static struct weir_grpc_answer check(struct weir_health *health, const char *service)
{
	struct weir_grpc_answer answer = { 0 };
	struct weir_grpc_peer peer = { 0 };
	struct weir_grpc_method method;
	struct weir_buf message = { 0 };

	weir_health_grpc(health, &method);
	assert_string_equal(method.path, "/grpc.health.v1.Health/Check");
	if (service) {
		encode_text(&message, 1, service);
	}
	method.unary(method.ctx, &peer, weir_buf_str(&message), &answer);
	weir_buf_fini(&message);
	return answer;
}

static void says(struct weir_health *health, const char *service, const char *status)
{
	struct weir_grpc_answer answer = check(health, service);

	assert_int_equal(answer.code, WEIR_GRPC_OK);
	assert_int_equal(answer.body.length, 2);
	assert_memory_equal(answer.body.data, status, 2);
	weir_buf_fini(&answer.body);
}

static void listed_services_and_the_server_serve_until_told_otherwise(void **state)
{
	struct weir_health *health;

	(void)state;
	assert_int_equal(weir_health_create(services, 2, &health), 0);
	says(health, NULL, "\x08\x01");
	says(health, "", "\x08\x01");
	says(health, "b.B", "\x08\x01");
	weir_health_set_serving(health, false);
	says(health, "", "\x08\x02");
	says(health, "a.A", "\x08\x02");
	weir_health_set_serving(health, true);
	says(health, "a.A", "\x08\x01");
	weir_health_destroy(health);
}

static void unknown_service_is_not_found(void **state)
{
	struct weir_health *health;
	struct weir_grpc_answer answer;

	(void)state;
	assert_int_equal(weir_health_create(services, 2, &health), 0);
	answer = check(health, "a.AA");
	assert_int_equal(answer.code, WEIR_GRPC_NOT_FOUND);
	assert_int_equal(answer.body.length, 0);
	weir_health_destroy(health);
	weir_health_destroy(NULL);
}

static void malformed_question_is_refused(void **state)
{
	struct weir_grpc_answer answer = { 0 };
	struct weir_grpc_peer peer = { 0 };
	struct weir_grpc_method method;
	struct weir_health *health;

	(void)state;
	assert_int_equal(weir_health_create(services, 2, &health), 0);
	weir_health_grpc(health, &method);
	method.unary(method.ctx, &peer, weir_str_of("\x0a\x7f"), &answer);
	assert_int_equal(answer.code, WEIR_GRPC_INVALID_ARGUMENT);
	weir_health_destroy(health);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listed_services_and_the_server_serve_until_told_otherwise),
		cmocka_unit_test(unknown_service_is_not_found),
		cmocka_unit_test(malformed_question_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
