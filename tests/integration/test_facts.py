"""Goal: what real senders sent comes out as exactly what they did.

Each capture is replayed byte for byte; the metrics, the stored spans and the
dependency links must equal the facts that the load program counted itself."""

import collections
import json

import pytest

import facts
import mtcap

ALS = ["envoy-als", "envoy-als-periodic", "envoy-als-v2"]
SDKS = ["otel-go-grpc", "otel-go-http-delta", "otel-python-grpc", "otel-python-http-delta", "otel-js-json"]
ZIPKIN = ["zipkin-brave-json", "zipkin-brave-jsonv1", "zipkin-brave-proto3", "zipkin-go-json", "zipkin-go-proto",
          "zipkin-grpc", "zipkin-py-v1json", "zipkin-py-v2json"]
MESH_SPANS = ["envoy-otlp-http-trace", "envoy-zipkin-json", "envoy-zipkin-proto"]
LOGS = ["otel-go-grpc", "otel-go-http-delta", "otel-python-grpc", "otel-python-http-delta"]
SERVER_ONLY = {"reporter", "source_principal", "destination_principal", "connection_security_policy"}


def assert_requests(weir, name):
    want = facts.want_requests(mtcap.facts(name))
    # The facts sort flags; weir keeps Envoy's order. Sets of flags are compared.
    have = facts.have_requests(weir.samples())
    assert not facts.differences(want, have)


@pytest.mark.fast
@pytest.mark.parametrize("name", ALS)
def test_requests_equal_the_facts(weir, name):
    codes = mtcap.replay(weir, name)
    assert set(code for _, code in codes) == {"OK"}
    assert_requests(weir, name)


@pytest.mark.parametrize("name", ALS)
def test_tcp_connections_and_bytes_equal_the_facts(weir, name):
    mtcap.replay(weir, name)
    want = facts.want_tcp(mtcap.facts(name))
    have = {k: v for k, v in facts.have_tcp(weir.samples(), "source").items()}
    assert have == want
    # The callee's proxy saw the same bytes. Until the caller's proxy streams too, the caller of a TCP connection is known
    # by its certificate only (its service account), so that side is summed over the callers.
    server = {}
    for (_, service), row in facts.have_tcp(weir.samples(), "destination").items():
        server[service] = tuple(a + b for a, b in zip(server.get(service, (0, 0, 0)), row))
    assert server == {service: row for (_, service), row in want.items()}


@pytest.mark.parametrize("name", ALS)
def test_taking_one_entry_away_goes_red(weir, name):
    mtcap.replay(weir, mtcap.take_one_away(mtcap.load(name)))
    with pytest.raises(AssertionError):
        assert_requests(weir, name)


@pytest.mark.parametrize("name", ALS)
def test_both_sides_of_a_call_have_equal_labels(weir, name):
    """Every label set that a callee's proxy reports, its caller's proxy reports too, but for what only one side knows.
    How a call ended may differ (a retry or a timeout ends twice), so those labels are compared where neither was."""
    mtcap.replay(weir, name)
    ending = {"response_code", "response_flags", "grpc_response_status"}
    sides = {"source": {}, "destination": {}}
    for (metric, labels), value in weir.samples().items():
        l = dict(labels)
        if metric == "istio_requests_total" and l["source_workload"] != "unknown":
            sides[l["reporter"]][frozenset((k, v) for k, v in l.items() if k not in SERVER_ONLY)] = value
    who = lambda key: frozenset((k, v) for k, v in key if k not in ending)
    told_by_callers = {who(key) for key in sides["source"]}
    # A call that the caller cut off ended before the callee could tell its name.
    ended = [key for key in sides["destination"] if dict(key)["response_flags"] == "-"]
    assert not [dict(key) for key in ended if who(key) not in told_by_callers]
    equal = [key for key, value in sides["destination"].items() if sides["source"].get(key) == value]
    assert len(equal) >= 10


@pytest.mark.fast
@pytest.mark.parametrize("name", SDKS)
def test_sdk_spans_equal_the_facts(weir, name):
    codes = mtcap.replay(weir, name)
    assert {code for _, code in codes} <= {"OK", 200}
    fact = mtcap.facts(name)
    have = facts.have_spans(weir)
    assert not facts.differences(facts.want_sdk_spans(fact), have)
    assert weir.ledger_sum("span")["kept"] == fact["span_total"]
    assert links(weir) == {tuple(k.split("->")): n for k, n in fact["edges"].items()}


