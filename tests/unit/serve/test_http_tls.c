/* test_http_tls: HTTPS: who may come in, who is refused and why, and new
 * certificates while connections live. The client speaks through GnuTLS. */
#include "serve/http.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/gnutls.h>

#include "authority.h"
#include "base/stat.h"
#include "http_client.h"
#include "serve/http_request.h"

#define SPIFFE "spiffe://cluster.local/ns/default/sa/reviews"

struct fixture {
	struct identity_files files;
	struct identity root, server, client, foreign_root;
	struct weir_buf why;
	struct weir_tls *tls;
	struct weir_http *http;
};

struct client {
	int fd;
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
};

static void ingest(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_str identity = weir_http_request_identity(request);

	(void)ctx;
	weir_buf_addf(&response->body, "who=%.*s bytes=%zu", (int)identity.length,
		identity.data != NULL ? identity.data : "", weir_http_request_body(request).length);
}

static int setup_with(void **state, bool has_ca, bool is_required)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *addresses[] = { "127.0.0.1:0", "plain:127.0.0.1:0" };
	struct weir_http_route routes[] = { { "POST", "/spans", WEIR_ROUTE_INGEST, ingest, f, NULL, NULL },
		{ "GET", "/who", WEIR_ROUTE_QUERY, ingest, f, NULL, NULL } };
	struct weir_http_opts opts = { .addresses = addresses,
		.address_count = 2,
		.routes = routes,
		.route_count = 2,
		.max_body_bytes = 2 << 20,
		.max_header_bytes = 4000,
		.max_connections = 20,
		.query_threads = 1,
		.query_queue = 1,
		.query_s = 5 };
	struct weir_tls_opts tls = { .cert = f->files.cert,
		.key = f->files.key,
		.ca = has_ca ? f->files.ca : "",
		.is_client_required = is_required };

	identity_files_init(&f->files);
	f->root = identity_make(&(struct identity_opts){ .name = "root", .is_ca = true });
	f->foreign_root = identity_make(&(struct identity_opts){ .name = "foreign", .is_ca = true });
	f->server = identity_make(&(struct identity_opts){ .name = "first", .issuer = &f->root });
	f->client = identity_make(
		&(struct identity_opts){ .name = "client", .issuer = &f->root, .alternative = "URI:" SPIFFE });
	identity_files_write(&f->files, &f->server, &f->root);
	assert_int_equal(weir_tls_create(&tls, &f->why, &f->tls), 0);
	opts.tls = f->tls;
	assert_int_equal(weir_http_open(&opts, &f->http), 0);
	assert_int_equal(weir_http_start(f->http), 0);
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

	weir_http_stop(f->http);
	weir_http_close(f->http);
	weir_tls_destroy(f->tls);
	weir_buf_fini(&f->why);
	identity_free(&f->root);
	identity_free(&f->foreign_root);
	identity_free(&f->server);
	identity_free(&f->client);
	identity_files_remove(&f->files);
	free(f);
	return 0;
}

/* ---- the client --------------------------------------------------------------- */

/* `who` NULL: shows no certificate. `priorities` NULL: GnuTLS' own. The handshake is the caller's. */
static struct client client_open(struct fixture *f, const struct identity *who, const char *priorities)
{
	struct client client = { .fd = connect_to(weir_http_address(f->http, 0)) };
	gnutls_datum_t cert, key;

	assert_int_equal(gnutls_certificate_allocate_credentials(&client.credentials), 0);
	if (who != NULL) {
		char *cert_text = identity_pem(who), *key_text = identity_key_pem(who);

		cert = (gnutls_datum_t){ (unsigned char *)cert_text, (unsigned)strlen(cert_text) };
		key = (gnutls_datum_t){ (unsigned char *)key_text, (unsigned)strlen(key_text) };
		assert_int_equal(
			gnutls_certificate_set_x509_key_mem(client.credentials, &cert, &key, GNUTLS_X509_FMT_PEM), 0);
		free(cert_text);
		free(key_text);
	}
	assert_int_equal(gnutls_init(&client.session, GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT), 0);
	assert_int_equal(
		gnutls_priority_set_direct(client.session, priorities != NULL ? priorities : "NORMAL", NULL), 0);
	gnutls_credentials_set(client.session, GNUTLS_CRD_CERTIFICATE, client.credentials);
	gnutls_transport_set_int(client.session, client.fd);
	return client;
}

