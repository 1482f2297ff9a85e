"""Goal: a real API server, and what its store holds, is understood: lists from its cache and in exact pages, the watch,
bookmarks and versions that are forgotten, peers by name and by address, what an account may and may not.

Debian's etcd below Kubernetes' own API server, built from its Go modules; no kubelet: the test says what one would.
`./dev test --peers`; needs Go (or PEERS_GO, a folder with the binaries)."""

import contextlib
import json
import signal
import socket
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest
from authority import Authority
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from test_workloads import bag, known, report, rfc3339
from weir import Weir, until

pytestmark = pytest.mark.peers


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """An API server with its store; `ask` speaks to it as the administrator."""

    def __init__(self, folder, binaries):
        self.folder, self.processes = folder, []
        authority = Authority()
        cert, key = authority.issue("kube").write(folder, "kube")
        (folder / "ca.pem").write_bytes(authority.pem)
        (folder / "accounts.pem").write_bytes(rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()))
        (folder / "tokens.csv").write_text('root,admin,1,"system:masters"\nweirs,weir,2\nnobodys,nobody,3\n')
        (folder / "token").write_text("weirs\n")
        store, peer, self.port = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}", free_port()
        self.context = ssl.create_default_context(cadata=authority.pem.decode())
        self.commands = [
            [str(binaries / "etcd"), f"--data-dir={folder}/etcd", f"--listen-client-urls={store}", f"--advertise-client-urls={store}",
             f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}"],
            [str(binaries / "kube-apiserver"), f"--etcd-servers={store}", "--bind-address=127.0.0.1", f"--secure-port={self.port}",
             f"--tls-cert-file={cert}", f"--tls-private-key-file={key}", f"--cert-dir={folder}/certs",
             f"--token-auth-file={folder}/tokens.csv", "--authorization-mode=RBAC", "--service-account-issuer=https://x",
             f"--service-account-key-file={folder}/accounts.pem", f"--service-account-signing-key-file={folder}/accounts.pem",
             "--service-cluster-ip-range=10.96.0.0/16", "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
             "--allow-privileged=true", "--watch-cache=true"]]
        self.url = f"https://127.0.0.1:{self.port}"

    def spawn(self, number):
        with open(self.folder / f"log-{number}", "ab") as log:
            return subprocess.Popen(self.commands[number], stdout=log, stderr=log, cwd=self.folder)

    def start_server(self):
        self.processes.append(self.spawn(1))
        until(self.is_ready, "the API server", 120)

    def stop_server(self):
        """As its machine does that goes down: else it would wait a minute for its watches to end."""
        process = self.processes.pop()
        process.kill()
        process.wait(90)

    def __enter__(self):
        try:
            self.processes.append(self.spawn(0))
            self.start_server()
            self.settle()
        except BaseException:
            self.__exit__()
            raise
        return self

    def settle(self):
        """The account that weir has, and a namespace."""
        rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
        rbac, group = "/apis/rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"
        self.ask("POST", f"{rbac}/clusterroles", {"metadata": {"name": "weir"}, "rules": rules})
        self.ask("POST", f"{rbac}/clusterrolebindings", {
            "metadata": {"name": "weir"}, "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "weir"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "weir"}]})
        with contextlib.suppress(urllib.error.HTTPError):  # the server makes that one itself, sooner or later
            self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "default"}})

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
            process.wait(90)

    def is_ready(self):
        assert all(p.poll() is None for p in self.processes), (self.folder / "log-1").read_text()[-2000:]
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            return self.ask("GET", "/readyz") == b"ok"

    def ask(self, method, path, body=None, kind="application/json"):
        headers = {"Authorization": "Bearer root", "Content-Type": kind}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode() if body else None, headers, method=method)
        with urllib.request.urlopen(request, context=self.context, timeout=60) as answer:
            return answer.read()

    # --- what a kubelet, and who makes pods, would say ---

    def add(self, name, app, ip, node="node-a", host_network=False, owner="back"):
        self.ask("POST", "/api/v1/namespaces/default/pods", {
            "metadata": {"name": name, "labels": {"app": app}, "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": owner, "uid": "1", "controller": True}]},
            "spec": {"nodeName": node, "hostNetwork": host_network, "automountServiceAccountToken": False,
                     "containers": [{"name": "c", "image": "i"}]}})
        self.ask("PATCH", f"/api/v1/namespaces/default/pods/{name}/status", {"status": {
            "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "192.168.1.1", "startTime": rfc3339()}},
            "application/merge-patch+json")

    def label(self, name, app):
        self.ask("PATCH", f"/api/v1/namespaces/default/pods/{name}", {"metadata": {"labels": {"app": app}}},
                 "application/merge-patch+json")

    def delete(self, name):
        self.ask("DELETE", f"/api/v1/namespaces/default/pods/{name}?gracePeriodSeconds=0")

    def flags(self):
        return ["--identity.pods=kubernetes", f"--identity.api_url={self.url}", "--identity.node=node-a",
                f"--identity.token_file={self.folder}/token", f"--identity.ca_file={self.folder}/ca.pem"]


@pytest.fixture
def cluster(tmp_path, kubernetes):
    with Cluster(tmp_path, kubernetes) as running:
        yield running


def asked_until(weir, what, why, *bags):
    """Reports until a series has these labels."""
    return until(lambda: (report(weir, *bags), weir.total("istio_requests_total", **what))[1], why)


def test_the_own_node_is_watched_and_others_are_looked_up(tmp_path, cluster):
    cluster.add("own-0", "one", "10.0.0.5")
    cluster.add("far-0", "far", "10.0.1.6", node="node-b")
    cluster.add("far-1", "far-1", "fd00::6", node="node-b")
    cluster.add("agent-0", "agent", "192.168.1.2", node="node-b", host_network=True)
    with Weir(tmp_path / "weir", flags=cluster.flags()) as weir:
        known(weir, 1)
        report(weir, bag(destination="kubernetes://own-0.default", **{"source.ip": bytes([10, 0, 0, 5])}))
        assert weir.total("istio_requests_total", destination_app="one", source_app="one", source_workload="back") == 1
        # Peers: by name, by address of either family; whose address is a node's, and who is nobody.
        asked_until(weir, {"source_app": "far"}, "the name", bag(source="kubernetes://far-0.default"))
        asked_until(weir, {"source_app": "far-1"}, "the address", bag(**{"source.ip": bytes([0xfd, *[0] * 14, 6])}))
        ends = bag(source="kubernetes://ghost-0.default", destination="kubernetes://own-0.default")
        report(weir, ends, bag(**{"source.ip": bytes([192, 168, 1, 2])}))
        until(lambda: weir.total("weir_pods_peers_total", result="nobody") >= 2, "two who are nobody")
        assert weir.total("istio_requests_total", source_workload="agent") == 0
        # What comes, changes and goes.
        cluster.add("late-0", "late", "10.0.0.7")
        asked_until(weir, {"destination_app": "late"}, "the new pod", bag(destination="kubernetes://late-0.default"))
        cluster.label("own-0", "two")
        asked_until(weir, {"destination_app": "two"}, "the new label", bag(destination="kubernetes://own-0.default"))
        cluster.delete("late-0")
        late = bag(destination="kubernetes://own-0.default", **{"source.ip": bytes([10, 0, 0, 7])})
        asked_until(weir, {"source_workload": "unknown", "destination_app": "two"}, "its end", late)
        assert weir.total("weir_pods_refreshes_total", result="failed") == 0
        assert weir.total("weir_pods_peers_total", result="failed") == 0


def test_a_list_comes_whole_from_the_cache_and_in_pages_when_it_is_exact(tmp_path, cluster):
    for i in range(260):
        cluster.add(f"many-{i}", f"app-{i}", f"10.0.{i // 250}.{i % 250 + 1}")
    first = json.loads(cluster.ask("GET", "/api/v1/pods?limit=250&fieldSelector=spec.nodeName%3Dnode-a"))
    assert len(first["items"]) == 250 and first["metadata"]["continue"]
    with Weir(tmp_path / "weir", flags=cluster.flags()) as weir:
        known(weir, 260)
        weir.process.send_signal(signal.SIGHUP)
        until(lambda: weir.total("weir_pods_refreshes_total", result="used") == 2, "the exact list")
        report(weir, bag(destination="kubernetes://many-259.default"))
        assert weir.total("istio_requests_total", destination_app="app-259") == 1
        assert weir.total("weir_pods") == 260 and weir.total("weir_pods_refreshes_total", result="failed") == 0


def test_a_server_that_starts_again_is_watched_again(tmp_path, cluster):
    cluster.add("own-0", "one", "10.0.0.5")
    with Weir(tmp_path / "weir", flags=cluster.flags()) as weir:
        known(weir, 1)
        cluster.stop_server()
        until(lambda: weir.total("weir_pods_refreshes_total", result="failed") >= 1, "the failure")
        report(weir, bag(destination="kubernetes://own-0.default"))
        assert weir.total("istio_requests_total", destination_app="one") == 1
        cluster.start_server()
        cluster.add("late-0", "late", "10.0.0.7")
        known(weir, 2)


@pytest.mark.parametrize("token,status", [("nobodys", 403), ("strangers", 401)])
def test_an_account_that_may_not_is_told_so_and_tries_again(tmp_path, cluster, token, status):
    cluster.add("own-0", "one", "10.0.0.5")
    (cluster.folder / "token").write_text(token)
    with Weir(tmp_path / "weir", flags=cluster.flags()) as weir:
        until(lambda: weir.total("weir_pods_refreshes_total", result="failed") >= 1, "the refusal")
        assert f"the server answers {status}" in weir.log()
        (cluster.folder / "token").write_text("weirs")
        known(weir, 1)
