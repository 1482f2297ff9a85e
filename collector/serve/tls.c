/* tls: certificates read, checked and watched; see the header.
 *
 *   files ──read──▶ texts ──check──▶ new set ──swap──▶ the set in use
 *                     │         └ wrong: *ret_why, the old set stays
 *                     └ unreadable: the same
 *
 * What is checked: the chain, the key and the CA parse; the key is that of the
 * leaf; the leaf is valid now. Who signed it is not checked: that is the
 * client's affair, and a mesh's root is often not even here.
 *
 * A file counts as changed when its device, inode, size or time of change is
 * another one. Kubernetes swaps a link in the path, an editor renames, `cp`
 * writes in place: all of them change one of these. Certificate and key are
 * two files, so a reader may meet one of each pair: such a set is refused, and
 * as long as no set of the files as they are now was made, each look tries
 * again. It complains once for each state of the files.
 *
 * Invariants
 *  1. A set never changes; who holds one may read it until it lets go.
 *  2. `current` is replaced under the lock only; the set in use holds one
 *     reference of its own.
 *  3. `seen` are the stamps of the files before they were read for the set in
 *     use: what is written while we read is read again at the next look.
 *
 * Threads: create, reload and destroy are main's; the others anybody's. */
#include "serve/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/err.h"

#define FILE_BYTES_MAX (1u << 20)
#define FILES 3u

struct stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct set {
	struct weir_tls_set is; /* first: what others hold is this */
	_Atomic unsigned holders;
	int64_t not_after;
	char *texts[FILES];
};

struct weir_tls {
	char *paths[FILES]; /* certificate, key, CA; NULL: none */
	bool is_client_required;
	struct stamp seen[FILES], failed[FILES];
	bool has_failed; /* the files of `failed` could not be used, and it was said */
	pthread_mutex_t lock;
	struct set *current;
	uint64_t number;
};

static void set_free(struct set *set)
{
	if (set == NULL) {
		return;
	}
	if (set->texts[1] != NULL) {
		explicit_bzero(set->texts[1], strlen(set->texts[1]));
	}
	for (unsigned i = 0; i < FILES; i++) {
		free(set->texts[i]);
	}
	free(set);
}

static int complain(struct weir_buf *ret_why, const char *path, const char *what)
{
	weir_buf_clear(ret_why);
	weir_buf_addf(ret_why, "%s: %s", path, what);
	return WEIR_TLS_BAD;
}

/* ---- the files ------------------------------------------------------------ */

static void stamp_take(const char *path, struct stamp *ret)
{
	struct stat what;

	*ret = (struct stamp){ 0 };
	if (path != NULL && stat(path, &what) == 0) {
		*ret = (struct stamp){ what.st_dev, what.st_ino, what.st_size, what.st_mtim };
	}
}

static bool are_equal(const struct stamp *a, const struct stamp *b)
{
	for (unsigned i = 0; i < FILES; i++) {
		if (a[i].device != b[i].device || a[i].inode != b[i].inode || a[i].size != b[i].size ||
			a[i].changed.tv_sec != b[i].changed.tv_sec || a[i].changed.tv_nsec != b[i].changed.tv_nsec) {
			return false;
		}
	}
	return true;
}

/* The whole of a file of at most FILE_BYTES_MAX, NUL-terminated. A pipe would keep us waiting: it is not opened for
 * long enough to (O_NONBLOCK). */
static int text_read(const char *path, struct weir_buf *ret_why, char **ret_text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text;
	size_t length = 0;
	ssize_t got = -1;

	if (fd < 0) {
		return complain(ret_why, path, strerror(errno));
	}
	text = malloc(FILE_BYTES_MAX + 1);
	if (text == NULL) {
		close(fd);
		return -ENOMEM;
	}
	while (length <= FILE_BYTES_MAX && (got = read(fd, text + length, FILE_BYTES_MAX + 1 - length)) > 0) {
		length += (size_t)got;
	}
	close(fd);
	if (got < 0 || length > FILE_BYTES_MAX || length == 0) {
		int r = complain(ret_why, path,
			length > FILE_BYTES_MAX ? "larger than 1 MiB"
			: got < 0               ? strerror(errno)
						: "empty");

		explicit_bzero(text, length);
		free(text);
		return r;
	}
	text[length] = '\0';
	*ret_text = realloc(text, length + 1);
	*ret_text = *ret_text != NULL ? *ret_text : text;
	return 0;
}

/* ---- what they say -------------------------------------------------------- */

static BIO *bio_of(const char *text)
{
	return BIO_new_mem_buf(text, (int)strlen(text));
}

/* The first certificate; the others of a chain are only parsed. NULL: there is none, or one is broken. */
static X509 *certificates_parse(const char *text)
{
	BIO *bio = bio_of(text);
	X509 *first = NULL, *next;
	unsigned long why;

	if (bio == NULL) {
		return NULL;
	}
	ERR_clear_error();
	while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (first == NULL) {
			first = next;
		} else {
			X509_free(next);
		}
	}
	why = ERR_peek_last_error();
	if (ERR_GET_LIB(why) != ERR_LIB_PEM || ERR_GET_REASON(why) != PEM_R_NO_START_LINE) {
		X509_free(first); /* not the end of the text, but something in it */
		first = NULL;
	}
	ERR_clear_error();
	BIO_free(bio);
	return first;
}

