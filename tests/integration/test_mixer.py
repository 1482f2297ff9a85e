"""Goal: a proxy that speaks Mixer to weir needs nothing changed, and what it reports comes out exactly.

Captured Reports of Istio's own clients are replayed and /metrics is compared with their facts; a client made from our
own .proto files, with Mixer's words, asks and reports the rest."""

import collections

import grpc
import pytest

import edges
import facts
import mixer
import mtcap
from weir import until

CAPTURES = ["mixer-sidecar", "mixer-sidecar-delta"]


def edge(e, workload_of):
    ends = [workload_of(e[k]) if e[k] else "unknown" for k in ("source_uid", "destination_uid")]
    return e["reporter"], ends[0], e["destination_service_host"], ends[1]


def want(name, workload_of=edges.workload_of):
    """(edge, protocol, code, flags): [requests, their bytes, their answers' bytes]; and the same of TCP."""
    requests, tcp = collections.defaultdict(lambda: [0, 0, 0]), collections.defaultdict(lambda: [0, 0, 0, 0])
    for e in mtcap.facts(name)["edges"]:
        protocol, n = e["context_protocol"], e["n"]
        if protocol.startswith("tcp"):
            row = tcp[edge(e, workload_of)]
            row[0] += n if protocol == "tcp-open" else 0
            row[1] += n if protocol == "tcp-close" else 0
            row[2] += e["request_size_sum"]
            row[3] += e["response_size_sum"]
        else:
            flags = e["response_flags"] or "-"
            row = requests[edge(e, workload_of) + (protocol, str(e["response_code"]), flags)]
            row[0] += n
            row[1] += e["request_size_sum"]  # bodies, as Mixer's metrics have them
            row[2] += e["response_size_sum"]
    return dict(requests), dict(tcp)


def have(weir):
    requests, tcp = collections.defaultdict(lambda: [0, 0, 0]), collections.defaultdict(lambda: [0, 0, 0, 0])
    of_request = {"istio_requests_total": 0, "istio_request_bytes_sum": 1, "istio_response_bytes_sum": 2}
    of_tcp = {"istio_tcp_connections_opened_total": 0, "istio_tcp_connections_closed_total": 1,
              "istio_tcp_received_bytes_total": 2, "istio_tcp_sent_bytes_total": 3}
    for (name, labels), value in weir.samples().items():
        l = dict(labels)
        if name in of_request or name in of_tcp:
            ends = l["reporter"], l["source_workload"], l["destination_service"], l["destination_workload"]
        if name in of_request:
            key = ends + (l["request_protocol"], l["response_code"], l["response_flags"])
            requests[key][of_request[name]] += int(value)
        elif name in of_tcp:
            tcp[ends][of_tcp[name]] += int(value)
    return dict(requests), dict(tcp)


@pytest.mark.fast
@pytest.mark.parametrize("name", CAPTURES)
def test_reports_equal_the_facts(weir, name):
    assert set(mtcap.replay(weir, name)) == {("/istio.mixer.v1.Mixer/Report", "OK")}
    for wanted, had in zip(want(name), have(weir)):
        assert len(wanted) > 0 and not facts.differences(wanted, had)
    ledger = weir.ledger_sum("mixer")
    assert ledger["received"] == ledger["kept"] == mtcap.facts(name)["attribute_sets"]


def test_one_report_fewer_goes_red(weir):
    records = mtcap.load("mixer-sidecar")
    records.remove(next(r for r in records if r["kind"] == "msg"))
    mtcap.replay(weir, records)
    assert facts.differences(want("mixer-sidecar")[0], have(weir)[0])


def test_equal_reports_of_mixc_are_all_counted(weir):
    """3 of one set, 25 equal ones in batches of 10, 10 and 5, and 1 of old attribute names."""
    mtcap.replay(weir, "mixer-mixc")
    assert weir.ledger_sum("mixer")["kept"] == 29
    assert weir.ledger_sum("mixer")["duplicates"] == 0
    assert weir.total("istio_requests_total", source_workload="a", response_code="503") == 25
    assert weir.total("istio_requests_total", destination_service="details.default.svc.cluster.local") == 3
    assert weir.total("istio_requests_total", destination_service="old.default.svc.cluster.local") == 1


def test_labels_are_those_of_the_mesh(weir):
    mtcap.replay(weir, "mixer-sidecar")
    rows = [dict(labels) for (name, labels), _ in weir.samples().items() if name == "istio_requests_total"]
    row = next(r for r in rows if r["reporter"] == "destination" and r["destination_workload"] == "reviews-v2")
    assert row["source_workload"] == "productpage-v1" and row["source_app"] == "productpage"
    assert row["source_workload_namespace"] == row["destination_workload_namespace"] == "default"
    assert row["source_principal"] == "spiffe://cluster.local/ns/default/sa/bookinfo-productpage"
    assert row["destination_service_name"] == "reviews" and row["destination_service_namespace"] == "default"
    assert row["destination_version"] == "v2" and row["connection_security_policy"] == "mutual_tls"
    row = next(r for r in rows if r["reporter"] == "source" and r["destination_workload"] == "reviews-v2")
    assert row["connection_security_policy"] == "unknown"


