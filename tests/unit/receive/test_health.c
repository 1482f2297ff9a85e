/* health: Check, List and Watch, and what a change says to whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "grpc/health/v1/health.pb-c.h"
#include "receive/receive.h"
#include "talk.h"
#include "tests/unit/decode/encode.h"

static const char *const services[] = { "a.A", "b.B" };

static struct weir_grpc_answer check(struct weir_health *health, const char *service)
{
	struct weir_grpc_answer answer = { 0 };
	struct weir_grpc_peer peer = { 0 };
	struct weir_grpc_method methods[WEIR_HEALTH_METHODS];
	struct weir_buf message = { 0 };

	weir_health_grpc(health, methods);
	assert_string_equal(methods[0].path, "/grpc.health.v1.Health/Check");
	if (service) {
		encode_text(&message, 1, service);
	}
	methods[0].unary(methods[0].ctx, &peer, weir_buf_str(&message), &answer);
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
	struct weir_grpc_method methods[WEIR_HEALTH_METHODS];
	struct weir_health *health;

	(void)state;
	assert_int_equal(weir_health_create(services, 2, &health), 0);
	weir_health_grpc(health, methods);
	methods[0].unary(methods[0].ctx, &peer, weir_str_of("\x0a\x7f"), &answer);
	assert_int_equal(answer.code, WEIR_GRPC_INVALID_ARGUMENT);
	weir_health_destroy(health);
}

static void list_names_every_service_and_the_server(void **state)
{
	struct weir_grpc_method methods[WEIR_HEALTH_METHODS];
	Grpc__Health__V1__HealthListResponse *response;
	struct weir_grpc_answer answer = { 0 };
	struct weir_grpc_peer peer = { 0 };
	struct weir_health *health;
	const char *const names[] = { "", "a.A", "b.B" };

	(void)state;
	assert_int_equal(weir_health_create(services, 2, &health), 0);
	weir_health_set_serving(health, false);
	weir_health_grpc(health, methods);
	assert_string_equal(methods[1].path, "/grpc.health.v1.Health/List");
	methods[1].unary(methods[1].ctx, &peer, weir_str_of(""), &answer);
	assert_int_equal(answer.code, WEIR_GRPC_OK);
	response = grpc__health__v1__health_list_response__unpack(
		NULL, answer.body.length, (const uint8_t *)answer.body.data);
	assert_non_null(response);
	assert_int_equal(response->n_statuses, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(response->statuses[i]->key, names[i]);
		assert_int_equal(response->statuses[i]->value->status, 2);
	}
	grpc__health__v1__health_list_response__free_unpacked(response, NULL);
	weir_buf_fini(&answer.body);
	weir_health_destroy(health);
}

/* A watcher as a listener sees it. */
struct watch {
	struct weir_grpc_method methods[WEIR_HEALTH_METHODS];
	struct weir_grpc_talk talk;
	void *stream;
	struct weir_grpc_answer answer;
};

static void watch_open(struct weir_health *health, struct watch *watch)
{
	struct weir_grpc_peer peer = { 0 };

	weir_health_grpc(health, watch->methods);
	assert_string_equal(watch->methods[2].path, "/grpc.health.v1.Health/Watch");
	assert_int_equal(watch->methods[2].talk->open(health, &peer, &watch->talk, &watch->stream), 0);
}

static void watch_ask(struct weir_health *health, struct watch *watch, const char *service)
{
	struct weir_buf message = { 0 };

	encode_text(&message, 1, service);
	watch->methods[2].talk->message(health, watch->stream, weir_buf_str(&message), &watch->answer);
	weir_buf_fini(&message);
}

static void watch_close(struct weir_health *health, struct watch *watch)
{
	watch->methods[2].talk->close(health, watch->stream);
	talk_fini(&watch->talk);
}

static void heard(struct watch *watch, const char *status)
{
	struct weir_str message = talk_next(&watch->talk);

	assert_int_equal(message.length, 2);
	assert_memory_equal(message.data, status, 2);
}

