"""Takes the pictures of docs/images: the samples, as the investigation page shows them.

    python -m tools.screenshots

Servers and service run for the time of this command. It needs Chromium.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import httpx
from playwright.sync_api import sync_playwright

from enricher.cloudtrail import codec
from enricher.stack import Stack, StackSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, ViewportSize

REPOSITORY = Path(__file__).parents[1]
SAMPLES = REPOSITORY / "samples" / "AWSLogs"
IMAGES = REPOSITORY / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
HEAP_BYTES = 512 << 20
PATIENCE_S = 60
FINDING = codec.dumps(
    {
        "type": "Persistence:IAMUser/AnomalousBehavior",
        "title": "User AssumedRole : Admin is anomalously invoking APIs used in Persistence "
        "tactics.",
        "severity": 8,
        "resource": {"accessKeyDetails": {"accessKeyId": "KEY"}},
        "service": {"eventFirstSeen": "2026-03-02T15:04:00Z"},
    }
).decode()


class Picture(NamedTuple):
    """One picture.

    Attributes:
        asked: What is entered.
        part: Id of the part that is scrolled to; empty for the first screen.
    """

    name: str
    asked: str
    scheme: Literal["light", "dark"] = "light"
    width: int = 1440
    height: int = 900
    part: str = ""


BOB = "0d3bc34f-ea55-42da-afcd-1c6e67d1efa1"
PICTURES = (
    Picture("investigate", FINDING),
    Picture("investigate-dark", "6f51ebf7-feb4-436a-a37e-303ab0577e50", "dark"),
    Picture("investigate-uncertain", "2d1d3447-1d7c-4bb5-a56c-6b1e4b0fa4cc", height=620),
    Picture("investigate-timeline", "alice", part="timeline"),
    Picture("investigate-contain", "ci-runner", part="contain"),
    Picture("investigate-phone", "6f51ebf7-feb4-436a-a37e-303ab0577e50", width=390, height=844),
)


def main() -> int:
    """Take all pictures; give the exit status."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        print("screenshots: there is no Chromium here: install it, then repeat", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="enricher-screenshots-") as folder:
        data_dir = Path(folder)
        settings = replace(StackSettings.default(), data_dir=data_dir / "stack", heap=HEAP_BYTES)
        settings = replace(settings, opensearch_port=_free_port(), redis_port=_free_port())
        with Stack(settings).running() as endpoints:
            environment = {
                **os.environ,  # noqa: TID251 - for the commands that are started here
                "ENRICHER_OPENSEARCH__URL": endpoints.opensearch_url,
                "ENRICHER_REDIS__URL": endpoints.redis_url,
                "ENRICHER_API__KEYS_FILE": str(data_dir / "keys.json"),
                "ENRICHER_LOG_LEVEL": "WARNING",
            }
            _enricher(environment, "ingest", "--wait", str(SAMPLES))
            key = _enricher(environment, "api-keys", "create", "pictures", "--scope", "read")
            with _serving(environment) as url:
                _take_all(browser, url, key.strip())
    return 0


def _enricher(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "enricher.cli", *arguments]
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)  # noqa: S603
    return run.stdout.decode()


@contextmanager
def _serving(environment: dict[str, str]) -> Iterator[str]:
    port = _free_port()
    command = [sys.executable, "-m", "enricher.cli", "api", "--port", str(port)]
    process = subprocess.Popen(command, env=environment)  # noqa: S603 - our own command
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + PATIENCE_S
        while not _answers(url):
            if time.monotonic() > until or process.poll() is not None:
                raise SystemExit("screenshots: the service did not start")
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez").is_success
    except httpx.TransportError:
        return False


def _take_all(browser: str, url: str, key: str) -> None:
    found = httpx.get(f"{url}/v1/events/{BOB}", headers={"X-API-Key": key}).raise_for_status()
    bobs_key = found.json()["event"]["access_key_id"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for picture in PICTURES:
            asked = picture.asked.replace("KEY", bobs_key)
            _take(started, url, key, picture._replace(asked=asked))
        started.close()


def _take(browser: Browser, url: str, key: str, picture: Picture) -> None:
    size: ViewportSize = {"width": picture.width, "height": picture.height}
    page = browser.new_page(viewport=size, color_scheme=picture.scheme)
    page.goto(f"{url}/investigate")
    page.get_by_label("API key").fill(key)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.locator("#q").fill(picture.asked)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.locator(".plot[data-drawn]").wait_for()
    page.locator("h1").click()  # the cursor does not blink in the field
    if picture.part:
        page.locator(f"#{picture.part}").evaluate("(part) => part.scrollIntoView()")
    path = IMAGES / f"{picture.name}.png"
    page.screenshot(path=path)
    page.close()
    print(path)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
