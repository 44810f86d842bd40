"""The plots of a model with three classes or more: one for all classes, or one small plot a class.

With many classes, the small plots show those that the model predicts worst.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from driftgate.training.evaluation import Evaluation
from driftgate.training.figures import ACCENT, INK, SOFT, draw_reliability, new_axes, shown_names, style, with_interval
from driftgate.training.metrics import CALIBRATION_BINS

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 12
COLUMNS = 4
COUNTS_UP_TO = 12  # classes; with more, the cells of the confusion matrix have no room for counts

Draw = Callable[["Axes", "np.ndarray", "np.ndarray"], None]


def confusion_plot(evaluation: Evaluation) -> Figure:
    """The confusion matrix of all classes."""
    import numpy as np

    counts = np.array(evaluation.confusion_matrix)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = shown_names([found.name for found in evaluation.classes])
    few = len(names) <= COUNTS_UP_TO
    cell = 0.62 if few else 0.3
    figure, axes = new_axes(
        "Confusion matrix" if few else "Confusion matrix: % of the rows of each actual class",
        width=2.4 + cell * len(names), height=2.2 + cell * len(names),
    )  # fmt: skip
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    size = 9 if few else 7
    places = range(len(names))
    axes.set_xticks(places, names, rotation=90, fontsize=size, parse_math=False)
    axes.set_yticks(places, names, fontsize=size, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    for row, column in zip(*np.nonzero(counts), strict=True):
        percent = f"{100 * share[row, column]:.0f}" if share[row, column] >= 0.005 else "<1"
        text = f"{counts[row, column]:,}\n{percent}%" if few else percent
        colour = "white" if share[row, column] > 0.5 else INK
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8 if few else 6)
    return figure


def roc_plots(labels: np.ndarray, probability: np.ndarray, evaluation: Evaluation) -> Figure:
    """The ROC curve of each class against all others."""
    from sklearn.metrics import roc_curve

    def draw(axes: Axes, truth: np.ndarray, score: np.ndarray) -> None:
        false_rate, true_rate, _ = roc_curve(truth, score)
        axes.plot([0, 1], [0, 1], color=SOFT, linestyle=":")
        axes.plot(false_rate, true_rate, color=ACCENT)

    title = f"ROC curves, macro area {with_interval(evaluation, 'roc_auc')}"
    labelled = "false positive rate", "true positive rate"
    return _panels(labels, probability, evaluation, draw, metric="roc_auc", title=title, axes_of=labelled)


def precision_recall_plots(labels: np.ndarray, probability: np.ndarray, evaluation: Evaluation) -> Figure:
    """Precision and recall of each class; the dotted line is the share of the class."""
    from sklearn.metrics import precision_recall_curve

    def draw(axes: Axes, truth: np.ndarray, score: np.ndarray) -> None:
        precision, recall, _ = precision_recall_curve(truth, score)
        axes.axhline(truth.mean(), color=SOFT, linestyle=":")
        axes.plot(recall, precision, color=ACCENT)
        axes.set_ylim(0, 1.02)

    title = f"Precision and recall, macro area {with_interval(evaluation, 'pr_auc')}"
    return _panels(
        labels, probability, evaluation, draw, metric="pr_auc", title=title, axes_of=("recall", "precision")
    )  # fmt: skip


def calibration_plots(labels: np.ndarray, probability: np.ndarray, evaluation: Evaluation) -> Figure:
    """Predicted probability and observed frequency of each class."""

    def draw(axes: Axes, truth: np.ndarray, score: np.ndarray) -> None:
        draw_reliability(axes, truth, score, bins=CALIBRATION_BINS)
        axes.set_ylim(0, 1.04)

    name = "expected_calibration_error"
    title = f"Calibration, mean expected error {with_interval(evaluation, name)}"
    labelled = "predicted probability (bars: share of rows, halved)", "observed frequency"
    return _panels(labels, probability, evaluation, draw, metric=name, title=title, axes_of=labelled)


def _panels(
    labels: np.ndarray, probability: np.ndarray, evaluation: Evaluation, draw: Draw, *, metric: str, title: str,
    axes_of: tuple[str, str],
) -> Figure:  # fmt: skip
    """One small plot for each class, the worst first; for no more than `MOST_PANELS` classes."""
    from matplotlib.figure import Figure

    worst = _worst_first(evaluation, metric)
    shown = worst[:MOST_PANELS]
    names = shown_names([found.name for found in evaluation.classes])
    columns = min(COLUMNS, len(shown))
    lines = -(-len(shown) // columns)
    figure = Figure(figsize=(max(2.4 * columns, 7.2), 2.3 * lines + 0.9), layout="constrained")
    more = f"\nthe {len(shown)} worst of {len(evaluation.classes)} classes" if len(shown) < len(worst) else ""
    figure.suptitle(f"{title}{more}", color=INK, fontsize=11, parse_math=False)
    every = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes in every[len(shown) :]:
        axes.set_visible(False)
    for axes, code in zip(every, shown, strict=False):
        draw(axes, labels == code, probability[:, code])
        style(axes, size=7)
        value = getattr(evaluation.classes[code], metric)
        axes.set_title(f"{names[code]}\n{value:.3f}", color=INK, fontsize=8, parse_math=False)
    figure.supxlabel(axes_of[0], fontsize=9)
    figure.supylabel(axes_of[1], fontsize=9)
    return figure


def _worst_first(evaluation: Evaluation, metric: str) -> list[int]:
    """The codes of the classes that have rows and whose metric is known, the worst first."""
    sign = -1.0 if metric == "expected_calibration_error" else 1.0
    values = {
        code: sign * getattr(found, metric)
        for code, found in enumerate(evaluation.classes)
        if found.rows and getattr(found, metric) is not None
    }
    return sorted(values, key=lambda code: values[code])
