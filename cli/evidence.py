"""Write the evidence of a decision to one folder, for a CI job's summary, a pull request, a ticket or an archive."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

from driftgate.results.base import CheckedResult, PipelineResult, ProblemResult, Result
from driftgate.results.drift import DriftResult
from driftgate.results.production import DeploymentResult, MoveResult
from driftgate.results.status import ErrorResult
from driftgate.results.training import ContractResult, TrainingResult
from driftgate.verdict import Check, CheckGroup
from driftgate.words import number

SUMMARY, DOCUMENT, FACTS = "summary.md", "document.json", "facts.txt"
COPIED = ("report", "release", "bento")
WithModel = TrainingResult | DriftResult | DeploymentResult
WithData = TrainingResult | ContractResult | DriftResult


def keep_evidence(result: Result, folder: Path) -> None:
    """Write a command's result, and copy the files that it names.

    Args:
        result: The command's result.
        folder: Receives `summary.md` for people, `document.json` for machines, `facts.txt` (lines of `key=value`) for
            scripts, and copies of the report, the release and the bento if the result names them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    document = json.dumps(result.json_document(), indent=2)
    (folder / SUMMARY).write_text(markdown(result), encoding="utf-8")
    (folder / DOCUMENT).write_text(document + "\n", encoding="utf-8")
    (folder / FACTS).write_text("".join(f"{key}={value}\n" for key, value in facts(result).items()), encoding="utf-8")
    for name in COPIED:
        named: str | None = getattr(result, name, None)
        if not named:
            continue
        source = Path(named)
        if source.is_dir():
            shutil.rmtree(folder / name, ignore_errors=True)
            shutil.copytree(source, folder / name)
        elif source.is_file():
            shutil.copy(source, folder / f"{name}{source.suffix}")


def facts(result: Result) -> dict[str, str]:
    """Values for scripts: the verdict (`error` if the command failed), the problem, and the model's version."""
    if not isinstance(result, ProblemResult):
        return {"verdict": "error" if isinstance(result, ErrorResult) else "none"}
    version: str | None = getattr(result, "version", None)
    if version is None and isinstance(result, WithModel):
        version = result.model.version
    verdict: str = getattr(result, "verdict", "none")
    return {"verdict": verdict, "problem": result.problem, "version": version or ""}


def markdown(result: Result) -> str:
    """Render a result as GitHub's Markdown: first the failed checks with their reasons, then all checks by group."""
    if isinstance(result, ErrorResult):
        return f"### Driftgate: error\n\n{_text(result.error.cause)} {_text(result.error.remedy)}\n"
    problem = result.problem if isinstance(result, ProblemResult) else "Driftgate"
    groups = result.as_verdict().groups if isinstance(result, CheckedResult) else []
    failed = [check for group in groups for check in group.checks if not check.passed]
    parts = [f"### {_text(problem)}: {_headline(result)}"]
    if failed:
        parts.append("\n".join(f"- **{check.state}** {_sentence(check)}" for check in failed))
    parts.append("  \n".join(_lines(result)))
    for group in groups:
        title = f"<summary><b>{group.state}</b> {group.name}: {group.summary}</summary>"
        parts += [f"<details>{title}", _table(group), "</details>"]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(result: Result) -> str:
    if isinstance(result, MoveResult):
        return f"production serves version {_text(result.version)}"
    words = {"block": "blocked by the gate", "warn": "passed, with warnings", "pass": "passed"}
    return words.get(getattr(result, "verdict", "none"), "done")


def _sentence(check: Check) -> str:
    return f"`{check.name}` {_text(number(check.observed))}, limit {_text(check.limit_text)}: {_text(check.why)}"


def _lines(result: Result) -> list[str]:
    """Who acted, the model, the data, and the ids of the runs."""
    lines = []
    if isinstance(result, MoveResult):
        lines.append(f"{result.event} by {_text(result.who)}: {_text(result.reason)}")
        lines.append(f"before: {_text(result.previous or 'nothing')}")
    if isinstance(result, WithModel) and result.model.version:
        aliases = ", ".join(result.model.aliases) if isinstance(result, TrainingResult) else ""
        name = f"{_text(result.model.name)} {_text(result.model.version)}"
        lines.append(f"model: {name}" + (f" ({aliases})" if aliases else ""))
    if isinstance(result, WithData) and result.data.rows:
        data = result.data
        lines.append(f"data: {data.rows:,} rows" + (f", md5 `{data.md5}`" if data.md5 else ""))
    if isinstance(result, PipelineResult):
        runs = {"MLflow": result.runs.mlflow, "ZenML": result.runs.zenml}
        lines += [f"{name} run: `{run}`" for name, run in runs.items() if run]
    return lines


def _table(group: CheckGroup) -> str:
    rows = [
        f"| {check.state} | {_text(check.name)} | {_text(number(check.observed))} "
        f"| {f'`{check.bar.text}`' if check.bar else ''} | {_text(check.limit_text)} | {_text(check.why)} |"
        for check in group.checks
    ]
    return "\n".join(["| | check | observed | | limit | why |", "| --- | --- | ---: | --- | ---: | --- |", *rows])


def _text(value: object) -> str:
    """Escape a text that may come from the data: it becomes one line without markup and without mentions."""
    line = html.escape(" ".join(str(value).split()), quote=False)
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", line).replace("@", "@<!-- -->")
