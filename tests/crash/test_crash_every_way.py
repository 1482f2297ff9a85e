"""Goal: kill -9 while every way in is used at once: what was answered is kept, and once, whatever protocol it came by;
of streams what was read is counted, and is a beginning of what was sent; no counter goes down."""

import random

import every
import killing
import pytest
from producers import StreamProducer
from weir import control, until

KILLS = 8
POINTS = {"after_reserve": 300, "after_commit_word": 300, "before_answer": 300, "in_sql_commit": 3}
KILLS_A_POINT, KILLS_OVERLOADED = 2, 3
ASKED = 60  # batches of each way whose detail is asked for
# What must never go down, by the beginning of its name; sums of delta points among them.
COUNTERS = ("istio_requests_total", "istio_request_duration", "traces_", "way_work_total", "weir_received_", "weir_kept_",
            "weir_thinned_", "weir_dropped_", "weir_duplicate_")
THINNED = ("weir_thinned_items_total", frozenset({"signal": "access_log", "reason": "overload"}.items()))


class Large(StreamProducer):
    """Messages of about 20 KB."""
    ENTRIES = 121


class Scene(killing.Scene):
    """A sender on every way, and streams."""

    def __init__(self, folder, ring="16MiB", streams=lambda weir: every.streams(weir, pause=0.003)):
        super().__init__(folder, [f"--ring.size={ring}"])
        self.make_streams = streams
        self.senders = every.senders()
        self.gone, self.streams = [], []  # senders that do not come again, and streams, of earlier runs

    def load(self):
        """Who comes again does so with what it has no answer for; a Mixer client and a stream begin anew."""
        again = [s for s in self.senders if s.way.comes_again]
        once = [s for s in self.senders if not s.way.comes_again]
        self.gone += [s for s in once if s.weir]
        self.senders = [s.resumed(self.weir) for s in again] + [every.Sender(s.way, self.weir, self.kills) for s in once]
        self.current = self.make_streams(self.weir)
        self.streams += self.current
        for thread in self.threads():
            thread.start()

    def threads(self):
        return self.senders + self.current

    def answers(self):
        return sum(len(s.answered) for s in self.senders)

    def counters(self):
        return {k: v for k, v in self.weir.samples().items() if k[0].startswith(COUNTERS)}

    def end(self):
        self.begin()
        before = {s: len(s.answered) for s in self.senders}
        until(lambda: all(len(s.answered) > n for s, n in before.items()), "an answer on each way")
        self.wait_for_the_end_of_load()
        until(self.weir.is_all_stored, "all to be stored")
        self.senders = every.come_again(self.senders, self.weir)
        until(self.weir.is_all_stored, "all to be stored")
        self.scrape()
        self.check()
        assert self.weir.stop() == 0

    def check(self):
        weir, seen, reports = self.weir, every.Seen(self.weir), 0
        for sender in self.senders + self.gone:
            have = sender.check(seen)
            reports += have if sender.way.signal == "mixer" else 0
            if sender.way.comes_again:
                sender.check_detail(weir, step=max(1, len(sender.answered) // ASKED))
        lost = sum(len(s.lost) for s in self.senders + self.gone)
        assert lost <= self.kills + 1, "one Mixer client waits for one answer"
        access_logs = [s for s in self.streams if not isinstance(s, every.MetricsStream)]
        entries = sum(s.check(seen.requests()) for s in access_logs)
        points = sum(s.read(seen) for s in self.streams if isinstance(s, every.MetricsStream))
        sums = {signal: weir.ledger_sum(signal) for signal in ("span", "log", "metric_point", "access_log", "mixer")}
        logs = sums["access_log"]
        assert entries == logs["received"] == logs["kept"] + logs["thinned"] > 0
        assert reports == sums["mixer"]["kept"] == sums["mixer"]["received"] > 0
        answered = lambda signal: every.ITEMS * sum(len(s.answered) for s in self.senders if s.way.signal == signal)
        assert sums["metric_point"]["kept"] == points + answered("metric_point") and points > 0
        stored = weir.get_json("/status")["storage"]
        assert stored["spans"] == sums["span"]["kept"] == answered("span") > 0
        assert stored["logs"] == sums["log"]["kept"] == answered("log") > 0
        assert stored["requests"] == logs["kept"] + reports
        assert "counters start anew" not in weir.log()


def test_killed_at_random_moments_on_every_way(tmp_path, kills):
    random.seed("every way")
    scene = Scene(tmp_path / "weir")
    for i in range(KILLS):
        scene.killed_after(random.randint(1, 150) if i % 4 else random.randint(500, 1000))
    kills["random moments, on every way"] = scene.kills
    scene.end()


def test_killed_while_overloaded(tmp_path, kills):
    """A slow disk, a small ring and streams at full speed: refused, held and thinned when it happens."""
    random.seed("overloaded")
    scene = Scene(tmp_path / "weir", ring="1MiB", streams=lambda weir: every.streams(weir) + [Large(weir.grpc) for _ in range(3)])
    control(scene.weir, "fsync slow")
    for _ in range(KILLS_OVERLOADED):
        more = random.randint(1, 1500)
        enough = scene.scraped.get(THINNED, 0) + more
        scene.killed_when(lambda weir: weir.samples().get(THINNED, 0) > enough, "entries to be thinned")
    kills["overloaded, on every way"] = scene.kills
    assert sum(s.refused for s in scene.senders) > 0
    control(scene.weir, "")
    scene.end()


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point_on_every_way(tmp_path, point, kills):
    random.seed(f"every way {point}")
    scene = Scene(tmp_path / "weir")
    control(scene.weir, "")
    while scene.kills < KILLS_A_POINT:
        scene.killed_at(point, random.randint(1, POINTS[point]))
    kills[f"{point}, on every way"] = scene.kills
    scene.end()


def test_a_position_outside_the_transaction_goes_red_on_every_way(tmp_path):
    """The proof that the proof can fail."""
    random.seed("every way outside")
    scene = Scene(tmp_path / "weir")
    scene.weir.env["WEIR_TEST_POSITION_OUTSIDE"] = "1"
    while scene.kills < KILLS_A_POINT:
        scene.killed_at("in_sql_commit", random.randint(1, POINTS["in_sql_commit"]))
    with pytest.raises(AssertionError):
        scene.end()
    scene.weir.stop()
