"""A real browser opens every page of a report, narrow and wide, light and dark, by keyboard and on paper: nothing overflows, axe and html-validate find nothing."""

import json
import os
import subprocess
import sys
import urllib.parse

import hostile
import keyboard
import paper
from node import node_modules
from otlp import BEGIN_NS, SECOND_NS, identity, span, traces
from service import Missing, main, require, require_equal, require_program

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service as Driver
except ImportError as error:
    print(f"missing: {error}: pip install -r tests/e2e/requirements.txt", file=sys.stderr)
    sys.exit(1)

HERE = os.path.dirname(os.path.abspath(__file__))
# A bundle with findings, alerts, forecasts, slices, models, resources and limits.
SAMPLE = os.path.join(HERE, "..", "fixtures", "report", "sample.json")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --force-color-profile=srgb --hide-scrollbars"
)
# width, height, colour scheme
LOOKS = {
    "light": (1280, 900, "light"),
    "dark": (1280, 900, "dark"),
    "phone": (360, 740, "light"),
    "dark phone": (360, 740, "dark"),
    "wide": (1600, 1000, "light"),
}
# Pages of pipelines with hostile names have the parts of any other: what may differ shows wide in one theme, narrow in the
# other.
HOSTILE_LOOKS = ("light", "dark phone")
SLOWER_FROM = 31


def orders():
    """A pipeline of 40 runs whose `transform` takes five times as long from run SLOWER_FROM on."""
    spans = []
    for number in range(1, 41):
        trace, start = identity("orders", number, size=16), BEGIN_NS + number * 3600 * SECOND_NS
        lengths = {"extract": 20.0, "transform": 200.0 if number >= SLOWER_FROM else 40.0, "load": 10.0}
        lengths = {step: int(s * (1 + (number * 7919 % 97) / 1500) * SECOND_NS) for step, s in lengths.items()}
        pairs = {"cicd.pipeline.name": "orders", "cicd.pipeline.run.id": f"run-{number}", "cicd.pipeline.result": "success"}
        root = span(trace, "orders", start, sum(lengths.values()), pairs)
        spans.append(root)
        for step, length in lengths.items():
            spans.append(span(trace, step, start, length, {"cicd.pipeline.task.name": step}, parent=root["spanId"]))
            start += length
    return traces(spans)


def nights():
    """A pipeline of 120 steady runs over 25 days: enough for its hours, its health over time and a forecast."""
    spans = []
    for number in range(1, 121):
        trace, start = identity("nights", number, size=16), BEGIN_NS + number * 5 * 3600 * SECOND_NS
        length = int(60.0 * (1 + (number * 7919 % 97) / 1500) * SECOND_NS)
        pairs = {"cicd.pipeline.name": "nights", "cicd.pipeline.run.id": f"night-{number}", "cicd.pipeline.result": "success"}
        spans.append(span(trace, "nights", start, length, pairs))
    return traces(spans)


def make_report(program, folder, name, requests):
    """The pages of a report of what the requests hold."""
    store, out = os.path.join(folder, f"{name}.duckdb"), os.path.join(folder, name)
    path = os.path.join(folder, f"{name}-traces.jsonl")
    with open(path, "w", encoding="utf-8") as file:
        for request in requests:
            file.write(json.dumps(request) + "\n")
    program.ask("import", "--store", store, path)
    program.ask("report", "--store", store, "--out", out)
    return pages_in(out)


def render_sample(program, folder):
    """The pages of the sample bundle: kinds of charts that few runs do not fill."""
    out = os.path.join(folder, "sample")
    program.ask("report", "--from", SAMPLE, "--out", out)
    return pages_in(out)


def pages_in(out):
    """Every page of a report."""
    return [os.path.join(out, page) for page in sorted(os.listdir(out)) if page.endswith(".html")]


def open_browser(folder):
    """Headless Chromium with a profile of its own."""
    options = Options()
    options.binary_location = require_program("chromium", "chromium")
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={os.path.join(folder, 'profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        return webdriver.Chrome(options=options, service=Driver(require_program("chromedriver", "chromium-driver")))
    except Exception as error:
        raise Missing(f"chromium does not start: {error}") from None


def named(path):
    """folder/page.html"""
    return "/".join(path.split(os.sep)[-2:])


def looks_of(path):
    """The looks in which a page is judged."""
    return HOSTILE_LOOKS if named(path).startswith("hostile/pipeline-") else tuple(LOOKS)


def open_page(browser, path, look):
    """Opens a page in one look; returns what the console said."""
    width, height, scheme = LOOKS[look]
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    )
    # Without motion: what is scrolled to is there at once.
    features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": k, "value": v} for k, v in features.items()]})
    browser.get_log("browser")
    browser.get("file://" + urllib.parse.quote(path))
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def read_page(browser):
    """What is to be judged of an open page."""
    return browser.execute_script(
        """
        const root = document.documentElement;
        return {
            text: document.body.innerText,
            title: document.title,
            lang: root.lang,
            wide: root.scrollWidth - root.clientWidth,
            charts: document.querySelectorAll('svg[role=img]').length,
            background: getComputedStyle(document.body).backgroundColor,
            hostile: window.hostile === undefined,
            requests: performance.getEntriesByType('resource').map(entry => entry.name).filter(name => !name.startsWith('data:')),
        };
        """
    )


def run_axe(browser, axe):
    """Findings of axe-core, one line each."""
    browser.execute_script(axe)
    browser.set_script_timeout(120)
    violations = browser.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations), e => done([{id: String(e), nodes: []}]));"
    )
    return [
        f"{violation['id']} ({violation.get('impact')}) x{len(violation['nodes'])}: "
        + "; ".join(node["html"][:160] for node in violation["nodes"][:2])
        for violation in violations
    ]


