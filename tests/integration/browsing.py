"""A real browser on the investigation page, and everything that it complained about."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Dialog, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE_MS = 20_000
# Chromium says of every answer of 4xx that it failed to load; the tests ask for some.
_EXPECTED = ("Failed to load resource", "[DOM] Password forms should have")
# Heard before any script of the page runs.
_LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.lineNumber}`);
});
"""


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the Chromium that is installed here; where there is none, skip, and say so."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no browser here: install Debian's package chromium")
    with sync_playwright() as playwright:
        # As root there is no sandbox; the browser sees pages of our own alone.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """One visitor's window.

    Attributes:
        complaints: Dialogs, errors on the console and of scripts, refusals by the policy.
    """

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go to an address of the service."""
        self.page.goto(self.url + path)

    def sign_in(self, key: str, path: str = "/investigate") -> None:
        """Go there, signing in."""
        self.open(path)
        self.page.get_by_label("API key").fill(key)
        self.press("Enter")

    def ask(self, text: str) -> None:
        """Ask as people do: one field, and the key that says so."""
        self.page.locator("#q").fill(text)
        self.press("Enter")

    def press(self, key: str) -> None:
        """Press a key that leads to another page."""
        with self.page.expect_navigation():
            self.page.keyboard.press(key)

    def follow(self, name: str, within: str = "main") -> None:
        """Follow the first link of that name."""
        with self.page.expect_navigation():
            self.page.locator(within).get_by_role("link", name=name).first.click()

    def verdict(self) -> str:
        """Give the answer's first sentence."""
        return self.page.locator("h1").inner_text()

    def drawn(self) -> int:
        """Wait for the timeline, and give how many events it shows."""
        plot = self.page.locator(".plot[data-drawn]")
        plot.wait_for(timeout=_PATIENCE_MS)
        return int(plot.get_attribute("data-drawn") or 0)

    def found(self, script: str) -> Any:  # noqa: ANN401 - whatever the page says
        """Ask the page's own document."""
        return self.page.evaluate(script)

    def assert_calm(self) -> None:
        """Find that nothing was run, refused or complained about."""
        assert self.complaints == []
        assert self.found("window.violations") == []


@contextmanager
def visiting(browser: Browser, url: str, **context: Any) -> Iterator[Visit]:  # noqa: ANN401 - Playwright's
    """Open a window of its own, with no cookies."""
    window = browser.new_context(**context)
    window.set_default_timeout(_PATIENCE_MS)
    window.add_init_script(_LISTEN)
    page = window.new_page()
    visit = Visit(page, url)

    def heard(kind: str, text: str) -> None:
        if not text.startswith(_EXPECTED):
            visit.complaints.append(f"{kind}: {text}")

    def refused(dialog: Dialog) -> None:
        heard("dialog", dialog.message)
        dialog.dismiss()

    page.on("console", lambda said: heard(said.type, said.text))
    page.on("pageerror", lambda error: heard("error", str(error)))
    page.on("dialog", refused)
    try:
        yield visit
    finally:
        window.close()
