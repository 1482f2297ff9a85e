/* test_reflection: every question of the protocol, and that all symbols of all files are found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "decode/wire.h"
#include "descriptors.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "receive/receive.h"
#include "talk.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest request_of_client;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_to_client;

#define ASKS(what) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##what
#define ANSWERS(what) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##what

static const char *const services[] = { "grpc.health.v1.Health", "a.B" };

struct fixture {
	struct weir_reflection *reflection;
	struct weir_grpc_method methods[WEIR_REFLECTION_METHODS];
	struct weir_grpc_talk talk;
	struct weir_grpc_answer answer;
	void *stream;
	response_to_client *response;
};

static int setup(void **state)
{
	static struct fixture fixture;
	struct weir_grpc_peer peer = { 0 };

	fixture = (struct fixture){ 0 };
	assert_int_equal(weir_reflection_create(services, 2, &fixture.reflection), 0);
	weir_reflection_grpc(fixture.reflection, fixture.methods);
	assert_int_equal(fixture.methods[0].talk->open(fixture.reflection, &peer, &fixture.talk, &fixture.stream), 0);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	fixture->methods[0].talk->close(fixture->reflection, fixture->stream);
	if (fixture->response != NULL) {
		grpc__reflection__v1__server_reflection_response__free_unpacked(fixture->response, NULL);
	}
	talk_fini(&fixture->talk);
	weir_reflection_destroy(fixture->reflection);
	return 0;
}

/* Asks, and reads the one answer. */
static const response_to_client *ask(struct fixture *fixture, request_of_client *request)
{
	uint8_t bytes[1024];
	size_t length = grpc__reflection__v1__server_reflection_request__pack(request, bytes);
	struct weir_str said;

	if (fixture->response != NULL) {
		grpc__reflection__v1__server_reflection_response__free_unpacked(fixture->response, NULL);
	}
	talk_fini(&fixture->talk);
	fixture->methods[0].talk->message(
		fixture->reflection, fixture->stream, weir_str_make((const char *)bytes, length), &fixture->answer);
	assert_int_equal(fixture->answer.code, WEIR_GRPC_OK);
	said = talk_next(&fixture->talk);
	assert_non_null(said.data);
	assert_null(talk_next(&fixture->talk).data);
	fixture->response =
		grpc__reflection__v1__server_reflection_response__unpack(NULL, said.length, (const uint8_t *)said.data);
	assert_non_null(fixture->response);
	return fixture->response;
}

static const response_to_client *ask_text(struct fixture *fixture, int kind, const char *text)
{
	request_of_client request;

	grpc__reflection__v1__server_reflection_request__init(&request);
	request.message_request_case = kind;
	request.file_by_filename = (char *)(uintptr_t)text; /* all texts of the oneof lie in one place */
	return ask(fixture, &request);
}

/* The name of the file that the answer holds; NULL: it is NOT_FOUND. */
static const char *file_of(const response_to_client *response)
{
	static char name[256];
	struct weir_wire wire;
	struct weir_wire_field field;

	if (response->message_response_case == ANSWERS(ERROR_RESPONSE)) {
		assert_int_equal(response->error_response->error_code, WEIR_GRPC_NOT_FOUND);
		assert_string_not_equal(response->error_response->error_message, "");
		return NULL;
	}
	assert_int_equal(response->message_response_case, ANSWERS(FILE_DESCRIPTOR_RESPONSE));
	assert_int_equal(response->file_descriptor_response->n_file_descriptor_proto, 1);
	wire = weir_wire_of(
		weir_str_make((const char *)response->file_descriptor_response->file_descriptor_proto[0].data,
			response->file_descriptor_response->file_descriptor_proto[0].len));
	assert_true(weir_wire_next(&wire, &field));
	assert_int_equal(field.number, 1);
	snprintf(name, sizeof(name), "%.*s", (int)field.bytes.length, field.bytes.data);
	return name;
}

static const char *file_with(struct fixture *fixture, const char *symbol)
{
	return file_of(ask_text(fixture, ASKS(FILE_CONTAINING_SYMBOL), symbol));
}

static void services_are_listed_as_given(void **state)
{
	const response_to_client *response = ask_text(*state, ASKS(LIST_SERVICES), "*");

	assert_int_equal(response->message_response_case, ANSWERS(LIST_SERVICES_RESPONSE));
	assert_int_equal(response->list_services_response->n_service, 2);
	assert_string_equal(response->list_services_response->service[0]->name, "grpc.health.v1.Health");
	assert_string_equal(response->list_services_response->service[1]->name, "a.B");
}

