"""Tables in the terminal: at any width, and piped, no name or path is cut off or broken."""

import io
import json
import os
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from rich.console import Console

from cli.checks_table import deciding, print_checks, print_columns
from cli.main import main
from cli.output.production import print_releases
from cli.tables import make_console, print_table, verbose_option
from driftgate.results.production import ReleasesResult
from driftgate.verdict import Verdict, make_check

LONG = "contract.a_column_with_a_name_of_" + "60_" * 10 + "characters"
PATH = "/srv/driftgate/a rather long folder/" + "deeper/" * 12 + "release"


def _shown(width: int, *, terminal: bool = False) -> tuple[Any, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, width=width, highlight=False, force_terminal=terminal), stream


@pytest.mark.parametrize("width", [40, 80, 100, 120, 160])
def test_names_and_paths_stay_whole(width: int) -> None:
    console, stream = _shown(width)
    why = "it is at " + "http://127.0.0.1/a-rather-long-address/" * 3 + " and that is all there is to say"
    print_checks(Verdict(problem="p", checks=(make_check(LONG, "block", 0.5, 0.1, False, why),)), console)
    assert LONG in stream.getvalue()
    assert why.split()[3] in stream.getvalue()
    console, stream = _shown(width)
    print_table(console, [["2026-01-01", "training", PATH]], head=("when", "kind", "kept in"), wrap=False)
    assert PATH in stream.getvalue()


@pytest.mark.parametrize(("width", "lines"), [(80, 3), (160, 1)])
def test_the_reason_goes_below_where_there_is_no_room_beside(width: int, lines: int) -> None:
    console, stream = _shown(width)
    why = "a reason that is a little too long for what is left of a narrow terminal, so that it takes two lines"
    print_checks(Verdict(problem="p", checks=(make_check("slices", "warn", 0.5, 0.1, False, why),)), console)
    told = stream.getvalue().splitlines()[1:]
    assert len(told) == lines
    assert all(len(line) <= width for line in told)


def test_a_file_gets_no_colours_and_a_terminal_does() -> None:
    verdict = Verdict(problem="p", checks=(make_check("slices", "warn", 0.5, 0.1, False, "because"),))
    stream = io.StringIO()
    print_checks(verdict, make_console(stream))
    assert "\x1b" not in stream.getvalue()
    console, coloured = _shown(100, terminal=True)
    print_checks(verdict, console)
    assert "\x1b[33m" in coloured.getvalue()


def test_a_name_from_the_data_can_t_command_the_terminal() -> None:
    console, stream = _shown(100)
    bad = make_check("slices", "warn", 0.5, 0.1, False, "worst is carrier=\x1b[2J\rAA\u202e [red]x[/red]")
    print_checks(Verdict(problem="p", checks=(bad,)), console)
    assert "carrier=\\x1b[2J AA\\u202e [red]x[/red]" in stream.getvalue()


def _column(name: str, state: str, **measures: tuple[float, float, float]) -> dict[str, Any]:
    told = {key: dict(zip(("value", "limit", "severe_limit"), found, strict=True)) for key, found in measures.items()}
    return {"name": name, "state": state, "missing": 0.3, "measures": told}


def test_the_measure_that_decides_is_shown() -> None:
    """The distance is below its limit; what is severe is the share of missing values."""
    column = _column("x", "severe", distance=(0.1, 0.2, 0.4), missing=(0.3, 0.05, 0.1), unseen=(0.02, 0.01, 0.03))
    assert deciding(column)[0] == "missing"
    console, stream = _shown(80)
    print_columns([_column("y", "stable", distance=(0.19, 0.2, 0.4)), column], console)
    (line,) = [line for line in stream.getvalue().splitlines() if " x " in line]
    assert line.split()[:6] == ["severe", "x", "0.300", "████████│███", "≤", "0.050"]
    assert line.endswith("change of missing share")
    assert "1 more column is stable" in stream.getvalue()
    # A measure that is a little over its limit does not hide the one that is severely over its own.
    assert deciding(_column("x", "severe", distance=(0.5, 0.2, 0.4), unseen=(0.9, 0.1, 1.0)))[0] == "distance"


def test_verbose_unfolds_every_group() -> None:
    @click.command()
    @verbose_option
    def show() -> None:
        stream = io.StringIO()
        checks = (make_check("slices", "warn", 0.05, 0.1, True, "because"),)
        print_checks(Verdict(problem="p", checks=checks), make_console(stream))
        click.echo(stream.getvalue())

    assert "slices" not in CliRunner().invoke(show, []).output
    unfolded = CliRunner().invoke(show, ["--verbose"]).output
    assert "slices" in unfolded
    assert "--verbose" not in unfolded


def test_releases_keep_reasons_and_names_whole() -> None:
    stream = io.StringIO()
    entry = {
        "id": "a", "at": "2026-01-02T03:04:05+00:00", "event": "rollback", "version": "12", "previous": None,
        "verdict": "pass", "who": "somebody-with-a-long-name@example.org", "reason": "too many alarms since " + LONG,
        "runs": {}, "release": "r", "manifest_sha256": "m", "challenger": None, "before": "b",
    }  # fmt: skip
    state = {
        "document": "d", "channel_error": None, "version": None, "previous": None, "verdict": "none", "production": None, "staging": None,
        "experiment": None, "waits_for_approval": "1",
    }  # fmt: skip
    document = {
        "problem": "shop", **state, "checks": [], "unfinished": None, "finished_now": None, "record": [entry],
        "seconds": 0.1,
    }  # fmt: skip
    print_releases(ReleasesResult.model_validate(document), stream)
    told = stream.getvalue()
    assert all(text in told for text in (LONG, str(entry["who"]), "rollback", "2026-01-02 03:04:05"))
    assert 'run.py deploy --config FILE --to production --approve "why"' in told


def _record(folder: Path, number: int, **more: Any) -> None:
    path = folder / "runs" / f"training-shop-{number}.json"
    path.parent.mkdir(exist_ok=True)
    told = {
        "finished_at": f"2026-01-{number:02}T10:00:00+00:00", "problem": "shop", "verdict": "pass", "data": {},
        "model": {"version": str(number)}, "release": f"{PATH}/{number}", **more,
    }  # fmt: skip
    path.write_text(json.dumps(told))
    os.utime(path, (number, number))


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTGATE_HOME", str(tmp_path))
    for number in range(1, 8):
        _record(tmp_path, number)


@pytest.mark.usefixtures("runs")
def test_status_says_what_it_leaves_out_and_cuts_no_path() -> None:
    told = CliRunner().invoke(main, ["status"]).output
    assert "5 of 7 runs shown; all: python run.py status --all" in told
    assert f"{PATH}/7" in told
    assert f"{PATH}/2" not in told
    every = CliRunner().invoke(main, ["status", "--all"]).output
    assert f"{PATH}/1" in every
    assert "shown" not in every


@pytest.mark.usefixtures("runs")
def test_status_counts_what_it_leaves_out_for_machines_too() -> None:
    told = json.loads(CliRunner().invoke(main, ["status", "--json"]).output)
    assert (len(told["runs"]), told["runs_left_out"]) == (5, 2)
    every = json.loads(CliRunner().invoke(main, ["status", "--all", "--json"]).output)
    assert (len(every["runs"]), every["runs_left_out"]) == (7, 0)
