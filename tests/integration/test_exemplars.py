"""Goal: an exemplar leads to a trace that weir shows, whoever made it: weir of what proxies and spans told, or an
OpenTelemetry SDK of what it measured. It is in the right bucket, a newer one takes its place, and of a trace that was
never sent there is none. The same in OpenMetrics and in protobuf."""

import contextlib
import time

import exposition
import mtcap
import otel_py
import pytest
from exposition import OPENMETRICS, PROTOBUF
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from weir import Weir

CAPTURES = {  # and metrics that have exemplars, by who made them
    "envoy-all": {"istio_requests_total", "istio_request_duration_milliseconds_bucket", "istio_request_bytes_bucket",
                  "traces_spanmetrics_calls_total", "traces_spanmetrics_latency_bucket"},
    "otel-go-grpc": {"orders_total", "io_bytes_total", "http_server_request_duration_seconds_bucket",
                     "rpc_server_duration_milliseconds_bucket", "traces_spanmetrics_latency_bucket"},
    "otel-python-grpc": {"http_requests_total", "http_server_duration_milliseconds_bucket",
                         "rpc_duration_milliseconds_bucket", "traces_spanmetrics_latency_bucket"}}


class Exemplar:
    def __init__(self, labels, value, time_s):
        self.trace, self.span, self.value, self.time_s = labels["trace_id"], labels.get("span_id"), value, time_s
        assert set(labels) <= {"trace_id", "span_id"}
        assert sum(len(k) + len(v) for k, v in labels.items()) <= 128

    def __eq__(self, other):
        return ((self.trace, self.span, self.value) == (other.trace, other.span, other.value) and
                abs(self.time_s - other.time_s) < 1e-6)


def of_openmetrics(weir):
    """By sample, as exposition.key() has it."""
    samples, _, found = exposition.of_openmetrics(exposition.ask(weir, OPENMETRICS).text)
    return samples, {k: Exemplar(e.labels, e.value, float(e.timestamp)) for k, e in found.items()}


def read(message):
    labels = {pair.name: pair.value for pair in message.label}
    assert message.HasField("timestamp")
    return Exemplar(labels, message.value, message.timestamp.seconds + message.timestamp.nanos / 1e9)


def of_protobuf(weir):
    """As above, and those of native histograms by (name, labels)."""
    body = exposition.ask(weir, PROTOBUF).body
    found, native = {}, {}
    for family in exposition.families(body):
        for metric in family.metric:
            labels = {pair.name: pair.value for pair in metric.label}
            if metric.counter.HasField("exemplar"):
                found[exposition.key(family.name, labels)] = read(metric.counter.exemplar)
            for bucket in metric.histogram.bucket:
                if bucket.HasField("exemplar"):
                    key = exposition.key(f"{family.name}_bucket", {**labels, "le": bucket.upper_bound})
                    found[key] = read(bucket.exemplar)
            assert metric.histogram.HasField("schema") or not metric.histogram.exemplars
            for exemplar in metric.histogram.exemplars:
                native[exposition.key(family.name, labels)] = read(exemplar)
    return found, native


def assert_in_its_bucket(samples, key, exemplar):
    """Above the bound before, if it has one; and something was counted there."""
    name, labels = key
    le = dict(labels)["le"]
    series = {k: v for k, v in dict(labels).items() if k != "le"}
    lower = [b for b in (dict(l)["le"] for n, l in samples if n == name and
                         {k: v for k, v in dict(l).items() if k != "le"} == series) if b < le]
    assert exemplar.value <= le and all(exemplar.value > bound for bound in lower), (name, labels)
    below = samples[exposition.key(name, {**series, "le": max(lower)})] if lower else 0
    assert samples[key] > below, (name, labels)


@pytest.mark.fast
@pytest.mark.parametrize("capture", CAPTURES)
def test_those_of_real_senders_lead_to_traces(weir, capture):
    mtcap.replay(weir, capture)
    samples, found = of_openmetrics(weir)
    assert CAPTURES[capture] <= {name for name, _ in found}
    spans = {}
    for key, exemplar in found.items():
        if exemplar.trace not in spans:
            spans[exemplar.trace] = {s["id"] for s in weir.get_json(f"/api/v2/trace/{exemplar.trace}")}
        assert exemplar.span is None or exemplar.span in spans[exemplar.trace], key
        if key[0].endswith("_bucket"):
            assert_in_its_bucket(samples, key, exemplar)
    packed, native = of_protobuf(weir)
    assert {k: v for k, v in packed.items() if k in found} == found
    assert all(exemplar.trace in spans for exemplar in (*packed.values(), *native.values()))
    assert bool(native) == (capture != "envoy-all")  # the SDKs' exponential histograms


