/* reflection: what weir serves and how its messages look, for grpcurl and its
 * kin. v1 and v1alpha have the same messages; one set of functions serves both.
 *
 *   list_services             the services of all methods
 *   file_by_filename          that file's descriptor
 *   file_containing_symbol    the file of a service, method, message, field,
 *                             oneof, enum or value (of the enum's scope, as in C++)
 *   file_containing_extension ┐ none of our files has any: NOT_FOUND, or no
 *   all_extension_numbers     ┘ numbers for a message that exists
 *   anything else             INVALID_ARGUMENT
 *
 * An error is an answer like another one: the stream stays open. Imports are not
 * sent along; clients ask for what they lack.
 *
 * The descriptors are the bytes that the build compiled from proto/
 * (descriptors.h). Nothing is copied or indexed: a file is looked for by its
 * package, and a symbol inside by walking down its name, so that a question
 * costs one pass over one file.
 *
 * Threads: the gRPC listener's. Nothing changes after create. */
#include "receive/receive.h"

#include <errno.h>
#include <stdlib.h>

#include "descriptors.h"
#include "grpc/reflection/v1/reflection.pb-c.h"

#include "base/err.h"
#include "base/stat.h"
#include "decode/wire.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest request_of_client;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_to_client;

#define ASKS(what) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##what
#define ANSWERS(what) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##what

/* Numbers of google/protobuf/descriptor.proto. */
enum { SET_FILE = 1 };
enum { FILE_NAME = 1, FILE_PACKAGE = 2, FILE_MESSAGE = 4, FILE_ENUM = 5, FILE_SERVICE = 6 };
enum { MESSAGE_FIELD = 2, MESSAGE_NESTED = 3, MESSAGE_ENUM = 4, MESSAGE_ONEOF = 8 };
enum { ENUM_VALUE = 2, SERVICE_METHOD = 2 };
enum { ANY_NAME = 1 }; /* of messages, fields, oneofs, enums, values, services and methods alike */

struct file {
	struct weir_str descriptor, name, package;
};

struct weir_reflection {
	const char *const *services; /* the caller's */
	size_t service_count;
	struct file *files;
	size_t file_count;
};

static struct weir_str name_of(struct weir_str descriptor)
{
	struct weir_wire wire = weir_wire_of(descriptor);
	struct weir_wire_field field;

	while (weir_wire_next(&wire, &field)) {
		if (field.number == ANY_NAME && field.type == WEIR_WIRE_BYTES) {
			return field.bytes;
		}
	}
	return weir_str_of("");
}

static struct file file_read(struct weir_str descriptor)
{
	struct file file = { .descriptor = descriptor, .package = weir_str_of("") };
	struct weir_wire wire = weir_wire_of(descriptor);
	struct weir_wire_field field;

	while (weir_wire_next(&wire, &field)) {
		if (field.number == FILE_NAME) {
			file.name = field.bytes;
		} else if (field.number == FILE_PACKAGE) {
			file.package = field.bytes;
		}
	}
	weir_assert(!wire.is_malformed); /* the build made it */
	return file;
}

int weir_reflection_create(const char *const *services, size_t service_count, struct weir_reflection **ret)
{
	struct weir_str set = weir_str_make((const char *)weir_descriptors, weir_descriptors_bytes);
	struct weir_reflection *reflection = calloc(1, sizeof(*reflection));
	struct weir_wire wire = weir_wire_of(set);
	struct weir_wire_field field;
	size_t count = 0;

	while (weir_wire_next(&wire, &field)) {
		count += field.number == SET_FILE;
	}
	if (reflection) {
		reflection->files = calloc(count + 1, sizeof(reflection->files[0]));
	}
	if (!reflection || !reflection->files) {
		weir_reflection_destroy(reflection);
		return -ENOMEM;
	}
	wire = weir_wire_of(set);
	while (weir_wire_next(&wire, &field)) {
		if (field.number == SET_FILE) {
			reflection->files[reflection->file_count++] = file_read(field.bytes);
		}
	}
	reflection->services = services;
	reflection->service_count = service_count;
	*ret = reflection;
	return 0;
}

void weir_reflection_destroy(struct weir_reflection *reflection)
{
	if (reflection) {
		free(reflection->files);
		free(reflection);
	}
}

/* ---- looking for a symbol ------------------------------------------------ */

enum scope { FILE_SCOPE, MESSAGE_SCOPE, ENUM_SCOPE, SERVICE_SCOPE, LEAF };

