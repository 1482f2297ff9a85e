"""Goal: TLS and mTLS on both protocols: who may come in, who is refused and counted, what the certificate says about a
sender, and new certificates while calls and streams go on: none fails, none breaks."""

import contextlib
import http.client
import json
import signal
import socket
import ssl
import subprocess
import threading

import grpc
import pytest
from authority import Authority
from producers import EXPORT, make_batch, StreamProducer
from weir import Weir, until

SPIFFE = "spiffe://cluster.local/ns/default/sa/reviews"
SERVICES = "/api/v2/services"


class Pki:
    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.root = Authority("root")
        (folder / "ca.pem").write_bytes(self.root.pem)
        self.renew()
        self.client = self.root.issue("client", SPIFFE)
        self.cert, self.key = self.client.write(folder, "client")

    def renew(self):
        self.root.issue("weir").write(self.folder, "server")

    def flags(self, ca=True):
        listen = [f"--listen.{p}=plain:127.0.0.1:0,tls:127.0.0.1:0" for p in ("grpc", "http")]
        flags = [f"--security.cert={self.folder}/server.pem", f"--security.key={self.folder}/server.key"]
        return listen + flags + ([f"--security.ca={self.folder}/ca.pem"] if ca else [])

    def context(self, who=None):
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if who is not None:
            context.load_cert_chain(*who)
        return context

    def credentials(self, who=None):
        if who is None:
            return grpc.ssl_channel_credentials(self.root.pem)
        cert, key = (open(path, "rb").read() for path in who)
        return grpc.ssl_channel_credentials(self.root.pem, key, cert)


@pytest.fixture
def pki(tmp_path):
    return Pki(tmp_path / "pki")


@contextlib.contextmanager
def running(tmp_path, pki, *flags, ca=True):
    with Weir(tmp_path / "weir", flags=[*pki.flags(ca), *flags]) as weir:
        fields = dict(f.split("=", 1) for f in weir.start_line.split() if "=" in f)
        weir.grpc_tls, weir.http_tls = fields["grpc"].split(",")[1], fields["http"].split(",")[1]
        yield weir
        weir.ledger()


def channel(weir, credentials):
    return grpc.secure_channel(weir.grpc_tls, credentials, options=[("grpc.use_local_subchannel_pool", 1)])


def export(weir, credentials):
    trace_id, body = make_batch(3)
    with channel(weir, credentials) as opened:
        opened.unary_unary(EXPORT)(body, timeout=20)
    return trace_id


def https(weir, context, path=SERVICES, method="GET", body=None, headers=None):
    host, port = weir.http_tls.rsplit(":", 1)
    with contextlib.closing(http.client.HTTPSConnection(host, int(port), context=context, timeout=20)) as connection:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()


def refusals(weir, reason):
    return weir.total("weir_tls_refused_total", reason=reason)


# ---- who may come in -------------------------------------------------------------------------------------------------


@pytest.mark.fast
def test_both_protocols_serve_tls_beside_plain(tmp_path, pki):
    with running(tmp_path, pki, ca=False) as weir:
        trace_id = export(weir, pki.credentials())
        status, body = https(weir, pki.context(), f"/api/v2/trace/{trace_id}")
        assert (status, len(json.loads(body))) == (200, 3)
        _, otlp = make_batch(2)
        assert https(weir, pki.context(), "/v1/traces", "POST", otlp, {"Content-Type": "application/x-protobuf"})[0] == 200
        assert weir.ledger_sum("span")["kept"] == 5
        assert weir.total("weir_tls_certificate_not_after_seconds") > 1.7e9


@pytest.mark.fast
def test_a_client_needs_a_certificate_when_there_is_a_ca(tmp_path, pki):
    with running(tmp_path, pki) as weir:
        mine = (pki.cert, pki.key)
        export(weir, pki.credentials(mine))
        assert https(weir, pki.context(mine))[0] == 200
        assert refusals(weir, "no_certificate") == 0
        with pytest.raises(grpc.RpcError) as error:
            export(weir, pki.credentials())
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE
        until(lambda: refusals(weir, "no_certificate") >= 1, "the refusal of gRPC to be counted")
        before = refusals(weir, "no_certificate")
        with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
            https(weir, pki.context())
        assert refusals(weir, "no_certificate") == before + 1
        assert weir.ledger_sum("span")["received"] == 3


