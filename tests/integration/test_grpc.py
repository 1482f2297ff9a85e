"""Goal: gRPC itself: health is listed and watched, reflection tells what weir serves, answers are compressed for who can
read that, metadata are bounded, and connections that are too old are given up without losing what was read."""

import threading
import time

import grpc
import pytest
from frames import DATA, END_STREAM, HEADERS, PING, Peer, frame, field, message
from google.protobuf import message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from producers import STREAM, StreamProducer
from weir import Weir, until

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
TRACES = "opentelemetry.proto.collector.trace.v1.TraceService"
REFLECTION = "/grpc.reflection.{}.ServerReflection/ServerReflectionInfo"


@pytest.fixture
def channel(weir):
    with grpc.insecure_channel(weir.grpc) as channel:
        yield channel


def ask(service=""):
    return health_pb2.HealthCheckRequest(service=service)


# --- health ---

@pytest.mark.fast
def test_all_services_are_listed_as_serving(channel):
    statuses = health_pb2_grpc.HealthStub(channel).List(health_pb2.HealthListRequest(), timeout=10).statuses
    assert {s.status for s in statuses.values()} == {SERVING}
    assert {"", TRACES, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"} <= set(statuses)


@pytest.mark.fast
def test_watch_hears_the_end_and_ends_well(tmp_path):
    with Weir(tmp_path / "weir") as weir, grpc.insecure_channel(weir.grpc) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        known, unknown = stub.Watch(ask(TRACES)), stub.Watch(ask("no.such.Service"))
        assert next(known).status == SERVING
        assert next(unknown).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        assert weir.stop() == 0
        assert [m.status for m in known] == [NOT_SERVING]  # and then the end of the stream, which is OK
        assert known.code() == grpc.StatusCode.OK
        assert list(unknown) == [] and unknown.code() == grpc.StatusCode.OK


@pytest.mark.fast
def test_what_the_library_reports_of_itself_is_counted_and_logged(tmp_path):
    with Weir(tmp_path / "weir", env={"GRPC_TRACE": "no_such_tracer"}) as weir:
        line = until(lambda: next((x for x in weir.log().splitlines() if "no_such_tracer" in x), None), "libgrpc's error in the log")
        assert " warn main " in line, line
        assert weir.total("weir_grpc_library_errors_total") >= 1


def test_watchers_that_go_are_forgotten(weir, channel):
    """On several connections: one that takes back calls by the hundred a second would be refused."""
    before = weir.memory_bytes()
    for _ in range(20):
        with grpc.insecure_channel(weir.grpc, options=[("grpc.use_local_subchannel_pool", 1)]) as own:
            calls = [health_pb2_grpc.HealthStub(own).Watch(ask()) for _ in range(50)]
            for call in calls:
                assert next(call).status == SERVING
                call.cancel()
    assert weir.is_sanitized or weir.memory_bytes() - before < 8 << 20
    assert health_pb2_grpc.HealthStub(channel).Check(ask(), timeout=10).status == SERVING
    assert weir.total("weir_http2_refused_total") == 0


# --- reflection ---

def answers(channel, version, *requests):
    call = channel.stream_stream(
        REFLECTION.format(version), request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
    return list(call(iter(requests), timeout=20))


@pytest.mark.fast
@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_every_service_can_be_looked_up_by_either_version(channel, version):
    request = reflection_pb2.ServerReflectionRequest
    [listed] = answers(channel, version, request(list_services="*", host="weir"))
    names = [s.name for s in listed.list_services_response.service]
    assert listed.valid_host == "weir" and listed.original_request == request(list_services="*", host="weir")
    assert {TRACES, "istio.mixer.v1.Mixer", "zipkin.proto3.SpanService", "envoy.service.accesslog.v2.AccessLogService",
            "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"} <= set(names)
    got = answers(channel, version, *[request(file_containing_symbol=n) for n in names])
    assert [a.original_request.file_containing_symbol for a in got] == names
    assert all(len(a.file_descriptor_response.file_descriptor_proto) == 1 for a in got)


@pytest.mark.fast
def test_what_is_not_there_is_an_error_and_the_stream_goes_on(channel):
    request = reflection_pb2.ServerReflectionRequest
    extension = reflection_pb2.ExtensionRequest(containing_type=TRACES, extension_number=1)
    got = answers(channel, "v1", request(file_containing_symbol="no.Such"), request(file_by_filename="no.proto"),
                  request(file_containing_extension=extension), request(list_services=""))
    assert [a.error_response.error_code for a in got] == [5, 5, 5, 0]
    assert len(got[3].list_services_response.service) > 5


def test_a_client_that_knows_only_reflection_can_call(channel):
    """The descriptors are enough to build every message and to call with it."""
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(database)
    for name in database.get_services():
        service = pool.FindServiceByName(name)
        for method in service.methods:
            message_factory.GetMessageClass(method.input_type)()
            message_factory.GetMessageClass(method.output_type)()
    export = pool.FindServiceByName(TRACES).methods_by_name["Export"]
    inputs, output = (message_factory.GetMessageClass(t) for t in (export.input_type, export.output_type))
    call = channel.unary_unary(f"/{TRACES}/Export", request_serializer=inputs.SerializeToString, response_deserializer=output.FromString)
    assert call(inputs(), timeout=10) == output()


@pytest.mark.fast
def test_questions_whose_answers_nobody_reads_yet_lose_none(channel):
    request = reflection_pb2.ServerReflectionRequest
    names = [f"no.Such{i}" for i in range(500)]
    got = answers(channel, "v1", *[request(file_containing_symbol=n) for n in names])
    assert [a.original_request.file_containing_symbol for a in got] == names


# --- compression, metadata ---

def first_answer(weir, *metadata):
    with Peer(weir.grpc) as peer:
        stream = peer.open(REFLECTION.format("v1"), *metadata)
        question = field(4, b"opentelemetry.proto.trace.v1.Span")
        peer.send(frame(DATA, END_STREAM, stream, message(question)))
        head = peer.until(lambda f: f[0] == HEADERS)
        body = peer.until(lambda f: f[0] == DATA and f[3])
        return head[3], body[3]


@pytest.mark.fast
def test_an_answer_is_compressed_when_the_client_can_read_that(weir):
    head, body = first_answer(weir, ("grpc-accept-encoding", "identity,gzip"))
    assert b"gzip" in head.split(b"grpc-accept-encoding")[0] and body[0] == 1
    head, plain = first_answer(weir)
    assert plain[0] == 0 and len(plain) > len(body)


@pytest.mark.fast
def test_too_large_metadata_are_answered(channel):
    check = health_pb2_grpc.HealthStub(channel).Check
    assert check(ask(), metadata=[("x-much", "y" * 12000)], timeout=10).status == SERVING
    with pytest.raises(grpc.RpcError) as error:
        check(ask(), metadata=[("x-much", "y" * 20000)], timeout=10)
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


# --- connections ---

def test_streams_of_an_old_connection_end_well_and_lose_nothing(tmp_path):
    """What the client sends until the end of its stream's time, after GOAWAY too, is all counted."""
    flags = ["--limits.connection_age=1", "--limits.connection_grace=3"]
    with Weir(tmp_path / "weir", flags=flags) as weir, grpc.insecure_channel(weir.grpc) as channel:
        producer, done, goaway, states = StreamProducer(weir.grpc), threading.Event(), threading.Event(), []
        began = time.monotonic()

        def follow(state):
            states.append(state)
            if state is grpc.ChannelConnectivity.IDLE and grpc.ChannelConnectivity.READY in states:
                goaway.set()  # the connection takes no new calls; the grace has begun

        def feed():
            yield producer.identifier
            yield producer.bodies[0]
            assert goaway.wait(30)
            yield producer.bodies[1]
            done.wait(60)

        channel.subscribe(follow)
        call = channel.stream_unary(STREAM).future(feed())
        watch = health_pb2_grpc.HealthStub(channel).Watch(ask())
        assert call.result(timeout=30) == b"" and call.code() == grpc.StatusCode.OK
        done.set()
        assert [m.status for m in watch] == [SERVING] and watch.code() == grpc.StatusCode.OK
        assert time.monotonic() - began > 4  # the age, and the whole grace
        assert weir.total("weir_streams_aged_total") == 2
        until(weir.is_all_stored, "the entries to be stored")
        assert weir.ledger_sum("access_log")["received"] == 2 * producer.ENTRIES
        assert health_pb2_grpc.HealthStub(channel).Check(ask(), timeout=10).status == SERVING
        weir.ledger()


def test_memory_of_a_connection_and_of_a_stream(weir):
    """Figures of 2026-11-23: 20 KB an idle connection, 14 KB an open stream. A sanitizer's own are beyond counting."""
    begin = weir.memory_bytes()
    peers = [Peer(weir.grpc) for _ in range(500)]
    idle = weir.memory_bytes()
    assert weir.is_sanitized or (idle - begin) / 500 < 40 << 10
    for peer in peers[:10]:
        for _ in range(100):
            peer.open(STREAM)
        peer.send(frame(PING, 0, 0, b"are you?"))
        peer.until(lambda f: f[0] == PING)
    assert weir.is_sanitized or (weir.memory_bytes() - idle) / 1000 < 32 << 10
    for peer in peers:
        peer.socket.close()
