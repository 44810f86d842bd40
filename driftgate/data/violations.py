"""Violations of the contract, and the checks and verdict that follow from them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from driftgate.config import Problem
from driftgate.verdict import Check, Severity, Verdict, make_check


class Violation(BaseModel):
    """One rule of the contract that some rows break.

    `name` is the name of its check, after `contract.`; None means the name of the column. A `warn` doesn't stop the run.
    """

    model_config = ConfigDict(frozen=True)

    column: str
    rule: str
    rows: int
    examples: tuple[str, ...]
    name: str | None = None
    severity: Severity = "block"

    def __str__(self) -> str:
        shown = f", such as {', '.join(self.examples)}" if self.examples else ""
        return f"{self.column}: {self.rule}" + (f" ({self.rows:,} rows{shown})" if self.rows else "")


def contract_checks(violations: list[Violation], *, rows: int) -> list[Check]:
    """One failed check per violation; if none of them blocks, also one passed check."""
    broken = [
        make_check(
            f"contract.{found.name or found.column}", found.severity, found.rows or found.rule, 0, False, str(found)
        )
        for found in violations
    ]
    if any(found.severity == "block" for found in violations):
        return broken
    kept = make_check(
        "contract",
        "block",
        0,
        0,
        True,
        "the row satisfies the contract" if rows == 1 else f"all {rows:,} rows satisfy the contract",
    )
    return [kept, *broken]


def contract_verdict(violations: list[Violation], problem: Problem, *, rows: int) -> Verdict:
    """The verdict on the contract alone."""
    return Verdict(problem=problem.name, checks=tuple(contract_checks(violations, rows=rows)))
