"""How the terminal shows a drift check."""

from __future__ import annotations

from typing import IO

from cli.checks_table import print_checks, print_columns
from cli.output.lines import print_left_out, print_outcome
from cli.tables import make_console, print_line
from driftgate.drift.compare import windows_text
from driftgate.results.drift import DriftResult, EstimatedMetric

SHOWN_ESTIMATES = ("roc_auc", "accuracy")


def print_drift(result: DriftResult, results: IO[str]) -> None:
    """Print the checks, the columns that drifted or are closest to it, the estimated performance, and the verdict."""
    console = make_console(results)
    print_checks(result.as_verdict(), console)
    print_columns([column.model_dump() for column in result.columns], console)
    for name in SHOWN_ESTIMATES:
        if name in result.estimate:
            print_line(console, f"{name:<8} {_estimate_text(result.estimate[name])}")
    windows, model = result.windows, result.model
    print_line(console, f"rows     {result.data.rows:,} of {result.data.source}")
    print_left_out(result.data.left_out, console, labels=False)
    compared = windows_text(windows=windows.compared, days=windows.days, joined=windows.joined)
    print_line(console, f"against  {model.name} {model.version}: {compared}")
    print_outcome(result.verdict, console)


def _estimate_text(metric: EstimatedMetric) -> str:
    estimate, realised = metric.estimate, metric.realised
    text = f"estimated without labels {estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{text}, measured with labels {realised.value:.3f}" if realised else f"{text}; no labels yet"
