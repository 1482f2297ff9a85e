"""Goal: Envoy's stats, by its metrics service of either version, are taken
whole: each point once, summaries left out and counted, nothing else lost."""

import collections

import grpc
import pytest

import mtcap
from weir import Weir

KINDS = {  # of the captures' table: counters, gauges, histograms; summaries
    "envoy-metrics-service-v2": ("envoy_metrics_v2", 1070 + 1340 + 75, 75),
    "envoy-metrics-service-delta": ("envoy_metrics_v3", 3017 + 3148 + 292, 0),
    "envoy-all": ("envoy_metrics_v3", 1070 + 1340 + 75, 75),
}
METHOD = "/envoy.service.metrics.v3.MetricsService/StreamMetrics"


def rows_of(weir, protocol):
    return [r for r in weir.ledger()["rows"] if r["protocol"] == protocol]


@pytest.mark.fast
@pytest.mark.parametrize("name", KINDS)
def test_every_point_is_in_the_ledger_once(tmp_path, name):
    protocol, points, summaries = KINDS[name]
    flags = ["--metrics.envoy_counters=delta"] if name.endswith("delta") else []
    with Weir(tmp_path / "weir", flags=flags) as weir:
        assert {code for _, code in mtcap.replay(weir, name)} <= {"OK", 200, 202}
        rows = rows_of(weir, protocol)
        assert len(rows) == 8 and all(r["source"].split("~")[0] in ("sidecar", "router") for r in rows)
        total = collections.Counter()
        for row in rows:
            assert row["signal"] == "metric_point"
            total["kept"] += row["kept"]
            total.update({k: n for k, n in row["dropped"].items() if n})
        assert total == collections.Counter({"kept": points, **({"summary": summaries} if summaries else {})})


def test_counters_add_up_to_what_the_load_did(tmp_path):
    """A callee's proxy passes on one request for each that its callers' proxies must have logged."""
    want = collections.Counter()
    for edge in mtcap.facts("envoy-metrics-service-delta")["edges"]:
        if edge["reporter"] == "destination":
            want[edge["destination_workload"]] += edge["n"]
    with Weir(tmp_path / "weir", flags=["--metrics.envoy_counters=delta"]) as weir:
        mtcap.replay(weir, "envoy-metrics-service-delta")
        have = collections.Counter()
        for (name, labels), value in weir.samples().items():
            l = dict(labels)
            pod = l.get("instance", "~~").split("~")[2]
            if name == "envoy_cluster_upstream_rq_total" and l["envoy_cluster_name"].startswith("inbound|"):
                have[pod.rsplit("-", 2)[0]] += int(value)
        have.pop("mysqldb-v1")  # TCP connections
        assert have == want and len(want) == 6


def stream(weir, *messages):
    with grpc.insecure_channel(weir.grpc) as channel:
        channel.stream_unary(METHOD)(iter(messages), timeout=20)


def family(name, value):
    metric = mtcap.field(3, b"\x09" + value)
    return mtcap.field(2, mtcap.field(1, name) + mtcap.field(4, metric))


def test_a_stream_without_a_node_is_unknown_and_counted(weir):
    stream(weir, family(b"a", b"\0" * 8), family(b"b", b"\0" * 8))
    assert [(r["source"], r["kept"]) for r in rows_of(weir, "envoy_metrics_v3")] == [("unknown", 2)]
    assert weir.total("weir_unknown_source_total") == 1


@pytest.mark.fast
def test_a_malformed_message_ends_its_stream_and_no_other(weir):
    with pytest.raises(grpc.RpcError) as refused:
        stream(weir, family(b"a", b"\0" * 8), b"\x12\x7f\x01")
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert weir.total("weir_refused_items_total", signal="metric_point", reason="malformed") == 1
    stream(weir, family(b"a", b"\0" * 8))
    assert sum(r["kept"] for r in rows_of(weir, "envoy_metrics_v3")) == 2
