"""Goal: a real Envoy pointed at weir, with nothing changed but its collector's
address, gives metrics, traces and a graph that equal what was asked of it."""

import collections

from mesh import Mesh
from weir import until

CODES = [200] * 20 + [404] * 3 + [503] * 4


def test_a_real_mesh_is_counted_on_both_sides_and_traced(weir, tmp_path):
    with Mesh(tmp_path, weir) as mesh:
        for code in CODES:
            assert mesh.call(code) == code
        counted = lambda side: weir.total("istio_requests_total", reporter=side)
        until(lambda: counted("source") == counted("destination") == len(CODES), "both sidecars' access logs")
        until(lambda: weir.ledger_sum("span")["kept"] == 2 * len(CODES), "both sidecars' spans")

    want = collections.Counter(str(c) for c in CODES)
    for side in ("source", "destination"):
        have = collections.Counter()
        for (name, labels), value in weir.samples().items():
            l = dict(labels)
            if name == "istio_requests_total" and l["reporter"] == side:
                have[l["response_code"]] += int(value)
                assert l["destination_service"] == "reviews.default.svc.cluster.local"
                assert l["destination_service_name"] == "reviews" and l["destination_service_namespace"] == "default"
                assert l["request_protocol"] == "http"
                if side == "source":
                    assert l["source_workload"] == "productpage-v1" and l["source_app"] == "productpage"
                else:
                    assert l["destination_workload"] == "reviews-v1" and l["destination_canonical_service"] == "reviews"
        assert have == want, side

    trace = weir.get_json("/api/v2/traces", serviceName="reviews.default", limit=100)
    assert len(trace) == len(CODES)
    for spans in trace:
        kinds = {s["kind"]: s for s in spans}
        assert kinds["SERVER"]["parentId"] == kinds["CLIENT"]["id"]
        assert kinds["CLIENT"]["localEndpoint"]["serviceName"] == "productpage.default"
    assert len(weir.get_json("/api/v2/traces", serviceName="reviews.default", annotationQuery="http.status_code=503",
                             limit=100)) == 4
    graph = weir.get_json("/api/graph")
    edges = [e for e in graph["edges"] if e.get("spans")]
    assert [e["spans"]["requests"] for e in edges] == [len(CODES)]


def test_its_own_stats_are_taken_beside_the_logs(weir, tmp_path):
    with Mesh(tmp_path, weir) as mesh:
        for code in CODES:
            assert mesh.call(code) == code
        rows = lambda: [r for r in weir.ledger()["rows"] if r["protocol"] == "envoy_metrics_v3"]
        until(lambda: len(rows()) == 2 and all(r["kept"] > 100 for r in rows()), "both sidecars' stats")
        until(lambda: weir.ledger_sum("access_log")["kept"] == 2 * len(CODES), "both sidecars' access logs")
        assert {r["source"].split("~")[2].split("-")[0] for r in rows()} == {"productpage", "reviews"}
        for row in rows():
            assert row["signal"] == "metric_point" and set(k for k, n in row["dropped"].items() if n) <= {"summary"}
        sources = {r["source"] for r in weir.ledger()["rows"] if r["protocol"] == "als_v3"}
        assert sources == {r["source"] for r in rows()}  # one name for a proxy, whatever it sends
        passed_on = {"job": "reviews.default", "envoy_cluster_name": "inbound|9080||"}
        until(lambda: weir.total("envoy_cluster_upstream_rq_total", **passed_on) == len(CODES), "the callee's own counter")


def test_its_otlp_logs_beside_als_count_nothing_twice(weir, tmp_path):
    with Mesh(tmp_path, weir, logs=("als", "otlp")) as mesh:
        for code in CODES:
            assert mesh.call(code) == code
        until(lambda: weir.ledger_sum("access_log")["kept"] == 2 * len(CODES), "both sidecars' access logs")
        until(lambda: weir.ledger_sum("log")["kept"] == 2 * len(CODES), "both sidecars' OTLP logs")
        for side in ("source", "destination"):
            until(lambda: weir.total("istio_requests_total", reporter=side) == len(CODES), "the requests, once")


def test_its_zipkin_tracer_gives_a_trace_a_request(weir, tmp_path):
    with Mesh(tmp_path, weir, traces="zipkin") as mesh:
        for code in CODES:
            assert mesh.call(code) == code
        until(lambda: weir.ledger_sum("span")["kept"] == 2 * len(CODES), "both sidecars' spans")
    traces = weir.get_json("/api/v2/traces", serviceName="reviews.default", limit=100)
    assert len(traces) == len(CODES)
    for spans in traces:
        kinds = {s["kind"]: s for s in spans}
        assert kinds["SERVER"]["parentId"] == kinds["CLIENT"]["id"]
        assert kinds["CLIENT"]["localEndpoint"]["serviceName"] == "productpage.default"
    assert {r["protocol"] for r in weir.ledger()["rows"] if r["signal"] == "span"} == {"zipkin_http"}
