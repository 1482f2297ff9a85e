"""Goal: OpenTelemetry SDKs deliver all three signals, whatever the encoding, the
transport, the compression and the temporality; what they made comes back from
the APIs as it was, what they measured is on /metrics, and what they are told
(a part was rejected, come again) they understand.

Python speaks protobuf over gRPC and HTTP, JavaScript JSON over HTTP."""

import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import facts
import grpc
import otel_py
import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from producers import EXPORT, make_batch
from weir import TOP, Weir, control, until

ROUNDS = 20


@pytest.mark.parametrize("how", otel_py.HOW)
def test_what_the_sdk_made_comes_back(weir, how):
    tracers = {}
    for name in ("Shop", "stock"):
        provider = TracerProvider(resource=Resource.create({"service.name": name, "service.version": "7"}))
        provider.add_span_processor(BatchSpanProcessor(otel_py.exporter(weir, how, "traces")))
        tracers[name] = (provider, provider.get_tracer("tests", "1.0"))
    with tracers["Shop"][1].start_as_current_span("GET /cart", kind=SpanKind.SERVER) as root:
        root.set_attributes({"http.request.method": "GET", "http.response.status_code": 500, "ratio": 0.25, "cold": True,
                             "tags": ["a", "b"], "path": "/cart?q=ü\n\"x\""})
        root.set_status(Status(StatusCode.ERROR, "boom"))
        root.add_event("cache.miss", {"key": "k1"})
        with tracers["Shop"][1].start_as_current_span("ask stock", kind=SpanKind.CLIENT, links=[Link(root.get_span_context())],
                                                      attributes={"peer.service": "stock"}):
            with tracers["stock"][1].start_as_current_span("look up", kind=SpanKind.SERVER):
                pass
    for provider, _ in tracers.values():
        provider.shutdown()

    trace_id = f"{root.get_span_context().trace_id:032x}"
    spans = {s["name"]: s for s in weir.get_json(f"/api/v2/trace/{trace_id}")}
    assert set(spans) == {"get /cart", "ask stock", "look up"}
    cart = spans["get /cart"]
    assert cart["kind"] == "SERVER" and "parentId" not in cart
    assert cart["localEndpoint"]["serviceName"] == "shop"
    assert cart["id"] == f"{root.get_span_context().span_id:016x}"
    tags = cart["tags"]
    assert tags["http.request.method"] == "GET" and tags["http.response.status_code"] == "500"
    assert tags["ratio"] == "0.25" and tags["cold"] == "true" and tags["path"] == "/cart?q=ü\n\"x\""
    assert tags["tags"] == '["a","b"]' and tags["error"] == "boom" and tags["otel.status_code"] == "ERROR"
    assert cart["annotations"][0]["value"].find("cache.miss") >= 0
    assert abs(cart["timestamp"] - root.start_time // 1000) <= 1
    assert abs(cart["duration"] - max(1, (root.end_time - root.start_time) // 1000)) <= 1
    assert spans["ask stock"]["remoteEndpoint"]["serviceName"] == "stock"
    assert spans["look up"]["parentId"] == spans["ask stock"]["id"]
    end = cart["timestamp"] // 1000 + 60000
    assert weir.get_json("/api/v2/dependencies", endTs=end) == [{"parent": "shop", "child": "stock", "callCount": 1}]
    assert weir.ledger_sum("span")["kept"] == 3


# --- three signals ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def start_js():
    """Starts the program of tests/support/otel_js with its packages in a folder of their own."""
    tools = pathlib.Path(sys.executable).parent  # node and npm came with the Python packages
    path = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    source, folder = TOP / "tests/support/otel_js", TOP / "build-js"
    folder.mkdir(exist_ok=True)
    lock, stamp = source / "package-lock.json", folder / "installed.json"
    for name in ("package.json", "package-lock.json", "produce.js"):
        shutil.copy(source / name, folder / name)
    if not stamp.exists() or stamp.read_text() != lock.read_text():
        install = [str(tools / "npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(install, cwd=folder, check=True, timeout=600, env=path)
        stamp.write_text(lock.read_text())

    def start(weir, **options):
        defaults = {"url": f"http://{weir.http}", "rounds": ROUNDS, "delta": False, "gzip": False, "zero_ids": 0}
        command = [str(tools / "node"), str(folder / "produce.js"), json.dumps({**defaults, **options})]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return start


@pytest.fixture(scope="session")
def produce_js(start_js):
    return lambda weir, **options: facts_of(start_js(weir, **options))


def facts_of(process):
    """What a program of start_js made, when it is done."""
    try:
        out, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0
    return json.loads(out)


def assert_stored(weir, made):
    """Spans by service and kind, their edges, and every item in the ledger."""
    assert not facts.differences(facts.want_sdk_spans(made), facts.have_spans(weir))
    spans, logs = weir.ledger_sum("span"), weir.ledger_sum("log")
    assert spans["kept"] == sum(made["spans"].values()) and spans["dropped"] == made["invalid"]
    assert logs["received"] == logs["kept"] == sum(made["logs"].values())
    points = weir.ledger_sum("metric_point")
    assert points["received"] == points["kept"] > 0
    links = weir.get_json("/api/v2/dependencies", endTs=int(time.time() * 1000) + 60000, lookback=3600000)
    assert {f"{l['parent']}->{l['child']}": l["callCount"] for l in links} == made["edges"]
    assert sum(l.get("errorCount", 0) for l in links) == made["errors"]


def assert_metrics(weir, made, job):
    """The points under OpenTelemetry's names for Prometheus."""
    want, samples = made["points"], weir.samples()
    mine = {"job": job, "instance": "till-0"}

    def have(name, **labels):
        return sum(v for (n, found), v in samples.items() if n == name and set({**mine, **labels}.items()) <= found)
    for kind in ("bulk", "single"):
        assert have("sold_total", kind=kind) == want[f"sold|{kind}"]
    assert have("queue") == want["queue"]
    for name, metric in (("wait", "wait_seconds"), ("walk", "walk_meters")):
        assert have(f"{metric}_count") == want[f"{name}.count"] == have(f"{metric}_bucket", le="+Inf")
        assert have(f"{metric}_sum") == pytest.approx(want[f"{name}.sum"])
    assert have("target_info", service_version="7") == 1


@pytest.mark.fast
@pytest.mark.parametrize("is_delta", [False, True], ids=["cumulative", "delta"])
@pytest.mark.parametrize("how", otel_py.HOW)
def test_three_signals_of_python(weir, how, is_delta):
    made = otel_py.Shop(weir, how, is_delta).run(ROUNDS)
    assert_stored(weir, made)
    assert_metrics(weir, made, "py/till")


@pytest.mark.fast
@pytest.mark.parametrize("is_delta,is_packed", [(False, False), (True, True)], ids=["cumulative-plain", "delta-gzip"])
def test_three_signals_of_javascript_as_json(weir, produce_js, is_delta, is_packed):
    made = produce_js(weir, delta=is_delta, gzip=is_packed)
    assert made["warnings"] == []
    assert_stored(weir, made)
    assert_metrics(weir, made, "js/till")
    traces = weir.get_json("/api/v2/traces", serviceName="depot", spanName="serve", limit=1000)
    assert len(traces) == made["spans"]["depot|SERVER"]
    for trace in traces:
        (root,) = [span for span in trace if "parentId" not in span]
        attributes = {"status": "200", "exact": "9007199254740991", "ratio": "0.25", "cold": "true", "tags": '["a","ü"]'}
        assert attributes.items() <= root["tags"].items() and root["tags"]["otel.scope.name"] == "produce"
        assert all("looked" in span["annotations"][0]["value"] for span in trace if span["name"] == "serve")
    told = [span["tags"]["error"] for trace in traces for span in trace if "error" in span.get("tags", {})]
    assert told and set(told) == {"boom ✓"}


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_log_records_come_back_as_they_were(weir, request, language):
    if language == "python":
        made = otel_py.Shop(weir, "grpc", False).run(ROUNDS)
    else:
        made = request.getfixturevalue("produce_js")(weir)
    logs = weir.get_json("/api/logs", service="till", limit=1000)
    assert collections.Counter(log["severityText"] for log in logs) == made["logs"]
    assert {log["body"] for log in logs} == {f"sold in round {number}" for number in range(ROUNDS)}
    errors = weir.get_json("/api/logs", service="till", severity="ERROR", limit=1000)
    assert errors == [log for log in logs if log["severityText"] == "ERROR"]
    for log in logs:
        number = log["attributes"]["round"]
        assert log["severityNumber"] == (9 if number % 5 else 17)
        assert log["attributes"]["parts"]["deep"][:2] == [1, "two"] and log["resource"]["service.version"] == "7"
        spans = weir.get_json(f"/api/v2/trace/{log['traceId']}")
        assert [s["name"] for s in spans if s["id"] == log["spanId"]] == ["post /sale"]


# --- what the SDK is told ---------------------------------------------------------------------


def test_a_partial_success_is_understood(weir, produce_js):
    made = produce_js(weir, zero_ids=4)
    assert made["invalid"] == ROUNDS // 4
    told = [json.loads(w.split(": ", 1)[1]) for w in made["warnings"] if w.startswith("Received Partial Success")]
    assert len(told) == len(made["warnings"]) and all(t["errorMessage"] for t in told)
    assert sum(int(t["rejectedSpans"]) for t in told) == made["invalid"]
    assert_stored(weir, made)


class HalfBroken(RandomIdGenerator):
    """Every other span has an id that is all zero."""

    def __init__(self):
        self.made = 0

    def generate_span_id(self):
        self.made += 1
        return 0 if self.made % 2 else super().generate_span_id()


@pytest.mark.parametrize("how", otel_py.HOW)
def test_a_partial_success_is_success_for_python(weir, how):
    exporter = otel_py.exporter(weir, how, "traces")
    results = []

    class Noted:
        def export(self, spans):
            results.append(exporter.export(spans))
            return results[-1]

        def shutdown(self):
            exporter.shutdown()

        def force_flush(self, timeout_millis=30000):
            return exporter.force_flush(timeout_millis)
    provider = TracerProvider(resource=Resource.create({"service.name": "till"}), id_generator=HalfBroken())
    provider.add_span_processor(BatchSpanProcessor(Noted()))
    for _ in range(10):
        provider.get_tracer("tests").start_span("op").end()
    provider.shutdown()
    assert results == [SpanExportResult.SUCCESS], "not sent again"
    spans = weir.ledger_sum("span")
    assert (spans["received"], spans["kept"], spans["dropped"]) == (10, 5, 5)


class Teller(threading.Thread):
    """Exports a span at a time with the SDK, which waits and comes again when it is told to."""

    def __init__(self, weir, number):
        super().__init__(daemon=True)
        self.provider = TracerProvider(resource=Resource.create({"service.name": f"till-{number}"}))
        self.results = []
        inner, results = otel_py.exporter(weir, "grpc", "traces", timeout=60), self.results

        class Noted:
            def export(self, spans):
                results.append(inner.export(spans))
                return results[-1]

            def shutdown(self):
                inner.shutdown()

            def force_flush(self, timeout_millis=30000):
                return inner.force_flush(timeout_millis)
        self.provider.add_span_processor(SimpleSpanProcessor(Noted()))
        self.halt = threading.Event()
        self.made = 0

    def run(self):
        tracer = self.provider.get_tracer("tests")
        while not self.halt.is_set():
            tracer.start_span(f"sale {self.made}", attributes={"payload": "x" * 4000}).end()
            self.made += 1
        self.provider.shutdown()


def test_what_was_refused_for_seconds_comes_again_and_is_stored(tmp_path):
    """RESOURCE_EXHAUSTED with RetryInfo: the SDK waits as long as it is told, and nothing is lost."""
    folder = tmp_path / "weir"
    env = {"WEIR_FAULT_FILE": str(folder / "fault")}
    with Weir(folder, "weir-faulty", flags=["--ring.size=1MiB"], env=env) as weir:
        control(weir, "write stall")
        tellers = [Teller(weir, number) for number in range(3)]
        for teller in tellers:
            teller.start()
        refused = lambda: weir.total("weir_refused_items_total", signal="span", reason="ring_full")
        until(lambda: refused() >= 9, "each to be refused for some seconds")
        control(weir, "")
        for teller in tellers:
            teller.halt.set()
        for teller in tellers:
            teller.join(30)
            assert not teller.is_alive()
            assert set(teller.results) == {SpanExportResult.SUCCESS} and len(teller.results) == teller.made
        until(weir.is_all_stored, "all to be stored")
        spans = weir.ledger_sum("span")
        assert spans["received"] == spans["kept"] == sum(t.made for t in tellers)
        assert facts.have_spans(weir) == {(f"till-{i}", ""): t.made for i, t in enumerate(tellers)}


def fill(weir):
    """Until not even a small batch has room; the number of spans that were taken."""
    taken = 0
    with grpc.insecure_channel(weir.grpc) as channel:
        export = channel.unary_unary(EXPORT)
        for spans in (20, 1):
            try:
                for _ in range(3000):
                    export(make_batch(spans)[1], timeout=20)
                    taken += spans
            except grpc.RpcError as refusal:
                assert refusal.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
                continue
            raise AssertionError("never refused")
    return taken


def test_json_that_was_refused_comes_again_and_is_stored(tmp_path, start_js):
    """429 and Retry-After, of all three signals."""
    folder = tmp_path / "weir"
    env = {"WEIR_FAULT_FILE": str(folder / "fault")}
    with Weir(folder, "weir-faulty", flags=["--ring.size=1MiB"], env=env) as weir:
        control(weir, "write stall")
        filled = fill(weir)
        refused = lambda: weir.total("weir_refused_items_total", reason="ring_full")
        before, process = refused(), start_js(weir)
        until(lambda: refused() > before + ROUNDS, "JavaScript to be refused")
        control(weir, "")
        made = facts_of(process)
        assert made["warnings"] == []
        until(weir.is_all_stored, "all to be stored")
        assert weir.ledger_sum("span")["kept"] == filled + sum(made["spans"].values())
        assert weir.ledger_sum("log")["kept"] == sum(made["logs"].values())
        assert_metrics(weir, made, "js/till")
