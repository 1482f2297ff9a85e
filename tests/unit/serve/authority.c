/* authority: see the header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "authority.h"

#define DAY 86400

static void extension_add(X509 *certificate, const X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, (X509 *)(uintptr_t)issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

struct identity identity_make(const struct identity_opts *opts)
{
	static long serial = 1;
	struct identity made = { X509_new(), EVP_EC_gen("P-256") };
	const struct identity *issuer = opts->issuer != NULL ? opts->issuer : &made;
	X509_NAME *name = X509_get_subject_name(made.certificate);

	assert_non_null(made.key);
	X509_set_version(made.certificate, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), serial++);
	X509_gmtime_adj(X509_getm_notBefore(made.certificate), opts->is_future ? DAY : -2 * DAY);
	X509_gmtime_adj(X509_getm_notAfter(made.certificate), opts->is_expired ? -DAY : 2 * DAY);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)opts->name, -1, -1, 0);
	X509_set_pubkey(made.certificate, made.key);
	X509_set_issuer_name(made.certificate, X509_get_subject_name(issuer->certificate));
	extension_add(made.certificate, issuer->certificate, NID_basic_constraints,
		opts->is_ca ? "critical,CA:TRUE" : "CA:FALSE");
	if (opts->alternative != NULL) {
		extension_add(made.certificate, issuer->certificate, NID_subject_alt_name, opts->alternative);
	}
	assert_true(X509_sign(made.certificate, issuer->key, EVP_sha256()) > 0);
	return made;
}

void identity_free(struct identity *identity)
{
	X509_free(identity->certificate);
	EVP_PKEY_free(identity->key);
	*identity = (struct identity){ NULL, NULL };
}

static char *text_of(BIO *bio)
{
	char *data, *text;
	long length = BIO_get_mem_data(bio, &data);

	text = calloc(1, (size_t)length + 1);
	memcpy(text, data, (size_t)length);
	BIO_free(bio);
	return text;
}

void identity_files_init(struct identity_files *files)
{
	strcpy(files->folder, "/tmp/weir-test-XXXXXX");
	assert_non_null(mkdtemp(files->folder));
	snprintf(files->cert, sizeof(files->cert), "%s/cert.pem", files->folder);
	snprintf(files->key, sizeof(files->key), "%s/key.pem", files->folder);
	snprintf(files->ca, sizeof(files->ca), "%s/ca.pem", files->folder);
}

void identity_files_write(
	const struct identity_files *files, const struct identity *server, const struct identity *root)
{
	identity_write_certificates(files->cert, server, NULL);
	identity_write_key(server, files->key);
	identity_write_certificates(files->ca, root, NULL);
}

void identity_files_remove(const struct identity_files *files)
{
	unlink(files->cert);
	unlink(files->key);
	unlink(files->ca);
	assert_int_equal(rmdir(files->folder), 0);
}

char *identity_pem(const struct identity *identity)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_X509(bio, identity->certificate), 1);
	return text_of(bio);
}

char *identity_key_pem(const struct identity *identity)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PrivateKey(bio, identity->key, NULL, NULL, 0, NULL, NULL), 1);
	return text_of(bio);
}

void identity_write_key(const struct identity *identity, const char *path)
{
	FILE *file = fopen(path, "w");
	char *text = identity_key_pem(identity);

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	free(text);
}

void identity_write_certificates(const char *path, ...)
{
	FILE *file = fopen(path, "w");
	const struct identity *one;
	va_list list;

	assert_non_null(file);
	va_start(list, path);
	while ((one = va_arg(list, const struct identity *)) != NULL) {
		char *text = identity_pem(one);

		assert_true(fputs(text, file) >= 0);
		free(text);
	}
	va_end(list);
	assert_int_equal(fclose(file), 0);
}
