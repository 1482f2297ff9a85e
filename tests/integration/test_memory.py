"""Goal: memory has a ceiling, whatever comes in: requests near the limit on
every way in, all names and ids new, while queries ask for the most."""

import concurrent.futures
import itertools
import json
import os
import re
import threading
import time

import grpc
import hostile
import mtcap
import pytest
from exposition import OPENMETRICS, PROTOBUF, families
from mixer import Client
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from producers import EXPORT, STREAM
from weir import Weir, until

LIMIT, RING = 256 << 20, 48 << 20
ROUNDS = 12
FILL_S = 30


@pytest.fixture
def weir(tmp_path):
    """A busy machine reads tables this full, of half a gigabyte of text, in more than limits.query_s."""
    with Weir(tmp_path / "weir", flags=["--limits.query_s=120"]) as running:
        yield running
        running.ledger()


def hostile_otlp(number):
    """More than 2 MiB of small spans, each with a service, a name and values of its own."""
    request = trace_service_pb2.ExportTraceServiceRequest()
    for i in range(5000):
        resource = request.resource_spans.add()
        resource.resource.attributes.add(key="service.name").value.string_value = f"s{number}-{i}"
        span = resource.scope_spans.add().spans.add(
            trace_id=os.urandom(16), span_id=os.urandom(8), name=f"op {number} {i}", kind=3,
            start_time_unix_nano=time.time_ns(), end_time_unix_nano=time.time_ns())
        for k in range(20):
            span.attributes.add(key=f"k{k}-{i}").value.string_value = f"{number}-{i}"
    return request.SerializeToString()


def hostile_zipkin(number):
    return json.dumps([{
        "traceId": os.urandom(16).hex(), "id": os.urandom(8).hex(), "name": f"z{number} {i}", "timestamp": int(time.time() * 1e6),
        "localEndpoint": {"serviceName": f"z{number}-{i}"}, "remoteEndpoint": {"serviceName": f"r{number}-{i}"},
        "tags": {f"t{k}-{i}": "x" * 30 for k in range(15)}} for i in range(3000)]).encode()


def test_memory_stays_below_its_limit_whatever_comes_in(weir):
    peak, is_over = [0], threading.Event()

    def watch():
        while not is_over.wait(0.02):
            peak[0] = max(peak[0], weir.memory_bytes("RssAnon"))

    def send(number):
        body = hostile_otlp(number)
        assert 2 << 20 < len(body) < 4 << 20
        with grpc.insecure_channel(weir.grpc, options=[("grpc.max_send_message_length", -1),
                                                       ("grpc.use_local_subchannel_pool", 1)]) as channel:
            try:
                channel.unary_unary(EXPORT)(body, timeout=30)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert weir.ask("/v1/traces", "POST", body[:-1] + body[-1:], {"Content-Type": "application/x-protobuf"}).status in (200, 413, 429)
        assert weir.ask("/api/v2/spans", "POST", hostile_zipkin(number)).status in (202, 413, 429)

    def ask(number):
        path = itertools.cycle(["/api/v2/traces?limit=1000", "/api/v2/traces?annotationQuery=k1-1&limit=100", "/metrics", "/api/graph",
                                f"/api/v2/dependencies?endTs={int(time.time() * 1000)}"])
        for _ in range(6):
            assert weir.ask(next(path)).status in (200, 400, 503)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        streams = [pool.submit(mtcap.replay, weir, "envoy-als") for _ in range(2)]
        work = [pool.submit(send, n) for n in range(ROUNDS)] + [pool.submit(ask, n) for n in range(ROUNDS)]
        for future in streams + work:
            future.result()
    is_over.set()
    watcher.join()
    print(f"peak anonymous {peak[0] >> 20} MiB and the ring")
    assert peak[0] + weir.total("weir_ring_size_bytes") <= LIMIT
    weir.ledger()


