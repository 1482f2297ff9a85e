"""Goal: `weir check` says of configurations and of rule documents whether they
are right, where they are wrong, and what they make of a record."""

import json
import pathlib
import re
import subprocess

import pytest
from weir import BUILD

WEIR = str(BUILD / "weir")
RULES = pathlib.Path(__file__).resolve().parents[1] / "rules"

HTTP = {"context.protocol": "http", "weir.reporter": "source", "context.reporter.kind": "outbound", "source.workload.name": "productpage-v1",
        "source.labels": {"app": "productpage", "version": "v1"}, "destination.service.host": "details.default.svc.cluster.local",
        "request.path": "/details/7", "request.time": "2018-09-15T20:46:36.009801Z", "response.time": "2018-09-15T20:46:36.02Z",
        "response.code": 200, "response.duration": "12ms", "weir.duration_ms": 12, "request.useragent": "curl/7"}

OWN = """apiVersion: config.istio.io/v1alpha2
kind: metric
metadata: {name: hits}
spec:
  value: 1
  dimensions:
    path: request.path | "/"
---
apiVersion: config.istio.io/v1alpha2
kind: prometheus
metadata: {name: p}
spec:
  metrics:
  - {name: hits_total, instance_name: hits.metric, kind: COUNTER, label_names: [path]}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: hits}
spec:
  match: response.code >= 200 && request.method != "HEAD"
  actions:
  - {handler: p.prometheus, instances: [hits.metric]}
"""


def check(*arguments):
    return subprocess.run([WEIR, "check", *map(str, arguments)], capture_output=True, text=True, timeout=30)


def explain(tmp_path, record, *arguments):
    path = tmp_path / "record.json"
    path.write_text(record if isinstance(record, str) else json.dumps(record))
    return check("--explain", path, *arguments)


@pytest.mark.parametrize("name", ["istio-1.0.yaml", "istio-1.1.yaml", "istio-1.4.yaml"])
def test_stock_configurations_are_right(name):
    done = check(RULES / name)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"{name}: right\n")
    assert "note: DestinationRule passed over" in done.stdout and "warning" not in done.stdout


def test_a_configuration_is_checked_with_the_rules_that_it_names(tmp_path):
    rules, config = tmp_path / "rules", tmp_path / "weir.yaml"
    rules.mkdir()
    (rules / "own.yaml").write_text(OWN)
    config.write_text(f"metrics:\n  rules: [builtin, {rules}]\n  profile: both\n")
    done = check(config)
    assert done.returncode == 0, done.stderr
    (rules / "own.yaml").write_text(OWN.replace("request.path", "request.pth"))
    done = check(config)
    assert done.returncode == 1
    assert f"{rules}/own.yaml:7:11: " in done.stderr and "request.pth" in done.stderr
    (rules / "own.yaml").write_text(OWN.replace("hits_total", "requests_total"))
    done = check(config)
    assert done.returncode == 1 and "istio_requests_total" in done.stderr and "builtin:" in done.stderr
    assert check(rules / "own.yaml").returncode == 0  # alone there is no other of that name
    assert check(rules).returncode == 0


def test_what_stands_in_builtin_too_is_said_to(tmp_path):
    config = tmp_path / "weir.yaml"
    config.write_text(f"metrics:\n  rules: [builtin, {RULES}/istio-1.4.yaml]\n")
    done = check(config)
    assert done.returncode == 1 and "istio_requests_total" in done.stderr and "leave builtin out of metrics.rules" in done.stderr


