"""Kills the service with SIGKILL at random moments under load: nothing acknowledged is lost, nothing doubles.
With --signal term it is asked to end instead: then it also exits 0."""

import os
import random
import statistics
import threading

from senders import SENDERS, Sender, count, tell, verify
from service import REUSING, Service, main, wait_until


def script(program, folder, given):
    """Round after round over one store."""
    store = os.path.join(folder, "store.duckdb")
    moments = random.Random(given.seed)
    senders = [Sender(number) for number in range(SENDERS)]
    starts = []
    for number in range(1, given.rounds + 1):
        with Service(program, store, environment=REUSING if number % 2 else None) as service:
            before = count(senders)
            if number > 1:
                starts.append(service.start_s)
                verify(program, service.http, senders)
            for sender in senders:
                sender.start(service)
            # The moment counts from the first acknowledgement: each kill hits a service under load.
            wait_until("a first acknowledgement", lambda: count(senders) > before)
            threading.Event().wait(moments.uniform(0.0, 0.8))
            if given.signal == "kill":
                service.kill()
            else:
                service.stop()
        for sender in senders:
            sender.finish()
        if number % 10 == 0:
            print(f"{number} ends, {count(senders)} requests acknowledged so far", flush=True)
    with Service(program, store) as service:
        starts.append(service.start_s)
        counts = verify(program, service.http, senders)
        service.stop()
    print(f"{given.rounds} times SIG{given.signal.upper()} with seed {given.seed}; nothing lost, nothing doubled")
    print(f"start-up afterwards: median {statistics.median(starts):.2f} s, longest {max(starts):.2f} s")
    tell(counts)


if __name__ == "__main__":
    main(
        script,
        __doc__,
        ("--rounds", {"type": int, "default": 20, "help": "how often the service is killed"}),
        ("--seed", {"type": int, "default": 1, "help": "seed of the moments"}),
        ("--signal", {"choices": ["kill", "term"], "default": "kill", "help": "how it ends"}),
    )
