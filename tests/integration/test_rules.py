"""Goal: Mixer's rule documents load as they are and count what Mixer counted;
SIGHUP takes new ones while counters of unchanged metrics go on; wrong ones change
nothing; log entries are written."""

import json
import os
import pathlib
import re
import signal
import subprocess

import pytest

import mixer
import mtcap
import test_mixer
from weir import BUILD, TOP, Weir, until

STOCK = ["istio-1.0", "istio-1.1", "istio-1.4"]
OWN = """
apiVersion: config.istio.io/v1alpha2
kind: metric
metadata: {name: things, namespace: shop}
spec:
  value: "1"
  dimensions:
    method: request.method | "none"
    path: request.path | "none"
    team: source.labels["team"] | "nobody"
---
apiVersion: config.istio.io/v1alpha2
kind: metric
metadata: {name: took, namespace: shop}
spec:
  value: response.duration | "0ms"
  dimensions: {code: response.code | 0}
---
apiVersion: config.istio.io/v1alpha2
kind: prometheus
metadata: {name: handler, namespace: shop}
spec:
  metrics:
  - {name: things_total, namespace: shop, instance_name: things.metric.shop, kind: COUNTER, label_names: [method, path, team]}
  - {name: took_seconds, namespace: shop, instance_name: took.metric.shop, kind: DISTRIBUTION, label_names: [code],
     buckets: {explicit_buckets: {bounds: [0.01, 0.1, 1]}}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: all, namespace: shop}
spec:
  match: context.protocol == "http"
  actions:
  - {handler: handler.prometheus.shop, instances: [things.metric.shop, took.metric.shop]}
"""
LOG = """
---
apiVersion: config.istio.io/v1alpha2
kind: logentry
metadata: {name: lines, namespace: shop}
spec:
  severity: '"info"'
  timestamp: request.time
  variables: {path: request.path | "", code: response.code | 0}
---
apiVersion: config.istio.io/v1alpha2
kind: stdio
metadata: {name: file, namespace: shop}
spec: {outputAsJson: true, logStream: FILE, outputPath: FILE_PATH}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: log, namespace: shop}
spec:
  match: context.protocol == "http"
  actions: [{handler: file.stdio.shop, instances: [lines.logentry.shop]}]
"""


def bag(path, **more):
    return {"context.reporter.kind": "inbound", "context.protocol": "http", "request.path": path,
            "request.method": "GET", "request.time": mixer.now(), "response.code": 200,
            "context.reporter.uid": "kubernetes://a-v1-5f8d4bfd6-8xv7d.default", **more}


def hup(weir, result):
    before = weir.total("weir_rules_reloads_total", result=result)
    weir.process.send_signal(signal.SIGHUP)
    until(lambda: weir.total("weir_rules_reloads_total", result=result) == before + 1, f"rules {result}")


@pytest.mark.parametrize("name", STOCK)
def test_stock_rules_count_what_was_reported(tmp_path, name):
    rules = TOP / "tests/rules" / f"{name}.yaml"
    with Weir(tmp_path / "weir", flags=[f"--metrics.rules={rules}"]) as weir:
        mtcap.replay(weir, "mixer-sidecar")
        requests, tcp = test_mixer.want("mixer-sidecar")
        samples = weir.samples()
        assert weir.total("istio_requests_total") == sum(n for n, _, _ in requests.values())
        assert weir.total("istio_request_bytes_sum") == sum(b for _, b, _ in requests.values())
        assert weir.total("istio_request_duration_seconds_count") == weir.total("istio_requests_total")
        assert weir.total("istio_tcp_received_bytes_total") == sum(t[2] for t in tcp.values())
        if name != "istio-1.0":
            assert weir.total("istio_tcp_connections_opened_total") == sum(t[0] for t in tcp.values())
            assert weir.total("istio_tcp_connections_closed_total") == sum(t[1] for t in tcp.values())
        bounds = {dict(labels)["le"] for (n, labels) in samples if n == "istio_request_bytes_bucket"}
        assert bounds == {"1", "10", "100", "1000", "10000", "100000", "1000000", "10000000", "100000000", "+Inf"}
        assert not [n for n, _ in samples if n.startswith("istio_request_duration_milliseconds")]
        weir.ledger()


def test_a_reload_goes_on_with_what_is_the_same(tmp_path):
    rules = tmp_path / "own.yaml"
    rules.write_text(OWN)
    with Weir(tmp_path / "weir", flags=[f"--metrics.rules={rules}"]) as weir:
        client = mixer.Client(weir.grpc)
        client.report([bag("/users/12/cart"), bag("/users/99/cart")])
        (labels,) = [dict(l) for (n, l) in weir.samples() if n == "shop_things_total"]
        assert labels == {"method": "GET", "path": "/users/{id}/cart", "team": "nobody"}
        assert weir.total("shop_took_seconds_bucket", le="0.01") == 2
        rules.write_text(OWN.replace("things_total", "other_total"))
        hup(weir, "used")
        client.report([bag("/users/7/cart")])
        assert weir.total("shop_other_total") == 1  # another metric: from its own beginning
        assert weir.total("shop_took_seconds_count") == 3  # the same: it goes on
        assert not [n for n, _ in weir.samples() if n == "shop_things_total"]
        weir.ledger()


