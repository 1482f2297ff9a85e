"""Goal: Kiali draws the mesh from weir's metrics as it draws it from Istio's: every edge of the facts with its number,
no answer empty where there was traffic, no series left out for a missing label, no edge drawn twice.

Over a Prometheus that scraped weir through two rounds of each capture's traffic (tests/support/scraped.py)."""

import collections
import math

import edges
import facts
import kiali
import mtcap
import pytest
from scraped import Scraped

every_capture = pytest.mark.parametrize("name", edges.MESH)
SERVED, ASKED, OUTSIDE, NOBODY = "served here", "asked from here", "from outside", "from outside, to nobody known"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    with Scraped(tmp_path_factory.mktemp("kiali")).running() as scraped:
        yield scraped


def counted(mesh, name, namespace, what, is_old=False):
    """The edges that one query of the graph finds, by count; its rates are of the same series and in proportion."""
    selector = kiali.selectors(namespace)[what]
    rows = mesh.round(name, kiali.total(kiali.REQUESTS, selector, is_old))
    rates = {frozenset(r["metric"].items()): float(r["value"][1])
             for r in mesh.ask(name, kiali.graph(kiali.REQUESTS, selector, is_old))}
    assert set(rates) == {frozenset(labels.items()) for labels, _ in rows}
    each = [rates[frozenset(labels.items())] * mesh.window / n for labels, n in rows]
    assert not each or (max(each) - min(each) < 1e-6 and 0.5 < min(each) < 3), (min(each), max(each))
    return edges.have(name, [(labels if not is_old else {**labels, "grpc_response_status": ""}, n) for labels, n in rows])


def within(namespace, what):
    """Which edges of the facts a query is for."""
    return {SERVED: lambda e: e.reporter == "destination" and e.namespace == namespace,
            ASKED: lambda e: e.reporter == "source" and e.source_namespace == namespace,
            OUTSIDE: lambda e: e.reporter == "source" and e.source_namespace != namespace and e.namespace == namespace
            and e.workload != "",
            NOBODY: lambda e: e.reporter == "source" and e.source_namespace != namespace and e.namespace == namespace
            and e.workload == ""}[what]


@every_capture
def test_every_edge_is_in_the_graph_with_its_count(mesh, name):
    found = collections.Counter()
    for namespace in edges.namespaces(name):
        for what in (SERVED, ASKED):
            have = counted(mesh, name, namespace, what)
            assert not facts.differences(edges.want(name, within(namespace, what)), have), (namespace, what)
            found |= have
        # Whether a log over OTLP knows the workload that was reached hangs on what else was heard of it.
        have = [counted(mesh, name, namespace, what) for what in (OUTSIDE, NOBODY)]
        want = [edges.want(name, within(namespace, what)) for what in (OUTSIDE, NOBODY)]
        if edges.is_blurred(name):
            have, want = [have[0] + have[1]], [want[0] + want[1]]
        assert [facts.differences(*pair) for pair in zip(want, have)] == [{}] * len(want), namespace
    assert found == edges.want(name)


@pytest.mark.parametrize("name", ["envoy-als", "envoy-als-v2"])
def test_one_request_fewer_goes_red(weir, name):
    mtcap.replay(weir, mtcap.take_one_away(mtcap.load(name)))
    rows = [(dict(labels), n) for (metric, labels), n in weir.samples().items() if metric == kiali.REQUESTS]
    assert facts.differences(edges.want(name), edges.have(name, rows))


@every_capture
def test_ambient_queries_find_the_same_where_there_is_no_waypoint(mesh, name):
    for namespace in edges.namespaces(name):
        for what in (OUTSIDE, SERVED):
            assert counted(mesh, name, namespace, f"ambient, {what}") == counted(mesh, name, namespace, what)


@every_capture
def test_tcp_edges_have_the_bytes_of_the_facts(mesh, name):
    for metric, figure in kiali.TCP.items():
        sides = {}
        for what in (ASKED, SERVED):
            found = collections.Counter()
            for namespace in edges.namespaces(name):
                selector = kiali.selectors(namespace)[what]
                rows = mesh.round(name, kiali.total(metric, selector))
                assert bool(rows) == bool(mesh.ask(name, kiali.graph(metric, selector)))
                for labels, value in rows:
                    found[labels["source_workload"], labels["destination_service"]] += value
            sides[what] = found
        want = {key: row[figure] for key, row in edges.tcp(name).items()}
        assert want and sides[ASKED] == want, metric
        if not name.startswith("mixer"):  # whose destination did not report
            assert sum(sides[SERVED].values()) == sum(want.values()), metric


