"""Half an hour of steady load with queries and reports beside it: memory stays flat, acknowledgements stay quick.
Prints the slope of the memory with its interval, the store's size and the quantiles of acknowledgements."""

import math
import os
import random
import statistics
import threading
import time

from otlp import BEGIN_NS, SECOND_NS, identity, span, traces
from process import Sampler, mib
from senders import request
from service import Service, get, main, require
from wire import Grpc, HttpProtobuf, Refused

MIB = 1 << 20
# What comes before counts as warming up: by then DuckDB's cache of what it wrote must be full, or its filling looks like
# a leak.
WARM = 1 / 3


def runs_of(pipeline, sequence, spans):
    """One run of a pipeline: a root and its steps."""
    trace = identity(pipeline, sequence, size=16)
    at = BEGIN_NS + sequence * SECOND_NS
    chance = random.Random(sequence)
    root = span(trace, pipeline, at, SECOND_NS, {"cicd.pipeline.name": pipeline, "cicd.pipeline.run.id": f"{sequence}"})
    steps = [
        span(trace, f"step {place % 8}", at + place, int(1e6 * chance.lognormvariate(1, 0.2)), {"cicd.pipeline.task.name": f"step {place % 8}", "user.id": str(chance.random())}, root["spanId"])
        for place in range(spans - 1)
    ]
    return traces([root, *steps], service=pipeline)


class Client:
    """Sends at a steady rate and measures each acknowledgement."""

    def __init__(self, number, rate, spans):
        self.number = number
        self.pause = 1 / rate
        self.spans = spans
        self.took = []
        self.refused = 0
        self.items = 0
        self.failure = None

    def run(self, service, until):
        """Keeps to its times: a slow answer does not make the next request later."""
        transport = (Grpc if self.number % 2 else HttpProtobuf)(service)
        next_at = time.monotonic()
        sequence = 0
        try:
            while (now := time.monotonic()) < until:
                if now < next_at:
                    time.sleep(next_at - now)
                next_at += self.pause
                sequence += 1
                signal = ("traces", "traces", "metrics", "logs")[sequence % 4]
                name = f"{self.number}-{sequence}"
                made = runs_of(f"pipeline {self.number}", sequence, self.spans) if signal == "traces" else request(signal, name, 20)
                began = time.monotonic()
                try:
                    transport.send(signal, made)
                    self.took.append((began, time.monotonic() - began))
                    self.items += self.spans if signal == "traces" else 20
                except Refused as refused:
                    require(refused.retryable, f"refused for good: {refused}")
                    self.refused += 1
        except BaseException as failure:  # whatever it was, the script must hear of it
            self.failure = failure


def readers(program, service, folder, until, seen):
    """Queries, reports, checks and scrapes, one after the other."""
    while time.monotonic() < until and not seen.get("failed"):
        for name, ask in (
            ("query", lambda: program.query(service.http, "select pipeline, count(*) as n, avg(duration_ms) as ms from spans group by all order by all")),
            ("check", lambda: program.run_any("check", "--store", service.http)),
            ("report", lambda: program.ask("report", "--store", service.http, "--out", os.path.join(folder, "report"))),
            ("metrics", lambda: get(service.http + "/metrics")),
        ):
            began = time.monotonic()
            try:
                ask()
            except Exception as failure:  # whatever it was, the script must hear of it
                seen["failed"] = [failure]
                return
            seen.setdefault(name, []).append(time.monotonic() - began)
            time.sleep(2)


def slope(samples):
    """Least squares of memory over time in bytes an hour, with a 95 % interval. Neighbours are alike, so their
    correlation is taken from what lies between two samples (AR(1), as by Newey and West with one lag)."""
    n = len(samples)
    mean_t, mean_y = statistics.fmean(t for t, _ in samples), statistics.fmean(y for _, y in samples)
    spread = sum((t - mean_t) ** 2 for t, _ in samples)
    rise = sum((t - mean_t) * (y - mean_y) for t, y in samples) / spread
    rest = [y - mean_y - rise * (t - mean_t) for t, y in samples]
    power = sum(e * e for e in rest)
    alike = max(0.0, min(0.99, sum(a * b for a, b in zip(rest, rest[1:])) / power)) if power else 0.0
    error = math.sqrt(power / (n - 2) / spread * (1 + alike) / (1 - alike))
    return rise * 3600, 1.96 * error * 3600


