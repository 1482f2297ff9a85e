"""Goal: peers that take minutes to build: the OpenTelemetry Collector forwards
into weir over gRPC (gzipped, queued, retried) and loses and doubles nothing of
the three signals, also when weir is killed in the middle. `./dev test --peers`; needs Go."""

import json
import os
import pathlib
import subprocess
import time
import urllib.request

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from producers import EXPORT, make_batch
from weir import TOP, Weir, control, free_port, until

pytestmark = pytest.mark.peers
FOLDER = TOP / "build-peer"
BATCHES, SPANS = 150, 20
POINTS = 100  # of one series, a few milliseconds apart: fewer than weir remembers the times of
METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


@pytest.fixture(scope="module")
def binary():
    given = os.environ.get("OTELCOL")
    if given:
        return pathlib.Path(given)
    if not (FOLDER / "otelcol").exists():
        subprocess.run([str(TOP / "tests/bench/otelcol/setup"), str(FOLDER)], check=True, timeout=1800)
    return FOLDER / "otelcol"


@pytest.fixture
def collector(binary, tmp_path):
    port, health, target = free_port(), free_port(), free_port()
    config = {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{port}"}}}},
        "processors": {"batch": {"send_batch_size": 200, "timeout": "200ms"}},
        "exporters": {"otlp_grpc": {
            "endpoint": f"127.0.0.1:{target}", "tls": {"insecure": True},
            "sending_queue": {"enabled": True, "queue_size": 5000},
            "retry_on_failure": {"enabled": True, "initial_interval": "200ms", "max_interval": "500ms"}}},
        "extensions": {"health_check": {"endpoint": f"127.0.0.1:{health}"}},
        "service": {"telemetry": {"logs": {"level": "warn"}, "metrics": {"level": "none"}}, "extensions": ["health_check"],
                    "pipelines": {signal: {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["otlp_grpc"]}
                                  for signal in ("traces", "metrics", "logs")}}}
    (tmp_path / "otelcol.json").write_text(json.dumps(config))
    with open(tmp_path / "otelcol.log", "wb") as log:
        process = subprocess.Popen([str(binary), "--config", str(tmp_path / "otelcol.json")], stdout=log, stderr=log)

    def is_live():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{health}/", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False
    until(is_live, "the collector")
    yield f"127.0.0.1:{port}", target
    process.terminate()
    process.wait(30)


def test_a_collector_forwards_everything_once_over_a_kill(collector, tmp_path):
    source, port = collector
    weir = Weir(tmp_path / "weir", flags=[f"--listen.grpc=127.0.0.1:{port}"]).start()
    sent = []
    with grpc.insecure_channel(source) as channel:
        export = channel.unary_unary(EXPORT)
        for i in range(BATCHES):
            trace_id, body = make_batch(SPANS)
            export(body, timeout=20)
            sent.append(trace_id)
            if i == BATCHES // 2:
                until(lambda: weir.ledger_sum("span")["kept"] > 0, "the first forwarded spans")
                weir.kill()
                weir.start()
    until(lambda: weir.ledger_sum("span")["kept"] >= BATCHES * SPANS, "all forwarded spans")
    for trace_id in sent:
        assert len(weir.get_json(f"/api/v2/trace/{trace_id}")) == SPANS
    assert weir.ledger_sum("span")["kept"] == BATCHES * SPANS
    assert weir.stop() == 0


def make_delta(step):
    """One delta of a counter: `step` more; times do not overlap."""
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    attribute = resource.resource.attributes.add(key="service.name")
    attribute.value.string_value = "peer"
    metric = resource.scope_metrics.add().metrics.add(name="peer.work")
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = 1, True
    now = time.time_ns()
    metric.sum.data_points.add(start_time_unix_nano=now - 1000, time_unix_nano=now, as_int=step)
    return request.SerializeToString()


def make_log(text):
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    attribute = resource.resource.attributes.add(key="service.name")
    attribute.value.string_value = "peer"
    record = resource.scope_logs.add().log_records.add(time_unix_nano=time.time_ns(), severity_number=9)
    record.body.string_value = text
    return request.SerializeToString()


def test_a_collector_forwards_metrics_and_logs_once_over_a_kill(collector, tmp_path):
    """Delta points are added up by weir, so one that is lost or doubled shows in the sum."""
    source, port = collector
    weir = Weir(tmp_path / "weir", flags=[f"--listen.grpc=127.0.0.1:{port}"]).start()
    with grpc.insecure_channel(source) as channel:
        for i in range(POINTS):
            channel.unary_unary(METRICS)(make_delta(i + 1), timeout=20)
            channel.unary_unary(LOGS)(make_log(f"line {i}"), timeout=20)
            if i == POINTS // 2:
                until(lambda: weir.ledger_sum("log")["kept"] > 0, "the first forwarded logs")
                weir.kill()
                weir.start()
    until(lambda: weir.ledger_sum("log")["kept"] >= POINTS, "all forwarded logs")
    until(lambda: weir.ledger_sum("metric_point")["kept"] >= POINTS, "all forwarded points")
    assert weir.total("peer_work_total", job="peer") == POINTS * (POINTS + 1) / 2
    assert weir.ledger_sum("log")["kept"] == POINTS
    bodies = [log["body"] for log in weir.get_json("/api/logs", service="peer", limit=1000)]
    assert sorted(bodies) == sorted(f"line {i}" for i in range(POINTS))
    assert weir.stop() == 0


REFUSED_S = 30


def test_a_collector_that_is_refused_for_half_a_minute_delivers_everything(collector, tmp_path):
    """A disk that hangs and a small ring: RESOURCE_EXHAUSTED with RetryInfo, which an OTLP exporter retries; what was
    sent is what is stored."""
    source, port = collector
    folder = tmp_path / "weir"
    weir = Weir(folder, "weir-faulty", flags=[f"--listen.grpc=127.0.0.1:{port}", "--ring.size=1MiB"],
                env={"WEIR_FAULT_FILE": str(folder / "fault")})
    with weir:
        control(weir, "write stall")
        refused = lambda: weir.total("weir_refused_items_total", signal="span", reason="ring_full")
        sent = []
        with grpc.insecure_channel(source) as channel:
            export = channel.unary_unary(EXPORT)
            while refused() == 0 or len(sent) < BATCHES:
                trace_id, body = make_batch(SPANS)
                export(body, timeout=20)
                sent.append(trace_id)
        began, before = time.monotonic(), refused()
        until(lambda: time.monotonic() - began > REFUSED_S, "half a minute", REFUSED_S + 10)
        assert refused() - before > SPANS * REFUSED_S / 5, "it came again all the time"
        control(weir, "")
        until(lambda: weir.ledger_sum("span")["kept"] >= len(sent) * SPANS, "all forwarded spans", 60)
        until(weir.is_all_stored, "all to be stored")
        for trace_id in sent:
            assert len(weir.get_json(f"/api/v2/trace/{trace_id}")) == SPANS
        spans = weir.ledger_sum("span")
        assert spans["kept"] == spans["received"] - spans["duplicates"] == len(sent) * SPANS == weir.status_of("storage", "spans")