@pytest.mark.fast
@pytest.mark.parametrize("name", ZIPKIN)
def test_zipkin_spans_equal_the_facts(weir, name):
    codes = mtcap.replay(weir, name)
    assert set(codes) <= {("POST /api/v2/spans", 202), ("POST /api/v1/spans", 202),
                          ("/zipkin.proto3.SpanService/Report", "OK")}
    fact = mtcap.facts(name)
    assert not facts.differences(facts.want_sdk_spans(fact), facts.have_spans(weir))
    assert weir.ledger_sum("span")["kept"] == fact["span_total"]
    have = links(weir)
    for edge, n in fact["edges"].items():
        assert have[tuple(edge.split("->"))] == n


@pytest.mark.parametrize("name", MESH_SPANS)
def test_mesh_spans_equal_the_facts(weir, name):
    codes = mtcap.replay(weir, name)
    assert {code for _, code in codes} <= {200, 202}
    assert not facts.differences(facts.want_mesh_spans(mtcap.facts(name)), facts.have_spans(weir))
    assert not facts.differences(facts.want_mesh_links(mtcap.facts(name)), links(weir))


@pytest.mark.fast
@pytest.mark.parametrize("name", LOGS)
def test_logs_by_severity_equal_the_facts(weir, name):
    """At once, from the open window, and again from the database, after a restart."""
    mtcap.replay(weir, name)
    want = mtcap.facts(name)["logs"]
    ask = {"limit": 10000, "lookback": 10 * 365 * 86400000}
    before = weir.get_json("/api/logs", **ask)
    assert collections.Counter(log["severityText"] for log in before) == want
    times = [int(log["timestamp"]) for log in before]
    assert times == sorted(times, reverse=True)
    weir.stop()
    weir.start()
    after = weir.get_json("/api/logs", **ask)
    assert same_rows(after, before)
    errors = weir.get_json("/api/logs", severity="error", **ask)
    assert len(errors) == want["ERROR"] and all(log["severityNumber"] >= 17 for log in errors)
    traced = next(log for log in after if "traceId" in log)
    of_trace = weir.get_json("/api/logs", traceId=traced["traceId"], **ask)
    assert same_rows(of_trace, [log for log in after if log.get("traceId") == traced["traceId"]])
    for log in after[:5]:
        body = log["body"]
        found = weir.get_json("/api/logs", q=body.upper(), service=log["service"], **ask)
        assert log in found and all(body in other["body"] for other in found)
    assert weir.get_json("/api/logs", service="nobody", **ask) == []


@pytest.mark.fast
def test_access_logs_over_otlp_feed_istio_metrics(weir):
    """Attributes are mapped to requests, of which the logger says no gRPC status, and of an inbound one no more of the
    caller than its address; but the cluster that an injected fault did not reach."""
    name, connections = "envoy-otel-access-log", 18
    codes = mtcap.replay(weir, name)
    assert {code for _, code in codes} == {"OK"}
    fact = mtcap.facts(name)
    want, have = collections.Counter(), collections.Counter()
    for e in fact["edges"]:
        is_source, flags = e["reporter"] == "source", e["response_flags"] or "-"
        end = e.get("destination_service") if is_source else e["destination_workload"]
        end = end or ("unknown" if flags == "NR" else "BlackHoleCluster")
        want[e["reporter"], e["source"] if is_source else "*", end, str(e["response_code"]), flags] += e["n"]
    samples = weir.samples()
    for (reporter, source, end, code, flags, _), n in facts.have_requests(samples).items():
        have[reporter, source if reporter == "source" else "*", end, code, flags] += n
    assert not facts.differences(want, have)
    assert facts.have_tcp(samples, "source") == facts.want_tcp(fact)
    # Once a caller's proxy has logged too, the callee's records name it.
    assert ("destination", "productpage-v1") in {key[:2] for key in facts.have_requests(samples)}
    logs = weir.ledger_sum("log")
    assert logs["received"] == logs["kept"] == sum(want.values()) + connections
    nodes = {w["NodeID"] for w in fact["workloads"]}
    assert {r["source"] for r in weir.ledger()["rows"] if r["signal"] == "log"} <= nodes


