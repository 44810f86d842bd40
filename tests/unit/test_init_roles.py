"""Row ids, timestamps and groups that are found in a table."""

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from driftgate.errors import DriftgateError
from driftgate.init.choices import Choices, Question, refuse
from driftgate.init.roles import Roles, find_roles, later_dates
from driftgate.init.target import find_target
from tests.typed import typed

ROWS = 400


def frame(**columns: Any) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    return pd.DataFrame({"y": draw.choice(["a", "b"], ROWS), "x": draw.normal(size=ROWS), **columns})


def roles(table: pd.DataFrame, ask: Any = refuse, **choices: Any) -> Roles:
    made, chosen = typed(table), Choices("y", **choices)
    return find_roles(made, find_target(made, chosen)[0], chosen, ask)


def codes(found: Roles) -> list[str]:
    return [doubt.code for doubt in found.doubts]


DAYS = pd.date_range("2023-01-01", periods=ROWS)


def test_unique_texts_and_consecutive_numbers_identify_rows() -> None:
    assert roles(frame(key=[f"k{number}" for number in range(ROWS)])).row_id == "key"
    assert roles(frame(number=range(1, ROWS + 1))).row_id == "number"
    assert roles(frame(income=np.arange(ROWS) * 3)).row_id is None


def test_quantities_written_as_text_identify_no_row() -> None:
    made, chosen = typed(frame(sum=[f"{number},000" for number in range(ROWS)])), Choices("y")
    marked = {name: replace(column, unread=name == "sum") for name, column in made.columns.items()}
    made = replace(made, columns=marked)
    assert find_roles(made, find_target(made, chosen)[0], chosen, refuse).row_id is None


def test_second_id_is_left_out_and_told() -> None:
    found = roles(frame(id=range(ROWS), rownames=np.arange(ROWS) + 1))
    assert found.row_id == "id"
    assert found.left_out == {"rownames": "it identifies a row"}
    assert codes(found) == ["identifier"]


def test_several_ids_are_asked() -> None:
    table = frame(order_id=range(ROWS), invoice_id=np.arange(ROWS) + 7)
    with pytest.raises(DriftgateError, match=r"Set --id to one of: order_id, invoice_id"):
        roles(table)
    assert roles(table, ask=lambda question: question.answers[1]).row_id == "invoice_id"
    assert roles(table, row_id="order_id").row_id == "order_id"


def test_chosen_id_must_be_unique() -> None:
    with pytest.raises(DriftgateError, match=r"--id 'x2' repeats"):
        roles(frame(x2=[1, 2] * 200), row_id="x2")


