"""The OpenTelemetry Python SDK as a sender of three signals, over gRPC or HTTP,
plain or gzipped, with delta or cumulative temporality. What it made it counts
itself; the keys are those of otel_js/produce.js."""

import collections

import grpc
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, UpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

SERVICES = ["till", "depot", "mail"]
HOW = ["grpc", "grpc-gzip", "http", "http-gzip"]
NEVER_MS = 3600_000
_EXPORTERS = {"traces": (GrpcSpans, HttpSpans), "metrics": (GrpcMetrics, HttpMetrics), "logs": (GrpcLogs, HttpLogs)}


def exporter(weir, how, signal, **more):
    """`how`: one of HOW; `signal`: traces, metrics or logs."""
    over_grpc, over_http = _EXPORTERS[signal]
    is_packed = how.endswith("-gzip")
    if how.startswith("grpc"):
        compression = grpc.Compression.Gzip if is_packed else grpc.Compression.NoCompression
        return over_grpc(endpoint=f"http://{weir.grpc}", insecure=True, compression=compression, **more)
    compression = Compression.Gzip if is_packed else Compression.NoCompression
    return over_http(endpoint=f"http://{weir.http}/v1/{signal}", compression=compression, **more)


def resource(service):
    return Resource.create({"service.name": service, "service.namespace": "py", "service.instance.id": f"{service}-0",
                            "service.version": "7"})


def delta():
    return {kind: AggregationTemporality.DELTA for kind in (Counter, Histogram, UpDownCounter)}


class Shop:
    """Sells: spans of three services, points and logs of the first."""

    def __init__(self, weir, how, is_delta):
        self.spans, self.edges, self.logs = collections.Counter(), collections.Counter(), collections.Counter()
        self.points, self.errors = collections.Counter(), 0
        self.providers, self.tracers = [], {}
        for service in SERVICES:
            provider = TracerProvider(resource=resource(service))
            provider.add_span_processor(BatchSpanProcessor(exporter(weir, how, "traces"), max_export_batch_size=16))
            self.providers.append(provider)
            self.tracers[service] = provider.get_tracer("shop", "1.0")
        more = {"preferred_temporality": delta()} if is_delta else {}
        reader = PeriodicExportingMetricReader(exporter(weir, how, "metrics", **more), export_interval_millis=NEVER_MS)
        exponential = View(instrument_name="walk", aggregation=ExponentialBucketHistogramAggregation())
        self.meters = MeterProvider([reader], resource=resource("till"), views=[exponential])
        meter = self.meters.get_meter("shop")
        self.sold = meter.create_counter("sold", unit="{item}", description="items sold")
        self.wait = meter.create_histogram("wait", unit="s")
        self.walk = meter.create_histogram("walk", unit="m")
        self.queue = meter.create_up_down_counter("queue")
        loggers = LoggerProvider(resource=resource("till"))
        loggers.add_log_record_processor(BatchLogRecordProcessor(exporter(weir, how, "logs")))
        self.logger = loggers.get_logger("shop")
        self.providers += [self.meters, loggers]

    def record(self, number):
        kind, seconds, metres = "single" if number % 3 else "bulk", (number % 7) / 8, (number % 5) * 2.5 + 0.5
        items, waiting = 1 + number % 2, 2 if number % 4 else -1
        self.sold.add(items, {"kind": kind})
        self.wait.record(seconds)
        self.walk.record(metres)
        self.queue.add(waiting)
        self.points.update({f"sold|{kind}": items, "queue": waiting})
        self.points.update({"wait.count": 1, "wait.sum": seconds, "walk.count": 1, "walk.sum": metres})

    def sell(self, number):
        till = self.tracers["till"]
        severity = SeverityNumber.INFO if number % 5 else SeverityNumber.ERROR
        tags = {"ratio": 0.25, "tags": ["a", "ü"]}
        with till.start_as_current_span("POST /sale", kind=SpanKind.SERVER, attributes=tags):
            self.spans["till|SERVER"] += 1
            for other in SERVICES[1:]:
                if (number + len(other)) % 3 == 0:
                    continue
                with till.start_as_current_span(f"call {other}", kind=SpanKind.CLIENT):
                    with self.tracers[other].start_as_current_span("serve", kind=SpanKind.SERVER) as serve:
                        serve.add_event("looked", {"shelf": number})
                        if number % 5 == 0:
                            serve.set_status(Status(StatusCode.ERROR, "boom ✓"))
                            self.errors += 1
                self.spans.update({"till|CLIENT": 1, f"{other}|SERVER": 1})
                self.edges[f"till->{other}"] += 1
            self.logger.emit(body=f"sold in round {number}", severity_number=severity, severity_text=severity.name,
                             attributes={"round": number, "parts": {"deep": [1, "two"]}})
            self.logs[severity.name] += 1

    def run(self, rounds):
        """Sells, and delivers all of it; returns the facts."""
        for number in range(rounds):
            self.sell(number)
            self.record(number)
            if number == rounds // 2:
                assert self.meters.force_flush()  # so that two exports must be put together
        for provider in self.providers:
            assert provider.force_flush() is not False
            provider.shutdown()
        return {"spans": dict(self.spans), "edges": dict(self.edges), "errors": self.errors, "invalid": 0,
                "logs": dict(self.logs), "points": dict(self.points), "warnings": []}
