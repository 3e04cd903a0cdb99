"""Presses a service from every side: more than it can take, connections that never finish, very many small requests,
bombs, spans of 100,000 attributes, deep nesting. Memory stays within what the configuration says, everything is
answered and counted, and well-meant requests are taken all the while."""

import gzip
import http.client
import json
import socket
import threading
import time

from otlp import post
from process import Sampler, mib
from senders import request
from service import Service, get, main, require
from wire import HttpProtobuf, protobuf

MIB = 1 << 20
BUFFER, BODIES, BODY, DUCKDB = 32 * MIB, 32 * MIB, 8 * MIB, 192 * MIB
SETTINGS = f"""
[store]
buffer_bytes_max = {BUFFER}
duckdb_memory_bytes_max = {DUCKDB}

[limits]
body_bytes_max = {BODY}
bodies_bytes_max = {BODIES}
"""
# Beside its buffers: the program, columns under way (decoded rows take up to three times the buffer), threads,
# connections, and what the allocator keeps.
BESIDE = 400 * MIB


def parts(service):
    """Host and port of the HTTP listener."""
    host, port = service.http.removeprefix("http://").split(":")
    return host, int(port)


def posted(service, body, headers, path="/v1/traces"):
    """The status of one request."""
    connection = http.client.HTTPConnection(*parts(service), timeout=120)
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.getheader("Retry-After")


