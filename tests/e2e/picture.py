"""Makes docs/images: each page of the demo's report as a reader first sees it, light, dark and on a phone."""

import base64
import glob
import os

from browser import open_browser
from service import main, require

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "images")
# picture: page, width, height, colour scheme
PICTURES = {
    "report": ("pipeline-orders-etl-*.html", 1280, 1560, "light"),
    "executive": ("index.html", 1280, 1500, "light"),
    "executive-dark": ("index.html", 1280, 1500, "dark"),
    "executive-phone": ("index.html", 360, 1500, "light"),
    "pipeline-dark": ("pipeline-answer-tickets-*.html", 1280, 2400, "dark"),
    "alerts": ("alerts.html", 1280, 1100, "light"),
    "comparison": ("comparison.html", 1280, 1500, "light"),
}


def picture(browser, page, width, height, scheme):
    """PNG of the top of a page."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    browser.get("file://" + page)
    return base64.b64decode(browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"])


def script(program, folder, _given):
    """Demo, browser, pictures."""
    program.ask("demo", "--out", folder)
    os.makedirs(OUT, exist_ok=True)
    browser = open_browser(folder)
    try:
        for name, (pattern, width, height, scheme) in PICTURES.items():
            found = glob.glob(os.path.join(folder, "report", pattern))
            require(len(found) == 1, f"the demo's pages {pattern}: {found}")
            path = os.path.join(OUT, f"{name}.png")
            with open(path, "wb") as file:
                file.write(picture(browser, found[0], width, height, scheme))
            print(f"{os.path.relpath(path)}: {os.path.getsize(path)} bytes")
    finally:
        browser.quit()


if __name__ == "__main__":
    main(script, __doc__)
