"""Experiments: a challenger beside the champion in production, and what the labels that came back say of it."""

from __future__ import annotations

import datetime as dt
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from driftgate.channel import Challenger, Channel, release_in, write_channel
from driftgate.errors import DriftgateError
from driftgate.production import Production
from driftgate.record import Entry, append, staged
from driftgate.release import Release
from driftgate.sequential import Sequence, labels_needed, paired_gains, split_bound, split_gains, summarize

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ALPHA = 0.05
GAINS = (0.005, 0.01, 0.02)  # differences in mean squared error that the power analysis is made for
MOST_LABELS = 100_000
GRACE = dt.timedelta(seconds=5)  # until every service has taken the experiment over
UNFAIR = 0.001  # p-value under which the observed share is not the one that was asked for


class Standing(BaseModel):
    """Where an experiment stands.

    `requests` are counted by arm. `observed_share` of the challenger comes with its 95 % interval; `fair` says that it
    can be the one that was asked for. `gain` is by how much the challenger's mean squared error is smaller, with an
    interval that holds at all times at once.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    champion: str
    challenger: str
    mode: str
    share: float | None
    since: dt.datetime
    requests: dict[str, int]
    observed_share: float | None
    share_low: float | None
    share_high: float | None
    fair: bool
    gain: Sequence

    @property
    def decision(self) -> str:
        """`better`, `worse`, `undecided`; `unfair` where the assignment isn't what it should be."""
        return self.gain.decision if self.fair else "unfair"


def start(
    production: Production, challenger: str, *, share: float | None, who: str, reason: str
) -> tuple[Challenger, dict[str, int | None]]:
    """Try a version beside the champion, as of `begin`.

    Returns:
        The experiment, and how many labels it takes to find each of `GAINS` with a power of 80 %.
    """
    plan = begin(production, challenger, share=share, who=who, reason=reason)
    serving, _ = running(production)
    champion = release_in(serving, production.channel)
    tried = release_in(Channel.named(production.name, plan), production.channel)
    return plan, power_analysis(champion, tried, share=share)


def begin(production: Production, challenger: str, *, share: float | None, who: str, reason: str) -> Challenger:
    """Try a version beside the champion; to be called by who is `alone`.

    Args:
        production: Of the problem.
        challenger: Its version; it must have passed its proof on staging.
        share: Of the requests that it answers; None: none, it predicts in the shadow.
        who: Starts it.
        reason: For the record.

    Raises:
        DriftgateError: If nothing is in production, the version is there already or has no proof, it takes other
            columns, or another experiment runs.
    """
    serving = production.serving()
    if serving is None:
        raise DriftgateError(f"Nothing of {production.name} is in production.", "Deploy a champion first.")
    if serving.challenger is not None:
        raise DriftgateError(
            f"{production.name} {serving.challenger.version} is being tried already.",
            "Stop it: `run.py experiment stop`.",
        )
    proof = staged(production.record(), challenger)
    if proof is None or proof.event == "refused":
        raise DriftgateError(
            f"{production.name} {challenger} has not passed a proof on staging.",
            f"`run.py deploy --version {challenger}`.",
        )
    if challenger == serving.version:
        raise DriftgateError(f"{production.name} {challenger} is the champion.", "Name another version.")
    plan = Challenger(
        id=secrets.token_hex(6), version=challenger, release=proof.release, manifest_sha256=proof.manifest_sha256,
        share=share,
    )  # fmt: skip
    champion = release_in(serving, production.channel)
    tried = release_in(Channel.named(production.name, plan), production.channel)
    if tried.contract != champion.contract:
        raise DriftgateError(
            f"{production.name} {challenger} takes other columns than {serving.version}.", "Deploy it instead."
        )
    write_channel(production.channel, serving.model_copy(update={"challenger": plan}))
    _note(production, plan, event="challenged", champion=serving.version, who=who, reason=reason)
    return plan


def stop(production: Production, *, who: str, reason: str) -> Challenger:
    """End the experiment; to be called by who is `alone`.

    Raises:
        DriftgateError: If there is none.
    """
    serving, plan = running(production)
    write_channel(production.channel, serving.model_copy(update={"challenger": None}))
    _note(production, plan, event="unchallenged", champion=serving.version, who=who, reason=reason)
    return plan


def running(production: Production) -> tuple[Channel, Challenger]:
    """The channel of production and its experiment.

    Raises:
        DriftgateError: If there is none.
    """
    serving = production.serving()
    if serving is None or serving.challenger is None:
        raise DriftgateError(f"No experiment of {production.name} is running.", "Start one: `run.py experiment start`.")
    return serving, serving.challenger


def winner(production: Production, standing: Standing) -> Release:
    """The challenger, if the labels say beyond doubt that it is better.

    Raises:
        DriftgateError: If they don't.
    """
    if standing.decision != "better":
        gain = standing.gain
        raise DriftgateError(
            f"The experiment is {standing.decision}: the gain lies between {gain.low:+.4f} and {gain.high:+.4f} after "
            f"{gain.labels:,} labels.",
            "Wait for more labels, or `run.py deploy` it by approval.",
        )
    _, plan = running(production)
    return release_in(Channel.named(production.name, plan), production.channel)


