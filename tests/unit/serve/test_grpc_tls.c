/* test_grpc_tls: TLS ports of gRPC: whose call it is, who is refused and why, and new certificates while connections live. */
#include "serve/grpc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <grpc/grpc_security.h>

#include "authority.h"
#include "base/stat.h"
#include "grpc_client.h"

#define SPIFFE "spiffe://cluster.local/ns/default/sa/reviews"
#define UNARY "/weir.test.Test/Unary"
#define STREAM "/weir.test.Test/Stream"
#define TALK "/weir.test.Test/Talk"
#define REFUSED_MS 1500 /* a client that is refused tries again and again */

struct fixture {
	struct identity_files files;
	struct identity root, server;
	struct weir_buf why;
	struct weir_tls *tls;
	struct weir_grpc *grpc;
	char identity[128]; /* of the stream at hand */
};

/* ---- every kind of call answers who it was ---------------------------------- */

static void unary(
	void *ctx, const struct weir_grpc_peer *peer, struct weir_str message, struct weir_grpc_answer *answer)
{
	(void)ctx;
	(void)message;
	weir_buf_addf(&answer->body, "who=%.*s", (int)peer->identity.length,
		peer->identity.data != NULL ? peer->identity.data : "");
}

static int stream_open(void *ctx, const struct weir_grpc_peer *peer, void **ret_stream)
{
	struct fixture *f = ctx;

	snprintf(f->identity, sizeof(f->identity), "who=%.*s", (int)peer->identity.length,
		peer->identity.data != NULL ? peer->identity.data : "");
	*ret_stream = f;
	return 0;
}

static int stream_message(void *ctx, void *stream, struct weir_str message, struct weir_grpc_answer *answer)
{
	(void)ctx;
	(void)stream;
	(void)message;
	(void)answer;
	return 0;
}

static void stream_end(void *ctx, void *stream, struct weir_grpc_answer *answer)
{
	struct fixture *f = ctx;

	(void)stream;
	weir_buf_add_text(&answer->body, f->identity);
}

static void stream_close(void *ctx, void *stream)
{
	(void)ctx;
	(void)stream;
}

static int talk_open(void *ctx, const struct weir_grpc_peer *peer, struct weir_grpc_talk *talk, void **ret_stream)
{
	struct weir_grpc_answer answer = { 0 };

	unary(ctx, peer, weir_str_of(""), &answer);
	weir_grpc_talk_say(talk, answer.body);
	*ret_stream = talk;
	return 0;
}

static void talk_message(void *ctx, void *stream, struct weir_str message, struct weir_grpc_answer *answer)
{
	(void)ctx;
	(void)stream;
	(void)message;
	(void)answer;
}

static bool talk_end(void *ctx, void *stream)
{
	(void)ctx;
	(void)stream;
	return true;
}

static const struct weir_grpc_stream_fns stream_fns = { stream_open, stream_message, stream_end, stream_close };
static const struct weir_grpc_talk_fns talk_fns = { talk_open, talk_message, talk_end, stream_close };

static int open_at(struct fixture *f, const char *const *addresses, size_t count, struct weir_tls *tls)
{
	struct weir_grpc_method methods[] = { { .path = UNARY, .unary = unary, .ctx = f },
		{ .path = STREAM, .stream = &stream_fns, .ctx = f }, { .path = TALK, .talk = &talk_fns, .ctx = f } };
	struct weir_grpc_opts opts = { .addresses = addresses,
		.address_count = count,
		.methods = methods,
		.method_count = 3,
		.max_message_bytes = 1u << 20,
		.max_connections = 100,
		.max_streams = 100,
		.max_metadata_bytes = 16384,
		.tls = tls };

	return weir_grpc_open(&opts, &f->grpc);
}

static struct identity issue(const struct identity *root, const char *name, const char *alternative)
{
	return identity_make(&(struct identity_opts){ .name = name, .issuer = root, .alternative = alternative });
}

static int setup_with(void **state, bool has_ca, bool is_required)
{
	static const char *const addresses[] = { "127.0.0.1:0", "plain:127.0.0.1:0" };
	struct fixture *f = calloc(1, sizeof(*f));
	struct weir_tls_opts tls = { .cert = f->files.cert,
		.key = f->files.key,
		.ca = has_ca ? f->files.ca : "",
		.is_client_required = is_required };

	grpc_init();
	identity_files_init(&f->files);
	f->root = identity_make(&(struct identity_opts){ .name = "root", .is_ca = true });
	f->server = issue(&f->root, "first", "DNS:localhost");
	identity_files_write(&f->files, &f->server, &f->root);
	assert_int_equal(weir_tls_create(&tls, &f->why, &f->tls), 0);
	assert_int_equal(open_at(f, addresses, 2, f->tls), 0);
	assert_int_equal(weir_grpc_start(f->grpc), 0);
	*state = f;
	return 0;
}

