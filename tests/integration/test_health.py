"""Goal: a gRPC health client (Kubernetes' probe, grpcio's) and HTTP probes learn the truth."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc


@pytest.fixture
def stub(weir):
    with grpc.insecure_channel(weir.grpc) as channel:
        yield health_pb2_grpc.HealthStub(channel)


@pytest.mark.parametrize("service", ["", "opentelemetry.proto.collector.trace.v1.TraceService",
                                     "envoy.service.accesslog.v3.AccessLogService"])
def test_known_services_are_serving(stub, service):
    answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_unknown_service_is_not_found(stub):
    with pytest.raises(grpc.RpcError) as error:
        stub.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=10)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


def test_http_probes_are_ready_and_healthy(weir):
    assert weir.ask("/ready").status == 200
    assert weir.ask("/healthz").status == 200
