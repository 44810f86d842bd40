"""A check is one measured value against one limit; a verdict is all checks of one decision. Neither enforces anything."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from driftgate.bars import Bar, Side, bar_of
from driftgate.words import number, plural

Severity = Literal["block", "warn"]
Outcome = Literal["pass", "warn", "block"]
Group = Literal["data", "model", "export", "drift", "performance", "service"]

# In the order in which they are shown, each with the question that it answers.
GROUPS: dict[Group, str] = {
    "data": "Do the rows follow the contract, and does no column give the label away?",
    "model": "Is the model good enough on the holdout, and no worse than the champion?",
    "export": "Does the exported ONNX model predict like the trained one, and fast enough?",
    "drift": "Do the newest rows look like those that the model was trained on?",
    "performance": "Does the model still perform on the newest rows?",
    "service": "Does the running service answer correctly?",
}
# By the first part of a check's name.
GROUP_OF: dict[str, Group] = {
    "contract": "data",
    "rows": "data",
    "leakage": "data",
    "data": "data",
    "performance": "model",
    "champion": "model",
    "slices": "model",
    "calibration": "model",
    "gate": "model",
    "model": "model",
    "predictions": "model",
    "commit": "model",
    "lock": "model",
    "python": "model",
    "platform": "model",
    "search": "model",
    "parity": "export",
    "latency": "export",
    "drift": "drift",
    "limits": "drift",
    "estimate": "performance",
    "realised": "performance",
    "concept": "performance",
    "staging": "service",
    "production": "service",
}
FLOORS = ("performance", "champion", "estimate", "realised", "concept")
STATES: tuple[Outcome, ...] = ("block", "warn", "pass")  # as they are shown: the worst first


class Check(BaseModel):
    """One measured value against one limit. `why` says in words what was compared."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the check, such as `drift.wx_temp`.")
    severity: Severity = Field(description="What a failure leads to: `block` or `warn`.")
    observed: float | int | str | None = Field(description="Measured value; null where nothing could be measured.")
    limit: float | int | str | None = Field(description="Limit of the value; null where there is none.")
    passed: bool = Field(description="Whether the value is within the limit.")
    why: str = Field(description="What was measured and compared, in words.")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def group(self) -> Group:
        """The group that a check is shown in; it follows from the name. One that nobody knows is about the data."""
        return GROUP_OF.get(self.name.split(".", 1)[0], "data")

    @property
    def state(self) -> Outcome:
        """`pass`, or the severity of a failed check."""
        return "pass" if self.passed else self.severity

    @property
    def side(self) -> Side | None:
        """Whether the limit is a ceiling or a floor; None where it is no number.

        A check that passed lies on the right side of its limit, one that failed on the wrong side: that tells which is
        which. The name tells it where both are equal, and for `rows`, which has more than one reason to fail.
        """
        if not isinstance(self.observed, int | float) or not isinstance(self.limit, int | float):
            return None
        first = self.name.split(".", 1)[0]
        if first == "rows" or self.observed == self.limit:
            return "floor" if first in ("rows", *FLOORS) else "ceiling"
        return "floor" if (self.observed > self.limit) == self.passed else "ceiling"

    @property
    def bar(self) -> Bar | None:
        """The value as a fraction of its limit; None where there is nothing to draw."""
        return bar_of(self.observed, self.limit, side=self.side) if self.side else None

    @property
    def limit_text(self) -> str:
        """The limit as people read it: `≤ 0.05`, `≥ 0.97`, or the text that it is."""
        sign = {"ceiling": "≤ ", "floor": "≥ ", None: ""}[self.side]
        return f"{sign}{number(self.limit)}"


@dataclass(frozen=True)
class CheckGroup:
    """The checks of one group, the failed ones first."""

    name: Group
    checks: tuple[Check, ...]

    @property
    def state(self) -> Outcome:
        """The worst state of its checks."""
        return min((check.state for check in self.checks), key=STATES.index)

    @property
    def summary(self) -> str:
        """How many checks passed, or failed, in one line."""
        failed = sum(not check.passed for check in self.checks)
        if not failed:
            return f"{plural(len(self.checks), 'check')} passed"
        return f"{failed} of {plural(len(self.checks), 'check')} failed"


class Verdict(BaseModel):
    """All checks of one decision, and what follows from them."""

    model_config = ConfigDict(frozen=True)

    problem: str
    decided_at: dt.datetime = Field(default_factory=lambda: dt.datetime.now(dt.UTC))
    checks: tuple[Check, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def outcome(self) -> Outcome:
        """`block` if any check of that severity failed, `warn` if any other did."""
        failed = {check.severity for check in self.checks if not check.passed}
        return "block" if "block" in failed else "warn" if "warn" in failed else "pass"

    @property
    def summary(self) -> str:
        """The outcome, and how many checks passed."""
        return f"{self.outcome}: {len(self.checks) - len(self.failed)} of {plural(len(self.checks), 'check')} passed"

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if not check.passed]

    @property
    def groups(self) -> list[CheckGroup]:
        """The checks by group as every page and table shows them: what blocks first, then what warns, then the rest."""
        found = [
            CheckGroup(name, tuple(sorted(checks, key=lambda check: STATES.index(check.state))))
            for name in GROUPS
            if (checks := [check for check in self.checks if check.group == name])
        ]
        return sorted(found, key=lambda group: STATES.index(group.state))


def make_check(
    name: str, severity: Severity, observed: float | int | str | None, limit: float, passed: bool, why: str
) -> Check:
    """A check; one whose value is NaN fails: a value that could not be computed is no evidence that the limit holds."""
    if isinstance(observed, float):
        passed = passed and not math.isnan(observed)
        observed = None if math.isnan(observed) else observed
    return Check(name=name, severity=severity, observed=observed, limit=limit, passed=bool(passed), why=why)
