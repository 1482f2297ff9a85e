"""A kubelet and an API server, as far as weir asks them: pods, listed, watched and looked up, over HTTPS with a token.

Pods are plain dictionaries. Faults are set by name and stay until they are taken back; every request is noted with its
time, so a test counts them instead of waiting.

As real API servers do: a list at version 0 comes whole from the cache, any other in pages of `limit`; a token of a page
stands for its version, and beside it none may be told; versions that are forgotten are 410, as a status or as an event;
bookmarks come to those who want them; a watch ends after a while without a fault; an address is only looked for among
the first ones of pods."""

import contextlib
import http.server
import json
import ssl
import threading
import time
import urllib.parse

import authority

SINCE = "2020-01-01T00:00:00Z"


def pod(name, namespace="default", owner=None, labels=None, ip=None, node="node-a", uid=None, account="default",
        host_network=False, since=SINCE, phase="Running", host_ip="192.168.1.1"):
    """As Kubernetes says it; `owner` is (kind, name)."""
    metadata = {"name": name, "namespace": namespace, "uid": uid or f"uid-{namespace}-{name}",
                "creationTimestamp": since, "labels": dict(labels or {}),
                "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:app": {}}}}}]}
    if owner:
        metadata["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": owner[0], "name": owner[1], "controller": True}]
    spec = {"nodeName": node, "serviceAccountName": account, "containers": [{"name": "c", "env": [{"name": "A"}]}]}
    if host_network:
        spec["hostNetwork"] = True
    status = {"phase": phase, "hostIP": host_ip, "startTime": since}
    if ip:
        status |= {"podIP": ip, "podIPs": [{"ip": ip}]}
    return {"metadata": metadata, "spec": spec, "status": status}


def status(code):
    """What an API server says instead of an object."""
    return json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code}).encode()


class Kube:
    """`with Kube(folder) as kube`: serves until the end. `flags` are what weir needs to be told of it."""

    def __init__(self, folder, token="first", has_tls=True):
        self.folder, self.token = folder, token if has_tls else None  # nobody should tell one in the clear
        self.pods, self.events, self.version, self.oldest = {}, [], 100, 0
        self.faults, self.requests, self.watchers, self.watches_end = {}, [], 0, 0
        self.changed = threading.Condition()
        self.is_closing = self.closes_connections = False
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority_change()
        (folder / "token").write_text(token + "\n")
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
        if has_tls:
            self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if has_tls else ''}://127.0.0.1:{self.server.server_address[1]}"

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

    def authority_change(self):
        """Another one signs from now on, and its certificate is in the file; connections are closed behind an answer."""
        self.authority = authority.Authority()
        self.context.load_cert_chain(*self.authority.issue("kube").write(self.folder, "kube"))
        self.closes_connections = bool(self.requests)
        (self.folder / "kube-ca.pem").write_bytes(self.authority.pem)

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

    def end_watches(self):
        """As after timeoutSeconds."""
        with self.changed:
            self.watches_end += 1
            self.changed.notify_all()

    def fault(self, what=None, kind=None, **headers):
        """`what`: list, page (one behind the first), watch, peer or kubelet; `kind`: a status (`headers` go with it, `_`
        for `-`), "hang", "huge", "garbage", of a watch "gone"; None takes it back."""
        with self.changed:
            self.faults = {what: (kind, headers)} if what else {}
            self.changed.notify_all()

    def count(self, what):
        return len(self.paths(what))

    def paths(self, what):
        with self.changed:
            return [path for one, path, _ in self.requests if one == what]

    def times(self, what):
        with self.changed:
            return [when for one, _, when in self.requests if one == what]

    # --- answering ---

    def answer(self, request):
        url = urllib.parse.urlsplit(request.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        selector = query.get("fieldSelector", "")
        what = ("kubelet" if url.path == "/pods" else "watch" if "watch" in query else "page" if "continue" in query else
                "list" if selector.startswith("spec.nodeName=") else "peer")
        with self.changed:
            self.requests.append((what, request.path, time.monotonic()))
            self.changed.notify_all()
            fault, headers = self.faults.get(what, (None, {}))
        if request.headers.get("Authorization") != (f"Bearer {self.token}" if self.token else None):
            return self.send(request, 401, status(401))
        if fault == "hang":
            with self.changed:
                self.changed.wait_for(lambda: self.is_closing or what not in self.faults)
            return self.send(request, 503, status(503))
        if fault == "huge":
            return self.send_huge(request)
        if fault == "garbage":
            return self.send(request, 200, b'{"kind":"PodList","items":[{"metadata":{"name":"x",]}\n')
        if isinstance(fault, int):
            return self.send(request, fault, status(fault), headers)
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
            return (200, json.dumps({"kind": "Pod", **found[0]}).encode()) if found else (404, status(404))
        if field == "spec.nodeName":
            pods = [p for p in pods if p["spec"]["nodeName"] == value]
        elif field == "status.podIP":
            pods = [p for p in pods if p["status"].get("podIP") == value]
        metadata = {"resourceVersion": str(version)}
        if "continue" in query and "resourceVersion" in query:
            return 400, status(400)
        if "limit" in query and query.get("resourceVersion") != "0":
            at, limit = int(query.get("continue", "at+0/=").removeprefix("at+").removesuffix("/=")), int(query["limit"])
            rest, pods = pods[at + limit:], pods[at:at + limit]
            if rest:
                metadata |= {"continue": f"at+{at + limit}/=", "remainingItemCount": len(rest)}
        return 200, json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": pods}).encode()

    def send(self, request, code, body, headers=None):
        request.send_response(code)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            request.send_header(name.replace("_", "-"), value)
        if self.closes_connections:
            request.send_header("Connection", "close")
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
            return self.send(request, 410, status(410))
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        with self.changed:
            self.watchers += 1
            end = self.watches_end
            self.changed.notify_all()
        try:
            while True:
                with self.changed:
                    self.changed.wait_for(lambda: self.is_closing or self.faults.get("watch") or end < self.watches_end or
                                          version < self.oldest or any(v > version for v, _, _ in self.events))
                    fault = self.faults.get("watch", (None,))[0]
                    is_gone = version < self.oldest or fault == "gone"
                    is_over = end < self.watches_end
                    if self.is_closing or (fault and not is_gone):
                        break
                    new = [e for e in self.events if e[0] > version]
                if is_gone:
                    self.line(request, "ERROR", json.loads(status(410)))
                    break
                for version, kind, one in new:
                    if kind == "BOOKMARK" or one["spec"]["nodeName"] == node:
                        self.line(request, kind, one)
                if is_over:
                    break
        finally:
            with self.changed:
                self.watchers -= 1
                self.changed.notify_all()
        request.wfile.write(b"0\r\n\r\n")

    def line(self, request, kind, one):
        data = json.dumps({"type": kind, "object": one}).encode() + b"\n"
        self.chunk(request, data[:7])  # a piece is not a line
        self.chunk(request, data[7:])
