"""A report by keyboard alone: everything that does something is reached in the order of the page, and its focus is seen."""

from service import require, require_equal

# What a reader can act on, as far as it is shown: its place among all, and how it looks while it has the focus.
TARGETS = """
    return Array.from(document.querySelectorAll('a[href],button,input,summary,[tabindex="0"]'))
        .filter(element => element.checkVisibility({visibilityProperty: true}))
        .length;
"""
FOCUSED = """
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const all = Array.from(document.querySelectorAll('*'));
    return {
        place: all.indexOf(element),
        html: element.outerHTML.slice(0, 120),
        seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    };
"""
TARGETS_MAX = 2000


def press(browser, key, code, text=None):
    """One key, down and up."""
    event = {"key": key, "code": key, "windowsVirtualKeyCode": code}
    browser.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyDown", **event, **({"text": text} if text else {})})
    browser.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyUp", **event})


def tab(browser):
    """Moves the focus on."""
    press(browser, "Tab", 9)


def enter(browser):
    """Acts on what has the focus."""
    press(browser, "Enter", 13, "\r")


def walk(browser, name):
    """Tabs through the open page, whose focus is still at its beginning; returns how many places there were."""
    targets = browser.execute_script(TARGETS)
    require(targets <= TARGETS_MAX, f"{name}: {targets} places to tab through")
    before, reached = -1, 0
    for _ in range(targets):
        tab(browser)
        focused = browser.execute_script(FOCUSED)
        require(focused is not None, f"{name}: the keyboard reaches {reached} of {targets} places")
        html = focused["html"]
        require(focused["place"] > before, f"{name}: the focus jumps back to {html}")
        require(focused["seen"], f"{name}: the focus is not seen on {html}")
        require(focused["inside"], f"{name}: the focus is outside the window on {html}")
        before, reached = focused["place"], reached + 1
    return reached


def skip_to_content(browser, name):
    """The first place of a page jumps over its head."""
    tab(browser)
    enter(browser)
    require_equal(f"{name}: focus after the skip link", browser.execute_script("return document.activeElement.id"), "main")


def sort_a_table(browser, name):
    """The first head of a sortable table sorts, up and down; true where the page has one."""
    focus = "const b = document.querySelector('table.sortable th button'); if (b) { const d = b.closest('details'); if (d) d.open = true; b.focus(); } return !!b;"
    if not browser.execute_script(focus):
        return False
    for wanted in ("ascending", "descending"):
        enter(browser)
        told = browser.execute_script("return document.activeElement.closest('th').getAttribute('aria-sort')")
        require_equal(f"{name}: aria-sort", told, wanted)
    return True


def filter_a_list(browser, name):
    """A word that fits nothing hides every entry, and says so; true where the page has a filter."""
    if not browser.execute_script("const f = document.querySelector('[data-filter]'); if (f) f.focus(); return !!f;"):
        return False
    browser.execute_cdp_cmd("Input.insertText", {"text": "no-such-word"})
    said = browser.execute_script("return document.activeElement.parentNode.querySelector('[role=status]').textContent")
    require(said.startswith("0 of "), f"{name}: the filter says {said!r}")
    return True
