"""The static page of a drift check: no scripts, light, and it says what the checks say, whatever the rows hold."""

import re
import time

import numpy as np
import pytest

from driftgate.config import Problem
from driftgate.contract import PREDICTION
from driftgate.drift.check import DriftAnalysis, check_drift
from driftgate.drift.compare import MEASURE_NAMES, ColumnDrift, History
from driftgate.drift.counting import count
from driftgate.drift.profile import Profile
from driftgate.drift.static_page import MOST_PICTURES, MOST_STABLE_ROWS, PICTURES, static_page
from tests.unit.test_drift_check import BOUNDS, COLUMNS, FAULTS, WEEK, TrueModel, made, world

__all__ = ["world"]  # a fixture
MEGABYTE = 1_000_000
ACTIVE = re.compile("<script|<link|<iframe|<object| on[a-z]+=|(src|href)=|url\\(", re.IGNORECASE)


def pages_of(rows: object, world: tuple[Problem, Profile], *, asked: bool = True) -> tuple[DriftAnalysis, str]:
    problem, profile = world
    analysis, pages = check_drift(
        rows,  # type: ignore[arg-type]
        problem,
        profile=profile,
        scorer=TrueModel() if asked else None,  # type: ignore[arg-type]
        threshold=0.5,
        window=BOUNDS,
        interactive="The interactive page is drift.html.",
    )
    assert "Columns, the worst first" in pages.interactive
    assert not ACTIVE.search(pages.static)
    assert len(pages.static) < MEGABYTE
    assert "nan" not in pages.static
    return analysis, pages.static


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_drawn_with_the_measure_that_decides(name: str, world: tuple[Problem, Profile]) -> None:
    change, fault, _ = FAULTS[name]
    analysis, page = pages_of(change(made(*WEEK, seed=3)), world, asked=name not in ("text", "no such column"))
    worst = {column.name: column.worst for column in analysis.drift.columns}[fault]
    (row,) = re.findall(
        f"<tr><td><span class=.mark severe.>severe</span></td><td class=name>{fault}</td>.*?</tr>", page
    )
    assert MEASURE_NAMES[worst.measure] in row
    assert f"{worst.value:.3f}</td>" in row
    assert f"≤ {worst.limit:.3f}</td>" in row
    assert f"<h3>{fault} " in page


def test_an_ordinary_week_passes_and_tells_its_estimate(world: tuple[Problem, Profile]) -> None:
    _, page = pages_of(made(*WEEK, seed=1), world)
    assert 'drift <span class="mark pass">' in page
    assert "The interactive page is drift.html." in page
    assert "<td>roc_auc</td>" in page
    assert page.count("<h3>") == len(COLUMNS) + 2  # target and prediction
    assert "windows of 7 days, 0 of them seen since the training" in page


def test_no_rows_and_no_model_do_not_look_green(world: tuple[Problem, Profile]) -> None:
    _, page = pages_of(made(*WEEK, seed=1).head(0), world, asked=False)
    assert 'drift <span class="mark block">' in page
    assert "no rows arrived, which blocks" in page
    assert "the rows break the contract, or there are none" in page
    assert f">{PREDICTION}</td>" not in page


def test_a_wide_table_stays_light_and_quick_and_says_what_it_leaves_out(world: tuple[Problem, Profile]) -> None:
    _, profile = world
    rows = made(*WEEK, seed=3).assign(x=lambda frame: frame["x"] + 2)
    history = History(profile, days=7)
    counts = count(rows, {name: profile.layouts[name] for name in COLUMNS})
    drift = history.compare(counts, rows=len(rows))
    known = {column.name: column for column in drift.columns}

    def many(name: str, how_many: int) -> list[ColumnDrift]:
        return [known[name].model_copy(update={"name": f"{name}{number}"}) for number in range(how_many)]

    wide = [*many("x", 60), *many("kind", 500)]
    for column in wide:
        name = column.name.rstrip("0123456789")
        counts[column.name] = counts[name]
        history.profile.layouts[column.name] = profile.layouts[name]
        history._past[column.name] = history._past[name]
    try:
        started = time.process_time()
        drift = drift.model_copy(update={"columns": tuple(wide)})
        page = static_page(drift, history, counts, {}, problem="shop", interactive="")
        seconds = time.process_time() - started
    finally:
        for column in wide:
            del history.profile.layouts[column.name]
    assert len(page) < MEGABYTE
    assert seconds < 2
    assert page.count("<h3>") == MOST_PICTURES > PICTURES
    assert f"{560 - MOST_PICTURES} more columns are not drawn; the interactive page has the worst" in page
    assert f"{500 - MOST_STABLE_ROWS} more columns, further from their limits, not shown" in page
    assert all(f">x{number}</td>" in page for number in range(60))  # what drifted is all there


def test_a_category_s_name_is_nothing_but_text(world: tuple[Problem, Profile]) -> None:
    _, profile = world
    layout = profile.layouts["kind"]
    evil = layout.model_copy(update={"named": ("<script>a</script>", *layout.named[1:])})
    rows = made(*WEEK, seed=3)
    history = History(profile.model_copy(update={"layouts": {**profile.layouts, "kind": evil}}), days=7)
    counts = count(rows.assign(kind="<script>a</script>"), {"kind": evil})
    drift = history.compare(counts, rows=len(rows))
    page = static_page(drift, history, counts, {}, problem="shop", interactive="")
    assert "&lt;script&gt;" in page
    assert "<script>" not in page


def test_a_column_without_values_says_so(world: tuple[Problem, Profile]) -> None:
    _, page = pages_of(made(*WEEK, seed=1).assign(x=np.nan), world)
    part = page[page.index("<h3>x ") :]
    assert "There are no values to draw." in part[: part.index("</div>")]
