"""/metrics in each format, read by readers of the tests' own into one shape: {(name, frozenset(labels)): value}, with a
histogram as its `_bucket`, `_count` and `_sum`, whatever the format calls them.

prometheus_client and promtool judge the formats elsewhere; here three readers that share nothing must agree."""

import struct

from mtcap import fields
from weir import parse_metrics

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
FORMATS = {"text": TEXT, "openmetrics": OPENMETRICS, "protobuf": PROTOBUF}


def scrape(weir, name, is_packed=False):
    """One scrape in the format named, which must be the one that is answered."""
    headers = {"Accept": FORMATS[name], **({"Accept-Encoding": "gzip"} if is_packed else {})}
    answer = weir.ask("/metrics", headers=headers)
    assert answer.status == 200
    kind = answer.headers["Content-Type"].split(";")[0]
    assert kind == FORMATS[name].split(";")[0], kind
    if name == "protobuf":
        return dict(read_protobuf(answer.body))
    if name == "openmetrics":
        return dict(read_openmetrics(answer.text))
    return dict(parse_metrics(answer.text))


def read_openmetrics(text):
    assert text.endswith("# EOF\n") and text.count("# EOF") == 1
    lines = [line.split(" # ", 1)[0] for line in text.splitlines() if line and not line.startswith("#")]
    for (name, labels), value in parse_metrics("\n".join(lines)):
        if not name.endswith("_created"):
            yield (name, labels), value


def messages(body):
    at = 0
    while at < len(body):
        length = shift = 0
        while True:
            byte = body[at]
            at += 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        assert at + length <= len(body)
        yield body[at:at + length]
        at += length


def every(message, number):
    return [value for n, _, _, value in fields(message) if n == number]


def one(message, number, otherwise=None):
    found = every(message, number)
    return found[-1] if found else otherwise


def double(value):
    return struct.unpack("<d", value)[0] if value is not None else 0.0


def le_of(bound):
    return "+Inf" if bound == float("inf") else repr(bound).removesuffix(".0")


def read_protobuf(body):
    """MetricFamily: 1 name, 3 type, 4 metrics. Metric: 1 labels, 2 gauge, 3 counter, 4 summary, 5 untyped, 7 histogram."""
    for family in messages(body):
        name = one(family, 1).decode()
        for metric in every(family, 4):
            labels = frozenset((one(l, 1, b"").decode(), one(l, 2, b"").decode()) for l in every(metric, 1))
            histogram, summary = one(metric, 7), one(metric, 4)
            if histogram is not None:
                yield from of_histogram(name, labels, histogram)
            elif summary is not None:
                yield (f"{name}_count", labels), float(one(summary, 1, 0))
                yield (f"{name}_sum", labels), double(one(summary, 2))
                for q in every(summary, 3):
                    yield (name, labels | {("quantile", le_of(double(one(q, 1))))}), double(one(q, 2))
            else:
                value = next(v for v in (one(metric, n) for n in (2, 3, 5)) if v is not None)
                yield (name, labels), double(one(value, 1))


def of_histogram(name, labels, histogram):
    count = float(one(histogram, 1, 0))
    yield (f"{name}_count", labels), count
    yield (f"{name}_sum", labels), double(one(histogram, 2))
    bounds = {le_of(double(one(b, 2))): float(one(b, 1, 0)) for b in every(histogram, 3)}
    if bounds or one(histogram, 5) is None:  # a native one may do without
        for le, n in {**bounds, **({} if "+Inf" in bounds else {"+Inf": count})}.items():
            yield (f"{name}_bucket", labels | {("le", le)}), n
