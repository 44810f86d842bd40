"""Counts say of rows what a drift check needs, whole or in parts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from driftgate.drift.counting import BINS, Layout, count, count_batches, count_column, layout_of
from driftgate.drift.distances import commonest_share, distances, missing_gaps, unseen_share

DRAW = np.random.default_rng(5)
NUMBERS = pd.Series(DRAW.normal(size=5_000))
NAMES = pd.Series(DRAW.choice(["a", "b", "c"], 5_000, p=[0.6, 0.3, 0.1]))


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)), max_size=50))
@settings(max_examples=100, deadline=None)
def test_every_number_has_one_cell(values: list[float | None]) -> None:
    column = pd.Series(values, dtype="float64")
    layout = layout_of(NUMBERS, category=False)
    counts = count(pd.DataFrame({"x": column}), {"x": layout})["x"]
    assert counts.sum() == len(values)
    assert counts[-1] == column.isna().sum()
    assert len(counts) == layout.cells


@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c", "new", ""])), max_size=50))
@settings(max_examples=100, deadline=None)
def test_every_category_has_one_cell(values: list[str | None]) -> None:
    layout = layout_of(NAMES, category=True)
    counts = count(pd.DataFrame({"x": pd.Series(values, dtype=object)}), {"x": layout})["x"]
    assert counts.sum() == len(values)
    assert counts[-1] == sum(value in (None, "") for value in values)  # an empty text is a missing value
    assert counts[-2] == sum(value == "new" for value in values)


def test_two_spellings_of_one_text_are_one_category() -> None:
    composed, decomposed = "Zürich", "Zu\u0308rich"
    layout = layout_of(pd.Series([composed, decomposed, "Bern"]), category=True)
    assert layout.named == (composed, "Bern")
    for spelling in (composed, decomposed):
        cells = layout.cells_of(pd.Series([spelling]))
        assert cells.tolist() == [0]


def test_parts_add_up_to_the_whole() -> None:
    frame = pd.DataFrame({"x": NUMBERS.mask(NUMBERS > 2), "name": NAMES})
    layouts = {"x": layout_of(frame["x"], category=False), "name": layout_of(NAMES, category=True)}
    whole = count(frame, layouts)
    streamed, rows = count_batches((frame.iloc[at : at + 700] for at in range(0, 5_000, 700)), layouts)
    days = np.arange(5_000) // 500
    daily = {name: count_column(frame[name], layout, days, span=10) for name, layout in layouts.items()}
    assert rows == 5_000
    for name in layouts:
        assert streamed[name].tolist() == whole[name].tolist() == daily[name].sum(axis=0).tolist()


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.5, 3.0])
def test_distance_is_kolmogorov_smirnovs_up_to_a_cell(shift: float) -> None:
    other = pd.Series(DRAW.normal(loc=shift, size=4_000))
    layouts = {"x": layout_of(NUMBERS, category=False)}
    here, there = (count(pd.DataFrame({"x": values}), layouts)["x"] for values in (other, NUMBERS))
    found = distances(here, there[None], category=False)[0]
    exact = stats.ks_2samp(other, NUMBERS).statistic
    assert exact - 2 / BINS <= found <= exact + 1e-12


def test_distance_of_categories_is_the_largest_change_of_a_share() -> None:
    here = np.array([50, 30, 20, 0, 0, 7])
    there = np.array([60, 30, 10, 0, 0, 0])
    assert distances(here, there[None], category=True)[0] == pytest.approx(0.1)


def test_other_measures() -> None:
    here, there = np.array([0, 40, 10, 50]), np.array([60, 40, 0, 0])
    assert missing_gaps(here, there[None])[0] == pytest.approx(0.5)
    assert unseen_share(here, there[None]) == pytest.approx(0.2)
    assert commonest_share(here) == pytest.approx(0.8)


def test_a_side_without_values_has_no_distance() -> None:
    nothing, something = np.array([0, 0, 9]), np.array([5, 5, 0])
    assert distances(nothing, something[None], category=False)[0] == 0
    assert distances(something, nothing[None], category=False)[0] == 0


def test_a_column_that_is_not_there_is_all_missing() -> None:
    layout = layout_of(NUMBERS, category=False)
    assert count(pd.DataFrame({"y": [1, 2]}), {"x": layout})["x"][-1] == 2


@pytest.mark.parametrize("values", [[], [np.nan], [3.0], [np.inf, 1.0, 2.0]])
def test_any_reference_has_a_layout(values: list[float]) -> None:
    layout = layout_of(pd.Series(values, dtype=float), category=False)
    assert isinstance(layout, Layout)
    assert all(np.isfinite(edge) for edge in layout.edges)
    assert list(layout.edges) == sorted(layout.edges)
