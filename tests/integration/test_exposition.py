"""Goal: /metrics says the same in each of its formats, to readers that are not
weir's; the form is the one that was asked for, packed when that was asked for."""

import subprocess
import time

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

import exposition
import mtcap
from exposition import OPENMETRICS, PROTOBUF, TEXT
from prometheus import Prometheus
from weir import TOP, Weir, until

EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
CAPTURES = ["envoy-all", "envoy-metrics-service-delta", "otel-go-grpc", "otel-python-grpc"]
PROMETHEUS_3 = ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,application/openmetrics-text;"
                "version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;"
                "q=0.4,*/*;q=0.3")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A weir that has all kinds of families, and to which nothing comes any more."""
    with Weir(tmp_path_factory.mktemp("full") / "weir") as weir:
        for name in CAPTURES:
            mtcap.replay(weir, name)
        yield weir
        weir.ledger()


def still(samples):
    """Without what goes on by itself, or by being asked."""
    moving = ("weir_storage_", "weir_http_", "weir_ring_", "weir_grpc_", "process_")
    return {k: v for k, v in samples.items() if not k[0].startswith(moving)}


@pytest.mark.fast
def test_protobuf_says_what_the_text_says(full):
    samples, types = exposition.of_protobuf(exposition.ask(full, PROTOBUF).body)
    want, want_types = exposition.of_text(exposition.ask(full, TEXT).text)
    assert types == want_types
    assert samples.keys() == want.keys()
    assert still(samples) == still(want)


@pytest.mark.fast
def test_openmetrics_says_what_the_text_says(full):
    samples, types, _ = exposition.of_openmetrics(exposition.ask(full, OPENMETRICS).text)
    want, want_types = exposition.of_text(exposition.ask(full, TEXT).text)
    missing = want.keys() - samples.keys()
    assert all(name.endswith("_bucket") and dict(labels)["le"] < 0 for name, labels in missing), missing
    assert still(samples) == still({k: v for k, v in want.items() if k not in missing})
    assert types.keys() == want_types.keys()
    for name, kind in want_types.items():
        if name == "target_info":
            assert types[name] == "info"
        elif kind != "counter":
            assert types[name] == kind, name
        else:
            is_short = name.endswith("_total") and name.removesuffix("_total") not in want_types
            assert types[name] == ("counter" if is_short else "unknown"), name
    assert want["weir_openmetrics_left_out_families", frozenset()] == 0
    assert {"counter", "unknown", "gauge", "histogram", "info"} <= set(types.values())


@pytest.mark.fast
def test_native_histograms_are_what_was_sent(full):
    """The exponential histograms of the SDKs: their buckets add up, and the classic ones beside them agree."""
    found = 0
    for family in exposition.families(exposition.ask(full, PROTOBUF).body):
        for metric in family.metric:
            histogram = metric.histogram
            if not histogram.HasField("schema"):
                assert not histogram.positive_span and not histogram.negative_span
                continue
            found += 1
            assert -4 <= histogram.schema <= 8
            total = histogram.zero_count
            for spans, deltas in ((histogram.positive_span, histogram.positive_delta),
                                  (histogram.negative_span, histogram.negative_delta)):
                count, left = 0, list(deltas)
                for span in spans:
                    for _ in range(span.length):
                        count += left.pop(0)
                        assert count >= 0
                        total += count
                assert not left
            assert total == histogram.sample_count == histogram.bucket[-1].cumulative_count
            assert histogram.created_timestamp.seconds > 0
    assert found > 0


@pytest.mark.fast
def test_the_form_is_the_one_that_was_asked_for(full):
    for accept, want in [
            (None, TEXT), ("*/*", TEXT), ("application/json", TEXT),
            (PROMETHEUS_3, OPENMETRICS + "; escaping=allow-utf-8"),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.8," +
             PROMETHEUS_3, PROTOBUF),
            ("text/plain;version=1.0.0;escaping=values", "text/plain; version=1.0.0; charset=utf-8; escaping=values"),
            ("application/openmetrics-text;version=0.0.1",
             "application/openmetrics-text; version=0.0.1; charset=utf-8")]:
        answer = full.ask("/metrics", headers={"Accept": accept} if accept else {})
        assert answer.headers["Content-Type"] == want
        assert sorted(answer.headers.get_all("Vary")) == ["Accept", "Accept-Encoding"]


@pytest.mark.fast
@pytest.mark.parametrize("form", [TEXT, OPENMETRICS, PROTOBUF], ids=["text", "openmetrics", "protobuf"])
def test_each_form_is_packed_when_asked_and_not_when_refused(full, form):
    read = {TEXT: lambda b: exposition.of_text(b.decode()), PROTOBUF: exposition.of_protobuf,
            OPENMETRICS: lambda b: exposition.of_openmetrics(b.decode())}[form]
    plain = exposition.ask(full, form, **{"Accept-Encoding": "gzip;q=0"})
    packed = exposition.ask(full, form, **{"Accept-Encoding": "gzip"})
    assert plain.headers["Content-Encoding"] is None and packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < len(packed.body)
    assert still(read(packed.body)[0]) == still(read(plain.body)[0])
    assert read(packed.body)[1] == read(plain.body)[1]


# ---- whatever senders say ----

NAN, INF = float("nan"), float("inf")
# Names that end in what has a meaning, begin or consist of what none may, or are taken; and are weir's own but for a suffix.
ODD_NAMES = ["a_bytes_total", "b_seconds", "c_bucket", "d_count", "e_info", "f_created", "9g", "h:i", "_j", "__k", "é", "x" * 1200,
             "target", "target_info", "up", "weir_series", "process_cpu_seconds", "process_cpu_seconds_total", "process_open_fds"]
ODD_LABELS = {"le": "1", "quantile": "2", "job": "j", "instance": "k", "otel_scope_name": "s", "__name__": "n", "__x": "1", "9a": "1",
              "": "none", "é": "u", "a.b": "1", "a-b": "2", "text": 'a"b\\c\nd\re\x00f\u2028\\n'}
ODD_NUMBERS = [NAN, INF, -INF, -5, -0.0, 5e-324, 1e300]
ODD_BOUNDS = [[], [-5, 0, 5], [-INF, 1], [1, INF], [5e-324, 1e-5, 1e5, 1e6, 1e21, 1.7976931348623157e308], [1, NAN], [2, 1], [1, 1]]
ODD_QUANTILES = [[], [(0.5, -1)], [(0, 1), (0.9, NAN), (1, INF)], [(0.5, 1), (0.5, 2)], [(0.9, 1), (0.5, 2)], [(NAN, 1)], [(2, 1)]]
ODD_BUCKETS = [  # scale, zero threshold, zero count, positive and negative: first, counts; what the count is more than their sum
    (0, 0, 0, (0, [1, 2, 3]), (0, []), 0), (20, 0, 0, (1000000, [1] * 160), (0, []), 0), (-10, 0, 0, (0, [5]), (0, []), 0),
    (3, 0, 4, (5, [1] + [0] * 90 + [2]), (-5, [1, 1]), 0), (3, 0.5, 5, (0, []), (0, []), 0), (3, 0, 0, (0, []), (0, []), 0),
    (3, 0, 0, (0, [1, 2]), (0, []), 6), (8, 0, 0, (2147483000, [1, 1]), (0, []), 0), (0, 2.5, 2, (-3, [1] * 6), (0, []), 0)]


def odd_export():
    """Points that mean something and are strange, and some that mean nothing, of all kinds."""
    request, now = metrics_service_pb2.ExportMetricsServiceRequest(), time.time_ns()
    resource = request.resource_metrics.add()
    for key, value in (("service.name", 'odd"\\\n'), ("service.instance.id", "1"), ("__odd__", "\r")):
        resource.resource.attributes.add(key=key).value.string_value = value
    metrics = resource.scope_metrics.add().metrics

    def point(points, *values, **figures):
        one = points.add(time_unix_nano=now, **figures)
        for key, value in values:
            one.attributes.add(key=key).value.string_value = value
        return one
    for i, name in enumerate(ODD_NAMES):
        point(metrics.add(name=name, description='"odd" \\ \n\r\x00 \u2028').gauge.data_points, as_int=i)
    for name in ("process_open_fds", "b_seconds", "odd_numbers", "odd_labels"):  # those of the first two are taken
        metric = metrics.add(name=name)
        metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, 2
        for i, number in enumerate(ODD_NUMBERS if name == "odd_numbers" else [1]):
            labels = ODD_LABELS.items() if name == "odd_labels" else [("i", str(i))]
            point(metric.sum.data_points, *labels, as_double=number, start_time_unix_nano=now - 10**9)
    for i, number in enumerate(ODD_NUMBERS):
        point(metrics.add(name=f"odd_gauge_{i}").gauge.data_points, as_double=number)
    for name, sums in (("odd_sum", [3, NAN, INF, -3, None]), ("odd_seconds_total", [3])):
        metric = metrics.add(name=name).histogram
        metric.aggregation_temporality = 2
        for i, bounds in enumerate(ODD_BOUNDS):
            for of_sum in sums:
                more = {} if of_sum is None else {"sum": of_sum}
                point(metric.data_points, ("i", str(i)), ("sum", str(of_sum)), ("le", "1"), count=len(bounds) + 1,
                      explicit_bounds=bounds, bucket_counts=[1] * (len(bounds) + 1), start_time_unix_nano=1, **more)
    summary = metrics.add(name="odd_quantiles").summary
    for i, quantiles in enumerate(ODD_QUANTILES):
        for of_sum in (4, NAN, -4):
            one = point(summary.data_points, ("i", str(i)), ("sum", str(of_sum)), ("quantile", "1"), count=2, sum=of_sum)
            for quantile, value in quantiles:
                one.quantile_values.add(quantile=quantile, value=value)
    metric = metrics.add(name="odd_buckets", unit="By").exponential_histogram
    metric.aggregation_temporality = 2
    for i, (scale, threshold, zero, positive, negative, more) in enumerate(ODD_BUCKETS):
        for of_sum in (4, NAN, None):
            one = point(metric.data_points, ("i", str(i)), ("sum", str(of_sum)), scale=scale, zero_count=zero, zero_threshold=threshold,
                        count=sum(positive[1]) + sum(negative[1]) + zero + more, **({} if of_sum is None else {"sum": of_sum}))
            for buckets, (first, counts) in ((one.positive, positive), (one.negative, negative)):
                buckets.offset = first
                buckets.bucket_counts.extend(counts)
    return request.SerializeToString()


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    with Weir(tmp_path_factory.mktemp("odd") / "weir", flags=["--metrics.om_created=true"]) as weir:
        with grpc.insecure_channel(weir.grpc) as channel:
            channel.unary_unary(EXPORT)(odd_export(), timeout=60)
        yield weir
        weir.ledger()


@pytest.mark.fast
def test_readers_take_whatever_senders_say(odd):
    text = exposition.ask(odd, TEXT)
    samples, types = exposition.of_text(text.text)
    read = [exposition.of_protobuf(exposition.ask(odd, PROTOBUF).body), exposition.of_openmetrics(exposition.ask(odd, OPENMETRICS).text)]
    assert read[0][1] == types and read[0][0].keys() == samples.keys()
    assert {"a_bytes_total", "odd_numbers_total", "odd_labels_total", "odd_seconds_total", "odd_quantiles", "odd_buckets_bytes"} <= types.keys()
    assert set(types) - set(read[1][1]) == set() and samples["weir_openmetrics_left_out_families", frozenset()] == 0
    (labels,) = [dict(labels) for name, labels in samples if name == "odd_labels_total"]
    assert labels["text"] == ODD_LABELS["text"] and labels["a_b"] == "2;1" and labels["exported_job"] == "j"
    done = subprocess.run(["promtool", "check", "metrics"], input=text.body, capture_output=True, timeout=60)
    assert done.returncode in (0, 3), done.stderr  # 3: of names, which senders choose


@pytest.mark.parametrize("features", [[], ["--enable-feature=native-histograms,exemplar-storage"]], ids=["openmetrics", "protobuf"])
def test_a_real_prometheus_takes_each_form(full, odd, tmp_path, features):
    samples, types = exposition.of_protobuf(exposition.ask(full, PROTOBUF).body)
    with Prometheus(tmp_path / "prometheus", [full, odd], interval="3s", flags=features) as prometheus:
        prometheus.scraped()
        ask = lambda text: prometheus.query(text % '{instance="weir-0"}')
        for name in ("istio_requests_total", "envoy_cluster_upstream_rq_total", "mem_ratio", "target_info"):
            (row,) = ask(f"sum({name}%s)")
            assert float(row["value"][1]) == pytest.approx(sum(v for (n, _), v in samples.items() if n == name)), name
        for name in (f.name for f in exposition.families(exposition.ask(full, PROTOBUF).body)
                     if any(m.histogram.HasField("schema") for m in f.metric)):
            want = sum(v for (n, _), v in samples.items() if n == f"{name}_count")
            (row,) = ask(f"sum({name}%s)" if features else f"sum({name}_count%s)")
            assert float(row["histogram"][1]["count"] if features else row["value"][1]) == want > 0
        assert prometheus.value('scrape_samples_scraped{instance="weir-0"}') > len(types)
        assert "level=warn" not in prometheus.log() and "level=error" not in prometheus.log(), prometheus.log()


@pytest.mark.fast
def test_created_times_are_the_same_wherever_they_are_shown(tmp_path):
    with Weir(tmp_path / "weir", flags=["--metrics.om_created=true"]) as weir:
        mtcap.replay(weir, "envoy-als")
        mtcap.replay(weir, "otel-python-grpc")
        text = exposition.ask(weir, OPENMETRICS).text
        shown = {}
        for family in exposition.openmetrics_parser.text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == f"{family.name}_created":
                    shown[family.name, frozenset(sample.labels.items())] = sample.value
        told = {}
        for family in exposition.families(exposition.ask(weir, PROTOBUF).body):
            for metric in family.metric:
                labels = frozenset((pair.name, pair.value) for pair in metric.label)
                for part in (metric.counter, metric.histogram, metric.summary):
                    if part.HasField("created_timestamp"):
                        stamp = part.created_timestamp
                        told[family.name.removesuffix("_total"), labels] = stamp.seconds + stamp.nanos / 1e9
        assert shown.keys() <= told.keys()
        assert sum(name == "istio_requests" for name, _ in shown) > 0
        for which, value in shown.items():
            assert float(value) == pytest.approx(told[which], abs=1e-6)
        untold = {name for name, _ in told.keys() - shown.keys()}
        assert not any(f"# TYPE {name} counter" in text for name in untold), untold
        # Of weir's own there is no counter without one.
        for family in exposition.families(exposition.ask(weir, PROTOBUF).body):
            if family.name.startswith(("weir_", "istio_", "traces_", "process_")) and family.type == 0:
                assert all(metric.counter.HasField("created_timestamp") for metric in family.metric), family.name


@pytest.mark.fast
def test_exemplars_are_read_back(full):
    """The file that the unit test compares OpenMetrics with, by OpenMetrics' own parser."""
    text = (TOP / "tests/golden/exposition/scene.openmetrics").read_text()
    samples, types, exemplars = exposition.of_openmetrics(text)
    assert {name for name, _ in exemplars} == {
        "istio_requests_total", "istio_request_duration_milliseconds_bucket", "io_bytes_total",
        "http_server_request_duration_seconds_bucket", "sizes_bytes_bucket"}
    for exemplar in exemplars.values():
        assert exemplar.labels["trace_id"] == "11" + "0" * 29 + "1"
        assert sum(len(k) + len(v) for k, v in exemplar.labels.items()) <= 128
    want, want_types = exposition.of_text((TOP / "tests/golden/exposition/scene.txt").read_text())
    # What OpenMetrics cannot have: a negative bound; the count of a histogram without a sum; the gauge that is called
    # like a histogram's created time.
    missing = {name for name, _ in want.keys() - samples.keys()}
    assert missing == {"http_server_request_duration_seconds_count", "sizes_bytes_created", "sizes_bytes_bucket"}
    assert all(v == want[k] for k, v in samples.items())
    assert types.keys() == want_types.keys() - {"sizes_bytes_created"}