def judge_page(browser, path, look, axe):
    """Fails on whatever is wrong with one page in one look; returns what was read."""
    name = f"{named(path)} ({look})"
    said = open_page(browser, path, look)
    require(not said, f"{name}: the console says {said[:3]}")
    page = read_page(browser)
    require(page["hostile"], f"{name}: a name was executed")
    require_equal(f"{name}: requests", page["requests"], [])
    require(page["lang"] == "en" and page["title"], f"{name}: lang {page['lang']!r}, title {page['title']!r}")
    require(page["wide"] <= 0, f"{name}: {page['wide']} pixels wider than its window")
    found = run_axe(browser, axe)
    require(not found, f"{name}: axe-core finds\n  " + "\n  ".join(found))
    return page


def judge_keyboard(browser, path):
    """Walks one page by keyboard; returns (places reached, tables sorted, lists filtered)."""
    name = f"{named(path)} (keyboard)"
    open_page(browser, path, "light")
    reached = keyboard.walk(browser, name)
    open_page(browser, path, "light")
    keyboard.skip_to_content(browser, name)
    return reached, keyboard.sort_a_table(browser, name), keyboard.filter_a_list(browser, name)


def judge_paper(browser, path, axe):
    """Prints one page on each paper, as seen by a reader of dark pages; returns the pages of each PDF."""
    counts = {}
    for size in paper.PAPERS:
        name = f"{named(path)} (on {size})"
        open_page(browser, path, "dark")
        paper.lay_out(browser, size, "dark")
        paper.judge_layout(browser, name)
        found = run_axe(browser, axe)
        require(not found, f"{name}: axe-core finds\n  " + "\n  ".join(found))
        counts[size] = paper.judge_pdf(paper.print_page(browser, size), size, name)
    paper.leave(browser)
    return counts


def expect_text(pages):
    """The pages say what a reader came for."""
    index = pages["ordinary/index.html"]
    for word in ("orders", "transform", f"run-{SLOWER_FROM}"):
        require(word in index["text"], f"index.html does not say {word!r}")
    own = [page for name, page in pages.items() if name.startswith("ordinary/pipeline-orders-")]
    require_equal("pages of the pipeline orders", len(own), 1)
    require("transform" in own[0]["text"], "the page of orders does not name its step")
    require(own[0]["charts"] >= 3, f"the page of orders has {own[0]['charts']} charts")
    steady = "".join(page["text"] for name, page in pages.items() if name.startswith("ordinary/pipeline-nights-"))
    for head in ("When it is slow", "Where it is going", "health over time"):
        require(head in steady, f"the page of nights does not say {head!r}")
    shown = sum("<script>window.hostile=1</script>" in page["text"] for page in pages.values())
    require(shown >= 2, "a hostile name must be shown as text where its pipeline is listed and on its own page")


def validate(paths, modules):
    """html-validate over all pages."""
    command = [require_program("node", "nodejs"), os.path.join(modules, "html-validate", "bin", "html-validate.mjs")]
    judged = subprocess.run(
        [*command, "--config", os.path.join(HERE, "htmlvalidate.json"), "--formatter", "text", *paths], capture_output=True, check=False
    )
    said = (judged.stdout + judged.stderr).decode("utf-8", "replace")
    require(judged.returncode == 0, f"html-validate finds\n{said[:3000]}")


def script(program, folder, _given):
    """Every page, every look."""
    modules = node_modules()
    with open(os.path.join(modules, "axe-core", "axe.min.js"), encoding="utf-8") as file:
        axe = file.read()
    paths = make_report(program, folder, "ordinary", [orders(), nights()]) + make_report(program, folder, "hostile", hostile.requests())
    paths += render_sample(program, folder)
    validate(paths, modules)
    browser = open_browser(folder)
    try:
        read = {look: {named(path): judge_page(browser, path, look, axe) for path in paths if look in looks_of(path)} for look in LOOKS}
        walked = [judge_keyboard(browser, path) for path in paths]
        printed = [judge_paper(browser, path, axe) for path in paths if looks_of(path) != HOSTILE_LOOKS]
    finally:
        browser.quit()
    expect_text(read["light"])
    require(read["light"]["ordinary/index.html"]["background"] != read["dark"]["ordinary/index.html"]["background"], "light and dark look the same")
    places, sorts, filters = (sum(counts) for counts in zip(*walked))
    require(sorts and filters, f"tables sorted by keyboard: {sorts}, lists filtered: {filters}")
    print(f"{len(paths)} pages, {sum(map(len, read.values()))} times in {', '.join(LOOKS)}: no console error, no request, no overflow; axe-core and html-validate find nothing")
    print(f"by keyboard: {places} places reached, each seen; {sorts} tables sorted, {filters} lists filtered")
    print("on paper: " + ", ".join(f"{sum(counts[size] for counts in printed)} pages {size}" for size in paper.PAPERS) + "; nothing cut off")


if __name__ == "__main__":
    main(script, __doc__)
