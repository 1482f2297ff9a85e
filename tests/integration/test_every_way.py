"""Goal: a disk that fails is the same story on every way in at once: who can come again is refused and told when, what
bears metrics is counted without its detail, points go on, health says so, and all is well by itself afterwards."""

import every
import pytest
from overload import is_serving
from weir import Weir, control, until

pytestmark = pytest.mark.fast


@pytest.fixture
def faulty(tmp_path):
    folder = tmp_path / "faulty"
    with Weir(folder, "weir-faulty", env={"WEIR_FAULT_FILE": str(folder / "fault")}) as weir:
        yield weir
        weir.ledger()


def halt(threads):
    for thread in threads:
        thread.halt.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive() and thread.failure is None, (thread, thread.failure)


def check_all(weir, senders, streams):
    """What each sender was answered for is there once; what was read of each stream is counted; the sums close."""
    until(weir.is_all_stored, "all to be stored")
    seen = every.Seen(weir)
    for sender in senders:
        sender.check(seen)
        sender.check_detail(weir, step=7)
    counted = seen.requests()
    logs = weir.ledger_sum("access_log")
    entries = sum(s.check(counted) for s in streams if not isinstance(s, every.MetricsStream))
    assert entries == sum(s.messages * s.ENTRIES for s in streams if not isinstance(s, every.MetricsStream)) == logs["received"]
    assert logs["kept"] + logs["thinned"] == entries and logs["dropped"] == 0
    points = sum(s.read(seen) for s in streams if isinstance(s, every.MetricsStream))
    assert points == sum(s.messages * s.POINTS for s in streams if isinstance(s, every.MetricsStream))
    stored = weir.get_json("/status")["storage"]
    kept = {signal: weir.ledger_sum(signal)["kept"] for signal in ("span", "log", "access_log", "mixer")}
    assert stored["spans"] == kept["span"] and stored["logs"] == kept["log"]
    assert stored["requests"] == kept["access_log"] + kept["mixer"]


@pytest.mark.parametrize("fault,state", [("write enospc", 1), ("write eio", 2)])
def test_a_failing_disk_is_told_on_every_way_and_loses_nothing(faulty, fault, state):
    senders, streams = every.senders(faulty), every.streams(faulty, pause=0.005)
    by_name = {s.way.name: s for s in senders}
    refusable = [s for s in senders if s.way.signal in ("span", "log")]
    for thread in senders + streams:
        thread.start()
    until(lambda: all(len(s.answered) > 5 for s in senders), "answers on all ways")
    control(faulty, fault)
    until(lambda: faulty.total("weir_storage_state") == state, "the state to show")
    refused = {s: s.refused for s in refusable}
    until(lambda: all(s.refused > refused[s] for s in refusable), "refusals of all that comes again")
    # From here on nothing of theirs is taken, and all the rest is.
    answered = {s: len(s.answered) for s in senders}
    messages = {s: s.messages for s in streams}
    going_on = [by_name[n] for n in ("otlp-grpc-points", "otlp-http-points", "mixer")]
    until(lambda: all(len(s.answered) > answered[s] + 20 for s in going_on), "points and reports to be answered")
    until(lambda: all(s.messages > messages[s] + 50 for s in streams), "streams to be read")
    assert faulty.total("weir_storage_state") == state
    assert faulty.ask("/healthz").status == 503 and is_serving(faulty), "streams and points are taken"
    thinned = {signal: faulty.total("weir_thinned_items_total", signal=signal, reason="storage")
               for signal in ("access_log", "mixer", "span", "metric_point")}
    assert thinned["access_log"] > 0 and thinned["mixer"] > 0 and thinned["span"] == thinned["metric_point"] == 0
    assert {s: len(s.answered) for s in refusable} == {s: answered[s] for s in refusable}
    for sender in refusable:
        assert sender.delays and all(seconds >= 1 for seconds in sender.delays)
        assert {t for t in sender.texts if "storage is failing" in t} == sender.texts, (sender.way.name, sender.texts)
    assert by_name["mixer"].refused == 0
    control(faulty, "")
    until(lambda: faulty.total("weir_storage_state") == 0, "the store to recover")
    until(lambda: all(len(s.answered) > answered[s] + 5 for s in senders), "answers on all ways again")
    halt(senders + streams)
    assert faulty.ask("/healthz").status == 200 and is_serving(faulty)
    check_all(faulty, senders, streams)
    for signal in ("span", "log"):
        turned_away = sum(s.refused for s in refusable if s.way.signal == signal) * every.ITEMS
        assert faulty.total("weir_refused_items_total", signal=signal, reason="storage") == turned_away
        assert faulty.total("weir_duplicate_items_total", signal=signal) == 0, "what was refused was never in"


def test_a_disk_that_fails_longer_than_the_ring_lasts(tmp_path):
    """What is in the ring is a promise, so nothing of it is released unstored: in the end all are refused or held, and
    health says so. Then the disk is well, and everything is there."""
    folder = tmp_path / "faulty"
    with Weir(folder, "weir-faulty", flags=["--ring.size=4MiB"], env={"WEIR_FAULT_FILE": str(folder / "fault")}) as weir:
        control(weir, "write enospc")
        senders, streams = every.senders(weir), every.streams(weir)
        for thread in senders + streams:
            thread.start()
        until(lambda: weir.total("weir_storage_state") == 1, "the state to show")
        until(lambda: not is_serving(weir), "health to say that nothing is taken")
        until(lambda: all(s.refused > 0 for s in senders), "refusals on all ways")
        assert weir.ask("/healthz").status == 503
        assert weir.total("weir_refused_items_total", signal="mixer", reason="ring_full") > 0
        assert weir.total("weir_refused_items_total", signal="metric_point", reason="ring_full") > 0
        control(weir, "")
        until(lambda: weir.total("weir_storage_state") == 0 and is_serving(weir), "the store to recover")
        answered = {s: len(s.answered) for s in senders}
        until(lambda: all(len(s.answered) > answered[s] + 5 for s in senders), "answers on all ways again")
        halt(senders + streams)
        until(lambda: weir.total("weir_overload_level") == 0, "the calm")
        senders = every.come_again(senders, weir)
        check_all(weir, senders, streams)
        weir.ledger()