@pytest.mark.parametrize("name", edges.MESSAGES)
def test_grpc_messages_are_counted_on_both_sides_of_each_edge(mesh, name):
    calls = collections.Counter()
    for e in edges.requests(name):
        if e.protocol == "grpc":
            calls[e.reporter] += e.n
    for metric in kiali.MESSAGES:
        found = collections.Counter()
        for namespace in edges.namespaces(name):
            for what in (ASKED, SERVED):
                selector = kiali.selectors(namespace)[what]
                rows = mesh.round(name, kiali.total(metric, selector))
                assert len(rows) == len(mesh.ask(name, kiali.graph(metric, selector)))
                for labels, n in rows:
                    assert not [l for l in kiali.required(metric) if not labels.get(l)]
                    found[labels["reporter"]] += n
        assert found["source"] == found["destination"] >= calls["source"] > 0, metric


@every_capture
@pytest.mark.parametrize("metric", [kiali.REQUESTS, *kiali.TCP, *kiali.MESSAGES])
def test_no_series_lacks_a_label_that_it_must_have(mesh, name, metric):
    """Nor is a cluster said to be unknown where the namespace is known: such a series is left out too."""
    rows = [r["metric"] for r in mesh.ask(name, f"{metric}{{}}")]
    assert rows or metric in kiali.MESSAGES
    for labels in rows:
        needed = kiali.required(metric, is_old=True) + ([] if name.startswith("mixer") else kiali.required(metric))
        assert not [l for l in needed + ["reporter", "connection_security_policy"] if not labels.get(l)], labels
        for end in ("source", "destination"):
            if labels[f"{end}_workload_namespace"] != "unknown":
                assert labels.get(f"{end}_cluster") != "unknown", labels
                assert labels[f"{end}_workload"] != "unknown", labels


@pytest.mark.parametrize("name", [*edges.FULL, "mixer-sidecar"])
def test_both_sides_of_an_edge_have_the_labels_of_one(mesh, name):
    """Kiali knows the two reporters' series of an edge by their other labels. How a call ended may differ (a retry or a
    timeout ends twice), so that is compared where the callee saw it end well."""
    sides = collections.defaultdict(set)
    for is_old in (False, True):
        by = [l for l in kiali.groups(kiali.REQUESTS, is_old) if l not in ("response_code", "grpc_response_status")]
        for namespace in edges.namespaces(name):
            for what in (SERVED, ASKED, OUTSIDE):
                selector = kiali.selectors(namespace)[what]
                for row in mesh.ask(name, kiali.graph(kiali.REQUESTS, selector, is_old)):
                    labels = row["metric"]
                    if labels["response_flags"] == "-" and labels["source_workload"] != "unknown":
                        sides[labels["reporter"]].add((is_old, tuple(labels.get(l, "") for l in by)))
    assert len(sides["destination"]) >= 8
    assert not sides["destination"] - sides["source"]


@every_capture
def test_health_of_a_namespace_is_never_empty_where_there_was_traffic(mesh, name):
    """Errors as Kiali counts them: no answer, 4xx and 5xx; of gRPC its own status, unless HTTP's is an error."""
    cluster = ',destination_cluster=~"Kubernetes|unknown"' if name in edges.FULL else ""
    for namespace in edges.namespaces(name):
        for end, side in (("destination_service", "source"), ("source_workload", "source")):
            is_wanted = lambda e: e.reporter == side and namespace == (
                e.source_namespace if end == "source_workload" else edges.namespace_of(e.end))
            want = collections.Counter()
            for e in edges.requests(name):
                if is_wanted(e):
                    want["error" if int(e.code) == 0 or int(e.code) >= 400 else "fine"] += e.n
            selector = f'reporter="{side}",{end}_namespace="{namespace}"' + (cluster if end != "source_workload" else "")
            rates = mesh.ask(name, f"rate({kiali.REQUESTS}{{{selector}}}[I]) > 0")
            assert bool(rates) == bool(want), (namespace, end)
            have = collections.Counter()
            for labels, n in mesh.round(name, f"sum({kiali.REQUESTS}{{{selector}}}) by (response_code)"):
                have["error" if int(labels["response_code"]) == 0 or int(labels["response_code"]) >= 400 else "fine"] += n
            if end == "source_workload":  # a service whose namespace nobody said is nobody's
                assert have == want