static void watcher_hears_the_state_at_once_and_then_every_change_once(void **state)
{
	struct watch watch = { 0 };
	struct weir_health *health;

	(void)state;
	assert_int_equal(weir_health_create(services, 2, &health), 0);
	watch_open(health, &watch);
	weir_health_set_serving(health, false); /* not asked yet: heard with the answer */
	watch_ask(health, &watch, "b.B");
	heard(&watch, "\x08\x02");
	weir_health_set_serving(health, false);
	weir_health_set_serving(health, true);
	weir_health_set_serving(health, true);
	heard(&watch, "\x08\x01");
	weir_health_set_serving(health, false);
	heard(&watch, "\x08\x02");
	assert_null(talk_next(&watch.talk).data);
	assert_int_equal(watch.answer.code, WEIR_GRPC_OK);
	assert_false(watch.methods[2].talk->end(health, watch.stream)); /* half-closed: the stream goes on */
	watch_close(health, &watch);
	weir_health_set_serving(health, true); /* nobody is left to hear it */
	weir_health_destroy(health);
}

static void watcher_of_an_unknown_service_hears_so_and_stays(void **state)
{
	struct watch watch = { 0 };
	struct weir_health *health;

	(void)state;
	assert_int_equal(weir_health_create(services, 2, &health), 0);
	watch_open(health, &watch);
	watch_ask(health, &watch, "no.Such");
	heard(&watch, "\x08\x03");
	weir_health_set_serving(health, false);
	assert_null(talk_next(&watch.talk).data); /* unknown stays unknown */
	assert_int_equal(watch.answer.code, WEIR_GRPC_OK);
	watch_close(health, &watch);
	weir_health_destroy(health);
}

static void watchers_close_in_any_order(void **state)
{
	static const unsigned orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 0, 2 }, { 1, 2, 0 } };

	(void)state;
	for (size_t k = 0; k < sizeof(orders) / sizeof(orders[0]); k++) {
		struct watch watches[3] = { 0 };
		struct weir_health *health;
		bool is_serving = true;

		assert_int_equal(weir_health_create(services, 2, &health), 0);
		for (size_t i = 0; i < 3; i++) {
			watch_open(health, &watches[i]);
			watch_ask(health, &watches[i], "");
			heard(&watches[i], "\x08\x01");
		}
		for (size_t i = 0; i < 3; i++) {
			watch_close(health, &watches[orders[k][i]]);
			is_serving = !is_serving;
			weir_health_set_serving(health, is_serving);
			for (size_t j = i + 1; j < 3; j++) {
				heard(&watches[orders[k][j]], is_serving ? "\x08\x01" : "\x08\x02");
			}
		}
		weir_health_destroy(health);
	}
}

static void watch_takes_one_question_that_can_be_read(void **state)
{
	struct watch watch = { 0 };
	struct weir_health *health;

	(void)state;
	assert_int_equal(weir_health_create(services, 2, &health), 0);
	watch_open(health, &watch);
	watch_ask(health, &watch, "");
	watch_ask(health, &watch, "");
	assert_int_equal(watch.answer.code, WEIR_GRPC_INVALID_ARGUMENT);
	watch_close(health, &watch);
	watch = (struct watch){ 0 };
	watch_open(health, &watch);
	watch.methods[2].talk->message(health, watch.stream, weir_str_of("\x0a\x7f"), &watch.answer);
	assert_int_equal(watch.answer.code, WEIR_GRPC_INVALID_ARGUMENT);
	assert_true(watch.methods[2].talk->end(health, watch.stream)); /* nothing was asked: nothing to wait for */
	watch_close(health, &watch);
	weir_health_destroy(health);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listed_services_and_the_server_serve_until_told_otherwise),
		cmocka_unit_test(unknown_service_is_not_found),
		cmocka_unit_test(malformed_question_is_refused),
		cmocka_unit_test(list_names_every_service_and_the_server),
		cmocka_unit_test(watcher_hears_the_state_at_once_and_then_every_change_once),
		cmocka_unit_test(watcher_of_an_unknown_service_hears_so_and_stays),
		cmocka_unit_test(watchers_close_in_any_order),
		cmocka_unit_test(watch_takes_one_question_that_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
