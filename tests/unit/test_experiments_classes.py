"""Experiments of versions with three classes or more, and of versions whose classes differ."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.contract import Column
from driftgate.errors import DriftgateError
from driftgate.evidence.reproduction import compare
from driftgate.evidence.retraining import TrainedAgain
from driftgate.production import experiments
from driftgate.production.move import Production
from driftgate.production.prediction_log import LABELS, PREDICTIONS, SHADOW, SegmentWriter
from driftgate.production.record import append
from driftgate.production.release import Release
from driftgate.production.sequential import confidence_sequence, paired_gains, split_bound, split_gains, squared_errors
from driftgate.workspace import Workspace
from tests.unit.classes import NUMBER, THREE, drawn
from tests.unit.moves import entry, move

COLUMNS: dict[str, Column] = {"x": NUMBER}
FOUR = (THREE[2], THREE[0], "new", THREE[1])


@pytest.fixture
def production(tmp_path: Path) -> Production:
    return Production("rules", workspace=Workspace(tmp_path / "home"))


def contest(
    production: Production, folder: Path, champion: tuple[str, ...], challenger: tuple[str, ...]
) -> list[Release]:
    releases = [
        drawn(folder / version, COLUMNS, classes, version=version, rows=64)
        for version, classes in (("1", champion), ("2", challenger))
    ]
    move(production, releases[0])
    append(production.record_path, entry(releases[1], "staged"))
    return releases


def begin(production: Production, *, share: float | None) -> experiments.Planned:
    with production.exclusive():
        planned = experiments.plan(production, "2", share=share)
        experiments.begin(production, planned, who="somebody", reason="why")
        return planned


def play(
    production: Production, log: Path, *, share: float | None, rows: int, better: bool, labels: tuple[str, ...] = THREE,
    classes: tuple[tuple[str, ...], tuple[str, ...]] = (THREE, THREE), seed: int = 0,
) -> None:  # fmt: skip
    """Requests, answers and labels as a service would have written them. One version knows the truth, the other nothing."""
    draw = np.random.default_rng(seed)
    truths = draw.dirichlet(np.full(len(labels), 0.5), rows)
    true_codes = (draw.random((rows, 1)) < truths.cumsum(axis=1)).argmax(axis=1)
    started = production.record()[-1].at + experiments.GRACE
    writers = {kind: SegmentWriter(log, kind) for kind in (PREDICTIONS, SHADOW, LABELS)}
    for at in range(rows):
        now = int(started.timestamp() * 1000) + 1 + at
        truth, label = dict(zip(labels, truths[at], strict=True)), labels[true_codes[at]]
        said = []
        for knows, names in zip((not better, better), classes, strict=True):
            known = np.array([truth.get(name, 0) if knows else 1.0 for name in names])
            said.append((known / known.sum()).tolist())
        common = {
            "at": now, "request": f"{now:011x}-{at:016x}", "model": "rules", "columns": {"x": [0.0]},
            "peer": f"peer {draw.integers(50)}",
        }  # fmt: skip

        def line(version: int, arm: str, common: dict[str, object] = common, said: list[list[float]] = said) -> bytes:
            found = {**common, "version": str(version), "arm": arm, "probability": [said[version - 1]]}
            names = classes[version - 1]
            binary = len(names) == 2
            found |= {"probability": [said[version - 1][1]]} if binary else {"classes": list(names)}
            return json.dumps(found).encode()

        tried = share is not None and draw.random() < share
        writers[PREDICTIONS].append(line(2, "challenger") if tried else line(1, "champion"))
        if share is None:
            writers[SHADOW].append(line(2, "shadow"))
        told = {"at": now + 1, "prediction_id": f"{common['request']}-0", "label": label}
        writers[LABELS].append(json.dumps(told).encode())
    for writer in writers.values():
        writer.close()


@pytest.mark.parametrize("share", [None, 0.3])
@pytest.mark.parametrize("better", [True, False])
def test_the_labels_decide_for_three_classes(
    better: bool, share: float | None, production: Production, tmp_path: Path
) -> None:
    contest(production, tmp_path, THREE, THREE)
    begin(production, share=share)
    play(production, tmp_path / "log", share=share, rows=1200, better=better)
    found = experiments.standing(production, tmp_path / "log")
    assert found.gain.labels == 1200
    assert found.decision == ("better" if better else "worse")
    one, other = found.arms["champion"], found.arms["challenger"]
    assert None not in (one.brier, other.brier, one.accuracy, other.accuracy)
    assert (other.brier < one.brier) == (other.accuracy > one.accuracy) == better  # type: ignore[operator]
    assert one.labels + other.labels == (2400 if share is None else 1200)
    if share is None:
        assert found.gain.mean == pytest.approx(one.brier - other.brier)  # type: ignore[operator]


def test_a_challenger_with_a_class_more_is_compared_in_shadow(production: Production, tmp_path: Path) -> None:
    """Classes are joined by name: the new class is in another place, and the champion gives it no probability."""
    contest(production, tmp_path, THREE, FOUR)
    with pytest.raises(DriftgateError, match="2 has 4 classes and 1 has 3"):
        experiments.plan(production, "2", share=0.5)
    begin(production, share=None)
    play(production, tmp_path / "log", share=None, rows=1500, better=True, labels=FOUR, classes=(THREE, FOUR))
    found = experiments.standing(production, tmp_path / "log")
    assert (found.gain.labels, found.decision) == (1500, "better")


def test_a_third_class_is_compared_with_two(production: Production, tmp_path: Path) -> None:
    contest(production, tmp_path, THREE[:2], THREE)
    begin(production, share=None)
    play(production, tmp_path / "log", share=None, rows=1500, better=True, classes=(THREE[:2], THREE))
    assert experiments.standing(production, tmp_path / "log").decision == "better"


def test_classes_in_another_order_are_the_same_classes(production: Production, tmp_path: Path) -> None:
    contest(production, tmp_path, THREE, THREE[::-1])
    begin(production, share=0.5)
    play(production, tmp_path / "log", share=0.5, rows=1500, better=True, classes=(THREE, THREE[::-1]))
    assert experiments.standing(production, tmp_path / "log").decision == "better"


@pytest.mark.parametrize("share", [None, 0.5])
def test_renamed_classes_are_refused(share: float | None, production: Production, tmp_path: Path) -> None:
    contest(production, tmp_path, ("no", "yes"), ("negative", "positive"))
    with pytest.raises(DriftgateError, match="no label fits both"):
        experiments.plan(production, "2", share=share)


def test_lines_with_other_classes_than_the_release_do_not_count(production: Production, tmp_path: Path) -> None:
    contest(production, tmp_path, THREE, THREE)
    begin(production, share=None)
    play(production, tmp_path / "log", share=None, rows=50, better=True, classes=(FOUR, THREE))
    assert experiments.standing(production, tmp_path / "log").gain.labels == 0


def test_the_labels_needed_are_simulated_for_three_classes(
    production: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments, "GAINS", (0.1, 0.2))
    monkeypatch.setattr(experiments, "MOST_LABELS", 2000)
    contest(production, tmp_path, THREE, THREE)
    planned = begin(production, share=None)
    needed = experiments.power_analysis(planned.champion, planned.tried, share=None)
    numbers = [number for number in needed.values() if number is not None]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers


SIMPLEX = st.lists(st.floats(0, 1), min_size=3, max_size=50).filter(any).map(lambda p: np.array(p) / sum(p))


@given(probability=SIMPLEX, label=st.integers(-1, 49))
def test_scores_are_bounded_whatever_the_label(probability: np.ndarray, label: int) -> None:
    label = min(label, len(probability) - 1)
    (found,) = squared_errors(probability[None], np.array([label]))
    assert 0 <= found <= 1
    one_hot = np.eye(len(probability))[label] if label >= 0 else np.zeros(len(probability))
    assert found == pytest.approx(min(1, (((probability - one_hot) ** 2).sum() + (label < 0)) / 2))


@given(p=st.floats(0, 1), label=st.integers(0, 1))
def test_the_score_of_two_classes_is_the_squared_error(p: float, label: int) -> None:
    of_both = squared_errors(np.array([[1 - p, p]]), np.array([label]))
    assert of_both == pytest.approx(squared_errors(np.array([p]), np.array([label])))


def test_the_score_is_proper() -> None:
    """The expected score is best for the true probabilities, of every kind of error."""
    draw = np.random.default_rng(0)
    for truth in draw.dirichlet(np.ones(4), 50):

        def expected(said: np.ndarray, truth: np.ndarray = truth) -> float:
            return float(truth @ squared_errors(np.tile(said, (4, 1)), np.arange(4)))

        assert all(expected(truth) <= expected(other) + 1e-12 for other in draw.dirichlet(np.ones(4), 50))


@pytest.mark.parametrize("share", [None, 0.3])
def test_equal_versions_are_decided_in_few_experiments(share: float | None) -> None:
    """The interval is valid at all times at once: at most 5 % of experiments without a difference ever exclude 0."""
    draw, wrong = np.random.default_rng(1), 0
    for _ in range(200):
        truth = draw.dirichlet(np.ones(3), 1000)
        labels = (draw.random((1000, 1)) < truth.cumsum(axis=1)).argmax(axis=1)
        one, other = truth[:, [2, 0, 1]], truth[:, [1, 2, 0]]  # as wrong as each other
        if share is None:
            values, bound = paired_gains(one, other, labels), 1.0
        else:
            challenged, bound = draw.random(1000) < share, split_bound(share)
            losses = np.where(challenged, squared_errors(other, labels), squared_errors(one, labels))
            values = split_gains(losses, challenged, share=share)
        low, high = confidence_sequence(values, bound=bound, alpha=experiments.ALPHA)
        wrong += bool((low > 0).any() or (high < 0).any())
    assert wrong <= 200 * experiments.ALPHA


def test_a_reproduced_model_is_compared_class_by_class(tmp_path: Path) -> None:
    release = drawn(tmp_path / "1", COLUMNS, THREE)

    def again(**changes: object) -> TrainedAgain:
        folder = tmp_path / f"new {len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "golden.json").write_text(json.dumps({**release.golden.model_dump(), **changes}))
        (folder / "model.onnx").write_bytes(release.model)
        return TrainedAgain(release=str(folder), checks=())

    assert all(check.passed for check in compare(release, again()))
    other = release.golden.model_dump()["probability"]
    other[3][1] += 2**-20
    found = compare(release, again(probability=other))[0]
    assert (found.observed, found.passed) == (1, False)
    assert "rows 3; by up to 9.5e-07, in row 3" in found.why
    fewer = [row[:2] for row in release.golden.model_dump()["probability"]]
    assert "by up to inf" in compare(release, again(probability=fewer))[0].why
