"""Steps by their entry points: no ZenML needed."""

import pandas as pd
import pytest

from driftgate.config import Problem
from driftgate.data.table import DataVersion
from driftgate.errors import GateBlocked
from driftgate.verdict import Check, Verdict
from steps.data import check_contract, split_rows
from steps.enforce import enforce
from steps.gate import look_for_leaks


def _verdict(*, passed: bool, severity: str = "block") -> Verdict:
    check = {
        "name": "performance.x",
        "severity": severity,
        "observed": 1,
        "limit": 2,
        "passed": passed,
        "why": "because",
    }
    return Verdict(problem="rules", checks=(Check.model_validate(check),))


def test_enforce_raises_what_blocked_and_why() -> None:
    with pytest.raises(GateBlocked, match=r"performance\.x: because"):
        enforce.entrypoint(_verdict(passed=False))


@pytest.mark.parametrize(("passed", "severity"), [(True, "block"), (False, "warn")])
def test_enforce_lets_pass(passed: bool, severity: str) -> None:
    verdict = _verdict(passed=passed, severity=severity)
    assert enforce.entrypoint(verdict) == verdict.outcome


def test_check_contract_passes_good_rows(rows: pd.DataFrame, version: DataVersion, problem: Problem) -> None:
    verdict = check_contract.entrypoint(rows, version, problem)
    assert (verdict.outcome, len(verdict.checks)) == ("pass", 1)


def test_split_and_leaks(rows: pd.DataFrame, version: DataVersion, problem: Problem) -> None:
    development, holdout = split_rows.entrypoint(rows, version, problem)
    assert (len(development), len(holdout)) == (800, 200)
    assert [leak.column for leak in look_for_leaks.entrypoint(development, problem)] == problem.contract.features
