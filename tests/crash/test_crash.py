"""Goal: whatever was answered survives kill -9 at every named point and at any
moment; nothing is stored twice; the ledger closes; the same ring folded with
and without kills gives the same tables."""

import itertools
import random
import select
import shutil
import subprocess

import killing
import pytest
from producers import SPANS, HttpSpanProducer, SpanProducer, StreamProducer
from weir import BUILD, PATIENCE, Weir, until

FLAGS = ["--ring.size=16MiB"]
POINTS = {  # at which visit it happens, at the latest: some under load are at the start, some in the middle of it
    "after_reserve": 300, "after_commit_word": 300, "before_answer": 300, "at_seal": 4, "in_sql_commit": 4, "before_release": 4}
KILLS_A_POINT = 10
RANDOM_KILLS = 50


class BriefStream(StreamProducer):
    """While nothing is stored, the ring keeps it all: so many messages leave room there for the batches, and are the last."""
    MOST = 300

    def _feed(self):
        yield from itertools.islice(super()._feed(), 1 + self.MOST)  # the identifier is first
        self.halt.wait()


class Scene(killing.Scene):
    """Producers of spans over gRPC and HTTP, and an access log stream."""

    def __init__(self, folder, flags=(), env=None, are_all_patient=False, stream=StreamProducer):
        super().__init__(folder, [*FLAGS, *flags], env)
        self.stream = stream
        self.spans = [SpanProducer(None, True), SpanProducer(None, are_all_patient), HttpSpanProducer(None, True)]
        self.streams = []

    def load(self):
        """A new stream: nobody repeats one."""
        self.spans = [p.resumed(p.target_of(self.weir)) for p in self.spans]
        self.streams.append(self.stream(self.weir.grpc))
        for producer in self.threads():
            producer.start()

    def threads(self):
        return self.spans + self.streams[-1:]

    def answers(self):
        return sum(len(p.answered) for p in self.spans)

    def counters(self):
        kept = ("istio_requests_total", "traces_", "weir_received_", "weir_kept_", "weir_duplicate_")
        lines = [line for line in self.weir.ask("/metrics").text.splitlines() if line.startswith(kept)]
        return {series: float(value) for series, value in (line.rsplit(" ", 1) for line in lines)}

    def killed_while_starting(self, seconds):
        """Where it is by then does not matter."""
        self.weir.spawn()
        select.select([self.weir.process.stdout], [], [], seconds)
        self.weir.kill()

    def settle(self):
        """One more start and load, this time without a kill: who has no answer repeats. Then all is stored."""
        self.weir.start()
        self.load()
        before = self.answers()
        until(lambda: self.answers() > before + 20, "answers")
        self.wait_for_the_end_of_load()
        until(self.weir.is_all_stored, "everything to be stored")
        assert all(p.pending is None for p in self.spans)

    def stored(self, trace_id):
        answer = self.weir.ask(f"/api/v2/trace/{trace_id}")
        return [s["id"] for s in answer.json] if answer.status == 200 else []

    def answered_but_not_stored_once(self):
        answered = [t for p in self.spans for t in p.answered]
        assert len(answered) == len(set(answered)) > 0
        found = {t: self.stored(t) for t in answered}
        return [t for t, ids in found.items() if not len(ids) == len(set(ids)) == SPANS]

    def check(self):
        """Answered = stored, none doubled, ring = stored for streams, the ledger closes."""
        assert self.answered_but_not_stored_once() == []
        # A batch without an answer is there as a whole or not at all.
        forgotten = [len(self.stored(t)) for p in self.spans for t in p.unanswered]
        assert set(forgotten) <= {0, SPANS}
        present = self.answers() * SPANS + sum(forgotten)
        figures = self.weir.get_json("/status")["storage"]
        assert figures["spans"] == present, "rows, stored once each"
        spans, logs = self.weir.ledger_sum("span"), self.weir.ledger_sum("access_log")
        assert spans["kept"] == present
        # Streams: what was kept of each is a beginning of what was sent, and all of it is stored and counted.
        samples = self.weir.samples()
        counted = {dict(labels)["destination_service"]: value
                   for (name, labels), value in samples.items() if name == "istio_requests_total"}
        entries = sum(stream.check(counted) for stream in self.streams)
        assert 0 < entries == logs["kept"] == logs["received"] == figures["requests"] == sum(counted.values())
        assert "counters start anew" not in self.weir.log()
        return spans["duplicates"]

    def end(self):
        self.settle()
        duplicates = self.check()
        assert self.weir.stop() == 0
        return duplicates


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point(tmp_path, point, kills):
    random.seed(point)
    # Killed before an answer, the batch is in the ring: if all senders repeat, some must be recognised.
    scene = Scene(tmp_path / "weir", are_all_patient=point == "before_answer")
    while scene.kills < KILLS_A_POINT:
        if not scene.killed_at(point, random.randint(1, POINTS[point])):
            kills[f"{point} (in the replay)"] = kills.get(f"{point} (in the replay)", 0) + 1
    kills[point] = scene.kills
    duplicates = scene.end()
    assert duplicates % SPANS == 0
    if point == "before_answer":
        assert duplicates > 0


