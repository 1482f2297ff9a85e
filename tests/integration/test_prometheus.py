"""Goal: Prometheus' own judge accepts /metrics; Debian's Prometheus scrapes it
and its sums are the facts."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request

import facts
import mtcap
import pytest
from weir import free_port, until


# Names that are not weir's to choose: Istio's, and a sender's with the unit that it says.
THEIRS = ["istio_request_duration_milliseconds", "rpc_server_duration_milliseconds"]


def test_promtool_accepts_the_exposition(weir):
    assert shutil.which("promtool"), "promtool is not installed"
    mtcap.replay(weir, "envoy-als")
    mtcap.replay(weir, "otel-go-grpc")
    text = weir.ask("/metrics").body
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
    complaints = [c for c in done.stderr.decode().splitlines() + done.stdout.decode().splitlines()
                  if c and not any(name in c for name in THEIRS)]
    assert not complaints


def test_exposition_is_text_0_0_4_and_gzipped_when_asked(weir):
    mtcap.replay(weir, "envoy-als")
    plain = weir.ask("/metrics")
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    packed = weir.ask("/metrics", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    series = lambda text: {l.rsplit(" ", 1)[0] for l in text.splitlines() if l.startswith("istio_")}
    assert series(packed.text) == series(plain.text) != set()


def test_histograms_are_cumulative_and_whole(weir):
    mtcap.replay(weir, "envoy-als")
    counts, infinite = {}, {}
    buckets = {}
    for (name, labels), value in weir.samples().items():
        l = dict(labels)
        if name.endswith("_bucket"):
            le = l.pop("le")
            key = (name[:-7], frozenset(l.items()))
            buckets.setdefault(key, []).append((float(le), value))
        elif name.endswith("_count") and name.startswith("istio_"):
            counts[name[:-6], labels] = value
    assert counts
    for key, rows in buckets.items():
        values = [v for _, v in sorted(rows)]
        assert values == sorted(values) and len(values) == 20
        assert values[-1] == counts[key]


def test_a_real_prometheus_scrapes_the_facts(weir, tmp_path):
    assert shutil.which("prometheus"), "prometheus is not installed"
    mtcap.replay(weir, "envoy-als")
    port = free_port()
    (tmp_path / "prometheus.yml").write_text(json.dumps({
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "weir", "static_configs": [{"targets": [weir.http]}]}]}))
    with open(tmp_path / "prometheus.log", "wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        def query(text):
            url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": text})
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:
                    return json.load(answer)["data"]["result"]
            except OSError:
                return []
        until(lambda: query("istio_requests_total"), "the first scrape")
        fact = mtcap.facts("envoy-als")
        for side in ("source", "destination"):
            want = sum(e["n"] for e in fact["edges"] if e["reporter"] == side)
            (row,) = query(f'sum(istio_requests_total{{reporter="{side}"}})')
            assert float(row["value"][1]) == want
        (row,) = query("sum(weir_received_items_total) - sum(weir_kept_items_total) - sum(weir_thinned_items_total)"
                       " - sum(weir_dropped_items_total) - sum(weir_duplicate_items_total)")
        assert float(row["value"][1]) == 0
        samples = query(f'istio_requests_total{{reporter="source"}}')
        have = facts.have_requests({("istio_requests_total", frozenset(
            (k, v) for k, v in r["metric"].items() if not k.startswith("__"))): float(r["value"][1]) for r in samples})
        # Prometheus leaves empty labels out, as it must.
        assert sum(have.values()) == sum(e["n"] for e in fact["edges"] if e["reporter"] == "source")
    finally:
        process.terminate()
        process.wait(30)
