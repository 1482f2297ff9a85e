"""Goal: bad input gets the standard refusal, a counter with its reason, and leaves no trace."""

import gzip
import json
import socket

import grpc
import mtcap
import pytest
from google.protobuf import json_format
from google.rpc import status_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2

pytestmark = pytest.mark.fast

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
STREAM = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"


def call(weir, method, message):
    with grpc.insecure_channel(weir.grpc, options=[("grpc.max_send_message_length", -1)]) as channel:
        return channel.unary_unary(method)(message, timeout=20)


def refused(weir, method, message):
    with pytest.raises(grpc.RpcError) as error:
        call(weir, method, message)
    return error.value


def spans(count=1, trace_id=b"\x01" * 16, span_id=None, name="x"):
    request = trace_service_pb2.ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for i in range(count):
        span = scope.spans.add(trace_id=trace_id, span_id=span_id or (i + 1).to_bytes(8, "big"), name=name,
                               start_time_unix_nano=1, end_time_unix_nano=2)
    return request


def assert_no_trace(weir):
    assert weir.ledger()["rows"] == [] or all(r["received"] == 0 for r in weir.ledger()["rows"])
    assert weir.get_json("/api/v2/services") == []


def test_malformed_protobuf_is_an_invalid_argument(weir):
    good = spans(3).SerializeToString()
    for bad in (good[:-1], b"\xff" * 20, b"\x0a\x05\x01"):
        assert refused(weir, EXPORT, bad).code() == grpc.StatusCode.INVALID_ARGUMENT
    assert weir.total("weir_refused_items_total", signal="span", reason="malformed") == 3
    assert_no_trace(weir)


def test_malformed_protobuf_over_http_is_400(weir):
    answer = weir.ask("/v1/traces", "POST", spans().SerializeToString()[:-1], {"Content-Type": "application/x-protobuf"})
    assert answer.status == 400
    assert_no_trace(weir)


def test_malformed_message_ends_a_stream_with_invalid_argument(weir):
    with grpc.insecure_channel(weir.grpc) as channel:
        with pytest.raises(grpc.RpcError) as error:
            channel.stream_unary(STREAM)(iter([b"\x0a\xff\xff"]), timeout=20)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert weir.total("weir_refused_items_total", signal="access_log", reason="malformed") == 1


@pytest.mark.parametrize("body,offset", [
    (b'[{"traceId":"1","id":"1"', 24), (b'[{"traceId":"1","id":"1"},]', 26), (b'[{"traceId":"xyz","id":"1"}]', None),
    (b'[{"id":"1"}]', None), (b'[{"traceId":"1","id":"1","kind":"NOPE"}]', None)])
def test_malformed_json_is_400_with_the_offset(weir, body, offset):
    answer = weir.ask("/api/v2/spans", "POST", body, {"Content-Type": "application/json"})
    assert answer.status == 400
    assert (f"at byte {offset}" if offset is not None else "at byte ") in answer.text
    assert weir.total("weir_refused_items_total", signal="span", reason="malformed") == 1
    assert_no_trace(weir)


@pytest.mark.parametrize("path,type,body,sentence", [
    ("/api/v2/spans", "application/json", b'{"traceId":"1"}', "Expected a JSON_V2 encoded list"),
    ("/api/v2/spans", "application/json", b'[{"traceId":"1","id":"2","binaryAnnotations":[]}]',
     "Expected a JSON_V2 encoded list, but received: JSON_V1"),
    ("/api/v1/spans", "", b'[{"traceId":"1","id":"2","tags":{}}]',
     "Expected a JSON_V1 encoded list, but received: JSON_V2"),
    ("/api/v2/spans", "application/x-protobuf", b"\x0a\x05\x0a", "Malformed reading List<Span> from proto3"),
    ("/zipkin/api/v1/spans", "application/json", b"[7]", "Malformed reading List<Span> from json")])
def test_zipkins_refusals_are_in_zipkins_words(weir, path, type, body, sentence):
    answer = weir.ask(path, "POST", body, {"Content-Type": type} if type else None)
    assert answer.status == 400
    assert answer.text.startswith(sentence)
    assert weir.total("weir_refused_items_total", signal="span", reason="malformed") == 1
    assert_no_trace(weir)


