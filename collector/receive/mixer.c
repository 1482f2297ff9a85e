/* mixer: istio.mixer.v1.Mixer, as sidecars of Istio 1.0 to 1.7 call it.
 *
 *   Report                                   answer
 *   taken, or empty                          OK, ReportResponse (empty)
 *   malformed; more words known by heart     INVALID_ARGUMENT
 *   than there are
 *   too large                                RESOURCE_EXHAUSTED
 *   ring full, more than its share           RESOURCE_EXHAUSTED + RetryInfo
 *   another sender than the certificate's    PERMISSION_DENIED
 *   stopping                                 UNAVAILABLE
 *
 * A proxy never sends a Report again. So whatever is refused is lost to it, and
 * counted in weir_refused_items_total; two equal Reports are two, not one and
 * its repeat; and while the storage fails a Report is taken for its numbers,
 * without its detail and spans (thinned, reason `storage`).
 *
 *   Check                                    answer
 *   anything that can be read                OK, leave to pass (wire.md 1.2)
 *   malformed                                INVALID_ARGUMENT
 *
 * Leave to pass is one answer for all: it names no attribute that it depends
 * on, so a proxy keeps it under one key and asks again after CHECK_LIFE_S or
 * CHECK_USES requests. Every quota that was asked for is granted in full. The
 * number of words that the asker knows is not looked at: no attribute is read,
 * and an error would make most proxies deny the request that they ask about.
 *
 * One instance, one listener thread, one arena. */
#include "receive/receive.h"

#include <errno.h>
#include <stdlib.h>

#include "mixer/v1/mixer.pb-c.h"

#include "base/stat.h"
#include "decode/envoy/thin.h"
#include "decode/mixer/check.h"
#include "decode/mixer/report.h"
#include "receive/verdict.h"

#define METHOD_REPORT "/istio.mixer.v1.Mixer/Report"
#define METHOD_CHECK "/istio.mixer.v1.Mixer/Check"
#define CHECK_LIFE_S 60
#define CHECK_USES 10000
#define FIRST_QUOTAS 4u

typedef Istio__Mixer__V1__CheckResponse__QuotaResult QuotaResult;
typedef Istio__Mixer__V1__CheckResponse__QuotasEntry QuotasEntry;

struct weir_mixer {
	struct weir_receive_opts opts;
	struct weir_arena arena;
	struct weir_workload_reader *pods; /* NULL: none are known */
};

int weir_mixer_create(const struct weir_receive_opts *opts, struct weir_mixer **ret)
{
	struct weir_mixer *mixer = calloc(1, sizeof(*mixer));
	int r = mixer != NULL ? weir_offer_pods_open(opts, &mixer->pods) : -ENOMEM;

	if (r < 0) {
		free(mixer);
		return r;
	}
	mixer->opts = *opts;
	weir_offer_arena_init(&mixer->arena, opts->ring);
	*ret = mixer;
	return 0;
}

void weir_mixer_destroy(struct weir_mixer *mixer)
{
	if (mixer != NULL) {
		weir_workload_reader_close(mixer->pods);
		weir_arena_fini(&mixer->arena);
		free(mixer);
	}
}

/* ---- Report --------------------------------------------------------------- */

static const struct weir_verdict_words words = {
	.source = "this proxy sends more than its share",
	.too_large = "the report is too large: send fewer attribute sets at a time",
	.identity = "the attributes name another sender than the certificate",
};

static void refuse(enum weir_refusal reason, const char *message, struct weir_grpc_answer *answer)
{
	struct weir_verdict verdict = weir_verdict_of(WEIR_OFFER_TOO_LARGE, &words, 0);

	weir_stat_refused(WEIR_SIGNAL_MIXER, reason, 1);
	if (reason == WEIR_REFUSAL_MALFORMED) {
		weir_stat_add(WEIR_STAT_MALFORMED_PROTOBUF, 1);
		verdict = weir_verdict_malformed(message);
	}
	weir_verdict_grpc(&verdict, answer);
}

/* Numbers without detail. */
static void thin(struct weir_draft *draft)
{
	draft->spans.count = 0;
	draft->resources.count = 0;
	weir_als_thin(draft);
	draft->thinned[WEIR_THIN_STORAGE] = draft->requests.count + draft->connections.count;
}

static void report(
	void *ctx, const struct weir_grpc_peer *peer, struct weir_str message, struct weir_grpc_answer *answer)
{
	struct weir_mixer *mixer = ctx;
	struct weir_offer offer = { .protocol = WEIR_PROTOCOL_MIXER,
		.signal = WEIR_SIGNAL_MIXER,
		.peer = weir_offer_peer(peer->address),
		.identity = peer->identity };
	struct weir_receive_opts opts;
	struct weir_draft draft;
	enum weir_offer_outcome outcome;
	struct weir_verdict verdict;
	uint64_t end;
	int r;

	if (message.length > mixer->opts.max_message_bytes) {
		refuse(WEIR_REFUSAL_TOO_LARGE, NULL, answer);
		return;
	}
	weir_arena_reset(&mixer->arena);
	weir_draft_init(&draft, &mixer->arena, message);
	weir_offer_identity(&draft, peer->identity);
	draft.pods = mixer->pods;
	weir_workload_hold(mixer->pods);
	r = weir_report_decode(&draft, &offer.source);
	weir_workload_release(mixer->pods);
	if (r != 0) {
		refuse(r == WEIR_DECODE_MALFORMED ? WEIR_REFUSAL_MALFORMED : WEIR_REFUSAL_TOO_LARGE, draft.error,
			answer);
		return;
	}
	opts = mixer->opts;
	if (opts.is_storage_failing != NULL && opts.is_storage_failing(opts.ctx)) {
		thin(&draft);
	}
	opts.is_storage_failing = NULL;
	outcome = weir_offer_put(&opts, &draft, &offer, &end);
	verdict = weir_verdict_of(outcome, &words, end);
	weir_verdict_grpc(&verdict, answer);
}

