"""Every way into weir at once: a sender for each method of each protocol that numbers its batches and knows what was
answered, refused and lost. Who can come again does so with the same bytes; a Mixer client never does; streams have no
answers. Afterwards each can say whether what weir has is what it was answered for.

Refusals must say when to come again: one that does not is an error of the test's."""

import contextlib
import dataclasses
import functools
import hashlib
import http.client
import itertools
import json
import struct
import threading
import time

import grpc
import mixer
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from producers import StreamProducer, field

ITEMS = 6
PROTOBUF, JSON = "application/x-protobuf", "application/json"


class Refused(Exception):
    """Come again in so many seconds."""

    def __init__(self, seconds, text):
        super().__init__(text)
        self.seconds, self.text = seconds, text


# --- bodies: (name of the sender, number of the batch) → bytes ----------------------------------------------------------


def trace_id(name, number):
    return hashlib.sha256(name.encode()).digest()[:8] + number.to_bytes(8, "big")


def span_id(number, i):
    return (number << 16 | i + 1).to_bytes(8, "big")


def otlp(request, rows, name):
    """The scope of a request's one resource."""
    resource = getattr(request, rows).add()
    resource.resource.attributes.add(key="service.name").value.string_value = name
    return getattr(resource, rows.replace("resource", "scope")).add()


def otlp_spans(name, number):
    request = trace_service_pb2.ExportTraceServiceRequest()
    scope, now = otlp(request, "resource_spans", name), time.time_ns()
    for i in range(ITEMS):
        scope.spans.add(trace_id=trace_id(name, number), span_id=span_id(number, i), name=f"op {i}", kind=2,
                        start_time_unix_nano=now, end_time_unix_nano=now + 1000)
    return request.SerializeToString()


def otlp_spans_json(name, number):
    now = time.time_ns()
    spans = [{"traceId": trace_id(name, number).hex(), "spanId": span_id(number, i).hex(), "name": f"op {i}", "kind": 2,
              "startTimeUnixNano": str(now), "endTimeUnixNano": str(now + 1000)} for i in range(ITEMS)]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": name}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]}).encode()


def otlp_points(name, number):
    """Deltas of 1 each: their sum is how many were taken."""
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    metric = otlp(request, "resource_metrics", name).metrics.add(name="way.work")
    metric.sum.aggregation_temporality, metric.sum.is_monotonic = 1, True
    now = time.time_ns()
    for i in range(ITEMS):
        point = metric.sum.data_points.add(start_time_unix_nano=now - 1000, time_unix_nano=now, as_int=1)
        point.attributes.add(key="row").value.string_value = str(i)
    return request.SerializeToString()


def otlp_logs(name, number):
    request = logs_service_pb2.ExportLogsServiceRequest()
    scope = otlp(request, "resource_logs", name)
    for i in range(ITEMS):
        scope.log_records.add(time_unix_nano=time.time_ns(), severity_number=9).body.string_value = f"{number}.{i}"
    return request.SerializeToString()


def zipkin_json(name, number):
    now = time.time_ns() // 1000
    return json.dumps([{"traceId": trace_id(name, number).hex(), "id": span_id(number, i).hex(), "name": f"op {i}",
                        "kind": "SERVER", "timestamp": now, "duration": 10, "localEndpoint": {"serviceName": name}}
                       for i in range(ITEMS)]).encode()


def zipkin_v1_json(name, number):
    now, endpoint = time.time_ns() // 1000, {"serviceName": name}
    return json.dumps([{"traceId": trace_id(name, number).hex(), "id": span_id(number, i).hex(), "name": f"op {i}",
                        "annotations": [{"timestamp": now, "value": "sr", "endpoint": endpoint},
                                        {"timestamp": now + 10, "value": "ss", "endpoint": endpoint}]}
                       for i in range(ITEMS)]).encode()