def test_malformed_report_is_an_invalid_argument(weir):
    error = refused(weir, "/zipkin.proto3.SpanService/Report", b"\x0a\x05\x0a")
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().startswith("Malformed reading List<Span> from proto3")
    assert_no_trace(weir)


def test_a_bad_span_among_good_ones_refuses_the_whole_zipkin_batch(weir):
    good = {"traceId": "000000000000000a", "id": "000000000000000b", "localEndpoint": {"serviceName": "a"}}
    body = json.dumps([good, {**good, "id": "zz"}]).encode()
    assert weir.ask("/api/v2/spans", "POST", body).status == 400
    assert_no_trace(weir)


def test_invalid_spans_of_otlp_are_a_partial_success(weir):
    request = spans(3)
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = b"\x00" * 16
    answer = trace_service_pb2.ExportTraceServiceResponse.FromString(call(weir, EXPORT, request.SerializeToString()))
    assert answer.partial_success.rejected_spans == 1
    assert answer.partial_success.error_message
    ledger = weir.ledger_sum("span")
    assert (ledger["received"], ledger["kept"], ledger["dropped"]) == (3, 2, 1)


def test_a_sender_of_which_nothing_is_kept_is_named_all_the_same(weir):
    request = spans(2)
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.trace_id = b""
    request.resource_spans[0].resource.attributes.add(key="service.name").value.string_value = "orders"
    call(weir, EXPORT, request.SerializeToString())
    assert [(r["source"], r["dropped"]) for r in weir.ledger()["rows"]] == [("orders", {"invalid": 2})]


def test_too_large_is_refused_without_a_retry(weir):
    large = spans(1, name="x" * (5 << 20)).SerializeToString()
    error = refused(weir, EXPORT, large)
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not [m for m in error.trailing_metadata() if m.key == "grpc-status-details-bin"]
    assert weir.ask("/v1/traces", "POST", large, {"Content-Type": "application/x-protobuf"}).status == 413
    assert weir.ask("/api/v2/spans", "POST", b"[" + b" " * (5 << 20) + b"]").status == 413
    assert weir.total("weir_refused_items_total", signal="span", reason="too_large") == 3
    assert_no_trace(weir)


def test_a_gzip_bomb_is_stopped_while_it_inflates(weir):
    bomb = gzip.compress(b"[" + b" " * (600 << 20) + b"]", 9)
    before = weir.memory_bytes("VmHWM")
    answer = weir.ask("/api/v2/spans", "POST", bomb, {"Content-Encoding": "gzip"})
    assert answer.status == 413
    assert weir.memory_bytes("VmHWM") - before < 32 << 20


def test_bad_gzip_is_400(weir):
    assert weir.ask("/api/v2/spans", "POST", b"\x1f\x8b\x08 not gzip", {"Content-Encoding": "gzip"}).status == 400
    assert weir.ask("/api/v2/spans", "POST", gzip.compress(b"[]")[:-6], {"Content-Encoding": "gzip"}).status == 400
    assert weir.total("weir_malformed_total", kind="gzip") == 2


def test_nesting_deeper_than_64_is_malformed(weir):
    def nested(depth):
        value = common_pb2.AnyValue(string_value="x")
        for _ in range(depth):
            value = common_pb2.AnyValue(array_value=common_pb2.ArrayValue(values=[value]))
        request = spans()
        request.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="deep", value=value)
        return request.SerializeToString()

    assert call(weir, EXPORT, nested(20)) is not None
    # 5000 levels are written by hand: no library nests that deep.
    body = b"\x0a\x01x"
    for _ in range(5000):
        array = b"\x0a" + varint(len(body)) + body
        body = b"\x2a" + varint(len(array)) + array
    attribute = b"\x0a\x04deep\x12" + varint(len(body)) + body
    span = b"\x0a\x10" + b"\x01" * 16 + b"\x12\x08" + b"\x02" * 8 + b"\x4a" + varint(len(attribute)) + attribute
    scope = b"\x12" + varint(len(span)) + span
    resource = b"\x12" + varint(len(scope)) + scope
    request = b"\x0a" + varint(len(resource)) + resource
    assert refused(weir, EXPORT, request).code() == grpc.StatusCode.INVALID_ARGUMENT
    deep = b'[{"traceId":"1","id":"1","unknown":' + b"[" * 5000 + b"]" * 5000 + b"}]"
    assert weir.ask("/api/v2/spans", "POST", deep).status == 400


