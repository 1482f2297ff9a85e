/* test_tls: which files are taken into use, which are not, and who they name. */
#include "serve/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "authority.h"

struct fixture {
	struct identity_files files;
	struct identity root, leaf;
	struct weir_buf why;
	struct weir_tls *tls;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	identity_files_init(&f->files);
	f->root = identity_make(&(struct identity_opts){ .name = "root", .is_ca = true });
	f->leaf = identity_make(&(struct identity_opts){ .name = "leaf", .issuer = &f->root });
	identity_write_certificates(f->files.cert, &f->leaf, &f->root, NULL);
	identity_write_key(&f->leaf, f->files.key);
	identity_write_certificates(f->files.ca, &f->root, NULL);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	weir_tls_destroy(f->tls);
	weir_buf_fini(&f->why);
	identity_free(&f->leaf);
	identity_free(&f->root);
	identity_files_remove(&f->files);
	free(f);
	return 0;
}

static int create(struct fixture *f, const char *ca)
{
	struct weir_tls_opts opts = {
		.cert = f->files.cert, .key = f->files.key, .ca = ca, .is_client_required = true
	};

	return weir_tls_create(&opts, &f->why, &f->tls);
}

static void expect_why(struct fixture *f, const char *path, const char *what)
{
	char text[256];

	snprintf(text, sizeof(text), "%s: %s", path, what);
	if (!weir_str_is(weir_buf_str(&f->why), text)) {
		print_error("%.*s\n", (int)f->why.length, f->why.data);
	}
	assert_true(weir_str_is(weir_buf_str(&f->why), text));
}

static void write_text(const char *path, const char *text, size_t length)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

/* A new leaf in both files. */
static void renew(struct fixture *f)
{
	identity_free(&f->leaf);
	f->leaf = identity_make(&(struct identity_opts){ .name = "renewed", .issuer = &f->root });
	identity_write_certificates(f->files.cert, &f->leaf, NULL);
	identity_write_key(&f->leaf, f->files.key);
}

/* ---- what is taken ----------------------------------------------------------- */

static void right_files_become_a_set(void **state)
{
	struct fixture *f = *state;
	const struct weir_tls_set *set;
	char *pem = identity_pem(&f->leaf);

	assert_int_equal(create(f, f->files.ca), 0);
	set = weir_tls_hold(f->tls);
	assert_memory_equal(set->cert, pem, strlen(pem));
	assert_non_null(strstr(set->key, "PRIVATE KEY"));
	assert_non_null(set->ca);
	assert_true(set->is_client_required);
	assert_int_equal(set->number, 1);
	weir_tls_let_go(set);
	assert_in_range(weir_tls_not_after(f->tls), time(NULL) + 86400, time(NULL) + 3 * 86400);
	free(pem);
}

static void without_a_ca_there_is_none_in_the_set(void **state)
{
	struct fixture *f = *state;
	const struct weir_tls_set *set;

	assert_int_equal(create(f, ""), 0);
	set = weir_tls_hold(f->tls);
	assert_null(set->ca);
	weir_tls_let_go(set);
}

static void set_that_is_held_outlives_its_time_in_use(void **state)
{
	struct fixture *f = *state;
	const struct weir_tls_set *old, *new;
	bool is_new;

	assert_int_equal(create(f, f->files.ca), 0);
	old = weir_tls_hold(f->tls);
	renew(f);
	assert_int_equal(weir_tls_reload(f->tls, true, &is_new, &f->why), 0);
	new = weir_tls_hold(f->tls);
	assert_int_equal(old->number, 1);
	assert_int_equal(new->number, 2);
	assert_string_not_equal(old->cert, new->cert);
	weir_tls_destroy(f->tls);
	f->tls = NULL;
	assert_non_null(strstr(old->cert, "BEGIN CERTIFICATE"));
	weir_tls_let_go(new);
	weir_tls_let_go(old);
}

/* ---- what is not ------------------------------------------------------------- */

static void missing_file_is_named(void **state)
{
	struct fixture *f = *state;

	unlink(f->files.key);
	assert_int_equal(create(f, f->files.ca), WEIR_TLS_BAD);
	expect_why(f, f->files.key, "No such file or directory");
}

static void text_that_is_no_certificate_is_named(void **state)
{
	struct fixture *f = *state;

	write_text(f->files.cert, "nothing\n", 8);
	assert_int_equal(create(f, f->files.ca), WEIR_TLS_BAD);
	expect_why(f, f->files.cert, "holds no certificate, or a broken one");
	identity_write_certificates(f->files.cert, &f->leaf, NULL);
	write_text(f->files.ca, "nothing\n", 8);
	assert_int_equal(create(f, f->files.ca), WEIR_TLS_BAD);
	expect_why(f, f->files.ca, "holds no certificate, or a broken one");
}

static void chain_that_breaks_off_is_refused(void **state)
{
	struct fixture *f = *state;
	char *first = identity_pem(&f->leaf), *second = identity_pem(&f->root);
	size_t length = strlen(first) + strlen(second);
	char *both = calloc(1, length + 1);

	memcpy(both, first, strlen(first));
	memcpy(both + strlen(first), second, strlen(second));
	write_text(f->files.cert, both, length - 60);
	assert_int_equal(create(f, f->files.ca), WEIR_TLS_BAD);
	expect_why(f, f->files.cert, "holds no certificate, or a broken one");
	free(first);
	free(second);
	free(both);
}

