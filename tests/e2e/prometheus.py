"""/metrics in both texts passes the reference parsers; a real Prometheus scrapes it and answers from it."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.parse

from otlp import BEGIN_NS, SECOND_NS, identity, post, span, traces
from service import PATIENCE_S, Failed, Service, get, main, require, require_equal, require_program, wait_until

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
except ImportError as error:
    print(f"missing: {error}: pip install -r tests/e2e/requirements.txt", file=sys.stderr)
    sys.exit(1)

TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
RUNS = 12
YOUNG = 3
# Label values that break a text format which does not escape.
HOSTILE = 'say "hi"\\ {x="1"}\nnew line # EOF'


def send(http):
    """Pipelines of many runs, one with a name that must be escaped, and one of few; every fourth run fails."""
    for pipeline, runs in (("orders", RUNS), (HOSTILE, RUNS), ("young", YOUNG)):
        for number in range(runs):
            trace, start = identity(pipeline, number, size=16), BEGIN_NS + number * 600 * SECOND_NS
            failed = number % 4 == 3
            pairs = {
                "cicd.pipeline.name": pipeline,
                "cicd.pipeline.run.id": str(number),
                "cicd.pipeline.result": "failure" if failed else "success",
            }
            require(post(http, "traces", traces([span(trace, "run", start, 5 * SECOND_NS, pairs)])), "a run was not acknowledged")


def check_texts(http):
    """promtool reads the Prometheus text, the reference parser of OpenMetrics the other."""
    text, text_type = get(f"{http}/metrics", TEXT)
    require(text_type.startswith("text/plain"), f"asked for text, got {text_type}")
    judged = subprocess.run(
        [require_program("promtool", "prometheus"), "check", "metrics"], input=text.encode(), capture_output=True, check=False
    )
    said = (judged.stdout + judged.stderr).decode()
    require(judged.returncode == 0, f"promtool check metrics: exit {judged.returncode}\n{said}")
    open_text, open_type = get(f"{http}/metrics", OPENMETRICS)
    require(open_type.startswith("application/openmetrics-text"), f"asked for OpenMetrics, got {open_type}")
    require(open_text.endswith("# EOF\n"), "OpenMetrics must end with # EOF")
    try:
        families = {family.name: family for family in text_string_to_metric_families(open_text)}
    except ValueError as error:
        raise Failed(f"the reference parser refuses our OpenMetrics: {error}") from None
    runs = families["pipeline_runs"].samples
    require_equal("runs in OpenMetrics", sum(sample.value for sample in runs), 2 * RUNS + YOUNG)
    require(HOSTILE in {sample.labels["pipeline"] for sample in runs}, "a hostile name did not come back as it was sent")
    print(f"/metrics: {len(families)} families, {len(text.splitlines())} lines; promtool and prometheus_client find nothing wrong")
    return families


def check_health(program, http, families):
    """The scores are those that `perfline health` tells; a pipeline of three runs has none."""
    told = {sample.labels["pipeline"]: sample.value for sample in families["perfline_pipeline_health_score"].samples}
    health = {one["pipeline"]: one["health"]["score"] for one in program.ask_json("health", "--store", http)}
    require_equal("pipelines of which little is known", [name for name, score in health.items() if score is None], ["young"])
    require_equal("health scores", told, {name: score for name, score in health.items() if score is not None})
    print(f"{len(told)} health scores, as `perfline health` tells them")


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prometheus:
    """A real one, that scrapes us every second."""

    def __init__(self, folder, target):
        self.port = free_port()
        config = os.path.join(folder, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(
                "global: {scrape_interval: 1s}\n"
                f"scrape_configs: [{{job_name: perfline, static_configs: [{{targets: ['{target}']}}]}}]\n"
            )
        self.log = open(os.path.join(folder, "prometheus.log"), "w+b")
        self.process = subprocess.Popen(
            [
                require_program("prometheus", "prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={os.path.join(folder, 'tsdb')}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stdout=self.log,
            stderr=self.log,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def ask(self, path, **arguments):
        """The data of an API answer; None while it is not up."""
        require(self.process.poll() is None, f"prometheus ended: {self.said()}")
        try:
            answer, _ = get(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(arguments)}")
        except (urllib.error.URLError, OSError):
            return None
        return json.loads(answer)["data"]

    def said(self):
        """The end of its log."""
        self.log.seek(0)
        return self.log.read()[-2000:].decode("utf-8", "replace")

    def query(self, expression):
        """The samples of an instant query."""
        return (self.ask("query", query=expression) or {}).get("result", [])


def scrape(folder, http):
    """Waits for the scrape, then compares what Prometheus knows with what was sent."""
    with Prometheus(folder, http.removeprefix("http://")) as prometheus:
        wait_until("pipeline_runs_total in Prometheus", lambda: prometheus.query("pipeline_runs_total"), PATIENCE_S)
        samples = prometheus.query("sum by (outcome) (pipeline_runs_total)")
        counted = {sample["metric"]["outcome"]: float(sample["value"][1]) for sample in samples}
        require_equal("runs by outcome in Prometheus", counted, {"success": 2 * RUNS * 0.75 + YOUNG, "failure": 2 * RUNS * 0.25})
        median = prometheus.query('histogram_quantile(0.5, pipeline_run_duration_seconds_bucket{pipeline="orders"})')
        require(median and 1.0 <= float(median[0]["value"][1]) <= 5.0, f"median duration of runs of 5 s: {median}")
        targets = prometheus.ask("targets")["activeTargets"]
        require_equal("health and last error of the scrape", [(t["health"], t["lastError"]) for t in targets], [("up", "")])
        print(f"Prometheus answers pipeline_runs_total: {counted}")


def check_own(program, service):
    """What /metrics says of the service itself is stored as OTLP, too."""
    question = (
        "select name, type, monotonic, max(value) as newest, count(distinct resource_attributes->>'service.instance.id') as instances"
        " from metric_points where service = 'perfline' group by all"
    )

    def rows():
        """What is stored by now, by name."""
        return {row["name"]: row for row in program.query(service.http, question)}

    wait_until("own metrics are stored", lambda: rows().get("perfline_items_accepted", {}).get("newest"), PATIENCE_S)
    stored = rows()
    text, _ = get(f"{service.http}/metrics", TEXT)
    told = {line.split(" ")[2].removesuffix("_total") for line in text.splitlines() if line.startswith("# TYPE perfline_")}
    told -= {"perfline_series_checked", "perfline_series_insufficient", "perfline_pipeline_health_score"}
    require_equal("names on /metrics that were not stored", sorted(told - set(stored)), [])
    commits = stored["perfline_commits"]
    require_equal("perfline_commits", (commits["type"], commits["monotonic"], commits["instances"]), ("sum", True, 1))
    require(commits["newest"] >= 1, f"no commit was counted: {commits}")
    print(f"{len(stored)} metrics of the service itself stored as OTLP")


def script(program, folder, _given):
    """Send, read, scrape."""
    with Service(program, os.path.join(folder, "store.duckdb"), "--set", "own_metrics.interval=1s") as service:
        send(service.http)
        check_health(program, service.http, check_texts(service.http))
        scrape(folder, service.http)
        check_own(program, service)
        service.stop()


if __name__ == "__main__":
    main(script, __doc__)