static void client_close(struct client *client)
{
	gnutls_deinit(client->session);
	gnutls_certificate_free_credentials(client->credentials);
	close(client->fd);
}

static int handshake(struct client *client)
{
	int r;

	do {
		r = gnutls_handshake(client->session);
	} while (r == GNUTLS_E_INTERRUPTED);
	return r;
}

/* Asks on an open connection; the answer's body, or "" when there was none. */
static void ask(struct client *client, char *ret_answer, size_t size)
{
	static const char request[] = "POST /spans HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nspans";
	ssize_t got = -1;
	size_t length = 0;
	const char *body;

	ret_answer[0] = '\0';
	if (gnutls_record_send(client->session, request, sizeof(request) - 1) < 0) {
		return;
	}
	while (length < size - 1 && strstr(ret_answer, "bytes=5") == NULL) {
		got = gnutls_record_recv(client->session, ret_answer + length, size - 1 - length);
		if (got == GNUTLS_E_INTERRUPTED || got == GNUTLS_E_AGAIN) {
			continue;
		}
		if (got <= 0) {
			break;
		}
		length += (size_t)got;
		ret_answer[length] = '\0';
	}
	body = strstr(ret_answer, "\r\n\r\n");
	memmove(ret_answer, body != NULL ? body + 4 : "", body != NULL ? strlen(body + 4) + 1 : 1);
}

static void expect_served(struct fixture *f, const struct identity *who, const char *priorities, const char *answer)
{
	struct client client = client_open(f, who, priorities);
	char text[2048];

	assert_int_equal(handshake(&client), 0);
	ask(&client, text, sizeof(text));
	assert_string_equal(text, answer);
	client_close(&client);
}

/* The counter goes up before the client sees anything. */
static void expect_refused(struct fixture *f, const struct identity *who, enum weir_stat reason)
{
	static const char *const versions[] = { "NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2" };

	for (size_t i = 0; i < 2; i++) {
		uint64_t before = weir_stat_get(reason);
		struct client client = client_open(f, who, versions[i]);
		char text[2048] = "";

		if (handshake(&client) == 0) { /* 1.3: the client is done before the server has judged */
			ask(&client, text, sizeof(text));
		}
		assert_string_equal(text, "");
		assert_int_equal(weir_stat_get(reason), before + 1);
		client_close(&client);
	}
}

/* Until the server has noticed that a connection is gone. */
static void wait_all_closed(struct fixture *f)
{
	bool is_over = false;

	for (int i = 0; i < 20000 && !is_over; i++) {
		pthread_mutex_lock(&f->http->lock);
		is_over = f->http->open + f->http->handed_over == 0;
		pthread_mutex_unlock(&f->http->lock);
		usleep(1000);
	}
	assert_true(is_over);
}

/* ---- who may come in ------------------------------------------------------------ */

static void client_with_a_certificate_has_its_name(void **state)
{
	struct fixture *f = *state;

	expect_served(f, &f->client, "NORMAL:-VERS-ALL:+VERS-TLS1.3", "who=" SPIFFE " bytes=5");
	expect_served(f, &f->client, "NORMAL:-VERS-ALL:+VERS-TLS1.2", "who=" SPIFFE " bytes=5");
}

static void plain_address_beside_it_stays_plain(void **state)
{
	struct fixture *f = *state;
	int fd = connect_to(weir_http_address(f->http, 1));
	char text[1024] = "";
	size_t length = 0;
	ssize_t got;

	dprintf(fd, "POST /spans HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx");
	while ((got = recv(fd, text + length, sizeof(text) - 1 - length, 0)) > 0) {
		length += (size_t)got;
	}
	assert_non_null(strstr(text, "who= bytes=1"));
	close(fd);
}

static void client_without_a_certificate_is_refused(void **state)
{
	expect_refused(*state, NULL, WEIR_STAT_TLS_REFUSED_NO_CERTIFICATE);
}