def fill(weir, seconds):
    """All tables at once, over all ways in, by a few threads; returns how many items were sent by kind."""
    end, sent = time.monotonic() + seconds, {}
    unary = {
        "names": (hostile.metrics("sum", b"m." + hostile.MARK), 5000),
        "delta labels": (hostile.metrics("sum", b"labels", [hostile.attribute(b"a", hostile.MARK + b"w" * 90)], True), 4500),
        "histograms": (hostile.metrics("histogram", b"wide." + hostile.MARK, [hostile.attribute(b"a", hostile.MARK)]), 1500),
        "exponentials": (hostile.metrics("exponential", b"expo." + hostile.MARK), 2500),
        "metric sources": (hostile.metric_sources(), 3500),
        "log services": (hostile.log_services(), 9000),
        "spans": (hostile.spans(), 5000),
        "pairs": (hostile.pairs(), 20000),
        "proxies": (hostile.access_log_of_proxies(), 3000)}

    def send(kind):
        (method, template, around), count = unary[kind]
        with grpc.insecure_channel(weir.grpc, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            export, first = channel.unary_unary(method), 1
            while time.monotonic() < end and first < 1000000:
                try:
                    export(hostile.many(template, first, count, around), timeout=30)
                    first += count
                except grpc.RpcError as error:
                    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
                    time.sleep(0.05)  # as RetryInfo says: later
        sent[kind] = first

    def small(kind):
        """One item a request: sources and digests."""
        (method, template, around), _ = unary[kind]
        with grpc.insecure_channel(weir.grpc, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            export, first = channel.unary_unary(method), 0
            while time.monotonic() < end:
                calls = [export.future(hostile.many(template, 10 ** 7 + first + i, 1, around), timeout=30) for i in range(50)]
                for call in calls:
                    assert call.exception() is None or call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
                first += len(calls)
        sent[f"small {kind}"] = first

    def stream(is_tcp):
        with grpc.insecure_channel(weir.grpc, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            messages = itertools.takewhile(lambda _: time.monotonic() < end, hostile.access_logs(10000, 500, is_tcp))
            channel.stream_unary(STREAM)(messages)

    def zipkin():
        first = 1
        while time.monotonic() < end:
            assert weir.ask("/api/v2/spans", "POST", hostile.zipkin(first, 5000)).status in (202, 413, 429, 503)
            first += 5000

    def mixer():
        client, first = Client(weir.grpc), 0
        while time.monotonic() < end:
            bags = [{"context.protocol": "http", "source.uid": f"kubernetes://s-{first + i}.default",
                     "destination.uid": f"kubernetes://d-{first + i}.default", "request.id": f"id-{first + i}",
                     "destination.service.host": f"h-{first + i}", "context.reporter.kind": "inbound",
                     "context.reporter.uid": f"kubernetes://r-{first + i}.default", "response.code": 200,
                     **{f"word-{first + i}-{k}": "x" for k in range(3)}} for i in range(100)]
            try:
                client.report(bags)
            except grpc.RpcError as error:
                assert error.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE), error
            first += len(bags)
        sent["mixer"] = first

    def ask():
        paths = itertools.cycle(["/api/graph", "/api/ledger", "/api/v2/services", "/api/v2/traces?limit=1000"])
        while time.monotonic() < end:
            assert weir.ask(next(paths)).status in (200, 400, 503)  # 400: more than an answer may hold

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        work = [pool.submit(send, kind) for kind in unary]
        work += [pool.submit(small, kind) for kind in ("log services", "metric sources", "spans")]
        work += [pool.submit(stream, is_tcp) for is_tcp in (False, True)]
        work += [pool.submit(f) for f in (zipkin, mixer, ask)]
        for future in work:
            future.result()
    return sent


OVERFLOWS = ["weir_series_overflowed_total", "weir_points_overflowed_total", "weir_edges_overflowed_total"]


def test_tables_that_are_filled_from_all_sides_stay_below_the_limit_and_say_what_overflowed(weir):
    """A scrape of tables this full is larger, as text, than the limit by itself."""
    peak, is_over = [0], threading.Event()

    def watch():
        while not is_over.wait(0.05) and weir.process.poll() is None:
            peak[0] = max(peak[0], weir.memory_bytes("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    sent = fill(weir, FILL_S)
    until(weir.is_all_stored, "all to be stored", 60)
    filled = peak[0]
    packed = int(weir.ask("/metrics", headers={"Accept-Encoding": "gzip"}).headers["Content-Length"])
    text = weir.ask("/metrics").body  # large: not parsed
    others = {form: weir.ask("/metrics", headers={"Accept": form, "Accept-Encoding": "gzip"}) for form in (OPENMETRICS, PROTOBUF)}
    assert others[OPENMETRICS].body.endswith(b"\n# EOF\n") and len(others[OPENMETRICS].body) > 64 << 20
    assert others[PROTOBUF].status == 200 and len(families(others[PROTOBUF].body)) == text.count(b"# TYPE ")
    del others
    began = time.monotonic()
    chosen = weir.ask("/federate", **{"match[]": '{__name__=~".+",le!~"0[.]5|1|2.*"}'}).body
    asked = time.monotonic()
    series = weir.get_json("/status")["series"]
    print(f"/federate {asked - began:.1f} s, /status {time.monotonic() - asked:.1f} s")
    is_over.set()
    watcher.join()
    assert packed < 32 << 20 and len(text) > 64 << 20
    print(f"a scrape of {len(text) >> 20} MiB, {packed >> 20} packed; filled {filled >> 20} MiB, peak anonymous {peak[0] >> 20} MiB, now {weir.memory_bytes('RssAnon') >> 20} MiB, and the ring; {sent}")
    assert 64 << 20 < len(chosen) < len(text)
    assert chosen.count(b"\n# TYPE ") >= text.count(b"\n# TYPE ") - 1
    assert "incomplete" not in series and len(series["labels"]) == 10, series
    assert sum(row["value"] for row in series["seriesCountByMetricName"]) <= series["live"] + series["passed_through"]
    for name in OVERFLOWS:
        assert re.search(rb"^%s [1-9]" % name.encode(), text, re.MULTILINE), name
    assert peak[0] + RING <= LIMIT
    weir.ledger()
