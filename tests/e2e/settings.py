"""Settings by file, environment and flag; mistakes are named; SIGHUP takes over what it can; the log as JSON."""

import json
import os
import signal
import urllib.error

from otlp import BEGIN_NS, SECOND_NS, identity, post, span, traces
from service import Service, get, main, require, require_equal, wait_until

SECRET = "hush-" * 6


def write(path, text):
    """Replaces a file whole."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(f"{path}.new", path)


def check_mistakes(program, folder):
    """Every mistake names its place and the remedy, for `config check` and for `serve`."""
    path = os.path.join(folder, "wrong.toml")
    mistakes = [
        ("[store]\npaht = 'x'\n", ["line 2", "store.paht", "did you mean `store.path`?"]),
        ("[limits]\n\nbody_timeout = 30\n", ["line 3", "limits.body_timeout", "unit"]),
        ("[limits\n", ["line 1"]),
        ("[tls]\ncert_file = 'x'\n", ["tls.key_file"]),
        ("[access]\ntokens = ['short']\n", ["16 characters", "openssl rand"]),
        ("[log]\nlevel = 'perfline=loudly'\n", ["log.level", "debug"]),
        ("[[forward.to]]\nname = 'a'\nendpiont = 'x'\n", ["wrong.toml", "endpiont", "endpoint"]),
        ("[[forward.to]]\nname = 'a'\nendpoint = 'http://localhost:4318'\nprotocol = 'http/protobuf'\n", ["own listener", "another"]),
        ("[[forward.to]]\nname = 'a b'\nendpoint = 'http://h'\n", ["`a b`", "letters"]),
        ("[[forward.to]]\nname = 'a'\nendpoint = 'h:4317'\n", ["http://"]),
        ("[[forward.to]]\nname = 'a'\nendpoint = 'http://h'\nprotocol = 'http/json'\n", ["http/json", "http/protobuf"]),
        ("[[forward.to]]\nname = 'a'\nendpoint = 'https://h'\nca_file = '/nowhere.pem'\n", ["/nowhere.pem"]),
        (2 * "[[forward.to]]\nname = 'a'\nendpoint = 'http://h'\n", ["two destinations", "`a`"]),
        ("[forward]\nfrom_env = true\n", ["OTEL_EXPORTER_OTLP_ENDPOINT", "own listener"]),
    ]
    for text, words in mistakes:
        write(path, text)
        for command in (["config", "check", path], ["serve", "--config", path, "--store", os.path.join(folder, "never.duckdb")]):
            _, said = program.run(*command, exits=2)
            for word in words:
                require(word in said, f"perfline {command[0]} does not say `{word}` of {text!r}: {said}")
    require(not os.path.exists(os.path.join(folder, "never.duckdb")), "a refused service made a store")
    return len(mistakes)


def check_layers(program, folder):
    """A flag wins over the environment, that over the file; `config show` says who said what, and no secret."""
    path = os.path.join(folder, "own.toml")
    write(path, f"[limits]\nattributes_max = 5\nbody_timeout = '5s'\n[access]\ntokens = ['{SECRET}']\n[[forward.to]]\nname = 'a'\nendpoint = 'https://h'\nheaders = {{ authorization = '{SECRET}' }}\n")
    program.run("config", "check", path)
    base = dict(program.environment)
    program.environment = base | {"PERFLINE_LIMITS_ATTRIBUTES_MAX": "6", "PERFLINE_LIMITS_BODY_TIMEOUT": "6s", "PERFLINE_STORE": "here.duckdb"}
    text = program.ask("config", "show", "--config", path, "--set", "limits.attributes_max=7")
    shown = {row["key"]: row for row in program.ask_json("config", "show", "--config", path, "--set", "limits.attributes_max=7")}
    program.environment = base | {"PERFLINE_LIMITS_ATRIBUTES_MAX": "6"}
    _, said = program.run("config", "check", exits=2)
    program.environment = base
    require("did you mean PERFLINE_LIMITS_ATTRIBUTES_MAX?" in said, f"an unknown variable is not named: {said}")
    require_equal("attributes_max", (shown["limits.attributes_max"]["value"], shown["limits.attributes_max"]["source"]), (7, "flag --set"))
    timeout = shown["limits.body_timeout"]
    require_equal("body_timeout", (timeout["value"], timeout["source"]), ("6s", "environment PERFLINE_LIMITS_BODY_TIMEOUT"))
    require_equal("store.path", shown["store.path"]["value"], "here.duckdb")
    require_equal("listen.grpc", shown["listen.grpc"]["source"], "default")
    require(SECRET not in text and "(hidden)" in text, f"a token is shown, or is not said to be hidden: {text}")
    return len(shown)


def taken(service, name):
    """Whether a span of ten attributes is taken whole."""
    pairs = {f"key.{number}": number for number in range(10)}
    return post(service.http, "traces", traces([span(identity(name, size=16), "unit", BEGIN_NS, SECOND_NS, pairs)]))


def check_reload(program, folder):
    """SIGHUP takes over limits and the log's level, names what needs a restart, and leaves alone what is wrong."""
    path = os.path.join(folder, "live.toml")
    log = "[log]\nformat = 'json'\n"
    write(path, log)
    with Service(program, os.path.join(folder, "live.duckdb"), "--config", path) as service:
        require(taken(service, "before"), "ten attributes were refused although 1,024 are allowed")
        write(path, log + "[limits]\nattributes_max = 5\nqueries_max = 2\n[store]\nload_interval = '2s'\n")
        service.process.send_signal(signal.SIGHUP)
        wait_until("the limit is in force", lambda: not taken(service, "after"))
        wait_until("what needs a restart is named", lambda: "store.load_interval" in service.said())
        wait_until("what was taken over is named", lambda: "limits.queries_max" in service.said())
        later = [line for line in service.said().splitlines() if "need a restart" in line]
        require(all("limits." not in line for line in later), f"limits need no restart: {later}")
        write(path, log + "[limits]\nattributes_max = 'many'\n")
        service.process.send_signal(signal.SIGHUP)
        wait_until("the wrong file is complained of", lambda: "nothing was changed" in service.said())
        require(not taken(service, "still"), "a wrong file changed the limits")
        require_equal("readiness", get(f"{service.http}/readyz")[0], "ready\n")
        # The first line of what is kept may be cut.
        lines = [json.loads(line) for line in service.said().splitlines()[1:]]
        require(all("level" in line and "timestamp" in line for line in lines), f"lines of the log lack fields: {lines[:2]}")
        service.stop()
    return len(lines)


