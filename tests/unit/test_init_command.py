"""`run.py init` as a user runs it: its output, its exit codes, and tables that it refuses before any framework starts."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from driftgate.workspace import PROJECT
from tests.conftest import Ran, clean_environment, run_cli
from tests.repository import whole

ROWS = 400


def orders(**columns: Any) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    y = draw.integers(0, 2, ROWS)
    return pd.DataFrame(
        {
            "order_id": [f"o{number}" for number in range(ROWS)], "amount": np.round(draw.gamma(2, 30, ROWS) + 20 * y, 2),
            "country": draw.choice(["DE", "FR", "NO"], ROWS), "bought": np.where(y == 1, "yes", "no"), **columns,
        }
    )  # fmt: skip


def check(folder: Path, table: pd.DataFrame | str, *arguments: str) -> Ran:
    """Run the command with --check on a table."""
    file = folder / "orders.csv"
    file.write_text(table) if isinstance(table, str) else table.to_csv(file, index=False)
    given = arguments if "--target" in arguments else ("--target", "bought", *arguments)
    return run_cli("init", str(file), *given, "--check", home=folder / "home")


def test_page_says_what_was_assumed_and_doubted(tmp_path: Path) -> None:
    table = orders()
    ran = check(tmp_path, table.assign(paid=table["bought"].map({"yes": "Y", "no": "N"})))
    assert ran.code == 0, ran.err
    for words in (
        "'order_id' identifies a row.",
        "positive class is",
        "'paid' names the class in every row",
        "nothing was written",
    ):
        assert words in re.sub(r"\s+", " ", ran.out)
    assert "\x1b" not in ran.out
    assert not (PROJECT / "configs" / "orders.yaml").exists()


def test_json_is_a_typed_result(tmp_path: Path) -> None:
    found = check(tmp_path, orders(), "--json", "--name", "shop").document
    assert (found["problem"], found["written"], found["config"]) == ("shop", False, "configs/shop.yaml")
    assert {column["name"]: column["role"] for column in found["columns"]} == {
        "order_id": "row id", "amount": "feature", "country": "feature", "bought": "target",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("table", "arguments", "words"),
    [
        ("", (), "empty"),
        ("a,bought\n1,yes\n", (), "one row"),
        ("bought\nyes\nno\n", (), "one column"),
        (orders(), ("--target", "buoght"), "Did you mean 'bought'?"),
        (orders(bought="yes"), (), "the same value, 'yes'"),
        (orders(bought=None), (), "no value in any of 400 rows"),
        (orders(bought=[f"c{number % 200}" for number in range(ROWS)]), (), "200 classes; at most 50"),
        (orders(bought=np.arange(ROWS) / 7), (), "is a number with 400 different values"),
        (orders()[["order_id", "bought"]], (), "could learn from: 'order_id': it identifies a row"),
        (orders()[["bought"]].assign(copy=orders()["bought"]), (), "a copy of the target"),
        (orders(a=pd.date_range("2024-01-01", periods=ROWS), b=pd.date_range("2024-02-01", periods=ROWS)), (), "Set --timestamp to one of: a, b, none"),
        (orders(), ("--name", "flights"), "run.py init didn't write it"),
        (orders(), ("--positive", "maybe"), "--positive 'maybe' is not a value"),
    ],
    ids=["empty", "one row", "one column", "no target", "constant", "unlabelled", "200 classes", "quantity", "ids only", "copy only", "timestamps", "taken", "positive"],
)  # fmt: skip
def test_bad_table_is_a_clear_error(tmp_path: Path, table: Any, arguments: tuple[str, ...], words: str) -> None:
    ran = check(tmp_path, table, *arguments)
    assert ran.code == 1
    assert words in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_no_framework_starts(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    orders().to_csv(file, index=False)
    code = (
        "import sys; from cli.main import main\n"
        f"try: main(['init', {str(file)!r}, '--target', 'bought', '--check'])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.__stderr__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=clean_environment(tmp_path / "home"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    log = next((tmp_path / "home" / "logs").iterdir()).read_text()
    imported = set((done.stderr + log).split())
    assert "sklearn" in imported
    assert not {"zenml", "mlflow", "evidently", "bentoml"} & imported


def test_terminal_asks_what_the_table_leaves_open(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    orders(a=pd.date_range("2024-01-01", periods=ROWS), b=pd.date_range("2024-02-01", periods=ROWS)).to_csv(
        file, index=False
    )
    shown = _typed(["init", str(file), "--target", "bought", "--check"], tmp_path, answer="a")
    assert "Several columns may say when a row was observed: 'a', 'b'." in shown
    assert "by time" in shown


def _typed(arguments: list[str], folder: Path, *, answer: str) -> str:
    """Run the command on a terminal of its own, and answer its question."""
    main, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / "run.py"), *arguments], stdin=other, stdout=other, stderr=other, cwd=PROJECT,
        env=clean_environment(folder / "home"),
    )  # fmt: skip
    os.close(other)
    shown, asked, end = "", False, time.monotonic() + 120
    while time.monotonic() < end:
        if not select.select([main], [], [], 1)[0]:
            continue
        try:
            read = os.read(main, 4096)
        except OSError:
            break
        if not read:
            break
        shown += read.decode(errors="replace")
        if not asked and "--timestamp (" in shown:
            os.write(main, f"{answer}\n".encode())
            asked = True
    process.wait(30)
    os.close(main)
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


def test_file_that_init_writes_passes_the_contract(tmp_path: Path) -> None:
    project = whole(tmp_path / "project")
    shutil.copytree(PROJECT / ".dvc", project / ".dvc", dirs_exist_ok=True)
    file = tmp_path / "My orders.csv"
    table = orders(at=pd.date_range("2023-01-01", periods=ROWS), member=np.tile(["Y", "N", ""], ROWS)[:ROWS])
    table.to_csv(file, index=False, sep=";")
    made = run_cli(
        "init",
        str(file),
        "--target",
        "bought",
        "--json",
        home=tmp_path / "home",
        project=project,
        cwd=project,
        fresh=True,
    )
    assert made.code == 0, made.err
    assert json.loads(made.out)["config"] == "configs/my_orders.yaml"
    checked = run_cli(
        "contract",
        "--config",
        "configs/my_orders.yaml",
        home=tmp_path / "home",
        project=project,
        cwd=project,
        fresh=True,
    )
    assert checked.code == 0, checked.out + checked.err
