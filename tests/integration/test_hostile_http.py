"""Goal: whatever a client does to an HTTP port is bounded and answered, and service goes on for the others."""

import contextlib
import gzip
import http.client
import json
import os
import socket
import time

import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from weir import Weir, until

JSON = {"Content-Type": "application/json"}
OTLP = {"Content-Type": "application/x-protobuf"}
MOST = 4 << 20  # limits.message


@pytest.fixture(autouse=True)
def goes_on(weir):
    """Every test ends with a request that is served at once, and with connections that are gone."""
    idle = weir.open_files()
    yield
    began = time.monotonic()
    assert weir.ask("/api/v2/spans", "POST", json.dumps([span(1)]), JSON).status == 202
    assert weir.ask("/healthz").status == 200
    assert time.monotonic() - began < 5
    until(lambda: weir.open_files() <= idle + 8, "the connections to be gone")


def span(number):
    return {"traceId": f"{number:032x}", "id": f"{number:016x}", "name": "x", "timestamp": int(time.time() * 1e6), "duration": 5,
            "localEndpoint": {"serviceName": "a"}}


@contextlib.contextmanager
def connection(weir):
    host, port = weir.http.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield s


def read_answer(s):
    """(status, body) of one answer, or None when the connection ended."""
    try:
        answer = http.client.HTTPResponse(s)
        answer.begin()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None


def push(s, data):
    """Sends until the other side has had enough; returns how much it took."""
    try:
        sent = 0
        while sent < len(data):
            sent += s.send(data[sent:sent + 65536])
        return sent
    except OSError:
        return sent


# ---- slow ------------------------------------------------------------------------------------------------------------


def test_one_byte_at_a_time_is_read_as_any_other_request(weir):
    body = json.dumps([span(7)]).encode()
    request = b"POST /api/v2/spans HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with connection(weir) as s:
        for byte in request:
            s.send(bytes([byte]))
        assert read_answer(s)[0] == 202
    assert weir.ledger_sum("span")["kept"] == 1


def test_a_crowd_of_half_requests_keeps_nobody_out(weir):
    """Slow-loris: half the places are taken by headers and bodies that never end; the others are served."""
    heads = [b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"POST /api/v2/spans HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[",
             b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", b"G"]
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(connection(weir)) for _ in range(500)]
        for i, s in enumerate(opened):
            s.sendall(heads[i % len(heads)])
        for _ in range(20):
            began = time.monotonic()
            assert weir.ask("/metrics").status == 200
            assert time.monotonic() - began < 5
        before = weir.memory_bytes("RssAnon")
        assert before < 128 << 20


def test_more_connections_than_there_are_places_are_closed_and_counted(tmp_path):
    with Weir(tmp_path / "few", flags=["--limits.connections=20"]) as weir:
        with contextlib.ExitStack() as stack:
            opened = [stack.enter_context(connection(weir)) for _ in range(60)]
            closed = 0
            for s in opened[20:]:
                s.settimeout(10)
                with contextlib.suppress(OSError):
                    closed += s.recv(1) == b""
            assert closed == 40

        def refused():
            with contextlib.suppress(OSError, http.client.HTTPException):  # until the places are free again
                return weir.total("weir_connections_refused_total")
        until(lambda: (refused() or 0) >= 40, "the count")


