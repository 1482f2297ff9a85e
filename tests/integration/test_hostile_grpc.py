"""Goal: whatever a client does to a gRPC port is bounded and answered, or its connection is closed; memory stays within
bounds that are said here, and service goes on for the others. The frames are made by hand: no library would send them."""

import gzip
import select
import socket
import ssl
import struct
import time

import grpc
import pytest
from authority import Authority
from frames import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
                    WINDOW_UPDATE, Peer, field, frame, header, message, number, request, setting, status_of)
from grpc_health.v1 import health_pb2, health_pb2_grpc
from producers import EXPORT, STREAM
from weir import Weir, until

REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
CANCEL = struct.pack(">I", 8)
LITTLE, QUOTA = 24 << 20, 128 << 20  # a few connections' worth; libgrpc's quota of 64 MiB, and its slack


@pytest.fixture(autouse=True)
def goes_on(weir):
    """Every test ends with a fresh client that is served at once, and with connections that are gone."""
    idle = weir.open_files()
    yield
    began = time.monotonic()
    with grpc.insecure_channel(weir.grpc) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20, wait_for_ready=True)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert time.monotonic() - began < 10
    until(lambda: weir.open_files() <= idle + 8, "the connections to be gone")


@pytest.fixture
def bounded(weir):
    """Asserts how much memory the process took at most since the test began. A sanitizer's own is beyond counting."""
    before = weir.memory_bytes("VmHWM")

    def check(most):
        assert weir.is_sanitized or weir.memory_bytes("VmHWM") - before < most
    return check


def flood(peer, data, most):
    """Sends the same again until the server hangs up, or `most` bytes are out. True: it hung up."""
    sent = 0
    while sent < most:
        if not peer.send(data):
            return True
        sent += len(data)
        while select.select([peer.socket], [], [], 0)[0]:
            if not read(peer):
                return True
    return False


def read(peer):
    """What comes next; nothing when the server has closed."""
    try:
        return peer.socket.recv(65536)
    except ConnectionError:
        return b""


def refused(weir, reason):
    return weir.total("weir_http2_refused_total", reason=reason)


# --- frames that are closed upon ---

@pytest.mark.fast
@pytest.mark.parametrize("path", [EXPORT, STREAM, REFLECTION, "/no.such.Service/Method"])
def test_streams_that_are_reset_as_fast_as_they_open(weir, bounded, path):
    block = request(path)
    with Peer(weir.grpc) as peer:
        streams = range(1, 20001, 2)
        pieces = [frame(HEADERS, END_HEADERS, n, block) + frame(RST_STREAM, 0, n, CANCEL) for n in streams]
        for at in range(0, len(pieces), 500):
            if not peer.send(b"".join(pieces[at:at + 500])):
                break
        until(lambda: refused(weir, "resets") == 1, "the connection to be refused")
    bounded(LITTLE)


def test_many_connections_that_reset_a_little_each(weir, bounded):
    """Each stays below what one may. Together they would pile up; some are refused, the others are served."""
    block = request(EXPORT)
    storm = b"".join(frame(HEADERS, END_HEADERS, n, block) + frame(RST_STREAM, 0, n, CANCEL) for n in range(1, 361, 2))
    peers = [Peer(weir.grpc) for _ in range(200)]
    for peer in peers:
        peer.send(storm)
        peer.send(frame(PING, 0, 0, b"are you?"))
    for peer in peers:
        peer.until(lambda f: f[0] == PING)  # or it is closed
        peer.socket.close()
    bounded(QUOTA)


