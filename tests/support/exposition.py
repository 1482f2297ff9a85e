"""/metrics in each of its formats, by readers that are not weir's: prometheus_client for the texts, Google's runtime
for protobuf. Each gives the same: samples as {(name, labels): value}, the types of the families."""

import functools
import math
import subprocess

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client import parser as text_parser

from weir import TOP, parse_metrics

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
TYPES = ["counter", "gauge", "summary", "unknown", "histogram"]


@functools.cache
def family_class():
    """MetricFamily, compiled from proto/ by protoc."""
    done = subprocess.run(["protoc", f"-I{TOP}/proto", "--include_imports", "--descriptor_set_out=/dev/stdout",
                           "io/prometheus/client/metrics.proto"], stdout=subprocess.PIPE, check=True, timeout=60)
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(done.stdout).file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("io.prometheus.client.MetricFamily"))


def families(body):
    """The messages of a delimited body."""
    at, found = 0, []
    while at < len(body):
        length = shift = 0
        while True:
            byte = body[at]
            at, length, shift = at + 1, length | (byte & 0x7f) << shift, shift + 7
            if byte < 0x80:
                break
        assert at + length <= len(body)
        found.append(family_class().FromString(body[at:at + length]))
        at += length
    return found


def key(name, labels):
    """Bounds and quantiles by value: the formats write them differently."""
    return name, frozenset((k, float(v) if k in ("le", "quantile") else v) for k, v in labels.items())


def _number(value):
    return "NaN" if math.isnan(value) else value


def add(samples, name, labels, value):
    assert key(name, labels) not in samples, (name, labels)
    samples[key(name, labels)] = _number(float(value))


def of_protobuf(body):
    samples, types = {}, {}
    for family in families(body):
        assert family.name not in types and family.metric, family.name
        types[family.name] = TYPES[family.type]
        for metric in family.metric:
            labels = {pair.name: pair.value for pair in metric.label}
            assert len(labels) == len(metric.label)
            if family.type in (0, 1):
                add(samples, family.name, labels, metric.counter.value if family.type == 0 else metric.gauge.value)
                continue
            whole = metric.histogram if family.type == 4 else metric.summary
            for bucket in metric.histogram.bucket:
                add(samples, f"{family.name}_bucket", {**labels, "le": bucket.upper_bound}, bucket.cumulative_count)
            for quantile in metric.summary.quantile:
                add(samples, family.name, {**labels, "quantile": quantile.quantile}, quantile.value)
            add(samples, f"{family.name}_count", labels, whole.sample_count)
            if whole.HasField("sample_sum"):
                add(samples, f"{family.name}_sum", labels, whole.sample_sum)
    return samples, types


def of_openmetrics(text):
    """Types by the name of the samples, as the other formats have it; exemplars by sample."""
    samples, types, exemplars = {}, {}, {}
    for family in openmetrics_parser.text_string_to_metric_families(text):
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        types[family.name + suffix] = family.type
        for sample in family.samples:
            if sample.name == f"{family.name}_created":
                continue
            add(samples, sample.name, sample.labels, sample.value)
            if sample.exemplar:
                exemplars[key(sample.name, sample.labels)] = sample.exemplar
    return samples, types, exemplars


def of_text(text):
    """Samples by the tests' own parser, since prometheus_client's adds `_total` to counters; it must read them too."""
    samples = {}
    for (name, labels), value in parse_metrics(text):
        add(samples, name, dict(labels), value)
    assert sum(len(f.samples) for f in text_parser.text_string_to_metric_families(text)) == len(samples)
    types = dict(line.split()[2:4] for line in text.split("\n") if line.startswith("# TYPE "))
    return samples, types


def ask(weir, content_type, **headers):
    answer = weir.ask("/metrics", headers={"Accept": content_type, **headers})
    assert answer.status == 200 and answer.headers["Content-Type"] == content_type
    return answer
