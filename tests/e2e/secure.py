"""TLS, tokens and their rotation: a real SDK, every command as a client, `perfline run`; who has no token gets nothing."""

import json
import os
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

from otlp import BEGIN_NS, SECOND_NS, identity, span, traces
from service import Service, main, require, require_equal, require_program, wait_until

try:
    import grpc
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
except ImportError as error:
    print(f"missing: {error}: pip install -r tests/e2e/requirements.txt", file=sys.stderr)
    sys.exit(1)

# Where these are set, the HTTP client of the SDK trusts them instead of the authority that it is given.
for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
    os.environ.pop(name, None)

EVERYTHING, WRITE, READ, LATER = ("everything-" * 3, "write-" * 5, "read-" * 6, "later-" * 5)
SPANS = 20


def openssl(*arguments):
    """Runs openssl; its own words where it fails."""
    done = subprocess.run([require_program("openssl", "openssl"), *arguments], capture_output=True, check=False)
    require(done.returncode == 0, f"openssl {' '.join(arguments)}: {done.stderr.decode()}")


def certify(folder, authority, name):
    """Makes `name.pem` and `name.key`, given by an authority, which is made where it is missing."""
    def path(file):
        return os.path.join(folder, file)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    ca, ca_key = path(f"{authority}.pem"), path(f"{authority}.key")
    if not os.path.exists(ca):
        openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", f"/CN={authority}")
    request, extensions = path(f"{name}.csr"), path(f"{name}.ext")
    with open(extensions, "w", encoding="utf-8") as file:
        file.write("subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n")
    openssl("req", "-new", *curve, "-keyout", path(f"{name}.key"), "-out", request, "-subj", f"/CN={name}")
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-out", path(f"{name}.pem"), "-days", "2", "-extfile", extensions)
    return ca, path(f"{name}.pem"), path(f"{name}.key")