def quantile(values, share):
    """A quantile of a list."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def script(program, folder, given):
    """The load, and what it did."""
    store = os.path.join(folder, "store.duckdb")
    clients = [Client(number, given.rate / given.clients, given.spans) for number in range(given.clients)]
    seen = {}
    with open(os.path.join(folder, "settings.toml"), "w", encoding="ascii") as file:
        file.write(f"[store]\nduckdb_memory_bytes_max = {given.duckdb_mib * MIB}\n")
    with Service(program, store, "--config", file.name) as service, Sampler(service.process.pid, every_s=given.every) as memory:
        until = time.monotonic() + given.minutes * 60
        threads = [threading.Thread(target=client.run, args=(service, until), daemon=True) for client in clients]
        threads.append(threading.Thread(target=readers, args=(program, service, folder, until, seen), daemon=True))
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(min(60, given.minutes * 6))
            sent = sum(client.items for client in clients)
            require(not seen.get("failed"), f"a reader failed: {seen.get('failed')}")
            print(f"{memory.samples[-1][0]:6.0f} s  {mib(memory.samples[-1][1]):>9}  {sent} items", flush=True)
        memory.stopping.set()
        for client in clients:
            if client.failure is not None:
                raise client.failure
        sent = sum(client.items for client in clients)
        stored = program.query(service.http, "select (select count(*) from spans) + (select count(*) from metric_points) + (select count(*) from logs) as n")[0]["n"]
        service.stop()
    took = [seconds for client in clients for _, seconds in client.took]
    steady = [sample for sample in memory.samples if sample[0] > given.minutes * 60 * WARM]
    rise, interval = slope(steady)
    print(f"{given.minutes} minutes, {len(took)} requests, {sent / given.minutes / 60:.0f} items a second, {sum(client.refused for client in clients)} told to come again")
    print(f"items sent {sent}, stored {stored}; store {mib(os.path.getsize(store))}, {os.path.getsize(store) / stored:.0f} bytes an item")
    print(f"acknowledgement: median {1000 * quantile(took, 0.5):.1f} ms, p99 {1000 * quantile(took, 0.99):.1f} ms, p99.9 {1000 * quantile(took, 0.999):.1f} ms, longest {1000 * max(took):.0f} ms")
    print(f"memory: at most {mib(memory.most())}; after {given.minutes * WARM:.0f} minutes {mib(steady[0][1])}, at the end {mib(steady[-1][1])}")
    print(f"slope {rise / MIB:+.1f} MiB an hour, 95 % interval {(rise - interval) / MIB:+.1f} to {(rise + interval) / MIB:+.1f}")
    for name, times in sorted(seen.items()):
        print(f"{name}: {len(times)} times, median {statistics.median(times):.2f} s, longest {max(times):.2f} s")
    require(stored == sent, f"of {sent} items {stored} are stored")
    # What it may keep for every item that it ever saw is bounded by what the interval leaves open.
    require(rise - interval < 0 or rise < given.slope_max * MIB, "memory grows")


if __name__ == "__main__":
    main(
        script,
        __doc__,
        ("--minutes", {"type": float, "default": 30, "help": "how long"}),
        ("--rate", {"type": float, "default": 40, "help": "requests a second, over all clients"}),
        ("--clients", {"type": int, "default": 4, "help": "clients, half of them over gRPC"}),
        ("--spans", {"type": int, "default": 100, "help": "spans of a run"}),
        ("--every", {"type": float, "default": 2, "help": "seconds between two looks at the memory"}),
        ("--duckdb-mib", {"type": int, "default": 256, "help": "DuckDB's memory limit, MiB"}),
        ("--slope-max", {"type": float, "default": 60, "help": "MiB an hour that count as flat"}),
    )