def test_rules_that_do_nothing_or_less_than_in_mixer_are_warned_of(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("# nothing yet\n")
    config = tmp_path / "weir.yaml"
    config.write_text(f"metrics:\n  rules: [{path}]\n")
    done = check(config)
    assert done.returncode == 0 and f"{path}: warning: no rule counts or logs anything\n" in done.stdout, done.stdout
    path.write_text(OWN)
    assert "warning" not in check(path).stdout
    path.write_text(OWN.replace("kind: rule\nmetadata: {name: hits}", "kind: rule\nmetadata: {name: hits, namespace: shop}"))
    done = check(path)
    assert done.returncode == 0
    assert ":16:1: warning: rule hits: Mixer applied it to requests of the namespace shop only, weir applies it to all" in done.stdout, done.stdout
    path.write_text(OWN.replace("kind: rule\nmetadata: {name: hits}", "kind: rule\nmetadata: {name: hits, namespace: istio-system}"))
    assert "warning" not in check(path).stdout


@pytest.mark.parametrize("duration", ["0s", "-1m", "soon", "10"])
def test_an_expiry_is_a_duration(tmp_path, duration):
    path = tmp_path / "rules.yaml"
    path.write_text(OWN.replace("  metrics:\n", f"  metricsExpirationPolicy: {{metricsExpiryDuration: {duration}}}\n  metrics:\n"))
    done = check(path)
    assert done.returncode == 1 and f"{path}:13:52: metricsExpiryDuration is a duration above 0" in done.stderr, done.stderr


def test_an_expression_that_is_wrong_is_said_with_its_place(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(OWN.replace("response.code >= 200", "response.code >= \"200\""))
    done = check(path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"weir: {path}:20:"), done.stderr


# Istio's own task "Collecting Logs": severity_levels by number, as protobuf's JSON may have enumerations.
NUMBERED = OWN.replace("kind: COUNTER", "kind: 2") + """---
apiVersion: config.istio.io/v1alpha2
kind: logentry
metadata: {name: newlog}
spec:
  severity: '"warning"'
  timestamp: request.time
  variables:
    user: source.user | "unknown"
    host: request.host
    code: response.code
---
apiVersion: config.istio.io/v1alpha2
kind: stdio
metadata: {name: newhandler}
spec:
  severity_levels:
    warning: 1 # Params.Level.WARNING
  outputAsJson: true
  logStream: 1
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: newlogstdio}
spec:
  match: "true"
  actions:
  - {handler: newhandler.stdio, instances: [newlog.logentry]}
"""
BAG = {"context.protocol": "http", "request.time": "2018-09-15T20:46:36Z", "response.code": 200, "request.host": "shop",
       "request.method": "GET"}


def test_enumerations_stand_by_name_or_by_number(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(NUMBERED)
    done = explain(tmp_path, BAG, path)
    assert done.returncode == 0, done.stderr
    assert 'log newhandler: {"level":"warn",' in done.stdout and 'istio_hits_total{path="/"} + 1' in done.stdout
    for right, wrong, what in [("kind: 2", "kind: 0", "COUNTER, GAUGE or DISTRIBUTION"), ("warning: 1", "warning: 3", "INFO, WARNING or ERROR"),
                               ("logStream: 1", "logStream: 4", "STDOUT, STDERR, FILE or ROTATED_FILE")]:
        path.write_text(NUMBERED.replace(right, wrong))
        done = check(path)
        assert done.returncode == 1 and what in done.stderr, done.stderr


def test_an_explanation_says_why_there_is_no_line(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(NUMBERED)
    for unset, variable in [("request.host", "host"), ("response.code", "code"), ("request.time", "timestamp")]:
        done = explain(tmp_path, {**BAG, unset: None}, path)
        assert f"log newhandler: no line: {variable} cannot be told; {unset} is unset\n" in done.stdout, done.stdout
    path.write_text(NUMBERED.replace("  outputAsJson: true\n", "  outputLevel: ERROR\n"))
    done = explain(tmp_path, BAG, path)
    assert "log newhandler: no line: its severity is below the handler's outputLevel\n" in done.stdout, done.stdout


def test_what_follows_from_others_need_not_be_told(tmp_path):
    bag = {**BAG, "context.reporter.kind": "inbound", "source.workload.name": "shop-v1", "source.principal": "cluster.local/ns/a/sa/shop",
           "source.workload.namespace": "a", "destination.labels": {"app": "cart", "version": "v2"}, "destination.service": "cart.a.svc.cluster.local",
           "connection.mtls": True, "response.duration": "12.9ms", "request.path": "/cart?x=1", "request.total_size": 77}
    lines = explain(tmp_path, bag).stdout.splitlines()
    count = next(line for line in lines if line.startswith("  istio_requests_total{"))
    for label in ['reporter="destination"', 'source_canonical_service="shop-v1"', 'source_principal="spiffe://cluster.local/ns/a/sa/shop"',
                  'destination_canonical_service="cart"', 'destination_canonical_revision="v2"', 'connection_security_policy="mutual_tls"',
                  'destination_service="cart.a.svc.cluster.local"', 'destination_service_name="cart"', 'destination_service_namespace="a"']:
        assert label in count, label
    assert any(line.startswith("  istio_request_duration_milliseconds{") and line.endswith(" observes 12") for line in lines)
    path = tmp_path / "rules.yaml"
    path.write_text(OWN.replace('request.path | "/"', "request.url_path").replace("value: 1", "value: request.size"))
    assert 'istio_hits_total{path="/cart"} + 77' in explain(tmp_path, bag, path).stdout
    path.write_text(NUMBERED.replace("response.code\n---", "response.time\n---"))
    assert '"code":"2018-09-15T20:46:36.012900Z"' in explain(tmp_path, bag, path).stdout
    outbound = explain(tmp_path, {**bag, "context.reporter.kind": "outbound"}).stdout
    assert 'reporter="source"' in outbound and 'connection_security_policy="unknown"' in outbound
    told = explain(tmp_path, {**bag, "weir.reporter": "waypoint"}).stdout  # what is told stays
    assert 'reporter="waypoint"' in told


def test_the_example_of_the_readme_is_counted(tmp_path):
    text = (RULES.parents[1] / "collector/rules/README.md").read_text()
    record = re.search(r'\n(    \{"context.protocol".*?\})\n\n', text, re.S).group(1)
    done = explain(tmp_path, record)
    assert done.returncode == 0, done.stderr
    assert "observes 0.012\n" in done.stdout and 'destination_service_name="cart"' in done.stdout


def test_missing_files_are_named(tmp_path):
    assert "nothing.yaml" in check(tmp_path / "nothing.yaml").stderr
    assert "nothing.json" in check("--explain", tmp_path / "nothing.json").stderr
    done = check("--explain")
    assert done.returncode == 2 and "RECORD.json" in done.stderr
    assert check().returncode == 2


def test_an_explanation_names_rules_series_values_and_lines(tmp_path):
    done = explain(tmp_path, HTTP, RULES / "istio-1.4.yaml")
    assert done.returncode == 0, done.stderr
    rules = {part.split(" ")[0]: part for part in done.stdout.split("\nrule ")}
    assert "matches" in rules["promhttp"].splitlines()[0]
    series = next(line for line in rules["promhttp"].splitlines() if "istio_requests_total" in line)
    assert 'source_app="productpage"' in series and 'reporter="source"' in series and series.endswith("} + 1")
    assert any(line.startswith("  istio_request_duration_seconds{") and line.endswith(" observes 0.012")
               for line in rules["promhttp"].splitlines())
    assert "does not match" in rules["promtcp"]
    assert 'context.protocol == "tcp" is false; context.protocol is "http"' in rules["promtcp"]
    line = next(line for line in done.stdout.splitlines() if line.startswith("  log stdio: "))
    entry = json.loads(line.removeprefix("  log stdio: "))
    assert list(entry)[:3] == ["level", "time", "instance"] and list(entry)[3:] == sorted(list(entry)[3:])
    assert entry["latency"] == "12ms" and entry["url"] == "/details/7" and entry["responseCode"] == 200
    assert entry["instance"] == "accesslog.instance.istio-system"


def test_the_builtin_rules_are_explained_by_profile(tmp_path):
    alone = explain(tmp_path, HTTP)
    assert alone.returncode == 0, alone.stderr
    assert "istio_request_duration_milliseconds{" in alone.stdout and "istio_request_duration_seconds{" not in alone.stdout
    assert "source_cluster" not in alone.stdout and "permissive" not in alone.stdout
    both = explain(tmp_path, HTTP, "--metrics.profile=both")
    assert "istio_request_duration_milliseconds{" in both.stdout and "istio_request_duration_seconds{" in both.stdout
    mixer = explain(tmp_path, {**HTTP, "weir.signal": "mixer"})
    assert "istio_request_duration_milliseconds{" not in mixer.stdout and 'permissive_response_code="none"' in mixer.stdout
    config = tmp_path / "weir.yaml"
    config.write_text("metrics: {profile: both}\n")
    assert explain(tmp_path, HTTP, f"--config={config}").stdout == both.stdout


def test_an_unset_attribute_is_the_reason(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(OWN)
    done = explain(tmp_path, {"response.code": 200}, path)
    assert 'request.method != "HEAD" cannot be told' in done.stdout and "request.method is unset" in done.stdout
    done = explain(tmp_path, {"response.code": 200, "request.method": "GET", "request.path": "/users/4711?x=1"}, path)
    assert 'istio_hits_total{path="/users/{id}"} + 1' in done.stdout


def test_an_entry_that_is_not_there_is_empty_of_requests_and_unset_of_connections(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(OWN.replace("response.code >= 200 && request.method", 'request.headers["x"]'))
    done = explain(tmp_path, {"context.protocol": "http"}, path)
    assert "rule hits" in done.stdout and "matches\n  istio_hits_total" in done.stdout, done.stdout
    done = explain(tmp_path, {"context.protocol": "http", "request.headers": {"x": "HEAD"}}, path)
    assert 'request.headers["x"] != "HEAD" is false' in done.stdout, done.stdout
    done = explain(tmp_path, {"context.protocol": "tcp"}, path)
    assert 'request.headers["x"] != "HEAD" cannot be told' in done.stdout, done.stdout


@pytest.mark.parametrize("record,place,what", [
    ('{"response.code": "200"}', ":1:19:", "whole number"), ('{\n "response.cod": 200}', ":2:2:", "no attribute response.cod; did you mean response.code?"),
    ('{"response.duration": 12}', ":1:23:", "12ms"), ('{"request.headers": {"a": 1}}', ":1:2", "object of texts"),
    ('{"request.headers": "a"}', ":1:21:", "object of texts"), ('{"source.ip": "somewhere"}', ":1:15:", "address"),
    ('{"connection.mtls": 1}', ":1:21:", "true or false"), ('{"request.time": "yesterday"}', ":1:18:", "time"),
    ('[1]', ":1:1:", "object"), ('{"response.code": }', ":1:", ""), ('{"response.code": 1} x', ":1:", ""), ("", ":1:1", "")])
def test_a_record_that_is_wrong_is_said_with_its_place(tmp_path, record, place, what):
    done = explain(tmp_path, record)
    assert done.returncode == 1 and done.stdout == ""
    assert f"record.json{place}" in done.stderr and what in done.stderr, done.stderr