/* What a field of a descriptor is, seen from the scope that it stands in. */
static enum scope scope_below(enum scope scope, uint32_t number)
{
	if ((scope == FILE_SCOPE && number == FILE_MESSAGE) || (scope == MESSAGE_SCOPE && number == MESSAGE_NESTED)) {
		return MESSAGE_SCOPE;
	}
	if ((scope == FILE_SCOPE && number == FILE_ENUM) || (scope == MESSAGE_SCOPE && number == MESSAGE_ENUM)) {
		return ENUM_SCOPE;
	}
	if (scope == FILE_SCOPE && number == FILE_SERVICE) {
		return SERVICE_SCOPE;
	}
	if ((scope == MESSAGE_SCOPE && (number == MESSAGE_FIELD || number == MESSAGE_ONEOF)) ||
		(scope == ENUM_SCOPE && number == ENUM_VALUE) || (scope == SERVICE_SCOPE && number == SERVICE_METHOD)) {
		return LEAF;
	}
	return FILE_SCOPE; /* nothing that has a name */
}

static bool has_value(struct weir_str enumeration, struct weir_str name)
{
	struct weir_wire wire = weir_wire_of(enumeration);
	struct weir_wire_field field;

	while (weir_wire_next(&wire, &field)) {
		if (field.number == ENUM_VALUE && weir_str_equal(name_of(field.bytes), name)) {
			return true;
		}
	}
	return false;
}

/* Is there `path` ("Message.Nested.field") below this descriptor? Each turn of
 * the outer loop goes down one name. */
static bool has_symbol(struct weir_str descriptor, enum scope scope, struct weir_str path, enum scope *ret_scope)
{
	while (path.data) {
		struct weir_str name = weir_str_cut(&path, '.'), found = { NULL, 0 };
		struct weir_wire wire = weir_wire_of(descriptor);
		enum scope below = FILE_SCOPE;
		struct weir_wire_field field;

		while (!found.data && weir_wire_next(&wire, &field)) {
			enum scope kind = scope_below(scope, field.number);

			if (kind == FILE_SCOPE || field.type != WEIR_WIRE_BYTES) {
				continue;
			}
			if (weir_str_equal(name_of(field.bytes), name)) {
				found = field.bytes;
				below = kind;
			} else if (kind == ENUM_SCOPE && !path.data && has_value(field.bytes, name)) {
				found = field.bytes;
				below = LEAF;
			}
		}
		if (!found.data || name.length == 0) {
			return false;
		}
		descriptor = found;
		scope = below;
	}
	*ret_scope = scope;
	return scope != FILE_SCOPE;
}

/* The file that has a symbol of this full name, or NULL. */
static const struct file *file_with(const struct weir_reflection *reflection, const char *symbol, enum scope *ret_scope)
{
	struct weir_str name = weir_str_of(symbol);

	for (size_t i = 0; i < reflection->file_count; i++) {
		const struct file *file = &reflection->files[i];
		size_t skip = file->package.length > 0 ? file->package.length + 1 : 0;

		if (skip > 0 && (name.length <= skip || memcmp(name.data, file->package.data, skip - 1) != 0 ||
					name.data[skip - 1] != '.')) {
			continue;
		}
		if (has_symbol(file->descriptor, FILE_SCOPE, weir_str_make(name.data + skip, name.length - skip),
			    ret_scope)) {
			return file;
		}
	}
	return NULL;
}

static const struct file *file_named(const struct weir_reflection *reflection, const char *name)
{
	for (size_t i = 0; i < reflection->file_count; i++) {
		if (weir_str_is(reflection->files[i].name, name)) {
			return &reflection->files[i];
		}
	}
	return NULL;
}

/* ---- answering ----------------------------------------------------------- */

struct pieces { /* what an answer may point to */
	Grpc__Reflection__V1__ErrorResponse error;
	Grpc__Reflection__V1__FileDescriptorResponse files;
	Grpc__Reflection__V1__ExtensionNumberResponse numbers;
	Grpc__Reflection__V1__ListServiceResponse list;
	Grpc__Reflection__V1__ServiceResponse *services, **service_list;
	ProtobufCBinaryData file;
};

static void answer_error(
	response_to_client *response, struct pieces *pieces, enum weir_grpc_code code, const char *message)
{
	grpc__reflection__v1__error_response__init(&pieces->error);
	pieces->error.error_code = (int32_t)code;
	pieces->error.error_message = (char *)(uintptr_t)message; /* only read */
	response->message_response_case = ANSWERS(ERROR_RESPONSE);
	response->error_response = &pieces->error;
}

static void answer_file(response_to_client *response, struct pieces *pieces, const struct file *file)
{
	if (!file) {
		answer_error(response, pieces, WEIR_GRPC_NOT_FOUND, "weir has no such file or symbol");
		return;
	}
	grpc__reflection__v1__file_descriptor_response__init(&pieces->files);
	pieces->file.len = file->descriptor.length;
	pieces->file.data = (uint8_t *)(uintptr_t)file->descriptor.data; /* only read */
	pieces->files.n_file_descriptor_proto = 1;
	pieces->files.file_descriptor_proto = &pieces->file;
	response->message_response_case = ANSWERS(FILE_DESCRIPTOR_RESPONSE);
	response->file_descriptor_response = &pieces->files;
}

static void answer_numbers(const struct weir_reflection *reflection, response_to_client *response,
	struct pieces *pieces, char *message_name)
{
	enum scope scope = FILE_SCOPE;