def bag(kind, trace, span, **more):
    uids = {"a": "kubernetes://front-v1-5f8d7c9b6-8xv7d.shop", "b": "kubernetes://back-v2-6c9d7c9b6-k9w2z.shop"}
    return {
        "context.reporter.kind": kind, "context.reporter.uid": uids["a" if kind == "outbound" else "b"],
        "context.protocol": "http", "source.uid": uids["a"], "destination.uid": uids["b"], "request.method": "GET",
        "destination.service.host": "back.shop.svc.cluster.local", "request.path": "/things", "response.code": 200,
        "request.time": mixer.now(), "response.time": mixer.now(0.02), "response.duration": 0.02,
        "request.headers": {"x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-sampled": "1"}, **more}


@pytest.mark.fast
@pytest.mark.parametrize("delta", [False, True])
def test_zipkin_shows_one_trace_of_two_proxies(weir, delta):
    client = mixer.Client(weir.grpc)
    trace, span = "463ac35c9f6413ad", "72485a3953bb6124"
    for kind in ("outbound", "inbound"):
        client.report([bag(kind, trace, span)], delta)
    spans = until(lambda: weir.get_json(f"/api/v2/trace/{trace}"), "the trace")
    assert sorted((s["kind"], s["localEndpoint"]["serviceName"], s.get("shared", False)) for s in spans) == [
        ("CLIENT", "front.shop", False), ("SERVER", "back.shop", True)]
    assert {(s["id"], s["name"], s["duration"]) for s in spans} == {(span, "/things", 20000)}
    assert all(s["tags"]["http.method"] == "GET" and s["tags"]["http.status_code"] == "200" for s in spans)
    assert weir.ledger_sum("mixer")["kept"] == 2
    assert weir.total("istio_requests_total") == 2


@pytest.mark.fast
def test_probes_are_listed_and_in_no_metric(weir):
    """As Mixer's own rules had it: the kubelet's and Prometheus' requests are no traffic."""
    bag = {"context.reporter.kind": "inbound", "context.protocol": "http", "request.path": "/healthz",
           "request.time": mixer.now(), "context.reporter.uid": "kubernetes://a-v1-5f8d4bfd6-8xv7d.default"}
    agents = ["kube-probe/1.14", "Prometheus/2.3.1", "curl/7.58.0", "a kube-probe"]
    health = bag | {"request.useragent": "grpc-go/1.20", "request.path": "/grpc.health.v1.Health/Check"}
    mixer.Client(weir.grpc).report([*[bag | {"request.useragent": agent} for agent in agents], health])
    assert weir.total("istio_requests_total") == 2
    listed = {r["userAgent"]: r.get("probe", False) for r in weir.get_json("/api/requests")}
    assert listed == {a: a.startswith(("kube-probe", "Prometheus", "grpc-go")) for a in [*agents, "grpc-go/1.20"]}
    assert weir.ledger_sum("mixer")["kept"] == 5


def test_bad_bags_are_dropped_alone(weir):
    client = mixer.Client(weir.grpc)
    good = bag("inbound", "1" * 16, "2" * 16)
    request = client.request([good, good, good])
    request.attributes[0].strings[999] = 0
    request.attributes[1].strings[30] = 0  # response.code, in a second map
    client.stub("Report", request)
    ledger = weir.ledger_sum("mixer")
    assert ledger == {"received": 3, "kept": 1, "duplicates": 0, "thinned": 0, "dropped": 2}
    request.repeated_attributes_semantics = 7
    client.stub("Report", request)
    assert weir.ledger_sum("mixer")["dropped"] == 5
    assert weir.total("weir_dropped_items_total", signal="mixer", reason="invalid") == 5


def test_newer_proxy_is_told_to_fall_back(weir):
    client = mixer.Client(weir.grpc)
    request = client.request([bag("inbound", "1" * 16, "2" * 16)])
    request.global_word_count = 300
    with pytest.raises(grpc.RpcError) as failed:
        client.stub("Report", request)
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert failed.value.details().startswith("Request could not be processed due to invalid")
    # What it then does: only the first 111 words by heart, all others said.
    client.stub("Report", client.request([bag("inbound", "1" * 16, "2" * 16)], known=111))
    assert weir.ledger_sum("mixer")["kept"] == 1
    assert weir.total("istio_requests_total", destination_workload="back-v2") == 1


@pytest.mark.fast
def test_check_lets_pass_and_grants_quotas(weir):
    client = mixer.Client(weir.grpc)
    answer = client.check({"requestcount": 5, "other": 1})
    assert answer.HasField("precondition") and answer.precondition.status.code == 0
    assert answer.precondition.valid_use_count == 10000 and answer.precondition.valid_duration.seconds == 60
    assert answer.precondition.HasField("referenced_attributes")
    assert not answer.precondition.HasField("route_directive")
    assert {k: v.granted_amount for k, v in answer.quotas.items()} == {"requestcount": 5, "other": 1}
    assert weir.total("weir_mixer_checks_total") == 1
    assert not [r for r in weir.ledger()["rows"] if r["signal"] == "mixer"]
