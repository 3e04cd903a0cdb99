"""Hostile names go through the service into every output, and are data everywhere."""

import csv
import html.parser
import io
import os
import unicodedata

import xxhash

from otlp import BEGIN_NS, SECOND_NS, identity, post, span, traces
from service import Service, get, main, require, require_equal

NAMES = {
    "script": "<script>window.hostile=1</script>",
    "handler": "\"><img src=x onerror=\"window.hostile=1\">'",
    "path": "../../../../tmp/perfline-escaped",
    "absolute": "/etc/passwd",
    "long": "x" * 10_000,
    "right to left": "invoice\u202egnp.exe\u2066\u2069 \u05e9\u05dc\u05d5\u05dd",
    "control": "red \x1b[31m bell \x07 nul \x00 return \r\n second line \x7f \x9b31m",
    "markdown": "[click](javascript:window.hostile=1) | `code` | # head\n# forged",
    "template": "{{ 7 * 7 }} {% raw %} ${jndi:x} %s %n",
    "sql": "'; drop table spans; --",
    "invisible": "a\u200bb\u2028c\ufeffd\ud7a3",
}
# Names and ids of runs, pipelines and steps are cut here, and end in a hash of the whole; docs/store.md says so.
NAME_CHARS_MAX = 500


def stored(name):
    """A name as it is stored."""
    if len(name) <= NAME_CHARS_MAX:
        return name
    return f"{name[:NAME_CHARS_MAX - 17]}~{xxhash.xxh3_64_hexdigest(name.encode())}"


STORED = sorted(stored(name) for name in NAMES.values())
RUNS = 30
SLOWER_FROM = 22


def requests():
    """One pipeline a name, slower in its last runs, with the name in every place that shows one."""
    for name in NAMES.values():
        spans = []
        for number in range(RUNS):
            trace = identity(name, number, size=16)
            start = BEGIN_NS + number * 3600 * SECOND_NS
            # Noise without a random source: the same in every run of this script.
            seconds = (20 if number < SLOWER_FROM else 50) * (1 + (number * 7919 % 97) / 2000)
            length = int(seconds * SECOND_NS)
            pairs = {
                "cicd.pipeline.name": name,
                "cicd.pipeline.run.id": f"{number} {name}",
                "cicd.pipeline.result": "failure" if number == 3 else "success",
                "vcs.ref.head.revision": name,
                name: name,
            }
            root = span(trace, name, start, length, pairs, error=name if number == 3 else None)
            step = span(trace, f"step {name}", start, length, {"cicd.pipeline.task.name": f"step {name}"}, parent=root["spanId"])
            spans += [root, step]
        yield traces(spans, service="hostile")


class Tags(html.parser.HTMLParser):
    """Collects what a browser would act upon."""

    def __init__(self):
        super().__init__()
        self.scripts = 0
        self.images = 0
        self.handlers = []
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        self.images += tag == "img"
        for key, value in attrs:
            if key.startswith("on"):
                self.handlers.append((tag, key, value))
            if key in ("href", "src", "action"):
                self.addresses.append(value or "")


