"""Experiments under peeking: how often an equal challenger is promoted, and how often a better one is found in time.

    python benchmarks/experiments.py        # about a minute

Rows, labels and both models' probabilities are simulated: a calibrated champion, and a challenger that is as noisy, or
less. Every experiment is looked at after every label. Figures go to benchmarks/results/experiments.json.
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

from driftgate.experiments import ALPHA
from driftgate.metrics import wilson_interval
from driftgate.sequential import confidence_sequence, labels_needed, paired_gains, split_bound, split_gains
from driftgate.workspace import PROJECT

EXPERIMENTS, LABELS = 1000, 5000
SHARES = (None, 0.5, 0.2)


def gains(draw: np.random.Generator, *, rows: int, noise: float, better: float, share: float | None) -> np.ndarray:
    """The values of one experiment; the challenger's noise is smaller by `better`."""
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
    """Equal models: how often the interval ever lies above zero; beside it, a t-test looked at as often."""
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


def power(share: float | None) -> dict[str, Any]:
    """A better challenger: the labels that the power analysis asks for, and how often they were enough."""
    draw, bound = np.random.default_rng(2), 1.0 if share is None else split_bound(share)
    pilot = gains(draw, rows=200_000, noise=0.25, better=0.2, share=share)
    needed = labels_needed(float(pilot.mean()), deviation=float(pilot.std()), bound=bound, alpha=ALPHA, most=100_000)
    found: dict[str, Any] = {"gain": round(float(pilot.mean()), 4), "labels needed": needed}
    if needed:
        hits = 0
        for _ in range(300):
            values = gains(draw, rows=needed, noise=0.25, better=0.2, share=share)
            hits += bool(confidence_sequence(values, bound=bound, alpha=ALPHA)[0][-1] > 0)
        found["power promised"], found["power"] = 0.8, rate(hits, 300)
    return found


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    result = {
        "shadow" if share is None else f"split {share:g}": {"equal": false_promotions(share), "better": power(share)}
        for share in SHARES
    }
    (PROJECT / "benchmarks" / "results" / "experiments.json").write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
