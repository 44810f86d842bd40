"""A service that answers otherwise than the release predicts ends the main job."""

import pytest

from driftgate.errors import DriftgateError
from pipelines.launch import compare_answers


def test_equal_answers_are_counted() -> None:
    assert compare_answers([0.1, 0.2], [0.1, 0.2]) == {"rows": 2, "equal": 2}


def test_a_last_bit_that_differs_is_an_error() -> None:
    with pytest.raises(DriftgateError, match="1 of 2 served answers differ"):
        compare_answers([0.1, 0.2], [0.1, 0.2 + 1e-16 * 2])


def test_a_missing_answer_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        compare_answers([0.1, 0.2], [0.1])
