"""Cuts the power under load: only what was synced stays, and by chance parts of what was not. Nothing acknowledged is
lost, nothing doubles. With --lie syncs do nothing: then the same script must find a loss, or it proves nothing."""

import os
import random
import signal
import statistics
import threading

from disk import Disk
from senders import SENDERS, Sender, count, tell, verify
from service import REUSING, Failed, Service, main, require, wait_until

SURVIVORS = ("none", "some", "some", "all")
# A load of more rows than this goes around DuckDB's own log, straight into its file.
BULK_ITEMS = 25_000
BULKS = 6


def round_of(program, disk, senders, moments, bulk, settings):
    """One service from its start to the cut of the power."""
    with Service(program, disk.path("store.duckdb"), environment=disk.environment() | settings) as service:
        started = service.start_s
        verify(program, service.http, senders)
        before = count(senders)
        for sender in senders:
            sender.start(service)
        if bulk is not None:
            for _ in range(BULKS):
                send_bulk(service, bulk)
        wait_until("a first acknowledgement", lambda: count(senders) > before)
        threading.Event().wait(moments.uniform(0.0, 1.2))
        if moments.random() < 0.4:
            # The power goes while it drains, loads and checkpoints.
            service.process.send_signal(signal.SIGTERM)
            threading.Event().wait(moments.uniform(0.0, 0.5))
        service.kill()
    for sender in senders:
        sender.finish()
    return started


def reused(disk):
    """How many files of the log were written over since the power came."""
    renames = [line for line in disk.journal() if line[0] == "rename"]
    return sum(1 for _, old, new in renames if old.endswith(".spare") and new.endswith(".segment"))


def send_bulk(service, bulk):
    """One large request of spans, from its start to its acknowledgement."""
    # Signals take turns: the next one is of spans.
    bulk.sequence += -bulk.sequence % 3 + 2
    bulk.start(service, lambda _signal, _name: bulk.stopping.set())
    bulk.finish()
    require(bulk.stopping.is_set(), "a large request was not acknowledged")


def script(program, folder, given):
    """Round after round over one disk."""
    moments = random.Random(given.seed)
    disk = Disk(folder, lie=given.lie, sync_us=500)
    senders = [Sender(number) for number in range(SENDERS)]
    bulk = Sender(SENDERS, items=BULK_ITEMS)
    everybody = [*senders, bulk]
    starts, cuts, written_over = [], {}, 0
    try:
        for number in range(1, given.rounds + 1):
            large = bulk if number % given.bulk_every == 0 else None
            starts.append(round_of(program, disk, senders, moments, large, REUSING if number % 2 else {}))
            written_over += reused(disk)
            survivors = moments.choice(SURVIVORS) if not given.lie else "none"
            cuts[survivors] = cuts.get(survivors, 0) + 1
            disk.cut(moments, survivors)
            if number % 10 == 0:
                print(f"{number} cuts, {count(everybody)} requests acknowledged so far", flush=True)
        with Service(program, disk.path("store.duckdb"), environment=disk.environment()) as service:
            starts.append(service.start_s)
            counts = verify(program, service.http, everybody)
            service.stop()
    except Failed as loss:
        if not given.lie:
            raise
        require("acknowledged items are lost" in str(loss) or "serve ended" in str(loss), f"found something else than a loss: {loss}")
        print(f"with syncs that lie: {loss}")
        return
    require(not given.lie, "syncs did nothing, and nothing was lost: this test proves nothing")
    require(written_over > 0, "no file of the log was written over: this test does not show what becomes of such")
    told = ", ".join(f"{survivors} {times}" for survivors, times in sorted(cuts.items()))
    print(f"{given.rounds} power cuts with seed {given.seed} (of what was not synced stayed: {told}); nothing lost, nothing doubled")
    print(f"{written_over} files of the log were written over")
    print(f"start-up after a cut: median {statistics.median(starts):.2f} s, longest {max(starts):.2f} s")
    tell(counts)


if __name__ == "__main__":
    main(
        script,
        __doc__,
        ("--rounds", {"type": int, "default": 12, "help": "how often the power is cut"}),
        ("--seed", {"type": int, "default": 1, "help": "seed of the moments"}),
        ("--lie", {"default": "", "help": "syncs that do nothing: `fsync`, `fdatasync`, `names`"}),
        ("--bulk-every", {"type": int, "default": 5, "help": "every how many rounds more rows than a row group are sent"}),
    )
