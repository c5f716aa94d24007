"""A real browser for the tests of pages: the system's Chromium, driven by Playwright."""

import shutil
from contextlib import contextmanager

import pytest

# Playwright gives each browser a fresh profile. The sandbox cannot be had in most containers.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@contextmanager
def browser_tab():
    """Start the browser with one empty tab; skip the test where there is none."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no `chromium`: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, headless=True, args=list(_ARGUMENTS))
        tab = browser.new_page(reduced_motion="reduce")
        tab.set_default_timeout(5000)
        yield tab
        browser.close()


@contextmanager
def opened(tab, path, *, width=1280, height=900, scheme="light"):
    """Open a file in the tab: one serves for all tests, as a new one takes longer than most of them.

    When the block ends, the page must have said nothing to the console, failed nowhere, and asked only for itself.
    """
    said, asked = [], []
    listeners = {
        "console": lambda message: said.append(message.text),
        "pageerror": lambda error: said.append(str(error)),
        "request": lambda request: asked.append(request.url),
    }
    tab.set_viewport_size({"width": width, "height": height})
    tab.emulate_media(color_scheme=scheme)
    for event, listener in listeners.items():
        tab.on(event, listener)
    try:
        tab.goto(path.as_uri(), wait_until="domcontentloaded")
        yield tab
    finally:
        for event, listener in listeners.items():
            tab.remove_listener(event, listener)
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