def test_killed_in_replay(tmp_path, kills):
    """The kills before come while nothing can be stored, so that there is enough to replay."""
    random.seed("in_replay")
    scene = Scene(tmp_path / "weir", stream=BriefStream)
    for i in range(KILLS_A_POINT):
        assert scene.killed_at("before_answer", random.randint(50, 200), fault="write stall")
        assert not scene.killed_at("in_replay", random.randint(1, 40))
        kills["in_replay"] = i + 1
    scene.end()


def test_killed_at_random_moments(tmp_path, kills):
    random.seed("anywhere")
    scene = Scene(tmp_path / "weir")
    for i in range(RANDOM_KILLS):
        # Mostly soon; now and then late enough for windows to be sealed and stored.
        scene.killed_after(random.randint(1, 120) if i % 5 else random.randint(800, 2500))
        kills["random moments"] = scene.kills
        if i % 5 == 1:
            scene.killed_while_starting(random.uniform(0, 0.05))
            kills["random moments of the start"] = kills.get("random moments of the start", 0) + 1
    scene.end()


def test_killed_while_answers_wait_for_their_sync(tmp_path, kills):
    """storage.sync=always: an answer is parked until the commit that holds its batch is synced."""
    random.seed("always")
    scene = Scene(tmp_path / "weir", flags=["--storage.sync=always"])
    while scene.kills < KILLS_A_POINT:
        point = random.choice(["at_seal", "in_sql_commit", "before_release"])
        scene.killed_at(point, random.randint(1, 3))
    kills["sync=always, at_seal, in_sql_commit or before_release"] = scene.kills
    scene.end()


def test_a_position_outside_the_transaction_goes_red(tmp_path):
    """The proof that the proof can fail."""
    random.seed("outside")
    scene = Scene(tmp_path / "weir", env={"WEIR_TEST_POSITION_OUTSIDE": "1"})
    while scene.kills < 3:
        scene.killed_at("in_sql_commit", random.randint(1, POINTS["in_sql_commit"]))
    scene.settle()
    assert scene.answered_but_not_stored_once() != []
    with pytest.raises(AssertionError):
        scene.check()
    scene.weir.stop()


@pytest.mark.parametrize("visit", [1, 30])
def test_what_the_last_kill_left_half_made_waits_for_nothing(tmp_path, visit):
    """The ring then ends on a hole: nothing is to be stored of it, with a record before it or without."""
    scene = Scene(tmp_path / "weir")
    assert scene.killed_at("after_reserve", visit)
    with scene.weir as weir:
        until(weir.is_all_stored, "the replay")
        assert weir.status_of("ring", "head") > 0


def digest(database):
    """Of the tables of the fold as they are stored, with the position that they stand for."""
    done = subprocess.run([str(BUILD / "tests/crash/state"), str(database)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_same_ring_folded_with_and_without_kills_gives_equal_tables(tmp_path):
    random.seed("fold")
    scene = Scene(tmp_path / "made", stream=BriefStream)
    scene.killed_after(400, fault="write stall")  # nothing is released: the ring keeps it all
    for copy in ("whole", "killed"):
        shutil.copytree(tmp_path / "made", tmp_path / copy)
    with Weir(tmp_path / "whole", "weir-faulty", flags=FLAGS) as whole:
        until(whole.is_all_stored, "the replay")
        rows = whole.get_json("/status")["storage"]
        assert whole.ledger_sum("span")["kept"] >= 400 * SPANS
    killed = Weir(tmp_path / "killed", "weir-faulty", flags=FLAGS)
    for crash in ("in_replay:7", "in_replay:60", "at_seal:1", "in_sql_commit:1", "in_replay:100", "before_release:1"):
        killed.env["WEIR_CRASH"] = crash
        killed.spawn()
        assert killed.process.wait(PATIENCE) == -9, crash
    killed.env.pop("WEIR_CRASH")
    with killed:
        until(killed.is_all_stored, "the replay")
        again = killed.get_json("/status")["storage"]
        assert all(rows[k] == again[k] for k in ("spans", "requests", "connections"))
    assert digest(tmp_path / "whole" / "weir.db") == digest(tmp_path / "killed" / "weir.db") != ""
