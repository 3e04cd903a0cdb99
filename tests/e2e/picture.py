"""Makes docs/images/report.png: the first page of the demo's report that shows a change point."""

import base64
import glob
import os

from browser import open_browser, open_page
from service import main, require

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "images", "report.png")
# As wide as the page wants to be, down to the end of the first chart.
WIDTH, HEIGHT = 1280, 1560


def script(program, folder, _given):
    """Demo, browser, picture."""
    program.ask("demo", "--out", folder)
    found = glob.glob(os.path.join(folder, "report", "pipeline-orders-etl-*.html"))
    require(len(found) == 1, f"the demo's page of orders_etl: {found}")
    browser = open_browser(folder)
    try:
        open_page(browser, found[0], "light")
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        )
        shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    finally:
        browser.quit()
    os.makedirs(os.path.dirname(OUT), exist_ok=True)
    with open(OUT, "wb") as file:
        file.write(base64.b64decode(shot["data"]))
    print(f"{os.path.relpath(OUT)}: {os.path.getsize(OUT)} bytes")


if __name__ == "__main__":
    main(script, __doc__)
