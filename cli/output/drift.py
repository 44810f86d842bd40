"""How the terminal shows a drift check."""

from __future__ import annotations

from typing import IO

from cli.checks_table import print_checks, print_columns
from cli.output.lines import print_outcome
from cli.tables import make_console
from driftgate.results.drift import DriftResult, EstimatedMetric

SHOWN_ESTIMATES = ("roc_auc", "accuracy")


def print_drift(result: DriftResult, results: IO[str]) -> None:
    """The checks, the columns that drifted or came closest to it, the estimated performance, and the verdict."""
    console = make_console(results)
    print_checks(result.as_verdict(), console)
    print_columns([column.model_dump() for column in result.columns], console)
    for name in SHOWN_ESTIMATES:
        if name in result.estimate:
            console.print(f"{name:<8} {_estimate_text(result.estimate[name])}")
    windows, model = result.windows, result.model
    console.print(f"rows     {result.data.rows:,} of {result.data.source}")
    console.print(
        f"against  {model.name} {model.version}: {windows.compared} windows of {windows.days} days, "
        f"{windows.joined} of them seen since its training"
    )
    print_outcome(result.verdict, console)


def _estimate_text(metric: EstimatedMetric) -> str:
    estimate, realised = metric.estimate, metric.realised
    text = f"expected {estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{text}, from the labels {realised.value:.3f}" if realised else f"{text}; no labels yet"
