"""What the README offers to copy and paste works as it stands there."""

import os
import re
import subprocess
import sys

from node import node_modules
from otlp import BEGIN_NS, SECOND_NS, identity, post, span, traces
from service import Failed, Service, main, require, require_equal, require_program

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def snippets(service):
    """The README's blocks by language, with the addresses of this service."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        blocks = re.findall(r"```(\w*)\n(.*?)```", file.read(), flags=re.S)
    here = lambda text: text.replace("http://127.0.0.1:4317", service.grpc).replace("http://127.0.0.1:4318", service.http)
    return {language: here(text) for language, text in blocks if language}


def execute(what, command, **options):
    """Runs one snippet to its end."""
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, **options)
    if done.returncode != 0:
        raise Failed(f"{what} exits {done.returncode}: {(done.stdout + done.stderr).decode()[-2000:]}")


def python(text, folder):
    """The Python block."""
    path = os.path.join(folder, "snippet.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    execute("the Python snippet", [sys.executable, path])


def node(text, folder):
    """The Node block; its packages are found beside it."""
    os.symlink(node_modules(), os.path.join(folder, "node_modules"))
    path = os.path.join(folder, "snippet.mjs")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    execute("the Node snippet", [require_program("node", "nodejs"), path])


def own_attributes(service):
    """The table of docs/send-telemetry.md: each attribute says what the page says."""
    trace, start = identity("own", size=16), BEGIN_NS
    pairs = {
        "cicd.pipeline.name": "own",
        "cicd.pipeline.run.id": "1",
        "cicd.pipeline.result": "failure",
        "vcs.ref.head.name": "main",
        "vcs.ref.head.revision": "abc",
        "perfline.quality_score": 0.9,
        "perfline.items": 12,
    }
    root = span(trace, "root", start, 2 * SECOND_NS, pairs)
    step = span(trace, "a step", start, SECOND_NS, {"cicd.pipeline.task.name": "load"}, parent=root["spanId"])
    usage = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 7,
        "perfline.cost_usd": 0.25,
    }
    call = span(trace, "chat m", start, SECOND_NS, usage, parent=step["spanId"])
    require(post(service.http, "traces", traces([root, step, call])), "the run was not acknowledged")


def script(program, folder, _given):
    """Each snippet, then what became of it."""
    with Service(program, os.path.join(folder, "store.duckdb")) as service:
        blocks = snippets(service)
        python(blocks["python"], folder)
        node(blocks["js"], folder)
        own_attributes(service)
        program.ask("run", "--endpoint", service.grpc, "--pipeline", "nightly", "--step", "load", "--", "true")
        runs = {run["pipeline"]: run for run in program.ask_json("runs", "--store", service.http)}
        require_equal("pipelines", sorted(runs), ["answer", "nightly", "nightly orders", "own"])
        steps = {pipeline: [s["step"] for s in program.ask_json("steps", "--store", service.http, "--run", run["run_key"])] for pipeline, run in runs.items()}
        require_equal("steps", steps, {"answer": [], "nightly": ["load"], "nightly orders": ["load"], "own": ["load"]})
        expected = {
            "run_id": "1", "outcome": "failure", "branch": "main", "revision": "abc", "quality_score": 0.9, "items": 12.0,
            "model": "m", "input_tokens": 5, "output_tokens": 7, "cost_usd": 0.25, "duration_s": 2.0,
        }  # fmt: skip
        require_equal("the run of the table", {key: runs["own"][key] for key in expected}, expected)
        service.stop()
    print(f"{len(runs)} runs from what the README and docs/send-telemetry.md offer")


if __name__ == "__main__":
    main(script, __doc__)
