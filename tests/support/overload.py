"""What a client sees of an overloaded weir: its level, its health, how a batch is refused."""

import grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from producers import EXPORT, make_batch

CALM, SHARE, REFUSE, THIN = 0, 1, 2, 3


def level(weir):
    return weir.total("weir_overload_level")


def is_serving(weir):
    with grpc.insecure_channel(weir.grpc) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    return answer.status == health_pb2.HealthCheckResponse.SERVING


def refusal(weir):
    """How one batch is refused: (code, seconds to wait), or None when it is taken."""
    with grpc.insecure_channel(weir.grpc) as channel:
        try:
            channel.unary_unary(EXPORT)(make_batch(3)[1], timeout=20)
        except grpc.RpcError as error:
            for detail in rpc_status.from_call(error).details:
                info = error_details_pb2.RetryInfo()
                assert detail.Unpack(info)
                return error.code(), info.retry_delay.ToMilliseconds() / 1000
    return None
