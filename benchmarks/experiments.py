"""Experiments with continuous peeking: how often an equal challenger is promoted, and how often a better one is found.

    python benchmarks/experiments.py        # about ten seconds

Rows, labels and the probabilities of both models are simulated: a calibrated champion, and a challenger with the same noise
or less. Every experiment is evaluated after every label. Results go to benchmarks/results/experiments.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.record import save
from bentos.api import arms
from driftgate.production.experiments import ALPHA
from driftgate.production.sequential import confidence_sequence, labels_needed, paired_gains, split_bound, split_gains
from driftgate.training.metrics import wilson_interval

EXPERIMENTS, LABELS = 1000, 5000
ROWS_OF_A_CALLER = 20
SHARES = (None, 0.5, 0.2)


def gains(draw: np.random.Generator, *, rows: int, noise: float, better: float, share: float | None) -> np.ndarray:
    """Simulate the values of one experiment. The challenger's noise is smaller by `better`."""
    truth = draw.beta(2, 3, rows)
    labels = (draw.random(rows) < truth).astype(float)
    one, other = (np.clip(truth + draw.normal(scale=scale, size=rows), 0, 1) for scale in (noise, noise - better))
    if share is None:
        return paired_gains(one, other, labels)
    challenged = draw.random(rows) < share
    return split_gains((np.where(challenged, other, one) - labels) ** 2, challenged, share=share)


def rate(hits: int, total: int) -> dict[str, Any]:
    low, high = wilson_interval(hits / total, total, confidence=0.95)
    return {"hits": hits, "of": total, "rate": round(hits / total, 4), "interval": [round(low, 4), round(high, 4)]}


def false_promotions(share: float | None) -> dict[str, Any]:
    """Equal models: count how often the interval is ever above zero, and how often a repeated t-test is significant."""
    draw, bound = np.random.default_rng(1), 1.0 if share is None else split_bound(share)
    ours = naive = 0
    for _ in range(EXPERIMENTS):
        values = gains(draw, rows=LABELS, noise=0.15, better=0.0, share=share)
        low, _ = confidence_sequence(values, bound=bound, alpha=ALPHA)
        ours += bool((low > 0).any())
        times = np.arange(1, LABELS + 1)
        mean = np.cumsum(values) / times
        deviation = np.sqrt(np.maximum(np.cumsum(values**2) / times - mean**2, 1e-12))
        with np.errstate(divide="ignore", invalid="ignore"):
            naive += bool((mean[30:] / (deviation[30:] / np.sqrt(times[30:])) > stats.norm.ppf(1 - ALPHA / 2)).any())
    return {"ours": rate(ours, EXPERIMENTS), "a t-test at every label": rate(naive, EXPERIMENTS)}


def callers(share: float) -> dict[str, Any]:
    """With equal models and callers of twenty rows in one arm, compare counting each caller with counting each row."""
    draw, bound = np.random.default_rng(3), split_bound(share)
    once = each = 0
    for _ in range(EXPERIMENTS):
        number = LABELS // ROWS_OF_A_CALLER
        truth = np.repeat(np.where(draw.random(number) < 0.5, 0.02, 0.5), ROWS_OF_A_CALLER)  # some callers are easy
        losses = (truth - (draw.random(len(truth)) < truth)) ** 2
        challenged = np.repeat(draw.random(number) < share, ROWS_OF_A_CALLER)
        first = np.arange(0, len(truth), ROWS_OF_A_CALLER)
        for at, counts in (("once", first), ("each", np.arange(len(truth)))):
            values = split_gains(losses[counts], challenged[counts], share=share)
            low, _ = confidence_sequence(values, bound=bound, alpha=ALPHA)
            once += at == "once" and bool((low > 0).any())
            each += at == "each" and bool((low > 0).any())
    return {"a caller counts once": rate(once, EXPERIMENTS), "each row counts": rate(each, EXPERIMENTS)}


def guard(*, failed: float, slow: float, answers: int = 100_000) -> dict[str, Any]:
    """Count how often a challenger with these shares of failures and slow answers is shut off, and when."""
    draw, runs = np.random.default_rng(4), 200
    bucket, at = np.zeros(runs), np.full(runs, answers + 1)
    for number in range(1, answers + 1):
        drawn = draw.random(runs)
        fault = np.where(drawn < failed, arms.FAILED, np.where(drawn < failed + slow, arms.SLOW, 0.0))
        bucket = np.where(fault > 0, bucket + fault, np.maximum(bucket - arms.FORGIVEN, 0.0))
        at = np.where((bucket >= arms.MOST) & (at > answers), number, at)
    return {**rate(int((at <= answers).sum()), runs), "answers": answers, "median": int(np.median(at))}


def power(share: float | None) -> dict[str, Any]:
    """With a better challenger, count how often the number of labels from the power analysis was enough."""
    draw, bound = np.random.default_rng(2), 1.0 if share is None else split_bound(share)
    pilot = gains(draw, rows=200_000, noise=0.25, better=0.2, share=share)
    needed = labels_needed(float(pilot.mean()), pilot, bound=bound, alpha=ALPHA, most=20_000)
    found: dict[str, Any] = {"gain": round(float(pilot.mean()), 4), "labels needed": needed}
    if needed:
        hits = 0
        for _ in range(EXPERIMENTS):
            values = gains(draw, rows=needed, noise=0.25, better=0.2, share=share)
            hits += bool(confidence_sequence(values, bound=bound, alpha=ALPHA)[0][-1] > 0)
        found["power promised"], found["power"] = 0.8, rate(hits, EXPERIMENTS)
    return found


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    result = {
        "shadow" if share is None else f"split {share:g}": {"equal": false_promotions(share), "better": power(share)}
        for share in SHARES
    }
    result["callers of twenty rows"] = {f"split {share:g}": callers(share) for share in SHARES if share}
    result["guard"] = {
        f"{failed:.1%} fail, {slow:.0%} slow": guard(failed=failed, slow=slow)
        for failed, slow in ((0, 0.01), (0, 0.03), (0, 0.1), (0.001, 0), (0.01, 0), (0.05, 0))
    }
    save("experiments", result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