@pytest.mark.fast
@pytest.mark.parametrize("what", ["one string without end", "many headers", "nothing at all"])
def test_header_blocks_without_end(weir, bounded, what):
    first, more = {
        "one string without end": (b"\0" + number(3, 7) + b"foo" + number(1 << 31, 7), b"x" * 16000),
        "many headers": (b"", header("x-more", "y" * 15900)),
        "nothing at all": (b"", b""),
    }[what]
    with Peer(weir.grpc) as peer:
        peer.send(frame(HEADERS, 0, 1, request(EXPORT) + first))
        assert flood(peer, frame(CONTINUATION, 0, 1, more) * 16, 400 << 20)
    assert refused(weir, "headers") == 1
    bounded(LITTLE)


@pytest.mark.fast
@pytest.mark.parametrize("kind, payload", [(PING, b"12345678"), (SETTINGS, setting(3, 100)), (SETTINGS, b"")])
def test_control_frames_without_end(weir, bounded, kind, payload):
    with Peer(weir.grpc) as peer:
        assert flood(peer, frame(kind, 0, 0, payload) * 1000, 400 << 20)
    bounded(LITTLE)


@pytest.mark.fast
def test_a_message_in_crumbs(weir, bounded):
    """A short one is served; one of millions of frames is not worth its memory."""
    body = message(field(1, b"") * 1000)
    with Peer(weir.grpc) as peer:
        stream = peer.open(EXPORT)
        peer.send(b"".join(frame(DATA, 0, stream, bytes([b])) for b in body) + frame(DATA, END_STREAM, stream))
        assert status_of(peer.end_of(stream)) == "0"
        stream = peer.open(EXPORT)
        peer.send(frame(DATA, 0, stream, struct.pack(">BI", 0, 3000000)))
        assert flood(peer, frame(DATA, 0, stream, b"x") * 1000, 400 << 20)
    assert refused(weir, "fragments") == 1
    bounded(LITTLE)


def test_the_guard_looks_into_tls_too(tmp_path):
    root, folder = Authority(), tmp_path / "pki"
    folder.mkdir()
    cert, key = root.issue("weir").write(folder, "server")
    (folder / "ca.pem").write_bytes(root.pem)
    with Weir(tmp_path / "tls", flags=["--listen.http=plain:127.0.0.1:0", f"--security.cert={cert}", f"--security.key={key}"]) as weir:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.set_alpn_protocols(["h2"])
        peer = Peer(weir.grpc, settle=False)
        peer.socket = context.wrap_socket(peer.socket, server_hostname="localhost")
        peer.send(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, 0, 1, request(EXPORT)))
        while peer.send(frame(CONTINUATION, 0, 1, b"") * 100):
            pass
        peer.socket.close()
        assert refused(weir, "headers") == 1
        with grpc.secure_channel(weir.grpc, grpc.ssl_channel_credentials(root.pem)) as channel:
            assert health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20).status == 1


# --- messages ---

def upload(peer, streams, most):
    """Sends into all streams as flow control lets it, until all of them have been ended. Bytes sent."""
    windows, shared, sent, at = {s: 65535 - 5 for s in streams}, 65535 - 5 * len(streams), 0, 0
    end = time.monotonic() + 60
    while windows and sent < most:
        assert time.monotonic() < end
        can = [s for s in windows if windows[s] >= 8192]
        while windows and (len(peer.rest) >= 9 or select.select([peer.socket], [], [], 0)[0] or shared < 8192 or not can):
            got = peer.frame()
            if got is None or got[0] == GOAWAY:
                return sent
            if got[0] == WINDOW_UPDATE and got[2] == 0:
                shared += struct.unpack(">I", got[3])[0]
            elif got[0] == WINDOW_UPDATE and got[2] in windows:
                windows[got[2]] += struct.unpack(">I", got[3])[0]
            elif got[0] == RST_STREAM or got[0] == HEADERS and got[1] & END_STREAM:
                windows.pop(got[2], None)
            elif got[0] == PING and not got[1] & ACK:
                peer.send(frame(PING, ACK, 0, got[3]))
            can = [s for s in windows if windows[s] >= 8192]
        if can:
            at += 1
            stream = can[at % len(can)]
            if not peer.send(frame(DATA, 0, stream, b"x" * 8192)):
                return sent
            windows[stream] -= 8192
            shared -= 8192
            sent += 8192
    return sent


