"""Goal: at several times what weir can take, of every protocol at once, for as long as one likes: memory is flat, who can
come again is refused and loses nothing, totals are exact for all that was read, and completeness names the rest.

WEIR_TEST_OVERLOAD_S: how long the long one lasts."""

import contextlib
import os
import threading
import time

import envoys
import every
import pytest
from overload import CALM, REFUSE, is_serving, level, refusal
from weir import Weir, control, until

ENVOYS, RATE = 4, 20000  # entries a second of each
MIB = 1 << 20


@pytest.fixture
def faulty(tmp_path):
    folder = tmp_path / "faulty"
    with Weir(folder, "weir-faulty", flags=["--ring.size=4MiB"], env={"WEIR_FAULT_FILE": str(folder / "fault")}) as weir:
        yield weir
        weir.ledger()


class Watch(threading.Thread):
    """Anonymous memory all the time; afterwards the peaks of each tenth of it."""

    def __init__(self, weir):
        super().__init__(daemon=True)
        self.weir, self.sizes, self.halt = weir, [], threading.Event()

    def run(self):
        while not self.halt.wait(0.05):
            self.sizes.append(self.weir.memory_bytes("RssAnon"))

    def peaks(self):
        tenth = max(1, len(self.sizes) // 10)
        return [max(self.sizes[i:i + tenth]) for i in range(0, len(self.sizes), tenth)]


@contextlib.contextmanager
def watched(weir):
    watch = Watch(weir)
    watch.start()
    yield watch
    watch.halt.set()
    watch.join()


def completeness(weir):
    return {row["source"]: row for row in weir.ledger()["completeness"] if row["signal"] == "access_log"}


def stop_envoys(proxies):
    for proxy in proxies:
        proxy.halt.set()
    for proxy in proxies:
        proxy.stop()


def check_envoy(weir, proxy):
    """Everything that it wrote was read and counted, and the rest is what it says that it dropped."""
    written, dropped = proxy.counters()
    rows = [r for r in weir.ledger()["rows"] if proxy.pod in r["source"] and r["signal"] == "access_log"]
    received, lost = sum(r["received"] for r in rows), sum(sum(r["dropped"].values()) for r in rows)
    thinned = sum(sum(r["thinned"].values()) for r in rows)
    assert weir.total("istio_requests_total", destination_service=proxy.host) == received - lost == written and lost == 0
    assert sum(r["kept"] for r in rows) + thinned == received and thinned > 0
    row = completeness(weir)[proxy.source]
    assert (row["seen"], row["sent"], row["dropped"]) == (written, written, dropped)
    return received


def run_overload(weir, seconds):
    """Everybody at once for so long, more than weir can take; then nothing more. Returns what was made and what was read."""
    proxies = [envoys.Envoy(weir.grpc, number, RATE, is_v2=number % 2) for number in range(ENVOYS)]
    for proxy in proxies:
        proxy.start()
    until(lambda: {p.source for p in proxies} <= set(completeness(weir)), "what the proxies say of themselves")
    control(weir, "fsync slow")
    for proxy in proxies:
        proxy.is_known.set()
    senders = every.senders(weir, pause=0)
    for sender in senders:
        sender.start()
    began = time.monotonic()
    with watched(weir) as watch:
        until(lambda: time.monotonic() - began > seconds, "the load to last", seconds + 10)
        until(lambda: all(s.refused > 0 for s in senders), "all to be refused once")
        until(lambda: level(weir) >= REFUSE and is_serving(weir), "health to say that streams are taken")
        shown = completeness(weir)
        made, read = sum(p.made for p in proxies), sum(row["seen"] for row in shown.values())
        assert all(shown[p.source]["dropped"] > 0 for p in proxies), "each says that it drops, while it does"
        stop_envoys(proxies)
        for sender in senders:
            sender.halt.set()
        until(weir.is_all_stored, "all to be stored")
    for sender in senders:
        sender.join(30)
    return proxies, senders, watch, made, read


def check_overload(weir, proxies, senders):
    until(lambda: level(weir) == CALM and is_serving(weir), "the calm")
    late = every.come_again(senders, weir)
    until(weir.is_all_stored, "all to be stored")
    seen = every.Seen(weir)
    for sender in late:
        sender.check(seen)
        sender.check_detail(weir, step=max(1, len(sender.answered) // 20))
    for signal in ("span", "metric_point", "log", "mixer"):
        turned_away = sum(s.refused for s in late if s.way.signal == signal) * every.ITEMS
        reasons = [weir.total("weir_refused_items_total", signal=signal, reason=r) for r in ("ring_full", "source")]
        assert sum(reasons) == turned_away > 0 == weir.total("weir_duplicate_items_total", signal=signal)
    received = sum(check_envoy(weir, proxy) for proxy in proxies)
    stored, logs = weir.get_json("/status")["storage"], weir.ledger_sum("access_log")
    assert stored["spans"] == weir.ledger_sum("span")["kept"] and stored["logs"] == weir.ledger_sum("log")["kept"]
    assert stored["requests"] == logs["kept"] + weir.ledger_sum("mixer")["kept"]
    assert logs["received"] == logs["kept"] + logs["thinned"] == received
    assert weir.total("weir_thinned_items_total", signal="access_log", reason="overload") == logs["thinned"]
    mixer = weir.ledger_sum("mixer")
    assert weir.total("istio_requests_total") == received + mixer["received"] - mixer["dropped"]
    assert weir.total("weir_refused_items_total", signal="access_log") == 0
    assert refusal(weir) is None and level(weir) == CALM


@pytest.mark.parametrize("seconds", [12, pytest.param(
    int(os.environ.get("WEIR_TEST_OVERLOAD_S", "600")), marks=pytest.mark.peers)], ids=["bounded", "long"])
def test_three_times_the_load_of_every_protocol(faulty, seconds):
    proxies, senders, watch, made, read = run_overload(faulty, seconds)
    peaks = watch.peaks()
    print(f"{made} entries made, {read} read in {seconds} s; anonymous MiB by tenths: {[f'{p / MIB:.1f}' for p in peaks]}")
    assert made > 3 * read
    assert faulty.is_sanitized or (max(peaks) - max(peaks[:3]) < 8 * MIB and max(peaks) < 64 * MIB)
    check_overload(faulty, proxies, senders)
