"""The documentation names what exists: links, options, views with their columns, metrics, and queries that run."""

import glob
import os
import re

from otlp import BEGIN_NS, SECOND_NS, identity, post, span, traces
from service import Service, get, main, require, require_equal

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(path):
    """A text of the repository."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def pages():
    """Every page that people read."""
    texts = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "ARCHITECTURE.md"]
    return texts + sorted(os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "docs", "*.md")))


def check_links():
    """Links inside the repository lead somewhere."""
    count = 0
    for page in pages():
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", read(page)):
            if not target.startswith("http"):
                path = os.path.join(ROOT, os.path.dirname(page), target)
                require(os.path.exists(path), f"{page} links {target}, which is not there")
                count += 1
    return count


def check_views(program, store):
    """docs/query.md has the columns and types of every view, no more and no fewer."""
    sections = re.split(r"^### ", read("docs/query.md"), flags=re.M)[1:]
    require(len(sections) >= 8, f"docs/query.md describes {len(sections)} views")
    for section in sections:
        view = section.splitlines()[0]
        said = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, flags=re.M)
        there = [(row["column_name"], row["column_type"]) for row in program.query(store, f"describe {view}")]
        require_equal(f"columns of {view} in docs/query.md", said, there)
    return len(sections)


def check_queries(program, store):
    """Every SQL text that the documentation shows runs."""
    shown = re.findall(r"```sql\n(.*?)```", read("docs/query.md"), flags=re.S)
    for page in pages():
        shown += re.findall(r"perfline query (?:--\w+ \S+ )*'([^']+)'", read(page))
    for sql in shown:
        program.query(store, sql)
    return len(shown)


def check_options(program):
    """Every option in a shown command line is one of that command."""
    helps, count = {}, 0
    for page in pages():
        for command, rest in re.findall(r"^\s*(?:- run: )?perfline (\w+)([^\n|]*)$", "\n".join(re.findall(r"```\w*\n(.*?)```", read(page), flags=re.S)), flags=re.M):
            # `bench` and its like have commands of their own.
            inner = re.match(r" ([a-z]+)\b", rest)
            if inner and re.search(rf"^  {inner[1]}  ", helps.setdefault(command, program.ask(command, "--help")), flags=re.M):
                command = f"{command} {inner[1]}"
            helps.setdefault(command, program.ask(*command.split(), "--help"))
            for option in re.findall(r"(?<!\S)--[a-z][a-z-]+", rest.split(" -- ")[0].split("#")[0]):
                require(option in helps[command], f"{page}: perfline {command} has no {option}")
                count += 1
    return count


def check_commands(program):
    """docs/commands.md lists every command, and no page names one that is not there."""
    there = set(re.findall(r"^  (\w+)  ", program.ask("--help").split("Commands:")[1].split("Options:")[0], flags=re.M)) - {"help"}
    listed = {name for name in re.findall(r"^\| `(\w+)[^`]*` \|", read("docs/commands.md").split("## The store")[0], flags=re.M)}
    require_equal("commands in docs/commands.md", sorted(listed), sorted(there))
    for page in pages():
        named = set(re.findall(r"`perfline ([a-z]+)\b", read(page)))
        require(named <= there, f"{page} names commands that are not there: {sorted(named - there)}")
    return len(there)


def check_metrics(http):
    """Every metric that docs/prometheus.md names in its tables is exposed, and the other way round."""
    exposed = set(re.findall(r"^# TYPE (\S+) ", get(f"{http}/metrics")[0], flags=re.M))
    named = set()
    for line in read("docs/prometheus.md").splitlines():
        if line.startswith("| `"):
            first = ""
            for name in re.findall(r"`([a-z_]+)", line.split("|")[1]):
                # `_bytes_total` after `perfline_log_syncs_total` shares its beginning.
                stem = first[: first[: first.rindex("_total")].rindex("_")] if name.startswith("_") else ""
                named.add(stem + name)
                first = first or name
    require_equal("metrics in docs/prometheus.md that are not exposed", sorted(named - exposed), [])
    require_equal("exposed metrics that docs/prometheus.md does not name", sorted(exposed - named), [])
    return len(named)


def runs():
    """Runs enough for every metric to have a sample: with a model call, and slower in the end."""
    spans = []
    for number in range(30):
        trace, start = identity("docs", number, size=16), BEGIN_NS + number * 3600 * SECOND_NS
        length = (10 if number < 20 else 30) * SECOND_NS + number * 7919 % 97 * SECOND_NS // 100
        root = span(trace, "docs", start, length, {"cicd.pipeline.name": "docs", "cicd.pipeline.run.id": str(number)})
        step = span(trace, "step", start, length, {"cicd.pipeline.task.name": "step"}, parent=root["spanId"])
        call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 5, "perfline.cost_usd": 0.1}
        spans += [root, step, span(trace, "chat m", start, SECOND_NS, call, parent=step["spanId"])]
    return traces(spans)


def script(program, folder, _given):
    """Everything that can be held against the program."""
    with Service(program, os.path.join(folder, "store.duckdb")) as service:
        require(post(service.http, "traces", runs()), "the runs were not acknowledged")
        program.query(service.http, "select 1")
        # A refused item, so that its counter has a sample.
        post(service.http, "traces", traces([span("0" * 32, "bad", BEGIN_NS, 1, {})]))
        done = {
            "links": check_links(),
            "commands": check_commands(program),
            "views": check_views(program, service.http),
            "queries": check_queries(program, service.http),
            "options": check_options(program),
            "metrics": check_metrics(service.http),
        }
        service.stop()
    print(", ".join(f"{count} {what}" for what, count in done.items()))


if __name__ == "__main__":
    main(script, __doc__)
