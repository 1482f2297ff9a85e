/* scrape: /metrics: everything a scraper wants, in one snapshot, in the form
 * that it asks for.
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

#include "exporters/answer.h"
#include "exporters/metrics/accept.h"
#include "exporters/metrics/ledger_metrics.h"
#include "exporters/metrics/made.h"
#include "exporters/metrics/openmetrics.h"
#include "exporters/metrics/own.h"
#include "exporters/metrics/passed.h"
#include "exporters/metrics/protobuf.h"
#include "exporters/metrics/text.h"
#include "storage/alive.h"

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

void weir_scrape_get(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_accept accept = weir_accept_choose(weir_http_request_header(request, "Accept"));
	struct scrape scrape = { .exporters = ctx };

	scrape.snapshot =
		weir_answer_snapshot(ctx, WEIR_SNAPSHOT_SERIES | WEIR_SNAPSHOT_LEDGER | WEIR_SNAPSHOT_POINTS, response);
	if (scrape.snapshot == NULL) {
		return;
	}
	weir_own_read(&scrape.exporters->opts, &scrape.own);
	weir_own_process_read(&scrape.process);
	response->content_type = accept.content_type;
	response->vary = "Accept";
	weir_clash_begin(&scrape.clash);
	families_render(&scrape.clash.base, &scrape);
	if (weir_clash_settle(&scrape.clash) == 0) {
		scrape.own.left_out_families = scrape.clash.left_out;
		form_render(&scrape, accept.format, response);
	} else {
		response->body.error = -ENOMEM;
	}
	weir_clash_end(&scrape.clash);
	weir_alive_destroy(scrape.alive);
	weir_snapshot_let_go(scrape.snapshot);
	weir_answer_json_end(response);
}
