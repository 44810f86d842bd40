"""Take the pictures of the README and the docs from real runs.

    uv run docs/take_pictures.py        # needs Chromium; on Debian: apt-get install chromium

Runs the main job and two drift checks in the workspace (`var/`, or where `DRIFTGATE_HOME` points), and writes PNG files
to docs/pictures: the terminal at the end of the main job and of a drift check, the verdict's page, the Evidently pages
of an ordinary week and of one with two faults put into it, the page of the service, the main job's run in MLflow, and
the run of the drift check that blocked in ZenML, with its verdict.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from bentos.server import HOST, free_port, serving  # noqa: E402
from docs import browser  # noqa: E402
from driftgate.evidence import tracking  # noqa: E402
from driftgate.workspace import Workspace  # noqa: E402

PICTURES = PROJECT / "docs" / "pictures"
COLUMNS = 128
HIDE = "document.querySelectorAll('img').forEach(i => i.naturalWidth || i.remove())"  # icons that need a network


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
    """Save a picture of a page."""
    browser.shoot(page, PICTURES / f"{name}.png", width=width, height=height)
    done(name)


def done(name: str) -> None:
    print(f"docs/pictures/{name}.png")


def swagger(bento: Path) -> None:
    """Save a picture of the service's API page after its example was sent."""
    settings = {"DRIFTGATE_INSECURE": "1", "DRIFTGATE_TOKEN": ""}
    with (
        serving(bento, workspace=Workspace.current(), environment=settings) as served,
        browser.opened(f"{served.address}/", width=1200, height=1857) as tab,
    ):

        def answered() -> bool | None:
            # The button works only a moment after the page has loaded.
            tab.click(".btn.execute")
            time.sleep(1)
            return tab.value("document.body.innerText.includes('Server response')") or None

        tab.wait_for_click("[id$=post_predict] .opblock-summary-control")
        browser.wait(answered)
        tab.take(PICTURES / "swagger.png")
    done("swagger")


@contextlib.contextmanager
def dashboards() -> Iterator[tuple[str, str]]:
    """Start `run.py ui`. Yields the addresses of MLflow and ZenML."""
    ports = free_port(), free_port()
    command = [sys.executable, str(PROJECT / "run.py"), "ui", f"--mlflow-port={ports[0]}", f"--zenml-port={ports[1]}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ui:
        try:
            if not any("Ctrl-C" in line for line in ui.stdout or ()):
                raise RuntimeError("`run.py ui` did not start.")
            yield f"http://{HOST}:{ports[0]}", f"http://{HOST}:{ports[1]}"
        finally:
            ui.send_signal(signal.SIGINT)


def mlflow_run(address: str, run: str) -> None:
    """Save a picture of a run's page in MLflow, in the view for model training."""
    experiment = tracking.client(Workspace.current()).get_run(run).info.experiment_id
    with browser.opened(address, width=1100, height=1260) as tab:
        tab.wait_for_click("label, button, span, div", "Model training")
        tab.value(f"location.hash = '#/experiments/{experiment}/runs/{run}'")
        tab.wait_for(
            "document.body.innerText.includes('Registered models') && document.body.innerText.includes('_mean')"
        )
        tab.wait_for_click("button[aria-label=Close]")  # close the assistant's column
        tab.value("document.querySelector(\"input[placeholder='Search metrics']\").focus()")
        tab.send("Input.insertText", text="roc_auc")
        time.sleep(3)
        tab.take(PICTURES / "mlflow-run.png")
    done("mlflow-run")


def zenml_run(address: str, run: str) -> None:
    """Save pictures of a drift check's graph in ZenML and of its verdict."""
    page = f"{address}/projects/default/runs/{run}"
    with browser.opened(page, width=900, height=1150) as tab:
        tab.wait_for("document.querySelectorAll('.react-flow__node').length > 10")
        tab.wait_for_click("button[aria-label^=Dismiss]")
        tab.wait_for_click("button[data-slot=button]:has(> svg:only-child):not([aria-label])")  # close the right column
        time.sleep(1)
        tab.wait_for_click("button[aria-label='Fit view']")
        time.sleep(2)
        tab.value(HIDE)
        tab.take(PICTURES / "zenml-run.png")
    done("zenml-run")
    with browser.opened(page, width=1300, height=720) as tab:
        tab.wait_for_click("button[aria-label^=Dismiss]")
        tab.wait_for_click(".react-flow__node button", "verdict_page")
        tab.wait_for_click("[role=dialog] [role=tab]", "Visualization")
        tab.wait_for_click("[role=dialog] button", "Load Preview")
        tab.wait_for("document.querySelector('[role=dialog] iframe')")
        time.sleep(3)
        tab.value(HIDE)
        tab.take(PICTURES / "zenml-verdict.png")
    done("zenml-verdict")


def broken_week(folder: Path) -> Path:
    """The first week of July with temperatures in °C, and two carriers swapped."""
    rows = pd.read_parquet(PROJECT / "data" / "flights.parquet")
    week = rows[(rows["scheduled_at"] >= "2013-07-01") & (rows["scheduled_at"] < "2013-07-08")].copy()
    week["wx_temp"] = (week["wx_temp"] - 32) / 1.8
    week["carrier"] = week["carrier"].replace({"UA": "9E", "9E": "UA"})
    week.to_parquet(folder / "new.parquet", index=False)
    return folder / "new.parquet"


def newest(kind: str, workspace: Path) -> dict[str, Any]:
    """The record of the newest run of a kind."""
    path = max(workspace.joinpath("runs").glob(f"{kind}-*.json"), key=lambda found: found.stat().st_mtime)
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    workspace = Path(os.environ.get("DRIFTGATE_HOME") or PROJECT / "var").absolute()
    terminal(run(), "main-job", lines=62)
    swagger(Path(str(newest("training", workspace)["bento"])))
    verdict = next(workspace.rglob(f"{newest('training', workspace)['runs']['mlflow']}/artifacts/verdict.html"))
    shoot(verdict, "verdict", width=1120, height=1500)
    run("drift", "--since", "2013-07-01", "--until", "2013-07-08")
    shoot(Path(str(newest("drift", workspace)["report"])), "drift-ordinary", width=1200, height=1250)
    terminal(run("drift", "--current", str(broken_week(workspace))), "drift-terminal", lines=46)
    shoot(Path(str(newest("drift", workspace)["report"])), "drift-broken", width=1200, height=1900)
    with dashboards() as (mlflow, zenml):
        mlflow_run(mlflow, newest("training", workspace)["runs"]["mlflow"])
        zenml_run(zenml, newest("drift", workspace)["runs"]["zenml"])


if __name__ == "__main__":
    main()
