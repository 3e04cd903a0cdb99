"""A report on paper: nothing is cut off, A4 or Letter, and dark pages print dark on white."""

import base64
import re

from service import require, require_equal

# Inches; the style asks for margins of 14 mm.
PAPERS = {"A4": (8.27, 11.69), "Letter": (8.5, 11.0)}
MARGIN_INCHES = 14 / 25.4
PIXELS_PER_INCH = 96
POINTS_PER_INCH = 72

# What reaches beyond the paper's right edge, but for what is inside something that cuts it off on purpose (a chart's own edges).
CUT_OFF = """
    const edge = document.documentElement.clientWidth + 1;
    return Array.from(document.body.querySelectorAll('*'))
        .filter(e => !e.closest('svg svg, svg *') && e.getBoundingClientRect().right > edge && e.getClientRects().length)
        .map(e => e.outerHTML.slice(0, 100));
"""


def lay_out(browser, paper, scheme):
    """Lays the open page out as on that paper, for a reader who prefers that colour scheme."""
    width, height = (int((side - 2 * MARGIN_INCHES) * PIXELS_PER_INCH) for side in PAPERS[paper])
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    )
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})


def leave(browser):
    """Back to the screen."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": []})


def judge_layout(browser, name):
    """Fails where the page laid out for print is wider than the paper, or not white."""
    cut = browser.execute_script(CUT_OFF)
    require(not cut, f"{name}: cut off at the edge of the paper: {cut[:3]}")
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    require_equal(f"{name}: background on paper", background, "rgb(255, 255, 255)")


def print_page(browser, paper):
    """The open page as PDF."""
    width, height = PAPERS[paper]
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"paperWidth": width, "paperHeight": height, "printBackground": False})
    return base64.b64decode(printed["data"])


def judge_pdf(pdf, paper, name):
    """Fails where the PDF has no page or another size than the paper; returns the number of pages."""
    require(pdf.startswith(b"%PDF-"), f"{name}: no PDF")
    boxes = re.findall(rb"/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]", pdf)
    require(boxes, f"{name}: the PDF has no page")
    for box in boxes:
        for points, inches in zip(map(float, box), PAPERS[paper]):
            require(abs(points - inches * POINTS_PER_INCH) < 1.5, f"{name}: a page of {points} points, wanted {inches} inches")
    return len(boxes)