static int setup_required(void **state)
{
	return setup_with(state, true, true);
}

static int setup_requested(void **state)
{
	return setup_with(state, true, false);
}

static int setup_without_ca(void **state)
{
	return setup_with(state, false, true);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	weir_grpc_stop(f->grpc, 0);
	weir_grpc_close(f->grpc);
	weir_tls_destroy(f->tls);
	weir_buf_fini(&f->why);
	identity_free(&f->root);
	identity_free(&f->server);
	identity_files_remove(&f->files);
	free(f);
	grpc_shutdown_blocking();
	return 0;
}

/* A client of listener 0 that trusts `root`; `client` NULL: without a certificate. */
static grpc_channel *channel_open(struct fixture *f, const struct identity *root, const struct identity *client)
{
	char *trusted = identity_pem(root), name[] = "localhost", key[] = GRPC_SSL_TARGET_NAME_OVERRIDE_ARG,
	     local[] = GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL;
	char *cert = client != NULL ? identity_pem(client) : NULL,
	     *secret = client != NULL ? identity_key_pem(client) : NULL;
	grpc_ssl_pem_key_cert_pair pair = { secret, cert };
	grpc_channel_credentials *credentials =
		grpc_ssl_credentials_create(trusted, client != NULL ? &pair : NULL, NULL, NULL);
	grpc_arg args[2] = { { .type = GRPC_ARG_STRING, .key = key }, { .type = GRPC_ARG_INTEGER, .key = local } };
	grpc_channel_args all = { 2, args };
	grpc_channel *channel;

	args[0].value.string = name;
	args[1].value.integer = 1;
	channel = grpc_channel_create(weir_grpc_address(f->grpc, 0), credentials, &all);
	grpc_channel_credentials_release(credentials);
	free(trusted);
	free(cert);
	free(secret);
	return channel;
}

static void answers(grpc_channel *channel, const char *path, const char *wanted)
{
	struct client_result result = client_unary(channel, path, "x", 1, CLIENT_WAIT_MS);

	assert_int_equal(result.code, 0);
	assert_string_equal(result.body, wanted);
}

/* ---- tests ------------------------------------------------------------------ */

static void identity_reaches_every_kind_of_call(void **state)
{
	struct fixture *f = *state;
	struct identity client = issue(&f->root, "client", "DNS:reviews,URI:" SPIFFE);
	grpc_channel *channel = channel_open(f, &f->root, &client);

	answers(channel, UNARY, "who=" SPIFFE);
	answers(channel, STREAM, "who=" SPIFFE);
	answers(channel, TALK, "who=" SPIFFE);
	grpc_channel_destroy(channel);
	identity_free(&client);
}

static void certificate_without_a_uri_is_nobody(void **state)
{
	struct fixture *f = *state;
	struct identity client = issue(&f->root, "client", "DNS:reviews");
	grpc_channel *channel = channel_open(f, &f->root, &client);

	answers(channel, UNARY, "who=");
	grpc_channel_destroy(channel);
	identity_free(&client);
}

static void plain_port_stands_beside_and_knows_nobody(void **state)
{
	struct fixture *f = *state;
	grpc_channel *channel = client_channel(weir_grpc_address(f->grpc, 1), false);

	answers(channel, UNARY, "who=");
	answers(channel, STREAM, "who=");
	answers(channel, TALK, "who=");
	grpc_channel_destroy(channel);
}

static void client_without_a_certificate_is_nobody_where_none_is_required(void **state)
{
	struct fixture *f = *state;
	grpc_channel *channel = channel_open(f, &f->root, NULL);

	answers(channel, UNARY, "who=");
	grpc_channel_destroy(channel);
}

static void refused(struct fixture *f, const struct identity *client, enum weir_stat why)
{
	static const enum weir_stat reasons[] = { WEIR_STAT_TLS_REFUSED_EXPIRED, WEIR_STAT_TLS_REFUSED_UNTRUSTED,
		WEIR_STAT_TLS_REFUSED_SELF_SIGNED, WEIR_STAT_TLS_REFUSED_NO_CERTIFICATE };
	uint64_t before[4];
	grpc_channel *channel = channel_open(f, &f->root, client);

	for (size_t i = 0; i < 4; i++) {
		before[i] = weir_stat_get(reasons[i]);
	}
	assert_int_not_equal(client_unary(channel, UNARY, "x", 1, REFUSED_MS).code, 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(weir_stat_get(reasons[i]) > before[i], reasons[i] == why);
	}
	grpc_channel_destroy(channel);
}

