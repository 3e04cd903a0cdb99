"""The three ways of sending an OTLP request: JSON and protobuf over HTTP, and gRPC."""

import base64
import json
import sys
import urllib.error
import urllib.request

try:
    import grpc
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
        ExportMetricsServiceResponse,
    )
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
except ImportError as error:
    print(f"missing: {error}: pip install -r tests/e2e/requirements.txt", file=sys.stderr)
    sys.exit(1)

MESSAGES = {
    "traces": (ExportTraceServiceRequest, ExportTraceServiceResponse, "trace.v1.TraceService"),
    "metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse, "metrics.v1.MetricsService"),
    "logs": (ExportLogsServiceRequest, ExportLogsServiceResponse, "logs.v1.LogsService"),
}


class Refused(Exception):
    """The service said no, and whether it is worth another try."""

    def __init__(self, retryable, said):
        super().__init__(said)
        self.retryable = retryable


def protobuf(signal, request):
    """OTLP/JSON as the protobuf message; ids are hex there and bytes here."""

    def bytes_for_ids(value):
        if isinstance(value, dict):
            return {
                key: base64.b64encode(bytes.fromhex(inner)).decode()
                if key in ("traceId", "spanId", "parentSpanId")
                else bytes_for_ids(inner)
                for key, inner in value.items()
            }
        return [bytes_for_ids(inner) for inner in value] if isinstance(value, list) else value

    return ParseDict(bytes_for_ids(request), MESSAGES[signal][0]())


class HttpJson:
    """OTLP/JSON over HTTP."""

    content_type = "application/json"

    def __init__(self, service):
        self.http = service.http

    def body(self, _signal, request):
        """The request as it goes over the wire."""
        return json.dumps(request).encode()

    def partial(self, _signal, answer):
        """Whether the answer says that something was refused."""
        return bool(json.loads(answer or b"{}").get("partialSuccess"))

    def send(self, signal, request, seconds=120):
        """Sends a request; returns where it was acknowledged whole. `Refused` where the service says no, `OSError`
        where it is not there."""
        message = urllib.request.Request(
            f"{self.http}/v1/{signal}", self.body(signal, request), {"Content-Type": self.content_type}, method="POST"
        )
        try:
            with urllib.request.urlopen(message, timeout=seconds) as answer:
                if answer.status != 200 or self.partial(signal, answer.read()):
                    raise Refused(False, f"{signal}: partial success")
        except urllib.error.HTTPError as error:
            retryable = error.code in (429, 502, 503, 504) and error.headers.get("Retry-After") is not None
            raise Refused(retryable, f"{error.code}: {error.read()[:300]}") from None
        except urllib.error.URLError as error:
            raise OSError(str(error)) from None

    def close(self):
        """Nothing stays open."""


class HttpProtobuf(HttpJson):
    """OTLP protobuf over HTTP."""

    content_type = "application/x-protobuf"

    def body(self, signal, request):
        return protobuf(signal, request).SerializeToString()

    def partial(self, signal, answer):
        return MESSAGES[signal][1].FromString(answer).HasField("partial_success")


class Grpc:
    """OTLP over gRPC."""

    def __init__(self, service):
        # A channel of its own each: gRPC shares connections between channels to one address otherwise.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        self.channel = grpc.insecure_channel(service.grpc.removeprefix("http://"), options)
        self.calls = {
            signal: self.channel.unary_unary(
                f"/opentelemetry.proto.collector.{path}/Export",
                request_serializer=request.SerializeToString,
                response_deserializer=response.FromString,
            )
            for signal, (request, response, path) in MESSAGES.items()
        }

    def send(self, signal, request, seconds=120):
        """As [`HttpJson.send`]."""
        try:
            answer = self.calls[signal](protobuf(signal, request), timeout=seconds)
        except grpc.RpcError as error:
            details = dict(error.trailing_metadata() or [])
            if error.code() == grpc.StatusCode.UNAVAILABLE and "grpc-status-details-bin" in details:
                raise Refused(True, error.details()) from None
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN):
                raise OSError(error.details()) from None
            raise Refused(False, f"{error.code()}: {error.details()}") from None
        if answer.HasField("partial_success"):
            raise Refused(False, f"{signal}: partial success")

    def close(self):
        """Closes the connection."""
        self.channel.close()


SERVICES = ("", "perfline.v1.Perfline", *(f"opentelemetry.proto.collector.{path}" for _, _, path in MESSAGES.values()))


def serving(service):
    """What gRPC's health says of each service: whether it is SERVING."""
    with grpc.insecure_channel(service.grpc.removeprefix("http://"), [("grpc.use_local_subchannel_pool", 1)]) as channel:
        # A request is the service's name, an answer is a number: 1 is SERVING.
        ask = channel.unary_unary("/grpc.health.v1.Health/Check")
        return [ask(b"\x0a" + bytes([len(name)]) + name.encode(), timeout=30) == b"\x08\x01" for name in SERVICES]


TRANSPORTS = (HttpJson, HttpProtobuf, Grpc)