def test_a_kill_after_a_reload_counts_nothing_by_both_rules(tmp_path):
    rules = tmp_path / "own.yaml"
    rules.write_text(OWN)
    weir = Weir(tmp_path / "weir", flags=[f"--metrics.rules={rules}"])
    for round in range(1, 6):
        old, new = ("other" if round % 2 == 0 else "things"), ("things" if round % 2 == 0 else "other")
        weir.start()
        mixer.Client(weir.grpc).report([bag("/a")] * 3)
        assert weir.total(f"shop_{old}_total") == (3 if round == 1 else 5)
        rules.write_text(OWN.replace("things_total", f"{new}_total"))
        hup(weir, "used")
        mixer.Client(weir.grpc).report([bag("/a")] * 2)
        until(lambda: weir.total(f"shop_{new}_total") == 2, "the new rules")
        weir.kill()
    with weir:
        assert weir.total(f"shop_{new}_total") == 2  # what came after the reload, and not what came before
        assert weir.total("shop_took_seconds_count") == 5 * 5
        weir.ledger()


def test_counters_survive_a_restart_with_the_same_rules(tmp_path):
    rules = tmp_path / "own.yaml"
    rules.write_text(OWN)
    weir = Weir(tmp_path / "weir", flags=[f"--metrics.rules={rules}"])
    for round in (1, 2, 3):
        weir.start()
        mixer.Client(weir.grpc).report([bag("/a"), bag("/b")])
        assert weir.total("shop_took_seconds_count") == 2 * round
        if round == 2:
            weir.kill()
        else:
            assert weir.stop() == 0


def test_wrong_rules_change_nothing_and_say_where(tmp_path):
    rules = tmp_path / "own.yaml"
    rules.write_text(OWN)
    with Weir(tmp_path / "weir", flags=[f"--metrics.rules={rules}"]) as weir:
        client = mixer.Client(weir.grpc)
        client.report([bag("/a")])
        rules.write_text(OWN.replace('request.method | "none"', "request.methud"))
        hup(weir, "failed")
        line = 1 + OWN.split("\n").index('    method: request.method | "none"')
        assert re.search(rf"own\.yaml:{line}:\d+\b.*request\.methud", weir.log()), weir.log()
        client.report([bag("/a")])
        assert weir.total("shop_things_total") == 2
        weir.ledger()


def test_what_cannot_be_evaluated_is_not_counted_and_said(tmp_path):
    rules, log = tmp_path / "own.yaml", tmp_path / "lines.log"
    rules.write_text(OWN.replace('request.method | "none"', "request.host") +
                     LOG.replace("FILE_PATH", str(log)).replace('request.path | ""', "request.host"))
    with Weir(tmp_path / "weir", flags=[f"--metrics.rules={rules}"]) as weir:
        mixer.Client(weir.grpc).report([bag("/a"), bag("/b", **{"request.host": "shop"})])
        until(lambda: weir.total("weir_log_entries_total", result="written") == 1, "the line that can be written")
        assert weir.total("shop_things_total") == weir.total("shop_things_total", method="shop") == 1
        assert weir.total("shop_took_seconds_count") == 2  # the other metric can
        for of in ("label", "entry"):
            assert weir.total("weir_rule_failures_total", of=of) >= 1
        assert weir.total("weir_rule_failures_total", of="value") == 0
        weir.ledger()


def test_weir_does_not_start_with_wrong_rules(tmp_path):
    rules = tmp_path / "own.yaml"
    rules.write_text(OWN.replace("kind: COUNTER", "kind: COUNTR"))
    weir = Weir(tmp_path / "weir", flags=[f"--metrics.rules={rules}"])
    weir.spawn()
    assert not weir.wait_ready() and weir.process.wait(30) == 1
    assert re.search(r"own\.yaml:24:84.*COUNTER, GAUGE or DISTRIBUTION", weir.log())


def test_the_profile_both_has_both_durations(tmp_path):
    with Weir(tmp_path / "weir", flags=["--metrics.profile=both"]) as weir:
        mtcap.replay(weir, "envoy-als")
        mtcap.replay(weir, "mixer-sidecar")
        count = weir.total("istio_requests_total")
        assert count > 0
        for unit in ("seconds", "milliseconds"):
            assert weir.total(f"istio_request_duration_{unit}_count") == count
        weir.ledger()


