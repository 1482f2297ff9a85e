"""Emulated Envoys under load: each makes entries at a rate of its own, whatever weir takes, and does with what it cannot
send what Envoy's gRPC access logger does: one buffer waits for the stream to be writable, an entry beyond it is dropped
and counted. What it counts it says by a metrics service stream: `logs_written` (put into a buffer) and `logs_dropped`.

Nodes are a real Envoy's with the pod's name exchanged, so a proxy of each is told from the others."""

import itertools
import struct
import threading
import time

import grpc
import mtcap
from producers import field

LOGS = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
LOGS_V2 = LOGS.replace("v3", "v2")
METRICS = "/envoy.service.metrics.v3.MetricsService/StreamMetrics"
POD = b"productpage-v1-8892ba1ac5-47vck"
ENTRIES = 100  # to a buffer: about 16 KiB, Envoy's default
BODIES = 8


def node(number):
    """Field 1 of either service's identifier, of pod `number`; the pod's name."""
    first = next(r["data"] for r in mtcap.load("envoy-als-v2") if r["kind"] == "msg")
    identifier = next(value for n, _, _, value in mtcap.fields(first) if n == 1)
    assert POD in identifier
    pod = POD[:-5] + f"{number:05d}".encode()
    whole = next(whole for n, _, whole, _ in mtcap.fields(identifier) if n == 1)
    return whole.replace(POD, pod), pod.decode()


def entry(host, path, request_id):
    start = field(5, field(1, int(time.time())))
    common = start + field(12, field(2, 5000000)) + field(15, b"outbound|80||" + host) + field(23, field(2, 5000000))
    request = field(1, 1) + field(3, host) + field(5, path) + field(6, b"Mozilla/5.0 (X11; Linux x86_64)") + field(9, request_id)
    return field(1, field(1, common) + field(2, 2) + field(3, request) + field(4, field(1, field(1, 200))))


class Envoy:
    """One proxy: a thread for its access log, one for its metrics, `rate` entries a second."""

    REPORT_S = 0.5

    def __init__(self, target, number, rate, is_v2=False):
        self.target, self.rate, self.method = target, rate, LOGS_V2 if is_v2 else LOGS
        self.node, self.pod = node(number)
        self.source = f"{self.pod}.default"
        self.host = f"load-{number}.shop.svc.cluster.local"
        self.lock = threading.Lock()
        self.written = self.dropped = 0  # as it counts; under the lock
        self.began = None
        self.made_at_end = None
        self.is_known, self.halt = threading.Event(), threading.Event()  # to weir; to make no more entries
        self.is_sent, self.is_over = threading.Event(), threading.Event()
        self.failure = None
        batches = [[self.entry(b, i) for i in range(ENTRIES)] for b in range(BODIES)]
        self.bodies, self.singles = [field(2, b"".join(batch)) for batch in batches], batches[0]
        self.threads = [threading.Thread(target=self.run, args=(feed, method), daemon=True)
                        for feed, method in ((self.reports, METRICS), (self.logs, self.method))]

    def entry(self, b, i):
        request_id = f"7d1c0f9e-5b5c-9c55-8d25-{b:06x}{i:06x}"
        return entry(self.host.encode(), f"/load/{b}/{i}".encode(), request_id.encode())

    def run(self, feed, method):
        with grpc.insecure_channel(self.target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            try:
                channel.stream_unary(method)(feed())
            except grpc.RpcError as error:
                self.failure = error

    # --- counters ---

    def settle(self):
        """Under the lock: what was made since, beyond the buffer that waits, is dropped. How many entries wait in it."""
        made = self.made_at_end
        if made is None:
            made = int((time.monotonic() - self.began) * self.rate) if self.began else 0
        waiting = made - self.written - self.dropped
        if waiting > ENTRIES:
            self.dropped += waiting - ENTRIES
        return min(waiting, ENTRIES)

    def counters(self):
        """(written, dropped); what waits in the buffer is written."""
        with self.lock:
            waiting = self.settle()
            return self.written + waiting, self.dropped

    @property
    def made(self):
        return sum(self.counters())

    # --- streams ---

    def logs(self):
        # Not before weir knows where the counters stand.
        self.is_known.wait()
        self.began = time.monotonic()
        yield field(1, self.node + field(2, b"load"))
        for body in itertools.cycle(self.bodies):
            if self.halt.wait(0):
                break
            with self.lock:
                waiting = self.settle()
                if waiting == ENTRIES:
                    self.written += ENTRIES
            if waiting == ENTRIES:
                yield body
            else:
                self.halt.wait((ENTRIES - waiting) / self.rate)
        with self.lock:
            self.made_at_end = int((time.monotonic() - self.began) * self.rate)
            waiting = self.settle()
            self.written += waiting
        if waiting:
            yield field(2, b"".join(self.singles[:waiting]))
        self.is_sent.set()

    def report(self):
        written, dropped = self.counters()
        now = time.time_ns() // 1000000
        said = {b"access_logs.grpc_access_log.logs_written": written, b"access_logs.grpc_access_log.logs_dropped": dropped,
                b"server.live": 1}
        families = b""
        for name, value in said.items():
            metric = field(3, b"\x09" + struct.pack("<d", value)) + field(6, now)
            families += field(2, field(1, name) + field(3, 0) + field(4, metric))
        return families

    def reports(self):
        yield field(1, self.node) + self.report()
        while not self.is_over.wait(self.REPORT_S):
            yield self.report()
        yield self.report()

    # --- life ---

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        """After the last entry is on its way: the last counters."""
        self.threads[1].join(60)
        assert not self.threads[1].is_alive() and self.is_sent.is_set()
        self.is_over.set()
        self.threads[0].join(60)
        assert not self.threads[0].is_alive() and self.failure is None, self.failure