static void key_of_another_certificate_is_refused(void **state)
{
	struct fixture *f = *state;

	identity_write_key(&f->root, f->files.key);
	assert_int_equal(create(f, f->files.ca), WEIR_TLS_BAD);
	expect_why(f, f->files.key, "is the key of another certificate");
}

static void key_that_is_none_is_refused(void **state)
{
	struct fixture *f = *state;

	identity_write_certificates(f->files.key, &f->leaf, NULL);
	assert_int_equal(create(f, f->files.ca), WEIR_TLS_BAD);
	expect_why(f, f->files.key, "holds no private key, or one with a passphrase");
}

static void certificate_out_of_its_time_is_refused(void **state)
{
	struct fixture *f = *state;

	identity_free(&f->leaf);
	f->leaf = identity_make(&(struct identity_opts){ .name = "old", .issuer = &f->root, .is_expired = true });
	identity_write_certificates(f->files.cert, &f->leaf, NULL);
	identity_write_key(&f->leaf, f->files.key);
	assert_int_equal(create(f, f->files.ca), WEIR_TLS_BAD);
	expect_why(f, f->files.cert, "the certificate has expired");
	identity_free(&f->leaf);
	f->leaf = identity_make(&(struct identity_opts){ .name = "young", .issuer = &f->root, .is_future = true });
	identity_write_certificates(f->files.cert, &f->leaf, NULL);
	identity_write_key(&f->leaf, f->files.key);
	assert_int_equal(create(f, f->files.ca), WEIR_TLS_BAD);
	expect_why(f, f->files.cert, "the certificate is not valid yet");
}

static void endless_file_is_not_read_to_its_end(void **state)
{
	struct fixture *f = *state;
	struct weir_tls_opts opts = { .cert = "/dev/zero", .key = f->files.key, .ca = "" };

	assert_int_equal(weir_tls_create(&opts, &f->why, &f->tls), WEIR_TLS_BAD);
	expect_why(f, "/dev/zero", "larger than 1 MiB");
	write_text(f->files.cert, "", 0);
	assert_int_equal(create(f, ""), WEIR_TLS_BAD);
	expect_why(f, f->files.cert, "empty");
}

/* ---- reload ------------------------------------------------------------------- */

static void unchanged_files_are_not_read_again(void **state)
{
	struct fixture *f = *state;
	bool is_new;

	assert_int_equal(create(f, f->files.ca), 0);
	assert_int_equal(weir_tls_reload(f->tls, false, &is_new, &f->why), 0);
	assert_false(is_new);
	assert_int_equal(weir_tls_reload(f->tls, true, &is_new, &f->why), 0);
	assert_true(is_new);
}

static void changed_file_is_taken_into_use(void **state)
{
	struct fixture *f = *state;
	char other[80];
	bool is_new;

	assert_int_equal(create(f, f->files.ca), 0);
	/* Renamed over the old one: another inode, whatever the clock says. */
	snprintf(other, sizeof(other), "%s.new", f->files.ca);
	identity_write_certificates(other, &f->root, &f->leaf, NULL);
	assert_int_equal(rename(other, f->files.ca), 0);
	assert_int_equal(weir_tls_reload(f->tls, false, &is_new, &f->why), 0);
	assert_true(is_new);
	assert_int_equal(weir_tls_reload(f->tls, false, &is_new, &f->why), 0);
	assert_false(is_new);
}

static void half_a_pair_keeps_the_old_set_until_the_other_half_comes(void **state)
{
	struct fixture *f = *state;
	struct identity next = identity_make(&(struct identity_opts){ .name = "a longer name", .issuer = &f->root });
	const struct weir_tls_set *set;
	bool is_new;

	assert_int_equal(create(f, f->files.ca), 0);
	identity_write_certificates(f->files.cert, &next, NULL);
	assert_int_equal(weir_tls_reload(f->tls, false, &is_new, &f->why), WEIR_TLS_BAD);
	expect_why(f, f->files.key, "is the key of another certificate");
	assert_false(is_new);
	assert_int_equal(weir_tls_reload(f->tls, false, &is_new, &f->why), 0); /* said already */
	assert_false(is_new);
	set = weir_tls_hold(f->tls);
	assert_int_equal(set->number, 1);
	weir_tls_let_go(set);
	identity_write_key(&next, f->files.key);
	assert_int_equal(weir_tls_reload(f->tls, false, &is_new, &f->why), 0);
	assert_true(is_new);
	identity_free(&next);
}

static void vanished_file_keeps_the_old_set(void **state)
{
	struct fixture *f = *state;
	bool is_new;

	assert_int_equal(create(f, f->files.ca), 0);
	unlink(f->files.cert);
	assert_int_equal(weir_tls_reload(f->tls, false, &is_new, &f->why), WEIR_TLS_BAD);
	assert_int_equal(weir_tls_reload(f->tls, true, &is_new, &f->why), WEIR_TLS_BAD); /* forced: said again */
	assert_false(is_new);
}

