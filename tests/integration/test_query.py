"""Goal: what was answered is found, by Zipkin's rules, at once and later: from
the open window, sealed ones and the database alike."""

import json
import time

import pytest

NOW_US = lambda: int(time.time() * 1e6)


def span(trace, id, service, parent=None, **more):
    result = {"traceId": f"{trace:016x}", "id": f"{id:016x}", "localEndpoint": {"serviceName": service}, **more}
    if parent:
        result["parentId"] = f"{parent:016x}"
    return result


def post(weir, spans):
    answer = weir.ask("/api/v2/spans", "POST", json.dumps(spans), {"Content-Type": "application/json"})
    assert answer.status == 202, answer.text


def ids(traces):
    return [int(t[0]["traceId"], 16) for t in traces]


@pytest.fixture
def traces(weir):
    """Three traces: a fast one, a slow one that fails, an old one."""
    now = NOW_US()
    post(weir, [
        span(1, 1, "Front", kind="SERVER", name="GET /a", timestamp=now - 3000000, duration=5000,
             tags={"http.method": "GET", "env": "prod"}),
        span(1, 2, "front", 1, kind="CLIENT", name="call", timestamp=now - 2999000, duration=3000,
             remoteEndpoint={"serviceName": "back"}),
        span(1, 2, "back", 1, kind="SERVER", name="serve", timestamp=now - 2998000, duration=2000, shared=True)])
    post(weir, [
        span(2, 3, "front", kind="SERVER", name="get /b", timestamp=now - 2000000, duration=900000,
             tags={"error": "boom", "http.method": "POST"}, annotations=[{"timestamp": now, "value": "retry"}]),
        span(2, 4, "back", 3, kind="SERVER", name="serve", timestamp=now - 1900000, duration=100)])
    post(weir, [span(3, 5, "front", kind="SERVER", name="get /a", timestamp=now - 7200 * 1000000, duration=10)])
    return now


@pytest.fixture(params=["open", "stored", "restarted"])
def where(request, weir, traces):
    """The same questions of the open window, of the database, and after a restart."""
    if request.param != "open":
        from weir import until
        until(lambda: weir.total("weir_storage_spans") >= 6, "the spans to be stored")
    if request.param == "restarted":
        assert weir.stop() == 0
        weir.start()
    return request.param


@pytest.mark.parametrize("digits", [1, 15, 16, 17, 24, 31, 32])
def test_a_span_comes_back_whole_by_an_id_of_any_length(weir, digits):
    now, trace = NOW_US(), "1" + "23456789abcdef01" * 2
    sent = {
        "traceId": trace[:digits], "parentId": "a", "id": "b", "kind": "SERVER", "name": "get /", "timestamp": now,
        "duration": 1, "localEndpoint": {"serviceName": "front", "ipv4": "10.0.0.1", "port": 8080},
        "remoteEndpoint": {"serviceName": "back", "ipv6": "2001:db8::c001", "port": 65535},
        "annotations": [{"timestamp": now + 2, "value": "later \u00e9"}, {"timestamp": now + 1, "value": "first"}],
        "tags": {"http.path": "/ \" \\ \u2028 \u0001", "a": "", "z": "last"}, "debug": True, "shared": True}
    post(weir, [sent])
    want = {**sent, "traceId": trace[:digits].rjust(16 if digits <= 16 else 32, "0"), "parentId": "a".rjust(16, "0"),
            "id": "b".rjust(16, "0"), "annotations": sent["annotations"][::-1], "tags": dict(sorted(sent["tags"].items()))}
    for asked in {trace[:digits], want["traceId"]}:
        have = weir.get_json("/api/v2/trace/" + asked)
        assert have == [want]
        assert list(have[0]) == list(want)


