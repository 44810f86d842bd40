"""The test that may be looked at all the time: it keeps its promise while it is, and finds what it should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.production.sequential import (
    FREE,
    confidence_sequence,
    counted,
    labels_needed,
    paired_gains,
    split_bound,
    split_gains,
    summarize,
    widest,
)
from driftgate.training.metrics import wilson_interval

ALPHA = 0.05


def test_looking_after_every_label_promotes_no_equal_challenger_too_often() -> None:
    """300 experiments without any difference, each looked at 2,000 times: the promise is 5 % ever, both sides together."""
    draw, wrong = np.random.default_rng(0), 0
    for _ in range(300):
        p = draw.beta(2, 3, 2000)
        labels = draw.random(2000) < p
        noise = draw.normal(scale=0.1, size=(2, 2000))
        gains = paired_gains(np.clip(p + noise[0], 0, 1), np.clip(p + noise[1], 0, 1), labels)
        low, high = confidence_sequence(gains, bound=1, alpha=ALPHA)
        wrong += bool((low > 0).any() or (high < 0).any())
    assert wilson_interval(wrong / 300, 300, confidence=0.95)[0] <= ALPHA
    assert wrong <= 0.05 * 300


def test_a_better_challenger_is_found_and_a_worse_one_is_too() -> None:
    draw = np.random.default_rng(1)
    p = draw.beta(2, 3, 20_000)
    labels = draw.random(20_000) < p
    dull = np.full(20_000, 0.4)
    assert summarize(paired_gains(dull, p, labels), bound=1, alpha=ALPHA).decision == "better"
    assert summarize(paired_gains(p, dull, labels), bound=1, alpha=ALPHA).decision == "worse"
    assert summarize(paired_gains(p, p, labels), bound=1, alpha=ALPHA).decision == "undecided"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_split_traffic_measures_the_same_gain(share: float) -> None:
    draw, rows = np.random.default_rng(2), 200_000
    p = draw.beta(2, 3, rows)
    labels = draw.random(rows) < p
    challenged = draw.random(rows) < share
    losses = (np.where(challenged, p, 0.4) - labels) ** 2
    truth = paired_gains(np.full(rows, 0.4), p, labels).mean()
    gains = split_gains(losses, challenged, share=share)
    assert np.abs(gains).max() <= split_bound(share)
    found = summarize(gains, bound=split_bound(share), alpha=ALPHA)
    assert found.low <= truth <= found.high
    assert found.mean == pytest.approx(truth, abs=0.01)
    assert found.decision == "better"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60))
def test_the_interval_only_narrows_and_stays_within_the_bounds(values: list[float]) -> None:
    low, high = confidence_sequence(np.array(values), bound=1, alpha=ALPHA)
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) <= 0).all()
    assert low.min() >= -1
    assert high.max() <= 1


def test_the_power_analysis_says_how_many_labels_it_takes() -> None:
    draw = np.random.default_rng(3)
    needed = labels_needed(0.02, draw.normal(0, 0.2, 20_000), bound=1, alpha=ALPHA, most=50_000)
    assert needed is not None
    hits = [
        confidence_sequence(draw.normal(0.02, 0.2, needed).clip(-1, 1), bound=1, alpha=ALPHA)[0][-1] > 0
        for _ in range(200)
    ]
    low, high = wilson_interval(float(np.mean(hits)), 200, confidence=0.99)
    assert low <= 0.8 <= high + 0.05
    assert labels_needed(0.0001, draw.normal(0, 0.2, 20_000), bound=1, alpha=ALPHA, most=1000) is None


def test_skewed_values_need_the_labels_that_they_need() -> None:
    """A small share weighs few answers much: a normal curve of the same spread would promise too much."""
    draw, bound = np.random.default_rng(5), split_bound(0.1)

    def values(number: int) -> np.ndarray:
        challenged = draw.random(number) < 0.1
        losses = draw.beta(1, 4, number) * np.where(challenged, 0.6, 1.0)
        return split_gains(losses, challenged, share=0.1)

    pilot = values(100_000)
    needed = labels_needed(float(pilot.mean()), pilot, bound=bound, alpha=ALPHA, most=30_000)
    assert needed is not None
    hits = [confidence_sequence(values(needed), bound=bound, alpha=ALPHA)[0][-1] > 0 for _ in range(300)]
    low, high = wilson_interval(float(np.mean(hits)), 300, confidence=0.999)
    assert low <= 0.8 <= high


def test_nothing_yet_says_nothing() -> None:
    found = summarize(np.array([]), bound=1, alpha=ALPHA)
    assert (found.labels, found.low, found.high, found.decision) == (0, -1, 1, "undecided")


@settings(max_examples=100, deadline=None)
@given(callers=st.lists(st.integers(0, 12), max_size=400), share=st.floats(0.05, 1))
def test_no_caller_has_more_than_its_share_of_what_counts(callers: list[int], share: float) -> None:
    counts = counted(callers, share=share)
    kept = [caller for caller, has in zip(callers, counts, strict=True) if has]
    for caller in set(kept):
        assert kept.count(caller) <= max(FREE, share * len(kept))
    if share == 1:
        assert len(kept) == len(callers)


def test_whether_a_value_counts_depends_on_those_before_it_alone() -> None:
    callers = list(np.random.default_rng(3).choice(20, 1000, p=[0.43] + [0.03] * 19))
    whole = counted(callers, share=0.2)
    assert not whole.all()
    for end in (10, 100, 500):
        assert (counted(callers[:end], share=0.2) == whole[:end]).all()


def test_what_counts_in_any_case_is_too_little_to_decide_anything() -> None:
    for bound in (1.0, split_bound(0.5), split_bound(0.1)):
        assert summarize(np.full(FREE, bound), bound=bound, alpha=ALPHA).decision == "undecided"
        assert summarize(np.full(FREE, -bound), bound=bound, alpha=ALPHA).decision == "undecided"


def test_the_cap_promotes_no_equal_challenger_too_often() -> None:
    """As without it: 300 experiments without any difference, some callers with most of the requests, each looked at always."""
    draw, wrong = np.random.default_rng(4), 0
    for _ in range(300):
        callers = draw.zipf(1.6, 2000)
        p = draw.beta(2, 3, 2000)
        labels = draw.random(2000) < p
        noise = draw.normal(scale=0.1, size=(2, 2000))
        gains = paired_gains(np.clip(p + noise[0], 0, 1), np.clip(p + noise[1], 0, 1), labels)
        counts = counted(callers, share=0.2)
        assert not counts.all()
        low, high = confidence_sequence(gains[counts], bound=1, alpha=ALPHA)
        wrong += bool((low > 0).any() or (high < 0).any())
    assert wrong <= ALPHA * 300


def test_the_widest_interval_holds_all_others() -> None:
    draw = np.random.default_rng(5)
    parts = [summarize(draw.uniform(-1, 1, 200) + shift, bound=2, alpha=ALPHA) for shift in (0.0, 0.9, -0.9)]
    found = widest(parts)
    assert (found.labels, found.mean) == (parts[0].labels, parts[0].mean)
    assert all(found.low <= part.low and part.high <= found.high for part in parts)
    assert found.decision == "undecided"
