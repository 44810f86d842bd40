"""The Evidently page of a drift check: each column's distribution next to the reference, with the limits of the gate.

Evidently's own tests choose their limits by the size of the reference. Here custom metrics contain each measured value and
its calibrated limit, so the page and the verdict agree for every column. The page is made from counts only; it needs no
rows of the reference or of the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
import plotly.graph_objects as go

from driftgate.contract import PREDICTION
from driftgate.drift.compare import COMPARED_WITH, MEASURE_NAMES, SHOWN_COLUMNS, ColumnDrift, Drift, History
from driftgate.drift.counting import Counts, Layout
from driftgate.drift.evidently_parts import defer
from driftgate.words import plural

defer()  # before the first import of Evidently

from evidently.core.datasets import Dataset  # noqa: E402
from evidently.core.metric_types import SingleValue, SingleValueCalculation, SingleValueMetric  # noqa: E402
from evidently.core.report import Context, Report  # noqa: E402
from evidently.legacy.model.widget import BaseWidgetInfo  # noqa: E402
from evidently.legacy.renderers.html_widgets import CounterData, counter, plotly_figure, table_data  # noqa: E402
from evidently.tests.aliases import lte  # noqa: E402

if TYPE_CHECKING:
    import numpy as np

INK, CURRENT, SOFT = "#1f2937", "#2563eb", "#9ca3af"
STATE_COLOURS = {"stable": "#15803d", "drifted": "#b45309", "severe": "#b91c1c"}
SHOWN_CATEGORIES = 12


class Overview(SingleValueMetric):
    """How many columns are over a limit."""

    value: int


class OverviewCalculation(SingleValueCalculation[Overview]):
    """Shows every column in one table, the worst first."""

    widgets: ClassVar[list[BaseWidgetInfo]] = []

    def calculate(self, context: Context, current_data: Dataset, reference_data: Dataset | None) -> SingleValue:
        result = self.result(self.metric.value)
        result.widget = self.widgets
        return result

    def display_name(self) -> str:
        return "columns over a limit"


class Calibrated(SingleValueMetric):
    """One measured value of one column; its test compares it with the calibrated limit."""

    column: str
    measure: str
    value: float
    limit: float
    question: str


class CalibratedCalculation(SingleValueCalculation[Calibrated]):
    """Passes the measured value to Evidently; the first measure of a column shows all of them, with the distributions."""

    widgets: ClassVar[dict[tuple[str, str], list[BaseWidgetInfo]]] = {}

    def calculate(self, context: Context, current_data: Dataset, reference_data: Dataset | None) -> SingleValue:
        result = self.result(self.metric.value)
        result.widget = self.widgets.get((self.metric.column, self.metric.measure), [])
        return result

    def display_name(self) -> str:
        return f"{self.metric.column}: {MEASURE_NAMES[self.metric.measure]}"


def drift_page(drift: Drift, history: History, counts: Counts) -> tuple[str, dict[tuple[str, str], str]]:
    """Render a drift check with Evidently.

    Args:
        drift: The result of the comparison.
        history: The windows that the batch was compared with.
        counts: Counts of the batch by column, each of shape (cells,).

    Returns:
        The page, one self-contained HTML file, and Evidently's own test results by column and measure: SUCCESS,
        WARNING (over the limit) or FAIL (blocks). Both have the `SHOWN_COLUMNS` worst columns; the page says so if there
        are more.
    """
    ordered = drift.worst_first[:SHOWN_COLUMNS]
    metrics: list[Any] = [Overview(value=len(drift.drifted))]
    metrics += [
        Calibrated(
            column=column.name,
            measure=measurement.measure,
            value=measurement.value,
            limit=measurement.limit,
            question=measurement.question,
            tests=[lte(measurement.limit, is_critical=column.blocks and measurement.state == "severe")],
        )
        for column in ordered
        for measurement in column.measurements
    ]
    OverviewCalculation.widgets = [_facts(drift), _overview(ordered, all_columns=len(drift.columns))]
    CalibratedCalculation.widgets = {
        (column.name, column.measurements[0].measure): _widgets(column, history, counts[column.name])
        for column in ordered
    }
    try:
        run = Report(metrics, include_tests=False).run(pd.DataFrame({"rows": [drift.rows]}), None)
        page: str = run.get_html_str(as_iframe=False)
    finally:
        OverviewCalculation.widgets, CalibratedCalculation.widgets = [], {}
    tests: dict[tuple[str, str], str] = {}
    for result in run._metrics.values():
        config = result.metric_value_location.metric.params
        for test in result.tests:
            tests[config["column"], config["measure"]] = test.status.value
    return page, tests


def _untimed(drift: Drift) -> str:
    """The heading where no row has a time."""
    return "all rows" if drift.rows else "no rows"


def _facts(drift: Drift) -> BaseWidgetInfo:
    """What was compared. It says if rows or predictions are missing, so that an empty page doesn't look like a pass."""
    times = (
        f"{drift.first:%Y-%m-%d %H:%M} to {drift.last:%Y-%m-%d %H:%M}"
        if drift.first and drift.last
        else _untimed(drift)
    )
    predicted = any(column.name == PREDICTION for column in drift.columns)
    blocking = sum(column.blocks for column in drift.columns)
    facts = {
        "rows" if drift.rows else "rows: nothing arrived, which blocks": f"{drift.rows:,}",
        _windows(drift): drift.windows,
        "columns over a limit": len(drift.drifted),
        "columns that block": blocking,
        "the model predicted these rows"
        if predicted
        else "no predictions: the rows break the contract, or there are none": ("yes" if predicted else "no"),
    }
    counters = [CounterData(label=label, value=str(value)) for label, value in facts.items()]
    return counter(title=times, counters=counters)


