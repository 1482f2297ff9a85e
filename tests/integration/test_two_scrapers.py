"""Goal: whatever happens to weir, two Prometheuses of different phases come to what was sent: over a restart and a kill -9
under load no counter goes down; over a lost ring all begin anew; a reload changes nothing; nothing is counted twice.

Computed from raw samples, as Prometheus has them, not from rate()."""

import contextlib
import signal
import time

import pytest
import raw
from every import ITEMS, Sender, WAYS, come_again
from producers import StreamProducer
from prometheus import Prometheus
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from weir import Weir, free_port, until

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


class Load:
    """Senders that go on over restarts, with what they know, and a new stream after each."""

    def __init__(self, weir):
        self.weir = weir
        ways = {way.name: way for way in WAYS}
        self.senders = [Sender(ways["mixer"], pause=0.01), Sender(ways["otlp-grpc-points"], pause=0.01)]
        self.streams = []

    def start(self):
        self.senders = [s.resumed(self.weir) for s in self.senders]
        self.streams.append(StreamProducer(self.weir.grpc, pause=0.01))
        for thread in [*self.senders, self.streams[-1]]:
            thread.start()

    def ended(self):
        """No more is sent; all that a living weir could be told is told."""
        for thread in [*self.senders, self.streams[-1]]:
            thread.halt.set()
        for thread in [*self.senders, self.streams[-1]]:
            thread.join(60)
            assert not thread.is_alive() and (not isinstance(thread, Sender) or thread.failure is None)

    def check(self, counted):
        """What a scraper came to is what was answered; a stream and a Mixer client that lost its answer, what may be."""
        mixer, points = self.senders
        have = raw.total(counted, "istio_requests_total", destination_service=f"{mixer.name_sent}.shop.svc")
        want = ITEMS * len(mixer.answered)
        assert want <= have <= want + ITEMS * len(mixer.lost) and have % ITEMS == 0, (want, have)
        have = raw.total(counted, "way_work_total")
        assert have == ITEMS * len(points.answered) > 0
        for stream in self.streams:
            by_service = {dict(k)["destination_service"]: v for k, v in counted.items()
                          if ("__name__", "istio_requests_total") in k}
            assert stream.check(by_service) > 0


@pytest.fixture
def weir(tmp_path):
    with Weir(tmp_path / "weir", flags=[f"--listen.http=127.0.0.1:{free_port()}"]) as running:
        yield running
        running.ledger()


@pytest.fixture
def scrapers(weir, tmp_path):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Prometheus(tmp_path / name, [weir], name=name)) for name in ("one", "two")]


def scraped(scrapers, count=1):
    """Every scraper has scraped so often since now."""
    return max(s.scraped(count=count) for s in scrapers)


def rows_of(scraper):
    """Of this weir's counters, all raw samples."""
    rows = scraper.raw(raw.COUNTED)
    assert {"istio_requests_total", "way_work_total", "weir_kept_items_total"} <= {raw.name_of(l) for l, _ in rows}
    return rows


def assert_counted_once(load, scrapers, starts):
    """`starts`: when counters may have begun anew."""
    for scraper in scrapers:
        rows = rows_of(scraper)
        # A counter goes down only over a new start, and then between the scrapes around it.
        for labels, t, before, after in raw.falls(rows):
            samples = next(s for l, s in rows if l == labels)
            earlier = max(when for when, _ in samples if when < t)
            assert any(earlier < start <= t for start in starts), (labels, t, before, after, starts)
        assert raw.assert_every_scrape_is_whole(rows) >= 5
        load.check(raw.totals(rows, starts))


def test_a_restart_and_a_kill_under_load_lose_and_double_nothing(weir, scrapers):
    load = Load(weir)
    load.start()
    scraped(scrapers, 2)
    load.ended()
    assert weir.stop() == 0
    weir.start()
    load.start()
    scraped(scrapers, 2)
    weir.kill()  # under load
    load.ended()
    weir.start()
    load.start()
    scraped(scrapers, 2)
    load.ended()
    load.senders = come_again(load.senders, weir)
    scraped(scrapers)
    assert_counted_once(load, scrapers, [])


def test_a_lost_ring_begins_all_counters_anew(weir, scrapers):
    load = Load(weir)
    load.start()
    scraped(scrapers, 2)
    load.ended()
    scraped(scrapers)
    assert weir.stop() == 0
    anew = time.time()
    weir.ring.unlink()
    weir.start()
    for name in ("istio_requests_total", "way_work_total", "weir_received_items_total"):
        assert weir.total(name) == 0, name
    load.start()
    scraped(scrapers, 2)
    load.ended()
    load.senders = come_again(load.senders, weir)
    scraped(scrapers)
    assert_counted_once(load, scrapers, [anew])
    # Had one gone on from where it was, it would count twice what came before.
    for scraper in scrapers:
        with pytest.raises(AssertionError):
            load.check(raw.totals(rows_of(scraper), []))


def test_a_reload_changes_no_counter(weir, scrapers):
    load = Load(weir)
    load.start()
    scraped(scrapers, 2)
    for _ in range(3):
        before = weir.process.pid
        weir.process.send_signal(signal.SIGHUP)
        scraped(scrapers)
        assert weir.process.poll() is None and weir.process.pid == before
    load.ended()
    load.senders = come_again(load.senders, weir)
    scraped(scrapers)
    assert_counted_once(load, scrapers, [])


def created(weir):
    """From OpenMetrics: {(name, labels): (created, value)} of the requests, the ledger, and what went with expired series."""
    answer = weir.ask("/metrics", headers=OPENMETRICS)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text"), answer.headers["Content-Type"]
    found = {}
    for family in text_string_to_metric_families(answer.text):
        if family.name in ("istio_requests", "weir_series_expired_value") or family.name.endswith("_items"):
            for sample in family.samples:
                times = found.setdefault((family.name, frozenset(sample.labels.items())), {})
                times[sample.name.removeprefix(family.name + "_")] = sample.value
    found = {k: row for k, row in found.items() if k[0] != "weir_refused_items"}  # which begin with the process
    assert all(set(row) == {"total", "created"} for row in found.values()), found
    rows = {k: (row["created"], row["total"]) for k, row in found.items()}
    return rows if any(name == "istio_requests" for name, _ in rows) else {}


def test_created_times_tell_of_every_new_start_and_of_no_other(tmp_path):
    with Weir(tmp_path / "weir", flags=["--metrics.om_created=true"]) as weir:
        began, load = time.time(), Load(weir)
        load.start()
        first = until(lambda: created(weir), "a series")
        assert all(began - 1 <= since <= time.time() for since, _ in first.values())
        for end in (weir.stop, weir.kill):
            load.ended()
            seen = created(weir)
            end()
            weir.start()
            again = created(weir)
            assert again == seen  # neither a value nor its beginning
            load.start()
            until(lambda: any(v > seen.get(k, (0, 0))[1] for k, (_, v) in created(weir).items()), "new requests")
        load.ended()
        seen = created(weir)
        assert weir.stop() == 0
        anew = time.time()
        weir.ring.unlink()
        weir.start()
        load.start()
        last = until(lambda: created(weir), "a series")
        load.ended()
        assert all(since >= anew - 0.001 for since, _ in last.values())
        weir.ledger()
