"""A check is one measured value against one limit; a verdict is all checks of one decision. Neither enforces anything."""

from __future__ import annotations

import datetime as dt
import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

Severity = Literal["block", "warn"]
Outcome = Literal["pass", "warn", "block"]


class Check(BaseModel):
    """One measured value against one limit. `why` says in words what was compared."""

    model_config = ConfigDict(frozen=True)

    name: str
    severity: Severity
    observed: float | int | str | None
    limit: float | int | str | None
    passed: bool
    why: str


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
        return f"{self.outcome}: {len(self.checks) - len(self.failed)} of {len(self.checks)} checks passed"

    @property
    def failed(self) -> list[Check]:
        return [check for check in self.checks if not check.passed]


def make_check(
    name: str, severity: Severity, observed: float | int | str | None, limit: float, passed: bool, why: str
) -> Check:
    """A check; one whose value is NaN fails: a value that could not be computed is no evidence that the limit holds."""
    if isinstance(observed, float):
        passed = passed and not math.isnan(observed)
        observed = None if math.isnan(observed) else observed
    return Check(name=name, severity=severity, observed=observed, limit=limit, passed=bool(passed), why=why)
