"""Goal: however many labels come, and however briefly, not one request is lost from the totals: in every scrape, in every
format, under load, what is live, what has expired and what overflowed add up to what the ledger of the same scrape says was
kept; a histogram's count is its last bucket and its buckets only grow.

Random streams against a small budget and a short expiry; the seed is printed, WEIR_TEST_SEED sets it."""

import os
import random

import pytest
from formats import FORMATS, scrape
from random_load import RandomStream
from weir import PATIENCE, Weir, until

BUDGET = 200
COUNTER = "istio_requests_total"
HISTOGRAMS = ["istio_request_duration_milliseconds", "istio_request_bytes", "istio_response_bytes"]
SEEDS = [1, int(os.environ.get("WEIR_TEST_SEED", random.SystemRandom().randrange(1 << 32)))]


class Scrape:
    """One of them, with what must hold in each."""

    def __init__(self, samples):
        self.by_name = {}
        for (name, labels), value in samples.items():
            self.by_name.setdefault(name, []).append((dict(labels), value))

    def sum(self, name, **labels):
        return sum(v for l, v in self.by_name.get(name, []) if all(l.get(k) == want for k, want in labels.items()))

    def expired(self, metric):
        return self.sum("weir_series_expired_value_total", metric=metric)

    def whole(self, metric):
        """Live, overflow and expired."""
        return self.sum(metric) + self.expired(metric)

    def overflow(self):
        return sum(v for l, v in self.by_name.get(COUNTER, []) if "_overflow" in l.values())

    def check(self):
        kept = self.sum("weir_kept_items_total", signal="access_log") + self.sum("weir_thinned_items_total", signal="access_log")
        assert self.sum("weir_received_items_total", signal="access_log") == kept + self.sum(
            "weir_dropped_items_total", signal="access_log")
        assert self.whole(COUNTER) == kept
        sets = [frozenset(l.items()) for l, _ in self.by_name.get(COUNTER, [])]
        assert len(sets) == len(set(sets))
        assert sum("_overflow" not in dict(s).values() for s in sets) <= BUDGET
        for name in HISTOGRAMS:
            counts = {frozenset(l.items()): v for l, v in self.by_name.get(f"{name}_count", [])}
            assert set(counts) == set(sets)
            assert self.whole(f"{name}_count") == kept, name
            self.check_buckets(name, counts)
        return kept

    def check_buckets(self, name, counts):
        buckets = {}
        for l, v in self.by_name.get(f"{name}_bucket", []):
            key = frozenset((k, x) for k, x in l.items() if k != "le")
            buckets.setdefault(key, []).append((float(l["le"]), v))
        assert set(buckets) == set(counts), name
        for key, rows in buckets.items():
            values = [v for _, v in sorted(rows)]
            assert values == sorted(values) and max(rows)[0] == float("inf") and values[-1] == counts[key], (name, key)


def sent(streams, figure):
    return sum(getattr(s, figure) for s in streams)


CASES = [pytest.param(SEEDS[0], list(FORMATS), id="1-mixed", marks=pytest.mark.fast),
         *[pytest.param(seed, [name], id=f"{seed}-{name}") for seed in SEEDS[1:] for name in FORMATS]]


@pytest.mark.parametrize("seed, formats", CASES)
def test_live_expired_and_overflow_are_the_total_in_every_scrape(tmp_path, seed, formats):
    print(f"seed {seed}")
    flags = [f"--metrics.max_series={BUDGET}", "--metrics.expiry=1s"]
    with Weir(tmp_path / "weir", flags=flags) as weir:
        streams = [RandomStream(weir.grpc, seed * 10 + i) for i in range(3)]
        for stream in streams:
            stream.start()
        rng, seen = random.Random(seed), []

        def step():
            """A scrape; it is enough when series have overflowed and, more than once, expired."""
            now = Scrape(scrape(weir, rng.choice(formats), rng.random() < 0.5))
            seen.append((now.check(), now.expired(COUNTER), now.overflow()))
            return len(seen) >= 20 and len({e for _, e, _ in seen}) >= 3 and seen[-1][2] > 0
        try:
            until(step, "series to overflow and to expire", 2 * PATIENCE)
        finally:
            for stream in streams:
                stream.halt.set()
            for stream in streams:
                stream.join(PATIENCE)
        assert all(not s.is_alive() and s.failure is None for s in streams)
        # Neither what came nor what expired goes back, and there was load between scrapes.
        assert [k for k, _, _ in seen] == sorted(k for k, _, _ in seen) and len({k for k, _, _ in seen}) > 5
        assert [e for _, e, _ in seen] == sorted(e for _, e, _ in seen)
        for name in formats:
            last = Scrape(scrape(weir, name))
            assert last.check() == sent(streams, "entries")
            for metric, figure in zip(HISTOGRAMS, ("duration_ms", "request_bytes", "response_bytes")):
                assert last.whole(f"{metric}_sum") == sent(streams, figure), metric
        weir.ledger()
