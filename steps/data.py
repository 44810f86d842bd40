"""Steps that read, check and split the data."""

import datetime as dt
from typing import Annotated

import pandas as pd
from zenml import get_step_context, step

from driftgate.config import Problem
from driftgate.data.contract_check import find_violations
from driftgate.data.present import ensure_data
from driftgate.data.table import DataVersion, read_rows
from driftgate.data.violations import contract_verdict
from driftgate.evidence.page import verdict_page
from driftgate.evidence.provenance import provenance
from driftgate.evidence.tracking import Tracker
from driftgate.training.splitting import split
from driftgate.training.workers import start_workers
from driftgate.verdict import Verdict
from driftgate.workspace import Workspace
from steps import announce


@step(experiment_tracker=True)
def load_data(
    problem: Problem, as_of: str | None
) -> tuple[Annotated[pd.DataFrame, "rows"], Annotated[DataVersion, "data_version"]]:
    """Read the rows dated before `as_of`, and log the run's inputs to MLflow."""
    announce("load", problem.data.path)
    workspace = Workspace.current()
    md5 = ensure_data(problem, workspace=workspace)
    frame, version = read_rows(problem, md5=md5, as_of=dt.datetime.fromisoformat(as_of) if as_of else None)
    left_out = version.left_out.text()
    announce("rows", f"{version.rows:,} read" + (f"; {left_out}" if left_out else ""))
    tracker = Tracker.of_active_run(workspace=workspace)
    tracker.start(problem, version, provenance(), zenml_run=str(get_step_context().pipeline_run.id))
    return frame, version


@step(experiment_tracker=True)
def check_contract(
    rows: pd.DataFrame, version: DataVersion, problem: Problem
) -> Annotated[Verdict, "contract_verdict"]:
    """Check every rule of the contract, and report all violations at once."""
    announce("contract", f"{len(rows):,} rows, {len(problem.contract.columns)} columns")
    trials = sum(candidate.trials for candidate in problem.tuning.candidates)
    start_workers(work=len(rows) * len(problem.contract.columns) * trials)
    violations = find_violations(rows, problem, version=version)
    verdict = contract_verdict(violations, problem, rows=len(rows))
    if verdict.outcome == "block":
        Tracker.of_active_run(workspace=Workspace.current()).log_verdict(verdict, verdict_page(verdict))
    return verdict


@step
def split_rows(
    rows: pd.DataFrame, version: DataVersion, problem: Problem
) -> tuple[Annotated[pd.DataFrame, "development"], Annotated[pd.DataFrame, "holdout"]]:
    """Split the rows into development and holdout."""
    development, holdout = split(rows, problem, as_of=version.as_of)
    announce("split", f"{len(development):,} development rows, {len(holdout):,} holdout rows")
    return development, holdout
