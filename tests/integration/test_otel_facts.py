"""Goal: what OpenTelemetry SDKs of three languages measured is on /metrics, to
the last bit of a sum: cumulative and delta, protobuf and JSON. Their captures
are replayed byte for byte; the facts are what the programs counted."""

import math

import mtcap
import pytest

# capture: job, instance, and for each fact the name on /metrics and the label that tells its parts
GO = {"orders": ("orders_total", "tier"), "inflight": ("inflight", None), "io.bytes": ("io_bytes_total", None),
      "mem.ratio": ("mem_ratio", None), "http.server.request.duration": ("http_server_request_duration_seconds", None),
      "rpc.server.duration": ("rpc_server_duration_milliseconds", None)}
PYTHON = {"http.requests": ("http_requests_total", "code"), "queue.size": ("queue_size", None),
          "cpu.load": ("cpu_load", None), "http.server.duration": ("http_server_duration_milliseconds", None),
          "rpc.duration": ("rpc_duration_milliseconds", None)}
JS = {"hits": ("hits_total", "code"), "latency": ("latency_milliseconds", None),
      "exp.latency": ("exp_latency_milliseconds", None)}
SENDERS = {
    "otel-go-grpc": ("gosdk/orders", "orders-0", GO), "otel-go-http-delta": ("gosdk/orders", "orders-0", GO),
    "otel-python-grpc": ("sdk/checkout", "checkout-11", PYTHON),
    "otel-python-http-delta": ("sdk/checkout", "checkout-13", PYTHON),
    "otel-js-json": ("js/cart", "cart-0", JS)}


def series(weir, name, job, instance):
    """Values of one metric of one sender, by their other labels."""
    mine = {("job", job), ("instance", instance)}
    return {frozenset(found - mine): v for (n, found), v in weir.samples().items() if n == name and mine <= found}


def by_label(found, label):
    return {dict(labels)[label]: v for labels, v in found.items()}


def buckets(found):
    """Counts of each bucket alone, by ascending bound."""
    cumulative = sorted((float(le), v) for le, v in by_label(found, "le").items())
    return [v - before for (_, v), (_, before) in zip(cumulative, [(0, 0), *cumulative])]


@pytest.mark.fast
@pytest.mark.parametrize("name", SENDERS)
def test_metrics_equal_the_facts(weir, name):
    codes = mtcap.replay(weir, name)
    assert {code for _, code in codes} <= {"OK", 200}
    job, instance, names = SENDERS[name]
    facts = mtcap.facts(name)["metrics"]
    assert set(facts) == set(names)
    for fact, want in facts.items():
        metric, label = names[fact]
        if not isinstance(want, dict):
            assert list(series(weir, metric, job, instance).values()) == [want], metric
        elif label:
            assert by_label(series(weir, metric, job, instance), label) == want
        else:
            (count,) = series(weir, f"{metric}_count", job, instance).values()
            (total,) = series(weir, f"{metric}_sum", job, instance).values()
            assert count == want["count"] and math.isclose(total, want["sum"], rel_tol=1e-12)
            alone = buckets(series(weir, f"{metric}_bucket", job, instance))
            assert sum(alone) == count and min(alone) >= 0
            if "buckets" in want:
                assert alone == want["buckets"]
    points = weir.ledger_sum("metric_point")
    assert points["received"] == points["kept"] > 0


@pytest.mark.parametrize("name", SENDERS)
def test_a_repeated_request_is_counted_once(weir, name):
    """A sender that missed the answer sends the same bytes again."""
    job, instance, names = SENDERS[name]
    for _ in range(2):
        mtcap.replay(weir, name)
    for fact, want in mtcap.facts(name)["metrics"].items():
        metric, label = names[fact]
        if label:
            assert by_label(series(weir, metric, job, instance), label) == want
    for signal in ("span", "metric_point", "log"):
        sums = weir.ledger_sum(signal)
        assert sums["duplicates"] * 2 == sums["received"]