def _windows(drift: Drift) -> str:
    length = f" of {plural(drift.window_days, 'day')}" if drift.windows > 1 else ": the whole reference"
    return f"windows{length} to compare with, {drift.joined} of them seen since the training"


def _overview(columns: list[ColumnDrift], *, all_columns: int) -> BaseWidgetInfo:
    left = (
        f": the first {len(columns)} of {all_columns:,}; the JSON result has all" if all_columns > len(columns) else ""
    )
    return table_data(
        title=f"Columns, the worst first{left}",
        column_names=["column", "state", "measure", "value", "limit", "compared with", "missing now"],
        data=[
            [
                column.name, column.state + (", blocks" if column.blocks else ""), MEASURE_NAMES[column.worst.measure],
                f"{column.worst.value:.3f}", f"{column.worst.limit:.3f}", COMPARED_WITH[column.worst.question], f"{column.missing:.1%}",
            ]
            for column in columns
        ],
    )  # fmt: skip


def _widgets(column: ColumnDrift, history: History, counts: np.ndarray) -> list[BaseWidgetInfo]:
    counters = [
        CounterData(
            label=f"{MEASURE_NAMES[measurement.measure]}, limit {measurement.limit:.3f}",
            value=f"{measurement.value:.3f}",
        )
        for measurement in column.measurements
    ]
    picture = _picture(column, history.profile.layouts[column.name], history.windows(column.name), counts)
    return [counter(title=f"{column.name}: {column.state}", counters=counters), plotly_figure(title="", figure=picture)]


def _picture(column: ColumnDrift, layout: Layout, windows: np.ndarray, counts: np.ndarray) -> go.Figure:
    colour = CURRENT if column.state == "stable" else STATE_COLOURS[column.state]
    figure = (_shares if layout.category else _cumulative)(layout, windows, counts, colour)
    figure.update_layout(
        height=480, margin={"l": 50, "r": 20, "t": 10, "b": 40}, plot_bgcolor="white", font={"color": INK, "size": 12},
        legend={"orientation": "h", "y": 1.15},
    )  # fmt: skip
    return figure


def _cumulative(layout: Layout, windows: np.ndarray, counts: np.ndarray, colour: str) -> go.Figure:
    """Cumulative shares: the batch as a line, and the range of all past windows as a band."""
    import numpy as np

    known = windows[windows[:, :-1].sum(axis=1) > 0]
    steps = np.cumsum(known[:, :-1], axis=1) / np.maximum(known[:, :-1].sum(axis=1), 1)[:, None]
    here = np.cumsum(counts[:-1]) / max(counts[:-1].sum(), 1)
    edges, last = list(layout.edges), len(layout.edges)
    figure = go.Figure()
    if len(edges) and len(known):
        low, high = steps[:, :last].min(axis=0), steps[:, :last].max(axis=0)
        band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_trace(go.Scatter(x=edges, y=high.tolist(), showlegend=False, **band))
        figure.add_trace(
            go.Scatter(
                x=edges, y=low.tolist(), fill="tonexty", fillcolor="rgba(156,163,175,0.35)", name="past windows",
                **band,
            )
        )  # fmt: skip
        newest = {"mode": "lines", "line": {"color": SOFT, "dash": "dot"}, "name": "newest past window"}
        figure.add_trace(go.Scatter(x=edges, y=steps[-1, :last].tolist(), **newest))
    figure.add_trace(
        go.Scatter(x=edges, y=here[:last].tolist(), mode="lines", line={"color": colour, "width": 2.5}, name="current")
    )
    if len(edges):
        moving = [
            at for at in range(last) if here[at] > here[max(at - 1, 0)] or (len(known) and np.ptp(steps[:, at]) > 0)
        ]
        figure.update_xaxes(
            range=[edges[max(min(moving, default=0) - 1, 0)], edges[min(max(moving, default=0) + 1, last - 1)]]
        )
    figure.update_yaxes(title_text="share of rows up to here", range=[0, 1.02], gridcolor="#e5e7eb")
    return figure


def _shares(layout: Layout, windows: np.ndarray, counts: np.ndarray, colour: str) -> go.Figure:
    """Shares of the categories that changed most, with the mean and range of past windows."""
    import numpy as np

    windows = windows[windows[:, :-1].sum(axis=1) > 0]
    windows = windows if len(windows) else np.zeros((1, layout.cells), dtype=np.int64)
    past = windows[:, :-1] / np.maximum(windows[:, :-1].sum(axis=1), 1)[:, None]
    here = counts[:-1] / max(counts[:-1].sum(), 1)
    names = [*layout.named, "(others)", "(never seen)"]
    change = np.abs(here - past.mean(axis=0))
    order = [int(at) for at in np.argsort(-np.maximum(change, here / 10), kind="stable")[:SHOWN_CATEGORIES]]
    shown = [names[at] for at in order]
    mean, low, high = (getattr(past[:, order], how)(axis=0) for how in ("mean", "min", "max"))
    reach: dict[str, Any] = {"type": "data", "array": (high - mean).tolist(), "arrayminus": (mean - low).tolist()}
    figure = go.Figure()
    figure.add_trace(go.Bar(x=shown, y=mean.tolist(), error_y=reach, marker_color=SOFT, name="past: mean and range"))
    figure.add_trace(go.Bar(x=shown, y=here[order].tolist(), marker_color=colour, name="current"))
    figure.update_layout(barmode="group")
    figure.update_yaxes(title_text="share of rows", gridcolor="#e5e7eb")
    return figure