def standing(production: Production, log: Path) -> Standing:
    """Look at the labels so far; as often as one likes.

    Args:
        production: Of the problem.
        log: Folder of the prediction log.

    Raises:
        DriftgateError: If no experiment is running, or there is no log.
    """
    serving, plan = running(production)
    started = next(entry for entry in reversed(production.record()) if entry.event == "challenged")
    positive = release_in(serving, production.channel).card.positive_name
    since = started.at + GRACE
    rows = _answered(log, since=since, name=production.name)
    common = {
        "id": plan.id, "champion": serving.version, "challenger": plan.version, "share": plan.share, "since": since,
    }  # fmt: skip
    if plan.share is None:
        gain = summarize(_shadow_values(log, rows, plan, since=since, positive=positive), bound=1.0, alpha=ALPHA)
        requests = {"champion": int(rows["request"].nunique())}
        return Standing(
            mode="shadow", requests=requests, observed_share=None, share_low=None, share_high=None, fair=True,
            gain=gain, **common,
        )  # fmt: skip
    rows = rows[((rows["arm"] == "champion") & (rows["version"] == serving.version))
                | ((rows["arm"] == "challenger") & (rows["version"] == plan.version))]  # fmt: skip
    by_arm = rows.drop_duplicates("request")["arm"].value_counts()
    counts = {name: int(by_arm.get(name, 0)) for name in ("champion", "challenger")}
    labelled = rows[rows["label"].notna()].sort_values("labelled_at", kind="stable")
    losses = (labelled["probability"] - (labelled["label"] == positive)).to_numpy(dtype=float) ** 2
    challenged = (labelled["arm"] == "challenger").to_numpy()
    values = split_gains(losses, challenged, share=plan.share)
    gain = summarize(values, bound=split_bound(plan.share), alpha=ALPHA)
    return Standing(mode="split", requests=counts, gain=gain, **_share(counts, plan.share), **common)


def power_analysis(champion: Release, challenger: Release, *, share: float | None) -> dict[str, int | None]:
    """How many labels it takes to find each of `GAINS`, from the spread that both show on the champion's golden rows.

    Labels are drawn from the champion's probabilities: what they would be if it were calibrated.
    """
    import numpy as np

    draw, rows = np.random.default_rng(0), champion.golden.rows
    one = champion.scorer().probability_of_rows(rows).astype(float)
    other = challenger.scorer().probability_of_rows(rows).astype(float)
    at = draw.integers(0, len(rows), 20_000)
    labels = (draw.random(len(at)) < one[at]).astype(float)
    if share is None:
        values, bound = paired_gains(one[at], other[at], labels), 1.0
    else:
        challenged, bound = draw.random(len(at)) < share, split_bound(share)
        values = split_gains((np.where(challenged, other[at], one[at]) - labels) ** 2, challenged, share=share)
    deviation = max(float(values.std()), 0.01)
    return {
        str(gain): labels_needed(gain, deviation=deviation, bound=bound, alpha=ALPHA, most=MOST_LABELS)
        for gain in GAINS
    }


def _answered(log: Path, *, since: dt.datetime, name: str) -> pd.DataFrame:
    from driftgate.predictions import read_predictions

    rows = read_predictions(log, since=since)
    rows = rows[rows["model"] == name]
    return rows.assign(request=rows["prediction_id"].str.rsplit("-", n=1).str[0])


def _shadow_values(log: Path, rows: pd.DataFrame, plan: Challenger, *, since: dt.datetime, positive: str) -> np.ndarray:
    from driftgate.prediction_log import SHADOW
    from driftgate.predictions import read_predictions

    shadow = read_predictions(log, since=since, kind=SHADOW)
    shadow = shadow[shadow["version"] == plan.version][["prediction_id", "probability"]]
    both = rows[rows["label"].notna()].merge(shadow, on="prediction_id", suffixes=("", "_shadow"))
    both = both.sort_values("labelled_at", kind="stable")
    labels = (both["label"] == positive).to_numpy(dtype=float)
    one, other = (both[column].to_numpy(dtype=float) for column in ("probability", "probability_shadow"))
    return paired_gains(one, other, labels)


def _share(counts: dict[str, int], share: float) -> dict[str, Any]:
    from scipy import stats

    total = sum(counts.values())
    if not total:
        return {"observed_share": None, "share_low": None, "share_high": None, "fair": True}
    test = stats.binomtest(counts["challenger"], total, share)
    interval = test.proportion_ci(confidence_level=0.95, method="wilson")
    return {
        "observed_share": counts["challenger"] / total, "share_low": float(interval.low),
        "share_high": float(interval.high), "fair": bool(test.pvalue >= UNFAIR),
    }  # fmt: skip


def _note(production: Production, plan: Challenger, *, event: Any, champion: str, who: str, reason: str) -> None:
    append(
        production.record_path,
        Entry(
            event=event, version=plan.version, previous=champion, who=who, reason=reason, verdict=None,
            release=plan.release, manifest_sha256=plan.manifest_sha256,
        ),
    )  # fmt: skip