/* ---- names --------------------------------------------------------------------- */

static struct weir_str uri_of(const char *alternative, bool is_der, char *buffer, uint32_t size)
{
	struct identity one = identity_make(&(struct identity_opts){ .name = "x", .alternative = alternative });
	unsigned char *der = NULL;
	int length = i2d_X509(one.certificate, &der);
	char *pem = identity_pem(&one);
	struct weir_str uri =
		weir_tls_uri_of(is_der ? weir_str_make((char *)der, (size_t)length) : weir_str_of(pem), buffer, size);

	OPENSSL_free(der);
	free(pem);
	identity_free(&one);
	return uri;
}

static void uri_is_found_in_both_forms(void **state)
{
	static const char alternative[] =
		"DNS:x.example,URI:spiffe://cluster.local/ns/default/sa/reviews,URI:spiffe://b/c";
	char buffer[64];

	(void)state;
	for (int is_der = 0; is_der < 2; is_der++) {
		assert_true(weir_str_is(uri_of(alternative, is_der, buffer, sizeof(buffer)),
			"spiffe://cluster.local/ns/default/sa/reviews"));
		assert_int_equal(uri_of("DNS:x.example", is_der, buffer, sizeof(buffer)).length, 0);
		assert_int_equal(uri_of(NULL, is_der, buffer, sizeof(buffer)).length, 0);
		assert_int_equal(uri_of(alternative, is_der, buffer, 10).length, 0); /* never a part of it */
	}
}

static void what_is_no_certificate_names_nobody(void **state)
{
	static const char *const texts[] = { "", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"\x30\x82\xff\xff" };
	char buffer[64];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(weir_tls_uri_of(weir_str_of(texts[i]), buffer, sizeof(buffer)).length, 0);
	}
}

/* ---- addresses ------------------------------------------------------------------- */

static void scheme_says_how_an_address_is_served(void **state)
{
	static const struct {
		const char *address, *bare;
		bool with, without; /* wanted with certificates, and without */
	} rows[] = { { "127.0.0.1:1", "127.0.0.1:1", true, false }, { "tls:127.0.0.1:1", "127.0.0.1:1", true, true },
		{ "plain:127.0.0.1:1", "127.0.0.1:1", false, false }, { "unix:/run/x", "unix:/run/x", false, false },
		{ "tls:unix:/run/x", "unix:/run/x", true, true },
		{ "plain:unix:/run/x", "unix:/run/x", false, false } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *bare = NULL;

		assert_int_equal(weir_tls_is_wanted(rows[i].address, true, &bare), rows[i].with);
		assert_string_equal(bare, rows[i].bare);
		assert_int_equal(weir_tls_is_wanted(rows[i].address, false, &bare), rows[i].without);
		assert_string_equal(bare, rows[i].bare);
	}
}

static void only_this_machine_is_not_exposed(void **state)
{
	static const char *const at_home[] = { "127.0.0.1:1", "127.8.9.10:1", "[::1]:1", "localhost:1", "LOCALHOST:1",
		"[::ffff:127.0.0.1]:1", "unix:/run/x" };
	static const char *const exposed[] = { "0.0.0.0:1", ":1", "[::]:1", "10.0.0.1:1", "127.example.com:1",
		"127.0.0.1.example.com:1", "example.com:1", "128.0.0.1:1", "1270.0.0.1:1", "nonsense", "",
		"localhost.example.com:1", "127.0.0:1" };

	(void)state;
	for (size_t i = 0; i < sizeof(at_home) / sizeof(at_home[0]); i++) {
		assert_false(weir_tls_is_exposed(at_home[i]));
	}
	for (size_t i = 0; i < sizeof(exposed) / sizeof(exposed[0]); i++) {
		assert_true(weir_tls_is_exposed(exposed[i]));
	}
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILES(right_files_become_a_set),
		WITH_FILES(without_a_ca_there_is_none_in_the_set),
		WITH_FILES(set_that_is_held_outlives_its_time_in_use),
		WITH_FILES(missing_file_is_named),
		WITH_FILES(text_that_is_no_certificate_is_named),
		WITH_FILES(chain_that_breaks_off_is_refused),
		WITH_FILES(key_of_another_certificate_is_refused),
		WITH_FILES(key_that_is_none_is_refused),
		WITH_FILES(certificate_out_of_its_time_is_refused),
		WITH_FILES(endless_file_is_not_read_to_its_end),
		WITH_FILES(unchanged_files_are_not_read_again),
		WITH_FILES(changed_file_is_taken_into_use),
		WITH_FILES(half_a_pair_keeps_the_old_set_until_the_other_half_comes),
		WITH_FILES(vanished_file_keeps_the_old_set),
		cmocka_unit_test(uri_is_found_in_both_forms),
		cmocka_unit_test(what_is_no_certificate_names_nobody),
		cmocka_unit_test(scheme_says_how_an_address_is_served),
		cmocka_unit_test(only_this_machine_is_not_exposed),
	};

	return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