def test_entity_whose_rows_repeat_is_the_group() -> None:
    found = roles(frame(customer_id=np.arange(ROWS) // 4))
    assert (found.group, found.row_id) == ("customer_id", None)
    assert "customer_id" in found.left_out


def test_id_within_its_entity_is_left_out() -> None:
    found = roles(frame(patient=np.arange(ROWS) // 4, visit_id=np.arange(ROWS) % 4))
    assert found.group == "patient"
    assert found.left_out["visit_id"] == "it identifies a row within its patient"


def test_group_and_timestamp_together_are_told() -> None:
    table = frame(customer_id=np.arange(ROWS) // 4, at=DAYS)
    assert codes(roles(table)) == ["entities_over_time"]
    assert roles(table, group="none").group is None


def test_entity_with_too_few_rows_of_a_class_is_no_group() -> None:
    table = frame(customer_id=np.arange(ROWS) // 4)
    table["y"] = np.where(table["customer_id"] < 3, "a", "b")
    found = roles(table)
    assert found.group is None
    assert codes(found) == ["entities_of_one_class"]
    assert "customer_id" in found.left_out


def test_single_date_is_the_timestamp() -> None:
    found = roles(frame(at=DAYS))
    assert (found.timestamp, found.as_of) == ("at", dt.date(2024, 2, 5))


def test_date_of_birth_is_no_timestamp() -> None:
    assert roles(frame(date_of_birth=DAYS)).timestamp is None


def test_well_known_name_wins_over_other_dates() -> None:
    assert roles(frame(first_day=DAYS, created_at=DAYS, due_day=DAYS)).timestamp == "created_at"


def test_several_timestamps_are_asked() -> None:
    table, asked = frame(ordered_on=DAYS, observed_day=DAYS), []

    def ask(question: Question) -> str:
        asked.append(question)
        return "none"

    assert roles(table, ask=ask).timestamp is None
    assert asked[0].answers == ("ordered_on", "observed_day", "none")
    with pytest.raises(DriftgateError, match="--timestamp"):
        roles(table)


@pytest.mark.parametrize("still", [ROWS, ROWS // 2 + 1], ids=["one day", "most rows"])
def test_time_that_stands_still_is_not_used(still: int) -> None:
    moments = pd.Series(DAYS).where(np.arange(ROWS) >= still, DAYS[0] + pd.Timedelta(hours=9))
    found = roles(frame(at=moments))
    assert found.timestamp is None
    assert codes(found) == ["time_stands_still"]
    assert found.left_out == {"at": "its time stands still"}


def test_few_dates_of_1900_are_told() -> None:
    moments = pd.Series(DAYS).where(np.arange(ROWS) >= 3, pd.Timestamp("1900-01-01"))
    found = roles(frame(at=moments))
    assert (found.timestamp, found.as_of, codes(found)) == ("at", dt.date(2024, 2, 5), ["odd_dates"])
    assert "3 of 400 dates in 'at' lie before 1902" in found.doubts[0].text


@pytest.mark.parametrize(("ancient", "future"), [(40, 40), (40, 0), (0, 1)])
def test_dates_that_cannot_be_right_are_refused(ancient: int, future: int) -> None:
    odd = pd.Series(DAYS)
    odd[:ancient], odd[ancient : ancient + future] = pd.Timestamp("1900-01-01"), pd.Timestamp("2100-01-01")
    with pytest.raises(
        DriftgateError, match=rf"{ancient + future} of 400 dates in 'at' can't be right: they range from"
    ) as error:
        roles(frame(at=odd))
    assert ("lie in the future" in str(error.value)) == bool(future)


def test_old_table_is_not_odd() -> None:
    assert codes(roles(frame(at=pd.date_range("1890-01-01", periods=ROWS)))) == []


def test_rows_of_today_have_no_end() -> None:
    assert roles(frame(at=pd.date_range(end=pd.Timestamp.now(), periods=ROWS))).as_of is None


def test_dates_after_the_timestamp_are_later() -> None:
    paid = pd.Series(DAYS + pd.Timedelta(days=2)).where(np.arange(ROWS) % 2 == 0)
    table = typed(frame(at=DAYS, paid=paid, born=DAYS - pd.Timedelta(days=9000)))
    assert later_dates(table, "at", ["paid", "born"]) == ["paid"]
    assert later_dates(table, None, ["paid", "born"]) == []


@pytest.mark.parametrize("option", ["row_id", "timestamp", "group"])
def test_chosen_column_must_exist(option: str) -> None:
    with pytest.raises(DriftgateError, match="Did you mean 'customer'"):
        roles(frame(customer=np.arange(ROWS) // 4), **{option: "custmer"})


@pytest.mark.parametrize(
    ("low", "name", "unit"),
    [
        (1_700_000_000, "created_at", "seconds since 1970 (2023-11-14"),
        (1_700_000_000_000, "timestamp", "milliseconds since 1970 (2023-11-14"),
        (45_292, "date", "days as in Excel (2024-01-01"),
        (1_700_000_000, "income", None), (1, "day", None),
    ],
)  # fmt: skip
def test_counted_times_are_left_out_and_told(low: int, name: str, unit: str | None) -> None:
    values = low + np.random.default_rng(0).integers(0, 300, ROWS)
    values[0] = low
    found = roles(frame(**{name: values}))
    if unit is None:
        assert not found.doubts
        return
    assert codes(found) == ["counted_time"]
    assert unit in found.doubts[0].text
    assert name in found.left_out


def test_chosen_timestamp_must_be_a_date() -> None:
    with pytest.raises(DriftgateError, match=r"--timestamp 'x' is not a date"):
        roles(frame(), timestamp="x")