def send(transport, service, ca, token):
    """Sends spans by the real SDK; True where everything was handed over."""
    if transport == "grpc":
        with open(ca, "rb") as file:
            credentials = grpc.ssl_channel_credentials(file.read())
        exporter = GrpcSpans(endpoint=service.grpc, credentials=credentials, headers=(("authorization", f"Bearer {token}"),))
    else:
        exporter = HttpSpans(endpoint=f"{service.http}/v1/traces", certificate_file=ca, headers={"authorization": f"Bearer {token}"})
    provider = TracerProvider(resource=Resource.create({"service.name": f"secure-{transport}"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("e2e")
    for number in range(SPANS):
        with tracer.start_as_current_span(f"{transport} {number}"):
            pass
    provider.shutdown()


def page(url, ca, token=None):
    """Status of a page."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60, context=ssl.create_default_context(cafile=ca)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def write_tokens(path, *tokens):
    """Replaces the file of tokens whole, as deployments do."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write("# made by a test\n" + "".join(f"{token}\n" for token in tokens))
    os.rename(f"{path}.new", path)


def check_bind(program, folder):
    """Beyond this machine only with TLS and a token."""
    store = os.path.join(folder, "never.duckdb")
    _, said = program.run("serve", "--store", store, "--http", "0.0.0.0:0", exits=2)
    require("--allow-insecure-bind" in said and "access.token_file" in said, f"the remedy is not named: {said}")
    require(not os.path.exists(store), "a refused service made a store")


def check_commands(program, service, ca, tokens):
    """Every way for a command to show its token, and what is said where it is wrong."""
    count = "select count(*) as spans from spans"
    base = dict(program.environment)
    # By flags.
    token_file = os.path.join(os.path.dirname(ca), "client.token")
    with open(token_file, "w", encoding="utf-8") as file:
        file.write(f"{READ}\n")
    for url in (service.grpc, service.http):
        rows = program.ask_json("query", "--store", url, "--ca-file", ca, "--token-file", token_file, count)
        require_equal("spans that a reading token sees", rows, [{"spans": 2 * SPANS}])
    # By variables.
    program.environment = base | {"PERFLINE_STORE": service.http, "PERFLINE_CA_FILE": ca, "PERFLINE_TOKEN": READ}
    require_equal("spans", program.ask_json("query", count), [{"spans": 2 * SPANS}])
    program.environment["PERFLINE_TOKEN"] = "guess-" * 5
    _, said = program.run("query", count, exits=2)
    require("PERFLINE_TOKEN" in said, f"the remedy for a wrong token is not named: {said}")
    # A reading token cannot import, a writing one cannot ask.
    document = os.path.join(os.path.dirname(ca), "x-traces.json")
    with open(document, "w", encoding="utf-8") as file:
        json.dump(traces([span(identity("x", size=16), "x", BEGIN_NS, SECOND_NS, {})]), file)
    program.environment["PERFLINE_TOKEN"] = READ
    program.run("import", document, exits=2)
    program.environment["PERFLINE_TOKEN"] = WRITE
    program.run("query", count, exits=2)
    # It also evaluates alerts.
    program.run("import", document, exits=2)
    program.environment["PERFLINE_TOKEN"] = EVERYTHING
    program.run("import", document)
    program.environment["PERFLINE_TOKEN"] = WRITE
    # A measured command, over gRPC with TLS.
    del program.environment["PERFLINE_STORE"]
    program.run("run", "--pipeline", "secure", "--endpoint", service.grpc, "--", "true")
    program.environment = base
    rows = program.ask_json("runs", "--store", service.http, "--ca-file", ca, "--token-file", token_file)
    require("secure" in [run["pipeline"] for run in rows], f"`perfline run` did not arrive: {rows}")
    require_equal("tokens that were tried", len(tokens), 3)


def script(program, folder, _given):
    """The whole path."""
    check_bind(program, folder)
    ca, cert, key = certify(folder, "authority", "server")
    token_file = os.path.join(folder, "tokens")
    tokens = (EVERYTHING, f"write:{WRITE}", f"read:{READ}")
    write_tokens(token_file, *tokens)
    options = ("--set", f"tls.cert_file={cert}", "--set", f"tls.key_file={key}", "--set", f"access.token_file={token_file}")
    with Service(program, os.path.join(folder, "store.duckdb"), *options) as service:
        service.grpc, service.http = (url.replace("http://", "https://") for url in (service.grpc, service.http))
        for transport, token in (("grpc", WRITE), ("http", EVERYTHING)):
            send(transport, service, ca, token)
        require_equal("health without a token", page(f"{service.http}/healthz", ca), 200)
        require_equal("metrics without a token", page(f"{service.http}/metrics", ca), 401)
        require_equal("metrics with a writing token", page(f"{service.http}/metrics", ca, WRITE), 403)
        require_equal("metrics with a reading token", page(f"{service.http}/metrics", ca, READ), 200)
        check_commands(program, service, ca, tokens)

        write_tokens(token_file, LATER)
        wait_until("the new token is in force", lambda: page(f"{service.http}/metrics", ca, LATER) == 200)
        require_equal("metrics with a withdrawn token", page(f"{service.http}/metrics", ca, READ), 401)

        write_tokens(token_file, "short")
        wait_until("the wrong file is complained of", lambda: "tokens are wrong" in service.said())
        require_equal("metrics with the token from before", page(f"{service.http}/metrics", ca, LATER), 200)

        other_ca, other_cert, other_key = certify(folder, "other", "renewed")
        os.replace(other_key, key)
        os.replace(other_cert, cert)

        def renewed():
            try:
                return page(f"{service.http}/healthz", other_ca) == 200
            except urllib.error.URLError:
                return False

        wait_until("the new certificate is shown", renewed)
        require(EVERYTHING not in service.said() and LATER not in service.said(), "a token is in the log")
        service.stop()
    print(f"{2 * SPANS} spans by a real SDK over TLS with tokens; commands, rotation of tokens and certificate")


if __name__ == "__main__":
    main(script, __doc__)