def test_a_half_closed_client_gets_its_answer(weir):
    body = json.dumps([span(8)]).encode()
    with connection(weir) as s:
        s.sendall(b"POST /api/v2/spans HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        s.shutdown(socket.SHUT_WR)
        assert read_answer(s)[0] == 202
    with connection(weir) as s:
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        s.shutdown(socket.SHUT_WR)
        status, text = read_answer(s)
        assert status == 200 and b"weir_" in text
    with connection(weir) as s:  # half a request is none
        s.sendall(b"POST /api/v2/spans HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[")
        s.shutdown(socket.SHUT_WR)
        assert read_answer(s) is None
    assert weir.ledger_sum("span")["received"] == 1


def test_a_client_that_does_not_read_its_answers_holds_up_nobody(weir):
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            s = stack.enter_context(connection(weir))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        for _ in range(10):  # a crowd of queries may fill the pool's queue for a moment: then it is 503
            until(lambda: weir.ask("/metrics").status == 200, "an answer for another")


# ---- large -----------------------------------------------------------------------------------------------------------


def test_connections_that_have_served_a_request_take_little(weir):
    body = json.dumps([span(9)]).encode()
    weir.ask("/healthz")
    before = weir.memory_bytes("RssAnon")
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(connection(weir)) for _ in range(500)]
        for s in opened:
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_answer(s)[0] == 200
            s.sendall(b"POST /api/v2/spans HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            assert read_answer(s)[0] == 202
        taken = (weir.memory_bytes("RssAnon") - before) / len(opened)
    assert weir.is_sanitized or taken < 64 << 10


@pytest.mark.parametrize("headers", [[("X-Large", "x" * 16000)], [(f"X-{i}", "y" * 30) for i in range(380)]])
def test_headers_just_below_the_limit_are_read(weir, headers):
    assert weir.ask("/api/v2/spans", "POST", json.dumps([span(5)]), {**JSON, **dict(headers)}).status == 202


@pytest.mark.parametrize("headers", [[("X-Large", "x" * 20000)], [(f"X-{i}", "y" * 30) for i in range(700)], [("Cookie", "z" * 200000)]])
def test_huge_headers_are_431(weir, headers):
    lines = "".join(f"{k}: {v}\r\n" for k, v in headers)
    with connection(weir) as s:
        push(s, f"GET /metrics HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        answer = read_answer(s)
        assert answer is None or answer[0] == 431, answer[0]


def test_a_huge_path_is_refused(weir):
    with connection(weir) as s:
        push(s, b"GET /" + b"a" * 300000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = read_answer(s)
        assert answer is None or answer[0] in (414, 431)


def test_an_endless_chunked_body_is_413_and_counted(weir):
    before = weir.memory_bytes("RssAnon")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with connection(weir) as s:
        s.sendall(b"POST /api/v2/spans HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(80):  # 5 MiB, and its end
            s.sendall(chunk)
        s.sendall(b"0\r\n\r\n")
        assert read_answer(s)[0] == 413
    with connection(weir) as s:  # without an end it is cut off
        s.sendall(b"POST /api/v2/spans HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        taken = 0
        with contextlib.suppress(OSError):
            while taken < 64 * MOST:
                s.sendall(chunk)
                taken += 65536
        assert taken < 32 * MOST
    assert weir.total("weir_refused_items_total", signal="span", reason="too_large") >= 1
    assert weir.memory_bytes("RssAnon") - before < 32 << 20


def test_an_announced_body_beyond_all_limits_is_refused_at_once(weir):
    for length in (str(MOST + 1), "99999999999999999999999", "18446744073709551616", "4611686018427387904"):
        with connection(weir) as s:
            s.sendall(f"POST /api/v2/spans HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n".encode())
            answer = read_answer(s)
            assert answer is None or answer[0] in (400, 413), answer


@pytest.mark.parametrize("size", [64 << 20, 500 << 20])
def test_a_gzip_bomb_is_stopped_while_it_inflates(weir, size):
    before = weir.memory_bytes("VmHWM")
    bomb = gzip.compress(b"[" + b" " * size, 9)
    twice = gzip.compress(bomb, 9)
    for path, headers in (("/api/v2/spans", JSON), ("/v1/traces", OTLP)):
        assert weir.ask(path, "POST", bomb, {**headers, "Content-Encoding": "gzip"}).status == 413
        assert weir.ask(path, "POST", twice, {**headers, "Content-Encoding": "gzip"}).status in (400, 413)
    assert weir.memory_bytes("VmHWM") - before < 48 << 20


# ---- wrong -----------------------------------------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order_and_garbage_ends_them(weir):
    body = json.dumps([span(9)]).encode()
    good = b"POST /api/v2/spans HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with connection(weir) as s:
        s.sendall(good + b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n" + b"\x00\x01\x02 garbage \r\n\r\n" * 100)
        s.shutdown(socket.SHUT_WR)
        text = b""
        with contextlib.suppress(ConnectionError):
            while piece := s.recv(65536):
                text += piece
        statuses = [int(line[9:12]) for line in text.split(b"\r\n") if line.startswith(b"HTTP/1.")]
        assert statuses[:2] == [202, 200] and all(status >= 400 for status in statuses[2:])
    assert weir.ledger_sum("span")["kept"] == 1


@pytest.mark.parametrize("start", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200, b"\x00" * 4096, b"\r\n" * 4096, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"POST /api/v2/spans HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /api/v2/spans HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n[]   ",
    b"POST /api/v2/spans HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n[]\r\n0\r\n\r\n",
    b"POST /api/v2/spans HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n[]\r\n0\r\n\r\n",
    b"GET /x HTTP/1.1\r\n: x\r\n\r\n", b"GET /x%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"A" * 70000], ids=range(14))
def test_what_is_no_request_ends_its_own_connection_only(weir, start):
    with connection(weir) as s:
        push(s, start)
        with contextlib.suppress(OSError):
            s.shutdown(socket.SHUT_WR)
        answer = read_answer(s)
        assert answer is None or answer[0] >= 400 or b"[]   " in start
    rows = weir.ledger()["rows"]
    assert sum(r["received"] for r in rows) == 0


@pytest.mark.parametrize("path,headers,body", [
    ("/api/v2/spans", JSON, b"[" * 5000 + b"]" * 5000), ("/api/v2/spans", JSON, b'[{"a":' * 5000),
    ("/api/v2/spans", JSON, b'[{"traceId":"1","id":"1","tags":{"a":' + b"[" * 5000 + b"]" * 5000 + b"}}]"),
    ("/v1/traces", JSON, b'{"resourceSpans":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    ("/v1/traces", JSON, b'{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":' + b'{"arrayValue":{"values":[' * 5000
     + b"]}}" * 5000 + b"}]}}]}")], ids=range(5))
def test_five_thousand_levels_of_json_are_malformed(weir, path, headers, body):
    assert weir.ask(path, "POST", body, headers).status == 400
    assert weir.total("weir_refused_items_total", signal="span", reason="malformed") == 1


def distinct_points(batch, points):
    """One cumulative sum, each point of it with values that never were before."""
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.add(key="service.name").value.string_value = f"s-{batch}"
    metric = resource.scope_metrics.add().metrics.add(name="hostile")
    metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, 2
    for i in range(points):
        point = metric.sum.data_points.add(as_int=1, start_time_unix_nano=1, time_unix_nano=time.time_ns())
        for k in range(5):
            point.attributes.add(key=f"k{k}").value.string_value = f"{batch}-{i}-{k}"
    return request.SerializeToString()


def test_a_million_distinct_strings_fill_a_bounded_number_of_series_rows_and_edges(tmp_path):
    """Cardinality is the field's classic way to die: beyond its bound a table has one row for all that is new."""
    bound = 2000
    with Weir(tmp_path / "bounded", flags=[f"--metrics.max_series={bound}"]) as weir:
        began = weir.memory_bytes("RssAnon")
        for batch in range(75):
            spans = [{**span(1 + batch * 1000 + i), "name": f"op-{batch}-{i}", "kind": "CLIENT", "tags": {f"k{i}": os.urandom(8).hex()},
                      "localEndpoint": {"serviceName": f"s-{batch}-{i}"}, "remoteEndpoint": {"serviceName": f"r-{batch}-{i}"}}
                     for i in range(1000)]
            for path, headers, body in (("/api/v2/spans", JSON, json.dumps(spans).encode()), ("/v1/metrics", OTLP, distinct_points(batch, 2000))):
                until(lambda: weir.ask(path, "POST", body, headers).status in (200, 202), "the batch to be taken")
        assert weir.ledger_sum("span")["kept"] == 75 * 1000
        assert weir.ledger_sum("metric_point")["received"] == 75 * 2000
        hostile = [dict(labels) for name, labels in weir.samples() if name == "hostile_total"]
        assert 100 < len(hostile) <= bound + 1
        assert sum("otel_metric_overflow" in labels for labels in hostile) == 1
        assert len(weir.ledger()["rows"]) <= 5000
        assert weir.memory_bytes("RssAnon") - began < 128 << 20
        assert weir.ask("/metrics").status == weir.ask("/api/graph").status == weir.ask("/api/v2/services").status == 200