/* A key with a passphrase would make OpenSSL ask at the terminal: it gets an empty one. */
static int no_passphrase(char *buffer, int size, int is_writing, void *ctx)
{
	(void)buffer;
	(void)size;
	(void)is_writing;
	(void)ctx;
	return 0;
}

static EVP_PKEY *key_parse(const char *text)
{
	BIO *bio = bio_of(text);
	EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

static int64_t unix_of(const ASN1_TIME *time)
{
	struct tm parts;

	return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

static int leaf_check(const struct weir_tls *tls, struct set *set, X509 *leaf, struct weir_buf *ret_why)
{
	EVP_PKEY *key = key_parse(set->texts[1]);
	int r = 0;

	if (key == NULL) {
		return complain(ret_why, tls->paths[1], "holds no private key, or one with a passphrase");
	}
	if (X509_check_private_key(leaf, key) != 1) {
		r = complain(ret_why, tls->paths[1], "is the key of another certificate");
	} else if (X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0) {
		r = complain(ret_why, tls->paths[0], "the certificate has expired");
	} else if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0) {
		r = complain(ret_why, tls->paths[0], "the certificate is not valid yet");
	}
	set->not_after = unix_of(X509_get0_notAfter(leaf));
	EVP_PKEY_free(key);
	ERR_clear_error();
	return r;
}

static int set_check(const struct weir_tls *tls, struct set *set, struct weir_buf *ret_why)
{
	X509 *leaf = certificates_parse(set->texts[0]), *ca;
	int r;

	if (leaf == NULL) {
		return complain(ret_why, tls->paths[0], "holds no certificate, or a broken one");
	}
	r = leaf_check(tls, set, leaf, ret_why);
	X509_free(leaf);
	if (r == 0 && set->texts[2] != NULL) {
		ca = certificates_parse(set->texts[2]);
		r = ca != NULL ? 0 : complain(ret_why, tls->paths[2], "holds no certificate, or a broken one");
		X509_free(ca);
	}
	return r;
}

static int set_read(struct weir_tls *tls, struct weir_buf *ret_why, struct set **ret_set)
{
	struct set *set = calloc(1, sizeof(*set));
	int r = 0;

	if (set == NULL) {
		return -ENOMEM;
	}
	for (unsigned i = 0; i < FILES && r == 0; i++) {
		if (tls->paths[i] != NULL) {
			r = text_read(tls->paths[i], ret_why, &set->texts[i]);
		}
	}
	r = r == 0 ? set_check(tls, set, ret_why) : r;
	if (r != 0) {
		set_free(set);
		return r;
	}
	set->is = (struct weir_tls_set){ .cert = set->texts[0],
		.key = set->texts[1],
		.ca = set->texts[2],
		.is_client_required = tls->is_client_required,
		.number = ++tls->number };
	atomic_init(&set->holders, 1);
	*ret_set = set;
	return 0;
}

/* ---- the life of it ------------------------------------------------------- */

static int paths_copy(struct weir_tls *tls, const struct weir_tls_opts *opts)
{
	const char *const paths[FILES] = { opts->cert, opts->key, opts->ca };

	for (unsigned i = 0; i < FILES; i++) {
		if (paths[i] != NULL && (paths[i][0] != '\0' || i < 2)) {
			tls->paths[i] = strdup(paths[i]);
			if (tls->paths[i] == NULL) {
				return -ENOMEM;
			}
		}
	}
	return 0;
}

int weir_tls_create(const struct weir_tls_opts *opts, struct weir_buf *ret_why, struct weir_tls **ret_tls)
{
	struct weir_tls *tls = calloc(1, sizeof(*tls));
	int r;

	if (tls == NULL) {
		return -ENOMEM;
	}
	pthread_mutex_init(&tls->lock, NULL);
	tls->is_client_required = opts->is_client_required;
	r = paths_copy(tls, opts);
	for (unsigned i = 0; i < FILES; i++) {
		stamp_take(tls->paths[i], &tls->seen[i]);
	}
	r = r == 0 ? set_read(tls, ret_why, &tls->current) : r;
	if (r != 0) {
		weir_tls_destroy(tls);
		return r;
	}
	*ret_tls = tls;
	return 0;
}

void weir_tls_destroy(struct weir_tls *tls)
{
	if (tls == NULL) {
		return;
	}
	if (tls->current != NULL) {
		weir_tls_let_go(&tls->current->is);
	}
	for (unsigned i = 0; i < FILES; i++) {
		free(tls->paths[i]);
	}
	pthread_mutex_destroy(&tls->lock);
	free(tls);
}

int weir_tls_reload(struct weir_tls *tls, bool is_forced, bool *ret_is_new, struct weir_buf *ret_why)
{
	struct stamp now[FILES];
	struct set *set = NULL, *old;
	int r;

	*ret_is_new = false;
	for (unsigned i = 0; i < FILES; i++) {
		stamp_take(tls->paths[i], &now[i]);
	}
	if (!is_forced && are_equal(now, tls->seen)) {
		tls->has_failed = false; /* what was wrong was taken back */
		return 0;
	}
	r = set_read(tls, ret_why, &set);
	if (r != 0) {
		bool is_said = tls->has_failed && are_equal(now, tls->failed);

		memcpy(tls->failed, now, sizeof(now));
		tls->has_failed = true;
		return is_said && !is_forced ? 0 : r;
	}
	memcpy(tls->seen, now, sizeof(now));
	tls->has_failed = false;
	pthread_mutex_lock(&tls->lock);
	old = tls->current;
	tls->current = set;
	pthread_mutex_unlock(&tls->lock);
	weir_tls_let_go(&old->is);
	*ret_is_new = true;
	return 0;
}

const struct weir_tls_set *weir_tls_hold(struct weir_tls *tls)
{
	struct set *set;

	pthread_mutex_lock(&tls->lock);
	set = tls->current;
	atomic_fetch_add(&set->holders, 1);
	pthread_mutex_unlock(&tls->lock);
	return &set->is;
}

void weir_tls_let_go(const struct weir_tls_set *set)
{
	struct set *whole = (struct set *)(uintptr_t)set; /* the set is our own, and const only for others */

	if (set != NULL && atomic_fetch_sub(&whole->holders, 1) == 1) {
		set_free(whole);
	}
}

int64_t weir_tls_not_after(const struct weir_tls *tls)
{
	return tls->current->not_after; /* main's thread, which alone replaces it */
}

/* ---- the names of others -------------------------------------------------- */

static X509 *certificate_parse(struct weir_str certificate)
{
	const unsigned char *der = (const unsigned char *)certificate.data;
	X509 *found;
	BIO *bio;

	if (certificate.length == 0 || certificate.length > FILE_BYTES_MAX) {
		return NULL;
	}
	if (der[0] == 0x30) { /* a SEQUENCE */
		return d2i_X509(NULL, &der, (long)certificate.length);
	}
	bio = BIO_new_mem_buf(certificate.data, (int)certificate.length);
	found = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	BIO_free(bio);
	return found;
}

struct weir_str weir_tls_uri_of(struct weir_str certificate, char *buffer, uint32_t size)
{
	struct weir_str uri = { NULL, 0 };
	X509 *leaf = certificate_parse(certificate);
	GENERAL_NAMES *names = leaf != NULL ? X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL) : NULL;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && uri.length == 0; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const ASN1_IA5STRING *text;
		int length;

		if (name->type != GEN_URI) {
			continue;
		}
		text = name->d.uniformResourceIdentifier;
		length = ASN1_STRING_length(text);
		/* A NUL inside, or one that had to be cut, would name somebody else. */
		if (length <= 0 || (uint32_t)length > size ||
			memchr(ASN1_STRING_get0_data(text), '\0', (size_t)length)) {
			break;
		}
		memcpy(buffer, ASN1_STRING_get0_data(text), (size_t)length);
		uri = weir_str_make(buffer, (size_t)length);
	}
	GENERAL_NAMES_free(names);
	X509_free(leaf);
	ERR_clear_error();
	return uri;
}

