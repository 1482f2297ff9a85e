"""HTTP/2 by hand: frames as no client library would write them, for tests of hostile input."""

import socket
import ssl
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 1, 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def setting(number, value):
    return struct.pack(">HI", number, value)


def number(value, prefix_bits, first=0):
    """HPACK's integers."""
    limit = (1 << prefix_bits) - 1
    if value < limit:
        return bytes([first | value])
    out = bytearray([first | limit])
    value -= limit
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def header(name, value):
    """A literal without indexing and without Huffman's code."""
    name, value = name.encode(), value if isinstance(value, bytes) else value.encode()
    return b"\0" + number(len(name), 7) + name + number(len(value), 7) + value


def request(path, *more, content_type="application/grpc", method="POST"):
    pairs = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "test"),
             ("content-type", content_type), ("te", "trailers"), *more]
    return b"".join(header(*pair) for pair in pairs)


def message(body, compressed=0):
    return struct.pack(">BI", compressed, len(body)) + body


def field(n, body):
    """A protobuf field of bytes."""
    return number(n << 3 | 2, 8) + varint(len(body)) + body


def varint(value):
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class Peer:
    """One connection. `settle`: greet as a client should, and wait for the server's settings."""

    def __init__(self, address, settle=True, settings=b"", patience=30):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.patience, self.rest, self.is_closed, self.next_stream = patience, b"", False, 1
        if settle:
            self.send(PREFACE + frame(SETTINGS, 0, 0, settings))
            self.until(lambda f: f[0] == SETTINGS and not f[1] & ACK)
            self.send(frame(SETTINGS, ACK, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False: the server is gone."""
        try:
            self.socket.sendall(data)
            return True
        except (ConnectionError, BrokenPipeError, ssl.SSLError, TimeoutError):
            self.is_closed = True
            return False

    def open(self, path, *more, flags=END_HEADERS, **named):
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.send(frame(HEADERS, flags, stream, request(path, *more, **named)))
        return stream

    def frame(self):
        """The next frame as (kind, flags, stream, payload), or None when the server has closed."""
        self.socket.settimeout(self.patience)
        while len(self.rest) < 9 or len(self.rest) < 9 + int.from_bytes(self.rest[:3], "big"):
            try:
                piece = self.socket.recv(65536)
            except ConnectionError:
                piece = b""
            if not piece:
                self.is_closed = True
                return None
            self.rest += piece
        length = int.from_bytes(self.rest[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self.rest[3:9])
        payload, self.rest = self.rest[9:9 + length], self.rest[9 + length:]
        return kind, flags, stream & 0x7fffffff, payload

    def until(self, wanted):
        """Reads up to a frame that is wanted, answering pings; None: the server closed before."""
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            got = self.frame()
            if got is None or wanted(got):
                return got
            if got[0] == PING and not got[1] & ACK:
                self.send(frame(PING, ACK, 0, got[3]))
        raise TimeoutError("the frame that was waited for did not come")

    def end_of(self, stream):
        """What ended the stream: its last HEADERS or RST_STREAM, a GOAWAY, or None when the server closed."""
        return self.until(lambda f: (f[2] == stream and (f[0] == RST_STREAM or f[0] in (HEADERS, DATA) and f[1] & END_STREAM))
                          or f[0] == GOAWAY)


def status_of(got):
    """The grpc-status in a HEADERS frame of libgrpc's (its names are literals, or of its static table), as text."""
    payload = got[3]
    at = payload.find(b"grpc-status")
    if at < 0:
        return None
    length = payload[at + 11] & 127
    return payload[at + 12:at + 12 + length].decode()
