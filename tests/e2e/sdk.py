"""A real OpenTelemetry SDK sends runs over gRPC and over HTTP; every command answers the same, live and afterwards."""

import os
import random
import sys
import tempfile

from otlp import BEGIN_NS, SECOND_NS
from service import Service, main, require, require_equal

try:
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import Status, StatusCode, set_span_in_context
except ImportError as error:
    print(f"missing: {error}: pip install -r tests/e2e/requirements.txt", file=sys.stderr)
    sys.exit(1)

RUNS = 40
SLOWER_FROM = 31
FAILED_RUN = 5


class Emitter:
    """One pipeline's process: tracer, meter and logger over one transport."""

    def __init__(self, transport, service):
        grpc = transport == "grpc"
        resource = Resource.create({"service.name": f"orders-{transport}", "deployment.environment.name": "ci"})
        spans = GrpcSpans(endpoint=service.grpc, insecure=True) if grpc else HttpSpans(endpoint=f"{service.http}/v1/traces")
        points = GrpcMetrics(endpoint=service.grpc, insecure=True) if grpc else HttpMetrics(endpoint=f"{service.http}/v1/metrics")
        records = GrpcLogs(endpoint=service.grpc, insecure=True) if grpc else HttpLogs(endpoint=f"{service.http}/v1/logs")
        self.traces = TracerProvider(resource=resource)
        self.traces.add_span_processor(BatchSpanProcessor(spans))
        reader = PeriodicExportingMetricReader(points, export_interval_millis=3_600_000)
        self.meters = MeterProvider(metric_readers=[reader], resource=resource)
        self.logs = LoggerProvider(resource=resource)
        self.logs.add_log_record_processor(BatchLogRecordProcessor(records))
        self.tracer = self.traces.get_tracer("e2e")
        self.rows = self.meters.get_meter("e2e").create_counter("rows", unit="{row}")
        self.logger = self.logs.get_logger("e2e")

    def finish(self):
        """Everything must have been taken by the service when this returns."""
        for provider in (self.traces, self.meters, self.logs):
            require(provider.force_flush(60_000), "the SDK could not hand over everything within a minute")
            provider.shutdown()

    def run(self, pipeline, number, step_seconds):
        """One run with its steps, back-dated; run FAILED_RUN fails in its last step."""
        start = BEGIN_NS + number * 3600 * SECOND_NS
        failed = number == FAILED_RUN
        root = self.tracer.start_span(
            pipeline,
            start_time=start,
            attributes={
                "cicd.pipeline.name": pipeline,
                "cicd.pipeline.run.id": f"run-{number}",
                "cicd.pipeline.result": "failure" if failed else "success",
                "vcs.ref.head.name": "main",
            },
        )
        within, at = set_span_in_context(root), start
        for step, seconds in step_seconds.items():
            span = self.tracer.start_span(step, context=within, start_time=at, attributes={"cicd.pipeline.task.name": step})
            if failed and step == "load":
                span.set_status(Status(StatusCode.ERROR, "disk full"))
            at += int(seconds * SECOND_NS)
            span.end(end_time=at)
        root.end(end_time=at)
        self.rows.add(100, {"pipeline": pipeline})
        self.logger.emit(
            LogRecord(
                timestamp=start, severity_number=SeverityNumber.INFO, severity_text="INFO", body=f"run {number} of {pipeline}"
            )
        )


def send(transport, pipeline, service, slower):
    """Sends RUNS runs; from SLOWER_FROM on `transform` takes 1.8 times as long where `slower` says so."""
    noise = random.Random(f"{pipeline} 7")
    emitter = Emitter(transport, service)
    for number in range(1, RUNS + 1):
        seconds = {step: mean * noise.uniform(0.95, 1.05) for step, mean in [("extract", 20), ("transform", 40), ("load", 10)]}
        if slower and number >= SLOWER_FROM:
            seconds["transform"] *= 1.8
        emitter.run(pipeline, number, seconds)
    emitter.finish()


def answers(program, store):
    """What every reading command says of the store."""
    said = {
        "list of runs": program.ask_json("runs", "--store", store),
        "steps of one": program.ask_json("steps", "--store", store, "--run", f"run-{FAILED_RUN}"),
        "check": program.ask_json("check", "--store", store, exits=1),
        "check text": program.ask("check", "--store", store, exits=1),
        "check of the steady one": program.ask_json("check", "--store", store, "--pipeline", "steady"),
    }
    for view in ("spans", "metric_points", "logs", "runs", "steps"):
        said[view] = program.query(store, f"select * from {view} order by all")
    said["what pruning would take"] = program.ask_json("prune", "--store", store, "--older-than", "1d", "--dry-run")["removed"]
    said["exported views"] = exported(program, store)
    said["rows of a backup"] = backed_up(program, store)
    return said


