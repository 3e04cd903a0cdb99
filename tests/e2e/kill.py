"""Kills the service with SIGKILL at random moments under load: nothing acknowledged is lost, nothing doubles."""

import os
import random
import threading
import urllib.error

from otlp import BEGIN_NS, SECOND_NS, attributes, identity, post, span, traces
from service import Service, main, require, wait_until

SENDERS = 4
ITEMS_PER_REQUEST = 5
SIGNALS = ("traces", "metrics", "logs")
VIEWS = {"traces": "spans", "metrics": "metric_points", "logs": "logs"}


def request(signal, name):
    """A request whose items carry ids of their own: `name`/0, `name`/1, ..."""
    ids = [f"{name}/{place}" for place in range(ITEMS_PER_REQUEST)]
    # The moment follows from the name, so that a request sent again is the same request.
    at = BEGIN_NS + int(identity(name, size=6), 16)
    if signal == "traces":
        return traces([span(identity(id, size=16), "unit", at, SECOND_NS, {"e2e.id": id}) for id in ids])
    resource = {"attributes": attributes({"service.name": "e2e"})}
    if signal == "metrics":
        points = [{"timeUnixNano": str(at), "asInt": "1", "attributes": attributes({"e2e.id": id})} for id in ids]
        metric = {"name": "e2e.points", "gauge": {"dataPoints": points}}
        return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"scope": {}, "metrics": [metric]}]}]}
    records = [{"timeUnixNano": str(at), "body": {"stringValue": "unit"}, "attributes": attributes({"e2e.id": id})} for id in ids]
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": {}, "logRecords": records}]}]}


class Sender:
    """Sends requests until the service is gone, as an SDK does: what was not acknowledged is sent again later."""

    def __init__(self, number):
        self.number = number
        self.sequence = 0
        self.acknowledged = set()
        self.last = None
        self.open = []
        self.repeats = random.Random(number)
        self.thread = None

    def round(self, http):
        """Starts sending in a thread of its own."""
        self.thread = threading.Thread(target=self.send, args=(http,), daemon=True)
        self.thread.start()

    def next(self):
        """What was left open first, now and then the last acknowledged one again, else something new."""
        if self.open:
            return self.open.pop(0)
        if self.last and self.repeats.random() < 0.1:
            return self.last
        self.sequence += 1
        return (SIGNALS[self.sequence % 3], f"{self.number}-{self.sequence}")

    def send(self, http):
        while True:
            signal, name = work = self.next()
            try:
                taken = post(http, signal, request(signal, name))
            except (OSError, urllib.error.URLError):
                if work not in self.acknowledged:
                    self.open.append(work)
                return
            if taken:
                self.acknowledged.add(work)
                self.last = work


def verify(program, url, senders):
    """Every acknowledged item is there once; nothing at all is there twice."""
    counts = {}
    for signal in SIGNALS:
        rows = program.query(url, f"select attributes->>'e2e.id' as id, count(*) as copies from {VIEWS[signal]} group by all")
        doubled = [row["id"] for row in rows if row["copies"] != 1]
        require(not doubled, f"{signal}: {len(doubled)} items are there more than once, as {doubled[:3]}")
        there = {row["id"] for row in rows}
        due = {
            f"{name}/{place}"
            for sender in senders
            for kind, name in sender.acknowledged
            if kind == signal
            for place in range(ITEMS_PER_REQUEST)
        }
        lost = sorted(due - there)
        require(not lost, f"{signal}: {len(lost)} of {len(due)} acknowledged items are lost, as {lost[:3]}")
        counts[signal] = (len(due), len(there))
    return counts


def script(program, folder, given):
    """Round after round over one store."""
    store = os.path.join(folder, "store.duckdb")
    moments = random.Random(given.seed)
    senders = [Sender(number) for number in range(SENDERS)]
    for number in range(1, given.rounds + 1):
        with Service(program, store) as service:
            before = sum(len(sender.acknowledged) for sender in senders)
            if number > 1:
                verify(program, service.http, senders)
            for sender in senders:
                sender.round(service.http)
            # The moment counts from the first acknowledgement: each kill hits a service under load.
            wait_until("a first acknowledgement", lambda: sum(len(sender.acknowledged) for sender in senders) > before)
            threading.Event().wait(moments.uniform(0.0, 0.8))
            service.kill()
        for sender in senders:
            sender.thread.join(60)
            require(not sender.thread.is_alive(), "a sender hangs although the service is gone")
        if number % 10 == 0:
            requests = sum(len(sender.acknowledged) for sender in senders)
            print(f"{number} kills, {requests} requests acknowledged so far", flush=True)
    with Service(program, store) as service:
        counts = verify(program, service.http, senders)
        service.stop()
    print(f"{given.rounds} kills with seed {given.seed}; nothing lost, nothing doubled")
    for signal, (due, there) in counts.items():
        print(f"{signal}: {due} items acknowledged, {there} stored (the rest was stored without an acknowledgement)")


if __name__ == "__main__":
    main(
        script,
        __doc__,
        ("--rounds", {"type": int, "default": 20, "help": "how often the service is killed"}),
        ("--seed", {"type": int, "default": 1, "help": "seed of the moments"}),
    )
