"""What came of a run, in one document: the same for the terminal, `--json`, and the records in the workspace."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from driftgate.config import Problem
from driftgate.data.table import DataVersion
from driftgate.evidence import registry
from driftgate.files import replace_text
from driftgate.production.move import Production
from driftgate.verdict import Verdict
from driftgate.workspace import Workspace


def training_document(
    problem: Problem, name: str, found: dict[str, Any], ids: dict[str, str | None], *, workspace: Workspace
) -> dict[str, Any]:
    """The document of a training run, from its artifacts; writes the Evidently page, if it came to that."""
    version, evaluation = found["data_version"], found.get("evaluation")
    made, trained = found.get("model_version"), found.get("trained")
    return {
        **_common(problem, found["verdict"], ids),
        "metrics": {key: value.model_dump() for key, value in evaluation.metrics.items()} if evaluation else {},
        "champion": evaluation.comparison.model_dump() if evaluation and evaluation.comparison else None,
        "model": {
            "name": problem.name,
            "version": made,
            "aliases": registry.aliases_of(problem.name, made, workspace=workspace) if made else [],
            "family": trained.family if trained else None,
        },
        "data": {
            "md5": version.md5,
            "rows": version.rows,
            "as_of": version.as_of.isoformat() if version.as_of else None,
            "left_out": version.left_out.model_dump(),
        },
        "release": found.get("release"),
        "bento": found.get("bento"),
        "report": _write_report(found["drift_report"], name, workspace) if "drift_report" in found else None,
    }


def contract_document(problem: Problem, verdict: Verdict, version: DataVersion) -> dict[str, Any]:
    """The document of a check of the contract alone."""
    return {
        **_common(problem, verdict, {}),
        "data": {
            "md5": version.md5,
            "rows": version.rows,
            "as_of": _date(version.as_of),
            "left_out": version.left_out.model_dump(),
        },
    }


def production_document(problem: Problem, verdict: Verdict, *, version: str, service: Any) -> dict[str, Any]:
    """The document of a proof in production."""
    return {**_common(problem, verdict, {}), "channel": "production", "version": version, "service": service}


def drift_document(
    problem: Problem, name: str, found: dict[str, Any], ids: dict[str, str | None], *, workspace: Workspace
) -> dict[str, Any]:
    """The document of a drift check, from its artifacts; writes the Evidently page to the workspace."""
    batch, analysis = found["batch"], found["drift"]
    return {
        **_common(problem, found["verdict"], ids),
        "columns": [
            {
                "name": column.name,
                "distance": column.distance.value,
                "limit": column.distance.limit,
                "missing": column.missing,
                "state": column.state,
                "blocks": column.blocks,
                "excuse": column.excuse if column.state == "severe" else None,
                "measures": {
                    measurement.measure: {
                        "value": measurement.value, "limit": measurement.limit, "severe_limit": measurement.severe_limit, "gross_limit": measurement.severe_limit,
                        "question": measurement.question,
                    }
                    for measurement in column.measurements
                },
            }
            for column in analysis.drift.columns
        ],
        "estimate": {key: value.model_dump() for key, value in analysis.expected.items()},
        "model": {"name": problem.name, "version": batch.model},
        "data": {
            "source": batch.source,
            "md5": batch.md5,
            "rows": batch.rows,
            "since": _date(analysis.drift.first),
            "until": _date(analysis.drift.last),
            "ignored": list(batch.ignored),
            "left_out": batch.left_out.model_dump(),
        },
        "windows": {
            "days": analysis.drift.window_days, "compared": analysis.drift.windows, "joined": analysis.drift.joined,
        },
        "report": _write_report(found["drift_report"], name, workspace),
    }  # fmt: skip


def deployment_document(
    problem: Problem, found: dict[str, Any], ids: dict[str, str | None], *, production: Production, version: str
) -> dict[str, Any]:
    """The document of a proof on staging, from its artifacts."""
    serving = production.serving()
    return {
        **_common(problem, found["verdict"], ids),
        "channel": "staging",
        "version": version,
        "previous": serving.version if serving else None,
        "proof": found["proof"].model_dump() if "proof" in found else None,
        "model": {"name": problem.name, "version": version},
        "data": {},
        "release": found.get("release"),
        "bento": found.get("bento"),
        "document": str(production.staging),
    }


def _write_report(page: Any, name: str, workspace: Workspace) -> str:
    report = workspace.reports / f"{name}.html"
    report.write_text(str(page))
    return str(report)


def keep(document: dict[str, Any], name: str, *, workspace: Workspace) -> None:
    """Write a run's document whole, or not at all."""
    path = workspace.runs / f"{name}.json"
    replace_text(path, json.dumps(document, indent=2))


def verdict_of(document: dict[str, Any]) -> Verdict:
    """The verdict within a document."""
    return Verdict(problem=document["problem"], checks=tuple(document.get("checks", ())))


def _common(problem: Problem, verdict: Verdict, ids: dict[str, str | None]) -> dict[str, Any]:
    return {
        "problem": problem.name,
        "verdict": verdict.outcome,
        "checks": [check.model_dump(mode="json") for check in verdict.checks],
        "runs": ids,
        "finished_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def _date(moment: dt.datetime | None) -> str | None:
    return moment.isoformat() if moment else None
