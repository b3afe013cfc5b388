"""A real browser before a real server, and what a visitor can do with them."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.required import skip_or_fail

try:
    from playwright.sync_api import Browser, Locator, Page, sync_playwright
except ImportError:
    sync_playwright = None

SWITCHES = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)
PATIENCE = 60_000  # milliseconds; a crowded machine is no fault of the page
PICTURES = Path(__file__).parents[2] / "test-output"


@pytest.fixture(scope="module")
def chromium() -> "Iterator[Browser]":
    """Debian's Chromium; Playwright's own is never fetched."""
    program = shutil.which("chromium")
    if sync_playwright is None or program is None:
        skip_or_fail("playwright or chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(SWITCHES))
        yield browser
        browser.close()


def of_store(store: str, port: int) -> list[str]:
    """The command line that serves the page of a store."""
    command = [sys.executable, "-m", "leaderboard", "--store", store, "--port", str(port)]
    return [*command, "--headless"]


@contextmanager
def serving(what: str, command: Callable[[str, int], list[str]] = of_store) -> Iterator[str]:
    """Address of a page of a store, or of what else the command line serves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        command(what, port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(PICTURES.parent)},
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _await(server, address)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _await(server: "subprocess.Popen[bytes]", address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health") as answer:
                answer.read()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"the server does not answer at {address}")


@dataclass
class Visit:
    """A page in a browser context of its own, and all that went wrong on it."""

    page: "Page"
    address: str
    wrong: list[str] = field(default_factory=list)
    messages: list[int] = field(default_factory=list)  # bytes of each from the server

    def __post_init__(self) -> None:
        page, note = self.page, self.wrong.append
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda line: line.type == "error" and note(f"console: {line.text}"))
        page.on("pageerror", lambda error: note(f"error: {error}"))
        page.on("request", lambda request: self._host(request.url))
        page.on("websocket", self._socket)
        page.on("dialog", lambda dialog: (note(f"dialog: {dialog.message}"), dialog.dismiss()))

    def _socket(self, socket: object) -> None:
        self._host(socket.url)
        socket.on("framereceived", lambda frame: self.messages.append(len(frame)))

    def _host(self, url: str) -> None:
        parts = urlsplit(url)
        local = parts.netloc == urlsplit(self.address).netloc
        if not local and parts.scheme not in ("data", "blob"):
            self.wrong.append(f"request: {url}")

    def open(self, where: str = "") -> "Visit":
        """Goes there, and waits until it is drawn."""
        self.page.goto(f"{self.address}/{where}")
        return self.drawn()

    def drawn(self) -> "Visit":
        """Waits until the script has run and everything of it is there."""
        self.page.wait_for_selector('[data-test-script-state="notRunning"]')
        self.page.wait_for_selector('[data-testid="stHeading"]')
        self.page.wait_for_function(
            """() => !document.querySelector(
                '[data-stale="true"], [data-testid="stSkeleton"], [data-testid="stSpinner"]')"""
        )
        return self

    def turn_to(self, tab: str) -> "Visit":
        """Picks a tab."""
        self.page.get_by_role("radio", name=tab, exact=True).click()
        self.page.get_by_role("radio", name=tab, exact=True, checked=True).wait_for()
        self.page.wait_for_timeout(300)  # until the click has reached the server
        return self.drawn()

    def choose(self, label: str, option: str) -> "Visit":
        """Picks one of a list; once more if the list was redrawn under the click."""
        box = self.page.get_by_role("combobox", name=label, exact=True)
        several = self.page.get_by_test_id("stMultiSelect").filter(has=box)
        ticked = several.get_by_role("button", name=f"Remove {option}", exact=True)
        deadline = time.monotonic() + PATIENCE / 1000
        while box.input_value() != option and not ticked.count():
            assert time.monotonic() < deadline, f"{label} does not take {option}"
            box.click()
            self.page.get_by_role("option", name=option, exact=True).click()
            if self.page.get_by_role("listbox").count():  # of several; it stays, over the page
                self.page.keyboard.press("Escape")
            self.page.wait_for_timeout(300)
        return self.drawn()

    def write(self, label: str, text: str) -> "Visit":
        """Writes into a field."""
        box = self.page.get_by_role("textbox", name=label, exact=True)
        box.fill(text)
        box.press("Enter")
        self.page.wait_for_timeout(300)
        return self.drawn()

    def grid(self, name: str = "Ranking") -> "Locator":
        """The table whose description begins so."""
        return self.page.get_by_role("region", name=name).locator("canvas").first

    def head(self, name: str = "Ranking") -> list[str]:
        """The column titles that are in sight, without the mark of the sorted one."""
        titles = self.grid(name).locator("[role=columnheader]")
        titles.first.wait_for(state="attached")
        return [re.sub("^[↑↓] ", "", title) for title in titles.all_text_contents()]

    def column(self, title: str, name: str = "Ranking") -> list[str]:
        """The cells of a column that are in sight."""
        place = self.head(name).index(title) + 1
        cells = self.grid(name).locator(f"[role=gridcell][aria-colindex='{place}']")
        return cells.all_text_contents()

    def until(self, holds: object, what: str) -> None:
        """Waits until something holds."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not holds():
            assert time.monotonic() < deadline, f"{what}, at {self.page.url}"
            self.page.wait_for_timeout(50)

    def download(self, button: str, folder: Path) -> Path:
        """Clicks a button, and where the file is that it gives."""
        with self.page.expect_download() as found:
            self.page.get_by_role("button", name=button, exact=True).click()
        path = folder / found.value.suggested_filename
        found.value.save_as(path)
        return path

    def run_in_page(self, program: str) -> object:
        """Value of a JavaScript expression, which is JSON."""
        return json.loads(self.page.evaluate(f"JSON.stringify({program})"))


@contextmanager
def visiting(browser: "Browser", address: str, **context: object) -> Iterator[Visit]:
    """A visitor who has never been here; afterwards nothing may have gone wrong."""
    context.setdefault("viewport", {"width": 1280, "height": 900})
    opened = browser.new_context(accept_downloads=True, **context)
    visit = Visit(opened.new_page(), address)
    try:
        yield visit
    finally:
        opened.close()
    assert visit.wrong == []
