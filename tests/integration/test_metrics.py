"""Goal: metrics that senders made themselves come out with the values that they
had, and a request that several signals tell of is counted once, in every order."""

import collections
import itertools
import json
import random
import time

import grpc
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

import facts
import mtcap
from weir import Weir

EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
SDKS = ["otel-go-grpc", "otel-go-http-delta", "otel-python-grpc", "otel-python-http-delta"]
NAMES = {  # of the facts: as they are exposed, and the label that tells the facts' parts apart
    "orders": ("orders_total", "tier"),
    "io.bytes": ("io_bytes_total", None),
    "inflight": ("inflight", None),
    "mem.ratio": ("mem_ratio", None),
    "http.server.request.duration": ("http_server_request_duration_seconds", None),
    "rpc.server.duration": ("rpc_server_duration_milliseconds", None),
    "http.requests": ("http_requests_total", "code"),
    "queue.size": ("queue_size", None),
    "http.server.duration": ("http_server_duration_milliseconds", None),
    "rpc.duration": ("rpc_duration_milliseconds", None),
    "cpu.load": ("cpu_load", None),
}


def values(samples, name, label=None):
    """Sums of the family's samples by a label's value."""
    rows = collections.Counter()
    for (found, labels), value in samples.items():
        if found == name:
            rows[dict(labels).get(label) if label else None] += value
    return rows


def buckets(samples, name):
    """Counts of each bucket, not cumulative; (upper bound, count)."""
    rows = sorted((float(dict(labels)["le"]), v) for (found, labels), v in samples.items() if found == name + "_bucket")
    return [(le, n - (rows[i - 1][1] if i else 0)) for i, (le, n) in enumerate(rows)]


def assert_histogram(samples, name, want):
    assert values(samples, name + "_count")[None] == want["count"]
    assert values(samples, name + "_sum")[None] == pytest.approx(want["sum"], rel=1e-12)
    rows = buckets(samples, name)
    assert rows[-1][0] == float("inf") and sum(n for _, n in rows) == want["count"]
    if "buckets" in want:
        assert [n for _, n in rows] == want["buckets"]
    if "zero" in want:
        assert sum(n for le, n in rows if le <= 0) == want["zero"]
    if "negative" in want:
        assert sum(n for le, n in rows if le < 0) == want["negative"]
    if "max" in want:
        top = max(le for le, n in rows if n)
        assert top / 2 < want["max"] <= top


@pytest.mark.fast
@pytest.mark.parametrize("name", SDKS)
def test_final_values_equal_the_facts(weir, name):
    mtcap.replay(weir, name)
    want, samples = mtcap.facts(name), weir.samples()
    for metric, value in want["metrics"].items():
        exposed, label = NAMES[metric]
        if isinstance(value, dict) and "count" in value:
            assert_histogram(samples, exposed, value)
        elif isinstance(value, dict):
            assert values(samples, exposed, label) == value
        else:
            assert values(samples, exposed)[None] == value
    logs = {severity: n for severity, n in values(samples, "weir_log_records_total", "severity").items()}
    assert logs == want["logs"]
    assert weir.total("weir_points_late_total") == weir.total("weir_points_conflicting_total") == 0
    resource = [dict(labels) for (found, labels), _ in samples.items() if found == "target_info"]
    assert len(resource) == 1 and resource[0]["job"] in ("gosdk/orders", "sdk/checkout"), resource


