"""A service that answers otherwise than the release predicts ends the main job; rows that a run leaves out are told."""

import io
from pathlib import Path

import pytest

from cli.output.lines import print_locations
from cli.output.training import print_contract
from driftgate.errors import DriftgateError
from driftgate.results.training import ServedAnswers
from driftgate.workspace import Workspace
from operations.prove import compare_answers
from pipelines.launch import check_contract
from tests.results import trained
from tests.tables import HEADER, line, shop_problem


def test_equal_answers_are_counted() -> None:
    assert compare_answers([0.1, 0.2], [0.1, 0.2]) == ServedAnswers(rows=2, equal=2)


def test_a_last_bit_that_differs_is_an_error() -> None:
    with pytest.raises(DriftgateError, match="1 of 2 served answers differ"):
        compare_answers([0.1, 0.2], [0.1, 0.2 + 1e-16 * 2])


def test_a_missing_answer_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        compare_answers([0.1, 0.2], [0.1])


def test_the_command_to_serve_names_an_absolute_folder() -> None:
    """`bentoml serve` fails on a relative one."""
    shown = io.StringIO()
    print_locations(trained(bento="var/b/1"), shown, log_file=Path("log"))
    line = next(line for line in shown.getvalue().splitlines() if "bentoml serve" in line)
    named = line.split("bentoml serve ")[1].split(" ")[0]
    assert named.startswith("$PWD/") or Path(named).is_absolute()


def test_rows_that_are_left_out_are_told_in_the_result_and_on_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    lines = [line(id=f"o{at}", bought=str(at % 2), country="DNFA"[at % 4]) for at in range(8)]
    path.write_text(
        HEADER + "".join(lines) + line(id="n", at="") + line(id="l", bought="") + line(id="f", at="2999-01-01")
    )
    result = check_contract(shop_problem(path), workspace=Workspace(tmp_path / "var"))
    document = result.json_document()
    assert document["data"]["left_out"] == {"no_timestamp": 1, "after_as_of": 1, "no_label": 1}
    names = {check["name"] for check in document["checks"] if check["severity"] == "block"}
    assert names == {"contract.missing_timestamps", "contract.at", "contract.bought"}
    shown = io.StringIO()
    print_contract(result, shown)
    told = "rows left out: 1 without a timestamp, 1 dated at or after as-of, 1 without a label"
    assert told in shown.getvalue()
