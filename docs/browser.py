"""Take pictures of web pages with Chromium: directly after loading, or after clicks."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from bentos.server import free_port

COMMAND = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WITHIN_SECONDS = 60


def shoot(page: Path, picture: Path, *, width: int, height: int) -> None:
    """Save a picture of a file."""
    with tempfile.TemporaryDirectory() as profile:
        command = [*COMMAND, "--virtual-time-budget=10000", f"--user-data-dir={profile}"]
        command += [f"--window-size={width},{height}", f"--screenshot={picture}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)


class Tab:
    """An open page, controlled through Chromium's debugging protocol."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    def send(self, method: str, **parameters: Any) -> Any:
        """Send one command, and return its result."""
        self._connection.send(json.dumps({"id": 1, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._connection.recv(30))
            if told.get("id") == 1:
                return told["result"]

    def value(self, script: str) -> Any:
        """Evaluate JavaScript, and return the value."""
        return self.send("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def click(self, selector: str, text: str = "") -> bool:
        """Click the last element that a selector finds and that shows the text; False if there is none yet."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})].filter(e => e.innerText.includes({json.dumps(text)}))"
        return bool(self.value(f"(e => e ? (e.click(), true) : false)({found}.pop())"))

    def wait_for_click(self, selector: str, text: str = "") -> None:
        """Wait until there is something to click, and click it."""
        wait(lambda: self.click(selector, text) or None)

    def wait_for(self, script: str) -> None:
        """Wait until a JavaScript expression is true."""
        wait(lambda: self.value(f"Boolean({script})") or None)

    def take(self, picture: Path) -> None:
        """Save a picture of what the page shows now."""
        picture.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))


@contextlib.contextmanager
def opened(address: str, *, width: int, height: int) -> Iterator[Tab]:
    """Open a page of a server until the `with` block ends."""
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [*COMMAND, f"--user-data-dir={profile}", f"--remote-debugging-port={port}", address]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            page = wait(lambda: next(found for found in _pages(port) if found["url"].startswith(address)))
            with connect(page["webSocketDebuggerUrl"], max_size=None) as connection:
                tab = Tab(connection)
                size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
                tab.send("Emulation.setDeviceMetricsOverride", **size)
                yield tab
        finally:
            browser.terminate()
            browser.wait()


def wait(look: Callable[[], Any]) -> Any:
    """Wait until `look` returns a value, and return it."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, StopIteration):
            found = look()
            if found is not None:
                return found
        time.sleep(0.2)
    raise TimeoutError("The page did not reach the expected state.")


def _pages(port: int) -> list[dict[str, str]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=2) as answer:
        found: list[dict[str, str]] = json.load(answer)
    return found
