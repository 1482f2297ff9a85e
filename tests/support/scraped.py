"""A Prometheus that scraped a weir before, between and after rounds of a capture's traffic; several captures at once,
each with a weir of its own and told apart by a label, as Kiali's query scope does.

Rounds, because a rate needs two samples of a series: without created times Prometheus takes the first that it sees of a
counter for its beginning. So a round before brings the series and the last one moves them (and one before them teaches weir
who is where, where a signal does not say it): everything between the two instants `first` and `last` is one round, and `last - first` of any sum is to the unit what the facts say. rate() of the
same window extrapolates to its edges; by how much depends on the times of the samples, which all series of a scrape share.
It is compared in proportion, and the counts by subtraction."""

import contextlib
import re
import threading

import edges
import grpc
import mtcap
from prometheus import Prometheus
from weir import PATIENCE, Weir, until

# Whoever comes first tells who counts a proxy's requests; an access log by gRPC tells most.
SIGNALS = ["AccessLogService", "MetricsService", "TraceService", "LogsService"]


ROUNDS = 3
INTERVAL, MARGIN = "2s", 5  # seconds: more than two intervals


def play(weir, records):
    """A signal after the other: which of them counts must not hang on which came first."""
    signals = [s for s in SIGNALS if any(s in r.get("method", "") for r in records)]
    parts = mtcap.by_signal(records, signals) if len(signals) > 1 else {"": records}
    for part in parts.values():
        codes = mtcap.replay(weir, part)
        assert {code for _, code in codes} == {"OK"}, codes


@contextlib.contextmanager
def present(weir, name):
    """Every proxy of an access log keeps a stream open, as proxies do: weir knows by an address only who streams. It says
    no more than who it is."""
    records, halt = mtcap.load(name), threading.Event()
    firsts = {}
    for record in records:
        if record["kind"] == "msg" and "AccessLogService" in record["method"]:
            firsts.setdefault(record["stream"], record)

    def feed(record):
        yield b"".join(whole for number, _, whole, _ in mtcap.fields(record["data"]) if number == 1)
        halt.wait()

    with contextlib.ExitStack() as stack:
        calls = []
        for record in firsts.values():
            channel = stack.enter_context(grpc.insecure_channel(
                weir.grpc, options=[("grpc.use_local_subchannel_pool", 1)]))
            calls.append(channel.stream_unary(record["method"]).future(feed(record)))
        try:
            yield
        finally:
            halt.set()
            for call in calls:
                call.result(PATIENCE)


class Scraped:
    def __init__(self, folder, names=tuple(edges.MESH)):
        self.folder, self.names = folder, list(names)
        self.weirs, self.first, self.last = {}, 0, 0

    @contextlib.contextmanager
    def running(self):
        with contextlib.ExitStack() as stack:
            self.weirs = {n: stack.enter_context(Weir(self.folder / n)) for n in self.names}
            for name, weir in self.weirs.items():
                stack.enter_context(present(weir, name))
            labels = [{"capture": n} for n in self.names]
            self.prometheus = stack.enter_context(
                Prometheus(self.folder / "prometheus", self.weirs.values(), INTERVAL, labels=labels))
            self.prometheus.scraped()
            for name, weir in self.weirs.items():
                play(weir, mtcap.load(name))
                play(weir, mtcap.again(name, 1))
            # A rate is asked over whole seconds, and each target has a phase of its own: so much lies between the rounds.
            played = self.prometheus.scraped()
            until(lambda: min(self.prometheus.last_scrape(1, i) for i in range(len(self.names))) > played + MARGIN,
                  "a pause between the rounds")
            self.first = self.prometheus.scraped()
            for name, weir in self.weirs.items():
                play(weir, mtcap.again(name, 2))
            self.last = self.prometheus.scraped()
            for name, weir in self.weirs.items():
                self.whole(name, weir)
                weir.ledger()
            yield self

    def whole(self, name, weir):
        """Every round counted."""
        assert weir.total("istio_requests_total") == ROUNDS * sum(edges.want(name).values()), name

    @property
    def window(self):
        """Seconds up to `last` that begin after the round before, and before every target's scrape before `first`."""
        return int(self.last - self.first) + MARGIN

    def scoped(self, name, text):
        """Every selector of a query, of one capture only; `[I]` is the window."""
        assert "{" in text, text
        return re.sub(r"\{", f'{{capture="{name}",', text).replace("[I]", f"[{self.window}s]")

    def ask(self, name, text, at=None):
        return self.prometheus.query(self.scoped(name, text), at or self.last)

    def round(self, name, text):
        """What one round added to the rows of a sum: [(labels, value), …]; rows that it did not move are left out."""
        before = {frozenset(r["metric"].items()): float(r["value"][1]) for r in self.ask(name, text, self.first)}
        after = {frozenset(r["metric"].items()): float(r["value"][1]) for r in self.ask(name, text)}
        assert set(before) <= set(after)
        return [(dict(k), v - before.get(k, 0)) for k, v in after.items() if v != before.get(k, 0)]