/* ---- addresses ------------------------------------------------------------ */

bool weir_tls_is_wanted(const char *address, bool has_certificates, const char **ret_bare)
{
	if (strncmp(address, "tls:", 4) == 0) {
		*ret_bare = address + 4;
		return true;
	}
	if (strncmp(address, "plain:", 6) == 0) {
		*ret_bare = address + 6;
		return false;
	}
	*ret_bare = address;
	return has_certificates && strncmp(address, "unix:", 5) != 0;
}

bool weir_tls_is_exposed(const char *bare_address)
{
	static const char *const at_home[] = { "localhost", "::1", "[::1]", "[::ffff:127.0.0.1]" };
	const char *colon = strrchr(bare_address, ':');
	struct weir_str host = weir_str_make(bare_address, colon != NULL ? (size_t)(colon - bare_address) : 0);
	unsigned bytes[4];
	char text[20];
	int used = 0;

	if (strncmp(bare_address, "unix:", 5) == 0) {
		return false;
	}
	for (size_t i = 0; i < sizeof(at_home) / sizeof(at_home[0]); i++) {
		if (weir_str_equal_ignoring_case(host, at_home[i])) {
			return false;
		}
	}
	if (host.length >= sizeof(text)) {
		return true;
	}
	memcpy(text, host.data, host.length);
	text[host.length] = '\0';
	/* "127.example.com" is a name, and anybody's. */
	return sscanf(text, "%3u.%3u.%3u.%3u%n", &bytes[0], &bytes[1], &bytes[2], &bytes[3], &used) != 4 ||
	       (size_t)used != host.length || bytes[0] != 127;
}
