"""What a running process costs, read from /proc."""

import threading
import time


def resident_bytes(pid):
    """Memory that is resident now."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def mib(count):
    """Bytes for people."""
    return f"{count / (1 << 20):.0f} MiB"


class Sampler:
    """Looks at a process's memory now and then, in a thread of its own."""

    def __init__(self, pid, every_s=0.05):
        self.pid = pid
        self.every_s = every_s
        # Seconds since the first sample, and bytes.
        self.samples = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_exception):
        self.stopping.set()
        self.thread.join()

    def run(self):
        """Samples until it is told to stop, or the process is gone."""
        began = time.monotonic()
        while True:
            try:
                self.samples.append((time.monotonic() - began, resident_bytes(self.pid)))
            except (FileNotFoundError, ProcessLookupError):
                return
            if self.stopping.wait(self.every_s):
                return

    def most(self):
        """The most that was seen."""
        return max(taken for _, taken in self.samples)