@pytest.mark.fast
@pytest.mark.parametrize("name", ["otel-python-grpc", "envoy-metrics-service-delta", "envoy-all"])
def test_no_family_and_no_sample_is_there_twice(weir, name):
    mtcap.replay(weir, name)
    text = weir.ask("/metrics").text
    families = collections.Counter(line.split()[2] for line in text.splitlines() if line.startswith("# TYPE "))
    samples = collections.Counter(line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#"))
    assert [n for n, count in families.items() if count > 1] == []
    assert [n for n, count in samples.items() if count > 1] == []
    assert {line.split()[2] for line in text.splitlines() if line.startswith("# HELP ")} == set(families)


def inbound_requests(samples):
    """Requests that a sidecar sent on to its own application, by workload."""
    rows = collections.Counter()
    for (name, labels), value in samples.items():
        l = dict(labels)
        if name == "envoy_cluster_upstream_rq_total" and l["envoy_cluster_name"].startswith("inbound|"):
            rows[l["instance"].split("~")[2].rsplit("-", 2)[0]] += int(value)
    return rows


@pytest.mark.fast
def test_envoys_deltas_add_up_to_what_was_requested(tmp_path):
    with Weir(tmp_path / "weir", flags=["--metrics.envoy_counters=delta"]) as weir:
        mtcap.replay(weir, "envoy-metrics-service-delta")
        want, have = mtcap.facts("envoy-metrics-service-delta"), inbound_requests(weir.samples())
        requests = collections.Counter()
        for edge in want["edges"]:
            if edge["reporter"] == "destination":
                requests[edge["destination_workload"]] += edge["n"]
        # A sidecar before TCP counts each connection.
        requests["mysqldb-v1"] = sum(t["connections"] for t in want["tcp_connections"])
        assert have == requests
        weir.ledger()


@pytest.mark.fast
@pytest.mark.parametrize("name", ["envoy-metrics-otlp", "envoy-metrics-otlp-delta"])
def test_envoys_stats_over_otlp_are_envoys_stats(weir, name):
    mtcap.replay(weir, name)
    samples, want = weir.samples(), mtcap.facts(name)
    callees = {e["destination_workload"] for e in want["edges"] if e["reporter"] == "destination"}
    assert sum(v for (n, _), v in samples.items() if n == "envoy_cluster_upstream_rq_total") > 0
    sources = {row["source"].rsplit("-", 2)[0] for row in weir.ledger()["completeness"]}
    assert callees <= sources
    for row in weir.ledger()["completeness"]:
        assert row["seen"] == 0 and row["signal"] == "access_log"  # no access log came


# --- one request, one count ---

SIGNALS = ["AccessLogService", "MetricsService", "TraceService", "LogsService"]


def marginal(requests):
    """Without what an access log in OpenTelemetry's form does not tell: the caller's workload on the callee's side, the
    gRPC status."""
    rows = collections.Counter()
    for (reporter, source, end, code, flags, _), n in requests.items():
        rows[reporter, source if reporter == "source" else "", end.split(".")[0], code, flags] += n
    return rows


def assert_counted_once(weir, is_complete):
    want, samples = mtcap.facts("envoy-all"), weir.samples()
    requests, have = facts.want_requests(want), facts.have_requests(samples)
    assert sum(have.values()) == sum(requests.values())
    assert not facts.differences(marginal(requests), marginal(have))
    if is_complete:
        assert not facts.differences(requests, have)
    assert facts.have_tcp(samples, "source") == facts.want_tcp(want)
    connections = sum(n for n, _, _ in facts.have_tcp(samples, "destination").values())
    assert connections == sum(t["connections"] for t in want["tcp_connections"])
    assert weir.total("envoy_cluster_inbound_9080___upstream_rq_total") > 0


@pytest.mark.parametrize("order", list(itertools.permutations(SIGNALS)), ids="-".join)
def test_a_request_is_counted_once_in_every_order_of_signals(weir, order):
    rows = mtcap.by_signal(mtcap.load("envoy-all"), SIGNALS)
    for signal in order:  # each begins when the one before is answered
        codes = mtcap.replay(weir, rows[signal])
        assert set(code for _, code in codes) == {"OK"}
    assert_counted_once(weir, order.index("AccessLogService") < order.index("LogsService"))


@pytest.mark.parametrize("seed", range(8))
def test_a_request_is_counted_once_in_every_interleaving(weir, seed):
    rows, rng, mixed = mtcap.by_signal(mtcap.load("envoy-all"), SIGNALS), random.Random(seed), []
    while any(rows.values()):
        signal, count = rng.choice([s for s in SIGNALS if rows[s]]), rng.randint(1, 8)
        mixed += rows[signal][:count]
        del rows[signal][:count]
    mtcap.replay(weir, mixed)
    assert_counted_once(weir, False)


@pytest.mark.fast
def test_a_sample_that_is_taken_away_is_missed(weir):
    rows = mtcap.by_signal(mtcap.load("envoy-all"), SIGNALS)
    mtcap.replay(weir, mtcap.take_one_away(rows["AccessLogService"]))
    with pytest.raises(AssertionError):
        assert_counted_once(weir, True)


@pytest.mark.fast
def test_metrics_go_on_after_a_kill(tmp_path):
    with Weir(tmp_path / "weir") as weir:
        mtcap.replay(weir, "otel-python-grpc")
        before = {k: v for k, v in weir.samples().items() if not k[0].startswith(("weir_", "process_"))}
        weir.kill()
        weir.start()
        after = {k: v for k, v in weir.samples().items() if not k[0].startswith(("weir_", "process_"))}
        assert json.dumps(sorted(map(str, after.items()))) == json.dumps(sorted(map(str, before.items())))
        weir.ledger()


@pytest.mark.fast
@pytest.mark.parametrize("temporality", ["delta", "cumulative"])
def test_workers_of_one_name_add_up(weir, temporality):
    """Two processes that were forked together and say nothing of what tells them apart: one's intervals lie inside the
    other's, and come after them."""
    begin, second, millisecond = time.time_ns() - 10**11, 10**9, 10**6
    with grpc.insecure_channel(weir.grpc) as channel:
        export = channel.unary_unary(EXPORT)
        for i in range(1, 6):
            for early in (0, millisecond):
                first, last = begin + early, begin + 10 * i * second - early
                if temporality == "delta" and i > 1:
                    first = last - 10 * second
                request = metrics_service_pb2.ExportMetricsServiceRequest()
                metrics = request.resource_metrics.add()
                metrics.resource.attributes.add(key="service.name").value.string_value = "workers"
                metric = metrics.scope_metrics.add().metrics.add(name="jobs")
                metric.sum.is_monotonic = True
                metric.sum.aggregation_temporality = {"delta": 1, "cumulative": 2}[temporality]
                metric.sum.data_points.add(start_time_unix_nano=first, time_unix_nano=last,
                                           as_int=3 if temporality == "delta" else 3 * i)
                export(request.SerializeToString(), timeout=30)
    assert weir.total("jobs_total") == 2 * 5 * 3
    assert weir.total("weir_points_late_total") == 0


@pytest.mark.fast
@pytest.mark.parametrize("way", ["grpc", "json"])
def test_scopes_that_differ_in_what_they_say_of_themselves_are_two(weir, way):
    """As the parts of an OpenTelemetry Collector do: one metric, one library, a scope for each part."""
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add()
    metrics.resource.attributes.add(key="service.name").value.string_value = "collector"
    for part, value in ("a", 3), ("b", 5):
        scoped = metrics.scope_metrics.add(schema_url="https://example.com/1.2")
        scoped.scope.name = "lib"
        scoped.scope.attributes.add(key="component.id").value.string_value = part
        scoped.scope.attributes.add(key="schema.url").value.string_value = "not this"
        metric = scoped.metrics.add(name="sent.items")
        metric.sum.is_monotonic = True
        metric.sum.aggregation_temporality = 2
        metric.sum.data_points.add(start_time_unix_nano=time.time_ns() - 10**9, time_unix_nano=time.time_ns(), as_int=value)
    if way == "grpc":
        with grpc.insecure_channel(weir.grpc) as channel:
            channel.unary_unary(EXPORT)(request.SerializeToString(), timeout=30)
    else:
        answer = weir.ask("/v1/metrics", "POST", json_format.MessageToJson(request), {"Content-Type": "application/json"})
        assert answer.status == 200
    labels = {"job": "collector", "otel_scope_name": "lib", "otel_scope_schema_url": "https://example.com/1.2"}
    assert {l: v for l, v in ((dict(l)["otel_scope_component_id"], v) for (n, l), v in weir.samples().items()
                              if n == "sent_items_total" and labels.items() <= dict(l).items())} == {"a": 3, "b": 5}
