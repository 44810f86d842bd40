"""The plots of a training run; they need no display."""

from __future__ import annotations

from typing import TYPE_CHECKING

from driftgate.config import Problem
from driftgate.training import class_plots
from driftgate.training.evaluation import Evaluation
from driftgate.training.figures import (
    ACCENT,
    INK,
    SOFT,
    draw_reliability,
    new_axes,
    png,
    shown_names,
    with_interval,
)
from driftgate.training.importance import Importance
from driftgate.training.metrics import CALIBRATION_BINS

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

__all__ = ["png", "training_plots"]


def training_plots(
    labels: np.ndarray,
    probability: np.ndarray,
    evaluation: Evaluation,
    problem: Problem,
    *,
    importance: dict[str, Importance],
) -> dict[str, Figure]:
    """Confusion matrix, ROC curve, precision-recall curve, calibration and permutation importance, by name.

    With three classes or more, the curves are small plots, one a class.
    """
    if problem.target.binary:
        found = {
            "confusion_matrix": _confusion(evaluation, problem),
            "roc_curve": _roc(labels, probability, evaluation),
            "precision_recall_curve": _precision_recall(labels, probability, evaluation),
            "calibration_curve": _calibration(labels, probability, evaluation),
        }
    else:
        found = {
            "confusion_matrix": class_plots.confusion_plot(evaluation),
            "roc_curve": class_plots.roc_plots(labels, probability, evaluation),
            "precision_recall_curve": class_plots.precision_recall_plots(labels, probability, evaluation),
            "calibration_curve": class_plots.calibration_plots(labels, probability, evaluation),
        }
    return {**found, "permutation_importance": _importance(importance, metric=problem.tuning.metric)}


def _confusion(evaluation: Evaluation, problem: Problem) -> Figure:
    import numpy as np

    found = evaluation.confusion
    counts = np.array(
        [
            [found["true_negative"], found["false_positive"]],
            [found["false_negative"], found["true_positive"]],
        ]
    )
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = new_axes(f"Confusion matrix at {evaluation.threshold:.3f}")
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = shown_names(problem.target.class_names)
    axes.set_xticks([0, 1], names, parse_math=False)
    axes.set_yticks([0, 1], names, rotation=90, va="center", parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    for row in (0, 1):
        for column in (0, 1):
            colour = "white" if share[row, column] > 0.5 else INK
            text = f"{counts[row, column]:,}\n{share[row, column]:.1%}"
            axes.text(column, row, text, ha="center", va="center", color=colour)
    return figure


def _roc(labels: np.ndarray, probability: np.ndarray, evaluation: Evaluation) -> Figure:
    from sklearn.metrics import roc_curve

    false_rate, true_rate, _ = roc_curve(labels, probability)
    figure, axes = new_axes(f"ROC curve, area {with_interval(evaluation, 'roc_auc')}")
    axes.plot([0, 1], [0, 1], color=SOFT, linestyle=":")
    axes.plot(false_rate, true_rate, color=ACCENT)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    return figure


def _precision_recall(labels: np.ndarray, probability: np.ndarray, evaluation: Evaluation) -> Figure:
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(labels, probability)
    figure, axes = new_axes(f"Precision and recall, area {with_interval(evaluation, 'pr_auc')}")
    axes.axhline(labels.mean(), color=SOFT, linestyle=":")
    axes.plot(recall, precision, color=ACCENT)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    return figure


def _calibration(labels: np.ndarray, probability: np.ndarray, evaluation: Evaluation) -> Figure:
    figure, axes = new_axes(f"Calibration, expected error {with_interval(evaluation, 'expected_calibration_error')}")
    draw_reliability(axes, labels, probability, bins=CALIBRATION_BINS)
    axes.set_xlabel("predicted probability (bars: share of rows, halved)")
    axes.set_ylabel("observed frequency")
    return figure


def _importance(importance: dict[str, Importance], *, metric: str) -> Figure:
    shown = list(importance.items())[:20][::-1]
    figure, axes = new_axes(f"Permutation importance: {metric} lost", width=6.4, height=0.9 + 0.28 * len(shown))
    lost, spread = [found.loss for _, found in shown], [found.spread for _, found in shown]
    axes.barh(range(len(shown)), lost, xerr=spread, color=ACCENT)
    axes.set_yticks(range(len(shown)), shown_names([name for name, _ in shown], longest=40), parse_math=False)
    axes.axvline(0, color=INK, linewidth=0.8)
    return figure
