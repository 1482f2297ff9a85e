"""Goal: the OpenTelemetry Python SDK, over gRPC and HTTP, plain and gzipped,
delivers; what it made comes back from the Zipkin API as it was."""

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode


def exporter(weir, how):
    if how == "grpc":
        return GrpcExporter(endpoint=f"http://{weir.grpc}", insecure=True)
    if how == "grpc-gzip":
        return GrpcExporter(endpoint=f"http://{weir.grpc}", insecure=True, compression=grpc.Compression.Gzip)
    compression = Compression.Gzip if how == "http-gzip" else Compression.NoCompression
    return HttpExporter(endpoint=f"http://{weir.http}/v1/traces", compression=compression)


@pytest.mark.parametrize("how", ["grpc", "grpc-gzip", "http", "http-gzip"])
def test_what_the_sdk_made_comes_back(weir, how):
    tracers = {}
    for name in ("Shop", "stock"):
        provider = TracerProvider(resource=Resource.create({"service.name": name, "service.version": "7"}))
        provider.add_span_processor(BatchSpanProcessor(exporter(weir, how)))
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