@pytest.mark.parametrize("count, path", [(1, EXPORT), (1, STREAM), (50, EXPORT)])
def test_messages_without_end(weir, bounded, count, path):
    """4 GB are announced on each stream: libgrpc's quota ends them before they are there."""
    with Peer(weir.grpc) as peer:
        streams = [peer.open(path) for _ in range(count)]
        for stream in streams:
            peer.send(frame(DATA, 0, stream, struct.pack(">BI", 0, 0xfffffff0)))
        assert upload(peer, streams, 2 << 30) < 1 << 30
    bounded(QUOTA)


@pytest.mark.fast
def test_a_gzip_bomb(weir, bounded):
    bomb = message(gzip.compress(bytes(60 << 20)), 1)
    with Peer(weir.grpc) as peer:
        stream = peer.open(EXPORT, ("grpc-encoding", "gzip"))
        for at in range(0, len(bomb), 16000):
            peer.send(frame(DATA, 0, stream, bomb[at:at + 16000]))
        peer.send(frame(DATA, END_STREAM, stream))
        assert status_of(peer.end_of(stream)) == "8"
    bounded(LITTLE)


# what is sent, and the status that it gets
SMALL = {
    "a call without a message": (EXPORT, {}, [(END_STREAM, b"")], {"13"}),
    "compressed without an encoding": (EXPORT, {}, [(END_STREAM, message(b"abc", 1))], {"3", "13"}),
    "an unknown encoding": (EXPORT, {"grpc-encoding": "zstd"}, [(END_STREAM, message(b"abc", 1))], {"3", "12", "13"}),
    "no gzip in it": (EXPORT, {"grpc-encoding": "gzip"}, [(END_STREAM, message(b"abc", 1))], {"3"}),
    "a message that breaks off": (EXPORT, {}, [(END_STREAM, message(b"abcdef")[:8])], {"13", "1", "14"}),
    # libgrpc sometimes takes this one for an empty message
    "a strange flag": (EXPORT, {}, [(END_STREAM, message(b"abc", 7))], {"0", "13", "12", "1", "14"}),
    "an unknown method": ("/no.such.Service/Method", {}, [(END_STREAM, message(b""))], {"12"}),
    "an empty path": ("", {}, [(END_STREAM, message(b""))], {"12", "2"}),
    "a stream without a message": (STREAM, {}, [(END_STREAM, b"")], {"0"}),
    "no protobuf in a stream": (STREAM, {}, [(END_STREAM, message(b"\xff\xff"))], {"3"}),
    "two questions of Watch": ("/grpc.health.v1.Health/Watch", {}, [(0, message(b"") + message(b""))], {"3"}),
    "no question of Watch": ("/grpc.health.v1.Health/Watch", {}, [(END_STREAM, b"")], {"0"}),
    "no question of reflection": (REFLECTION, {}, [(END_STREAM, message(b"\xff\xff"))], {"3"}),
}


@pytest.mark.fast
@pytest.mark.parametrize("what", SMALL)
def test_calls_that_are_wrong_are_answered(weir, what):
    path, metadata, data, statuses = SMALL[what]
    with Peer(weir.grpc) as peer:
        stream = peer.open(path, *metadata.items())
        for flags, body in data:
            peer.send(frame(DATA, flags, stream, body))
        got = peer.end_of(stream)
        assert got is not None and (got[0] == RST_STREAM or status_of(got) in statuses), got


@pytest.mark.fast
@pytest.mark.parametrize("named", [{"method": "GET"}, {"method": "DELETE"}, {"content_type": "text/html"}])
def test_requests_that_are_no_grpc_harm_nobody(weir, named):
    with Peer(weir.grpc) as peer:
        stream = peer.open(EXPORT, **named)
        peer.send(frame(DATA, END_STREAM, stream, message(b"")))
        assert peer.end_of(stream) is not None


