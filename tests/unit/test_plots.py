"""Plots write names from the data as they are, and stay readable with many classes."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from driftgate.config import Problem
from driftgate.training.evaluation import evaluate
from driftgate.training.figures import LONGEST_NAME, NO_GLYPH, png, shown_names
from driftgate.training.importance import Importance
from driftgate.training.plots import training_plots
from tests.tables import shop_content

NAMES = [
    "$a_b$",
    "naïve — café",
    "中文",
    "x" * 90,
    "x" * 90 + "y",
    "x^2_{3}$",
    "two\nlines",
    *(f"class {at}" for at in range(43)),
]
IMPORTANCE = {name: Importance(loss=0.1, spread=0.01, effect=0.1) for name in ("$x_1$", "价格", "f" * 99, "plain")}


def _figures(classes: int) -> dict[str, Any]:
    draw = np.random.default_rng(classes)
    labels = draw.permutation(np.repeat(np.arange(classes), 20))
    probability = draw.dirichlet(np.ones(classes), len(labels)) * 0.8 + np.eye(classes)[labels] * 0.2
    names: dict[str, Any] = {"positive": None, "classes": NAMES[:classes]}
    if classes == 2:
        names, probability = {"positive_name": "$a_b$", "negative_name": "中"}, probability[:, 1]
    limits = {"performance": {"f1": 0.5}, "champion": {"metric": "f1", "margin": 0.1}, "bootstrap": 100}
    problem = Problem.model_validate(shop_content(target=names, gate=limits))
    evaluation = evaluate(labels, probability, pd.DataFrame(index=range(len(labels))), problem, threshold=0.5)
    return training_plots(labels, probability, evaluation, problem, importance=IMPORTANCE)


def _texts(figure: Any) -> list[str]:
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


@pytest.mark.parametrize("classes", [2, 3, 50])
def test_names_are_written_as_they_are(classes: int) -> None:
    figures = _figures(classes)
    for name, figure in figures.items():
        for text in figure.findobj(lambda part: hasattr(part, "get_parse_math") and "$" in part.get_text()):
            assert not text.get_parse_math(), (name, text.get_text())
    assert "$a_b$" in _texts(figures["confusion_matrix"])
    assert "$x_1$" in _texts(figures["permutation_importance"])


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.filterwarnings("error")  # such as the one about a character that the font lacks
def test_plots_are_pictures_of_a_size_that_a_page_can_show(classes: int, tmp_path: Any) -> None:
    for name, figure in _figures(classes).items():
        (tmp_path / name).write_bytes(png(figure))
        with Image.open(tmp_path / name) as picture:
            assert max(picture.size) <= 2_000, name


def test_many_classes_show_the_worst() -> None:
    figures = _figures(50)
    assert len([axes for axes in figures["roc_curve"].axes if axes.get_visible()]) == 12
    assert any("the 12 worst of 50 classes" in text for text in _texts(figures["roc_curve"]))
    cells = figures["confusion_matrix"].axes[0]
    assert len(cells.get_xticklabels()) == len(cells.get_yticklabels()) == 50


def test_shown_names_are_short_and_differ() -> None:
    found = shown_names(NAMES)
    assert len(set(found)) == len(NAMES)
    assert max(map(len, found)) <= LONGEST_NAME + 3
    assert found[:3] == ["$a_b$", "naïve — café", f"2 {NO_GLYPH * 2}"]
    assert found[6] == "two lines"