def invisible(text):
    """Characters that move a cursor, hide, or turn the direction of text.

    FSI and PDI are ours: the report sets names apart with them, and they end with their line at the latest.
    """
    return sorted({f"U+{ord(c):04X}" for c in text if c not in "\n\t\u2068\u2069" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")})


def check_json(program, store):
    """Programs get the names exactly as they were sent."""
    runs = program.ask_json("runs", "--store", store)
    require_equal("names in runs --format json", sorted({run["pipeline"] for run in runs}), STORED)
    require_equal("number of runs", len(runs), RUNS * len(NAMES))
    rows = program.query(store, "select attributes, pipeline from runs")
    require_equal("rows of the view", len(rows), len(runs))
    text = program.ask("query", "--store", store, "--format", "csv", "select distinct pipeline from runs order by pipeline")
    names = sorted(row[0] for row in list(csv.reader(io.StringIO(text, newline="")))[1:])
    require_equal("names in CSV", names, STORED)
    verdict = program.ask_json("check", "--store", store, exits=1)
    found = {finding["pipeline"] for finding in verdict["findings"] if finding["actionable"]}
    require_equal("pipelines with a regression", sorted(found), STORED)
    for what, name in NAMES.items():
        # An argument cannot hold a NUL.
        if "\0" not in name:
            own = program.ask_json("runs", "--store", store, "--pipeline", stored(name))
            require_equal(f"runs of the {what} pipeline", len(own), RUNS)
            steps = program.ask_json("steps", "--store", store, "--run", stored(f"5 {name}"))
            require_equal(f"steps of the {what} run", [step["step"] for step in steps], [stored(f"step {name}")])


def check_text(program, store):
    """People get lines that cannot move their cursor or hide a word."""
    for arguments, exits in ((["runs"], 0), (["check"], 1), (["query", "select pipeline, run_id from runs"], 0)):
        text = program.ask(*arguments, "--store", store, exits=exits)
        require(not invisible(text), f"perfline {arguments[0]} prints {invisible(text)}")
        longest = max(map(len, text.split("\n")))
        require(longest <= 4000, f"perfline {arguments[0]} prints a line of {longest} characters")


def check_report(program, store, folder):
    """Pages act on nothing that came from outside, and stay in their folder."""
    out = os.path.join(folder, "deep", "report")
    program.ask("report", "--store", store, "--out", out)
    require_equal("what lies beside the report", os.listdir(os.path.dirname(out)), ["report"])
    require(not os.path.exists("/tmp/perfline-escaped"), "a name wrote outside the folder")
    names = sorted(os.listdir(out))
    pages = [name for name in names if name.endswith(".html")]
    require(len([page for page in pages if page.startswith("pipeline-")]) == len(NAMES), f"a page for each pipeline: {pages}")
    for name in names:
        path = os.path.join(out, name)
        require(os.path.isfile(path), f"{name} is no file")
        require(len(name) <= 120 and name.isascii() and ".." not in name, f"odd file name {name!r}")
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
        if name.endswith(".json"):
            continue
        require(not invisible(text), f"{name} holds {invisible(text)}")
        require("<script>window" not in text and "<img src=x" not in text, f"{name} holds a tag that came from outside")
        if name.endswith(".html"):
            check_page(name, text)
        else:
            require("](javascript:" not in text, f"{name} holds a link that came from outside")
            require("\n# forged" not in text, f"{name} holds a heading that came from outside")
    for kind in ("executive", "pipeline", "alerts", "comparison"):
        program.ask("report", "--store", store, "--kind", kind, "--out", os.path.join(folder, "kinds", kind))
    return len(names)


def check_page(name, text):
    """Our own tags only."""
    tags = Tags()
    tags.feed(text)
    require(tags.scripts <= 1, f"{name} has {tags.scripts} scripts")
    require(tags.images == 0, f"{name} has {tags.images} images")
    require(not tags.handlers, f"{name} has event handlers: {tags.handlers[:2]}")
    bad = [address for address in tags.addresses if address.lower().lstrip().startswith(("javascript:", "//", "http")) or ".." in address]
    require(not bad, f"{name} has foreign addresses: {bad[:2]}")


def script(program, folder, _given):
    """Through the service and, afterwards, from the file."""
    store = os.path.join(folder, "store.duckdb")
    with Service(program, store) as service:
        for request in requests():
            require(post(service.http, "traces", request), "a request was not acknowledged whole")
        check_json(program, service.http)
        metrics, _ = get(f"{service.http}/metrics")
        require(all(line.startswith(("#", "pipeline_", "perfline_")) for line in metrics.rstrip("\n").split("\n")), "a name broke a line of /metrics")
        service.stop()
    check_json(program, store)
    check_text(program, store)
    files = check_report(program, store, folder)
    print(f"{len(NAMES)} hostile names, {RUNS} runs each: exact in JSON and CSV, harmless in text and in {files} files of the report")


if __name__ == "__main__":
    main(script, __doc__)
