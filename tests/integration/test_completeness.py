"""Goal: completeness is a number that is right: real Envoys say how many entries and spans they sent, and what arrived is
compared with that, also over a kill."""

import pytest
from mesh import Mesh
from weir import Weir, free_port, until

CALLS = 30


def completeness(weir, signal="access_log"):
    return {row["source"]: row for row in weir.ledger()["completeness"] if row["signal"] == signal}


def has_begun(weir):
    """Both sidecars have said what they sent so far: from here on it is compared."""
    rows = completeness(weir)
    return len(rows) == 2 and all(row["sent"] == row["seen"] for row in rows.values())


def is_whole(weir, at_least):
    rows = completeness(weir)
    return len(rows) == 2 and all(row["seen"] == row["sent"] >= at_least for row in rows.values())


@pytest.mark.parametrize("logs", [("als",), ("als", "otlp")], ids="-".join)
def test_what_real_envoys_sent_is_what_was_seen(weir, tmp_path, logs):
    with Mesh(tmp_path, weir, logs=logs) as mesh:
        assert mesh.call(200) == 200
        until(lambda: weir.ledger_sum("access_log")["kept"] == 2, "both sidecars' first entries")
        until(lambda: has_begun(weir), "both sidecars' stats")
        for _ in range(CALLS):
            assert mesh.call(200) == 200
        until(lambda: is_whole(weir, CALLS), "all that was sent to be seen")
        names = {source.rsplit(".", 1)[0].rsplit("-", 2)[0] if "~" not in source else source for source in completeness(weir)}
        assert names == {"productpage-v1", "reviews-v1"}, names
        for row in completeness(weir).values():
            assert row["dropped"] == 0


def test_a_kill_in_the_middle_leaves_what_was_sent_exact_and_no_more_seen_than_that(tmp_path):
    port = free_port()
    with Weir(tmp_path / "weir", flags=[f"--listen.grpc=127.0.0.1:{port}"]) as weir:
        with Mesh(tmp_path, weir) as mesh:
            assert mesh.call(200) == 200
            until(lambda: weir.ledger_sum("access_log")["kept"] == 2, "both sidecars' first entries")
            until(lambda: has_begun(weir), "both sidecars' stats")
            for _ in range(CALLS):
                assert mesh.call(200) == 200
            until(lambda: is_whole(weir, CALLS), "all that was sent to be seen")
            weir.kill()
            for _ in range(CALLS):  # kept by the proxies, or lost on the way: as it happens
                assert mesh.call(200) == 200
            weir.start()
            for _ in range(CALLS):
                assert mesh.call(200) == 200
            # Their counters tell of all of them, over the restart; what is missing beside them was lost.
            until(lambda: all(row["sent"] + row["dropped"] >= 3 * CALLS for row in completeness(weir).values()),
                  "what was sent meanwhile")
            until(lambda: all(row["seen"] >= 2 * CALLS for row in completeness(weir).values()), "what was told before and after")
            for row in completeness(weir).values():
                assert row["seen"] <= row["sent"] + row["dropped"] == 3 * CALLS, row
