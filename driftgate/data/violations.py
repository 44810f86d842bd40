"""Violations of the contract, and the checks and verdict that follow from them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from driftgate.config import Problem
from driftgate.verdict import Check, Verdict, make_check


class Violation(BaseModel):
    """One rule of the contract that some rows break."""

    model_config = ConfigDict(frozen=True)

    column: str
    rule: str
    rows: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        shown = f", such as {', '.join(self.examples)}" if self.examples else ""
        return f"{self.column}: {self.rule}" + (f" ({self.rows:,} rows{shown})" if self.rows else "")


def contract_checks(violations: list[Violation], *, rows: int) -> list[Check]:
    """One failed check per broken rule, or a single passed check."""
    if not violations:
        return [make_check("contract", "block", 0, 0, True, f"all {rows:,} rows satisfy the contract")]
    return [
        make_check(f"contract.{found.column}", "block", found.rows or found.rule, 0, False, str(found))
        for found in violations
    ]


def contract_verdict(violations: list[Violation], problem: Problem, *, rows: int) -> Verdict:
    """The verdict on the contract alone."""
    return Verdict(problem=problem.name, checks=tuple(contract_checks(violations, rows=rows)))
