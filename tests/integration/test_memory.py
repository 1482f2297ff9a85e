"""Goal: memory has a ceiling, whatever comes in: requests near the limit on
every way in, all names and ids new, while queries ask for the most."""

import concurrent.futures
import itertools
import json
import os
import threading
import time

import grpc
import mtcap
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from producers import EXPORT, STREAM
from weir import until

LIMIT = 256 << 20
ROUNDS = 12


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
