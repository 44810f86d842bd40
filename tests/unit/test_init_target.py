"""The target of a table: its classes, the positive one, and targets that are refused."""

import numpy as np
import pandas as pd
import pytest

from driftgate.errors import DriftgateError
from driftgate.init.choices import Choices
from driftgate.init.target import LEAST_CLASS, TargetPlan, find_target
from driftgate.results.init import InitDoubt
from tests.typed import typed


def found(labels: object, **choices: str) -> tuple[TargetPlan, list[InitDoubt]]:
    frame = pd.DataFrame({"y": labels, "x": np.arange(len(labels), dtype=float) + 0.5})  # type: ignore[arg-type]
    return find_target(typed(frame), Choices("y", **choices))


def refused(labels: object, **choices: str) -> str:
    with pytest.raises(DriftgateError) as error:
        found(labels, **choices)
    return str(error.value)


def test_rarer_class_is_positive() -> None:
    plan, doubts = found(["yes"] * 70 + ["no"] * 30)
    assert (plan.values, plan.counts, doubts) == (("yes", "no"), (70, 30), [])
    assert plan.codes.tolist() == [0] * 70 + [1] * 30


def test_chosen_class_is_positive_whatever_its_case() -> None:
    assert found(["yes"] * 70 + ["no"] * 30, positive="YES")[0].values == ("no", "yes")
    assert found([1] * 70 + [0] * 30, positive="1")[0].values == (0, 1)


def test_tie_is_told() -> None:
    plan, _ = found([True, False] * 50)
    assert plan.values == (False, True)
    assert plan.tied


def test_classes_of_whole_numbers_and_texts_keep_their_type() -> None:
    assert found([1.0, 2.0, 3.0] * 40)[0].values == (1, 2, 3)
    assert all(type(value) is int for value in found([1.0, 2.0, 3.0] * 40)[0].values)
    assert found(["b", "a", "c"] * 40)[0].values == ("a", "b", "c")


def test_rows_without_label_are_counted() -> None:
    plan, doubts = found(["a"] * 60 + ["b"] * 40 + [None] * 20)
    assert [doubt.code for doubt in doubts] == ["unlabelled_rows"]
    assert (plan.codes == -1).sum() == 20


def test_imbalance_and_small_classes_are_told() -> None:
    _, doubts = found(["a"] * 990 + ["b"] * 10)
    assert [doubt.code for doubt in doubts] == ["imbalance", "small_classes"]
    assert "10 of 1,000" in doubts[0].text


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["a"] * 100, "the same value, 'a', in every row"),
        ([None] * 100, "no value in any of 100 rows"),
        ([f"c{number % 500}" for number in range(2000)], "500 classes; at most 50"),
        (list(np.arange(100) / 7), "is a number with 100 different values"),
        ([0.5, 1.5] * 50, "is a number with 2 different values, which are no classes"),
        (["Yes", "no", "yes ", "NO"] * 30, "differ only in spaces or capitals: 'NO', 'no'; 'Yes', 'yes '"),
        (list(range(200)), "is a number with 200 different values"),
        (["a"] * 60 + ["b"] * (LEAST_CLASS - 1), f"fewer than {LEAST_CLASS} rows"),
        (["a", "b"] * 10, "20 rows with a label; at least 50"),
        (list(pd.date_range("2024-01-01", periods=3)) * 30, "is a date"),
    ],
    ids=[
        "constant",
        "unlabelled",
        "500 classes",
        "decimals",
        "halves",
        "spellings",
        "quantity",
        "small class",
        "few rows",
        "date",
    ],
)
def test_target_that_no_model_can_predict_is_refused(labels: list[object], words: str) -> None:
    assert words in refused(labels)


def test_whole_numbers_with_a_point_are_classes() -> None:
    plan, _ = found([1.0, 2.0, 2.0] * 40)
    assert plan.values == (2, 1)
    assert plan.codes.tolist() == [1, 0, 0] * 40


def test_many_whole_numbers_are_classes_and_told() -> None:
    plan, doubts = found(list(range(30)) * 40)
    assert len(plan.values) == 30
    assert doubts[0].code == "many_numbers"


def test_single_letters_may_differ_in_capitals() -> None:
    plan, _ = found(["a", "A", "b"] * 40)
    assert plan.values == ("A", "a", "b")


def test_missing_target_names_columns_alike() -> None:
    with pytest.raises(DriftgateError, match="Did you mean 'bought'"):
        find_target(typed(pd.DataFrame({"bought": ["a", "b"] * 50, "x": range(100)})), Choices("Bougth"))


def test_positive_class_that_does_not_occur_is_refused() -> None:
    assert "Its values are 'a' and 'b'" in refused(["a", "b"] * 50, positive="c")
    assert "--positive is for two classes" in refused(["a", "b", "c"] * 50, positive="c")
