"""`perfline demo`: what it planted is what the check finds, and the report is there."""

import os
import re

from service import main, require, require_equal

# How many runs the detector may name beside the one where the change was planted.
RUNS_OFF_MAX = 2


def planted(text):
    """(pipeline, step, run) of each change that the demo says it planted."""
    block = text.split("planted:\n")[1].split("\n\n")[0]
    return {tuple(found) for found in re.findall(r"^  (\S+) / (\S+): .* since run (\S+)$", block, flags=re.M)}


def script(program, folder, _given):
    """Twice into the same folder: the second demo replaces the first."""
    out = os.path.join(folder, "demo")
    program.ask("demo", "--out", out)
    text = program.ask("demo", "--out", out)
    store = os.path.join(out, "demo.duckdb")
    require(os.path.join(out, "report", "index.html") in text, "the demo does not print where its report is")
    require(os.path.isfile(os.path.join(out, "report", "index.html")), "the demo's report is not where it says")
    runs = program.ask_json("runs", "--store", store)
    pipelines = sorted({run["pipeline"] for run in runs})
    require_equal("pipelines of the demo", len(pipelines), 3)
    require_equal("runs that are there twice", len(runs), len({run["run_key"] for run in runs}))
    findings = [f for f in program.ask_json("check", "--store", store, exits=1)["findings"] if f["actionable"]]
    changes = planted(text)
    require(changes, "the demo does not say what it planted")
    for pipeline, step, run in changes:
        order = [r["run_id"] for r in runs if r["pipeline"] == pipeline]
        near = [
            f
            for f in findings
            if (f["pipeline"], f["step"]) == (pipeline, step)
            and abs(order.index(f["since_run"]) - order.index(run)) <= RUNS_OFF_MAX
        ]
        require(near, f"nothing is found of {pipeline} / {step} since run {run}")
    strangers = {f["pipeline"] for f in findings} - {pipeline for pipeline, _, _ in changes}
    require(not strangers, f"findings on pipelines where nothing was planted: {strangers}")
    print(f"{len(runs)} runs of {', '.join(pipelines)}; {len(changes)} planted changes found, no other pipeline accused")


if __name__ == "__main__":
    main(script, __doc__)
