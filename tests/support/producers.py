"""Senders that know what was answered: several threads of OTLP batches and of
access log streams, some of which repeat a batch whose answer was lost."""

import itertools
import threading
import time

import grpc
import mtcap
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
STREAM = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
SPANS = 20
_numbers = itertools.count(1)


def make_batch(spans=SPANS):
    """One trace of its own: (trace id, encoded request)."""
    number = next(_numbers)
    trace_id = (0xABCD << 96 | number).to_bytes(16, "big")
    request = trace_service_pb2.ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = f"producer-{number % 5}"
    scope = resource.scope_spans.add()
    now = time.time_ns()
    for i in range(spans):
        span = scope.spans.add(trace_id=trace_id, span_id=(number << 16 | i + 1).to_bytes(8, "big"), name=f"op {i}", kind=2 + i % 2,
                               start_time_unix_nano=now, end_time_unix_nano=now + 1000 * i)
        span.attributes.add(key="payload").value.string_value = "x" * 150
    return trace_id.hex(), request.SerializeToString()


class SpanProducer(threading.Thread):
    """Sends batches until told to stop or until the server is gone. A `patient` one keeps the batch whose answer was
    lost and sends the same bytes first when it is resumed."""

    def __init__(self, target, is_patient, spans=SPANS):
        super().__init__(daemon=True)
        self.target, self.is_patient, self.spans = target, is_patient, spans
        self.answered, self.unanswered, self.refused = [], [], 0
        self.pending = None
        self.halt = threading.Event()

    def resumed(self, target):
        """A fresh thread with this one's memory, for the restarted server."""
        heir = SpanProducer(target, self.is_patient, self.spans)
        heir.answered, heir.unanswered, heir.pending = self.answered, self.unanswered, self.pending
        heir.refused = self.refused
        return heir

    def run(self):
        with grpc.insecure_channel(self.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            export = channel.unary_unary(EXPORT)
            while not self.halt.is_set():
                trace_id, body = self.pending or make_batch(self.spans)
                self.pending = (trace_id, body)
                try:
                    export(body, timeout=30)
                except grpc.RpcError as error:
                    if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
                        self.refused += 1
                        self.halt.wait(0.01)
                        continue
                    if not self.is_patient:
                        self.unanswered.append(trace_id)
                        self.pending = None
                    return
                self.answered.append(trace_id)
                self.pending = None


class StreamProducer(threading.Thread):
    """Streams captured access log messages, again and again, until told to stop or until the server is gone."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target, self.halt, self.messages = target, threading.Event(), 0
        capture = mtcap.load("envoy-als")
        first = next(r["stream"] for r in capture if r["kind"] == "msg")
        self.bodies = [r["data"] for r in capture if r["kind"] == "msg" and r["stream"] == first]

    def _feed(self):
        yield self.bodies[0]
        for body in itertools.cycle(self.bodies[1:] or self.bodies):
            if self.halt.is_set():
                return
            self.messages += 1
            yield body

    def run(self):
        with grpc.insecure_channel(self.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            try:
                channel.stream_unary(STREAM)(self._feed())
            except grpc.RpcError:
                pass
