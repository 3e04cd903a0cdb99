"""Clients that send until the service is gone, as SDKs do, and know what was acknowledged."""

import random
import threading

from otlp import BEGIN_NS, SECOND_NS, attributes, identity, span, traces
from service import require
from wire import TRANSPORTS, Refused

SENDERS = 6
ITEMS_PER_REQUEST = 5
SIGNALS = ("traces", "metrics", "logs")
VIEWS = {"traces": "spans", "metrics": "metric_points", "logs": "logs"}


def request(signal, name, items):
    """A request whose items carry ids of their own: `name`/0, `name`/1, ..."""
    ids = [f"{name}/{place}" for place in range(items)]
    # The moment follows from the name, so that a request sent again is the same request. One half goes on in time, as
    # real ones do, the other jumps.
    sequence = int(name.rpartition("-")[2])
    at = BEGIN_NS + (int(identity(name, size=6), 16) if sequence % 2 else (1 << 48) + sequence * SECOND_NS)
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
    """One client: what was not acknowledged is sent again later."""

    def __init__(self, number, items=ITEMS_PER_REQUEST):
        self.number = number
        self.items = items
        self.kind = TRANSPORTS[number % len(TRANSPORTS)]
        self.sequence = 0
        # What was acknowledged: signal and name to the number of items.
        self.acknowledged = {}
        self.refused = 0
        self.last = None
        self.open = []
        self.repeats = random.Random(number)
        self.thread = None
        self.failure = None
        self.stopping = threading.Event()

    def start(self, service, after=None):
        """Starts sending in a thread of its own; `after` is called behind every acknowledgement."""
        self.stopping.clear()
        self.thread = threading.Thread(target=self.run, args=(service, after), daemon=True)
        self.thread.start()

    def finish(self):
        """Waits until it has noticed that the service is gone, or was told to stop."""
        self.thread.join(150)
        require(not self.thread.is_alive(), "a sender hangs although the service is gone")
        if self.failure is not None:
            raise self.failure

    def next(self):
        """What was left open first, now and then the last acknowledged one again, else something new."""
        if self.open:
            return self.open.pop(0)
        if self.last and self.repeats.random() < 0.1:
            return self.last
        self.sequence += 1
        return (SIGNALS[self.sequence % 3], f"{self.number}-{self.sequence}", self.items)

    def run(self, service, after):
        """Sends until there is nobody to send to."""
        transport = self.kind(service)
        try:
            while not self.stopping.is_set():
                signal, name, items = work = self.next()
                try:
                    transport.send(signal, request(signal, name, items))
                except Refused as refused:
                    require(refused.retryable, f"refused for good: {refused}")
                    self.refused += 1
                    self.open.append(work)
                    self.stopping.wait(0.05)
                    continue
                except OSError:
                    if (signal, name) not in self.acknowledged:
                        self.open.append(work)
                    return
                self.acknowledged[signal, name] = items
                self.last = work
                if after:
                    after(signal, name)
        except BaseException as failure:  # whatever it was, the script must hear of it
            self.failure = failure
        finally:
            transport.close()


def count(senders):
    """Requests acknowledged so far."""
    return sum(len(sender.acknowledged) for sender in senders)


def verify(program, store, senders):
    """Every acknowledged item is there once; nothing at all is there twice. Returns per signal how many were
    acknowledged and how many are there."""
    counts = {}
    for signal in SIGNALS:
        rows = program.query(store, f"select attributes->>'e2e.id' as id, count(*) as copies from {VIEWS[signal]} group by all")
        doubled = [row["id"] for row in rows if row["copies"] != 1]
        require(not doubled, f"{signal}: {len(doubled)} items are there more than once, as {doubled[:3]}")
        there = {row["id"] for row in rows}
        due = {
            f"{name}/{place}"
            for sender in senders
            for (kind, name), items in sender.acknowledged.items()
            if kind == signal
            for place in range(items)
        }
        lost = sorted(due - there)
        require(not lost, f"{signal}: {len(lost)} of {len(due)} acknowledged items are lost, as {lost[:3]}")
        counts[signal] = (len(due), len(there))
    return counts


def tell(counts):
    """Prints what `verify` counted."""
    for signal, (due, there) in counts.items():
        print(f"{signal}: {due} items acknowledged, {there} stored (the rest was stored without an acknowledgement)")
