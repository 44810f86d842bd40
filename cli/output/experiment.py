"""How the terminal shows an experiment."""

from __future__ import annotations

from typing import IO

from cli.output.lines import write_lines
from driftgate.results.experiment import ExperimentProgress, ExperimentResult


def print_experiment(result: ExperimentResult, results: IO[str]) -> None:
    """Print the experiment, its gain so far, and how many labels it needs."""
    lines = {"experiment": f"{result.problem} {result.challenger} beside {result.champion}, {result.mode}"}
    if result.standing:
        lines |= _progress_lines(result.standing)
    if result.labels_needed:
        needed = "; ".join(
            f"{gain}: {'more than 100,000' if labels is None else f'{labels:,}'}"
            for gain, labels in result.labels_needed.items()
        )
        lines["labels"] = f"needed to detect a gain with a power of 80 %: {needed}"
    write_lines(lines, results, width=11)
    results.writelines(f"{'warning':<11}{warning}\n" for warning in result.warnings)


def _progress_lines(progress: ExperimentProgress) -> dict[str, str]:
    gain = progress.gain
    lines = {"requests": ", ".join(f"{arm} {number:,}" for arm, number in progress.requests.items())}
    if progress.observed_share is not None:
        lines["share"] = (
            f"{progress.observed_share:.1%} ({progress.share_low:.1%} to {progress.share_high:.1%}) of "
            f"{sum(progress.draws.values()):,} draws, configured {progress.share:.0%}"
        )
    lines["labels"] = f"{gain.labels:,}"
    if progress.labelled > gain.labels:
        capped = f", without {progress.left_out:,} over the limit for one address" if progress.left_out else ""
        lines["labels"] += f", the first of each draw{capped}; {progress.labelled:,} in all"
    lines["callers"] = _callers(progress)
    lines["gain"] = (
        f"{gain.mean:+.4f} in squared error ({gain.low:+.4f} to {gain.high:+.4f}, always valid 95 % interval)"
    )
    for arm, score in progress.arms.items():
        if score.brier is not None and score.accuracy is not None:
            lines[arm] = f"Brier score {score.brier:.4f}, {score.accuracy:.1%} correct in {score.labels:,} labels"
    return {**lines, "decision": progress.decision}


def _callers(progress: ExperimentProgress) -> str:
    """How many network addresses sent the labels, and the limit for one of them."""
    text = f"{progress.addresses:,} network address{'es' * (progress.addresses != 1)}"
    if progress.largest_share is not None:
        text += f", the largest with {progress.largest_share:.0%} of the labels"
    if progress.caller_share >= 1:
        return f"{text}; no limit for one address (gate.caller_share is 1)"
    return f"{text}; one address counts for at most {progress.caller_share:.0%} or ten labels, and never decides alone"