# --- who is slow ---

def test_who_never_greets_is_cut_off(weir):
    """In silence, in the middle of the preface, behind it, and with HTTP/1: each is closed within the handshake's time."""
    begins = [b"", PREFACE[:10], PREFACE, b"GET / HTTP/1.1\r\nHost: weir\r\n\r\n"]
    peers = [Peer(weir.grpc, settle=False) for _ in begins]
    for peer, data in zip(peers, begins):
        peer.send(data)
    for peer in peers:
        while read(peer):
            pass
        peer.socket.close()


@pytest.mark.fast
def test_half_open_calls_take_little_and_go_with_their_connection(weir, bounded):
    peers = [Peer(weir.grpc) for _ in range(20)]
    for peer in peers:
        for path in (EXPORT, STREAM, REFLECTION, "/grpc.health.v1.Health/Watch"):
            for _ in range(25):
                stream = peer.open(path)
                peer.send(frame(DATA, 0, stream, message(b"x" * 100)[:50]))
    for peer in peers:
        peer.send(frame(PING, 0, 0, b"are you?"))
        peer.until(lambda f: f[0] == PING)
    bounded(80 << 20)
    for peer in peers:
        peer.socket.close()


@pytest.mark.fast
def test_half_open_calls_of_all_connections_together_are_bounded(tmp_path):
    """Four for each connection that may be; the rest is refused at once and takes nothing."""
    with Weir(tmp_path / "few", flags=["--limits.connections=50"]) as weir:
        before = weir.memory_bytes("VmHWM")
        peers = [Peer(weir.grpc) for _ in range(20)]
        for peer in peers:
            for _ in range(100):
                peer.send(frame(DATA, 0, peer.open(EXPORT), message(b"x" * 100)[:50]))
        until(lambda: weir.total("weir_calls_refused_total") == 1800, "all but 200 to be refused")
        assert weir.total("weir_grpc_calls_total", code="8") == 1800
        assert weir.is_sanitized or weir.memory_bytes("VmHWM") - before < LITTLE
        for peer in peers:
            peer.socket.close()

        def is_served():
            with grpc.insecure_channel(weir.grpc) as channel:
                answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20, wait_for_ready=True)
                return answer.status == health_pb2.HealthCheckResponse.SERVING

        def is_calm():
            try:
                return is_served()
            except grpc.RpcError as error:  # until the connections are seen to be gone
                assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
                return False
        until(is_calm, "service for others")
        assert weir.total("weir_http2_guarded") == 1
        weir.ledger()


def test_who_reads_nothing_is_cut_off(weir, bounded):
    """Questions of reflection with a window of 0: the answers wait, the next question is not read, and after half a minute
    the call is cut off."""
    question = message(field(4, b"opentelemetry.proto.trace.v1.Span"))
    peers = [Peer(weir.grpc, settings=setting(4, 0), patience=60) for _ in range(40)]
    for peer in peers:
        for _ in range(10):
            peer.send(frame(DATA, 0, peer.open(REFLECTION), question * 100))
    until(lambda: weir.total("weir_calls_cut_total") == 400, "the calls to be cut off", 90)
    assert weir.total("weir_talk_dropped_total") == 0  # only a Watch loses what is not taken
    bounded(48 << 20)
    for peer in peers:
        peer.socket.close()


def test_connections_that_come_and_go_leave_nothing(weir, bounded):
    host, port = weir.grpc.rsplit(":", 1)
    for _ in range(40):
        sockets = [socket.create_connection((host, int(port)), timeout=30) for _ in range(50)]
        for n, s in enumerate(sockets):
            s.sendall(PREFACE[:n % 25] if n % 2 else PREFACE + frame(SETTINGS, 0, 0))
            s.close()
    bounded(LITTLE)
