"""A service that answers otherwise than the release predicts ends the main job."""

import io
from pathlib import Path

import pytest

from cli.output.lines import print_locations
from driftgate.errors import DriftgateError
from driftgate.results.training import ServedAnswers
from operations.prove import compare_answers
from tests.results import trained


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
