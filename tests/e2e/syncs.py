"""Counts syncs against acknowledgements: when a client hears success, the bytes of its request lie on the disk as of
the last sync. One client needs a sync each; many at once share them."""

import os
import threading

from disk import Disk
from senders import Sender, count
from service import Service, main, require, wait_until

CLIENTS = 24


def segments(disk):
    """The numbers of the log's files."""
    return [number for path, number in disk.numbers().items() if path.endswith(".segment")]


def syncs_of(disk):
    """How many syncs the log has had, without those of empty segments."""
    logs = set(segments(disk))
    return sum(1 for number, length in disk.syncs() if number in logs and length > 48)


class Proof:
    """Looks at the disk behind every acknowledgement."""

    def __init__(self, disk):
        self.disk = disk
        self.lock = threading.Lock()
        self.checked = 0

    def check(self, signal, name):
        """The request's own ids must be in what was synced."""
        # The client has its answer already: what is on the disk now was there before, or is not there in time.
        last = f"{name}/0".encode()
        held = any(last in self.disk.shadow(number) for number in segments(self.disk))
        require(held, f"{signal} {name} was acknowledged, and no sync covers it")
        with self.lock:
            self.checked += 1


def load(disk, service, clients, seconds, after=None):
    """Sends from many clients at once; returns acknowledgements and syncs."""
    before, acknowledged = syncs_of(disk), count(clients)
    for client in clients:
        client.start(service, after)
    wait_until("a first acknowledgement", lambda: count(clients) > acknowledged)
    threading.Event().wait(seconds)
    for client in clients:
        client.stopping.set()
    for client in clients:
        client.finish()
    return count(clients) - acknowledged, syncs_of(disk) - before


def script(program, folder, given):
    """One client, then many, then many with a look at the disk behind each acknowledgement."""
    disk = Disk(folder, lie=given.lie, sync_us=2000)
    with Service(program, disk.path("store.duckdb"), environment=disk.environment()) as service:
        one, many = [Sender(0)], [Sender(number) for number in range(1, CLIENTS + 1)]
        proof = Proof(disk)
        load(disk, service, one, 0.5, proof.check)
        alone, syncs = load(disk, service, one, 1.0)
        print(f"one client: {alone} acknowledgements, {syncs} syncs of the log")
        require(syncs >= alone - 1, "one client was acknowledged without a sync")
        together, syncs = load(disk, service, many, given.seconds)
        print(f"{CLIENTS} clients: {together} acknowledgements, {syncs} syncs of the log")
        require(0 < syncs < together, "syncs are not shared")
        load(disk, service, many, 1.0, proof.check)
        print(f"{proof.checked} acknowledgements, each behind a sync that covers its bytes")
        service.stop()


if __name__ == "__main__":
    main(
        script,
        __doc__,
        ("--seconds", {"type": float, "default": 2.0, "help": "how long the many clients send"}),
        ("--lie", {"default": "", "help": "syncs that do nothing, to see this script fail: `fdatasync`"}),
    )