def long_export(points):
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "wide"
    metric = resource.scope_metrics.add().metrics.add(name="wide")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = 2
    for i in points:
        point = metric.sum.data_points.add(start_time_unix_nano=1, time_unix_nano=2, as_int=i)
        point.attributes.add(key="which").value.string_value = f"{i:05d}" + "x" * 900
    return request.SerializeToString()


def test_a_family_that_is_longer_than_what_is_kept_is_one_family(tmp_path):
    """More than is kept of a family, and more than is sent without packing: each format, packed or not, has it whole."""
    count = 12000
    with Weir(tmp_path / "weir", flags=["--metrics.max_series=200000", "--limits.memory=512MiB"]) as weir:
        assert_whole(weir, count)
        weir.ledger()


def assert_whole(weir, count):
    with grpc.insecure_channel(weir.grpc) as channel:
        export = channel.unary_unary(EXPORT)
        for first in range(0, count, 1000):
            export(long_export(range(first, first + 1000)), timeout=60)
    # A snapshot waits a tenth of a second for what was answered; this is more than a busy machine counts in that time.
    until(lambda: weir.total("weir_received_items_total", signal="metric_point") == count, "all points to be counted")
    want = sum(range(count))
    for form in (TEXT, OPENMETRICS, PROTOBUF):
        for coding in ("gzip", "identity"):
            answer = exposition.ask(weir, form, **{"Accept-Encoding": coding})
            assert len(answer.body) > 10 << 20
            if form == PROTOBUF:
                (family,) = [f for f in exposition.families(answer.body) if f.name == "wide_total"]
                values = [metric.counter.value for metric in family.metric]
            else:
                values = [float(l.rsplit(" ", 1)[1]) for l in answer.text.splitlines() if l.startswith("wide_total{")]
            assert len(values) == count and sum(values) == want
