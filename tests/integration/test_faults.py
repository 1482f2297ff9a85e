"""Goal: what goes wrong around weir is a state, not an end: no more file
descriptors, a stalled or full disk, a ring that is not its own, two weirs."""

import concurrent.futures
import resource
import shutil
import socket
import sqlite3
import struct
import subprocess
import time

import grpc
import mtcap
import pytest
from producers import EXPORT, SpanProducer, StreamProducer, make_batch
from weir import Weir, control, until

FILES = 256


def few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


def export(weir, target=None, wait_for_ready=True):
    trace_id, body = make_batch(3)
    with grpc.insecure_channel(target or weir.grpc, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        channel.unary_unary(EXPORT)(body, timeout=20, wait_for_ready=wait_for_ready)
    return trace_id


def flood(address, n):
    """Opens up to n connections at once; whoever is not let in within a moment is left out."""
    opened = []
    for _ in range(n):
        s = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        s.settimeout(0.2)
        try:
            s.connect(address)
            opened.append(s)
        except OSError:
            s.close()
    return opened


@pytest.mark.parametrize("where", ["grpc", "unix", "http"])
def test_twice_the_file_limit_of_connections_and_the_next_call_is_served(tmp_path, where):
    with Weir(tmp_path / "weir", limits=few_files, unix=True) as weir:
        host, port = (weir.http if where == "http" else weir.grpc).rsplit(":", 1)
        address = str(weir.folder / "grpc.sock") if where == "unix" else (host, int(port))
        idle = weir.open_files()
        for _ in range(3):
            opened = flood(address, 2 * FILES)
            assert len(opened) > FILES
            until(lambda: weir.open_files() > FILES * 3 // 4, "the flood to hurt")
            for s in opened:
                s.close()
        trace_id = export(weir, f"unix:{address}" if where == "unix" else None)
        until(lambda: weir.open_files() < idle + 16, "the descriptors to come back")
        assert weir.ask("/healthz").status == 200
        assert where == "http" or weir.total("weir_connections_refused_total") > 0
        assert_all_found(weir, [trace_id], 3)
        weir.ledger()


@pytest.fixture
def faulty(tmp_path):
    folder = tmp_path / "faulty"
    with Weir(folder, "weir-faulty", env={"WEIR_FAULT_FILE": str(folder / "fault")}) as weir:
        yield weir
        weir.ledger()


def assert_all_found(weir, trace_ids, spans):
    for trace_id in trace_ids:
        assert len(weir.get_json(f"/api/v2/trace/{trace_id}")) == spans


def test_a_stalled_fsync_loses_nothing_and_memory_stays_flat(faulty):
    producer = SpanProducer(faulty.grpc, is_patient=True)
    producer.start()
    until(lambda: len(producer.answered) > 50, "answers")
    answered, before = len(producer.answered), faulty.memory_bytes("RssAnon")
    control(faulty, "fsync stall")
    until((faulty.folder / "fault.hangs").exists, "the writer to hang")
    stored, began = faulty.status_of("ring", "stored"), time.monotonic()
    until(lambda: time.monotonic() - began > 5, "five seconds of stall", 10)
    assert faulty.status_of("ring", "stored") == stored, "it hung all the time"
    during = faulty.memory_bytes("RssAnon")
    assert len(producer.answered) > answered
    control(faulty, "")
    producer.halt.set()
    producer.join(30)
    until(faulty.is_all_stored, "all to be stored")
    assert_all_found(faulty, producer.answered, 20)
    assert during - before < 24 << 20


@pytest.mark.parametrize("fault,state", [("write enospc", 1), ("write eio", 2)])
def test_a_failing_disk_is_a_state_and_it_recovers(faulty, fault, state):
    kept = [export(faulty) for _ in range(20)]
    until(faulty.is_all_stored, "all to be stored")
    control(faulty, fault)
    producer = SpanProducer(faulty.grpc, is_patient=True)
    producer.start()
    until(lambda: faulty.total("weir_storage_state") == state, "the state to show")
    until(lambda: producer.refused > 0, "spans to be refused")
    assert faulty.ask("/healthz").status == 503
    # Streams are still counted, their detail is thinned: much longer than windows can wait for the writer.
    began, entries = time.monotonic(), 0
    while time.monotonic() - began < 10:
        stream = StreamProducer(faulty.grpc)
        stream.start()
        until(lambda: stream.messages > 20, "messages to be sent")
        stream.halt.set()
        stream.join(30)
        entries += stream.messages * stream.ENTRIES
        until(lambda: faulty.total("istio_requests_total") == entries, "the stream to be counted")
    assert faulty.ledger_sum("access_log")["thinned"] == entries
    control(faulty, "")
    until(lambda: faulty.total("weir_storage_state") == 0, "the store to recover")
    until(lambda: len(producer.answered) > 20, "answers again")
    producer.halt.set()
    producer.join(30)
    until(faulty.is_all_stored, "all to be stored")
    assert faulty.ask("/healthz").status == 200
    assert_all_found(faulty, kept, 3)
    assert_all_found(faulty, producer.answered, 20)
    assert faulty.total("weir_refused_items_total", signal="span", reason="storage") >= producer.refused * 20
    assert faulty.total("istio_requests_total") == entries
    assert faulty.status_of("storage", "requests") == 0


def test_a_failing_retention_recovers_without_new_senders(tmp_path):
    """Spans are refused while the state lasts, so no commit of theirs may be needed to end it."""
    folder = tmp_path / "faulty"
    env = {"WEIR_FAULT_FILE": str(folder / "fault")}
    with Weir(folder, "weir-faulty", flags=["--storage.max_age=2s", "--storage.sync=always"], env=env) as weir:
        export(weir)
        control(weir, "write eio")
        until(lambda: weir.total("weir_storage_state") == 2, "the state to show")
        control(weir, "")
        until(lambda: weir.total("weir_storage_state") == 0, "the store to recover")
        export(weir)


def test_a_full_disk_stops_neither_the_end_nor_the_next_start(faulty):
    """What is answered before the disk is full is in the ring until there is room, over a clean stop and a kill."""
    control(faulty, "write stall")  # until all are answered: a full disk refuses them
    kept = [export(faulty) for _ in range(5)]
    control(faulty, "write enospc")
    until(lambda: faulty.total("weir_storage_state") == 1, "the state to show")
    stream = StreamProducer(faulty.grpc)
    stream.start()
    until(lambda: stream.messages > 20, "messages to be sent")
    assert faulty.stop(5) == 0, "with an open stream, in five seconds"
    stream.join(30)
    faulty.start()
    assert_all_found(faulty, kept, 3)
    until(lambda: faulty.total("weir_storage_state") == 1, "the state to show again")
    faulty.kill()
    faulty.start()
    assert_all_found(faulty, kept, 3)
    control(faulty, "")
    until(faulty.is_all_stored, "all to be stored")
    assert_all_found(faulty, kept, 3)
    assert faulty.ledger_sum("span")["kept"] == 15
    entries = faulty.ledger_sum("access_log")["received"]
    assert stream.check({dict(labels)["destination_service"]: value for (name, labels), value in faulty.samples().items()
                         if name == "istio_requests_total"}) == entries > 0


def test_a_full_ring_refuses_with_retry_info_and_429(tmp_path):
    folder = tmp_path / "faulty"
    with Weir(folder, "weir-faulty", flags=["--ring.size=1MiB"], env={"WEIR_FAULT_FILE": str(folder / "fault")}) as weir:
        control(weir, "fsync stall")
        error = None
        with grpc.insecure_channel(weir.grpc) as channel:
            call, kept = channel.unary_unary(EXPORT), []
            for _ in range(3000):
                trace_id, body = make_batch(20)
                try:
                    call(body, timeout=20)
                    kept.append(trace_id)
                except grpc.RpcError as refusal:
                    error = refusal
                    break
        assert error is not None and error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        from google.rpc import error_details_pb2
        from grpc_status import rpc_status
        (detail,) = rpc_status.from_call(error).details
        info = error_details_pb2.RetryInfo()
        assert detail.Unpack(info) and (info.retry_delay.seconds or info.retry_delay.nanos)
        answer = weir.ask("/v1/traces", "POST", body, {"Content-Type": "application/x-protobuf"})
        assert answer.status == 429 and int(answer.headers["Retry-After"]) >= 1
        assert weir.total("weir_refused_items_total", signal="span", reason="ring_full") >= 40
        control(weir, "")
        until(weir.is_all_stored, "all to be stored")
        assert_all_found(weir, kept[:5] + kept[-5:], 20)
        assert weir.ledger_sum("span")["kept"] == len(kept) * 20


def test_a_full_ring_holds_streams_back_and_loses_nothing(tmp_path):
    folder = tmp_path / "faulty"
    with Weir(folder, "weir-faulty", flags=["--ring.size=1MiB"], env={"WEIR_FAULT_FILE": str(folder / "fault")}) as weir:
        control(weir, "write stall")
        stream = StreamProducer(weir.grpc)
        stream.start()
        until(lambda: weir.total("weir_stream_holds_total") > 0, "the stream to be held")
        control(weir, "")
        sent = stream.messages
        until(lambda: stream.messages > 2 * sent, "the stream to go on")
        stream.halt.set()
        stream.join(30)
        until(weir.is_all_stored, "all to be stored")
        logs = weir.ledger_sum("access_log")
        assert logs["received"] == stream.messages * stream.ENTRIES == weir.total("istio_requests_total")
        # Who was held for long was thinned: counted, its detail shed.
        assert logs["kept"] + logs["thinned"] == logs["received"] and logs["kept"] == weir.status_of("storage", "requests")


def leave_records(folder):
    """A killed weir whose ring holds answered batches that are not in the database yet."""
    weir = Weir(folder, "weir-faulty", env={"WEIR_FAULT_FILE": str(folder / "fault")}).start()
    control(weir, "write stall")
    kept = [export(weir) for _ in range(10)]
    weir.kill()
    control(weir, "")
    return weir, kept


def test_a_hole_in_the_ring_is_counted_and_passed_over(tmp_path):
    folder = tmp_path / "weir"
    weir = Weir(folder, "weir-faulty", env={"WEIR_FAULT_FILE": str(folder / "fault"), "WEIR_CRASH": "after_reserve:3"}).start()
    control(weir, "write stall")
    kept = [export(weir), export(weir)]
    with pytest.raises(grpc.RpcError):
        export(weir, wait_for_ready=False)
    assert weir.process.wait(30) == -9
    control(weir, "")
    del weir.env["WEIR_CRASH"]
    with weir:
        assert weir.total("weir_ring_holes_total") == 1 and weir.total("weir_ring_replayed_total") == 2
        assert_all_found(weir, kept, 3)
        assert_all_found(weir, [export(weir)], 3)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


VERSION_AT, DATABASE_AT, CRC_AT, HEAD_AT = 8, 48, 68, 128  # ring/format.h


def version(by):
    def change(data):
        (now,) = struct.unpack_from("<I", data, VERSION_AT)
        struct.pack_into("<I", data, VERSION_AT, now + by)
        struct.pack_into("<I", data, CRC_AT, crc32c(data[:CRC_AT]))
    return change


def other_database(data):
    data[DATABASE_AT:DATABASE_AT + 16] = bytes(range(16))
    struct.pack_into("<I", data, CRC_AT, crc32c(data[:CRC_AT]))


def truncated(data):
    del data[len(data) // 2:]


def flipped(at):
    def change(data):
        data[at] ^= 4
    return change


def flipped_record(data):
    data[data.index(b"op 1")] ^= 1  # in the first batch


@pytest.mark.parametrize("damage,why,left", [
    (lambda data: None, None, 10), (version(-1), None, 10), (version(1), "another version", 0),
    (other_database, "another database", 0), (truncated, "truncated", 0), (flipped(DATABASE_AT), "damaged header", 0),
    (flipped(HEAD_AT + 7), "damaged positions", 0), (flipped_record, None, 9), (None, None, 0)],
    ids=["none", "version n-1", "version n+1", "other database", "truncated", "header bit", "position bit", "record bit", "gone"])
def test_a_ring_that_is_not_sound_never_stops_the_start(tmp_path, damage, why, left):
    weir, kept = leave_records(tmp_path / "weir")
    ring = weir.ring
    data = bytearray(ring.read_bytes())
    assert data[DATABASE_AT:DATABASE_AT + 16].hex() == ring.name.removeprefix("ring-")
    ring.unlink()
    if damage is not None:
        damage(data)
        ring.write_bytes(data)
    with weir:
        found = [t for t in kept if weir.ask(f"/api/v2/trace/{t}").status == 200]
        assert len(found) == left
        assert ("set aside" in weir.log()) == (why is not None) == bool(list((weir.folder / "ring").glob("*.bad")))
        assert why is None or why in weir.log()
        assert weir.total("weir_ring_damaged_total") == (1 if damage is flipped_record else 0)
        assert weir.total("weir_set_aside_total", what="ring") == (why is not None)
        assert ("counters start anew" in weir.log()) == (damage is flipped_record), "what is lost may have been scraped"
        trace_id = export(weir)
        assert_all_found(weir, found + [trace_id], 3)
        weir.ledger()


def test_a_damaged_database_is_set_aside_and_named(tmp_path):
    with Weir(tmp_path / "weir") as weir:
        export(weir)
    database = bytearray(weir.database.read_bytes())
    database[:100] = b"x" * 100
    weir.database.write_bytes(database)
    for extra in ("-wal", "-shm"):
        weir.database.with_name("weir.db" + extra).unlink(missing_ok=True)
    with weir:
        assert "set aside" in weir.log() and list(weir.folder.glob("weir.db.bad*"))
        # Its ring goes with it: a small file system has no room for two.
        assert sorted(f.name for f in weir.ring.parent.iterdir()) == [weir.ring.name, weir.ring.name + ".bad"]
        assert weir.total("weir_set_aside_total", what="database") == 1 and weir.total("weir_set_aside_total", what="ring") == 0
        trace_id = export(weir)
        assert_all_found(weir, [trace_id], 3)


def test_too_little_room_for_the_ring_is_refused_naming_ring_size(tmp_path):
    weir = Weir(tmp_path / "weir", flags=["--ring.size=16GiB", "--limits.memory=32GiB"])
    free = shutil.disk_usage(tmp_path).free
    if free > 16 << 30:
        # A quota of the process stands in for a small file system.
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))
    else:
        limit = None
    done = subprocess.run(weir.command(), capture_output=True, text=True, timeout=60, preexec_fn=limit)
    assert done.returncode == 1 and "ring.size" in done.stderr


@pytest.mark.parametrize("where", ["folder", "socket", "port"])
def test_a_second_weir_takes_nothing_from_the_first(tmp_path, where):
    with Weir(tmp_path / "one", unix=True) as first:
        kept = export(first)
        if where == "folder":
            command, named = first.command(), f"pid {first.process.pid}"
        else:
            address = f"unix:{first.folder}/grpc.sock" if where == "socket" else first.grpc
            command, named = Weir(tmp_path / "two", flags=[f"--listen.grpc={address}"]).command(), "gRPC cannot listen"
        second = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert second.returncode == 1 and named in second.stderr
        assert_all_found(first, [kept, export(first, f"unix:{first.folder}/grpc.sock"), export(first)], 3)


def test_what_is_answered_is_found_at_once(weir):
    """While windows are sealed, stored and merged under other senders' load: never a gap, never a double."""
    others = [SpanProducer(weir.grpc, is_patient=True) for _ in range(2)]
    for producer in others:
        producer.start()
    trace_ids = []
    with grpc.insecure_channel(weir.grpc) as channel:
        call = channel.unary_unary(EXPORT)
        while weir.status_of("storage", "window") < 5:
            trace_id, body = make_batch(3)
            call(body, timeout=20)
            trace_ids.append(trace_id)
            assert_all_found(weir, trace_ids[-20:], 3)
    for producer in others:
        producer.halt.set()
    for producer in others:
        producer.join(30)
        assert producer.refused == 0
    assert_all_found(weir, trace_ids, 3)


def test_a_reader_with_a_snapshot_stops_nobody(weir):
    export(weir)
    until(lambda: weir.total("weir_storage_spans") == 3, "the first spans to be stored")
    reader = sqlite3.connect(f"file:{weir.database}?mode=ro", uri=True, isolation_level=None)
    reader.execute("BEGIN")
    before = reader.execute("SELECT count(*) FROM segments").fetchone()
    producer = SpanProducer(weir.grpc, is_patient=True)
    producer.start()
    until(lambda: len(producer.answered) > 300, "answers while the snapshot is held")
    producer.halt.set()
    producer.join(30)
    until(weir.is_all_stored, "all to be stored")
    assert reader.execute("SELECT count(*) FROM segments").fetchone() == before
    reader.close()
    assert_all_found(weir, producer.answered[-20:], 20)


def test_slow_queries_never_stop_ingest(weir):
    """More clients than query threads ask for the largest answers, all the time."""
    producer = SpanProducer(weir.grpc, is_patient=True)
    producer.start()
    until(lambda: len(producer.answered) > 200, "something to ask for")
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(weir.ask, "/api/v2/traces?limit=1000") for _ in range(60)]
        before = len(producer.answered)
        until(lambda: len(producer.answered) > before + 100, "answers during the queries")
        statuses = [f.result().status for f in asked]
    assert set(statuses) <= {200, 503}
    assert weir.total("weir_queries_refused_total") <= statuses.count(503)
    producer.halt.set()
    producer.join(30)


def test_a_ledger_is_exact_over_clean_restarts(weir):
    mtcap.replay(weir, "envoy-als")
    want = weir.total("istio_requests_total")
    samples = {k: v for k, v in weir.samples().items() if k[0].startswith("istio_")}
    for _ in range(3):
        assert weir.stop() == 0
        weir.start()
        assert weir.total("istio_requests_total") == want
    assert {k: v for k, v in weir.samples().items() if k[0].startswith("istio_")} == samples
