"""Starts the program under test, asks it, stops it: what the end-to-end scripts share."""

import argparse
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

# No state takes longer, also on a loaded machine.
PATIENCE_S = 120


class Failed(Exception):
    """The program did something else than it should."""


class Missing(Exception):
    """The machine lacks something; the message says what to install."""


def require(condition, message):
    """Fails with the message unless the condition holds."""
    if not condition:
        raise Failed(message)


def require_equal(what, found, expected):
    """Fails with both values unless they are equal."""
    if found == expected:
        return
    if isinstance(found, list) and isinstance(expected, list):
        # Of two long lists only what tells them apart.
        missing = [item for item in expected if item not in found]
        extra = [item for item in found if item not in expected]
        if missing or extra:
            raise Failed(f"{what}: missing {shortened(missing)}, not expected {shortened(extra)}")
    raise Failed(f"{what}: expected {shortened(expected)}, found {shortened(found)}")


def require_program(name, package):
    """The path of a program, or what to install."""
    path = shutil.which(name)
    if path is None:
        raise Missing(f"`{name}` is missing: apt-get install {package}")
    return path


def shortened(value):
    """A value for a message, bounded."""
    text = repr(value)
    return text if len(text) <= 600 else f"{text[:600]}... ({len(text)} characters)"


def wait_until(what, condition, seconds=PATIENCE_S):
    """Polls until the condition gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not so after {seconds} s")
        time.sleep(0.05)


class Program:
    """The built binary."""

    def __init__(self, binary):
        self.binary = os.path.abspath(binary)
        if not os.access(self.binary, os.X_OK):
            raise Missing(f"`{binary}` is no program: build it with cargo build --release")
        # What the caller's shell sets must not reach the program under test.
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PERFLINE_", "OTEL_"))
        } | {"NO_COLOR": "1"}

    def run(self, *arguments, exits=0):
        """Runs one command to its end; returns standard output and standard error."""
        done = subprocess.run(
            [self.binary, *arguments], capture_output=True, env=self.environment, timeout=10 * PATIENCE_S, check=False
        )
        out, err = done.stdout.decode("utf-8"), done.stderr.decode("utf-8", "replace")
        if done.returncode != exits:
            raise Failed(
                f"perfline {shortened(' '.join(arguments))}: exit {done.returncode}, expected {exits}\n{out[-2000:]}{err[-2000:]}"
            )
        return out, err

    def run_any(self, *arguments):
        """What one command says, whichever its exit code."""
        done = subprocess.run(
            [self.binary, *arguments], capture_output=True, env=self.environment, timeout=10 * PATIENCE_S, check=False
        )
        return (done.stdout + done.stderr).decode("utf-8", "replace")

    def ask(self, *arguments, exits=0):
        """The standard output of one command."""
        return self.run(*arguments, exits=exits)[0]

    def ask_json(self, *arguments, exits=0):
        """The JSON answer of one command."""
        return json.loads(self.ask(*arguments, "--format", "json", exits=exits))

    def query(self, store, sql):
        """Rows of one query, as objects."""
        return self.ask_json("query", "--store", store, sql)


# Small files of the log that are loaded at once: most of them are written over before the end.
REUSING = {"PERFLINE_STORE_SEGMENT_BYTES_MAX": "16KiB", "PERFLINE_STORE_LOAD_INTERVAL": "100ms"}


class Service:
    """A running `perfline serve` on free ports."""

    def __init__(self, program, store, *options, environment=None):
        self.program = program
        self.store = store
        self.options = options
        self.environment = program.environment | (environment or {})
        self.process = None
        self.log = None
        # How long it took until both listeners were there.
        self.start_s = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_exception):
        if self.process is not None:
            self.kill()

    def start(self):
        """Starts it and waits for both lines that say that it is ready."""
        self.log = tempfile.TemporaryFile()
        began = time.monotonic()
        free = [word for port in ("--grpc", "--http") if port not in self.options for word in (port, "127.0.0.1:0")]
        self.process = subprocess.Popen(
            [self.program.binary, "serve", "--store", self.store, *free, *self.options],
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=self.environment,
        )
        lines = queue.Queue()

        def read():
            for line in self.process.stdout:
                lines.put(line.decode().strip())
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        addresses = {}
        while len(addresses) < 2:
            try:
                line = lines.get(timeout=PATIENCE_S)
            except queue.Empty:
                raise Failed(f"perfline serve is not ready after {PATIENCE_S} s\n{self.said()}") from None
            if line is None:
                raise Failed(f"perfline serve ended before it was ready\n{self.said()}")
            name, _, address = line.partition(" ")
            addresses[name] = address
        self.start_s = time.monotonic() - began
        self.grpc = f"http://{addresses['grpc']}"
        self.http = f"http://{addresses['http']}"

    def said(self):
        """The end of what it wrote to standard error."""
        self.log.seek(0)
        return self.log.read()[-4000:].decode("utf-8", "replace")

    def stop(self):
        """Asks it to end, as an init system does: it must drain and exit 0."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"perfline serve still runs {PATIENCE_S} s after SIGTERM\n{self.said()}") from None
        said = self.said()
        self.process = None
        if code != 0:
            raise Failed(f"perfline serve exits {code} at SIGTERM\n{said}")

    def kill(self):
        """Ends it as a power cut does."""
        self.process.kill()
        self.process.wait()
        self.process = None


def get(url, accept=None):
    """The body and the content type of a page."""
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return answer.read().decode("utf-8"), answer.headers.get("Content-Type", "")


def main(script, about, *arguments):
    """Runs a script: --binary and its own arguments in, measured lines out, exit 1 with the cause."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--binary", default="target/release/perfline", help="the built program")
    for name, options in arguments:
        parser.add_argument(name, **options)
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="perfline-e2e-") as folder:
            script(Program(given.binary), folder, given)
    except Missing as missing:
        print(f"missing: {missing}", file=sys.stderr)
        sys.exit(1)
    except (Failed, urllib.error.URLError) as failure:
        print(f"failed: {failure}", file=sys.stderr)
        sys.exit(1)
    print("ok")