static void client_without_a_certificate_may_come_when_it_is_only_requested(void **state)
{
	struct fixture *f = *state;

	expect_served(f, NULL, NULL, "who= bytes=5");
	expect_served(f, &f->client, NULL, "who=" SPIFFE " bytes=5");
}

static void without_a_ca_nobody_is_asked(void **state)
{
	expect_served(*state, NULL, NULL, "who= bytes=5");
}

static void bad_certificates_are_refused_by_reason(void **state)
{
	struct fixture *f = *state;
	const struct {
		struct identity_opts opts;
		enum weir_stat reason;
	} rows[] = {
		{ { .name = "old", .issuer = &f->root, .is_expired = true }, WEIR_STAT_TLS_REFUSED_EXPIRED },
		{ { .name = "young", .issuer = &f->root, .is_future = true }, WEIR_STAT_TLS_REFUSED_EXPIRED },
		{ { .name = "stranger", .issuer = &f->foreign_root }, WEIR_STAT_TLS_REFUSED_UNTRUSTED },
		{ { .name = "own", .alternative = "URI:" SPIFFE }, WEIR_STAT_TLS_REFUSED_SELF_SIGNED },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct identity who = identity_make(&rows[i].opts);

		expect_refused(f, &who, rows[i].reason);
		identity_free(&who);
	}
	expect_served(f, &f->client, NULL, "who=" SPIFFE " bytes=5");
}

static void bytes_that_are_no_tls_end_the_connection(void **state)
{
	static const char *const starts[] = { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\xff\xff garbage",
		"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", "\x80\x2e\x01\x03\x01" };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		uint64_t before = weir_stat_get(WEIR_STAT_TLS_REFUSED_PROTOCOL);
		int fd = connect_to(weir_http_address(f->http, 0));
		char text[100];

		send(fd, starts[i], i == 2 ? 10 : strlen(starts[i]), MSG_NOSIGNAL);
		shutdown(fd, SHUT_WR);
		while (recv(fd, text, sizeof(text), 0) > 0) {
		}
		close(fd);
		wait_all_closed(f);
		assert_int_equal(weir_stat_get(WEIR_STAT_TLS_REFUSED_PROTOCOL), before + 1);
	}
	expect_served(f, &f->client, NULL, "who=" SPIFFE " bytes=5");
}

static void connection_without_a_byte_is_nobodys_failure(void **state)
{
	struct fixture *f = *state;
	uint64_t before = weir_stat_get(WEIR_STAT_TLS_REFUSED_PROTOCOL) + weir_stat_get(WEIR_STAT_TLS_REFUSED_OTHER);
	int fd = connect_to(weir_http_address(f->http, 0));

	close(fd);
	expect_served(f, &f->client, NULL, "who=" SPIFFE " bytes=5"); /* it came later, so the other is accepted */
	wait_all_closed(f);
	assert_int_equal(
		weir_stat_get(WEIR_STAT_TLS_REFUSED_PROTOCOL) + weir_stat_get(WEIR_STAT_TLS_REFUSED_OTHER), before);
}

static void handshake_that_takes_too_long_is_cut_off(void **state)
{
	struct fixture *f = *state;
	uint64_t before = weir_stat_get(WEIR_STAT_TLS_REFUSED_OTHER);
	int fd = connect_to(weir_http_address(f->http, 0));
	char text[10];

	send(fd, "\x16\x03\x01", 3, MSG_NOSIGNAL);
	pthread_mutex_lock(&f->http->lock);
	f->http->greet_ms = 1;
	pthread_mutex_unlock(&f->http->lock);
	assert_true(recv(fd, text, sizeof(text), 0) <= 0);
	close(fd);
	wait_all_closed(f);
	assert_int_equal(weir_stat_get(WEIR_STAT_TLS_REFUSED_OTHER), before + 1);
}

/* ---- new certificates -------------------------------------------------------------- */

static bool shows(struct client *client, const struct identity *who)
{
	const gnutls_datum_t *leaf = gnutls_certificate_get_peers(client->session, NULL);
	unsigned char *der = NULL;
	int length = i2d_X509(who->certificate, &der);
	bool is;

	leaf = gnutls_certificate_get_peers(client->session, &(unsigned){ 0 });
	is = leaf != NULL && leaf->size == (unsigned)length && memcmp(leaf->data, der, leaf->size) == 0;
	OPENSSL_free(der);
	return is;
}