def test_the_profile_auto_has_each_sources_own(weir):
    mtcap.replay(weir, "envoy-als")
    als = weir.total("istio_requests_total")
    assert weir.total("istio_request_duration_milliseconds_count") == als
    assert weir.total("istio_request_duration_seconds_count") == 0
    mtcap.replay(weir, "mixer-sidecar")
    assert weir.total("istio_request_duration_milliseconds_count") == als
    assert weir.total("istio_request_duration_seconds_count") == weir.total("istio_requests_total") - als > 0
    labels = {frozenset(dict(l)) for (n, l) in weir.samples() if n == "istio_requests_total"}
    assert all("source_canonical_service" in names and "source_app" in names for names in labels)


def test_log_entries_are_written_and_go_on_over_a_reload(tmp_path):
    rules, log, other = tmp_path / "own.yaml", tmp_path / "lines.log", tmp_path / "other.log"
    rules.write_text(OWN + LOG.replace("FILE_PATH", str(log)))
    with Weir(tmp_path / "weir", flags=[f"--metrics.rules={rules}"]) as weir:
        client = mixer.Client(weir.grpc)
        client.report([bag("/a"), bag("/b", **{"response.code": 503})])
        until(lambda: weir.total("weir_log_entries_total", result="written") == 2, "two lines")
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert [(l["path"], l["code"]) for l in lines] == [("/a", 200), ("/b", 503)]
        assert all(l["level"] == "info" and l["instance"] == "lines.logentry.shop" for l in lines)
        rules.write_text(OWN + LOG.replace("FILE_PATH", str(other)))
        hup(weir, "used")
        client.report([bag("/c")])
        until(lambda: weir.total("weir_log_entries_total", result="written") == 3, "a third line")
        assert json.loads(other.read_text())["path"] == "/c"
        assert len(log.read_text().splitlines()) == 2
        weir.ledger()


def test_an_output_that_cannot_be_opened_is_refused(tmp_path):
    rules = tmp_path / "own.yaml"
    rules.write_text(OWN)
    with Weir(tmp_path / "weir", flags=[f"--metrics.rules={rules}"]) as weir:
        rules.write_text(OWN + LOG.replace("FILE_PATH", str(tmp_path / "no" / "such.log")))
        hup(weir, "failed")
        assert "such.log" in weir.log()
        mixer.Client(weir.grpc).report([bag("/a")])
        assert weir.total("shop_things_total") == 1


def test_a_pipe_that_nobody_reads_holds_nobody_up(tmp_path):
    rules, pipe = tmp_path / "own.yaml", tmp_path / "pipe"
    rules.write_text(OWN)
    os.mkfifo(pipe)
    with Weir(tmp_path / "weir", flags=[f"--metrics.rules={rules}"]) as weir:
        rules.write_text(OWN + LOG.replace("FILE_PATH", str(pipe)))
        hup(weir, "failed")
        assert f'which="{pipe}"' in weir.log()
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        hup(weir, "used")
        mixer.Client(weir.grpc).report([bag("/a")])
        until(lambda: weir.total("weir_log_entries_total", result="written") == 1, "a line in the pipe")
        assert json.loads(os.read(reader, 4096))["path"] == "/a"
        os.close(reader)
        weir.ledger()


def test_what_weir_does_not_do_is_logged_at_the_start_and_after_a_reload(tmp_path):
    rules = tmp_path / "own.yaml"
    plain = OWN.replace("shop", "istio-system")
    sampled = plain.replace('  match: context.protocol == "http"\n', '  match: context.protocol == "http"\n  sampling: {random: {}}\n')
    rules.write_text(sampled)
    with Weir(tmp_path / "weir", flags=[f"--metrics.rules={rules}"]) as weir:
        line = 1 + sampled.split("\n").index("  sampling: {random: {}}")
        assert re.search(rf'warn main not all that the rules say is done, [^\n]* warnings=1 where={rules}:{line}:\d+ why="[^"]*`sampling`', weir.log()), weir.log()
        rules.write_text(plain)
        hup(weir, "used")
        assert weir.log().count("not all that the rules say is done") == 1
        rules.write_text(sampled + "---" + sampled.split("---")[-1].replace("name: all", "name: more"))

        def says_two():
            hup(weir, "used")
            return re.search(r"warn main not all that the rules say is done, [^\n]* warnings=2 where=", weir.log())
        until(says_two, "a warning, of which the log takes one a second")