@pytest.mark.parametrize("name", edges.FULL)
def test_health_of_grpc_is_by_its_status(mesh, name):
    want = collections.Counter()
    for e in edges.requests(name):
        if e.reporter == "destination" and e.protocol == "grpc":
            want["error" if e.grpc != "0" else "fine"] += e.n
    text = 'sum(istio_requests_total{reporter="destination",request_protocol="grpc",grpc_response_status=~"%s"})'
    have = {kind: sum(n for _, n in mesh.round(name, text % pattern))
            for kind, pattern in (("error", "^[1-9]$|^1[0-6]$"), ("fine", "^0$"))}
    assert have == {"error": want["error"], "fine": want["fine"]} and want["fine"]


def ends(labels):
    return labels["source_workload"], labels["destination_workload"]


@every_capture
def test_latency_and_throughput_answer_for_every_served_edge(mesh, name):
    by = "source_workload,destination_workload"
    duration = kiali.HISTOGRAMS[0]
    if name.startswith("mixer"):  # which of the two it is hangs on the profile
        present = [m for m in kiali.LATENCIES_1_8 if mesh.ask(name, f"{m}_count{{}}")]
        assert present
        duration = present[0]
    for metric in (duration, *kiali.HISTOGRAMS[1:]):
        for namespace in edges.namespaces(name):
            selector = f'reporter="destination",destination_workload_namespace="{namespace}"'
            requests, counts = ({ends(l): n for l, n in mesh.round(name, f"sum({what}{{{selector}}}) by ({by})")}
                                for what in (kiali.REQUESTS, f"{metric}_count"))
            assert counts == requests, metric
            mean = (f"sum(rate({metric}_sum{{{selector}}}[I])) by ({by})"
                    f" / sum(rate({metric}_count{{{selector}}}[I])) by ({by}) >= 0")
            assert {ends(r["metric"]) for r in mesh.ask(name, mean)} == set(requests), metric
            for q in (0.5, 0.95, 0.99):
                quantile = f"histogram_quantile({q}, sum(rate({metric}_bucket{{{selector}}}[I])) by (le,{by}))"
                values = {ends(r["metric"]): float(r["value"][1]) for r in mesh.ask(name, quantile)}
                # An edge that nothing went along in this time has no quantile: NaN.
                assert {k for k, v in values.items() if math.isfinite(v) and v >= 0} == set(requests), metric


@every_capture
def test_all_families_that_switch_kialis_features_on_are_there(mesh, name):
    have = {n for n in mesh.prometheus.label_values("__name__", f'{{capture="{name}"}}') if n.startswith("istio_")}
    durations = kiali.HISTOGRAMS[:1] if not name.startswith("mixer") else kiali.LATENCIES_1_8
    for family in kiali.HISTOGRAMS[1:]:
        assert {f"{family}_{part}" for part in ("bucket", "sum", "count")} <= have
    assert any({f"{family}_{part}" for part in ("bucket", "sum", "count")} <= have for family in durations)
    assert {"istio_requests_total", "istio_tcp_connections_opened_total", "istio_tcp_connections_closed_total"} <= have


@every_capture
def test_security_is_told_by_the_callee_with_both_principals(mesh, name):
    by = "source_principal,destination_principal,connection_security_policy"
    rows = mesh.round(name, f'sum({kiali.REQUESTS}{{reporter="destination"}}) by ({by})')
    policies = collections.Counter()
    for labels, n in rows:
        policies[labels["connection_security_policy"]] += n
        if labels["connection_security_policy"] == "mutual_tls":
            assert labels["source_principal"].startswith("spiffe://")
            assert labels["destination_principal"].startswith("spiffe://")
    served = [e for e in edges.requests(name) if e.reporter == "destination"]
    assert sum(policies.values()) == sum(e.n for e in served) and "unknown" not in policies
    if name in edges.FULL:  # who has a name in the mesh has a certificate
        assert policies["mutual_tls"] == sum(e.n for e in served if e.source != "unknown")
    asked = mesh.ask(name, f'sum({kiali.REQUESTS}{{reporter="source"}}) by (connection_security_policy)')
    assert {r["metric"]["connection_security_policy"] for r in asked} == {"unknown"}


@every_capture
def test_kiali_1_8_finds_every_edge_by_app_and_version(mesh, name):
    """It does not ask for gRPC's status."""
    for namespace in edges.namespaces(name):
        for what in (SERVED, ASKED):
            want = collections.Counter()
            for key, n in edges.want(name, within(namespace, what)).items():
                want[(*key[:6], "")] += n
            assert counted(mesh, name, namespace, what, is_old=True) == want, (namespace, what)
        strangers = counted(mesh, name, namespace, "from nobody known (1.8)", is_old=True)
        if not edges.is_blurred(name):
            want = sum(e.n for e in edges.requests(name) if within(namespace, SERVED)(e) and e.source == "unknown")
            assert sum(strangers.values()) == want
