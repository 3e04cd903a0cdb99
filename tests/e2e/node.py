"""Node's OpenTelemetry SDK sends OTLP/JSON; the runs, their outcomes and their tokens are what was sent."""

import os
import subprocess

from service import Missing, Service, main, require, require_equal, require_program

RUNS = 20


def node_modules():
    """The folder of the packages of package.json."""
    folder = os.environ.get("PERFLINE_E2E_NODE_MODULES", os.path.join(os.path.dirname(__file__), "node_modules"))
    if not os.path.isdir(folder):
        raise Missing(f"`{folder}` is missing: npm install --prefix tests/e2e, or name the folder in PERFLINE_E2E_NODE_MODULES")
    return os.path.abspath(folder)


def script(program, folder, _given):
    """Send, then ask."""
    with Service(program, os.path.join(folder, "store.duckdb")) as service:
        environment = os.environ | {"PERFLINE_E2E_NODE_MODULES": node_modules()}
        sent = subprocess.run(
            [require_program("node", "nodejs"), os.path.join(os.path.dirname(os.path.abspath(__file__)), "node.mjs"), service.http],
            capture_output=True,
            env=environment,
            check=False,
        )
        require(sent.returncode == 0, f"node.mjs exits {sent.returncode}: {sent.stderr.decode()[-2000:]}")
        runs = program.ask_json("runs", "--store", service.grpc)
        require_equal("runs", [run["run_id"] for run in runs], [f"node-{number}" for number in range(1, RUNS + 1)])
        require_equal("input tokens", [run["input_tokens"] for run in runs], [1000 + number for number in range(1, RUNS + 1)])
        require_equal("durations", {run["duration_s"] for run in runs}, {1.0})
        require_equal("failed runs", [run["run_id"] for run in runs if run["outcome"] == "failure"], ["node-7"])
        counted = program.query(service.grpc, "select count(*) as spans, count(distinct span_id) as ids from spans")
        require_equal("spans", counted, [{"spans": 2 * RUNS, "ids": 2 * RUNS}])
        service.stop()
    print(f"{RUNS} runs from Node's SDK as OTLP/JSON")


if __name__ == "__main__":
    main(script, __doc__)
