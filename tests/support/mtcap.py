"""Captures of real senders (.mtcap) and their replay, byte for byte.

A capture is a file of records: a line of JSON, `len` raw bytes, a newline.
Kinds: capture, conn, open, msg, close (gRPC) and http. Replay keeps the
recorded connections, streams and order, and collects what was answered."""

import http.client
import json
import pathlib

import grpc

CAPTURES = pathlib.Path(__file__).resolve().parents[1] / "captures"
PATIENCE = 30
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
                self.streams[record["stream"]] = (record, [])
            elif kind == "msg":
                self.streams[record["stream"]][1].append(record["data"])
            elif kind == "close":
                self.finish(record["stream"])
            elif kind == "http":
                self.post(record)
        for stream in list(self.streams):
            self.finish(stream)
        return self

    def finish(self, stream):
        if stream not in self.streams:
            return
        record, messages = self.streams.pop(stream)
        compression = grpc.Compression.Gzip if record.get("enc") == "gzip" else grpc.Compression.NoCompression
        call = self.channel(record["conn"]).stream_stream(record["method"])(
            iter(messages), timeout=PATIENCE, wait_for_ready=True, compression=compression)
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


def replay(weir, capture):
    """Plays a capture (a name, or records) to a running weir and returns the codes."""
    player = Replay(weir.grpc, weir.http)
    try:
        player.play(load(capture) if isinstance(capture, str) else capture)
    finally:
        player.close()
    return player.codes
