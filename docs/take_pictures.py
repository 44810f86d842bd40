"""Take the pictures of the README and the docs from real runs.

    uv run docs/take_pictures.py        # needs Chromium; on Debian: apt-get install chromium

Runs the main job and two drift checks in the workspace (`var/`, or where `DRIFTGATE_HOME` points), and writes PNG files
to docs/pictures: the terminal at the end of the main job and of a drift check, the verdict's page, and the Evidently
pages of an ordinary week and of one with two faults put into it, and the page of the service.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pty
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))
PICTURES = PROJECT / "docs" / "pictures"
COLUMNS = 128
BROWSER = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--virtual-time-budget=10000",
)  # fmt: skip


def run(*arguments: str) -> str:
    """Run `run.py` on a terminal of `COLUMNS` columns, and return what it shows there."""
    shown = bytearray()

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 4096)
        shown.extend(data)
        return data

    os.environ |= {"COLUMNS": str(COLUMNS), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    pty.spawn([sys.executable, str(PROJECT / "run.py"), *arguments], read)
    return shown.decode().replace("\r\n", "\n")


def terminal(text: str, name: str, *, lines: int) -> None:
    """Draw the last lines of a terminal."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115
    body = text.rstrip().split("\n")[-lines:]
    console.print(Text.from_ansi("\n".join(body)))
    style = "body{margin:0;background:#101418;color:#e5e7eb}pre{padding:18px;font-size:14px!important;line-height:1.3}"
    page = console.export_html(inline_styles=True, theme=MONOKAI).replace("<style>", f"<style>{style}", 1)
    page = page.replace("</head>", f"<style>{style}</style></head>")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "terminal.html"
        path.write_text(page)
        shoot(path, name, width=COLUMNS * 9 + 20, height=len(body) * 19 + 40)


def shoot(page: Path, name: str, *, width: int, height: int) -> None:
    """A page as a picture."""
    with tempfile.TemporaryDirectory() as profile:
        command = [*BROWSER, f"--user-data-dir={profile}", f"--window-size={width},{height}"]
        picture = PICTURES / f"{name}.png"
        subprocess.run([*command, f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True)
    print(f"{picture.relative_to(PROJECT)}")


def swagger(bento: Path) -> None:
    """The service's page after somebody has sent the example from it."""
    from websockets.sync.client import connect

    from bentos.server import free_port, serving
    from driftgate.workspace import Workspace

    settings = {"DRIFTGATE_INSECURE": "1", "DRIFTGATE_TOKEN": ""}
    debug = free_port()
    with (
        tempfile.TemporaryDirectory() as profile,
        serving(bento, workspace=Workspace.current(), environment=settings) as served,
        subprocess.Popen(
            [*BROWSER[:-1], f"--user-data-dir={profile}", f"--remote-debugging-port={debug}", "--window-size=1200,2000",
             f"{served.address}/"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as browser,
    ):  # fmt: skip
        page = _wait(lambda: next(found for found in _pages(debug) if found["url"].startswith(served.address)))
        with connect(page["webSocketDebuggerUrl"], max_size=None) as tab:

            def tell(method: str, **parameters: Any) -> Any:
                tab.send(json.dumps({"id": 1, "method": method, "params": parameters}))
                while True:
                    told = json.loads(tab.recv(30))
                    if told.get("id") == 1:
                        return told["result"]

            def click(selector: str) -> bool:
                script = f"(e => e ? (e.click(), true) : false)(document.querySelector('{selector}'))"
                return bool(tell("Runtime.evaluate", expression=script)["result"]["value"])

            def answered() -> bool | None:
                # The page needs a moment until its button does something.
                click(".btn.execute")
                time.sleep(1)
                found = "document.body.innerText.includes('Server response')"
                return tell("Runtime.evaluate", expression=found)["result"]["value"] or None

            _wait(lambda: click("[id$=post_predict] .opblock-summary-control") or None)
            _wait(answered)
            picture = tell("Page.captureScreenshot")["data"]
        browser.terminate()
    (PICTURES / "swagger.png").write_bytes(base64.b64decode(picture))
    print("docs/pictures/swagger.png")


def _pages(port: int) -> list[dict[str, str]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=2) as answer:
        found: list[dict[str, str]] = json.load(answer)
    return found


def _wait(look: Callable[[], Any]) -> Any:
    """What is looked for, as soon as it is there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, StopIteration):
            found = look()
            if found is not None:
                return found
        time.sleep(0.2)
    raise TimeoutError("The page did not come to what was waited for.")


def broken_week(folder: Path) -> Path:
    """The first week of July with temperatures in °C, and two carriers swapped."""
    rows = pd.read_parquet(PROJECT / "data" / "flights.parquet")
    week = rows[(rows["scheduled_at"] >= "2013-07-01") & (rows["scheduled_at"] < "2013-07-08")].copy()
    week["wx_temp"] = (week["wx_temp"] - 32) / 1.8
    week["carrier"] = week["carrier"].replace({"UA": "9E", "9E": "UA"})
    week.to_parquet(folder / "new.parquet", index=False)
    return folder / "new.parquet"


def newest(kind: str, workspace: Path) -> dict[str, object]:
    """The record of the newest run of a kind."""
    path = max(workspace.joinpath("runs").glob(f"{kind}-*.json"), key=lambda found: found.stat().st_mtime)
    document: dict[str, object] = json.loads(path.read_text())
    return document


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    workspace = Path(os.environ.get("DRIFTGATE_HOME") or PROJECT / "var").absolute()
    terminal(run(), "main-job", lines=62)
    swagger(Path(str(newest("training", workspace)["bento"])))
    verdict = next(workspace.rglob(f"{newest('training', workspace)['runs']['mlflow']}/artifacts/verdict.html"))  # type: ignore[index]
    shoot(verdict, "verdict", width=1120, height=1500)
    run("drift", "--since", "2013-07-01", "--until", "2013-07-08")
    shoot(Path(str(newest("drift", workspace)["report"])), "drift-ordinary", width=1200, height=1250)
    terminal(run("drift", "--current", str(broken_week(workspace))), "drift-terminal", lines=46)
    shoot(Path(str(newest("drift", workspace)["report"])), "drift-broken", width=1200, height=1900)


if __name__ == "__main__":
    main()
