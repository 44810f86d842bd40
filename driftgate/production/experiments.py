"""Experiments: a challenger next to the champion in production, and the comparison of both from labels."""

from __future__ import annotations

import datetime as dt
import math
import secrets
from collections import abc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from driftgate.errors import DriftgateError
from driftgate.production.arm_scores import ArmScore, Rivals
from driftgate.production.channel import Challenger, Channel, release_in
from driftgate.production.draws import answered, by_arm, first_of_draws, observed_share, read_kind
from driftgate.production.move import Follow, Production
from driftgate.production.prediction_log import SHADOW
from driftgate.production.record import Entry, Event, staged
from driftgate.production.release import Card, Release
from driftgate.production.sequential import (
    Sequence,
    counted,
    labels_needed,
    paired_gains,
    split_bound,
    split_gains,
    squared_errors,
    summarize,
    widest,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ALPHA = 0.05
GAINS = (0.005, 0.01, 0.02)  # differences in the mean Brier score for the power analysis
MOST_LABELS = 100_000
GRACE = dt.timedelta(seconds=5)  # until every service has loaded the experiment
CALLER_SHARE = 0.2  # default of the largest share of the counted labels from one network address
UNKNOWN = "unknown"  # the address in log lines of older services, which didn't log it


class ExperimentStatus(BaseModel):
    """The state of an experiment.

    `requests` and `draws` are counted by arm; a draw is a caller with a key, or a request without one. `observed_share` is
    the share of draws assigned to the challenger, with its 95 % interval; `fair` is true if it is consistent with the
    configured share. `gain` is how much smaller the challenger's mean Brier score is, with an interval that is valid at
    all times at once; `arms` has the scores of each arm. In a split, all rows of a draw are in the same arm, so only the first label of each draw counts;
    `labelled` is how many rows have a label.

    A client can send many requests, and if the labels have no token of their own, it can label the answers too. So no
    network address may have more than `caller_share` of the counted labels; `left_out` is how many were left out for that
    reason. The counted labels came from `addresses` addresses; `largest_share` is the largest share of one of them. The
    interval of `gain` covers the intervals without any one of the largest addresses, so the decision doesn't depend on one
    caller.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    champion: str
    challenger: str
    mode: str
    share: float | None
    since: dt.datetime
    requests: dict[str, int]
    draws: dict[str, int]
    labelled: int
    observed_share: float | None
    share_low: float | None
    share_high: float | None
    fair: bool
    caller_share: float
    addresses: int
    left_out: int
    largest_share: float | None
    gain: Sequence
    arms: dict[str, ArmScore]

    @property
    def decision(self) -> str:
        """`better`, `worse` or `undecided`; `unfair` if the observed share differs from the configured one."""
        return self.gain.decision if self.fair else "unfair"


class Planned(NamedTuple):
    """An experiment that can start: the challenger for the channel, and both releases, verified."""

    challenger: Challenger
    serving: Channel
    champion: Release
    tried: Release


def plan(
    production: Production, challenger: str, *, share: float | None, budget_ms: float = 100.0, canary: bool = False
) -> Planned:
    """Check whether a version can be tested next to the champion, and plan the experiment.

    Args:
        production: The problem's production.
        challenger: Version of the challenger; it must have passed its proof on staging.
        share: Share of requests that it answers, between 0 and 1; None: shadow mode.
        budget_ms: Time limit for its answer to one row, in milliseconds.
        canary: Whether the experiment is part of a deployment.

    Raises:
        DriftgateError: If nothing is in production, the version is already in production or has no proof, its columns
            or classes differ from the champion's, or another experiment is running.
    """
    serving = production.serving()
    if serving is None:
        raise DriftgateError(f"No version of {production.name} is in production.", "Deploy a champion first.")
    if serving.challenger is not None:
        raise DriftgateError(
            f"An experiment with {production.name} {serving.challenger.version} is already running.",
            "Stop it: `run.py experiment stop`.",
        )
    proof = staged(production.record(), challenger)
    if proof is None or proof.event == "refused":
        raise DriftgateError(
            f"{production.name} {challenger} has not passed a proof on staging.",
            f"Deploy it to staging: `run.py deploy --version {challenger}`.",
        )
    if challenger == serving.version:
        raise DriftgateError(f"{production.name} {challenger} is the champion.", "Name another version.")
    found = Challenger(
        id=secrets.token_hex(6), version=challenger, release=proof.release, manifest_sha256=proof.manifest_sha256,
        share=share, budget_ms=budget_ms, canary=canary,
    )  # fmt: skip
    champion = release_in(serving, production.channel)
    tried = release_in(Channel.named(production.name, found), production.channel)
    if tried.contract != champion.contract:
        raise DriftgateError(
            f"{production.name} {challenger} has other columns than {serving.version}.", "Deploy it instead."
        )
    _require_comparable(champion.card, tried.card, answers=share is not None)
    return Planned(found, serving, champion, tried)


def _require_comparable(champion: Card, challenger: Card, *, answers: bool) -> None:
    """Raise a DriftgateError if the classes of the versions don't fit an experiment.

    A challenger that answers requests must have the same classes, so that callers get no others. In shadow mode, one
    version may have more classes than the other.
    """
    ours, theirs = set(champion.classes), set(challenger.classes)
    if ours == theirs or (not answers and (ours < theirs or theirs < ours)):
        return
    named = f"{challenger.name} {challenger.version}"
    if ours < theirs or theirs < ours:
        raise DriftgateError(
            f"{named} has {len(theirs)} classes and {champion.version} has {len(ours)}, so callers would get other classes.",
            "Compare them in shadow mode (--shadow), or deploy it without an experiment.",
        )
    raise DriftgateError(
        f"{named} has other classes than {champion.version}, so no label fits both.", "Deploy it without an experiment."
    )


def begin(
    production: Production, planned: Planned, *, who: str, reason: str, follow: abc.Sequence[Follow] = ()
) -> None:
    """Start an experiment, atomically. The caller must hold the lock (`Production.exclusive`).

    Args:
        production: The problem's production.
        planned: The result of `plan`; nothing may have changed since.
        who: The user who starts it.
        reason: The reason for the record.
        follow: See `Production.change`.
    """
    _change(production, planned.serving, planned.challenger, event="challenged", who=who, reason=reason, follow=follow)


def widen(production: Production, planned: Planned, *, share: float, who: str, reason: str) -> None:
    """Give the challenger of a canary its next share, atomically. The caller must hold the lock."""
    challenger = planned.challenger.model_copy(update={"share": share})
    _change(production, planned.serving, challenger, event="stepped", who=who, reason=reason)


def end_cut_off_canary(production: Production, *, follow: abc.Sequence[Follow] = ()) -> Challenger | None:
    """End a canary whose process has ended. The caller must hold the lock, so no other process watches the canary.

    Returns:
        The challenger of the canary; None if there was none.
    """
    serving = production.serving()
    left = serving.challenger if serving else None
    if left is None or not left.canary:
        return None
    return stop(production, who="driftgate", reason="its canary was interrupted", follow=follow)


def stop(production: Production, *, who: str, reason: str, follow: abc.Sequence[Follow] = ()) -> Challenger:
    """End the experiment, atomically. The caller must hold the lock.

    Raises:
        DriftgateError: If there is none.
    """
    serving, tried = running(production)
    _change(production, serving, None, event="unchallenged", who=who, reason=reason, follow=follow)
    return tried


def stop_if_running(production: Production, challenger: Challenger, *, who: str, reason: str) -> None:
    """End an experiment or canary if it is running. The caller must hold the lock."""
    serving = production.serving()
    if serving and serving.challenger and serving.challenger.id == challenger.id:
        stop(production, who=who, reason=reason)


def _change(
    production: Production, serving: Channel, challenger: Challenger | None, *, event: Event, who: str, reason: str,
    follow: abc.Sequence[Follow] = (),
) -> None:  # fmt: skip
    """Replace or remove the challenger next to the champion."""
    tried = challenger or serving.challenger
    assert tried is not None
    entry = Entry(
        event=event, version=tried.version, previous=serving.version, who=who, reason=reason, verdict=None,
        release=tried.release, manifest_sha256=tried.manifest_sha256, challenger=challenger,
    )  # fmt: skip
    production.change(serving.model_copy(update={"challenger": challenger}), entry, follow=follow)


def running(production: Production) -> tuple[Channel, Challenger]:
    """The channel of production and its experiment.

    Raises:
        DriftgateError: If there is none.
    """
    serving = production.serving()
    if serving is None or serving.challenger is None:
        raise DriftgateError(f"No experiment of {production.name} is running.", "Start one: `run.py experiment start`.")
    return serving, serving.challenger


def winner(production: Production, standing: ExperimentStatus) -> Release:
    """The release of the challenger, if the experiment decided that it is better.

    Raises:
        DriftgateError: If it didn't.
    """
    if standing.decision != "better":
        gain = standing.gain
        raise DriftgateError(
            f"The experiment is {standing.decision}: the gain is between {gain.low:+.4f} and {gain.high:+.4f} after "
            f"{gain.labels:,} labels.",
            "Wait for more labels, or deploy the version with an approval: `run.py deploy`.",
        )
    _, tried = running(production)
    return release_in(Channel.named(production.name, tried), production.channel)


def standing(production: Production, log: Path, *, caller_share: float = CALLER_SHARE) -> ExperimentStatus:
    """The state of the experiment from the labels so far. It may be computed at any time and as often as needed.

    Args:
        production: The problem's production.
        log: Folder of the prediction log.
        caller_share: Largest share of the counted labels from one network address. Choose it before the experiment starts:
            the interval isn't valid if you choose it after you have seen several.

    Raises:
        DriftgateError: If no experiment is running, or there is no log.
    """
    serving, tried = running(production)
    since = _start_of(production, tried).at + GRACE
    releases = (serving, Channel.named(production.name, tried))
    rivals = Rivals(*(release_in(channel, production.channel).card for channel in releases))
    rows = answered(log, since=since, name=production.name)
    common = {
        "id": tried.id, "champion": serving.version, "challenger": tried.version, "share": tried.share, "since": since,
    }  # fmt: skip
    if tried.share is None:
        predicted_by_both = rivals.in_shadow(rows, read_kind(log, since=since, kind=SHADOW))
        labels, labelled = first_of_draws(predicted_by_both)
        requests, draws = ({"champion": int(rows[unit].nunique())} for unit in ("request", "draw"))
        return ExperimentStatus(
            mode="shadow", requests=requests, draws=draws, labelled=labelled, **observed_share({}, 0),
            **_gain(labels, rivals.shadow_values, rivals.scores_in_shadow, bound=1.0, caller_share=caller_share),
            **common,
        )  # fmt: skip
    share = tried.share
    rows = rivals.in_split(rows)
    draws = by_arm(rows, "draw")
    labels, labelled = first_of_draws(rows)
    return ExperimentStatus(
        mode="split", requests=by_arm(rows, "request"), draws=draws, labelled=labelled, **observed_share(draws, share),
        **_gain(labels, lambda some: rivals.split_values(some, share), rivals.scores_in_split, bound=split_bound(share),
                caller_share=caller_share),
        **common,
    )  # fmt: skip


def _start_of(production: Production, tried: Challenger) -> Entry:
    """The entry that started the experiment.

    Raises:
        DriftgateError: If the record has none; then it is unknown which labels count.
    """
    for entry in reversed(production.record()):
        recorded = entry.challenger.id if entry.challenger else tried.id
        if entry.event == "challenged" and (entry.version, recorded) == (tried.version, tried.id):
            return entry
    raise DriftgateError(
        f"{production.name} {tried.version} is a challenger in production, but the record has no start of this experiment.",
        "End it with `run.py experiment stop`, then start it again.",
    )


def power_analysis(champion: Release, challenger: Release, *, share: float | None) -> dict[str, int | None]:
    """How many labels are needed to detect each of `GAINS`, simulated with both models on the champion's golden rows.

    Labels are drawn from the champion's probabilities, as if it were perfectly calibrated.
    """
    import numpy as np

    draw, rows = np.random.default_rng(0), champion.golden.rows
    rivals = Rivals(champion.card, challenger.card)
    one, other = (
        rivals.align(release.scorer().probability_of_rows(rows).astype(float), release.card)
        for release in (champion, challenger)
    )
    at = draw.integers(0, len(rows), 20_000)
    drawn = draw.random(len(at))
    labels = (drawn < one[at]).astype(float) if rivals.same_two else _classes_of(drawn, one[at])
    if share is None:
        values, bound = paired_gains(one[at], other[at], labels), 1.0
    else:
        challenged, bound = draw.random(len(at)) < share, split_bound(share)
        losses = np.where(challenged, *(squared_errors(found[at], labels) for found in (other, one)))
        values = split_gains(losses, challenged, share=share)
    return {str(gain): labels_needed(gain, values, bound=bound, alpha=ALPHA, most=MOST_LABELS) for gain in GAINS}


def _classes_of(drawn: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """The code of a class for each row, drawn with its probabilities from numbers between 0 and 1."""
    total = probability.cumsum(axis=1)
    codes: np.ndarray = (drawn[:, None] * total[:, -1:] < total).argmax(axis=1)
    return codes


def _gain(
    labels: pd.DataFrame,
    values: Callable[[pd.DataFrame], np.ndarray],
    scores: Callable[[pd.DataFrame], dict[str, ArmScore]],
    *,
    bound: float,
    caller_share: float,
) -> dict[str, Any]:
    """The gain from the counted labels, and the effect of the limit on one caller's share.

    Args:
        labels: The first label of each draw, in order of arrival.
        values: Computes the values of the confidence sequence from some of these labels.
        scores: Computes the scores of the arms from some of these labels.
        bound: Bound of the absolute values.
        caller_share: Largest share of one network address; 1: no limit.
    """
    peers = labels["peer"].fillna(UNKNOWN)
    counts = counted(peers, share=caller_share)
    labels, peers = labels[counts], peers[counts]
    number = peers.value_counts()
    # At most this many addresses can reach the limit. Without one of them, all values are computed again, because each
    # value depends on those before it.
    heaviest: list[str] = number.index[: math.ceil(1 / caller_share)].tolist() if caller_share < 1 else []
    parts = [labels, *(labels[peers != peer] for peer in heaviest)]
    return {
        "gain": widest(summarize(values(part), bound=bound, alpha=ALPHA) for part in parts),
        "arms": scores(labels),
        "caller_share": caller_share,
        "addresses": len(number),
        "left_out": int((~counts).sum()),
        "largest_share": float(number.iloc[0] / len(labels)) if len(labels) else None,
    }