/* ---- Check ---------------------------------------------------------------- */

struct leave { /* the parts of an answer; the quotas share them */
	Google__Rpc__Status status;
	Google__Protobuf__Duration life;
	Istio__Mixer__V1__ReferencedAttributes referenced;
	Istio__Mixer__V1__CheckResponse__PreconditionResult precondition;
	Istio__Mixer__V1__CheckResponse response;
	size_t quota_capacity;
};

static void leave_init(struct leave *leave)
{
	*leave = (struct leave){ 0 };
	google__rpc__status__init(&leave->status);
	google__protobuf__duration__init(&leave->life);
	istio__mixer__v1__referenced_attributes__init(&leave->referenced);
	istio__mixer__v1__check_response__precondition_result__init(&leave->precondition);
	istio__mixer__v1__check_response__init(&leave->response);
	leave->life.seconds = CHECK_LIFE_S;
	leave->precondition.status = &leave->status;
	leave->precondition.valid_duration = &leave->life;
	leave->precondition.valid_use_count = CHECK_USES;
	leave->precondition.referenced_attributes = &leave->referenced;
	leave->response.precondition = &leave->precondition;
}

/* False: the arena is full. */
static bool leave_grow(struct leave *leave, struct weir_arena *arena)
{
	size_t count = leave->response.n_quotas;
	size_t capacity = leave->quota_capacity > 0 ? 2 * leave->quota_capacity : FIRST_QUOTAS;
	QuotasEntry **quotas;

	if (count < leave->quota_capacity) {
		return true;
	}
	quotas = weir_arena_alloc(arena, capacity * sizeof(*quotas));
	if (quotas == NULL) {
		return false;
	}
	if (count > 0) {
		memcpy(quotas, leave->response.quotas, count * sizeof(*quotas));
	}
	leave->response.quotas = quotas;
	leave->quota_capacity = capacity;
	return true;
}

/* Grants one quota. False: the arena is full. */
static bool leave_grant(struct leave *leave, const struct weir_check_quota *quota, struct weir_arena *arena)
{
	struct {
		QuotasEntry entry;
		QuotaResult result;
	} * granted;
	char *name;

	granted = weir_arena_alloc(arena, sizeof(*granted));
	name = weir_arena_alloc(arena, quota->name.length + 1);
	if (granted == NULL || name == NULL || !leave_grow(leave, arena)) {
		return false;
	}
	if (quota->name.length > 0) {
		memcpy(name, quota->name.data, quota->name.length);
	}
	name[quota->name.length] = '\0';
	istio__mixer__v1__check_response__quotas_entry__init(&granted->entry);
	istio__mixer__v1__check_response__quota_result__init(&granted->result);
	granted->result.valid_duration = &leave->life;
	granted->result.granted_amount = quota->amount;
	granted->result.referenced_attributes = &leave->referenced;
	granted->result.status = &leave->status;
	granted->entry.key = name;
	granted->entry.value = &granted->result;
	leave->response.quotas[leave->response.n_quotas++] = &granted->entry;
	return true;
}

static void leave_write(const struct leave *leave, struct weir_buf *body)
{
	size_t size = istio__mixer__v1__check_response__get_packed_size(&leave->response);
	char *at = weir_buf_reserve(body, size);

	if (at != NULL) {
		weir_buf_advance(body, istio__mixer__v1__check_response__pack(&leave->response, (uint8_t *)at));
	}
}

static void check(
	void *ctx, const struct weir_grpc_peer *peer, struct weir_str message, struct weir_grpc_answer *answer)
{
	struct weir_mixer *mixer = ctx;
	struct weir_wire wire = weir_wire_of(message);
	struct weir_check_quota quota;
	struct leave leave;

	(void)peer;
	weir_arena_reset(&mixer->arena);
	leave_init(&leave);
	while (weir_check_next(&wire, &quota)) {
		if (!leave_grant(&leave, &quota, &mixer->arena)) {
			answer->code = WEIR_GRPC_RESOURCE_EXHAUSTED;
			answer->message = "more quotas than can be granted at once";
			return;
		}
	}
	if (wire.is_malformed) {
		weir_stat_add(WEIR_STAT_MALFORMED_PROTOBUF, 1);
		answer->code = WEIR_GRPC_INVALID_ARGUMENT;
		answer->message = "the check is no CheckRequest";
		return;
	}
	weir_stat_add(WEIR_STAT_MIXER_CHECKS, 1);
	answer->code = WEIR_GRPC_OK;
	leave_write(&leave, &answer->body);
}

static void refused(void *ctx, enum weir_route_refusal why)
{
	(void)ctx;
	weir_stat_refused(
		WEIR_SIGNAL_MIXER, why == WEIR_ROUTE_TOO_LARGE ? WEIR_REFUSAL_TOO_LARGE : WEIR_REFUSAL_MALFORMED, 1);
}

void weir_mixer_grpc(struct weir_mixer *mixer, struct weir_grpc_method ret_methods[WEIR_MIXER_METHODS])
{
	ret_methods[0] =
		(struct weir_grpc_method){ .path = METHOD_REPORT, .unary = report, .ctx = mixer, .refused = refused };
	/* A check holds no items: what serve refuses of it is in its own counters. */
	ret_methods[1] = (struct weir_grpc_method){ .path = METHOD_CHECK, .unary = check, .ctx = mixer };
}
