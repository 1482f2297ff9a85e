/* test_offer: a draft becomes a batch, or a refusal that is counted. */
#include "receive/offer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/stat.h"
#include "fill.h"
#include "request.h"

#define SPIFFE "spiffe://cluster.local/ns/default/sa/reviews"

struct fixture {
	struct bench bench;
	struct weir_admit *admit;
	struct weir_arena arena;
	struct weir_draft draft;
	struct weir_offer offer;
	uint64_t end;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	bench_open(&f->bench, 1 << 20);
	assert_int_equal(weir_admit_create(f->bench.ring, 50, &f->admit), 0);
	f->bench.opts.admit = f->admit;
	weir_offer_arena_init(&f->arena, f->bench.ring);
	f->offer = (struct weir_offer){ .protocol = WEIR_PROTOCOL_OTLP_GRPC,
		.signal = WEIR_SIGNAL_SPAN,
		.method = "m",
		.source = weir_str_of("reviews"),
		.peer = weir_str_of("10.0.0.1"),
		.identity = weir_str_of(SPIFFE) };
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	weir_arena_fini(&f->arena);
	weir_admit_destroy(f->admit);
	bench_close(&f->bench);
	free(f);
	return 0;
}

/* Three spans that claim to come from there. */
static enum weir_offer_outcome put(struct fixture *f, const char *namespace_, const char *account)
{
	weir_arena_reset(&f->arena);
	weir_draft_init(&f->draft, &f->arena, weir_str_of("a body of some length"));
	weir_offer_identity(&f->draft, f->offer.identity);
	assert_non_null(weir_draft_resource(&f->draft));
	for (int i = 0; i < 3; i++) {
		assert_non_null(weir_draft_span(&f->draft));
	}
	weir_draft_claim(&f->draft, weir_str_of(namespace_), weir_str_of(account), 3);
	f->draft.offered = 3;
	return weir_offer_put(&f->bench.opts, &f->draft, &f->offer, &f->end);
}

static uint64_t refused(enum weir_refusal reason)
{
	return weir_stat_refused_get(WEIR_SIGNAL_SPAN, reason);
}

static void batch_carries_who_sent_it(void **state)
{
	struct fixture *f = *state;
	const struct weir_batch *batch;

	assert_int_equal(put(f, "default", "reviews"), WEIR_OFFER_TAKEN);
	batch = bench_next(&f->bench);
	assert_non_null(batch);
	assert_true(weir_str_is(weir_batch_str(batch, batch->principal), SPIFFE));
	assert_true(weir_str_is(weir_batch_str(batch, batch->source), "reviews"));
	assert_int_equal(batch->mismatched, 0);
	assert_int_equal(batch->kept, 3);
}

static void claim_of_another_sender_is_marked(void **state)
{
	struct fixture *f = *state;
	const struct weir_batch *batch;

	assert_int_equal(put(f, "default", "ratings"), WEIR_OFFER_TAKEN);
	batch = bench_next(&f->bench);
	assert_int_equal(batch->mismatched, 3);
	assert_int_equal(put(f, "other", ""), WEIR_OFFER_TAKEN);
	assert_int_equal(bench_next(&f->bench)->mismatched, 3);
	assert_int_equal(put(f, "", ""), WEIR_OFFER_TAKEN); /* who claims nothing claims nothing wrong */
	assert_int_equal(bench_next(&f->bench)->mismatched, 0);
}

static void claim_of_another_sender_is_refused_when_that_is_wished(void **state)
{
	struct fixture *f = *state;
	uint64_t before = refused(WEIR_REFUSAL_IDENTITY);

	f->bench.opts.rejects_identity = true;
	assert_int_equal(put(f, "default", "ratings"), WEIR_OFFER_IDENTITY);
	assert_int_equal(refused(WEIR_REFUSAL_IDENTITY), before + 3);
	assert_null(bench_next(&f->bench));
	assert_true(weir_offer_is_denied(&f->bench.opts, &f->draft));
	assert_int_equal(put(f, "default", "reviews"), WEIR_OFFER_TAKEN);
	assert_false(weir_offer_is_denied(&f->bench.opts, &f->draft));
}

static void without_an_identity_nothing_is_compared(void **state)
{
	static const char *const identities[] = { "", "spiffe://cluster.local/agent", "https://example.com/x" };
	struct fixture *f = *state;

	f->bench.opts.rejects_identity = true;
	for (size_t i = 0; i < sizeof(identities) / sizeof(identities[0]); i++) {
		f->offer.identity = weir_str_of(identities[i]);
		assert_int_equal(put(f, "default", "ratings"), WEIR_OFFER_TAKEN);
		assert_non_null(bench_next(&f->bench));
	}
}

static void three_quarters_full_is_refused(void **state)
{
	struct fixture *f = *state;
	uint64_t before = refused(WEIR_REFUSAL_RING_FULL);

	fill_up(f->bench.ring, 49);
	assert_int_equal(put(f, "", ""), WEIR_OFFER_FULL);
	assert_int_equal(refused(WEIR_REFUSAL_RING_FULL), before + 3);
}

static void source_beyond_its_share_is_refused_for_longer(void **state)
{
	struct fixture *f = *state;
	uint64_t before = refused(WEIR_REFUSAL_SOURCE);

	for (int i = 0; i < 10; i++) {
		assert_int_equal(put(f, "", ""), WEIR_OFFER_TAKEN);
	}
	f->offer.source = weir_str_of("ratings");
	assert_int_equal(put(f, "", ""), WEIR_OFFER_TAKEN);
	fill_up(f->bench.ring, 33);
	assert_int_equal(put(f, "", ""), WEIR_OFFER_TAKEN);
	f->offer.source = weir_str_of("reviews");
	assert_int_equal(put(f, "", ""), WEIR_OFFER_SOURCE);
	assert_int_equal(refused(WEIR_REFUSAL_SOURCE), before + 3);
}

static void failing_storage_is_refused(void **state)
{
	struct fixture *f = *state;
	uint64_t before = refused(WEIR_REFUSAL_STORAGE);

	f->bench.is_failing = true;
	assert_int_equal(put(f, "", ""), WEIR_OFFER_STORAGE);
	assert_int_equal(refused(WEIR_REFUSAL_STORAGE), before + 3);
}

static void without_admission_only_a_full_ring_refuses(void **state)
{
	struct fixture *f = *state;

	f->bench.opts.admit = NULL;
	fill_up(f->bench.ring, 60);
	assert_int_equal(put(f, "", ""), WEIR_OFFER_TAKEN);
}

#define WITH_RING(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RING(batch_carries_who_sent_it),
		WITH_RING(claim_of_another_sender_is_marked),
		WITH_RING(claim_of_another_sender_is_refused_when_that_is_wished),
		WITH_RING(without_an_identity_nothing_is_compared),
		WITH_RING(three_quarters_full_is_refused),
		WITH_RING(source_beyond_its_share_is_refused_for_longer),
		WITH_RING(failing_storage_is_refused),
		WITH_RING(without_admission_only_a_full_ring_refuses),
	};

	return cmocka_run_group_tests_name("offer", tests, NULL, NULL);
}