def zipkin_proto(name, number):
    timestamp = b"\x31" + struct.pack("<Q", time.time_ns() // 1000)
    tail = field(4, 2) + field(5, b"op") + timestamp + field(7, 10) + field(8, field(1, name.encode()))
    return b"".join(field(1, field(1, trace_id(name, number)) + field(3, span_id(number, i)) + tail) for i in range(ITEMS))


@functools.cache
def packer():
    return mixer.Client("127.0.0.1:9")  # calls nobody


def mixer_report(name, number):
    bag = {"context.reporter.kind": "inbound", "context.reporter.uid": "kubernetes://back-v2-6c9d7c9b6-k9w2z.shop",
           "context.protocol": "http", "source.uid": "kubernetes://front-v1-5f8d7c9b6-8xv7d.shop", "request.method": "GET",
           "destination.uid": "kubernetes://back-v2-6c9d7c9b6-k9w2z.shop", "destination.service.host": f"{name}.shop.svc",
           "request.path": "/things", "response.code": 200, "request.time": mixer.now(), "response.time": mixer.now(0.02),
           "response.duration": 0.02}
    return packer().request([bag] * ITEMS).SerializeToString()


class Seen:
    """What weir shows at one time: its metrics and its ledger."""

    def __init__(self, weir):
        self.samples, self.rows = weir.samples(), weir.ledger()["rows"]

    def total(self, name, **labels):
        want = set(labels.items())
        return sum(v for (n, found), v in self.samples.items() if n == name and want <= found)

    def kept(self, source, signal):
        return sum(r["kept"] for r in self.rows if (r["source"], r["signal"]) == (source, signal))

    def requests(self):
        """By destination."""
        return {dict(labels)["destination_service"]: v for (n, labels), v in self.samples.items() if n == "istio_requests_total"}


# --- ways ---------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Way:
    name: str
    signal: str
    make: object
    method: str  # of gRPC, or a path of HTTP's
    type: str = ""  # its Content-Type; none: gRPC
    comes_again: bool = True


OTLP = "/opentelemetry.proto.collector."
WAYS = [
    Way("otlp-grpc-spans", "span", otlp_spans, OTLP + "trace.v1.TraceService/Export"),
    Way("otlp-grpc-points", "metric_point", otlp_points, OTLP + "metrics.v1.MetricsService/Export"),
    Way("otlp-grpc-logs", "log", otlp_logs, OTLP + "logs.v1.LogsService/Export"),
    Way("otlp-http-spans", "span", otlp_spans, "/v1/traces", PROTOBUF),
    Way("otlp-json-spans", "span", otlp_spans_json, "/v1/traces", JSON),
    Way("otlp-http-points", "metric_point", otlp_points, "/v1/metrics", PROTOBUF),
    Way("otlp-http-logs", "log", otlp_logs, "/v1/logs", PROTOBUF),
    Way("zipkin-json", "span", zipkin_json, "/api/v2/spans", JSON),
    Way("zipkin-proto", "span", zipkin_proto, "/api/v2/spans", PROTOBUF),
    Way("zipkin-v1-json", "span", zipkin_v1_json, "/api/v1/spans", JSON),
    Way("zipkin-grpc", "span", zipkin_proto, "/zipkin.proto3.SpanService/Report"),
    Way("mixer", "mixer", mixer_report, "/istio.mixer.v1.Mixer/Report", comes_again=False),
]


class Sender(threading.Thread):
    """One way, used until told to stop or until weir is gone."""

    def __init__(self, way, weir=None, number=0, pause=0.002):
        super().__init__(daemon=True)
        self.way, self.weir, self.pause = way, weir, pause
        self.number = number  # which of this way's senders, for the name under which it sends
        self.batches = itertools.count(1)
        self.answered, self.lost, self.pending = [], [], None
        self.refused, self.delays, self.texts = 0, set(), set()
        self.halt = threading.Event()
        self.failure = None

    @property
    def name_sent(self):
        return f"{self.way.name}-{self.number}"

    def resumed(self, weir):
        """A fresh thread with this one's memory, for the restarted weir."""
        heir = Sender(self.way, weir, self.number, self.pause)
        heir.batches, heir.answered, heir.lost, heir.pending = self.batches, self.answered, self.lost, self.pending
        heir.refused, heir.delays, heir.texts = self.refused, self.delays, self.texts
        return heir

    @contextlib.contextmanager
    def over_grpc(self):
        with grpc.insecure_channel(self.weir.grpc, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = channel.unary_unary(self.way.method)

            def send(body):
                try:
                    call(body, timeout=30)
                except grpc.RpcError as error:
                    status = rpc_status.from_call(error)
                    info = error_details_pb2.RetryInfo()
                    if status is None or not any(detail.Unpack(info) for detail in status.details):
                        raise OSError(error.code().name) from error
                    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
                    raise Refused(info.retry_delay.ToMilliseconds() / 1000, error.details()) from error
            yield send

    @contextlib.contextmanager
    def over_http(self):
        host, port = self.weir.http.rsplit(":", 1)
        with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=30)) as connection:
            def send(body):
                try:
                    connection.request("POST", self.way.method, body, {"Content-Type": self.way.type})
                    answer = connection.getresponse()
                    text = answer.read().decode(errors="replace")
                except http.client.HTTPException as error:
                    raise OSError() from error
                if answer.status in (429, 503):
                    raise Refused(float(answer.headers["Retry-After"]), text)
                assert answer.status in (200, 202), (answer.status, text)
            yield send

    def run(self):
        try:
            with self.over_http() if self.way.type else self.over_grpc() as send:
                while self.pending or not self.halt.is_set():
                    if not self.step(send):
                        return
        except AssertionError as error:
            self.failure = error

    def step(self, send):
        """One batch, new or again. False: no more."""
        if self.pending is None:
            number = next(self.batches)
            self.pending = (number, self.way.make(self.name_sent, number))
        try:
            send(self.pending[1])
        except Refused as refusal:
            self.refused += 1
            self.delays.add(refusal.seconds)
            self.texts.add(refusal.text)
            if not self.way.comes_again:
                self.pending = None
            return not self.halt.wait(0.01)
        except OSError:
            if not self.way.comes_again:
                self.lost.append(self.pending[0])
                self.pending = None
            return False
        self.answered.append(self.pending[0])
        self.pending = None
        self.halt.wait(self.pause)
        return True

    # --- what became of it ---

    def check(self, seen):
        """Everything that was answered is kept, and once; nothing else is, but what of a Mixer client's was lost."""
        assert self.failure is None, (self.way.name, self.failure)
        assert len(self.answered) == len(set(self.answered)), self.way.name
        assert all(seconds > 0 for seconds in self.delays)
        want = ITEMS * len(self.answered)
        if self.way.signal == "mixer":
            have = seen.total("istio_requests_total", destination_service=f"{self.name_sent}.shop.svc")
            assert have % ITEMS == 0 and want <= have <= want + ITEMS * len(self.lost), (self.way.name, have, want)
            return have
        assert self.pending is None
        if self.way.signal == "metric_point":
            have = seen.total("way_work_total", job=self.name_sent)
        else:
            have = seen.kept(self.name_sent, self.way.signal)
        assert have == want, (self.way.name, have, want)
        return have

    def check_detail(self, weir, step=1):
        """Every step-th batch can be asked for, and has each of its items once."""
        for number in self.answered[::step]:
            if self.way.signal == "span":
                spans = weir.get_json(f"/api/v2/trace/{trace_id(self.name_sent, number).hex()}")
                assert sorted(s["id"] for s in spans) == [span_id(number, i).hex() for i in range(ITEMS)], (self.way.name, number)
        if self.way.signal == "log":
            bodies = [log["body"] for log in weir.get_json("/api/logs", service=self.name_sent, limit=1000)]
            newest = [f"{n}.{i}" for n in self.answered[-(1000 // ITEMS):] for i in range(ITEMS)]
            assert len(bodies) == len(set(bodies)) == min(1000, ITEMS * len(self.answered)), self.way.name
            assert set(newest) <= set(bodies)


def senders(weir=None, number=0, **more):
    return [Sender(way, weir, number, **more) for way in WAYS]


def come_again(senders, weir):
    """Who was refused last comes again, now that there is room, and then ends. Returns the senders to go on with."""
    heirs = [s.resumed(weir) for s in senders]
    for heir in heirs:
        heir.halt.set()
        heir.start()
    for heir in heirs:
        heir.join(30)
        assert not heir.is_alive()
    return heirs


# --- streams ------------------------------------------------------------------------------------------------------------


class StreamV2(StreamProducer):
    METHOD = "/envoy.service.accesslog.v2.AccessLogService/StreamAccessLogs"


class MetricsStream(StreamProducer):
    """Envoy's metrics service, v3 or v2: the n-th message says n, for a few counters whose label is this stream's own.
    So what was read of it is the value that is shown."""

    POINTS = 4

    def __init__(self, target, version="v3", **more):
        super().__init__(target, **more)
        self.METHOD = f"/envoy.service.metrics.{version}.MetricsService/StreamMetrics"
        self.identifier = field(1, field(1, field(1, f"sidecar~10.9.0.1~{self.namespace}.way~way.svc".encode())))

    def _feed(self):
        yield self.identifier
        for number in itertools.count(1):
            if self.halt.is_set():
                return
            self.messages += 1
            yield b"".join(self.family(i, number) for i in range(self.POINTS))
            self.halt.wait(self.pause or 0.002)

    def family(self, i, number):
        label = field(1, field(1, b"stream") + field(2, self.namespace.encode()))
        metric = label + field(3, b"\x09" + struct.pack("<d", number)) + field(6, time.time_ns() // 1000000)
        return field(2, field(1, f"way.step{i}".encode()) + field(3, 0) + field(4, metric))

    def read(self, seen):
        """The points that weir read of this stream, after checking that they are a beginning of it, each once."""
        values = {v for (n, labels), v in seen.samples.items()
                  if n.startswith("envoy_way_step") and ("stream", self.namespace) in labels}
        assert len(values) <= 1, values
        messages = int(values.pop()) if values else 0
        assert messages <= self.messages
        kept = seen.kept(f"sidecar~10.9.0.1~{self.namespace}.way~way.svc", "metric_point")
        assert kept == messages * self.POINTS, (kept, messages)
        return kept


def streams(weir, **more):
    """One of each method."""
    return [StreamProducer(weir.grpc, **more), StreamV2(weir.grpc, **more), MetricsStream(weir.grpc, **more),
            MetricsStream(weir.grpc, "v2", **more)]
