"""Scrapers that read the same weirs in different formats, and what must be so of each: sums are the facts, series are the
same, exponential histograms are native, exemplars lead to traces. A format is a scrape job's name."""

import contextlib
import math

import edges
import mtcap
import pytest
from scraped import play
from weir import Weir

INTERVAL = "3s"  # many large pages are read at once, of which each may take so long
MESH = ["envoy-als", "envoy-all", "mixer-sidecar"]
EXPONENTIAL = {  # capture: the metric as it is exposed, and in the facts
    "otel-go-grpc": ("rpc_server_duration_milliseconds", "rpc.server.duration"),
    "otel-python-grpc": ("rpc_duration_milliseconds", "rpc.duration"),
    "otel-js-json": ("exp_latency_milliseconds", "exp.latency")}
TRACED = ["envoy-all", "otel-go-grpc", "otel-python-grpc"]


class Scene:
    """`weirs` by capture, `scrapers` by job; `last`: when each had all of it."""

    def __init__(self, weirs):
        self.weirs, self.scrapers, self.last = weirs, {}, {}

    def scraped(self, scrapers):
        """Empty, then with each capture's traffic; `scrapers`: those that have started, by job."""
        self.scrapers = scrapers
        each = list({id(s): s for s in scrapers.values()}.values())  # one may have several jobs
        for scraper in each:
            scraper.scraped()
        for name, weir in self.weirs.items():
            if name in MESH:
                play(weir, mtcap.load(name))
            else:
                mtcap.replay(weir, name)
        last = {id(scraper): scraper.scraped() for scraper in each}
        self.last = {job: last[id(scraper)] for job, scraper in scrapers.items()}

    def ask(self, job, text):
        return self.scrapers[job].query(text, self.last[job])

    def values(self, job, text):
        """By labels, without what tells the jobs apart."""
        return {frozenset((k, v) for k, v in r["metric"].items() if k != "job"): float(r["value"][1])
                for r in self.ask(job, text)}


@contextlib.contextmanager
def scene(folder):
    with contextlib.ExitStack() as stack:
        made = Scene({n: stack.enter_context(Weir(folder / n)) for n in [*MESH, *EXPONENTIAL]})
        yield made
        for weir in made.weirs.values():
            weir.ledger()


def assert_facts(scene, name, job):
    where = f'capture="{name}",job="{job}"'
    rows = [(r["metric"], float(r["value"][1])) for r in scene.ask(job, f"istio_requests_total{{{where}}}")]
    assert edges.have(name, rows) == edges.want(name)
    (row,) = scene.ask(job, f'sum({{__name__=~"istio_request_duration_(seconds|milliseconds)_count",{where}}})')
    assert float(row["value"][1]) == sum(edges.want(name).values())
    for metric, figure in (("received", 1), ("sent", 2)):
        (row,) = scene.ask(job, f'sum(istio_tcp_{metric}_bytes_total{{reporter="source",{where}}})')
        assert float(row["value"][1]) == sum(r[figure] for r in edges.tcp(name).values())


def assert_same_series(scene, name, jobs):
    """But for exponential histograms, which are native ones in protobuf only."""
    native = EXPONENTIAL.get(name, ("none", ""))[0]
    text = f'{{__name__!~"up|scrape_.*|{native}(_.*)?|weir_.*|process_.*",capture="{name}",job="%s"}}'
    want = scene.values(jobs[0], text % jobs[0])
    assert len(want) > 5
    for job in jobs[1:]:
        have = scene.values(job, text % job)
        differing = {k for k in set(want) | set(have) if repr(want.get(k)) != repr(have.get(k))}
        assert not differing, (job, len(differing), [dict(k) for k in sorted(differing, key=str)[:3]])


def assert_native(scene, name, flat_job):
    metric, told = EXPONENTIAL[name]
    want, where = mtcap.facts(name)["metrics"][told], f'{{capture="{name}",job="protobuf"}}'
    ask = lambda text: scene.values("protobuf", text)
    count, total = (math.fsum(ask(f"histogram_{part}({metric}{where})").values()) for part in ("count", "sum"))
    assert count == want["count"]
    assert total == pytest.approx(want["sum"], rel=1e-9)
    for q in (0.5, 0.9, 0.99):
        each = ask(f"histogram_quantile({q}, {metric}{where})")
        assert each and all(math.isfinite(v) for v in each.values())
        # The same of the buckets that the text formats show, which may be as coarse as a factor of two.
        (merged,) = ask(f"histogram_quantile({q}, sum({metric}{where}))").values()
        (flat,) = scene.values(
            flat_job, f'histogram_quantile({q}, sum by (le) ({metric}_bucket{{capture="{name}",job="{flat_job}"}}))').values()
        assert flat / 2 <= merged <= 2 * flat, q
    if "max" in want:
        (top,) = ask(f"histogram_quantile(1, sum({metric}{where}))").values()
        assert want["max"] <= top <= 2 * want["max"]
    if "zero" in want:
        (share,) = ask(f"histogram_fraction(-0.001, 0.001, sum({metric}{where}))").values()
        assert share == pytest.approx(want["zero"] / want["count"], abs=0.02)


def assert_exemplars(scene, name, job):
    found = scene.scrapers[job].api(
        "query_exemplars", query=f'{{capture="{name}",job="{job}"}}',
        start=0, end=scene.last[job] + 3600)
    exemplars = [e for row in found for e in row["exemplars"]]
    assert exemplars
    if name in EXPONENTIAL:  # those that the SDKs sent, too
        assert any(not row["seriesLabels"]["__name__"].startswith(("istio_", "traces_")) for row in found)
    for exemplar in exemplars:
        trace_id = exemplar["labels"]["trace_id"]
        spans = scene.weirs[name].get_json(f"/api/v2/trace/{trace_id}")
        assert spans and {s["traceId"] for s in spans} == {trace_id}
        if exemplar["labels"].get("span_id"):
            assert exemplar["labels"]["span_id"] in {s["id"] for s in spans}
        assert float(exemplar["value"]) >= 0 and float(exemplar["timestamp"]) > 0
