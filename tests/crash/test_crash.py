"""Goal: whatever was answered survives kill -9 at every named point and at any
moment; nothing is stored twice; the ledger closes; the same ring folded with
and without kills gives the same tables."""

import random
import shutil
import subprocess

import pytest
from producers import SPANS, SpanProducer, StreamProducer
from weir import BUILD, PATIENCE, Weir, until

FLAGS = ["--ring.size=16MiB"]
POINTS = {  # how many visits there usually are in a second of this load
    "after_reserve": 300, "after_commit_word": 300, "before_answer": 300, "at_seal": 2, "in_sql_commit": 2, "before_release": 2}
KILLS_A_POINT = 10
RANDOM_KILLS = 50


class Scene:
    """A store that lives through many kills, its producers and what they know."""

    def __init__(self, folder, env=None):
        self.weir = Weir(folder, "weir-faulty", flags=FLAGS, env=env)
        self.spans = [SpanProducer(None, is_patient=i % 2 == 0) for i in range(3)]
        self.kills = 0

    def start(self, crash=None):
        self.weir.env.pop("WEIR_CRASH", None)
        if crash:
            self.weir.env["WEIR_CRASH"] = crash
        self.weir.start()

    def load(self):
        """Producers against the running weir, with what they knew before."""
        self.spans = [p.resumed(self.weir.grpc) for p in self.spans]
        self.streams = [StreamProducer(self.weir.grpc)]
        for producer in self.spans + self.streams:
            producer.start()

    def wait_for_the_end_of_load(self):
        for producer in self.spans + self.streams:
            producer.halt.set()
        for producer in self.spans + self.streams:
            producer.join(PATIENCE)
            assert not producer.is_alive()

    def killed_at(self, point, visit):
        """Loads until the process kills itself at the point."""
        self.start(f"{point}:{visit}")
        self.load()
        assert self.weir.process.wait(PATIENCE) == -9
        self.wait_for_the_end_of_load()
        self.kills += 1

    def killed_in_replay(self, visit):
        """Leaves records in the ring, then dies while they are replayed."""
        self.killed_at("before_answer", random.randint(20, 200))
        self.weir.env["WEIR_CRASH"] = f"in_replay:{visit}"
        self.weir.spawn()
        assert self.weir.process.wait(PATIENCE) == -9
        self.kills += 1

    def killed_after(self, answers):
        self.start()
        self.load()
        before = sum(len(p.answered) for p in self.spans)
        until(lambda: sum(len(p.answered) for p in self.spans) >= before + answers, "answers")
        self.weir.kill()
        self.wait_for_the_end_of_load()
        self.kills += 1

    def check(self):
        """Answered = stored, none doubled, ring = stored, the ledger closes."""
        self.start()
        self.load()  # the patient ones repeat what they have no answer for
        until(lambda: all(p.pending is None or not p.is_patient or p.refused for p in self.spans) or
              sum(len(p.answered) for p in self.spans) > 50, "repeats")
        self.wait_for_the_end_of_load()
        ledger = lambda: self.weir.ledger_sum("span")
        until(lambda: self.weir.total("weir_storage_position_bytes") == self.weir.total("weir_ring_position_bytes"),
              "everything to be stored")
        answered = [t for p in self.spans for t in p.answered]
        assert len(answered) == len(set(answered)) > 0
        for trace_id in answered:
            trace = self.weir.get_json(f"/api/v2/trace/{trace_id}")
            assert len({s["id"] for s in trace}) == len(trace) == SPANS, trace_id
        unanswered = [t for p in self.spans for t in p.unanswered + ([p.pending[0]] if p.pending else [])]
        came_through = sum(self.weir.ask(f"/api/v2/trace/{t}").status == 200 for t in set(unanswered) - set(answered))
        present = (len(answered) + came_through) * SPANS
        assert self.weir.total("weir_storage_spans") == present, "rows stored once each"
        assert ledger()["kept"] == present
        logs = self.weir.ledger_sum("access_log")
        assert self.weir.total("weir_storage_requests") + self.weir.total("weir_storage_connections") == logs["kept"]
        counted = self.weir.total("istio_requests_total")
        assert counted == self.weir.total("weir_storage_requests")
        assert self.weir.stop() == 0
        return present


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point(tmp_path, point, kills):
    random.seed(point)
    scene = Scene(tmp_path / "weir")
    for _ in range(KILLS_A_POINT):
        scene.killed_at(point, random.randint(1, POINTS[point]))
    assert scene.check() > 0
    kills[point] = scene.kills


def test_killed_in_replay(tmp_path, kills):
    random.seed("in_replay")
    scene = Scene(tmp_path / "weir")
    for _ in range(KILLS_A_POINT):
        scene.killed_in_replay(random.randint(1, 10))
    assert scene.check() > 0
    kills["in_replay"] = scene.kills // 2


def test_killed_at_random_moments(tmp_path, kills):
    random.seed("anywhere")
    scene = Scene(tmp_path / "weir")
    for _ in range(RANDOM_KILLS):
        scene.killed_after(random.randint(1, 120))
    assert scene.check() > RANDOM_KILLS * SPANS
    kills["random moments"] = scene.kills


def test_a_position_outside_the_transaction_goes_red(tmp_path):
    """The proof that the proof can fail."""
    random.seed("outside")
    scene = Scene(tmp_path / "weir", env={"WEIR_TEST_POSITION_OUTSIDE": "1"})
    for _ in range(KILLS_A_POINT):
        scene.killed_at("in_sql_commit", random.randint(1, POINTS["in_sql_commit"]))
    with pytest.raises(AssertionError):
        scene.check()
    scene.weir.stop()


def digest(database):
    done = subprocess.run([str(BUILD / "tests/crash/state"), str(database)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_same_ring_folded_with_and_without_kills_gives_equal_tables(tmp_path):
    random.seed("fold")
    scene = Scene(tmp_path / "made", env={"WEIR_FAULT": "write:enospc"})  # nothing reaches the database: the ring keeps it all
    scene.killed_after(150)
    for copy in ("whole", "killed"):
        shutil.copytree(tmp_path / "made", tmp_path / copy)
    all_stored = lambda w: w.total("weir_storage_position_bytes") == w.total("weir_ring_position_bytes")
    with Weir(tmp_path / "whole", "weir-faulty", flags=FLAGS) as weir:
        until(lambda: all_stored(weir), "the replay")
        weir.ledger()
    killed = Weir(tmp_path / "killed", "weir-faulty", flags=FLAGS)
    for crash in ("in_replay:7", "in_replay:60", "at_seal:1", "in_sql_commit:1", "in_replay:100", "before_release:1"):
        killed.env["WEIR_CRASH"] = crash
        killed.spawn()
        assert killed.process.wait(PATIENCE) == -9, crash
    killed.env.pop("WEIR_CRASH")
    with killed:
        until(lambda: all_stored(killed), "the replay")
    assert digest(tmp_path / "whole" / "weir.db") == digest(tmp_path / "killed" / "weir.db") != ""
