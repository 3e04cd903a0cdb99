"""OTLP onward to two other services, by gRPC and by HTTP: the forwarder is killed and the receivers are restarted under
load. What the forwarder acknowledged reaches each receiver once; what waits outlives SIGTERM; names stay covered."""

import os
import random
import threading

from otlp import BEGIN_NS, SECOND_NS, identity, post, span, traces
from senders import SENDERS, Sender, count, tell, verify
from service import Service, get, main, require, require_equal, wait_until

HIDDEN = "very-secret-pipeline"


def port(url):
    """The address without the scheme."""
    return url.removeprefix("http://")


def metric(service, name):
    """The values of a metric by its labels."""
    rows = [line.rpartition(" ") for line in get(f"{service.http}/metrics")[0].splitlines() if line.startswith(f"{name}{{")]
    return {labels: float(value) for labels, _, value in rows}


def pause(*_acknowledged):
    """A steady load: what matters here is who dies when, not how much."""
    threading.Event().wait(0.02)


def drained(service):
    """Whether nothing waits for any destination."""
    waiting = metric(service, "perfline_forward_queue_bytes")
    # A queue that was never looked at counts as empty: something must have been sent.
    return len(waiting) == 2 and not any(waiting.values()) and not any(metric(service, "perfline_forward_failing").values())


def configure(folder, receivers):
    """Writes the forwarder's settings."""
    path = os.path.join(folder, "forward.toml")
    endpoints = {"grpc": receivers[0].grpc, "http/protobuf": receivers[1].http}
    with open(path, "w", encoding="utf-8") as file:
        for number, (protocol, endpoint) in enumerate(endpoints.items(), 1):
            file.write(
                f"[[forward.to]]\nname = 'to-{number}'\nendpoint = '{endpoint}'\nprotocol = '{protocol}'\n"
                "retry_wait = '100ms'\nretry_wait_max = '1s'\ntimeout = '5s'\nheaders = { x-tenant = 'hush-hush' }\n\n"
            )
    return path


def restart(service, hard):
    """Ends a receiver, and starts it again where it was."""
    grpc, http = port(service.grpc), port(service.http)
    if hard:
        service.kill()
    else:
        service.stop()
    service.options = ("--grpc", grpc, "--http", http)
    service.start()


def script(program, folder, given):
    """Rounds under load, then one quiet one."""
    moments = random.Random(given.seed)
    senders = [Sender(number) for number in range(SENDERS)]
    store = os.path.join(folder, "forwarder.duckdb")
    with Service(program, os.path.join(folder, "one.duckdb")) as one, Service(program, os.path.join(folder, "two.duckdb")) as two:
        receivers = [one, two]
        config = configure(folder, receivers)
        for number in range(1, given.rounds + 1):
            with Service(program, store, "--config", config) as forwarder:
                before = count(senders)
                for sender in senders:
                    sender.start(forwarder, pause)
                wait_until("a first acknowledgement", lambda: count(senders) > before)
                threading.Event().wait(moments.uniform(0.0, 0.6))
                restart(receivers[number % 2], hard=number % 4 < 2)
                threading.Event().wait(moments.uniform(0.0, 0.6))
                forwarder.kill()
            for sender in senders:
                sender.finish()
        counts = finish(program, store, config, receivers, senders)
        print(f"{given.rounds} times SIGKILL of the forwarder, {given.rounds} restarts of receivers: nothing lost, nothing doubled")
        tell(counts)
        stay(program, store, config, receivers)
    covered(program, folder)


def finish(program, store, config, receivers, senders):
    """Everything acknowledged is at both receivers, once."""
    with Service(program, store, "--config", config) as forwarder:
        wait_until("the queues are empty", lambda: drained(forwarder))
        require(not metric(forwarder, "perfline_forward_items_lost_total"), "items are counted as lost")
        verify(program, forwarder.http, senders)
        for receiver in receivers:
            counts = verify(program, receiver.http, senders)
        forwarder.stop()
    return counts


def send_one(service, name):
    """One acknowledged trace."""
    post(service.http, "traces", traces([span(identity(name, size=16), name, BEGIN_NS, SECOND_NS, {})]))


def has(program, service, name):
    """Whether a span of that name is stored."""
    return program.query(service.http, f"select count(*) as n from spans where name = '{name}'")[0]["n"] == 1


def stay(program, store, config, receivers):
    """What cannot be sent outlives SIGTERM; `doctor` and `/metrics` say what waits, and readiness does not ask."""
    address = port(receivers[0].grpc), port(receivers[0].http)
    receivers[0].stop()
    with Service(program, store, "--config", config) as forwarder:
        send_one(forwarder, "while-nobody-listens")
        wait_until("it is tried", lambda: any(metric(forwarder, "perfline_forward_retries_total").values()))
        require_equal("readiness", get(f"{forwarder.http}/readyz")[0], "ready\n")
        wait_until("it is counted", lambda: metric(forwarder, "perfline_forward_queue_bytes")['perfline_forward_queue_bytes{destination="to-1"}'] > 0)
        wait_until("the other one has it", lambda: has(program, receivers[1], "while-nobody-listens"))
        said = forwarder.said()
        require("cannot be delivered now" in said and "hush-hush" not in said, f"the log does not tell, or tells a secret: {said}")
        forwarder.stop()
    queues = {row["destination"]: row["log_bytes"] for row in program.ask_json("doctor", "--store", store)["queues"]}
    require(queues["to-1"] > 0 and queues["to-2"] == 0, f"doctor does not say what waits: {queues}")
    receivers[0].options = ("--grpc", address[0], "--http", address[1])
    receivers[0].start()
    with Service(program, store, "--config", config) as forwarder:
        wait_until("it is sent after the restart", lambda: has(program, receivers[0], "while-nobody-listens"))
        forwarder.stop()
    with Service(program, store) as forwarder:
        require("no longer configured" in forwarder.said(), "a destination that is gone is not named")
        forwarder.stop()
    print("what cannot be sent outlives SIGTERM")


def covered(program, folder):
    """Destinations by OTEL_EXPORTER_OTLP_*; covered names go on covered."""
    key = os.path.join(folder, "key")
    with open(key, "w", encoding="utf-8") as file:
        file.write("0123456789abcdef0123456789abcdef")
    with Service(program, os.path.join(folder, "three.duckdb")) as receiver:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.http, "PERFLINE_FORWARD_FROM_ENV": "true"}
        store = os.path.join(folder, "covered.duckdb")
        with Service(program, store, "--anonymize", key, environment=environment) as forwarder:
            send_one(forwarder, HIDDEN)
            there = lambda service: program.query(service.http, "select name, pipeline from spans order by all")
            wait_until("it arrives", lambda: there(receiver))
            require_equal("the names onward", there(receiver), there(forwarder))
            require(HIDDEN not in str(there(receiver)), "a covered name went on uncovered")
            forwarder.stop()
    print("destinations by OTEL_EXPORTER_OTLP_*; covered names stay covered")


if __name__ == "__main__":
    main(
        script,
        __doc__,
        ("--rounds", {"type": int, "default": 8, "help": "how often the forwarder is killed"}),
        ("--seed", {"type": int, "default": 1, "help": "seed of the moments"}),
    )
