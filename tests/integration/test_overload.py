"""Goal: when weir falls behind, who can come again is refused and told when, who cannot is held, then thinned; totals
stay exact for all that was read, memory is bounded, health tells the truth, and all is well afterwards."""

import json
import subprocess
import threading

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from overload import CALM, REFUSE, SHARE, THIN, is_serving, level, refusal
from producers import EXPORT, SpanProducer, StreamProducer, make_batch
from weir import BUILD, Weir, control, until

RING = 4 << 20


class LargeStreamProducer(StreamProducer):
    """Messages of about 20 KB, as of an Envoy with a busy listener."""
    ENTRIES = 121


@pytest.fixture
def faulty(tmp_path):
    folder = tmp_path / "faulty"
    flags = [f"--ring.size={RING}"]
    with Weir(folder, "weir-faulty", flags=flags, env={"WEIR_FAULT_FILE": str(folder / "fault")}) as weir:
        yield weir
        weir.ledger()


def fill(weir):
    ring = weir.get_json("/status")["ring"]
    return (ring["head"] - ring["stored"]) / RING


def stall(weir):
    control(weir, "fsync stall")


def test_unary_is_refused_streams_go_on_then_thin_then_wait_and_all_is_counted(faulty):
    assert refusal(faulty) is None
    until(faulty.is_all_stored, "the first batch to be stored")
    stall(faulty)
    # 1. Unary calls fill the ring to three quarters, then they are refused.
    producers = [SpanProducer(faulty.grpc, is_patient=True) for _ in range(2)]
    for producer in producers:
        producer.start()
    until(lambda: all(p.refused > 0 for p in producers), "the refusals")
    assert level(faulty) == REFUSE
    code, seconds = refusal(faulty)
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and seconds >= 1
    answer = faulty.ask("/v1/traces", "POST", make_batch(1)[1], {"Content-Type": "application/x-protobuf"})
    assert answer.status in (429, 503) and int(answer.headers["Retry-After"]) >= 1
    assert is_serving(faulty), "streams are still taken"
    # 2. Streams are taken, and from seven eighths on held and thinned.
    before = faulty.status_of("ring", "head")
    streams = [LargeStreamProducer(faulty.grpc) for _ in range(4)]
    for stream in streams:
        stream.start()
    until(lambda: level(faulty) == THIN, "the level at which streams are thinned")
    assert faulty.status_of("ring", "head") > before
    until(lambda: fill(faulty) > 29 / 32, "messages that are taken after they were held")
    # 3. Nothing fits any more: held, and health says so.
    until(lambda: not is_serving(faulty), "health to say that nothing is taken")
    assert faulty.total("weir_stream_holds_total") > 0
    # 4. The store goes on: so does everything, and every entry that was sent is counted.
    for thread in [*producers, *streams]:
        thread.halt.set()
    control(faulty, "")
    for thread in [*producers, *streams]:
        thread.join(30)
    until(lambda: level(faulty) == CALM and is_serving(faulty), "the calm")
    assert refusal(faulty) is None
    assert all(s.failure is None for s in streams)
    sent = sum(s.messages * s.ENTRIES for s in streams)
    until(lambda: faulty.ledger_sum("access_log")["received"] == sent, "all entries to be counted")
    until(faulty.is_all_stored, "all to be stored")
    ledger = faulty.ledger_sum("access_log")
    assert ledger["thinned"] > 0 and ledger["kept"] > 0
    assert ledger["kept"] + ledger["thinned"] == sent and ledger["dropped"] == 0
    assert faulty.total("weir_thinned_items_total", signal="access_log", reason="overload") == ledger["thinned"]
    assert faulty.total("istio_requests_total") == sent
    assert faulty.total("weir_refused_items_total", signal="access_log") == 0
    for producer in producers:
        for trace_id in producer.answered[-20:]:
            assert len(faulty.get_json(f"/api/v2/trace/{trace_id}")) == producer.spans


def test_a_sender_that_is_refused_delivers_everything_later(faulty):
    """Sent is stored, each once, however often it was refused."""
    stall(faulty)
    producer = SpanProducer(faulty.grpc, is_patient=True)
    producer.start()
    until(lambda: producer.refused > 100, "refusals")
    control(faulty, "")
    answered = len(producer.answered)
    until(lambda: len(producer.answered) > answered + 50, "answers again")
    producer.halt.set()
    producer.join(30)
    until(faulty.is_all_stored, "all to be stored")
    assert faulty.ledger_sum("span")["kept"] == producer.spans * len(producer.answered)
    assert faulty.total("weir_refused_items_total", signal="span", reason="ring_full") == producer.spans * producer.refused
    for trace_id in producer.answered[::10]:
        assert len(faulty.get_json(f"/api/v2/trace/{trace_id}")) == producer.spans


class HugeStreamProducer(StreamProducer):
    """One message of 900 KB, with the identifier in it."""
    ENTRIES = 5000

    def _feed(self):
        self.messages = 1
        yield self.identifier + self.bodies[0]


