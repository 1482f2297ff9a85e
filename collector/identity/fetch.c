/* fetch: see the header.
 *
 *   start ─▶ slot ─▶ curl_multi ─▶ wait() … pieces … ─▶ done ─▶ slot free
 *
 * A server that hangs costs its slot until the timeout; one that sends for ever
 * is cut off at WEIR_FETCH_BODY_MAX. Redirects are not followed, and no proxy is
 * used: the token is for one server. It is not sent in the clear either: who is
 * asked over plain HTTP (a proxy of kubectl's, a read-only port) wants none.
 *
 * A server that went without a word, with the machine it was on, is noticed by
 * TCP's probes, KEEP_IDLE_S and some KEEP_EACH_S later: a watch is silent for long.
 *
 * Invariants
 *  1. `done` is called once for each request that was started, or never, when
 *     all are destroyed.
 *  2. A body is no longer than WEIR_FETCH_BODY_MAX, a token than TOKEN_MAX.
 *
 * One thread, but for wake(). */
#include "identity/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"

#define TOKEN_MAX 16384u
#define CONNECT_S 5L
#define KEEP_IDLE_S 30L
#define KEEP_EACH_S 10L

struct slot {
	struct weir_fetches *fetches;
	CURL *easy;
	struct curl_slist *headers;
	struct weir_fetch fetch;
	struct weir_buf body;
	char why[CURL_ERROR_SIZE];
	bool is_taken;
};

struct weir_fetches {
	struct weir_fetches_opts opts;
	CURLM *multi;
	struct slot slots[WEIR_FETCH_SLOTS];
};

int weir_fetches_create(const struct weir_fetches_opts *opts, struct weir_fetches **ret_fetches)
{
	struct weir_fetches *fetches = calloc(1, sizeof(*fetches));

	if (fetches == NULL) {
		return -ENOMEM;
	}
	fetches->opts = *opts;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(fetches);
		return -EIO;
	}
	fetches->multi = curl_multi_init();
	for (unsigned i = 0; i < WEIR_FETCH_SLOTS; i++) {
		fetches->slots[i].fetches = fetches;
		weir_buf_init(&fetches->slots[i].body, WEIR_FETCH_BODY_MAX);
	}
	if (fetches->multi == NULL) {
		weir_fetches_destroy(fetches);
		return -ENOMEM;
	}
	*ret_fetches = fetches;
	return 0;
}

static void slot_free(struct slot *slot)
{
	if (slot->easy != NULL) {
		curl_multi_remove_handle(slot->fetches->multi, slot->easy);
		curl_easy_cleanup(slot->easy);
	}
	curl_slist_free_all(slot->headers);
	slot->easy = NULL;
	slot->headers = NULL;
	weir_buf_fini(&slot->body);
	weir_buf_init(&slot->body, WEIR_FETCH_BODY_MAX);
	slot->is_taken = false;
}

void weir_fetches_destroy(struct weir_fetches *fetches)
{
	if (fetches == NULL) {
		return;
	}
	for (unsigned i = 0; i < WEIR_FETCH_SLOTS; i++) {
		slot_free(&fetches->slots[i]);
	}
	curl_multi_cleanup(fetches->multi);
	curl_global_cleanup();
	free(fetches);
}

/* ---- starting --------------------------------------------------------------- */

static size_t take(char *bytes, size_t one, size_t count, void *ctx)
{
	struct slot *slot = ctx;
	size_t length = one * count;
	long status = 0;

	curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
	if (slot->fetch.piece != NULL && status == 200) {
		return slot->fetch.piece(slot->fetch.ctx, weir_str_make(bytes, length)) ? length : length + 1;
	}
	weir_buf_add(&slot->body, bytes, length);
	return weir_buf_error(&slot->body) == 0 ? length : length + 1;
}

/* "Authorization: Bearer …", or nothing when there is no such file. 0 or a fault. */
static int token_add(struct slot *slot)
{
	static const char prefix[] = "Authorization: Bearer ";
	const char *path = slot->fetches->opts.token_file;
	char line[sizeof(prefix) + TOKEN_MAX];
	struct curl_slist *headers;
	ssize_t length;
	int fd;

	if (path == NULL || path[0] == '\0' || strncmp(slot->fetch.url, "https:", 6) != 0) {
		return 0;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return errno == ENOENT ? 0 : -errno;
	}
	memcpy(line, prefix, sizeof(prefix) - 1);
	length = read(fd, line + sizeof(prefix) - 1, TOKEN_MAX);
	close(fd);
	if (length < 0) {
		return -EIO;
	}
	length += (ssize_t)sizeof(prefix) - 1;
	while (length > 0 && (unsigned char)line[length - 1] <= ' ') {
		length--;
	}
	line[length] = '\0';
	if (strpbrk(line, "\r\n") != NULL) {
		return -EINVAL;
	}
	headers = curl_slist_append(slot->headers, line);
	slot->headers = headers != NULL ? headers : slot->headers;
	return headers != NULL ? 0 : -ENOMEM;
}

