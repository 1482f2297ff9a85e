"""Senders that know what was answered: several threads of OTLP batches and of
access log streams, some of which repeat a batch whose answer was lost."""

import contextlib
import http.client
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


class Refused(Exception):
    """The server said: come again."""


class SpanProducer(threading.Thread):
    """Sends batches over gRPC until told to stop or until the server is gone. A `patient` one keeps the batch whose
    answer was lost and sends the same bytes first when it is resumed; another one forgets it."""

    def __init__(self, target, is_patient, spans=SPANS):
        super().__init__(daemon=True)
        self.target, self.is_patient, self.spans = target, is_patient, spans
        self.answered, self.unanswered, self.refused = [], [], 0
        self.pending = None
        self.halt = threading.Event()

    def resumed(self, target):
        """A fresh thread with this one's memory, for the restarted server."""
        heir = type(self)(target, self.is_patient, self.spans)
        heir.answered, heir.unanswered, heir.pending = self.answered, self.unanswered, self.pending
        heir.refused = self.refused
        return heir

    def target_of(self, weir):
        return weir.grpc

    @contextlib.contextmanager
    def sender(self):
        """A function that sends one body: returns when it is answered, raises Refused, or OSError when there is no answer."""
        with grpc.insecure_channel(self.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            export = channel.unary_unary(EXPORT)

            def send(body):
                try:
                    export(body, timeout=30)
                except grpc.RpcError as error:
                    raise (Refused() if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED else OSError()) from error
            yield send

    def run(self):
        with self.sender() as send:
            while self.pending or not self.halt.is_set():
                trace_id, body = self.pending or make_batch(self.spans)
                self.pending = (trace_id, body)
                try:
                    send(body)
                except Refused:
                    self.refused += 1
                    if self.halt.wait(0.01):
                        return
                    continue
                except OSError:
                    if not self.is_patient:
                        self.unanswered.append(trace_id)
                        self.pending = None
                    return
                self.answered.append(trace_id)
                self.pending = None


class HttpSpanProducer(SpanProducer):
    """The same over HTTP, on one connection."""

    def target_of(self, weir):
        return weir.http

    @contextlib.contextmanager
    def sender(self):
        host, port = self.target.rsplit(":", 1)
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=30)) as connection:
            def send(body):
                try:
                    connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
                    answer = connection.getresponse()
                    answer.read()
                except http.client.HTTPException as error:
                    raise OSError() from error
                if answer.status in (429, 503):
                    raise Refused()
                assert answer.status == 200, answer.status
            yield send


def field(number, value):
    """One field of a protobuf message: a number, or bytes."""
    def varint(n):
        out = bytearray()
        while n > 0x7F:
            out.append(n & 0x7F | 0x80)
            n >>= 7
        return bytes(out + bytes([n]))
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def captured_identifier():
    """The first message of a real Envoy's stream, without its entries."""
    capture = mtcap.load("envoy-als")
    data = next(r["data"] for r in capture if r["kind"] == "msg")
    assert data[0] == 0x0A  # field 1, the identifier
    length = shift = 0
    at = 1
    while True:
        length |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 0x80:
            return data[:at + length]


class StreamProducer(threading.Thread):
    """Streams access log messages until told to stop or until the server is gone. Its entries go round a few
    destinations, in a namespace of its own: what arrived can be told from the sums alone. If it is a beginning of what
    was sent, no destination is more than one ahead of a later one, and none is behind one."""

    METHOD = STREAM
    ROUND, ENTRIES = 5, 12  # no multiple of each other, so a message that is missing or twice shows

    def __init__(self, target, credentials=None, pause=0):
        super().__init__(daemon=True)
        self.target, self.credentials, self.pause = target, credentials, pause
        self.halt, self.messages = threading.Event(), 0
        self.failure = None  # how the stream ended, if not as it should
        self.namespace = f"run-{next(_numbers)}"
        self.identifier = captured_identifier()
        entries = [self._entry(i) for i in range(self.ROUND)]
        ring = list(itertools.islice(itertools.cycle(entries), self.ROUND * self.ENTRIES))
        self.bodies = [field(2, b"".join(ring[i:i + self.ENTRIES])) for i in range(0, len(ring), self.ENTRIES)]

    def _entry(self, i):
        host = f"d{i}.{self.namespace}.svc.cluster.local".encode()
        start = field(5, field(1, int(time.time())))
        common = start + field(12, field(2, 5000000)) + field(15, b"outbound|80||" + host) + field(23, field(2, 5000000))
        request = field(1, 1) + field(3, host) + field(5, b"/") + field(9, b"7d1c0f9e-5b5c-9c55-8d25-33b5a1b1a0c5")
        return field(1, field(1, common) + field(2, 2) + field(3, request) + field(4, field(1, field(1, 200))))

    def _feed(self):
        yield self.identifier
        for body in itertools.cycle(self.bodies):
            if self.halt.is_set():
                return
            self.messages += 1
            yield body
            if self.pause:
                self.halt.wait(self.pause)

    def channel(self):
        options = [("grpc.use_local_subchannel_pool", 1)]
        if self.credentials is None:
            return grpc.insecure_channel(self.target, options=options)
        return grpc.secure_channel(self.target, self.credentials, options=options)

    def run(self):
        with self.channel() as channel:
            try:
                channel.stream_unary(self.METHOD)(self._feed())
            except grpc.RpcError as error:
                self.failure = error

    def check(self, counted):
        """`counted`: entries by destination, from the server. They are a beginning of what was sent, in whole messages."""
        rows = [counted.get(f"d{i}.{self.namespace}.svc.cluster.local", 0) for i in range(self.ROUND)]
        entries = sum(rows)
        assert rows == [entries // self.ROUND + (i < entries % self.ROUND) for i in range(self.ROUND)], rows
        assert entries % self.ENTRIES == 0 and entries <= self.messages * self.ENTRIES, (entries, self.messages)
        return entries