@pytest.mark.parametrize("kind", ["inbound", "outbound"])
@pytest.mark.parametrize("rules", ["builtin", "istio-1.4"])
@pytest.mark.parametrize("more", [{"connection.mtls": True}, {}], ids=["mtls", "plain"])
def test_an_explanation_is_what_is_counted(tmp_path, kind, rules, more):
    told = {"context.protocol": "http", "context.reporter.kind": kind, "source.workload.name": "shop-v1", "source.workload.namespace": "a",
            "source.labels": {"app": "shop", "version": "v1"}, "source.principal": "cluster.local/ns/a/sa/shop",
            "destination.workload.name": "cart-v2", "destination.workload.namespace": "b", "destination.labels": {"app": "cart", "version": "v2"},
            "destination.principal": "cluster.local/ns/b/sa/cart", "destination.service.host": "cart.b.svc.cluster.local",
            "request.method": "GET", "request.path": "/cart/7?x=1", "request.host": "cart.b:80", "request.size": 12, "response.size": 345,
            "response.code": 503, "context.proxy_error_code": "UH", "rbac.permissive.response_code": "403", **more}
    source = "builtin" if rules == "builtin" else str(TOP / "tests/rules" / f"{rules}.yaml")
    (tmp_path / "record.json").write_text(json.dumps({**told, "weir.signal": "mixer", "request.time": "2026-11-23T10:00:00Z", "response.duration": "1500ms"}))
    done = subprocess.run([BUILD / "weir", "check", "--explain", tmp_path / "record.json", f"--metrics.rules={source}"],
                          capture_output=True, text=True, timeout=30)
    said = {}
    for name, labels, value in re.findall(r"^  (istio_\w+)\{(.*)\} (?:\+|observes) (\S+)$", done.stdout, re.M):
        said[name, frozenset(re.findall(r'(\w+)="([^"]*)"', labels))] = float(value)
    assert len(said) == 4, done.stdout + done.stderr
    with Weir(tmp_path / "weir", flags=[f"--metrics.rules={source}"]) as weir:
        mixer.Client(weir.grpc).report([{**told, "request.time": mixer.now(), "response.duration": 1.5}])
        samples = weir.samples()
        counted = {(name.removesuffix("_sum"), frozenset(labels)): value for (name, labels), value in samples.items()
                   if name == "istio_requests_total" or name.startswith("istio_") and name.endswith("_sum")}
        assert counted == said
        weir.ledger()


def test_the_addresses_of_both_ends_are_in_a_line(tmp_path):
    rules, log = tmp_path / "own.yaml", tmp_path / "lines.log"
    rules.write_text(OWN + LOG.replace("FILE_PATH", str(log)).replace(
        "code: response.code | 0", 'kind: context.reporter.kind, from: source.ip | ip("0.0.0.0"), to: destination.ip | ip("0.0.0.0")'))
    with Weir(tmp_path / "weir", flags=[f"--metrics.rules={rules}"]) as weir:
        ends = {"source.ip": bytes([10, 0, 0, 1]), "destination.ip": bytes([10, 0, 0, 2])}
        mixer.Client(weir.grpc).report([bag("/a", **ends), bag("/b", **{**ends, "context.reporter.kind": "outbound"})])
        until(lambda: weir.total("weir_log_entries_total", result="written") == 2, "two lines")
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert [(l["from"], l["to"]) for l in lines] == [("10.0.0.1", "10.0.0.2")] * 2
        mtcap.replay(weir, "envoy-als")
        requests = weir.total("shop_things_total")
        until(lambda: weir.total("weir_log_entries_total", result="written") == requests, "all lines")
        of_envoy = [json.loads(line) for line in log.read_text().splitlines()[2:]]
        assert len(of_envoy) > 100
        # Whoever tells knows its own address: of an Envoy, its node id does.
        assert not [l for l in of_envoy if (l["from"] if l["kind"] == "outbound" else l["to"]) == "0.0.0.0"]
        assert {l["from"] for l in of_envoy if l["kind"] == "outbound"} >= {"127.1.0.10", "127.1.0.11", "127.1.0.14"}
        weir.ledger()


def test_what_proxies_count_themselves_takes_nothing_from_other_rules(tmp_path):
    """metrics.istio is about istio_* alone: rules of one's own and lines of log go on."""
    rules, log = tmp_path / "own.yaml", tmp_path / "lines.log"
    rules.write_text(OWN + LOG.replace("FILE_PATH", str(log)) + "---" + OWN.replace("things", "same").replace("took", "also").replace(
        "name: handler", "name: other").replace("handler: handler", "handler: other").replace("name: all", "name: more"))
    with Weir(tmp_path / "weir", flags=[f"--metrics.rules=builtin,{rules}", "--metrics.istio=off"]) as weir:
        mixer.Client(weir.grpc).report([bag("/a"), bag("/b")])
        until(lambda: weir.total("weir_log_entries_total", result="written") == 2, "two lines")
        assert weir.total("shop_things_total") == weir.total("shop_took_seconds_count") == weir.total("shop_same_total") == 2
        assert not [name for name, _ in weir.samples() if name.startswith("istio_")]
        weir.ledger()
