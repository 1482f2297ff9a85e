"""Goal: the metrics that weir makes of spans, by Tempo's names, are what was
sent: every span once, every call between two services once, with examples that
can be fetched; and they expire, come back and survive as Istio's do."""

import collections

import pytest

import facts
import formats
import mtcap

MESH = ["envoy-zipkin-json", "envoy-zipkin-proto", "envoy-otlp-http-trace", "envoy-otlp-trace-sampled"]
SDKS = ["otel-go-grpc", "otel-go-http-delta", "otel-python-grpc", "otel-js-json", "zipkin-go-json"]


def spans(samples, name="traces_spanmetrics_calls_total"):
    rows = collections.Counter()
    for (found, labels), value in samples.items():
        l = dict(labels)
        if found == name:
            kind = l["span_kind"].removeprefix("SPAN_KIND_")
            rows[l["service"].lower(), "" if kind == "UNSPECIFIED" else kind] += int(value)
    return +rows


def calls(samples, name="traces_service_graph_request_total", **want):
    rows = collections.Counter()
    for (found, labels), value in samples.items():
        l = dict(labels)
        if found == name and all(l.get(k, "") == v for k, v in want.items()):
            rows[l["client"], l["server"]] += int(value)
    return dict(+rows)


@pytest.mark.fast
@pytest.mark.parametrize("name", MESH[:3] + SDKS)
def test_every_span_is_counted_once(weir, name):
    mtcap.replay(weir, name)
    fact, samples = mtcap.facts(name), weir.samples()
    want = facts.want_mesh_spans(fact) if "spans" not in fact else facts.want_sdk_spans(fact)
    have = spans(samples)
    if "spans" in fact:  # INTERNAL is a kind of OpenTelemetry's only
        have = collections.Counter({(s, "" if k == "INTERNAL" else k): n for (s, k), n in have.items()})
        want = collections.Counter({(s, "" if k == "INTERNAL" else k): n for (s, k), n in want.items()})
    assert want and not facts.differences(want, have)
    assert spans(samples, "traces_spanmetrics_latency_count") == spans(samples)


@pytest.mark.fast
@pytest.mark.parametrize("name", MESH[:3])
def test_every_call_between_services_is_counted_once(weir, name):
    mtcap.replay(weir, name)
    samples, graph = weir.samples(), weir.get_json("/api/graph")
    have = calls(samples)
    services = {node["id"]: node["service"] for node in graph["nodes"]}
    assert have == {(services[e["source"]], services[e["target"]]): e["spans"]["requests"] for e in graph["edges"]}
    # Envoy's retries are one client's span and two servers', which share its id in Zipkin: one call.
    want = facts.want_mesh_links(mtcap.facts(name))
    assert set(have) == set(want) and all(want[k] - 2 <= n <= want[k] for k, n in have.items())
    if name == "envoy-otlp-http-trace":
        assert have == want
    assert calls(samples, "traces_service_graph_request_server_seconds_count", connection_type="") == have
    assert calls(samples, "traces_service_graph_request_client_seconds_count", connection_type="") == have


def test_examples_are_traces_that_can_be_fetched(weir):
    mtcap.replay(weir, "otel-go-grpc")
    text = weir.ask("/metrics", headers={"Accept": formats.OPENMETRICS}).text
    traces = {part.split('"')[1] for line in text.splitlines() if line.startswith("traces_spanmetrics_")
              for part in line.split(" # {")[1:]}
    assert traces
    for trace in traces:
        assert any(s["traceId"] == trace for s in weir.get_json(f"/api/v2/trace/{trace}"))


def test_a_database_and_who_is_not_traced_have_a_connection_type(weir):
    mtcap.replay(weir, "otel-python-grpc")
    unpaired = {dict(l).get("connection_type", "") for (n, l) in weir.samples()
                if n == "traces_service_graph_request_total"}
    assert unpaired <= {"", "database", "virtual_node", "messaging_system"}
