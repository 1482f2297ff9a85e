"""Captures of real senders (.mtcap) and their replay, byte for byte.

A capture is a file of records: a line of JSON, `len` raw bytes, a newline.
Kinds: capture, conn, open, msg, close (gRPC) and http. Replay keeps the
recorded connections, streams and order, and collects what was answered."""

import gzip
import http.client
import json
import pathlib
import queue
import re

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from weir import PATIENCE, until

CAPTURES = pathlib.Path(__file__).resolve().parents[1] / "captures"
HOP_HEADERS = {"content-length", "host", "connection", "transfer-encoding"}


def records(path):
    data = pathlib.Path(path).read_bytes()
    at = 0
    while at < len(data):
        end = data.index(b"\n", at)
        record = json.loads(data[at:end])
        length = record.get("len", 0)
        record["data"] = data[end + 1:end + 1 + length]
        assert data[end + 1 + length:end + 2 + length] == b"\n", f"{path}: no newline after the payload at {at}"
        at = end + 2 + length
        yield record


def load(name):
    return list(records(CAPTURES / f"{name}.mtcap"))


def facts(name):
    return json.loads((CAPTURES / f"{name}.facts.json").read_text())


class Replay:
    """Plays records to a weir; `codes` counts the gRPC status names and HTTP statuses by method."""

    def __init__(self, grpc_target, http_target):
        self.grpc_target, self.http_target = grpc_target, http_target
        self.channels, self.streams = {}, {}
        self.codes = {}

    def count(self, method, code):
        key = (method, code)
        self.codes[key] = self.codes.get(key, 0) + 1

    def channel(self, conn):
        if conn not in self.channels:
            # A connection of its own for each recorded one.
            self.channels[conn] = grpc.insecure_channel(self.grpc_target, options=[
                ("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)])
        return self.channels[conn]

    def play(self, capture):
        for record in capture:
            kind = record["kind"]
            if kind == "open":
                self.open(record)
            elif kind == "msg":
                self.streams[record["stream"]][1].put(record["data"])
            elif kind == "close":
                self.finish(record["stream"])
            elif kind == "http":
                self.post(record)
        for stream in list(self.streams):
            self.finish(stream)
        return self

    def open(self, record):
        """Streams run side by side, as they were recorded; each message is sent as it comes."""
        messages = queue.SimpleQueue()
        compression = grpc.Compression.Gzip if record.get("enc") == "gzip" else grpc.Compression.NoCompression
        call = self.channel(record["conn"]).stream_stream(record["method"])(
            iter(messages.get, None), timeout=PATIENCE, wait_for_ready=True, compression=compression)
        self.streams[record["stream"]] = (record, messages, call)

    def finish(self, stream):
        if stream not in self.streams:
            return
        record, messages, call = self.streams.pop(stream)
        messages.put(None)
        try:
            for _ in call:
                pass
            self.count(record["method"], "OK")
        except grpc.RpcError as error:
            self.count(record["method"], error.code().name)

    def post(self, record):
        method, path = record["method"].split(" ", 1)
        host, port = self.http_target.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
        headers = {k: v for k, v in record["meta"].items() if k not in HOP_HEADERS}
        connection.request(method, path, body=record["data"], headers=headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        self.count(f"{method} {path}", response.status)

    def close(self):
        for channel in self.channels.values():
            channel.close()


# --- the same again: what a proxy would send for the same requests, asked once more ---

_ID = re.compile(rb"[0-9a-f]{8}(?=-[0-9a-f]{1,4}\b)")  # how an id of a request or a connection begins
_NEXT = bytes.maketrans(b"0123456789abcdef", b"123456789abcdef0")


def again(name, times=1):
    """A capture's records as the n-th round more of the same traffic: ids of requests and connections are new ones of the
    same length, and access logs over OTLP, which have no id of a connection, are n hours later."""
    rows = load(name)
    for record in rows if times else []:
        for _ in range(times):
            record["data"] = _ID.sub(lambda found: found[0].translate(_NEXT), record["data"])
        if record["kind"] == "msg" and record["method"].endswith("LogsService/Export"):
            request = logs_service_pb2.ExportLogsServiceRequest.FromString(record["data"])
            for resource in request.resource_logs:
                for log in (log for scope in resource.scope_logs for log in scope.log_records):
                    log.time_unix_nano += times * 3600 * 10**9
            record["data"] = request.SerializeToString()
    return rows


def by_signal(capture, signals):
    """The records of each signal (a part of its method), in the order in which they were sent."""
    streams = {r["stream"]: next(s for s in signals if s in r["method"]) for r in capture if r["kind"] == "open"}
    rows = {signal: [] for signal in signals}
    for record in capture:
        if record["kind"] in ("open", "msg", "close"):
            rows[streams[record["stream"]]].append(record)
    return rows


# --- taking one entry out of a capture: the proof that a comparison can fail ---


def fields(message):
    """The fields of a protobuf message: (number, wire type, bytes of the whole field, value)."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        begin = at
        key = varint()
        if key & 7 == 0:
            value = varint()
        elif key & 7 == 2:
            length = varint()
            value = message[at:at + length]
            at += length
        else:
            length = 8 if key & 7 == 1 else 4
            value = message[at:at + length]
            at += length
        yield key >> 3, key & 7, message[begin:at], value


def field(number, value):
    length, n = bytearray(), len(value)
    while n > 127:
        length.append(n & 127 | 128)
        n >>= 7
    return bytes([number << 3 | 2, *length, n]) + value


def without_one(message, path, is_wanted=lambda _: True):
    """The message without the first element found at `path` (field numbers) for which is_wanted says yes; None when
    there is none."""
    out, is_done = b"", False
    for number, kind, whole, value in fields(message):
        if not is_done and number == path[0] and kind == 2:
            if len(path) == 1:
                if is_wanted(value):
                    is_done = True
                    continue
            else:
                inner = without_one(value, path[1:], is_wanted)
                if inner is not None:
                    is_done = True
                    out += field(number, inner)
                    continue
        out += whole
    return out if is_done else None


def is_final(entry):
    """A finished HTTP access log entry: its common properties lack intermediate_log_entry (27)."""
    common = next(value for number, _, _, value in fields(entry) if number == 1)
    return not any(number == 27 and value for number, _, _, value in fields(common))


def take_one_away(capture):
    """Removes one finished access log entry, or one span, from the capture; returns it."""
    for record in capture:
        method, data = record.get("method", ""), record["data"]
        if record["kind"] == "msg" and method.endswith("/StreamAccessLogs"):
            less = without_one(data, (2, 1), is_final)
        elif record["kind"] == "msg" and "TraceService" in method:
            less = without_one(data, (1, 2, 2))
        elif record["kind"] == "http" and method.endswith("/v1/traces"):
            is_packed = record["meta"].get("content-encoding") == "gzip"
            data = gzip.decompress(data) if is_packed else data
            if record["meta"].get("content-type") == "application/json":
                request = json.loads(data)
                del request["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
                less = json.dumps(request).encode()
            else:
                less = without_one(data, (1, 2, 2))
            less = gzip.compress(less) if less is not None and is_packed else less
        elif record["kind"] == "msg" and method.endswith(".SpanService/Report"):
            less = without_one(data, (1,))
        elif record["kind"] == "http" and method.endswith("/spans"):
            is_packed = record["meta"].get("content-encoding") == "gzip"
            data = gzip.decompress(data) if is_packed else data
            if record["meta"].get("content-type") == "application/x-protobuf":
                less = without_one(data, (1,))
            else:
                spans = json.loads(data)
                less = json.dumps(spans[1:]).encode() if spans else None
            less = gzip.compress(less) if less is not None and is_packed else less
        else:
            continue
        if less is not None:
            record["data"] = less
            return capture
    raise AssertionError("nothing to take away")


def replay(weir, capture):
    """Plays a capture (a name, or records) to a running weir and returns the codes, once all is folded: on a busy
    machine an answer may come before that, and say so in a header (contract 12)."""
    player = Replay(weir.grpc, weir.http)
    try:
        player.play(load(capture) if isinstance(capture, str) else capture)
    finally:
        player.close()
    head = weir.status_of("ring", "head")
    until(lambda: weir.status_of("ring", "folded") >= head, "what was played to be folded")
    return player.codes