def in_threads(count, work):
    """Runs `work` in many threads at once; returns what each gave."""
    results = [None] * count

    def one(place):
        results[place] = work(place)

    threads = [threading.Thread(target=one, args=(place,), daemon=True) for place in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
        require(not thread.is_alive(), "a client hangs")
    return results


def overload(service, given):
    """More than the disk and the loader can take: told to come again, and nothing else."""
    bodies = [protobuf("traces", request("traces", f"o{place}-{place}", 4000)).SerializeToString() for place in range(4)]
    headers = {"Content-Type": HttpProtobuf.content_type}
    until = time.monotonic() + given.seconds

    def client(place):
        counts = {}
        while time.monotonic() < until:
            answer = posted(service, bodies[place % len(bodies)], headers)
            counts[answer] = counts.get(answer, 0) + 1
        return counts

    counts = {}
    for one in in_threads(64, client):
        for answer, count in one.items():
            counts[answer] = counts.get(answer, 0) + count
    told = {answer: count for answer, count in counts.items() if answer not in ((200, None), (503, "1"))}
    require(not told, f"answers other than 200, and 503 with Retry-After: {told}")
    taken, refused = counts.get((200, None), 0), counts.get((503, "1"), 0)
    require(taken > 0, "nothing was taken at all")
    return f"{taken} requests of {len(bodies[0]) / MIB:.1f} MiB taken, {refused} told to come again"


def slow_loris(service, given):
    """Connections that begin and never finish; others are served meanwhile."""
    head = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"
    held = []
    for place in range(given.connections):
        connection = socket.create_connection(parts(service), timeout=30)
        # Half of them stop within the headers, half within the body.
        connection.sendall(head if place % 2 else head[:40])
        held.append(connection)
    slowest = 0
    for number in range(20):
        began = time.monotonic()
        require(post(service.http, "traces", request("traces", f"l-{number}", 5)), "not taken beside slow connections")
        slowest = max(slowest, time.monotonic() - began)
    for connection in held:
        connection.close()
    return f"{len(held)} connections held open; 20 requests beside them, the slowest {slowest * 1000:.0f} ms"


def tiny(service, given):
    """Very many requests of one span, a hundred on their way at once on each connection."""
    share = given.tiny // 8

    def client(place):
        counts = {}
        with socket.create_connection(parts(service), timeout=120) as connection:
            reader = connection.makefile("rb")
            for first in range(0, share, 100):
                names = [f"t{place}-{number}" for number in range(first, min(first + 100, share))]
                out = b""
                for name in names:
                    body = json.dumps(request("traces", name, 1)).encode()
                    out += b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                connection.sendall(out)
                for _ in names:
                    status = int(reader.readline().split()[1])
                    length = 0
                    while (line := reader.readline()) != b"\r\n":
                        if line.lower().startswith(b"content-length:"):
                            length = int(line.split(b":")[1])
                    reader.read(length)
                    counts[status] = counts.get(status, 0) + 1
        return counts

    began, counts = time.monotonic(), {}
    for one in in_threads(8, client):
        for status, count in one.items():
            counts[status] = counts.get(status, 0) + count
    require(set(counts) <= {200, 503} and sum(counts.values()) == share * 8, f"answers: {counts}")
    return f"{counts} in {time.monotonic() - began:.0f} s"


def bombs(service, _given):
    """A body that inflates without end, many at once: stopped at the limit."""
    bomb = gzip.compress(bytes(1 << 30), 9)
    headers = {"Content-Type": HttpProtobuf.content_type, "Content-Encoding": "gzip"}
    answers = in_threads(16, lambda _place: posted(service, bomb, headers)[0])
    require(set(answers) <= {413, 503}, f"answers: {answers}")
    return f"16 at once of {len(bomb) / MIB:.1f} MiB that inflate to 1 GiB: {sorted(answers)}"


def crowds(service, _given):
    """100,000 attributes on a span, values nested 10,000 deep: that span is refused and counted, its neighbours stay."""
    crowd = request("traces", "c-1", 3)
    span = crowd["resourceSpans"][0]["scopeSpans"][0]["spans"][1]
    span["attributes"] = [{"key": f"k{number}", "value": {"intValue": "1"}} for number in range(100_000)]
    status, _ = posted(service, json.dumps(crowd), {"Content-Type": "application/json"})
    require(status == 200, f"a crowd of attributes is answered with {status}")
    text = json.dumps(request("traces", "d-1", 1)).replace(
        '"stringValue": "d-1/0"', '"arrayValue": {"values": [' * 10_000 + "{}" + "]}" * 10_000
    )
    deep, _ = posted(service, text, {"Content-Type": "application/json"})
    require(deep in (200, 400), f"deep nesting is answered with {deep}")
    metrics, _ = get(service.http + "/metrics")
    refused = [line for line in metrics.splitlines() if line.startswith("perfline_") and "refused" in line and not line.endswith(" 0")]
    require(any("attributes" in line for line in refused), f"the refusal is not counted by reason: {refused}")
    return f"100,000 attributes: 200, one of three spans refused; 10,000 deep: {deep}; counted: {len(refused)} reasons"


def script(program, folder, given):
    """One service through all of it."""
    limit = BUFFER + BODIES + DUCKDB + BESIDE
    with open(f"{folder}/settings.toml", "w", encoding="ascii") as file:
        file.write(SETTINGS)
    with Service(program, f"{folder}/store.duckdb", "--config", f"{folder}/settings.toml") as service:
        for press in (overload, slow_loris, tiny, bombs, crowds):
            # A read comes back once everything before it is loaded: each begins with empty buffers.
            program.query(service.http, "select count(*) from runs")
            with Sampler(service.process.pid) as memory:
                told = press(service, given)
            print(f"{press.__name__}: {told}; at most {mib(memory.most())} resident", flush=True)
            require(memory.most() < limit, f"{press.__name__}: {mib(memory.most())} resident, {mib(limit)} allowed")
        rows = program.query(service.http, "select count(*) as n from spans where attributes->>'e2e.id' like 'l-%'")
        require(rows[0]["n"] == 100, f"of 100 well-meant spans {rows[0]['n']} are there")
        service.stop()
    print(f"allowed: {mib(limit)} (buffer {mib(BUFFER)}, bodies {mib(BODIES)}, DuckDB {mib(DUCKDB)}, all else {mib(BESIDE)})")


if __name__ == "__main__":
    main(
        script,
        __doc__,
        ("--seconds", {"type": float, "default": 5, "help": "how long the overload lasts"}),
        ("--connections", {"type": int, "default": 500, "help": "slow connections"}),
        ("--tiny", {"type": int, "default": 8_000, "help": "small requests"}),
    )
