"""Commands that a message suggests can be typed as they are."""

import io
from pathlib import Path

import pytest

from cli.terminal import command_writer, name_problem, state_lines
from driftgate.workspace import PROJECT

MINE = Path("configs/my own.yaml")


@pytest.mark.parametrize(
    ("told", "typed"),
    [
        ("`run.py deploy --to staging`.", "`run.py deploy --config 'configs/my own.yaml' --to staging`."),
        ("run.py data use 1a2b    back", "run.py data use --config 'configs/my own.yaml' 1a2b    back"),
        ("python run.py drift     what", "python run.py drift --config 'configs/my own.yaml'     what"),
        ("run.py experiment status", "run.py experiment status --config 'configs/my own.yaml'"),
        ("run.py deploy --config x.yaml", "run.py deploy --config x.yaml"),
        ("python run.py ui and run.py status", "python run.py ui and run.py status"),
        ("Start one with `python run.py`.", "Start one with `python run.py`."),
    ],
)
def test_commands_name_the_problem_file(told: str, typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV", raising=False)
    assert name_problem(told, MINE) == typed
    assert name_problem(told, PROJECT / "configs" / "flights.yaml") == told
    stream = io.StringIO()
    named = command_writer(stream, MINE)
    named.writelines([told, "\n"])
    assert stream.getvalue() == typed + "\n"
    assert not named.isatty()
    monkeypatch.setenv("UV", "uv")
    named.write("python run.py ui")
    assert stream.getvalue().endswith("uv run run.py ui")


def test_what_waits_names_the_file_of_its_problem() -> None:
    state = {
        "production": None, "staging": {"version": "1", "verdict": "pass"}, "experiment": None, "waits_for_approval": "1",
    }  # fmt: skip
    words = {name: state_lines(name, state)[-1] for name in ("flights", "rules", "churn")}
    assert "--config" not in words["flights"]
    assert "run.py deploy --config configs/rules.yaml --to production" in words["rules"]
    assert "run.py deploy --config FILE --to production" in words["churn"]