@pytest.mark.fast
def test_a_client_may_come_without_one_when_it_is_only_requested(tmp_path, pki):
    with running(tmp_path, pki, "--security.client=request") as weir:
        export(weir, pki.credentials())
        assert https(weir, pki.context())[0] == 200
        export(weir, pki.credentials((pki.cert, pki.key)))
        assert https(weir, pki.context((pki.cert, pki.key)))[0] == 200


@pytest.mark.fast
@pytest.mark.parametrize("reason", ["expired", "untrusted", "self_signed"])
def test_a_bad_certificate_is_refused_and_counted_by_reason(tmp_path, pki, reason):
    authority = Authority("stranger") if reason == "untrusted" else pki.root
    bad = authority.issue("bad", SPIFFE, is_expired=reason == "expired", is_self_signed=reason == "self_signed")
    who = bad.write(pki.folder, "bad")
    with running(tmp_path, pki) as weir:
        with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
            https(weir, pki.context(who))
        assert refusals(weir, reason) == 1
        with pytest.raises(grpc.RpcError):
            export(weir, pki.credentials(who))
        until(lambda: refusals(weir, reason) >= 2, "the refusal of gRPC to be counted")
        assert weir.ledger()["rows"] == []
        export(weir, pki.credentials((pki.cert, pki.key)))


@pytest.mark.fast
def test_malformed_records_on_the_tls_ports_harm_nobody(tmp_path, pki):
    starts = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 70000,
              b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", b"\x15\x03\x01\x00\x02\x02\x28", b"\x00" * 1000, b"\x17\x03\x03\x40\x00" + b"y" * 16384]
    with running(tmp_path, pki) as weir:
        for address in (weir.http_tls, weir.grpc_tls):
            host, port = address.rsplit(":", 1)
            for start in starts:
                with socket.create_connection((host, int(port)), timeout=20) as s, contextlib.suppress(OSError):
                    s.sendall(start)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(4096):
                        pass
        until(lambda: sum(refusals(weir, r) for r in ("protocol", "other")) >= len(starts), "the refusals to be counted")
        assert https(weir, pki.context((pki.cert, pki.key)))[0] == 200
        export(weir, pki.credentials((pki.cert, pki.key)))


@pytest.mark.fast
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_s_client_shakes_hands_with_both_ports(tmp_path, pki, version):
    with running(tmp_path, pki) as weir:
        for address, alpn in ((weir.http_tls, "http/1.1"), (weir.grpc_tls, "h2")):
            done = subprocess.run(
                ["openssl", "s_client", "-connect", address, version, "-alpn", alpn, "-CAfile", str(pki.folder / "ca.pem"),
                 "-cert", pki.cert, "-key", pki.key, "-verify_return_error"],
                input=b"", capture_output=True, timeout=30)
            assert done.returncode == 0, done
            assert b"Verify return code: 0 (ok)" in done.stdout
        for old in ("-tls1", "-tls1_1"):
            done = subprocess.run(
                ["openssl", "s_client", "-connect", weir.http_tls, old, "-cipher", "ALL:@SECLEVEL=0"], input=b"",
                capture_output=True, timeout=30)
            assert done.returncode != 0


# ---- what the certificate says -------------------------------------------------------------------------------------------


def mesh_batch(namespace, account):
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
    request = trace_service_pb2.ExportTraceServiceRequest.FromString(make_batch(3)[1])
    for key, value in (("k8s.namespace.name", namespace), ("k8s.serviceaccount.name", account)):
        request.resource_spans[0].resource.attributes.add(key=key).value.string_value = value
    return request.SerializeToString()


def test_a_claim_of_another_sender_is_marked_or_refused(tmp_path, pki):
    mine = (pki.cert, pki.key)
    with running(tmp_path / "mark", pki) as weir:
        with channel(weir, pki.credentials(mine)) as opened:
            opened.unary_unary(EXPORT)(mesh_batch("default", "reviews"), timeout=20)
            assert weir.total("weir_identity_mismatched_items_total") == 0
            opened.unary_unary(EXPORT)(mesh_batch("payments", "reviews"), timeout=20)
        https(weir, pki.context(mine), "/v1/traces", "POST", mesh_batch("payments", "x"), {"Content-Type": "application/x-protobuf"})
        assert weir.total("weir_identity_mismatched_items_total") == 6
        assert weir.ledger_sum("span")["kept"] == 9
    with running(tmp_path / "reject", pki, "--security.identity=reject") as weir:
        with channel(weir, pki.credentials(mine)) as opened:
            opened.unary_unary(EXPORT)(mesh_batch("default", "reviews"), timeout=20)
            with pytest.raises(grpc.RpcError) as error:
                opened.unary_unary(EXPORT)(mesh_batch("payments", "reviews"), timeout=20)
        assert error.value.code() == grpc.StatusCode.PERMISSION_DENIED
        assert https(weir, pki.context(mine), "/v1/traces", "POST", mesh_batch("payments", "x"),
                     {"Content-Type": "application/x-protobuf"})[0] == 403
        assert weir.total("weir_refused_items_total", signal="span", reason="identity") == 6
        assert weir.ledger_sum("span")["received"] == 3


