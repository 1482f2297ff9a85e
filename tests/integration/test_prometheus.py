"""Goal: Prometheus' own judge accepts /metrics of every capture, and its Python client reads it; Debian's Prometheus
scrapes it and its sums are the facts."""

import collections
import re
import shutil
import subprocess
import textwrap

import edges
import mtcap
import pytest
from prometheus import Prometheus
from prometheus_client.parser import text_string_to_metric_families
from weir import TOP, parse_metrics

OURS = ("weir_", "process_", "traces_", "istio_")
CAPTURES = sorted(path.stem for path in mtcap.CAPTURES.glob("*.mtcap"))
# What is said of a name only. Names are a sender's to choose, and one is Istio's.
OF_NAMES = ["metrics should", "metric names should not contain abbreviated units", "use base unit"]


def is_theirs(complaint):
    name, text = complaint.split(" ", 1)
    if name.startswith(OURS):
        return name == "istio_request_duration_milliseconds" and text.startswith("use base unit")
    return any(text.startswith(start) or start in text for start in OF_NAMES)


@pytest.mark.parametrize("name", CAPTURES)
def test_promtool_and_prometheus_client_accept_the_exposition(weir, name):
    """And read in it what the tests' own parser reads."""
    assert shutil.which("promtool"), "promtool is not installed"
    mtcap.replay(weir, name)
    text = weir.ask("/metrics").body
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
    complaints = [c for c in done.stderr.decode().splitlines() + done.stdout.decode().splitlines() if c and not is_theirs(c)]
    assert not complaints
    types = [line.split()[2] for line in text.decode().splitlines() if line.startswith("# TYPE ")]
    assert len(types) == len(set(types))
    families = list(text_string_to_metric_families(text.decode()))
    assert all(f.type != "unknown" for f in families if f.name.startswith(OURS))
    # As text, since NaN equals itself then; the client gives a counter without `_total` one.
    row = lambda name, labels, value: (name.removesuffix("_total"), frozenset(labels), repr(float(value)))
    assert collections.Counter(row(s.name, s.labels.items(), s.value) for f in families for s in f.samples) == (
        collections.Counter(row(name, labels, value) for (name, labels), value in parse_metrics(text.decode())))


def test_the_scrape_configuration_of_the_readme_is_right(tmp_path):
    text = re.search(r"\n(    scrape_configs:\n(?:    .*\n)+)", (TOP / "README.md").read_text()).group(1)
    path = tmp_path / "prometheus.yml"
    path.write_text(textwrap.dedent(text))
    done = subprocess.run(["promtool", "check", "config", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


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
    mtcap.replay(weir, "envoy-als")
    with Prometheus(tmp_path / "prometheus", [weir]) as prometheus:
        prometheus.scraped()
        fact = mtcap.facts("envoy-als")
        for side in ("source", "destination"):
            want = sum(e["n"] for e in fact["edges"] if e["reporter"] == side)
            assert prometheus.value(f'sum(istio_requests_total{{reporter="{side}"}})') == want
        assert prometheus.value(
            "sum(weir_received_items_total) - sum(weir_kept_items_total) - sum(weir_thinned_items_total)"
            " - sum(weir_dropped_items_total) - sum(weir_duplicate_items_total)") == 0
        rows = [(r["metric"], float(r["value"][1])) for r in prometheus.query("istio_requests_total")]
        # Prometheus leaves empty labels out, as it must.
        assert edges.have("envoy-als", rows) == edges.want("envoy-als")
