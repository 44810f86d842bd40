"""The plots of a training run; they need no display."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from driftgate.config import Problem
from driftgate.training.evaluation import Evaluation
from driftgate.training.importance import Importance
from driftgate.training.metrics import CALIBRATION_BINS

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, ACCENT, SOFT = "#1f2937", "#2563eb", "#9ca3af"


def training_plots(
    labels: np.ndarray,
    probability: np.ndarray,
    evaluation: Evaluation,
    problem: Problem,
    *,
    importance: dict[str, Importance],
) -> dict[str, Figure]:
    """Confusion matrix, ROC curve, precision-recall curve, calibration and permutation importance, by name."""
    return {
        "confusion_matrix": _confusion(evaluation, problem),
        "roc_curve": _roc(labels, probability, evaluation),
        "precision_recall_curve": _precision_recall(labels, probability, evaluation),
        "calibration_curve": _calibration(labels, probability, evaluation),
        "permutation_importance": _importance(importance, metric=problem.tuning.metric),
    }


def png(figure: Figure) -> bytes:
    """The figure as PNG; the same figure always gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _axes(title: str, *, width: float = 4.8, height: float = 4.2) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, color=INK, fontsize=11, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=9)
    return figure, axes


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
    figure, axes = _axes(f"Confusion matrix at {evaluation.threshold:.3f}")
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = [problem.target.negative_name, problem.target.positive_name]
    axes.set_xticks([0, 1], names)
    axes.set_yticks([0, 1], names, rotation=90, va="center")
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
    figure, axes = _axes(f"ROC curve, area {_text(evaluation, 'roc_auc')}")
    axes.plot([0, 1], [0, 1], color=SOFT, linestyle=":")
    axes.plot(false_rate, true_rate, color=ACCENT)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    return figure


def _precision_recall(labels: np.ndarray, probability: np.ndarray, evaluation: Evaluation) -> Figure:
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(labels, probability)
    figure, axes = _axes(f"Precision and recall, area {_text(evaluation, 'pr_auc')}")
    axes.axhline(evaluation.positives / evaluation.rows, color=SOFT, linestyle=":")
    axes.plot(recall, precision, color=ACCENT)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    return figure


def _calibration(labels: np.ndarray, probability: np.ndarray, evaluation: Evaluation) -> Figure:
    import numpy as np

    figure, axes = _axes(f"Calibration, expected error {_text(evaluation, 'expected_calibration_error')}")
    bins = np.minimum((probability * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    rows = np.bincount(bins, minlength=CALIBRATION_BINS)
    known = rows > 0
    predicted = np.bincount(bins, weights=probability, minlength=CALIBRATION_BINS)[known] / rows[known]
    actual = np.bincount(bins, weights=labels, minlength=CALIBRATION_BINS)[known] / rows[known]
    error = 1.96 * np.sqrt(np.maximum(actual * (1 - actual), 1e-9) / rows[known])
    axes.plot([0, 1], [0, 1], color=SOFT, linestyle=":")
    axes.errorbar(predicted, actual, yerr=error, color=ACCENT, marker="o", markersize=4, linewidth=1, capsize=2)
    axes.bar(
        (np.arange(CALIBRATION_BINS) + 0.5) / CALIBRATION_BINS,
        rows / rows.sum() * 0.5,
        width=0.9 / CALIBRATION_BINS,
        color=SOFT,
        alpha=0.35,
    )
    axes.set_xlabel("predicted probability (bars: share of rows, halved)")
    axes.set_ylabel("observed frequency")
    return figure


def _importance(importance: dict[str, Importance], *, metric: str) -> Figure:
    shown = list(importance.items())[:20][::-1]
    figure, axes = _axes(f"Permutation importance: {metric} lost", width=6.4, height=0.9 + 0.28 * len(shown))
    names = [name for name, _ in shown]
    lost, spread = [found.loss for _, found in shown], [found.spread for _, found in shown]
    axes.barh(names, lost, xerr=spread, color=ACCENT)
    axes.axvline(0, color=INK, linewidth=0.8)
    return figure


def _text(evaluation: Evaluation, metric: str) -> str:
    found = evaluation.metrics[metric]
    return f"{found.value:.3f} ({found.low:.3f}–{found.high:.3f})"
