"""Starts the real binary on free ports in a folder of its own, and talks to it.

Waits are bounded and end on an event: the start line, a status, an exit."""

import contextlib
import gzip
import http.client
import json
import os
import pathlib
import random
import re
import select
import signal
import socket
import subprocess
import time
import urllib.parse

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WEIR_TEST_BUILD", TOP / "build"))
PROGRAMS = {"weir": BUILD / "weir", "weir-faulty": BUILD / "tests/crash/weir-faulty"}
PATIENCE = float(os.environ.get("WEIR_TEST_PATIENCE", "30"))


def until(question, what, seconds=PATIENCE):
    """Asks until the answer is true; returns it. The wait is bounded."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        select.select([], [], [], 0.02)


def control(weir, text):
    """Tells the disk of a weir-faulty (WEIR_FAULT_FILE: `fault` in its folder) what to do from now on."""
    path = weir.folder / "fault"
    weir.folder.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").rename(path)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class Weir:
    """One weir. `binary` "weir" is the product, "weir-faulty" the same with crash points and a faulty disk."""

    def __init__(self, folder, binary="weir", flags=(), env=None, limits=None, unix=False):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.binary, self.flags, self.env, self.limits, self.unix = binary, list(flags), dict(env or {}), limits, unix
        self.process = None
        self.grpc = self.http = self.start_line = None
        self.log_path = self.folder / "weir.log"

    @property
    def database(self):
        return self.folder / "weir.db"

    @property
    def ring(self):
        found = list((self.folder / "ring").glob("ring-????????????????????????????????"))
        assert len(found) == 1, found
        return found[0]

    def command(self):
        grpc = "127.0.0.1:0" + (f",unix:{self.folder}/grpc.sock" if self.unix else "")
        return [
            str(PROGRAMS[self.binary]), "run", f"--storage.path={self.database}", f"--ring.path={self.folder}/ring",
            f"--listen.grpc={grpc}", "--listen.http=127.0.0.1:0", *self.flags,
        ]

    def spawn(self):
        """Starts the process and does not wait."""
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            self.command(), stdout=subprocess.PIPE, stderr=log, env={**os.environ, **self.env},
            preexec_fn=self.limits, cwd=self.folder)
        log.close()

    def wait_ready(self):
        """Reads the start line and the addresses in it. False: the process ended before."""
        line = self._read_line()
        if not line:
            return False
        self.start_line = line
        fields = dict(f.split("=", 1) for f in line.split() if "=" in f)
        self.grpc, self.http = fields["grpc"].split(",")[0], fields["http"].split(",")[0]
        return True

    def start(self):
        self.spawn()
        assert self.wait_ready(), f"weir did not start: {self.log()}"
        return self

    def _read_line(self):
        end, line = time.monotonic() + PATIENCE, b""
        while not line.endswith(b"\n"):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return None
            piece = os.read(self.process.stdout.fileno(), 4096)
            if not piece:
                return None
            line += piece
        return line.decode().strip()

    def log(self):
        return self.log_path.read_text() if self.log_path.exists() else ""

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def stop(self, seconds=PATIENCE):
        """SIGTERM; returns the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.kill()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, error, trace):
        status = self.stop()
        if kind is None:
            assert status == 0, f"exit status {status}: {self.log()}"
            assert "AddressSanitizer" not in self.log() and "ThreadSanitizer" not in self.log(), self.log()

    # --- asking ---

    def ask(self, path, method="GET", body=None, headers=None, **arguments):
        if arguments:
            path += "?" + urllib.parse.urlencode(arguments)
        host, port = self.http.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            data = response.read()
            if response.getheader("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            return Answer(response.status, response.headers, data)

    def get_json(self, path, **arguments):
        answer = self.ask(path, **arguments)
        assert answer.status == 200, (path, answer.status, answer.text)
        return answer.json

    def samples(self):
        """/metrics as {(name, frozenset(labels)): value}."""
        answer = self.ask("/metrics")
        assert answer.status == 200, answer.text
        return dict(parse_metrics(answer.text))

    def total(self, name, **labels):
        want = set(labels.items())
        return sum(v for (n, found), v in self.samples().items() if n == name and want <= found)

    def ledger(self):
        """The ledger, after checking that it closes: overall, by row and in /metrics."""
        ledger = self.get_json("/api/ledger")
        assert ledger["closes"] is True, ledger
        for row in ledger["rows"]:
            parts = row["kept"] + row["duplicates"] + sum(row["thinned"].values()) + sum(row["dropped"].values())
            assert row["received"] == parts, row
        return ledger

    def ledger_sum(self, signal):
        rows = [r for r in self.ledger()["rows"] if r["signal"] == signal]
        result = {k: sum(r[k] for r in rows) for k in ("received", "kept", "duplicates")}
        for k in ("thinned", "dropped"):
            result[k] = sum(sum(r[k].values()) for r in rows)
        return result

    def status_of(self, part, figure):
        return self.get_json("/status?series=0")[part][figure]

    def is_all_stored(self):
        ring = self.get_json("/status?series=0")["ring"]
        return ring["head"] == ring["folded"] == ring["stored"]

    # --- where the process is ---

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self, field="VmRSS"):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+) kB", text).group(1)) * 1024

    @property
    def is_sanitized(self):
        """A sanitizer's own memory is beyond counting."""
        maps = pathlib.Path(f"/proc/{self.process.pid}/maps").read_text()
        return "libasan" in maps or "libtsan" in maps

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')


def parse_metrics(text):
    """Text format 0.0.4, by a parser of the tests' own; promtool judges the format elsewhere."""
    for line in text.split("\n"):  # no other character ends a line
        if not line or line.startswith("#"):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        pairs = LABEL.findall(labels or "")
        unescape = lambda v: re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], v)
        yield (name, frozenset((k, unescape(v)) for k, v in pairs)), float(value)


def free_port():
    """One below those that the kernel gives away by itself: it is still free when its weir comes back to it."""
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    low, high = (10000, first) if first > 20000 else (first, 65536)
    while True:
        port = random.randrange(low, high)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port
