"""Goal: clients that users have and that come from Go: grpcurl lists and describes
what weir serves, grpc-health-probe asks whether it serves, Zipkin's Go library
sends by every way, and Istio's own Mixer client reports and checks.
`./dev test --peers`; needs Go (or PEERS_GO, a folder with the binaries)."""

import re
import subprocess

import pytest

pytestmark = pytest.mark.peers
CALLS = 40


def run(*arguments, status=0):
    done = subprocess.run([str(a) for a in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    assert done.returncode == status, done.stdout
    return done.stdout


def test_grpcurl_lists_and_describes_every_service(weir, binaries):
    services = run(binaries / "grpcurl", "-plaintext", weir.grpc, "list").split()
    assert {"istio.mixer.v1.Mixer", "envoy.service.accesslog.v2.AccessLogService", "envoy.service.accesslog.v3.AccessLogService",
            "envoy.service.metrics.v2.MetricsService", "envoy.service.metrics.v3.MetricsService",
            "opentelemetry.proto.collector.trace.v1.TraceService", "opentelemetry.proto.collector.metrics.v1.MetricsService",
            "opentelemetry.proto.collector.logs.v1.LogsService", "zipkin.proto3.SpanService", "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"} <= set(services)
    for service in services:
        text = run(binaries / "grpcurl", "-plaintext", weir.grpc, "describe", service)
        assert f"service {service.rsplit('.', 1)[1]}" in text, text
        for message in re.findall(r"\( (?:stream )?\.([\w.]+) \)", text):
            assert run(binaries / "grpcurl", "-plaintext", weir.grpc, "describe", message).startswith(message)


def test_grpcurl_calls_what_it_described(weir, binaries):
    answer = run(binaries / "grpcurl", "-plaintext", "-d", "{}", weir.grpc, "grpc.health.v1.Health/Check")
    assert '"SERVING"' in answer
    span = ('{"resource_spans":[{"scope_spans":[{"spans":[{"trace_id":"EjRWeJCrze8SNFZ4kKvN7w==","span_id":"EjRWeJCrze8=",'
            '"name":"by hand"}]}]}]}')
    run(binaries / "grpcurl", "-plaintext", "-d", span, weir.grpc, "opentelemetry.proto.collector.trace.v1.TraceService/Export")
    assert weir.get_json("/api/v2/trace/1234567890abcdef1234567890abcdef")[0]["name"] == "by hand"


def test_the_health_probe_sees_weir_serve(weir, binaries):
    assert "SERVING" in run(binaries / "grpc-health-probe", f"-addr={weir.grpc}")
    assert "SERVING" in run(binaries / "grpc-health-probe", f"-addr={weir.grpc}", "-service=istio.mixer.v1.Mixer")
    assert "NotFound" in run(binaries / "grpc-health-probe", f"-addr={weir.grpc}", "-service=no.such.Service", status=3)


@pytest.mark.parametrize("way", ["json", "proto", "grpc"])
def test_zipkins_go_library_is_taken_whole(weir, binaries, way):
    ids = run(binaries / "zipkin", way, weir.grpc if way == "grpc" else weir.http, CALLS).split()
    assert len(ids) == CALLS
    for trace_id in ids:
        spans = weir.get_json(f"/api/v2/trace/{trace_id}")
        assert sorted((s["kind"], s["localEndpoint"]["serviceName"], s.get("shared", False)) for s in spans) == [
            ("CLIENT", "frontend", False), ("SERVER", "backend", True)]
        assert len({s["id"] for s in spans}) == 1
    assert weir.ledger_sum("span")["kept"] == 2 * CALLS


def test_istios_own_client_reports(weir, binaries):
    run(binaries / "mixc", "report", "--mixer", weir.grpc, "--repeat", 10, "--report_batch_size", 5, "--print_response=false",
        "--string_attributes", "context.reporter.kind=inbound,context.reporter.uid=kubernetes://ratings-v1-1.default,"
        "source.uid=kubernetes://reviews-v2-1.default,destination.uid=kubernetes://ratings-v1-1.default,"
        "destination.service.host=ratings.default.svc.cluster.local,destination.service.name=ratings,"
        "destination.service.namespace=default,context.protocol=http,request.method=GET,context.proxy_error_code=-",
        "--int64_attributes", "response.code=503,request.size=10,response.size=200",
        "--duration_attributes", "response.duration=12ms")
    ledger = weir.ledger_sum("mixer")
    assert ledger["received"] > 0 and ledger["kept"] == ledger["received"]
    assert weir.total("istio_requests_total", reporter="destination", response_code="503",
                      destination_service="ratings.default.svc.cluster.local") == ledger["kept"]


def test_istios_own_client_checks_and_is_let_through(weir, binaries):
    text = run(binaries / "mixc", "check", "--mixer", weir.grpc, "--quotas", "requestcount=5",
               "--string_attributes", "destination.service.host=ratings.default.svc.cluster.local")
    assert "OK" in text and "requestcount" in text, text
