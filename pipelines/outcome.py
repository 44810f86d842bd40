"""Build the result of a run from its artifacts, for the terminal, `--json` and the records in the workspace."""

from __future__ import annotations

import json
from typing import TypeVar

from driftgate.config import Problem
from driftgate.data.table import DataVersion
from driftgate.drift.compare import ColumnDrift
from driftgate.errors import DriftgateError
from driftgate.evidence import registry
from driftgate.files import replace_text
from driftgate.production.move import Production
from driftgate.results.base import ModelVersion, PipelineResult, now
from driftgate.results.drift import (
    ComparedWindows,
    CurrentData,
    DriftColumn,
    DriftMeasure,
    DriftResult,
    EstimatedMetric,
)
from driftgate.results.production import DeploymentResult, StagingProof
from driftgate.results.training import (
    ChampionComparison,
    ClassMetrics,
    MetricEstimate,
    PredictionSpeed,
    TrainedModel,
    TrainingData,
    TrainingResult,
)
from driftgate.workspace import Workspace
from pipelines.runs import RunOutcome

T = TypeVar("T")


def training_result(problem: Problem, run: RunOutcome, *, seconds: float, workspace: Workspace) -> TrainingResult:
    """Make the result of a training run, and write its drift report, if there is one, to the workspace."""
    evaluation, version = run.evaluation, run.model_version
    return TrainingResult(
        problem=problem.name,
        verdict=run.verdict.outcome,
        checks=run.verdict.checks,
        runs=run.ids,
        finished_at=now(),
        seconds=seconds,
        metrics={name: MetricEstimate.model_validate(value) for name, value in evaluation.metrics.items()}
        if evaluation
        else {},
        classes=tuple(ClassMetrics.model_validate(found) for found in evaluation.classes) if evaluation else (),
        confusion_matrix=evaluation.confusion_matrix if evaluation else (),
        champion=ChampionComparison.model_validate(evaluation.comparison)
        if evaluation and evaluation.comparison
        else None,
        model=TrainedModel(
            name=problem.name,
            version=version,
            aliases=tuple(registry.aliases_of(problem.name, version, workspace=workspace)) if version else (),
            family=run.trained.family if run.trained else None,
        ),
        speed=PredictionSpeed(single_row_p99_ms=run.latency_p99_ms, rows_per_second=run.rows_per_second)
        if run.latency_p99_ms is not None and run.rows_per_second is not None
        else None,
        data=training_data(_required(run.data_version, "data_version", run)),
        release=run.release,
        bento=run.bento,
        report=_write_report(run, workspace) if run.drift_page else None,
    )


def training_data(version: DataVersion) -> TrainingData:
    """Describe the data that a run read."""
    return TrainingData(md5=version.md5, rows=version.rows, as_of=version.as_of, left_out=version.left_out)


def drift_result(problem: Problem, run: RunOutcome, *, seconds: float, workspace: Workspace) -> DriftResult:
    """Make the result of a drift check, and write its drift report to the workspace."""
    batch, analysis = _required(run.batch, "batch", run), _required(run.drift, "drift", run)
    drift = analysis.drift
    return DriftResult(
        problem=problem.name,
        verdict=run.verdict.outcome,
        checks=run.verdict.checks,
        runs=run.ids,
        finished_at=now(),
        seconds=seconds,
        columns=tuple(_column(column) for column in drift.columns),
        estimate={name: EstimatedMetric.model_validate(value) for name, value in analysis.expected.items()},
        model=ModelVersion(name=problem.name, version=batch.model),
        data=CurrentData(
            source=batch.source, md5=batch.md5, rows=batch.rows, since=drift.first, until=drift.last,
            ignored=batch.ignored, bad_lines=batch.bad_lines, left_out=batch.left_out,
        ),
        windows=ComparedWindows(days=drift.window_days, compared=drift.windows, joined=drift.joined),
        report=_write_report(run, workspace),
    )  # fmt: skip


def deployment_result(
    problem: Problem, run: RunOutcome, *, production: Production, version: str, seconds: float, warnings: list[str]
) -> DeploymentResult:
    """Make the result of a deployment to staging."""
    serving = production.serving()
    return DeploymentResult(
        problem=problem.name,
        verdict=run.verdict.outcome,
        checks=run.verdict.checks,
        runs=run.ids,
        finished_at=now(),
        seconds=seconds,
        version=version,
        previous=serving.version if serving else None,
        proof=StagingProof.model_validate(run.proof) if run.proof else None,
        model=ModelVersion(name=problem.name, version=version),
        release=run.release,
        bento=run.bento,
        document=str(production.staging),
        warnings=tuple(warnings),
    )


def write_record(result: PipelineResult, name: str, *, workspace: Workspace) -> None:
    """Write a run's result to the workspace's records, atomically."""
    replace_text(workspace.runs / f"{name}.json", json.dumps(result.json_document(), indent=2))


def _column(column: ColumnDrift) -> DriftColumn:
    measures = {
        measured.measure: DriftMeasure(
            value=measured.value, limit=measured.limit, severe_limit=measured.severe_limit,
            gross_limit=measured.severe_limit, question=measured.question,
        )
        for measured in column.measurements
    }  # fmt: skip
    return DriftColumn(
        name=column.name, distance=column.distance.value, limit=column.distance.limit, missing=column.missing,
        state=column.state, blocks=column.blocks, excuse=column.excuse if column.state == "severe" else None,
        measures=dict(measures),
    )  # fmt: skip


def _write_report(run: RunOutcome, workspace: Workspace) -> str:
    report = workspace.reports / f"{run.name}.html"
    report.write_text(_required(run.drift_page, "drift_page", run))
    return str(report)


def _required(artifact: T | None, name: str, run: RunOutcome) -> T:
    """Return an artifact that the result needs, or raise an error if the run has none."""
    if artifact is None:
        raise DriftgateError(f"The run {run.name} has no artifact {name}.", "Run the command again with --debug.")
    return artifact