def test_invalid_utf8_is_replaced_and_counted(weir):
    request = spans(1, name="badXname").SerializeToString().replace(b"badXname", b"bad\xffname")
    call(weir, EXPORT, request)
    trace = weir.get_json("/api/v2/trace/" + "01" * 16)
    assert trace[0]["name"] == "bad\ufffdname"
    assert weir.total("weir_replaced_utf8_total") == 1


def test_unknown_method_is_unimplemented(weir):
    assert refused(weir, "/no.such.Service/Method", b"").code() == grpc.StatusCode.UNIMPLEMENTED
    assert weir.total("weir_grpc_calls_total", code="12") == 1


def test_a_stream_that_names_no_node_is_an_unknown_source(weir):
    nameless = next(r["data"] for r in mtcap.load("envoy-als") if r["kind"] == "msg" and r["seq"] == 1)
    with grpc.insecure_channel(weir.grpc) as channel:
        channel.stream_unary(STREAM)(iter([nameless]), timeout=20)
    assert weir.total("weir_unknown_source_total") == 1
    assert weir.total("istio_requests_total") > 0
    assert {r["source"] for r in weir.ledger()["rows"] if r["received"]} == {"unknown"}


def test_unknown_path_is_404_and_wrong_method_405_with_allow(weir):
    assert weir.ask("/no/such/path").status == 404
    answer = weir.ask("/api/v2/spans", "DELETE")
    assert answer.status == 405
    assert sorted(a.strip() for a in answer.headers["Allow"].split(",")) == ["GET", "HEAD", "POST"]
    assert weir.ask("/v1/traces", "GET").status == 405
    assert weir.ask("/v1/profiles", "POST", b"").status == 404


def error_of(answer):
    is_json = answer.headers["Content-Type"] == "application/json"
    status = answer.json if is_json else json_format.MessageToDict(status_pb2.Status.FromString(answer.body))
    assert status["message"].strip() == status["message"] != ""
    return status


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/metrics", "/v1/logs"])
def test_otlp_is_answered_in_its_own_encoding(weir, path):
    """Protobuf and JSON are taken, with parameters behind the type; errors are a google.rpc.Status in the same encoding."""
    for kind, empty, bad in (("application/json", b"{}", b"{\"resource"), ("application/x-protobuf", b"", b"\x0a\x7f")):
        taken = weir.ask(path, "POST", empty, {"Content-Type": kind + "; charset=utf-8"})
        assert taken.status == 200 and taken.body == empty and taken.headers["Content-Type"] == kind
        answer = weir.ask(path, "POST", bad, {"Content-Type": kind})
        assert answer.status == 400 and answer.headers["Content-Type"] == kind
        assert error_of(answer)["code"] == 3
        answer = weir.ask(path, "POST", b"no gzip", {"Content-Type": kind, "Content-Encoding": "gzip"})
        assert answer.status == 400 and answer.headers["Content-Type"] == kind and error_of(answer)["code"] == 3
        answer = weir.ask(path, "POST", b"x" * (5 << 20), {"Content-Type": kind})
        assert answer.status == 413 and answer.headers["Content-Type"] == kind and error_of(answer)["code"] == 8
    assert weir.ask(path, "POST", b"<x/>", {"Content-Type": "text/xml"}).status == 415
    assert weir.ask(path, "POST", b"x").status == 415


def test_huge_headers_are_refused(weir):
    assert weir.ask("/metrics", headers={"X-Long": "x" * 40000}).status in (400, 413, 414, 431)
    assert weir.ask("/metrics").status == 200


def test_a_connection_that_says_nothing_or_garbage_harms_nobody(weir):
    for target in (weir.grpc, weir.http):
        host, port = target.rsplit(":", 1)
        for noise in (b"", b"\x00" * 100, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 50, b"GET / HTTP/1.1\r\nX: "):
            with socket.create_connection((host, int(port)), timeout=10) as s:
                s.sendall(noise)
    assert call(weir, EXPORT, spans().SerializeToString()) is not None
    assert weir.ask("/metrics").status == 200


def varint(n):
    out = bytearray()
    while True:
        out.append(n & 127 | (128 if n > 127 else 0))
        n >>= 7
        if not n:
            return bytes(out)