class Sender:
    """Measures in spans that it sends, and in spans that nobody sends."""

    def __init__(self, weir, how, is_delta):
        self.sent, unsent = (TracerProvider(resource=otel_py.resource("till")) for _ in range(2))
        self.sent.add_span_processor(SimpleSpanProcessor(otel_py.exporter(weir, how, "traces")))
        self.tracers = {"sent": self.sent.get_tracer("till"), "unsent": unsent.get_tracer("till")}
        more = {"preferred_temporality": otel_py.delta()} if is_delta else {}
        reader = PeriodicExportingMetricReader(otel_py.exporter(weir, how, "metrics", **more),
                                               export_interval_millis=otel_py.NEVER_MS)
        walk = View(instrument_name="walk", aggregation=ExponentialBucketHistogramAggregation())
        self.meters = MeterProvider([reader], resource=otel_py.resource("till"), views=[walk])
        meter = self.meters.get_meter("till")
        self.sold, self.queue = meter.create_counter("sold"), meter.create_up_down_counter("queue")
        self.wait = meter.create_histogram("wait", unit="s", explicit_bucket_boundaries_advisory=[0.25, 1, 4])
        self.walk = meter.create_histogram("walk", unit="m")

    def measure(self, where, value):
        """All instruments once; returns the trace and the span."""
        with self.tracers[where].start_as_current_span("sell") as span:
            self.sold.add(3, {"where": where})
            self.queue.add(1, {"where": where})
            self.wait.record(value, {"where": where})
            self.walk.record(value, {"where": where})
        context = span.get_span_context()
        assert context.trace_flags.sampled
        return f"{context.trace_id:032x}", f"{context.span_id:016x}"

    def close(self):
        self.meters.shutdown()
        self.sent.shutdown()


@pytest.mark.fast
@pytest.mark.parametrize("is_delta", [False, True], ids=["cumulative", "delta"])
@pytest.mark.parametrize("how", ["grpc", "http-gzip"])
def test_those_of_an_sdk_are_refreshed_and_those_of_unsent_traces_are_not_shown(weir, how, is_delta):
    began = time.time()
    with contextlib.closing(Sender(weir, how, is_delta)) as sender:
        for value in (0.75, 2.5):  # in neighbouring buckets
            unsent = {sender.measure("unsent", value)[0] for _ in range(2)}
            trace, span = sender.measure("sent", value)
            assert sender.meters.force_flush()
            samples, found = of_openmetrics(weir)
            packed, native = of_protobuf(weir)
            theirs = {k: e for k, e in found.items() if not k[0].startswith("traces_")}
            assert sorted(name for name, _ in theirs) == ["sold_total", "wait_seconds_bucket", "walk_meters_bucket"]
            for (name, labels), exemplar in theirs.items():
                assert dict(labels)["where"] == "sent"
                assert (exemplar.trace, exemplar.span) == (trace, span)
                assert exemplar.value == (3 if name == "sold_total" else value)
                assert began <= exemplar.time_s <= time.time()
                if name != "sold_total":
                    assert_in_its_bucket(samples, (name, labels), exemplar)
            assert {k: e for k, e in packed.items() if not k[0].startswith("traces_")} == theirs
            ((key, exemplar),) = native.items()
            assert key[0] == "walk_meters" and dict(key[1])["where"] == "sent"
            assert (exemplar.trace, exemplar.span, exemplar.value) == (trace, span, value)
            assert {s["id"] for s in weir.get_json(f"/api/v2/trace/{trace}")} == {span}
            assert all(weir.ask(f"/api/v2/trace/{gone}").status == 404 for gone in unsent)
            assert samples[next(k for k in samples if k[0] == "sold_total" and dict(k[1])["where"] == "unsent")] > 0


def test_they_are_there_after_a_restart(tmp_path):
    with Weir(tmp_path / "weir") as weir, contextlib.closing(Sender(weir, "grpc", False)) as sender:
        sender.measure("sent", 0.75)
        assert sender.meters.force_flush()
        before = of_openmetrics(weir)[1]
    with Weir(tmp_path / "weir") as weir:
        after = of_openmetrics(weir)[1]
        assert {"sold_total", "wait_seconds_bucket", "walk_meters_bucket"} < {name for name, _ in before}
        assert after == before
        weir.ledger()
