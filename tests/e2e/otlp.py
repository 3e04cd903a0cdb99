"""OTLP/JSON requests made by hand: names and moments that no SDK would produce."""

import hashlib
import json
import urllib.error
import urllib.request

# 2026-05-01T00:00:00Z
BEGIN_NS = 1_777_593_600_000_000_000
SECOND_NS = 1_000_000_000


def identity(*parts, size):
    """A stable id of `size` bytes, in hex."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[: 2 * size]


def attributes(pairs):
    """A dict as OTLP attributes."""
    def value(plain):
        if isinstance(plain, bool):
            return {"boolValue": plain}
        if isinstance(plain, int):
            return {"intValue": str(plain)}
        if isinstance(plain, float):
            return {"doubleValue": plain}
        return {"stringValue": plain}

    return [{"key": key, "value": value(plain)} for key, plain in pairs.items()]


def span(trace, name, start_ns, duration_ns, pairs, parent=None, error=None):
    """One span; its id follows from the trace, its name and its start."""
    made = {
        "traceId": trace,
        "spanId": identity(trace, name, start_ns, size=8),
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(start_ns + duration_ns),
        "attributes": attributes(pairs),
        "status": {"code": 2, "message": error} if error else {},
    }
    return made | ({"parentSpanId": parent} if parent else {})


def traces(spans, service="e2e"):
    """An export request of spans."""
    resource = {"attributes": attributes({"service.name": service})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "e2e"}, "spans": spans}]}]}


def post(http, signal, request, seconds=30):
    """Sends a request; True where it was acknowledged whole."""
    body = json.dumps(request).encode()
    message = urllib.request.Request(
        f"{http}/v1/{signal}", data=body, headers={"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(message, timeout=seconds) as answer:
        return answer.status == 200 and not json.loads(answer.read() or b"{}").get("partialSuccess")