static void both_versions_are_served_by_the_same_functions(void **state)
{
	const struct fixture *fixture = *state;

	assert_string_equal(fixture->methods[0].path, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
	assert_string_equal(fixture->methods[1].path, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo");
	assert_ptr_equal(fixture->methods[0].talk, fixture->methods[1].talk);
}

static void question_and_host_are_echoed(void **state)
{
	const response_to_client *response;
	request_of_client request;
	char host[] = "weir.example", name[] = "no/such.proto";

	grpc__reflection__v1__server_reflection_request__init(&request);
	request.host = host;
	request.message_request_case = ASKS(FILE_BY_FILENAME);
	request.file_by_filename = name;
	response = ask(*state, &request);
	assert_string_equal(response->valid_host, host);
	assert_string_equal(response->original_request->host, host);
	assert_int_equal(response->original_request->message_request_case, ASKS(FILE_BY_FILENAME));
	assert_string_equal(response->original_request->file_by_filename, name);
	assert_null(file_of(response));
}

static void file_is_found_by_its_canonical_name(void **state)
{
	static const char *const names[] = { "grpc/health/v1/health.proto", "google/protobuf/timestamp.proto",
		"opentelemetry/proto/trace/v1/trace.proto", "grpc/reflection/v1alpha/reflection.proto" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_string_equal(file_of(ask_text(*state, ASKS(FILE_BY_FILENAME), names[i])), names[i]);
	}
	assert_null(file_of(ask_text(*state, ASKS(FILE_BY_FILENAME), "health.proto")));
	assert_null(file_of(ask_text(*state, ASKS(FILE_BY_FILENAME), "")));
}

static void symbol_of_every_kind_is_found(void **state)
{
	static const char *const symbols[] = {
		"grpc.health.v1.Health",                                    /* service */
		"grpc.health.v1.Health.Watch",                              /* method */
		"grpc.health.v1.HealthCheckResponse",                       /* message */
		"grpc.health.v1.HealthCheckResponse.status",                /* field */
		"grpc.health.v1.HealthCheckResponse.ServingStatus",         /* nested enum */
		"grpc.health.v1.HealthCheckResponse.SERVICE_UNKNOWN",       /* value, in the scope of its enum */
		"grpc.health.v1.HealthCheckResponse.ServingStatus.SERVING", /* and as some clients write it */
		"grpc.health.v1.HealthListResponse.StatusesEntry",          /* nested message */
		"grpc.health.v1.HealthListResponse.StatusesEntry.key",
	};

	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		assert_string_equal(file_with(*state, symbols[i]), "grpc/health/v1/health.proto");
	}
	assert_string_equal(
		file_with(*state, "google.protobuf.Value.kind"), "google/protobuf/struct.proto"); /* oneof */
	assert_string_equal(file_with(*state, "google.protobuf.NULL_VALUE"), "google/protobuf/struct.proto");
}

static void what_is_no_symbol_is_not_found(void **state)
{
	static const char *const names[] = { "", ".", "grpc", "grpc.health.v1", "grpc.health.v1.",
		"grpc.health.v1.Nothing", ".grpc.health.v1.Health", "grpc.health.v1.Health.Watch.more",
		"grpc.health.v1.Health.", "grpc.health.v1.Health..Watch", "grpc.health.v1xHealth",
		"grpc.health.v1.HealthCheckResponse.KNOWN", "grpc.health.v1.SERVING", "Health" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *file = file_with(*state, names[i]);

		assert_true(file == NULL || (print_error("%s is in %s\n", names[i], file), false));
	}
}

/* Walks a descriptor as descriptor.proto has it and asks for each message, enum and service by its full name. */
static size_t ask_for_all(struct fixture *fixture, struct weir_str descriptor, struct weir_str prefix, bool is_file)
{
	struct weir_wire wire = weir_wire_of(descriptor);
	struct weir_wire_field field;
	size_t asked = 0;

	while (weir_wire_next(&wire, &field)) {
		bool is_message = field.number == (is_file ? 4 : 3), is_enum = field.number == (is_file ? 5 : 4);
		bool is_service = is_file && field.number == 6;
		struct weir_wire inner;
		struct weir_wire_field name = { 0 };
		char full[512];

		if (!is_message && !is_enum && !is_service) {
			continue;
		}
		inner = weir_wire_of(field.bytes);
		assert_true(weir_wire_next(&inner, &name) && name.number == 1);
		snprintf(full, sizeof(full), "%.*s.%.*s", (int)prefix.length, prefix.data, (int)name.bytes.length,
			name.bytes.data);
		if (file_with(fixture, full) == NULL) {
			fail_msg("%s is not found", full);
		}
		asked++;
		if (is_message) {
			asked += ask_for_all(fixture, field.bytes, weir_str_of(full), false);
		}
	}
	return asked;
}

static void every_message_of_every_file_is_found(void **state)
{
	struct weir_wire set = weir_wire_of(weir_str_make((const char *)weir_descriptors, weir_descriptors_bytes));
	struct weir_wire_field file;
	size_t files = 0, asked = 0;

	while (weir_wire_next(&set, &file)) {
		struct weir_wire wire = weir_wire_of(file.bytes);
		struct weir_str package = weir_str_of("");
		struct weir_wire_field field;
		char copy[256];

		while (weir_wire_next(&wire, &field)) {
			package = field.number == 2 ? field.bytes : package;
		}
		snprintf(copy, sizeof(copy), "%.*s", (int)package.length, package.data);
		asked += ask_for_all(*state, file.bytes, weir_str_of(copy), true);
		files++;
	}
	assert_false(set.is_malformed);
	assert_true(files > 15 && asked > 100);
}

static void extensions_are_none(void **state)
{
	Grpc__Reflection__V1__ExtensionRequest extension;
	const response_to_client *response;
	request_of_client request;
	char name[] = "grpc.health.v1.HealthCheckResponse";

	grpc__reflection__v1__extension_request__init(&extension);
	extension.containing_type = name;
	extension.extension_number = 5;
	grpc__reflection__v1__server_reflection_request__init(&request);
	request.message_request_case = ASKS(FILE_CONTAINING_EXTENSION);
	request.file_containing_extension = &extension;
	assert_null(file_of(ask(*state, &request)));
	response = ask_text(*state, ASKS(ALL_EXTENSION_NUMBERS_OF_TYPE), name);
	assert_int_equal(response->message_response_case, ANSWERS(ALL_EXTENSION_NUMBERS_RESPONSE));
	assert_string_equal(response->all_extension_numbers_response->base_type_name, name);
	assert_int_equal(response->all_extension_numbers_response->n_extension_number, 0);
	assert_null(file_of(ask_text(*state, ASKS(ALL_EXTENSION_NUMBERS_OF_TYPE), "grpc.health.v1.Health")));
	assert_null(file_of(ask_text(*state, ASKS(ALL_EXTENSION_NUMBERS_OF_TYPE), "no.Such")));
}

static void question_of_no_kind_is_an_error_in_the_stream(void **state)
{
	const response_to_client *response;
	request_of_client request;

	grpc__reflection__v1__server_reflection_request__init(&request);
	response = ask(*state, &request);
	assert_int_equal(response->message_response_case, ANSWERS(ERROR_RESPONSE));
	assert_int_equal(response->error_response->error_code, WEIR_GRPC_INVALID_ARGUMENT);
}

static void malformed_question_ends_the_stream(void **state)
{
	struct fixture *fixture = *state;
	struct weir_grpc_answer answer = { 0 };

	fixture->methods[0].talk->message(fixture->reflection, fixture->stream, weir_str_of("\x0a\x7f"), &answer);
	assert_int_equal(answer.code, WEIR_GRPC_INVALID_ARGUMENT);
	assert_null(talk_next(&fixture->talk).data);
	assert_true(fixture->methods[0].talk->end(fixture->reflection, fixture->stream));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(services_are_listed_as_given, setup, teardown),
		cmocka_unit_test_setup_teardown(both_versions_are_served_by_the_same_functions, setup, teardown),
		cmocka_unit_test_setup_teardown(question_and_host_are_echoed, setup, teardown),
		cmocka_unit_test_setup_teardown(file_is_found_by_its_canonical_name, setup, teardown),
		cmocka_unit_test_setup_teardown(symbol_of_every_kind_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_symbol_is_not_found, setup, teardown),
		cmocka_unit_test_setup_teardown(every_message_of_every_file_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(extensions_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(question_of_no_kind_is_an_error_in_the_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_question_ends_the_stream, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