def test_a_stream_that_claims_another_sender_is_marked_or_ended(tmp_path, pki):
    """The captured proxy is not the one that the certificate names."""
    credentials = pki.credentials((pki.cert, pki.key))
    with running(tmp_path / "mark", pki) as weir:
        stream = StreamProducer(weir.grpc_tls, credentials, pause=0.01)
        stream.start()
        until(lambda: stream.messages >= 5, "messages")
        stream.halt.set()
        stream.join(30)
        entries = stream.messages * stream.ENTRIES
        until(lambda: weir.ledger_sum("access_log")["kept"] == entries, "the entries")
        assert weir.total("weir_identity_mismatched_items_total", signal="access_log") == entries
    with running(tmp_path / "reject", pki, "--security.identity=reject") as weir:
        stream = StreamProducer(weir.grpc_tls, credentials, pause=0.01)
        stream.start()
        stream.join(30)
        assert stream.failure.code() == grpc.StatusCode.PERMISSION_DENIED
        assert weir.total("weir_refused_items_total", signal="access_log", reason="identity") == stream.ENTRIES
        assert weir.ledger_sum("access_log")["received"] == 0


# ---- new certificates -----------------------------------------------------------------------------------------------------


def shown(address, context):
    """The serial number of what a new connection is shown."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=20) as raw:
        with context.wrap_socket(raw, server_hostname=host) as s:
            return s.getpeercert()["serialNumber"]


def reloads(weir, result):
    return weir.total("weir_tls_reloads_total", result=result)


@pytest.mark.fast
def test_sighup_and_a_changed_file_bring_the_new_certificate(tmp_path, pki):
    mine = (pki.cert, pki.key)
    with running(tmp_path, pki) as weir:
        both = (weir.http_tls, weir.grpc_tls)
        first = {shown(a, pki.context(mine)) for a in both}
        assert len(first) == 1
        pki.renew()
        until(lambda: first.isdisjoint(shown(a, pki.context(mine)) for a in both), "the changed files to be used")
        used = reloads(weir, "used")
        weir.process.send_signal(signal.SIGHUP)
        until(lambda: reloads(weir, "used") > used, "the reload that was asked for")


@pytest.mark.fast
def test_a_bad_new_file_keeps_the_old_certificate(tmp_path, pki):
    mine = (pki.cert, pki.key)
    with running(tmp_path, pki) as weir:
        first = shown(weir.http_tls, pki.context(mine))
        whole = (pki.folder / "server.pem").read_bytes()
        (pki.folder / "server.pem").write_bytes(whole[:200])
        until(lambda: reloads(weir, "failed") == 1, "the failure to be counted")
        assert "the new certificates cannot be used" in weir.log()
        assert shown(weir.http_tls, pki.context(mine)) == shown(weir.grpc_tls, pki.context(mine)) == first
        pki.renew()
        until(lambda: shown(weir.http_tls, pki.context(mine)) != first, "the whole files to be used")


class Caller(threading.Thread):
    """Calls until told to stop; every failure is kept."""

    def __init__(self, call):
        super().__init__(daemon=True)
        self.call, self.halt, self.calls, self.failures = call, threading.Event(), 0, []

    def run(self):
        while not self.halt.is_set():
            try:
                self.call()
            except Exception as error:  # whatever it was, it is a failed call
                self.failures.append(error)
            self.calls += 1


def test_rotation_under_load_fails_no_call_and_breaks_no_stream(tmp_path, pki):
    mine = (pki.cert, pki.key)
    headers = {"Content-Type": "application/x-protobuf"}
    with running(tmp_path, pki) as weir, contextlib.ExitStack() as stack:
        kept = stack.enter_context(channel(weir, pki.credentials(mine)))
        host, port = weir.http_tls.rsplit(":", 1)
        line = http.client.HTTPSConnection(host, int(port), context=pki.context(mine), timeout=20)
        stack.callback(line.close)

        def post_on_one_connection():
            line.request("POST", "/v1/traces", make_batch(3)[1], headers)
            answer = line.getresponse()
            answer.read()
            assert answer.status == 200

        def post_on_a_new_one():
            assert https(weir, pki.context(mine), "/v1/traces", "POST", make_batch(3)[1], headers)[0] == 200

        callers = [Caller(post_on_one_connection), Caller(post_on_a_new_one), Caller(lambda: export(weir, pki.credentials(mine))),
                   Caller(lambda: kept.unary_unary(EXPORT)(make_batch(3)[1], timeout=20))]
        stream = StreamProducer(weir.grpc_tls, credentials=pki.credentials(mine), pause=0.002)
        for thread in [*callers, stream]:
            thread.start()
        seen = set()
        for turn in range(6):
            until(lambda: all(c.calls > 3 * turn for c in callers), "calls with each certificate")
            pki.renew()
            until(lambda: shown(weir.http_tls, pki.context(mine)) not in seen, "the new certificate")
            seen.add(shown(weir.http_tls, pki.context(mine)))
        for thread in [*callers, stream]:
            thread.halt.set()
        for thread in [*callers, stream]:
            thread.join(30)
        assert [c.failures for c in callers] == [[], [], [], []]
        assert reloads(weir, "used") >= 5
        assert weir.ledger_sum("span")["kept"] == 3 * sum(c.calls for c in callers)
        until(lambda: weir.ledger_sum("access_log")["kept"] == stream.messages * stream.ENTRIES, "the stream's entries")
        assert stream.failure is None


# ---- what is not started ---------------------------------------------------------------------------------------------------


def fails(tmp_path, *flags):
    weir = Weir(tmp_path / "weir", flags=flags)
    weir.spawn()
    assert not weir.wait_ready()
    assert weir.process.wait(20) != 0
    return weir.log()


@pytest.mark.fast
def test_beyond_this_machine_only_with_tls_or_permission(tmp_path, pki):
    for protocol in ("grpc", "http"):
        assert "security.allow_insecure" in fails(tmp_path, f"--listen.{protocol}=0.0.0.0:0")
        assert "security.allow_insecure" in fails(tmp_path, *pki.flags(), f"--listen.{protocol}=plain:0.0.0.0:0")
    with Weir(tmp_path / "allowed", flags=["--listen.http=0.0.0.0:0", "--security.allow_insecure=true"]):
        pass
    with Weir(tmp_path / "tls", flags=[*pki.flags(), "--listen.grpc=0.0.0.0:0", "--listen.http=plain:127.0.0.1:0,tls:0.0.0.0:0"]):
        pass


@pytest.mark.fast
def test_certificates_that_cannot_be_used_stop_the_start(tmp_path, pki):
    assert "needs security.cert" in fails(tmp_path, "--listen.http=tls:127.0.0.1:0")
    assert "security.key is missing" in fails(tmp_path, f"--security.cert={pki.cert}")
    assert "is the key of another certificate" in fails(tmp_path, f"--security.cert={pki.folder}/server.pem", f"--security.key={pki.key}")
    expired = pki.root.issue("old", is_expired=True).write(pki.folder, "old")
    assert "has expired" in fails(tmp_path, f"--security.cert={expired[0]}", f"--security.key={expired[1]}")


@pytest.mark.fast
def test_check_reads_the_certificates(tmp_path, pki):
    from weir import PROGRAMS
    file = tmp_path / "weir.yaml"

    def check(text):
        file.write_text(text)
        return subprocess.run([str(PROGRAMS["weir"]), "check", str(file)], capture_output=True, text=True, timeout=20)

    right = f"security:\n  cert: {pki.folder}/server.pem\n  key: {pki.folder}/server.key\n"
    assert check(right).returncode == 0
    wrong = check(right.replace("server.key", "missing.key"))
    assert wrong.returncode != 0 and "missing.key" in wrong.stderr
    wrong = check("listen:\n  grpc: 0.0.0.0:4317\n")
    assert wrong.returncode != 0 and "allow_insecure" in wrong.stderr