static void renew(struct fixture *f)
{
	bool is_new;

	identity_write_certificates(f->files.cert, &f->server, NULL);
	identity_write_key(&f->server, f->files.key);
	assert_int_equal(weir_tls_reload(f->tls, true, &is_new, &f->why), 0);
	assert_int_equal(weir_http_renew(f->http), 0);
}

static void new_certificate_serves_new_connections_and_old_ones_live_on(void **state)
{
	struct fixture *f = *state;
	struct client clients[10];
	char text[2048];

	for (size_t i = 0; i < 10; i++) {
		clients[i] = client_open(f, &f->client, NULL);
		assert_int_equal(handshake(&clients[i]), 0);
		assert_true(shows(&clients[i], &f->server));
		identity_free(&f->server);
		f->server = identity_make(&(struct identity_opts){ .name = "next", .issuer = &f->root });
		renew(f);
		assert_false(shows(&clients[i], &f->server));
	}
	for (size_t i = 0; i < 10; i++) {
		ask(&clients[i], text, sizeof(text));
		assert_string_equal(text, "who=" SPIFFE " bytes=5");
		client_close(&clients[i]);
	}
}

static void new_ca_is_asked_from_the_next_connection_on(void **state)
{
	struct fixture *f = *state;
	struct identity other = identity_make(&(struct identity_opts){
		.name = "other", .issuer = &f->foreign_root, .alternative = "URI:spiffe://x/y" });
	struct client before = client_open(f, &f->client, NULL);
	char text[2048];

	assert_int_equal(handshake(&before), 0);
	identity_write_certificates(f->files.ca, &f->foreign_root, NULL);
	renew(f);
	expect_served(f, &other, NULL, "who=spiffe://x/y bytes=5");
	expect_refused(f, &f->client, WEIR_STAT_TLS_REFUSED_UNTRUSTED);
	ask(&before, text, sizeof(text));
	assert_string_equal(text, "who=" SPIFFE " bytes=5");
	client_close(&before);
	identity_free(&other);
}

static void address_that_wants_tls_needs_certificates(void **state)
{
	const char *address = "tls:127.0.0.1:0";
	struct weir_http_opts opts = { .addresses = &address, .address_count = 1, .max_connections = 1 };
	struct weir_http *http = NULL;

	(void)state;
	assert_int_equal(weir_http_open(&opts, &http), -EINVAL);
	assert_null(http);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(client_with_a_certificate_has_its_name, setup_required, teardown),
		cmocka_unit_test_setup_teardown(plain_address_beside_it_stays_plain, setup_required, teardown),
		cmocka_unit_test_setup_teardown(client_without_a_certificate_is_refused, setup_required, teardown),
		cmocka_unit_test_setup_teardown(
			client_without_a_certificate_may_come_when_it_is_only_requested, setup_requested, teardown),
		cmocka_unit_test_setup_teardown(without_a_ca_nobody_is_asked, setup_without_ca, teardown),
		cmocka_unit_test_setup_teardown(bad_certificates_are_refused_by_reason, setup_required, teardown),
		cmocka_unit_test_setup_teardown(bytes_that_are_no_tls_end_the_connection, setup_required, teardown),
		cmocka_unit_test_setup_teardown(connection_without_a_byte_is_nobodys_failure, setup_required, teardown),
		cmocka_unit_test_setup_teardown(handshake_that_takes_too_long_is_cut_off, setup_required, teardown),
		cmocka_unit_test_setup_teardown(
			new_certificate_serves_new_connections_and_old_ones_live_on, setup_required, teardown),
		cmocka_unit_test_setup_teardown(new_ca_is_asked_from_the_next_connection_on, setup_required, teardown),
		cmocka_unit_test(address_that_wants_tls_needs_certificates),
	};

	signal(SIGPIPE, SIG_IGN); /* a client that is refused may still be writing */
	return cmocka_run_group_tests_name("http_tls", tests, NULL, NULL);
}
