"""A bar shows a value beside its limit, and never the wrong side of it, whatever the two are."""

import math

import pytest

from driftgate.bars import LIMIT_AT, MARK, Bar, Side, bar_of
from driftgate.markup import BAR_WIDTH, bar_picture

DRAWN: dict[str, tuple[object, object, Side, float, Side]] = {
    "half of a ceiling": (0.05, 0.1, "ceiling", 0.5, "ceiling"),
    "over a ceiling": (0.3, 0.1, "ceiling", 3.0, "ceiling"),
    "below a floor": (0.35, 0.7, "floor", 0.5, "floor"),
    "above a floor": (0.84, 0.7, "floor", 1.2, "floor"),
    "negative value of a floor": (-0.2, 0.7, "floor", 0.0, "floor"),
    "negative value of a ceiling": (-0.2, 0.1, "ceiling", 0.0, "ceiling"),
    "nothing wrong where nothing may be": (0, 0, "ceiling", 0.0, "ceiling"),
    "one wrong where nothing may be": (1, 0, "ceiling", math.inf, "ceiling"),
    "a gain where nothing may be lost": (0.01, 0.0, "floor", 0.0, "ceiling"),
    "a loss where nothing may be lost": (-0.01, 0.0, "floor", math.inf, "ceiling"),
    "a part of what may be lost": (-0.002, -0.005, "floor", 0.4, "ceiling"),
    "more than may be lost": (-0.01, -0.005, "floor", 2.0, "ceiling"),
    "a gain where some may be lost": (0.01, -0.005, "floor", 0.0, "ceiling"),
    "below a negative ceiling": (-2.0, -1.0, "ceiling", 0.0, "ceiling"),
    "above a negative ceiling": (-0.5, -1.0, "ceiling", math.inf, "ceiling"),
    "infinite": (math.inf, 0.1, "ceiling", math.inf, "ceiling"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_value_is_a_fraction_of_its_limit(name: str) -> None:
    observed, limit, side, fraction, drawn_side = DRAWN[name]
    bar = bar_of(observed, limit, side=side)
    assert bar is not None
    assert (bar.fraction, bar.side) == (pytest.approx(fraction), drawn_side)


@pytest.mark.parametrize(
    ("observed", "limit"),
    [(None, 1), (1, None), ("3", 1), (1, "5 to 9"), (math.nan, 1), (1, math.nan), (1, math.inf), (True, 1)],
)
def test_what_is_no_number_has_no_bar(observed: object, limit: object) -> None:
    assert bar_of(observed, limit, side="ceiling") is None


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.0, "░░░░░░░░│░░░"), (0.001, "█░░░░░░░│░░░"), (0.5, "████░░░░│░░░"), (0.999, "███████░│░░░"),
        (1.0, "████████│░░░"), (1.001, "████████│█░░"), (1.3, "████████│███"), (1e9, "████████│███"),
        (math.inf, "████████│███"),
    ],
)  # fmt: skip
def test_characters_never_show_the_wrong_side(fraction: float, text: str) -> None:
    bar = Bar(fraction=fraction, side="ceiling")
    assert bar.text == text
    assert ("█" in bar.text.split(MARK)[1]) is (fraction > 1)


@pytest.mark.parametrize("side", ["ceiling", "floor"])
@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0, 7.0, math.inf])
def test_the_picture_stays_within_its_width(fraction: float, side: Side) -> None:
    bar = Bar(fraction=fraction, side=side)
    assert 0 <= bar.length <= 1
    assert (bar.length > LIMIT_AT) is (fraction > 1)
    picture = bar_picture(bar, "pass")
    assert f"<svg width={BAR_WIDTH} " in picture
    assert "inf" not in picture
    assert "nan" not in picture


def test_no_bar_is_no_picture() -> None:
    assert bar_picture(None, "pass") == ""
