"""Experiments: started on a proved version alone, judged by the labels, promoted only when they say so."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.output.experiment import print_experiment
from driftgate.errors import DriftgateError
from driftgate.production import experiments
from driftgate.production.channel import Channel
from driftgate.production.move import Production
from driftgate.production.prediction_log import LABELS, PREDICTIONS, SHADOW, SegmentWriter
from driftgate.production.record import Entry, append
from driftgate.production.release import Release
from driftgate.production.sequential import FREE
from driftgate.results.experiment import ExperimentProgress, ExperimentResult
from driftgate.workspace import Workspace
from tests.unit.moves import entry, move


def begin(contested: Production, **more: Any) -> dict[str, int | None]:
    told = {"share": None, "who": "somebody", "reason": "why", **more}
    who, reason = told.pop("who"), told.pop("reason")
    with contested.exclusive():
        planned = experiments.plan(contested, "2", **told)
        experiments.begin(contested, planned, who=who, reason=reason)
        return experiments.power_analysis(planned.champion, planned.tried, share=told["share"])


PEERS = 50


def play(
    folder: Path, contested: Production, *, rows: int, better: bool | None, share: float | None, seed: int = 0,
    each: int = 1, peers: int = PEERS, cheats: float = 0,
) -> None:  # fmt: skip
    """Requests, answers and labels after the start, as a service would have written them; `each` of a caller in turn.

    They come from some network addresses. A share of them comes from one more, which labels as the challenger would like
    it. With `better=None`, both versions predict alike.
    """
    draw = np.random.default_rng(seed)
    started = contested.record()[-1].at + experiments.GRACE
    truth = draw.beta(2, 3, rows)
    labels = draw.random(rows) < truth
    dull = np.full(rows, 0.4)
    one, other = (dull, truth) if better else (truth, dull) if better is False else (truth, truth)
    writers = {kind: SegmentWriter(folder, kind) for kind in (PREDICTIONS, SHADOW, LABELS)}
    for at in range(rows):
        now = int(started.timestamp() * 1000) + 1 + at
        common = {"at": now, "request": f"{now:011x}-{at:016x}", "model": "rules", "columns": {"f1": [0.0]}}
        if at % each == 0:
            tried = share is not None and draw.random() < share
        if each > 1:
            common["caller"] = f"caller {at // each}"
        cheat = draw.random() < cheats
        if peers or cheat:
            common["peer"] = "cheat" if cheat else f"peer {draw.integers(peers)}"
        arm, version, value = ("challenger", "2", other[at]) if tried else ("champion", "1", one[at])
        line = {**common, "arm": arm, "version": version, "probability": [value]}
        writers[PREDICTIONS].append(json.dumps(line).encode())
        if share is None:
            line = {**common, "arm": "shadow", "version": "2", "probability": [other[at]]}
            writers[SHADOW].append(json.dumps(line).encode())
        holds = labels[at]
        if cheat:  # right where the challenger answered, wrong where the champion did; in the shadow, whatever suits it
            holds = (value > 0.5) == tried if share is not None else other[at] > one[at]
        told = {"at": now + 1, "prediction_id": f"{common['request']}-0", "label": "holds" if holds else "fails"}
        writers[LABELS].append(json.dumps(told).encode())
    for writer in writers.values():
        writer.close()


@pytest.mark.parametrize("share", [None, 0.3])
@pytest.mark.parametrize("better", [True, False])
def test_the_labels_decide(better: bool, share: float | None, contested: Production, tmp_path: Path) -> None:
    begin(contested, share=share)
    # Rows are dated up to some seconds from now: the log's reader goes by its files' times.
    play(tmp_path / "log", contested, rows=6000, better=better, share=share)
    found = experiments.standing(contested, tmp_path / "log")
    assert (found.gain.labels, found.left_out) == (6000, 0)
    assert found.decision == ("better" if better else "worse")
    if share is not None:
        assert found.share_low is not None
        assert found.share_high is not None
        assert found.share_low <= share <= found.share_high
        assert found.fair
    if better:
        assert experiments.winner(contested, found).card.version == "2"
    else:
        with pytest.raises(DriftgateError, match="is worse"):
            experiments.winner(contested, found)


@pytest.mark.parametrize("share", [None, 0.5])
@pytest.mark.parametrize("cheats", [1.0, 0.9, 0.5, 0.2])
def test_one_caller_that_labels_its_own_requests_decides_nothing(
    cheats: float, share: float | None, contested: Production, tmp_path: Path
) -> None:
    """Neither alone, nor beside honest callers for whom both versions are alike."""
    begin(contested, share=share)
    play(tmp_path / "log", contested, rows=2000, better=None if share else False, share=share, cheats=cheats)
    found = experiments.standing(contested, tmp_path / "log")
    assert found.decision != "better"
    assert found.addresses == (1 if cheats == 1 else PEERS + 1)
    assert found.largest_share is not None
    if cheats == 1:
        assert (found.gain.labels, found.left_out) == (FREE, 2000 - FREE)
    else:
        assert found.largest_share <= experiments.CALLER_SHARE + FREE / found.gain.labels
    if share:
        believed = experiments.standing(contested, tmp_path / "log", caller_share=1)
        assert (believed.decision, believed.left_out) == ("better", 0)  # what the cap is for


def test_the_cap_is_told(contested: Production, tmp_path: Path) -> None:
    begin(contested)
    play(tmp_path / "log", contested, rows=100, better=True, share=None, cheats=1)

    def told(**settings: Any) -> str:
        found, out = experiments.standing(contested, tmp_path / "log", **settings), io.StringIO()
        result = ExperimentResult(
            problem="rules", verdict="none", checks=(), action="status", version="1", previous=None, champion="1",
            challenger="2", mode="shadow", share=None, standing=ExperimentProgress.model_validate(found), seconds=1.0,
        )  # fmt: skip
        print_experiment(result, out)
        return out.getvalue()

    assert f"without {100 - FREE} over the limit for one address; 100 in all" in told()
    assert (
        "1 network address, the largest with 100% of the labels; one address counts for at most 20% or ten labels"
        in told()
    )
    assert "no limit for one address" in told(caller_share=1)
    assert FREE == 10  # as the text says


def test_lines_without_an_address_count_as_of_one(contested: Production, tmp_path: Path) -> None:
    begin(contested)
    play(tmp_path / "log", contested, rows=500, better=True, share=None, peers=0)
    found = experiments.standing(contested, tmp_path / "log")
    assert (found.addresses, found.gain.labels, found.decision) == (1, FREE, "undecided")
    assert experiments.standing(contested, tmp_path / "log", caller_share=1).decision == "better"


def test_a_caller_counts_once_however_often_it_asks(contested: Production, tmp_path: Path) -> None:
    """Its requests share one draw: their number says nothing of the share, nor of the gain."""
    begin(contested, share=0.3)
    play(tmp_path / "log", contested, rows=3000, better=True, share=0.3, each=100)
    found = experiments.standing(contested, tmp_path / "log")
    assert sum(found.requests.values()) == found.labelled == 3000
    assert sum(found.draws.values()) == found.gain.labels == 30
    assert found.decision == "undecided"
    assert found.fair


def test_rows_of_a_batch_count_once(contested: Production, tmp_path: Path) -> None:
    begin(contested, share=0.5)
    started = contested.record()[-1].at + experiments.GRACE
    now = int(started.timestamp() * 1000) + 1
    answered, told = SegmentWriter(tmp_path / "log", PREDICTIONS), SegmentWriter(tmp_path / "log", LABELS)
    line = {
        "at": now, "request": f"{now:011x}-{0:016x}", "model": "rules", "columns": {"f1": [0.0] * 40},
        "arm": "challenger", "version": "2", "probability": [0.5] * 40,
    }  # fmt: skip
    answered.append(json.dumps(line).encode())
    for row in range(40):
        known = {"at": now + row, "prediction_id": f"{line['request']}-{row}", "label": "holds"}
        told.append(json.dumps(known).encode())
    answered.close()
    told.close()
    found = experiments.standing(contested, tmp_path / "log")
    assert (found.gain.labels, found.labelled, found.requests["challenger"]) == (1, 40, 1)


@pytest.mark.parametrize("each", [1, 100])
def test_in_the_shadow_a_caller_counts_once_too(each: int, contested: Production, tmp_path: Path) -> None:
    begin(contested)
    play(tmp_path / "log", contested, rows=3000, better=True, share=None, each=each)
    found = experiments.standing(contested, tmp_path / "log")
    assert (found.labelled, found.gain.labels, found.draws["champion"]) == (3000, 3000 // each, 3000 // each)
    assert found.decision == ("better" if each == 1 else "undecided")


def test_a_label_that_is_told_again_changes_nothing(contested: Production, tmp_path: Path) -> None:
    """What was looked at already stays as it was, and in its place."""
    begin(contested)
    play(tmp_path / "log", contested, rows=500, better=True, share=None)
    before = experiments.standing(contested, tmp_path / "log").gain
    again = SegmentWriter(tmp_path / "log", LABELS)
    for path in (tmp_path / "log").glob(f"{LABELS}-*"):
        for line in path.read_bytes().splitlines()[:50]:
            told = json.loads(line)
            other = "fails" if told["label"] == "holds" else "holds"
            again.append(json.dumps({**told, "at": told["at"] + 10_000, "label": other}).encode())
    again.close()
    assert experiments.standing(contested, tmp_path / "log").gain == before


def test_a_share_that_is_not_the_one_asked_for_is_no_experiment(contested: Production, tmp_path: Path) -> None:
    begin(contested, share=0.1)
    play(tmp_path / "log", contested, rows=3000, better=True, share=0.3)
    found = experiments.standing(contested, tmp_path / "log")
    assert (found.fair, found.decision) == (False, "unfair")


def test_the_power_analysis_comes_with_the_start(contested: Production) -> None:
    power = begin(contested)
    assert set(power) == {str(gain) for gain in experiments.GAINS}
    needed = [number for number in power.values() if number is not None]
    assert needed == sorted(needed, reverse=True)


def test_only_a_proved_version_beside_a_champion_and_one_at_a_time(
    contested: Production, releases: dict[str, Release], tmp_path: Path
) -> None:
    with pytest.raises(DriftgateError, match="No version of other is in production"):
        experiments.plan(Production("other", workspace=Workspace(tmp_path)), "2", share=None)
    with pytest.raises(DriftgateError, match="has not passed a proof"):
        experiments.plan(contested, "9", share=None)
    append(contested.record_path, entry(releases["1"], "staged"))
    with pytest.raises(DriftgateError, match="is the champion"):
        experiments.plan(contested, "1", share=None)
    begin(contested)
    with pytest.raises(DriftgateError, match="is already running"):
        begin(contested)


def test_stopping_leaves_the_champion_and_a_deployment_ends_it_too(
    contested: Production, releases: dict[str, Release]
) -> None:
    begin(contested, share=0.2)
    with contested.exclusive():
        experiments.stop(contested, who="somebody", reason="enough")
    assert Channel.of(releases["1"]).serves_as(contested.serving())
    with pytest.raises(DriftgateError, match="No experiment"):
        experiments.running(contested)
    events: list[Entry] = contested.record()
    assert [found.event for found in events[-2:]] == ["challenged", "unchallenged"]
    begin(contested, share=0.2)
    move(contested, releases["2"])
    assert Channel.of(releases["2"]).serves_as(contested.serving())
