"""The result of a command on an experiment."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field

from driftgate.results.base import CheckedResult, Frozen


class Gain(Frozen):
    """By how much the challenger's mean Brier score is smaller; for two classes, that is the mean squared error."""

    labels: int = Field(description="Labels that count.")
    mean: float = Field(description="Mean gain.")
    low: float = Field(description="Lower end of the interval, which holds at all times at once.")
    high: float = Field(description="Upper end of the interval.")


class ArmScore(Frozen):
    """How well the predictions of one arm agree with the labels that count."""

    labels: int = Field(description="Labels of the arm that count.")
    brier: float | None = Field(
        description="Mean Brier score, between 0 and 1: half the squared error over the classes."
    )
    accuracy: float | None = Field(description="Share of labels that are the predicted class.")


class ExperimentProgress(Frozen):
    """What the labels so far say about an experiment."""

    id: str = Field(description="Name of the experiment.")
    champion: str = Field(description="Version of the champion.")
    challenger: str = Field(description="Version of the challenger.")
    mode: str = Field(description="`split` or `shadow`.")
    share: float | None = Field(description="Share of the requests that the challenger should answer; null in shadow.")
    since: dt.datetime = Field(description="First moment whose requests count.")
    requests: dict[str, int] = Field(description="Requests, by arm.")
    draws: dict[str, int] = Field(description="Callers with a key, and requests without one, by arm.")
    labelled: int = Field(description="Rows with a label.")
    observed_share: float | None = Field(description="Share of the draws that the challenger answered.")
    share_low: float | None = Field(description="Lower end of its 95 % interval.")
    share_high: float | None = Field(description="Upper end of its 95 % interval.")
    fair: bool = Field(description="Whether the observed share agrees with the requested one.")
    caller_share: float = Field(description="Largest share of the counted labels that one network address may have.")
    addresses: int = Field(description="Network addresses that the labels came from.")
    left_out: int = Field(description="Labels that don't count because their address has its full share.")
    largest_share: float | None = Field(description="Share of the counted labels of the address with the most.")
    gain: Gain = Field(description="The gain, with its interval.")
    arms: dict[str, ArmScore] = Field(
        {}, description="Scores of `champion` and `challenger`, from the labels that count."
    )
    decision: str = Field(description="`better`, `worse`, `undecided`, or `unfair` where the assignment is wrong.")


class ExperimentResult(CheckedResult):
    """An experiment that was started, read, stopped or promoted."""

    action: str = Field(description="`start`, `status`, `stop` or `promote`.")
    channel: Literal["production"] = Field("production", description="The channel of the experiment.")
    version: str = Field(description="Version in production now.")
    previous: str | None = Field(description="Version in production before, where this command moved it.")
    champion: str = Field(description="Version of the champion during the experiment.")
    challenger: str = Field(description="Version of the challenger.")
    mode: Literal["split", "shadow"] = Field(
        description="Whether the challenger answers requests or only predicts them."
    )
    share: float | None = Field(description="Share of the requests that the challenger answers; null in shadow.")
    labels_needed: dict[str, int | None] | None = Field(
        None, description="After `start`: labels needed to find a gain, by gain; null where it takes more than 100,000."
    )
    standing: ExperimentProgress | None = Field(None, description="After `status` and `promote`: what the labels say.")
    warnings: tuple[str, ...] = Field(
        (), description="What the deployment record doesn't explain, and what is damaged."
    )
    seconds: float = Field(description="How long the command took.")
