"""A kubelet and an API server, as far as weir asks them: pods, listed, watched and looked up, over HTTPS with a token.

Pods are plain dictionaries. Faults are set by name and stay until they are taken back; every request is noted, so a test
counts them instead of waiting."""

import contextlib
import http.server
import json
import ssl
import threading
import urllib.parse

import authority

SINCE = "2020-01-01T00:00:00Z"


def pod(name, namespace="default", owner=None, labels=None, ip=None, node="node-a", uid=None, account="default",
        host_network=False, since=SINCE, phase="Running"):
    """As Kubernetes says it; `owner` is (kind, name)."""
    metadata = {"name": name, "namespace": namespace, "uid": uid or f"uid-{namespace}-{name}",
                "creationTimestamp": since, "labels": dict(labels or {})}
    if owner:
        metadata["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": owner[0], "name": owner[1], "controller": True}]
    spec = {"nodeName": node, "serviceAccountName": account, "containers": [{"name": "c", "env": [{"name": "A"}]}]}
    if host_network:
        spec["hostNetwork"] = True
    status = {"phase": phase, "hostIP": "192.168.1.1"}
    if ip:
        status |= {"podIP": ip, "podIPs": [{"ip": ip}]}
    return {"metadata": metadata, "spec": spec, "status": status}


class Kube:
    """`with Kube(folder) as kube`: serves until the end. `flags` are what weir needs to be told of it."""

    def __init__(self, folder, token="first", page=None):
        self.folder, self.token, self.page = folder, token, page
        self.pods, self.events, self.version, self.oldest = {}, [], 100, 0
        self.faults, self.requests, self.watchers = {}, [], 0
        self.changed = threading.Condition()
        self.is_closing = False
        self.authority = authority.Authority()
        (folder / "kube-ca.pem").write_bytes(self.authority.pem)
        cert, key = self.authority.issue("kube").write(folder, "kube")
        self.token_give(token)
        kube = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
                    kube.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        with self.changed:
            self.is_closing = True
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()

    def flags(self, kind, node="node-a"):
        where = "kubelet_url" if kind == "kubelet" else "api_url"
        return [f"--identity.pods={kind}", f"--identity.{where}={self.url}", f"--identity.node={node}",
                f"--identity.token_file={self.folder}/token", f"--identity.ca_file={self.folder}/kube-ca.pem",
                "--identity.interval=1"]

    def token_give(self, token, is_file_too=True):
        self.token = token
        if is_file_too:
            (self.folder / "token.new").write_text(token + "\n")
            (self.folder / "token.new").rename(self.folder / "token")

    # --- what happens in the cluster ---

    def _event(self, kind, one):
        with self.changed:
            self.version += 1
            one = json.loads(json.dumps(one))
            one["metadata"]["resourceVersion"] = str(self.version)
            key = (one["metadata"]["namespace"], one["metadata"]["name"])
            if kind == "DELETED":
                self.pods.pop(key, None)
            elif kind != "BOOKMARK":
                self.pods[key] = one
            self.events.append((self.version, kind, one))
            self.changed.notify_all()

    def add(self, *pods):
        for one in pods:
            self._event("ADDED", one)

    def modify(self, one):
        self._event("MODIFIED", one)

    def delete(self, one):
        self._event("DELETED", one)

    def bookmark(self):
        self._event("BOOKMARK", {"kind": "Pod", "metadata": {"name": "", "namespace": ""}})

    def forget(self):
        """What happened so far cannot be watched any more: 410."""
        with self.changed:
            self.oldest = self.version + 1
            self.version += 1
            self.changed.notify_all()

    def fault(self, what=None, kind=None):
        """`what`: list, watch, peer or kubelet; `kind`: a status, "hang", "huge", "garbage"; None takes it back."""
        with self.changed:
            self.faults = {what: kind} if what else {}
            self.changed.notify_all()

    def count(self, what):
        with self.changed:
            return sum(1 for one, _ in self.requests if one == what)

    def paths(self, what):
        with self.changed:
            return [path for one, path in self.requests if one == what]

    # --- answering ---

    def answer(self, request):
        url = urllib.parse.urlsplit(request.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        selector = query.get("fieldSelector", "")
        what = ("kubelet" if url.path == "/pods" else "watch" if "watch" in query else
                "list" if selector.startswith("spec.nodeName=") else "peer")
        with self.changed:
            self.requests.append((what, request.path))
            self.changed.notify_all()
            fault = self.faults.get(what)
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return self.send(request, 401, b'{"kind":"Status","code":401}')
        if fault == "hang":
            with self.changed:
                self.changed.wait_for(lambda: self.is_closing or self.faults.get(what) != "hang")
            return self.send(request, 503, b"")
        if fault == "huge":
            return self.send_huge(request)
        if fault == "garbage":
            return self.send(request, 200, b'{"kind":"PodList","items":[{"metadata":{"name":"x",]}\n')
        if fault:
            return self.send(request, fault, b'{"kind":"Status"}')
        if what == "watch":
            return self.watch(request, selector.partition("=")[2], int(query["resourceVersion"]))
        return self.send(request, *self.find(what, url.path, selector, query))

    def find(self, what, path, selector, query):
        field, _, value = selector.partition("=")
        with self.changed:
            pods, version = list(self.pods.values()), self.version
        if what == "peer" and not selector:
            _, _, _, _, space, _, name = path.split("/")
            found = [p for p in pods if (p["metadata"]["namespace"], p["metadata"]["name"]) == (space, name)]
            return (200, json.dumps({"kind": "Pod", **found[0]}).encode()) if found else (404, b'{"kind":"Status"}')
        if field == "spec.nodeName":
            pods = [p for p in pods if p["spec"]["nodeName"] == value]
        elif field == "status.podIP":
            pods = [p for p in pods if p["status"].get("podIP") == value]
        metadata = {"resourceVersion": str(version)}
        if self.page and what == "list":
            at = int(query.get("continue", "at+0/=").removeprefix("at+").removesuffix("/="))
            rest, pods = pods[at + self.page:], pods[at:at + self.page]
            if rest:
                metadata["continue"] = f"at+{at + self.page}/="
        return 200, json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": pods}).encode()

    def send(self, request, status, body):
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def send_huge(self, request):
        """For ever, until nobody reads it."""
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        while not self.is_closing:
            self.chunk(request, b" " * 65536)

    def chunk(self, request, data):
        request.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        request.wfile.flush()

    def watch(self, request, node, version):
        if version < self.oldest:
            return self.send(request, 410, b'{"kind":"Status","code":410}')
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        with self.changed:
            self.watchers += 1
            self.changed.notify_all()
        try:
            while True:
                with self.changed:
                    self.changed.wait_for(lambda: self.is_closing or self.faults.get("watch") or
                                          version < self.oldest or any(v > version for v, _, _ in self.events))
                    if self.is_closing or self.faults.get("watch"):
                        break
                    is_gone = version < self.oldest
                    new = [e for e in self.events if e[0] > version]
                if is_gone:
                    self.line(request, "ERROR", {"kind": "Status", "code": 410, "reason": "Expired"})
                    break
                for version, kind, one in new:
                    if kind == "BOOKMARK" or one["spec"]["nodeName"] == node:
                        self.line(request, kind, one)
        finally:
            with self.changed:
                self.watchers -= 1
                self.changed.notify_all()
        request.wfile.write(b"0\r\n\r\n")

    def line(self, request, kind, one):
        data = json.dumps({"type": kind, "object": one}).encode() + b"\n"
        self.chunk(request, data[:7])  # a piece is not a line
        self.chunk(request, data[7:])
