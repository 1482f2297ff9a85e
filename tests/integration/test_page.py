"""Goal: a person opens the page and sees the graph, the newest traces, one as a
waterfall, and a ledger that closes; nothing is asked of any other origin."""

import json
import os
import pathlib
import time

import mtcap
from chromium import chromium


# Labels that lie on one another, or on a node.
OVERLAPS = """
    const box = e => { const r = e.getBoundingClientRect(); return { r, text: e.textContent }; };
    const labels = [...document.querySelectorAll('#graph .rate')].map(box);
    const boxes = labels.concat([...document.querySelectorAll('#graph .body')].map(box));
    return labels.flatMap((a, i) => boxes.slice(i + 1).filter(b => a.r.left < b.r.right && b.r.left < a.r.right
        && a.r.top < b.r.bottom && b.r.top < a.r.bottom).map(b => a.text + ' / ' + b.text));"""


def fresh(capture):
    """Zipkin JSON of a capture with its times moved to now, so that it is among the newest."""
    newest = max(s["timestamp"] for r in capture if r["kind"] == "http" for s in json.loads(r["data"]))
    shift = int(time.time() * 1e6) - newest - 1000000
    for record in capture:
        if record["kind"] == "http":
            spans = json.loads(record["data"])
            for span in spans:
                span["timestamp"] += shift
            record["data"] = json.dumps(spans).encode()
    return capture


def test_the_page_shows_graph_traces_waterfall_and_ledger(weir, tmp_path):
    mtcap.replay(weir, "envoy-als")
    mtcap.replay(weir, fresh(mtcap.load("envoy-zipkin-json")))
    shots = pathlib.Path(os.environ.get("WEIR_TEST_SCREENSHOTS", tmp_path))
    with chromium() as page:
        page.open(f"http://{weir.http}/")
        page.wait("return document.querySelectorAll('#graph svg .edge').length > 5", "the graph's edges")
        text = page.run("return document.querySelector('#graph').textContent")
        for name in ("productpage", "reviews", "ratings", "details", "mysqldb"):
            assert name in text
        assert "unknown caller" in text and "unknown destination" in text
        assert page.run("return document.querySelectorAll('#graph .rate').length") > 5
        assert page.run(OVERLAPS) == []
        page.wait("return document.querySelectorAll('#traces .trace').length >= 10", "the newest traces")
        page.wait("return document.querySelectorAll('#ledger tbody tr').length > 0", "the ledger")
        assert "closes" in page.run("return document.querySelector('#ledger').textContent")
        page.screenshot(shots / "page.png")
        page.run("document.querySelector('#traces .trace a, #traces .trace button, #traces .trace').click()")
        page.wait("return document.querySelectorAll('#waterfall .span').length > 1", "the waterfall")
        assert page.run("return location.hash").startswith("#trace=")
        page.screenshot(shots / "waterfall.png")
        bad = [m for m in page.console() if m["level"] == "SEVERE"]
        assert not bad, bad
        foreign = page.run("return performance.getEntriesByType('resource').map(e => new URL(e.name).host)"
                           ".filter(h => h !== location.host)")
        assert foreign == []


def test_calls_of_several_protocols_between_two_nodes_can_be_read(weir):
    for name in ("mixer-sidecar", "envoy-als", "envoy-all", "otel-go-grpc"):
        mtcap.replay(weir, name)
    with chromium() as page:
        page.open(f"http://{weir.http}/")
        page.wait("return document.querySelectorAll('#graph svg .edge').length > 15", "the graph's edges")
        assert page.run(OVERLAPS) == []


def test_the_ledger_says_how_much_of_what_a_proxy_sent_was_seen(weir):
    mtcap.replay(weir, "envoy-metrics-otlp")
    with chromium() as page:
        page.open(f"http://{weir.http}/")
        page.wait("return document.querySelectorAll('#completeness li').length >= 7", "completeness by proxy")
        text = page.run("return document.querySelector('#completeness').textContent")
        assert "reviews-v2-f2b2360481-t54nr.default: 0.00 % seen" in text, text
        bad = [m for m in page.console() if m["level"] == "SEVERE"]
        assert not bad, bad


def test_the_series_show_which_label_costs_most(weir, tmp_path):
    mtcap.replay(weir, "envoy-als")
    series = weir.get_json("/status")["series"]
    shots = pathlib.Path(os.environ.get("WEIR_TEST_SCREENSHOTS", tmp_path))
    with chromium() as page:
        page.open(f"http://{weir.http}/")
        page.wait("return document.querySelectorAll('#graph svg .edge').length > 5", "the page")
        asked = "return performance.getEntriesByType('resource').map(e => e.name).filter(n => n.endsWith('/status')).length"
        assert page.run(asked) == 0
        page.run("document.querySelector('#series summary').click()")
        page.wait("return document.querySelectorAll('#series-table tbody tr').length > 5", "the labels")
        rows = page.run("return [...document.querySelectorAll('#series-table tbody tr')].map(r => [...r.cells].map(c => c.textContent))")
        assert [row[0] for row in rows] == [label["name"] for label in series["labels"]]
        assert [row[1] for row in rows] == [str(label["values"]) for label in series["labels"]]
        assert str(series["live"]) in page.run("return document.querySelector('#series-note').textContent")
        page.run("document.querySelector('#series').scrollIntoView()")
        page.screenshot(shots / "series.png")
        bad = [m for m in page.console() if m["level"] == "SEVERE"]
        assert not bad, bad


# The first request for such a path is answered when the test says so, and then with this.
HOLD = """
    const [part, late] = arguments, real = window.fetch;
    window.answerLate = window.wasDrawn = null;
    window.fetch = path => window.answerLate || !path.includes(part) ? real(path) : new Promise(done => {
        window.answerLate = () => done({ ok: true, json: async () => { setTimeout(() => { window.wasDrawn = true; }); return late; } });
    });"""


def test_an_answer_that_was_overtaken_is_not_drawn(weir):
    """Who asks for something else while an answer is on its way is shown what was asked last."""
    mtcap.replay(weir, "envoy-als")
    mtcap.replay(weir, fresh(mtcap.load("envoy-zipkin-json")))
    ways = [("/api/v2/traces", [], "#search select", "#traces", ".trace"),
            ("/api/graph", {"nodes": [], "edges": []}, "#horizon", "#graph", ".edge")]
    with chromium() as page:
        page.open(f"http://{weir.http}/")
        page.wait("return document.querySelectorAll('#traces .trace').length >= 10", "the newest traces")
        page.run("document.querySelector('#live').click()")
        for part, late, select, box, shown in ways:
            page.run(HOLD, part, late)
            choose = f"""const select = document.querySelector('{select}'), others = [...select.options].filter(o => !o.selected);
                document.querySelector('{box}').replaceChildren();
                select.value = others[0].value;
                select.dispatchEvent(new Event('change'));"""
            page.run(choose)
            page.wait("return window.answerLate !== null", "the first question")
            page.run(choose)
            page.wait(f"return document.querySelectorAll('{box} {shown}').length > 0", "the second answer")
            page.run("window.answerLate()")
            page.wait("return window.wasDrawn", "the first answer")
            assert page.run(f"return document.querySelectorAll('{box} {shown}').length") > 0, part


def test_the_pages_headers_are_strict(weir):
    answer = weir.ask("/")
    assert answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    etag = answer.headers["ETag"]
    assert weir.ask("/", headers={"If-None-Match": etag}).status == 304
