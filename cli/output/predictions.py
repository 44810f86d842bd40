"""How the terminal shows the prediction log."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from cli.output.lines import write_lines
from driftgate.results.predictions import PredictionsFileResult, PredictionsResult
from driftgate.words import one_line, plural
from driftgate.workspace import show_path

SHOWN_LABELS = 10


def print_counts(result: PredictionsResult, folder: Path, results: IO[str]) -> None:
    """Print the counts of a prediction log."""
    lines = {
        "log": f"{show_path(folder)}, {plural(result.segments, 'segment')}",
        "predictions": f"{result.predictions:,}",
    }
    if result.predictions:
        lines["predictions"] += f", from {result.first:%Y-%m-%d %H:%M} to {result.last:%Y-%m-%d %H:%M} UTC"
        lines["labelled"] = f"{result.labelled:,} ({result.labelled / result.predictions:.1%})"
    if result.by_label:
        lines["labels"] = _shown(result.by_label)
    lines |= {version: f"{count:,}" for version, count in result.by_version.items()}
    write_lines(lines | _left_out(result), results, width=13)


def print_file(result: PredictionsFileResult, results: IO[str]) -> None:
    """Print how many predictions were written, and the file."""
    results.write(f"{result.rows:,} predictions in {show_path(result.file)}\n")
    write_lines(_left_out(result), results, width=13)


def _shown(by_label: dict[str, int]) -> str:
    """The most frequent labels with their numbers."""
    ordered = sorted(by_label.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{one_line(label)} {number:,}" for label, number in ordered[:SHOWN_LABELS])
    return f"{shown}, and {len(ordered) - SHOWN_LABELS} more" if len(ordered) > SHOWN_LABELS else shown


def _left_out(result: PredictionsResult | PredictionsFileResult) -> dict[str, str]:
    counts = {"bad lines": result.bad_lines, "bad files": result.unreadable_files}
    return {name: f"{count:,}, left out" for name, count in counts.items() if count}
