/* scrape: /metrics: everything a scraper wants, in one snapshot, in the form
 * that it asks for; /federate: what of it selectors choose, the text through a
 * filter.
 *
 *   Accept ─▶ form       snapshot, own figures ─▶ families ─▶ clash (names only)
 *                                                    └──────▶ text | openmetrics | protobuf ─▶ body, packed as it grows
 *
 * Every family goes the same way, so that each is there in every form. The
 * sources are asked twice, first for the names alone: OpenMetrics needs them all
 * before it can name the first (clash.c).
 *
 * Exemplars are shown when their trace is still here: which traces are is
 * noted (storage/alive.h) at the first exemplar that a form wants to show. */
#include "exporters/metrics/scrape.h"

#include <errno.h>

#include "base/clock.h"
#include "exporters/answer.h"
#include "exporters/metrics/accept.h"
#include "exporters/metrics/federate.h"
#include "exporters/metrics/ledger_metrics.h"
#include "exporters/metrics/made.h"
#include "exporters/metrics/openmetrics.h"
#include "exporters/metrics/own.h"
#include "exporters/metrics/passed.h"
#include "exporters/metrics/protobuf.h"
#include "exporters/metrics/text.h"
#include "storage/alive.h"

#define SIEVE_BYTES (64u << 10)
#define TEXT_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct scrape {
	struct weir_exporters *exporters;
	const struct weir_snapshot *snapshot;
	struct weir_own own;
	struct weir_own_process process;
	struct weir_clash clash;
	struct weir_alive *alive; /* NULL: nobody asked yet */
	int alive_error;
};

static void families_render(struct weir_exposition *out, const struct scrape *scrape)
{
	weir_made_render(out, scrape->snapshot);
	weir_passed_render(out, scrape->snapshot);
	weir_ledger_metrics_render(out, scrape->snapshot);
	weir_own_render(out, &scrape->own);
	weir_own_stats_render(out, scrape->own.started_ns);
	weir_own_process_render(out, &scrape->process, scrape->own.started_ns);
	weir_exposition_end(out);
}

static void pack(void *ctx)
{
	weir_http_response_pack(ctx);
}

/* Without memory for it no exemplar is shown, and the scrape goes on. */
static bool has_trace(void *ctx, const uint8_t trace_id[16])
{
	struct scrape *scrape = ctx;
	const struct weir_exporters_opts *opts = &scrape->exporters->opts;

	if (scrape->alive == NULL && scrape->alive_error == 0) {
		scrape->alive_error = weir_alive_create(opts->store, opts->windows, &scrape->alive);
	}
	return scrape->alive != NULL && weir_alive_has(scrape->alive, trace_id);
}

static void form_render(struct scrape *scrape, enum weir_accept_format format, struct weir_http_response *response)
{
	const struct weir_exposition_opts opts = {
		.buf = &response->body,
		.drain = pack,
		.drain_ctx = response,
		.has_trace = has_trace,
		.trace_ctx = scrape,
		.clash = &scrape->clash,
		.has_created = scrape->exporters->opts.has_om_created,
	};
	union {
		struct weir_text_exposition text;
		struct weir_openmetrics openmetrics;
		struct weir_protobuf protobuf;
	} form;

	switch (format) {
	case WEIR_ACCEPT_TEXT:
		weir_text_exposition_begin(&form.text, &opts);
		families_render(&form.text.base, scrape);
		break;
	case WEIR_ACCEPT_OPENMETRICS:
		weir_openmetrics_begin(&form.openmetrics, &opts);
		families_render(&form.openmetrics.base, scrape);
		break;
	case WEIR_ACCEPT_PROTOBUF:
		weir_protobuf_begin(&form.protobuf, &opts);
		families_render(&form.protobuf.base, scrape);
		weir_protobuf_end(&form.protobuf);
		break;
	}
}

/* Takes the snapshot and the figures, and settles the names. False: the response says why not. */
static bool scrape_begin(struct scrape *scrape, struct weir_exporters *exporters, struct weir_http_response *response)
{
	*scrape = (struct scrape){ .exporters = exporters };
	scrape->snapshot = weir_answer_snapshot(
		exporters, WEIR_SNAPSHOT_SERIES | WEIR_SNAPSHOT_LEDGER | WEIR_SNAPSHOT_POINTS, response);
	if (scrape->snapshot == NULL) {
		return false;
	}
	weir_own_read(&exporters->opts, &scrape->own);
	weir_own_process_read(&scrape->process);
	weir_clash_begin(&scrape->clash);
	families_render(&scrape->clash.base, scrape);
	if (weir_clash_settle(&scrape->clash) != 0) {
		weir_clash_end(&scrape->clash);
		weir_snapshot_let_go(scrape->snapshot);
		weir_http_response_text(response, 503, "out of memory\n");
		return false;
	}
	scrape->own.left_out_families = scrape->clash.left_out;
	return true;
}

static void scrape_end(struct scrape *scrape)
{
	weir_clash_end(&scrape->clash);
	weir_alive_destroy(scrape->alive);
	weir_snapshot_let_go(scrape->snapshot);
}