@pytest.mark.fast
def test_queries_answer_by_zipkins_rules(weir, traces, where):
    find = lambda **a: ids(weir.get_json("/api/v2/traces", **a))
    assert weir.get_json("/api/v2/services") == ["back", "front"]
    assert weir.get_json("/api/v2/spans", serviceName="FRONT") == ["call", "get /a", "get /b"]
    assert weir.get_json("/api/v2/remoteServices", serviceName="front") == ["back"]
    assert find() == [2, 1, 3]
    assert find(limit=1) == [2]
    assert find(limit=10**9) == find(endTs=2**63 - 1, lookback=2**63 - 1) == [2, 1, 3]
    assert find(serviceName="front", lookback=3600000) == [2, 1]
    assert find(serviceName="Back") == [2, 1]
    assert find(serviceName="front", spanName="get /a") == [1, 3]
    assert find(serviceName="front", spanName="all", lookback=60000) == [2, 1]
    assert find(serviceName="back", spanName="get /a") == []
    assert find(minDuration=900000) == [2]
    assert find(serviceName="back", minDuration=900000) == []
    assert find(serviceName="front", minDuration=4000, maxDuration=6000) == [1]
    assert find(annotationQuery="error") == [2]
    assert find(annotationQuery="http.method=GET and env=prod") == [1]
    assert find(annotationQuery="http.method=GET and error") == []
    assert find(annotationQuery="retry") == [2]
    assert find(serviceName="back", annotationQuery="env") == []
    assert find(serviceName="front", remoteServiceName="back") == [1]
    assert find(endTs=traces // 1000 - 2500, lookback=3600000) == [1]
    trace = weir.get_json("/api/v2/trace/0000000000000001")
    assert len(trace) == 3 and weir.get_json("/api/v2/trace/1") == trace
    assert weir.get_json("/zipkin/api/v2/trace/1") == trace
    server = next(s for s in trace if s.get("shared"))
    assert server["parentId"] == f"{1:016x}" and server["localEndpoint"]["serviceName"] == "back"
    links = weir.get_json("/api/v2/dependencies", endTs=traces // 1000 + 1000, lookback=3600000)
    assert links == [{"parent": "front", "child": "back", "callCount": 2}]


@pytest.mark.parametrize("arguments", [
    {"endTs": 0}, {"endTs": -1}, {"limit": 0}, {"lookback": 0}, {"minDuration": 0}, {"maxDuration": 5},
    {"minDuration": 9, "maxDuration": 5}, {"limit": "x"}])
def test_wrong_parameters_are_400_with_text(weir, arguments):
    answer = weir.ask("/api/v2/traces", **arguments)
    assert answer.status == 400 and answer.text


def test_missing_and_bad_ids(weir):
    answer = weir.ask("/api/v2/trace/00000000000000ff")
    assert (answer.status, answer.text.strip()) == (404, "00000000000000ff not found")
    assert weir.ask("/api/v2/trace/nothex").status == 400
    assert weir.ask("/api/v2/spans").status == 400
    assert weir.ask("/api/v2/dependencies").status == 400


@pytest.mark.fast
def test_answered_is_visible_at_once(weir):
    """A query sees everything answered before it began, while windows are sealed and stored beneath it."""
    for i in range(1, 400):
        post(weir, [span(1000 + i, j, f"s{i % 7}", timestamp=NOW_US(), duration=j, tags={"k": "v" * 40}) for j in range(1, 20)])
        assert len(weir.get_json(f"/api/v2/trace/{1000 + i:016x}")) == 19
    seen = weir.get_json("/api/v2/traces", limit=1000)
    assert len(seen) == 399 and all(len(t) == 19 for t in seen)
    assert weir.ledger_sum("span")["kept"] == 399 * 19


@pytest.mark.fast
def test_a_repeated_batch_is_answered_and_counted_as_duplicates_only(weir):
    batch = [span(9, 1, "twice", timestamp=NOW_US(), duration=1)]
    post(weir, batch)
    post(weir, batch)
    ledger = weir.ledger_sum("span")
    assert (ledger["received"], ledger["kept"], ledger["duplicates"]) == (2, 1, 1)
    assert len(weir.get_json("/api/v2/trace/9")) == 1


def test_the_servicegraph_add_on_answers_as_it_did(weir):
    import mtcap
    mtcap.replay(weir, "envoy-als")
    graph = weir.get_json("/graph", time_horizon="10m")
    assert "productpage (productpage-v1)" in graph["nodes"]
    edges = {(e["source"], e["target"]): e["labels"] for e in graph["edges"]}
    labels = edges["productpage (productpage-v1)", "reviews (reviews-v2)"]
    assert float(labels["reqs/sec"]) > 0
    assert any("bytes/sec" in l for l in edges.values())
    only = weir.get_json("/graph", time_horizon="10m", destination_workload="details-v1")
    assert {e["target"] for e in only["edges"]} == {"details (details-v1)"}
    assert weir.ask("/graph", time_horizon="soon").status == 500


def test_the_graph_fits_its_schema(weir):
    import jsonschema
    import mtcap
    import pathlib
    schema = json.loads((pathlib.Path(__file__).parent / "graph.schema.json").read_text())
    jsonschema.validate(weir.get_json("/api/graph"), schema)
    for name in ("envoy-als", "otel-go-grpc", "zipkin-brave-json"):
        mtcap.replay(weir, name)
    graph = weir.get_json("/api/graph", horizon="1h")
    jsonschema.validate(graph, schema)
    ids = {n["id"] for n in graph["nodes"]}
    assert all(e["source"] in ids and e["target"] in ids for e in graph["edges"]) and len(graph["edges"]) > 8


def test_answered_logs_have_no_gap_and_no_double(weir):
    """While windows are sealed, stored and merged around them: each log that was answered is found, once."""
    until_stored = 3
    posted = 0
    while weir.get_json("/status")["storage"]["window"] < until_stored and posted < 5000:
        body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [
            {"timeUnixNano": str(time.time_ns()), "severityNumber": 9, "body": {"stringValue": f"log {posted}"}}]}]}]}
        answer = weir.ask("/v1/logs", "POST", json.dumps(body).encode(), {"Content-Type": "application/json"})
        assert answer.status == 200
        posted += 1
        found = weir.ask("/api/logs", limit=10000)
        bodies = [log["body"] for log in found.json]
        assert len(bodies) == len(set(bodies))
        if "Weir-Behind-Ms" not in found.headers:  # else the last ones may be missing, and it says so
            assert len(bodies) == posted
    assert posted < 5000
    assert weir.get_json("/status")["storage"]["logs"] > 0
