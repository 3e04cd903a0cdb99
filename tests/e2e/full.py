"""Fills the disk under load: requests are refused so that clients come again, /readyz says so, and when there is room
again the service goes on by itself; also where DuckDB was in the midst of a write, and refuses everything until its file
is opened again. The same where syncs fail. Nothing acknowledged is lost, nothing doubles."""

import random
import threading
import time
import urllib.error
import urllib.request

from disk import Disk
from senders import SENDERS, Sender, count, tell, verify
from service import Failed, Service, main, require, wait_until
from wire import serving

# One client sends so much at once that loads go around DuckDB's own log.
LARGE_ITEMS = 10_000


def status(service, page):
    """The status of a page."""
    try:
        with urllib.request.urlopen(service.http + page, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def refused(senders):
    """How often each client was told to come again."""
    return [sender.refused for sender in senders]


def fill(disk, service, senders, chance):
    """A full disk from its beginning to its end, and the time until the service was ready again."""
    before = refused(senders)
    threading.Event().wait(chance.uniform(0.2, 1.5))
    disk.refuse("full")
    wait_until("every client is told to come again", lambda: all(now > then for now, then in zip(refused(senders), before)))
    taken = count(senders)
    wait_until("/readyz says that it is not ready", lambda: status(service, "/readyz") == 503)
    wait_until("gRPC's health says NOT_SERVING of each service", lambda: not any(serving(service)))
    require(status(service, "/healthz") == 200, "a full disk is no reason to be restarted")
    require(status(service, "/metrics") == 200, "/metrics does not answer while the disk refuses")
    threading.Event().wait(chance.uniform(0.5, 2.0))
    # Each client may have had one request under way.
    require(count(senders) <= taken + len(senders), "requests are acknowledged although the disk refuses")
    disk.refuse("")
    began = time.monotonic()
    wait_until("/readyz says that it is ready", lambda: status(service, "/readyz") == 200)
    ready = time.monotonic() - began
    wait_until("gRPC's health says SERVING of each service", lambda: all(serving(service)))
    wait_until("requests are taken again", lambda: count(senders) > taken + len(senders))
    return ready


def fill_while_idle(disk, service, senders):
    """With nobody sending: readiness must come back without a request that tries it."""
    disk.refuse("full")
    for sender in senders[:1]:
        sender.start(service)
    wait_until("/readyz says that it is not ready", lambda: status(service, "/readyz") == 503)
    for sender in senders[:1]:
        sender.stopping.set()
        sender.finish()
    disk.refuse("")
    wait_until("/readyz says that it is ready, with nobody sending", lambda: status(service, "/readyz") == 200)


def stopped(senders):
    """Waits until every client has noticed."""
    for sender in senders:
        sender.stopping.set()
    for sender in senders:
        sender.finish()


def end_while_full(disk, service, senders):
    """Asked to end while nothing can be written: it ends, and says that the log keeps what is missing."""
    for sender in senders:
        sender.start(service)
    threading.Event().wait(0.5)
    disk.refuse("full")
    threading.Event().wait(0.5)
    try:
        service.stop()
    except Failed as failed:
        require("still runs" not in str(failed), str(failed))
        require("the log keeps what is missing" in str(failed), f"it does not say where the rest is: {failed}")
    stopped(senders)
    disk.refuse("")


def failing_syncs(disk, service, senders):
    """Syncs that fail: requests are refused; DuckDB refuses everything from its first failure on, so that the file is
    opened again, and once syncs work the service goes on by itself."""
    before = refused(senders)
    for sender in senders:
        sender.start(service)
    threading.Event().wait(0.5)
    disk.refuse("sync")
    wait_until("every client is told to come again", lambda: all(now > then for now, then in zip(refused(senders), before)))
    wait_until("the store is opened again", lambda: "the store is opened again" in service.said())
    require(status(service, "/readyz") == 503, "/readyz says that it is ready although nothing can be synced")
    require(status(service, "/healthz") == 200, "failing syncs are no reason to be restarted")
    taken = count(senders)
    threading.Event().wait(1)
    require(count(senders) == taken, "requests are acknowledged although nothing can be synced")
    disk.refuse("")
    wait_until("/readyz says that it is ready", lambda: status(service, "/readyz") == 200)
    wait_until("requests are taken again", lambda: count(senders) > taken + len(senders))
    stopped(senders)
    verify(service.program, service.http, senders)
    service.stop()


def script(program, folder, given):
    """Fault after fault over one disk, each service started over what the one before it left."""
    disk = Disk(folder)
    chance = random.Random(given.seed)
    senders = [Sender(number, items=40) for number in range(SENDERS)] + [Sender(SENDERS, items=LARGE_ITEMS)]
    again = []

    def start():
        return Service(program, disk.path("store.duckdb"), environment=disk.environment())

    with start() as service:
        for sender in senders:
            sender.start(service)
        for _ in range(given.rounds):
            again.append(fill(disk, service, senders, chance))
        stopped(senders)
        verify(program, service.http, senders)
        fill_while_idle(disk, service, senders)
        for sender in senders:
            sender.start(service)
        disk.refuse("full")
        threading.Event().wait(0.5)
        service.kill()
        stopped(senders)
    disk.refuse("")
    for ending in (end_while_full, failing_syncs):
        with start() as service:
            verify(program, service.http, senders)
            ending(disk, service, senders)
    with start() as service:
        counts = verify(program, service.http, senders)
        service.stop()
    print(f"{given.rounds} times full under load, {sum(refused(senders))} requests refused and sent again")
    print(f"ready again after {max(again):.2f} s at the latest; nothing lost, nothing doubled")
    tell(counts)


if __name__ == "__main__":
    main(
        script,
        __doc__,
        ("--rounds", {"type": int, "default": 3, "help": "how often the disk is full"}),
        ("--seed", {"type": int, "default": 1, "help": "seed of the moments"}),
    )