def call_costs(program, service, number):
    """What a run of one model call costs that nobody but the price file prices."""
    trace, start = identity(f"call {number}", size=16), BEGIN_NS + number * 600 * SECOND_NS
    pairs = {
        "cicd.pipeline.name": "priced",
        "cicd.pipeline.run.id": str(number),
        "cicd.pipeline.result": "success",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "model-of-our-own",
        "gen_ai.usage.input_tokens": 1_000_000,
        "gen_ai.usage.output_tokens": 0,
    }
    require(post(service.http, "traces", traces([span(trace, "run", start, SECOND_NS, pairs)])), "a run was refused")
    rows = program.query(service.http, f"select cost_usd from runs where run_id = '{number}'")
    require_equal("runs of that id", len(rows), 1)
    return rows[0]["cost_usd"]


def check_prices(program, folder):
    """SIGHUP reads the price file again, and the rules of [detect]; calls that are stored wait for recost."""
    path, prices = os.path.join(folder, "priced.toml"), os.path.join(folder, "prices.toml")
    price = "[[price]]\nmodel = 'model-of-our-own'\ninput = {}\noutput = 1.0\n"
    write(path, f"[prices]\nfile = '{prices}'\n")
    write(prices, price.format("2.0"))
    with Service(program, os.path.join(folder, "priced.duckdb"), "--config", path) as service:
        require_equal("cost at $2 a million", call_costs(program, service, 1), 2.0)
        write(prices, price.format("3.0"))
        write(path, f"[prices]\nfile = '{prices}'\n[detect]\ninterval_s = 5\n")
        service.process.send_signal(signal.SIGHUP)
        wait_until("the reload is told", lambda: "detect.interval_s" in service.said())
        require("need a restart" not in service.said(), f"a restart is asked for: {service.said()}")
        require_equal("cost at $3 a million", call_costs(program, service, 2), 3.0)
        program.run("recost", "--store", service.http)
        costs = program.query(service.http, "select cost_usd from runs order by run_id")
        require_equal("costs after recost", [row["cost_usd"] for row in costs], [3.0, 3.0])
        write(prices, "[[price]]\nmodel = 1\n")
        service.process.send_signal(signal.SIGHUP)
        wait_until("the wrong price file is complained of", lambda: "nothing was changed" in service.said())
        require_equal("cost after a wrong file", call_costs(program, service, 3), 3.0)
        service.stop()


def script(program, folder, _given):
    """Mistakes, layers, reload."""
    try:
        mistakes, settings = check_mistakes(program, folder), check_layers(program, folder)
        lines = check_reload(program, folder)
        check_prices(program, folder)
    except urllib.error.HTTPError as error:
        require(False, f"{error.url}: {error.code} {error.read()[:300]}")
    print(f"{mistakes} mistakes named, {settings} settings shown, {lines} lines of JSON logged through a reload")


if __name__ == "__main__":
    main(script, __doc__)
