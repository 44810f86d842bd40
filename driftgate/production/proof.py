"""The result of the tests of a service on staging."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict


class Proof(BaseModel):
    """The result of the tests of a service on staging.

    `golden_differ` of `golden_rows` probabilities differ from those at training. `probes_failed` lists the invalid
    requests that got another status than expected. `p99_ms` is the 99th percentile of the latency in milliseconds of
    single rows, sent one after the other over HTTP. Under load `answered` requests were answered and `failed` were not;
    `lost` answered rows are missing in the prediction log.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    golden_rows: int
    golden_differ: int
    probes: int
    probes_failed: tuple[str, ...]
    p99_ms: float
    answered: int
    failed: int
    lost: int


def largest_gap(one: Any, other: Any) -> float:
    """The largest difference of the probabilities of one row: two numbers, or two lists with a number for each class.

    It is infinite if the lists differ in length, or only one of them is a list.
    """
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return max((abs(was - now) for was, now in zip(one, other, strict=True)), default=0.0)
    return math.inf if isinstance(one, list) or isinstance(other, list) else abs(float(one) - float(other))


def answered_probability(answer: dict[str, Any], classes: tuple[str, ...]) -> Any:
    """The probability in a service's answer as a release has it: of the positive class, or a list of those of every class.

    None if the classes of the answer, or their order, are not these.
    """
    found = answer["probabilities"]
    if tuple(found) != classes:
        return None
    return answer["probability"] if len(classes) == 2 else list(found.values())
