"""Goal: a current Prometheus reads weir in every format that it knows and comes to the same, which is what happened; its
native histograms are those that senders sent; an exemplar leads to a trace that weir shows; a counter's beginning is told,
so that not even the first requests of a series are lost to rate(). `./dev test --peers`; needs Go (or PEERS_GO)."""

import contextlib
import math

import edges
import mtcap
import pytest
from prometheus import Prometheus
from scraped import play
from weir import Weir

pytestmark = pytest.mark.peers

JOBS = {
    "protobuf": {"scrape_protocols": ["PrometheusProto"], "scrape_native_histograms": True},
    "openmetrics": {"scrape_protocols": ["OpenMetricsText1.0.0"]},
    "text1": {"scrape_protocols": ["PrometheusText1.0.0"]},
    "text0": {"scrape_protocols": ["PrometheusText0.0.4"]}}
FEATURES = "--enable-feature=exemplar-storage,created-timestamp-zero-ingestion"
MESH = ["envoy-als", "envoy-all", "mixer-sidecar"]
EXPONENTIAL = {  # capture: the metric as it is exposed, and in the facts
    "otel-go-grpc": ("rpc_server_duration_milliseconds", "rpc.server.duration"),
    "otel-python-grpc": ("rpc_duration_milliseconds", "rpc.duration"),
    "otel-js-json": ("exp_latency_milliseconds", "exp.latency")}
every_job = pytest.mark.parametrize("job", JOBS)


class Scene:
    def __init__(self, prometheus, weirs, last):
        self.prometheus, self.weirs, self.last = prometheus, weirs, last

    def ask(self, text):
        return self.prometheus.query(text, self.last)

    def values(self, text):
        """By labels, without what tells the jobs apart."""
        return {frozenset((k, v) for k, v in r["metric"].items() if k != "job"): float(r["value"][1]) for r in self.ask(text)}


@pytest.fixture(scope="module")
def scene(tmp_path_factory, binaries):
    folder = tmp_path_factory.mktemp("prometheus3")
    with contextlib.ExitStack() as stack:
        weirs = {n: stack.enter_context(Weir(folder / n)) for n in [*MESH, *EXPONENTIAL]}
        prometheus = stack.enter_context(Prometheus(
            folder / "prometheus", weirs.values(), binary=binaries / "prometheus", jobs=JOBS, flags=[FEATURES],
            labels=[{"capture": n} for n in weirs]))
        prometheus.scraped()
        for name, weir in weirs.items():
            if name in MESH:
                play(weir, mtcap.load(name))
            else:
                mtcap.replay(weir, name)
        yield Scene(prometheus, weirs, prometheus.scraped(count=2))
        for weir in weirs.values():
            weir.ledger()


@every_job
@pytest.mark.parametrize("name", MESH)
def test_requests_and_tcp_are_the_facts(scene, name, job):
    where = f'capture="{name}",job="{job}"'
    rows = [(r["metric"], float(r["value"][1])) for r in scene.ask(f"istio_requests_total{{{where}}}")]
    assert edges.have(name, rows) == edges.want(name)
    (row,) = scene.ask(f'sum({{__name__=~"istio_request_duration_(seconds|milliseconds)_count",{where}}})')
    assert float(row["value"][1]) == sum(edges.want(name).values())
    for metric, figure in (("received", 1), ("sent", 2)):
        (row,) = scene.ask(f'sum(istio_tcp_{metric}_bytes_total{{reporter="source",{where}}})')
        assert float(row["value"][1]) == sum(r[figure] for r in edges.tcp(name).values())


@pytest.mark.parametrize("name", [*MESH, *EXPONENTIAL])
def test_all_formats_come_to_the_same_series(scene, name):
    """But for exponential histograms, which are native ones in protobuf only."""
    native = EXPONENTIAL.get(name, ("none", ""))[0]
    text = f'{{__name__!~"up|scrape_.*|{native}(_.*)?|weir_.*|process_.*",capture="{name}",job="%s"}}'
    want = scene.values(text % "text0")
    assert len(want) > 5
    for job in JOBS:
        have = scene.values(text % job)
        differing = {k for k in set(want) | set(have) if repr(want.get(k)) != repr(have.get(k))}
        assert not differing, (job, len(differing), [dict(k) for k in sorted(differing, key=str)[:3]])


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_exponential_histograms_are_native_ones(scene, name):
    metric, told = EXPONENTIAL[name]
    want, where = mtcap.facts(name)["metrics"][told], f'{{capture="{name}",job="protobuf"}}'
    count, total = (math.fsum(scene.values(f"histogram_{part}({metric}{where})").values()) for part in ("count", "sum"))
    assert count == want["count"]
    assert total == pytest.approx(want["sum"], rel=1e-9)
    for q in (0.5, 0.9, 0.99):
        native = scene.values(f"histogram_quantile({q}, {metric}{where})")
        assert native and all(math.isfinite(v) for v in native.values())
        # The same of the buckets that the text formats show, which may be as coarse as a factor of two.
        classic = scene.values(f'histogram_quantile({q}, sum by (le) ({metric}_bucket{{capture="{name}",job="text0"}}))')
        (merged,) = scene.values(f"histogram_quantile({q}, sum({metric}{where}))").values()
        (flat,) = classic.values()
        assert flat / 2 <= merged <= 2 * flat, q
    if "max" in want:
        (top,) = scene.values(f"histogram_quantile(1, sum({metric}{where}))").values()
        assert want["max"] <= top <= 2 * want["max"]
    if "zero" in want:
        (share,) = scene.values(f"histogram_fraction(-0.001, 0.001, sum({metric}{where}))").values()
        assert share == pytest.approx(want["zero"] / want["count"], abs=0.02)


@pytest.mark.parametrize("job", ["protobuf", "openmetrics"])
@pytest.mark.parametrize("name", ["envoy-all", "otel-go-grpc", "otel-python-grpc"])
def test_exemplars_lead_to_traces_that_weir_has(scene, name, job):
    found = scene.prometheus.api("query_exemplars", query=f'{{__name__=~"istio_.*|traces_.*",capture="{name}",job="{job}"}}')
    exemplars = [e for row in found for e in row["exemplars"]]
    assert exemplars
    for exemplar in exemplars:
        trace_id = exemplar["labels"]["trace_id"]
        spans = scene.weirs[name].get_json(f"/api/v2/trace/{trace_id}")
        assert spans and {s["traceId"] for s in spans} == {trace_id}
        if exemplar["labels"].get("span_id"):
            assert exemplar["labels"]["span_id"] in {s["id"] for s in spans}
        assert float(exemplar["value"]) >= 0 and float(exemplar["timestamp"]) > 0


@pytest.mark.parametrize("name", MESH)
def test_a_counter_begins_at_nought_when_it_was_created(scene, name):
    """So the first requests are in increase() too, though no scrape saw the series without them."""
    rows = scene.prometheus.raw(f'istio_requests_total{{capture="{name}",job="protobuf"}}', scene.last)
    assert rows
    for labels, samples in rows:
        assert samples[0][1] == 0 < samples[-1][1], labels
    increased = scene.values(f'increase(istio_requests_total{{capture="{name}",job="protobuf"}}[5m]) > 0')
    assert len(increased) == len(rows)
