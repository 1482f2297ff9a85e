"""Bodies whose every name and id is new, as fast as Python can join bytes: a
template with a mark of eight bytes, which each item replaces by its number."""

import os
import time

from producers import captured_identifier, field

MARK = b"@@@@@@@@"
METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def many(template, first, count, around=lambda items: items):
    head, *rest = template.split(MARK)
    items = []
    for i in range(first, first + count):
        number = b"%08d" % i
        items.append(head + b"".join([number + piece for piece in rest]))
    return around(b"".join(items))


def attribute(key, value):
    return field(1, key) + field(2, field(1, value))


def fixed64(number, value):
    return bytes([number << 3 | 1]) + value.to_bytes(8, "little")


def times(start, end):
    return fixed64(start, time.time_ns() - 1000) + fixed64(end, time.time_ns())


def resource(*attributes):
    return field(1, b"".join(field(1, a) for a in attributes))


def exemplar(number):
    """Of a trace that nobody knows."""
    return field(number, fixed64(2, time.time_ns()) + fixed64(6, 3) + field(4, MARK) + field(5, MARK * 2))


def point(kind, attributes):
    """A data point of a sum, a histogram of many buckets, or an exponential histogram; with an exemplar."""
    tags = b"".join(field(9 if kind == "histogram" else 1 if kind == "exponential" else 7, a) for a in attributes)
    if kind == "sum":
        return times(2, 3) + fixed64(6, 7) + exemplar(5) + tags
    if kind == "histogram":
        bounds = b"".join(b"\0\0\0\0\0" + bytes([i * 16 & 0xF0, 0x40 + i // 16, 0x40]) for i in range(64))
        return times(2, 3) + fixed64(4, 65) + field(6, (1).to_bytes(8, "little") * 65) + field(7, bounds) + exemplar(8) + tags
    return times(2, 3) + fixed64(4, 160) + field(6, 3) + field(8, field(2, b"\1" * 160)) + exemplar(11) + tags


def metric(kind, name, attributes=(), is_delta=False):
    number = {"sum": 7, "histogram": 9, "exponential": 10}[kind]
    data = field(1, point(kind, attributes)) + field(2, 1 if is_delta else 2) + (field(3, 1) if kind == "sum" else b"")
    return field(2, field(1, name) + field(number, data))


def metrics(kind, name, attributes=(), is_delta=False):
    """Metrics, or points of one, in one resource."""
    who = resource(attribute(b"service.name", b"hostile"))
    return METRICS, metric(kind, name, attributes, is_delta), lambda items: field(1, who + field(2, items))


def metric_sources():
    return METRICS, field(1, resource(attribute(b"service.name", b"source-" + MARK), attribute(b"k", b"v" * 40)) +
                          field(2, metric("sum", b"one"))), lambda items: items


def log_services():
    record = field(2, fixed64(1, time.time_ns()) + field(2, 9) + field(5, field(1, b"a line")))
    return LOGS, field(1, resource(attribute(b"service.name", b"logs-" + MARK)) + field(2, record)), lambda items: items


def log_sources():
    """Every request is of another source: the first service names it."""
    return log_services()


def spans():
    """Callers of peers that never come, of services never heard of."""
    ids = field(1, MARK * 2) + field(2, MARK) + field(4, MARK)
    span = field(2, ids + field(5, b"op " + MARK) + field(6, 3) + times(7, 8) +
                 field(9, attribute(b"peer.service", b"peer-" + MARK)))
    return TRACES, field(1, resource(attribute(b"service.name", b"caller-" + MARK)) + field(2, span)), lambda items: items


def pairs():
    """Callers that wait for their callee, of one service."""
    ids = field(1, MARK * 2) + field(2, MARK)
    span = field(2, ids + field(5, b"op") + field(6, 3) + times(7, 8))
    return TRACES, span, lambda items: field(1, resource(attribute(b"service.name", b"waiting")) + field(2, items))


def access_log_of_proxies():
    """OpenTelemetry access logs, each of a proxy, a host and a request of its own."""
    words = {b"method": b"GET", b"path": b"/" + MARK, b"response_code": b"200", b"request_id": b"id-" + MARK,
             b"authority": b"host-" + MARK + b".default.svc.cluster.local", b"duration": b"5",
             b"upstream_cluster": b"outbound|80||host-" + MARK + b".default.svc.cluster.local"}
    record = field(2, fixed64(1, time.time_ns()) + b"".join(field(6, attribute(k, v)) for k, v in words.items()))
    who = resource(attribute(b"log_name", b"otel_envoy_accesslog"), attribute(b"zone_name", b""),
                   attribute(b"cluster_name", b"c.default"),
                   attribute(b"node_name", b"sidecar~10.0.0.1~p-" + MARK + b".default~default.svc.cluster.local"))
    return LOGS, field(1, who + field(2, record)), lambda items: items


def access_log_entry(is_tcp):
    host = b"h-" + MARK + b"." + b"n" * 60 + b".svc.cluster.local"
    common = field(5, field(1, int(time.time()))) + field(15, b"outbound|80||" + host) + field(23, field(2, 5000000))
    if is_tcp:
        common += field(24, MARK)
        return field(1, field(1, common + field(21, 5)) + field(2, field(1, 100) + field(2, 200)))
    request = field(1, 1) + field(3, host) + field(5, b"/") + field(9, b"id-" + MARK)
    return field(1, field(1, common) + field(2, 2) + field(3, request) + field(4, field(1, field(1, 200))))


def access_logs(messages, items, is_tcp, identifier=None):
    """A stream's messages."""
    yield identifier or captured_identifier()
    entry = access_log_entry(is_tcp)
    for i in range(messages):
        yield many(entry, i * items, items, lambda entries: field(3 if is_tcp else 2, entries))


def zipkin(first, count):
    span = (b'{"traceId":"' + MARK * 2 + b'","id":"' + MARK + MARK + b'","kind":"CLIENT","name":"z' + MARK +
            b'","localEndpoint":{"serviceName":"z-' + MARK + b'"},"tags":{"t' + MARK + b'":"x"}},')
    return b"[" + many(span, first, count)[:-1] + b"]"


def random_words(count):
    return [os.urandom(8).hex() for _ in range(count)]
