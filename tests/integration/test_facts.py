"""Goal: what real senders sent comes out as exactly what they did.

Each capture is replayed byte for byte; the metrics, the stored spans and the
dependency links must equal the facts that the load program counted itself."""

import pytest

import facts
import mtcap

ALS = ["envoy-als", "envoy-als-periodic"]
SDKS = ["otel-go-grpc", "otel-go-http-delta", "otel-python-grpc", "otel-python-http-delta"]
ZIPKIN = ["zipkin-brave-json", "zipkin-go-json"]
MESH_SPANS = ["envoy-otlp-http-trace", "envoy-zipkin-json"]
SERVER_ONLY = {"reporter", "source_principal", "destination_principal", "connection_security_policy"}


def assert_requests(weir, name):
    want = facts.want_requests(mtcap.facts(name))
    # The facts sort flags; weir keeps Envoy's order. Sets of flags are compared.
    have = facts.have_requests(weir.samples())
    assert not facts.differences(want, have)


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
    # The callee's proxy saw the same bytes.
    server = facts.have_tcp(weir.samples(), "destination")
    assert sorted(server.values()) == sorted(want.values())


@pytest.mark.parametrize("name", ALS)
def test_taking_one_entry_away_goes_red(weir, name):
    capture = mtcap.load(name)
    last = max(i for i, r in enumerate(capture) if r["kind"] == "msg" and r["seq"] > 0)
    del capture[last]
    mtcap.replay(weir, capture)
    with pytest.raises(AssertionError):
        assert_requests(weir, name)
        assert facts.have_tcp(weir.samples(), "source") == facts.want_tcp(mtcap.facts(name))


@pytest.mark.parametrize("name", ALS)
def test_both_sides_of_a_call_have_equal_labels(weir, name):
    mtcap.replay(weir, name)
    sides = {"source": {}, "destination": {}}
    for (metric, labels), value in weir.samples().items():
        l = dict(labels)
        if metric != "istio_requests_total" or l["source_workload"] == "unknown":
            continue
        # Calls that only one side can have seen: no destination was chosen or reached, or it answered otherwise.
        key = frozenset((k, v) for k, v in l.items() if k not in SERVER_ONLY)
        sides[l["reporter"]][key] = value
    missing = []
    for key, value in sides["destination"].items():
        l = dict(key)
        if l["response_flags"] == "-" and sides["source"].get(key) != value:
            missing.append((l, value, sides["source"].get(key)))
    # A call that timed out at the caller and ended well at the callee has different codes: compare the others.
    timed_out = {(dict(k)["source_workload"], dict(k)["destination_workload"]) for k in sides["source"]
                 if dict(k)["response_flags"] != "-"}
    assert not [m for m in missing if (m[0]["source_workload"], m[0]["destination_workload"]) not in timed_out]
    assert len(sides["destination"]) > 8


@pytest.mark.parametrize("name", SDKS)
def test_sdk_spans_equal_the_facts(weir, name):
    codes = mtcap.replay(weir, name)
    for (method, code), _ in codes.items():
        if "race" in method:
            assert code in ("OK", 200), (method, code)
        else:  # metrics and logs: not served yet
            assert code in ("UNIMPLEMENTED", 404), (method, code)
    fact = mtcap.facts(name)
    have = facts.have_spans(weir)
    assert not facts.differences(facts.want_sdk_spans(fact), have)
    assert weir.ledger_sum("span")["kept"] == fact["span_total"]
    assert weir.ledger_sum("metric_point")["received"] == weir.ledger_sum("log")["received"] == 0
    assert links(weir) == {tuple(k.split("->")): n for k, n in fact["edges"].items()}


@pytest.mark.parametrize("name", ZIPKIN)
def test_zipkin_spans_equal_the_facts(weir, name):
    codes = mtcap.replay(weir, name)
    assert set(codes) == {("POST /api/v2/spans", 202)}
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


@pytest.mark.parametrize("name", SDKS + ZIPKIN + MESH_SPANS)
def test_taking_one_span_request_away_goes_red(weir, name):
    capture = mtcap.load(name)
    kinds = [i for i, r in enumerate(capture) if r["kind"] in ("msg", "http") and
             ("race" in r["method"] or "spans" in r["method"])]
    del capture[kinds[-1]]
    mtcap.replay(weir, capture)
    fact = mtcap.facts(name)
    want = facts.want_mesh_spans(fact) if "spans" not in fact else facts.want_sdk_spans(fact)
    assert facts.differences(want, facts.have_spans(weir))


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
    mtcap.replay(weir, "envoy-als")
    want = {"client": {}, "server": {}}
    for e in mtcap.facts("envoy-als")["edges"]:
        if e.get("destination_workload"):
            side = "client" if e["reporter"] == "source" else "server"
            key = (e["source"], e["destination_workload"])
            want[side][key] = want[side].get(key, 0) + e["n"]
    graph = weir.get_json("/api/graph", horizon="24h")
    names = {n["id"]: n["workload"] for n in graph["nodes"]}
    have = {"client": {}, "server": {}}
    for edge in graph["edges"]:
        for side in have:
            if edge.get(side) and edge["protocol"] != "tcp":
                key = (names[edge["source"]], names[edge["target"]])
                have[side][key] = have[side].get(key, 0) + edge[side]["requests"]
    for side in have:
        assert {k: v for k, v in have[side].items() if k in want[side]} == want[side], side


def links(weir):
    end = max(span["timestamp"] for s in weir.get_json("/api/v2/services")
              for trace in weir.get_json("/api/v2/traces", serviceName=s, limit=1, lookback=10 * 365 * 86400000)
              for span in trace) // 1000 + 60000
    return {(l["parent"], l["child"]): l["callCount"]
            for l in weir.get_json("/api/v2/dependencies", endTs=end, lookback=86400000)}