static void bad_clients_are_refused_by_reason(void **state)
{
	struct fixture *f = *state;
	struct identity foreign = identity_make(&(struct identity_opts){ .name = "foreign", .is_ca = true });
	struct identity expired = identity_make(&(struct identity_opts){
		.name = "old", .issuer = &f->root, .alternative = "URI:" SPIFFE, .is_expired = true });
	struct identity future = identity_make(&(struct identity_opts){
		.name = "new", .issuer = &f->root, .alternative = "URI:" SPIFFE, .is_future = true });
	struct identity stranger = issue(&foreign, "stranger", "URI:" SPIFFE);
	struct identity own = identity_make(&(struct identity_opts){ .name = "own", .alternative = "URI:" SPIFFE });

	refused(f, &expired, WEIR_STAT_TLS_REFUSED_EXPIRED);
	refused(f, &future, WEIR_STAT_TLS_REFUSED_EXPIRED);
	refused(f, &stranger, WEIR_STAT_TLS_REFUSED_UNTRUSTED);
	refused(f, &own, WEIR_STAT_TLS_REFUSED_SELF_SIGNED);
	refused(f, NULL, WEIR_STAT_TLS_REFUSED_NO_CERTIFICATE);
	identity_free(&foreign);
	identity_free(&expired);
	identity_free(&future);
	identity_free(&stranger);
	identity_free(&own);
}

static void plain_client_at_a_tls_port_is_counted(void **state)
{
	struct fixture *f = *state;
	uint64_t before = weir_stat_get(WEIR_STAT_TLS_REFUSED_PROTOCOL);
	grpc_channel *channel = client_channel(weir_grpc_address(f->grpc, 0), false);

	assert_int_not_equal(client_unary(channel, UNARY, "x", 1, REFUSED_MS).code, 0);
	assert_true(weir_stat_get(WEIR_STAT_TLS_REFUSED_PROTOCOL) > before);
	grpc_channel_destroy(channel);
}

static void new_certificates_are_used_from_the_next_handshake_on(void **state)
{
	struct fixture *f = *state;
	struct identity old_client = issue(&f->root, "client", "URI:" SPIFFE), old_root = f->root, new_client;
	grpc_channel *old = channel_open(f, &f->root, &old_client), *new;
	bool is_new = false;

	answers(old, UNARY, "who=" SPIFFE);
	identity_free(&f->server);
	f->root = identity_make(&(struct identity_opts){ .name = "second", .is_ca = true });
	f->server = issue(&f->root, "third", "DNS:localhost");
	identity_files_write(&f->files, &f->server, &f->root);
	assert_int_equal(weir_tls_reload(f->tls, true, &is_new, &f->why), 0);
	assert_true(is_new);
	new_client = issue(&f->root, "client", "URI:" SPIFFE "-new");
	new = channel_open(f, &f->root, &new_client);
	answers(new, UNARY, "who=" SPIFFE "-new");
	answers(old, TALK, "who=" SPIFFE); /* its connection stands */
	grpc_channel_destroy(old);
	refused(f, &old_client, WEIR_STAT_TLS_REFUSED_UNTRUSTED); /* and no new one comes about */
	grpc_channel_destroy(new);
	identity_free(&old_client);
	identity_free(&new_client);
	identity_free(&old_root);
}

static void tls_without_certificates_does_not_open(void **state)
{
	static const char *const addresses[] = { "tls:127.0.0.1:0" };
	struct fixture f = { 0 };

	(void)state;
	assert_int_equal(open_at(&f, addresses, 1, NULL), -EINVAL);
	assert_null(f.grpc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(identity_reaches_every_kind_of_call, setup_required, teardown),
		cmocka_unit_test_setup_teardown(certificate_without_a_uri_is_nobody, setup_required, teardown),
		cmocka_unit_test_setup_teardown(plain_port_stands_beside_and_knows_nobody, setup_required, teardown),
		cmocka_unit_test_setup_teardown(
			client_without_a_certificate_is_nobody_where_none_is_required, setup_requested, teardown),
		cmocka_unit_test_setup_teardown(
			client_without_a_certificate_is_nobody_where_none_is_required, setup_without_ca, teardown),
		cmocka_unit_test_setup_teardown(bad_clients_are_refused_by_reason, setup_required, teardown),
		cmocka_unit_test_setup_teardown(plain_client_at_a_tls_port_is_counted, setup_required, teardown),
		cmocka_unit_test_setup_teardown(
			new_certificates_are_used_from_the_next_handshake_on, setup_required, teardown),
		cmocka_unit_test(tls_without_certificates_does_not_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