	if (!file_with(reflection, message_name, &scope) || scope != MESSAGE_SCOPE) {
		answer_error(response, pieces, WEIR_GRPC_NOT_FOUND, "weir has no such message");
		return;
	}
	grpc__reflection__v1__extension_number_response__init(&pieces->numbers);
	pieces->numbers.base_type_name = message_name;
	response->message_response_case = ANSWERS(ALL_EXTENSION_NUMBERS_RESPONSE);
	response->all_extension_numbers_response = &pieces->numbers;
}

static void answer_services(
	const struct weir_reflection *reflection, response_to_client *response, struct pieces *pieces)
{
	size_t count = reflection->service_count;

	pieces->services = calloc(count + 1, sizeof(pieces->services[0]));
	pieces->service_list = calloc(count + 1, sizeof(pieces->service_list[0]));
	if (!pieces->services || !pieces->service_list) {
		answer_error(response, pieces, WEIR_GRPC_INTERNAL, "out of memory");
		return;
	}
	grpc__reflection__v1__list_service_response__init(&pieces->list);
	for (size_t i = 0; i < count; i++) {
		grpc__reflection__v1__service_response__init(&pieces->services[i]);
		pieces->services[i].name = (char *)(uintptr_t)reflection->services[i]; /* only read */
		pieces->service_list[i] = &pieces->services[i];
	}
	pieces->list.n_service = count;
	pieces->list.service = pieces->service_list;
	response->message_response_case = ANSWERS(LIST_SERVICES_RESPONSE);
	response->list_services_response = &pieces->list;
}

static void answer_of(const struct weir_reflection *reflection, request_of_client *request,
	response_to_client *response, struct pieces *pieces)
{
	enum scope scope;

	switch (request->message_request_case) {
	case ASKS(FILE_BY_FILENAME):
		answer_file(response, pieces, file_named(reflection, request->file_by_filename));
		break;
	case ASKS(FILE_CONTAINING_SYMBOL):
		answer_file(response, pieces, file_with(reflection, request->file_containing_symbol, &scope));
		break;
	case ASKS(FILE_CONTAINING_EXTENSION):
		answer_error(response, pieces, WEIR_GRPC_NOT_FOUND, "weir's files have no extensions");
		break;
	case ASKS(ALL_EXTENSION_NUMBERS_OF_TYPE):
		answer_numbers(reflection, response, pieces, request->all_extension_numbers_of_type);
		break;
	case ASKS(LIST_SERVICES):
		answer_services(reflection, response, pieces);
		break;
	default:
		answer_error(response, pieces, WEIR_GRPC_INVALID_ARGUMENT, "a question of no known kind");
		break;
	}
}

static void on_message(void *ctx, void *stream, struct weir_str message, struct weir_grpc_answer *answer)
{
	request_of_client *request = grpc__reflection__v1__server_reflection_request__unpack(
		NULL, message.length, (const uint8_t *)message.data);
	struct pieces pieces = { 0 };
	response_to_client response;
	struct weir_buf body;
	char *room;

	if (!request) {
		weir_stat_add(WEIR_STAT_MALFORMED_PROTOBUF, 1);
		answer->code = WEIR_GRPC_INVALID_ARGUMENT;
		answer->message = "not a ServerReflectionRequest";
		return;
	}
	grpc__reflection__v1__server_reflection_response__init(&response);
	response.valid_host = request->host;
	response.original_request = request;
	answer_of(ctx, request, &response, &pieces);
	weir_buf_init(&body, 0);
	room = weir_buf_reserve(&body, grpc__reflection__v1__server_reflection_response__get_packed_size(&response));
	if (room) {
		weir_buf_advance(
			&body, grpc__reflection__v1__server_reflection_response__pack(&response, (uint8_t *)room));
	}
	weir_grpc_talk_say(stream, body);
	free(pieces.services);
	free(pieces.service_list);
	grpc__reflection__v1__server_reflection_request__free_unpacked(request, NULL);
}

static int on_open(void *ctx, const struct weir_grpc_peer *peer, struct weir_grpc_talk *talk, void **ret_stream)
{
	(void)ctx;
	(void)peer;
	*ret_stream = talk; /* all there is to remember */
	return 0;
}

static bool on_end(void *ctx, void *stream)
{
	(void)ctx;
	(void)stream;
	return true;
}

static void on_close(void *ctx, void *stream)
{
	(void)ctx;
	(void)stream;
}

void weir_reflection_grpc(
	struct weir_reflection *reflection, struct weir_grpc_method ret_methods[WEIR_REFLECTION_METHODS])
{
	static const struct weir_grpc_talk_fns fns = { on_open, on_message, on_end, on_close };
	static const char *const paths[WEIR_REFLECTION_METHODS] = {
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
	};

	for (size_t i = 0; i < WEIR_REFLECTION_METHODS; i++) {
		ret_methods[i] = (struct weir_grpc_method){ .path = paths[i], .talk = &fns, .ctx = reflection };
	}
}