def backed_up(program, store):
    """What a backup holds, once it is a store again."""
    views = ("runs", "steps", "spans", "metric_points", "logs")
    with tempfile.TemporaryDirectory() as folder:
        copy, restored = os.path.join(folder, "copy"), os.path.join(folder, "restored.duckdb")
        listed = {table["table"]: table["rows"] for table in program.ask_json("backup", copy, "--store", store)["rows"]}
        program.ask("restore", copy, "--store", restored)
        held = {view: program.query(restored, f"select count(*) as rows from {view}")[0]["rows"] for view in views}
        require_equal("rows of the restored store", held, {view: listed[view] for view in views})
        return held


def exported(program, store):
    """The lines of views as CSV files, in no order."""
    with tempfile.TemporaryDirectory() as folder:
        program.ask("export", "csv", folder, "--store", store, "--views", "runs,steps,logs")
        require_equal("exported files", sorted(os.listdir(folder)), ["logs.csv", "runs.csv", "steps.csv"])
        lines = {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                lines[name] = sorted(file.read().splitlines())
        return lines


def judge(said):
    """The answers are the truth, not only equal to each other."""
    require_equal("spans", len(said["spans"]), 2 * RUNS * 4)
    require_equal("log records", len(said["logs"]), 2 * RUNS)
    # A cumulative counter is sent at the flush and again at the shutdown: the newest value of each counts.
    newest = {str(point["attributes"]): point["value"] for point in sorted(said["metric_points"], key=lambda point: point["time"])}
    require_equal("the counters", sorted(newest.values()), [RUNS * 100, RUNS * 100])
    require_equal("runs", len(said["list of runs"]), 2 * RUNS)
    require_equal("exported runs and a header", len(said["exported views"]["runs.csv"]), 2 * RUNS + 1)
    failures = sorted((run["pipeline"], run["run_id"]) for run in said["list of runs"] if run["outcome"] != "success")
    require_equal("failed runs", failures, [("nightly", f"run-{FAILED_RUN}"), ("steady", f"run-{FAILED_RUN}")])
    steps = [(step["step"], step["outcome"]) for step in said["steps of one"]]
    one = [("extract", "success"), ("transform", "success"), ("load", "failure")]
    require_equal("steps of the failed runs", sorted(steps), sorted(one + one))
    require_equal("verdict on the steady pipeline", said["check of the steady one"]["verdict"], "pass")
    require_equal("verdict", said["check"]["verdict"], "fail")
    found = {(finding["pipeline"], finding["step"], finding["since_run"]) for finding in said["check"]["findings"] if finding["actionable"]}
    slow = ("nightly", "transform", f"run-{SLOWER_FROM}")
    require(slow in found, f"no finding names {slow}; found {sorted(map(str, found))}")
    require(all(pipeline == "nightly" for pipeline, _, _ in found), f"findings on a pipeline without a change: {found}")


def compare_reports(program, url, store, folder, stop):
    """The report through the service and the report of the file tell the same."""
    live, later = os.path.join(folder, "live"), os.path.join(folder, "later")
    program.ask("report", "--store", url, "--out", live)
    stop()
    program.ask("report", "--store", store, "--out", later)
    require_equal("files of the report", sorted(os.listdir(live)), sorted(os.listdir(later)))
    require("index.html" in os.listdir(live), f"no index.html among {os.listdir(live)}")
    for name in ("nightly", "transform", f"run-{SLOWER_FROM}"):
        for page in ("index.html", "report.md"):
            with open(os.path.join(live, page), encoding="utf-8") as text:
                require(name in text.read(), f"{page} does not name {name}")
    return len(os.listdir(live))


def locked(program, service, store):
    """A file that the service holds: the error says so and names the remedy."""
    _, said = program.run("runs", "--store", store, exits=2)
    require("another process has it open" in said, f"a locked store is not called so: {said}")
    require("--store http" in said, f"the remedy for a locked store is not named: {said}")
    require_equal("runs over the HTTP port", len(program.ask_json("runs", "--store", service.http)), 2 * RUNS)


def script(program, folder, _given):
    """The whole path."""
    store = os.path.join(folder, "store.duckdb")
    with Service(program, store) as service:
        send("grpc", "nightly", service, slower=True)
        send("http", "steady", service, slower=False)
        live = answers(program, service.grpc)
        judge(live)
        print(f"sent over gRPC and HTTP: {len(live['spans'])} spans, {len(live['metric_points'])} points, {len(live['logs'])} log records")
        locked(program, service, store)
        files = compare_reports(program, service.grpc, store, folder, service.stop)
        after = answers(program, store)
    for what, said in live.items():
        require_equal(f"{what}, from the file after the service ended", after[what], said)
    print(f"{len(live)} answers and {files} files of the report are the same through the service and from the file")


if __name__ == "__main__":
    main(script, __doc__)