def test_messages_that_are_held_stay_within_the_quota(tmp_path):
    """90 MB of them at once: the core's quota of 64 MiB ends some streams, the others' entries are all counted."""
    folder = tmp_path / "faulty"
    with Weir(folder, "weir-faulty", flags=["--ring.size=16MiB"], env={"WEIR_FAULT_FILE": str(folder / "fault")}) as weir:
        stall(weir)
        producer = SpanProducer(weir.grpc, is_patient=True, spans=200)
        producer.start()
        until(lambda: producer.refused > 0, "a refusal")
        producer.halt.set()
        producer.join(30)
        before = weir.memory_bytes("VmHWM")
        streams = [HugeStreamProducer(weir.grpc) for _ in range(100)]
        for stream in streams:
            stream.start()
        # A few are taken whole before the level is there; one that is held may be ended as well.
        until(lambda: weir.total("weir_stream_holds_total") + sum(s.failure is not None for s in streams) >= 0.9 * len(streams),
              "most to be held or ended")
        assert weir.total("weir_stream_holds_total") > 0
        assert weir.is_sanitized or weir.memory_bytes("VmHWM") - before < 128 << 20
        control(weir, "")
        for stream in streams:
            stream.join(60)
        taken = sum(s.messages * s.ENTRIES for s in streams if s.failure is None)
        until(lambda: weir.ledger_sum("access_log")["received"] >= taken, "what was answered to be counted")
        until(weir.is_all_stored, "all to be stored")
        ledger = weir.ledger_sum("access_log")
        # A stream may be ended behind its message's being taken; nothing is counted in part.
        assert ledger["received"] % HugeStreamProducer.ENTRIES == 0
        assert ledger["received"] == ledger["kept"] + ledger["thinned"]
        assert weir.total("istio_requests_total") == ledger["received"]
        weir.ledger()


def named_batch(service, spans):
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
    request = trace_service_pb2.ExportTraceServiceRequest.FromString(make_batch(spans)[1])
    request.resource_spans[0].resource.attributes[0].value.string_value = service
    return request.SerializeToString()


def test_a_greedy_source_is_capped_before_the_others_suffer(faulty):
    stall(faulty)
    with grpc.insecure_channel(faulty.grpc) as channel:
        export = channel.unary_unary(EXPORT)
        until(lambda: export(named_batch("greedy", 100), timeout=20) is not None and level(faulty) == SHARE, "half a ring")
        export(named_batch("modest", 5), timeout=20)
        with pytest.raises(grpc.RpcError) as error:
            export(named_batch("greedy", 100), timeout=20)
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        info = error_details_pb2.RetryInfo()
        assert rpc_status.from_call(error.value).details[0].Unpack(info)
        assert info.retry_delay.seconds > 1, "longer than who is refused for a full ring"
        export(named_batch("modest", 5), timeout=20)
        assert faulty.total("weir_refused_items_total", signal="span", reason="source") == 100
        assert level(faulty) == SHARE
    control(faulty, "")
    until(faulty.is_all_stored, "all to be stored")


def test_of_six_sources_the_loud_one_is_refused_first_and_the_others_are_not(faulty):
    """Every step is a call of this thread's and nothing drains, so who is refused, and why, is no matter of time."""
    stall(faulty)
    quiet, refused = [f"quiet-{i}" for i in range(5)], []
    with grpc.insecure_channel(faulty.grpc) as channel:
        export = channel.unary_unary(EXPORT)

        def send(name, spans):
            try:
                export(named_batch(name, spans), timeout=20)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
                refused.append((name, "share" if "share" in error.details() else "full"))

        while ("quiet-0", "full") not in refused:
            send("loud", 100)
            for name in quiet:
                send(name, 10)
    assert refused[0] == ("loud", "share"), refused[0]
    capped = refused.count(("loud", "share"))
    assert not [name for name, why in refused if why == "share" and name != "loud"]
    assert faulty.total("weir_refused_items_total", signal="span", reason="source") == 100 * capped
    full = sum(10 if name != "loud" else 100 for name, why in refused if why == "full")
    assert faulty.total("weir_refused_items_total", signal="span", reason="ring_full") == full
    assert level(faulty) == REFUSE
    control(faulty, "")
    until(faulty.is_all_stored, "all to be stored")
    rows = {r["source"]: r["received"] for r in faulty.ledger()["rows"] if r["received"] > 0}
    assert all(0 < rows[name] < rows["loud"] for name in quiet)


def test_three_times_what_weir_can_take_leaves_memory_flat_and_totals_exact(tmp_path):
    """The load generator sends as fast as it can, on more connections than weir has threads; the ring is small."""
    with Weir(tmp_path / "weir", flags=["--ring.size=8MiB", "--storage.sync=interval"]) as weir:
        def load(items, proto="otlp-grpc"):
            target = weir.http if proto in ("otlp-http", "zipkin-json") else weir.grpc
            return subprocess.Popen(
                [str(BUILD / "tests/bench/load"), f"--proto={proto}", f"--target={target}", f"--items={items}", "--batch=512",
                 "--connections=4", f"--pid={weir.process.pid}"], stdout=subprocess.PIPE, text=True)

        peak, is_over = [0], threading.Event()

        def watch():
            while not is_over.wait(0.05):
                peak[0] = max(peak[0], weir.memory_bytes("RssAnon"))

        def answered(run):
            out, _ = run.communicate(timeout=240)
            assert run.returncode == 0, out
            return json.loads(out)["answered"]

        spans = answered(load(100000))
        settled = weir.memory_bytes("RssAnon")
        watcher = threading.Thread(target=watch)
        watcher.start()
        runs = [load(120000), load(120000, "otlp-http"), load(60000, "zipkin-json")]
        stream = LargeStreamProducer(weir.grpc)
        stream.start()
        spans += sum(answered(run) for run in runs)
        stream.halt.set()
        stream.join(30)
        is_over.set()
        watcher.join()
        sent = stream.messages * stream.ENTRIES
        until(lambda: weir.ledger_sum("access_log")["received"] == sent, "all entries to be counted")
        until(weir.is_all_stored, "all to be stored")
        assert weir.ledger_sum("span")["kept"] == spans
        assert weir.total("istio_requests_total") == sent
        assert weir.ledger()["closes"]
        print(f"settled {settled >> 20} MiB, peak {peak[0] >> 20} MiB")
        assert peak[0] - settled < 32 << 20
        assert is_serving(weir) and level(weir) == CALM