def test_logged_requests_are_listed_as_the_facts_count_them(weir):
    """Newest first, from the open window, and again from the database, after a restart."""
    mtcap.replay(weir, "envoy-als")
    want = collections.Counter()
    for e in mtcap.facts("envoy-als")["edges"]:
        want[e["reporter"], e["source"], e["response_code"], e["response_flags"] or "-"] += e["n"]
    ask = {"limit": 10000, "lookback": 10 * 365 * 86400000}
    for _ in range(2):
        rows = weir.get_json("/api/requests", **ask)
        have = collections.Counter(
            (r["reporter"], r.get("source", {}).get("workload", "unknown"), r["code"], facts.sorted_flags(r["flags"]))
            for r in rows)
        assert not facts.differences(+want, have)
        times = [int(r["timestamp"]) for r in rows]
        assert times == sorted(times, reverse=True)
        row = next(r for r in rows if r["code"] == 500 and "requestId" in r)
        same = weir.get_json("/api/requests", requestId=row["requestId"], **ask)
        assert row in same and all(r["requestId"] == row["requestId"] for r in same)
        assert same_rows(weir.get_json("/api/requests", code=500, **ask), [r for r in rows if r["code"] == 500])
        weir.stop()
        weir.start()


@pytest.mark.parametrize("name", SDKS + ZIPKIN + MESH_SPANS)
def test_taking_one_span_away_goes_red(weir, name):
    mtcap.replay(weir, mtcap.take_one_away(mtcap.load(name)))
    fact = mtcap.facts(name)
    want = facts.want_mesh_spans(fact) if "spans" not in fact else facts.want_sdk_spans(fact)
    assert facts.differences(want, facts.have_spans(weir))


# py_zipkin's servers have an id of their own and say `shared` all the same: their callers name them as their peers.
@pytest.mark.parametrize("name", SDKS + ZIPKIN)
def test_span_edges_of_the_graph_equal_the_facts(weir, name):
    mtcap.replay(weir, name)
    graph = weir.get_json("/api/graph", horizon="24h")
    names = {n["id"]: n["service"] or n["app"] or n["workload"] for n in graph["nodes"]}
    have = {}
    for edge in graph["edges"]:
        if edge.get("spans"):
            have[names[edge["source"]], names[edge["target"]]] = edge["spans"]["requests"]
    for edge, n in mtcap.facts(name)["edges"].items():
        assert have[tuple(edge.split("->"))] == n


def test_log_edges_of_the_graph_equal_the_facts(weir):
    """By caller and the service called: a caller whose call was cut off knows the service, not the workload."""
    mtcap.replay(weir, "envoy-als")
    fact = mtcap.facts("envoy-als")
    app = {w["Name"]: w["Service"].split(".")[0] for w in fact["workloads"]}
    want = {"client": {}, "server": {}}
    for e in fact["edges"]:
        if e.get("destination_service"):
            side = "client" if e["reporter"] == "source" else "server"
            key = (e["source"], app.get(e.get("destination_workload"), e["destination_service"].split(".")[0]))
            want[side][key] = want[side].get(key, 0) + e["n"]
    graph = weir.get_json("/api/graph", horizon="24h")
    nodes = {n["id"]: n for n in graph["nodes"]}
    have = {"client": {}, "server": {}}
    for edge in graph["edges"]:
        source, target = nodes[edge["source"]], nodes[edge["target"]]
        for side in have:
            if edge.get(side) and edge["protocol"] != "tcp":
                key = (source["workload"] or "unknown", target["app"] or target["service"].split(".")[0])
                have[side][key] = have[side].get(key, 0) + edge[side]["requests"]
    for side in have:
        assert {k: v for k, v in have[side].items() if k in want[side]} == want[side], side


def same_rows(left, right):
    """Rows of equal times stand in no promised order."""
    line = lambda row: json.dumps(row, sort_keys=True)
    return sorted(map(line, left)) == sorted(map(line, right))


def links(weir):
    end = max(span["timestamp"] for s in weir.get_json("/api/v2/services")
              for trace in weir.get_json("/api/v2/traces", serviceName=s, limit=1, lookback=10 * 365 * 86400000)
              for span in trace) // 1000 + 60000
    return {(l["parent"], l["child"]): l["callCount"]
            for l in weir.get_json("/api/v2/dependencies", endTs=end, lookback=86400000)}