static bool options_set(struct slot *slot)
{
	const struct weir_fetches_opts *opts = &slot->fetches->opts;
	CURL *easy = slot->easy;
	bool is_set = true;

	is_set &= curl_easy_setopt(easy, CURLOPT_URL, slot->fetch.url) == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, slot->headers) == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEP_IDLE_S) == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEP_EACH_S) == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_S) == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)slot->fetch.timeout_s) == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_USERAGENT, "weir") == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->why) == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take) == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot) == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_PRIVATE, slot) == CURLE_OK;
	is_set &= curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L) == CURLE_OK; /* else it is read once a day */
	if (opts->skips_verification) {
		is_set &= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK;
		is_set &= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK;
	} else if (opts->ca_file != NULL && opts->ca_file[0] != '\0' && access(opts->ca_file, F_OK) == 0) {
		is_set &= curl_easy_setopt(easy, CURLOPT_CAINFO, opts->ca_file) == CURLE_OK;
		is_set &= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK; /* and nobody else */
	}
	return is_set;
}

int weir_fetch_start(struct weir_fetches *fetches, const struct weir_fetch *fetch)
{
	struct slot *slot = NULL;
	int r;

	for (unsigned i = 0; i < WEIR_FETCH_SLOTS && slot == NULL; i++) {
		slot = fetches->slots[i].is_taken ? NULL : &fetches->slots[i];
	}
	if (slot == NULL) {
		return WEIR_FETCH_BUSY;
	}
	slot->is_taken = true;
	slot->fetch = *fetch;
	slot->why[0] = '\0';
	slot->easy = curl_easy_init();
	r = slot->easy != NULL ? token_add(slot) : -ENOMEM;
	if (r == 0 && (!options_set(slot) || curl_multi_add_handle(fetches->multi, slot->easy) != CURLM_OK)) {
		r = -EIO;
	}
	if (r < 0) {
		slot_free(slot);
	}
	return r;
}

/* ---- going on --------------------------------------------------------------- */

static void finish(struct slot *slot, CURLcode code)
{
	struct weir_fetch fetch = slot->fetch;
	struct weir_fetch_answer answer = { .body = weir_buf_str(&slot->body) };
	curl_off_t retry_s = 0;

	curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &answer.status);
	curl_easy_getinfo(slot->easy, CURLINFO_RETRY_AFTER, &retry_s);
	answer.retry_s = retry_s > 0 ? (uint64_t)retry_s : 0;
	if (code != CURLE_OK) {
		answer.why = slot->why[0] != '\0' ? slot->why : curl_easy_strerror(code);
	}
	if (weir_buf_error(&slot->body) != 0) {
		answer.why = "the answer is too long";
	}
	fetch.done(fetch.ctx, &answer);
	slot_free(slot);
}

void weir_fetch_why(const struct weir_fetch_answer *answer, char ret_why[WEIR_FETCH_WHY_MAX])
{
	if (answer->why != NULL) {
		snprintf(ret_why, WEIR_FETCH_WHY_MAX, "%s", answer->why);
	} else {
		snprintf(ret_why, WEIR_FETCH_WHY_MAX, "the server answers %ld", answer->status);
	}
}

void weir_fetch_cut(struct weir_fetches *fetches, const void *ctx)
{
	for (unsigned i = 0; i < WEIR_FETCH_SLOTS; i++) {
		if (fetches->slots[i].is_taken && fetches->slots[i].fetch.ctx == ctx) {
			finish(&fetches->slots[i], CURLE_ABORTED_BY_CALLBACK);
		}
	}
}

void weir_fetches_wait(struct weir_fetches *fetches, int wait_ms)
{
	int running = 0, left = 0;
	CURLMsg *message;
	void *slot = NULL;

	curl_multi_perform(fetches->multi, &running);
	while ((message = curl_multi_info_read(fetches->multi, &left)) != NULL) {
		if (message->msg == CURLMSG_DONE) {
			CURLcode code = message->data.result;

			curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
			weir_assert(slot != NULL);
			finish(slot, code);
			wait_ms = 0;
		}
	}
	curl_multi_poll(fetches->multi, NULL, 0, wait_ms, NULL);
}

void weir_fetches_wake(struct weir_fetches *fetches)
{
	curl_multi_wakeup(fetches->multi);
}