void weir_scrape_get(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_accept accept = weir_accept_choose(weir_http_request_header(request, "Accept"));
	struct scrape scrape;

	if (scrape_begin(&scrape, ctx, response)) {
		response->content_type = accept.content_type;
		response->vary = "Accept";
		form_render(&scrape, accept.format, response);
		scrape_end(&scrape);
		weir_answer_json_end(response);
	}
}

/* ---- /federate ------------------------------------------------------------ */

/* All of it as text 0.0.4. False: the response says why not. */
static bool text_render(
	struct weir_exporters *exporters, struct weir_http_response *response, const struct weir_exposition_opts *opts)
{
	struct weir_text_exposition text;
	struct scrape scrape;

	if (!scrape_begin(&scrape, exporters, response)) {
		return false;
	}
	weir_text_exposition_begin(&text, opts);
	families_render(&text.base, &scrape);
	scrape_end(&scrape);
	return true;
}

struct sieve { /* the exposition passes through it, a piece at a time */
	struct weir_buf piece;
	struct weir_federate federate;
	struct weir_http_response *response;
	uint64_t deadline_ns;
	int fault;
};

static void sieve_take(struct sieve *sieve)
{
	if (sieve->fault == 0) {
		sieve->fault = weir_buf_error(&sieve->piece);
	}
	if (sieve->fault == 0 && weir_clock_monotonic_ns() > sieve->deadline_ns) {
		sieve->fault = -ETIMEDOUT;
	}
	if (sieve->fault == 0) {
		sieve->fault =
			weir_federate_take(&sieve->federate, weir_buf_str(&sieve->piece), &sieve->response->body);
		weir_http_response_pack(sieve->response);
	}
	weir_buf_clear(&sieve->piece);
}

static void sieve_drain(void *ctx)
{
	struct sieve *sieve = ctx;

	if (sieve->piece.length >= SIEVE_BYTES) {
		sieve_take(sieve);
	}
}

/* Reads every match[]. True: all are selectors. */
static bool selectors_read(const struct weir_http_request *request, struct weir_http_response *response,
	struct weir_selectors *selectors, size_t *ret_count)
{
	struct weir_str texts[WEIR_SELECTORS_MAX];
	size_t count = weir_http_request_arguments(request, "match[]", texts, WEIR_SELECTORS_MAX);
	struct weir_buf why;
	int outcome = 0;

	*ret_count = count;
	if (count > WEIR_SELECTORS_MAX) {
		weir_http_response_text(response, 400, "more than 64 match[] in one request\n");
		return false;
	}
	weir_buf_init(&why, 0);
	for (size_t i = 0; i < count && outcome == 0; i++) {
		outcome = weir_selectors_add(selectors, texts[i], &why);
	}
	if (outcome != 0) {
		weir_buf_add_char(&why, '\n');
		weir_buf_add_char(&why, '\0');
		if (outcome == WEIR_SELECTOR_BAD && weir_buf_error(&why) == 0) {
			weir_http_response_text(response, 400, why.data);
		} else {
			weir_answer_refused(response, WEIR_QUERY_TOO_LARGE);
		}
	}
	weir_buf_fini(&why);
	return outcome == 0;
}

static void federate_end(struct weir_http_response *response, int fault)
{
	switch (fault) {
	case 0:
		response->content_type = TEXT_CONTENT_TYPE;
		weir_answer_json_end(response);
		return;
	case -ETIMEDOUT:
		weir_answer_refused(response, WEIR_QUERY_TIMEOUT);
		return;
	case -E2BIG:
		weir_http_response_text(response, 400, "a regular expression needs too much memory\n");
		return;
	default:
		weir_http_response_text(response, 500, "the exposition could not be filtered\n");
	}
}

void weir_scrape_federate(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_exporters *exporters = ctx;
	struct sieve sieve = { .response = response, .deadline_ns = weir_http_request_deadline_ns(request) };
	const struct weir_exposition_opts opts = { .buf = &sieve.piece, .drain = sieve_drain, .drain_ctx = &sieve };
	struct weir_selectors selectors;
	struct weir_arena arena;
	size_t count;

	weir_arena_init(&arena, SIEVE_BYTES, exporters->opts.max_query_bytes);
	if (weir_selectors_init(&selectors, &arena, sieve.deadline_ns) != 0) {
		weir_answer_refused(response, WEIR_QUERY_TOO_LARGE);
	} else if (selectors_read(request, response, &selectors, &count)) {
		weir_federate_init(&sieve.federate, &selectors);
		weir_buf_init(&sieve.piece, 0);
		if (count == 0) { /* as Prometheus: nothing is asked, nothing is said */
			federate_end(response, 0);
		} else if (text_render(exporters, response, &opts)) {
			sieve_take(&sieve);
			federate_end(response, sieve.fault);
		}
		weir_buf_fini(&sieve.piece);
		weir_federate_fini(&sieve.federate);
	}
	weir_arena_fini(&arena);
}
