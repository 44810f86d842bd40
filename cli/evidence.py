"""The evidence of a decision in one folder: for a job's summary, a pull request's comment, a ticket, an archive."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from driftgate.verdict import Check, CheckGroup
from driftgate.words import number
from pipelines.documents import verdict_of

SUMMARY, DOCUMENT, FACTS = "summary.md", "document.json", "facts.txt"
COPIED = ("report", "release", "bento")
ERROR = "error"


def keep_evidence(document: Mapping[str, Any], folder: Path) -> None:
    """Write what a job came to, and copy the files that it names.

    Args:
        document: Of the job, as `--json` prints it.
        folder: Gets `summary.md` for people, `document.json` for machines, `facts.txt` (lines of `key=value`) for
            scripts, and copies of the report, the release and the bento where there are such.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMMARY).write_text(markdown(document), encoding="utf-8")
    (folder / DOCUMENT).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (folder / FACTS).write_text("".join(f"{key}={value}\n" for key, value in facts(document).items()), encoding="utf-8")
    for name in COPIED:
        source = Path(document.get(name) or "")
        if source.is_dir() and document.get(name):
            shutil.rmtree(folder / name, ignore_errors=True)
            shutil.copytree(source, folder / name)
        elif source.is_file():
            shutil.copy(source, folder / f"{name}{source.suffix}")


def facts(document: Mapping[str, Any]) -> dict[str, str]:
    """What scripts ask for: the verdict (`error` where there is none), and the model's version."""
    if ERROR in document:
        return {"verdict": ERROR}
    version = document.get("version") or (document.get("model") or {}).get("version") or ""
    return {"verdict": document.get("verdict", "none"), "problem": document["problem"], "version": version}


def markdown(document: Mapping[str, Any]) -> str:
    """What a job came to, as GitHub's Markdown: what failed and why first, all checks by group below."""
    if ERROR in document:
        told = document[ERROR]
        return f"### Driftgate: error\n\n{_text(told['cause'])} {_text(told['remedy'])}\n"
    verdict = verdict_of(dict(document))
    parts = [f"### {_text(document['problem'])}: {_headline(document)}"]
    if verdict.failed:
        failed = [check for group in verdict.groups for check in group.checks if not check.passed]
        parts.append("\n".join(f"- **{check.state}** {_sentence(check)}" for check in failed))
    parts.append("  \n".join(_lines(document)))
    for group in verdict.groups:
        title = f"<summary><b>{group.state}</b> {group.name}: {group.summary}</summary>"
        parts += [f"<details>{title}", _table(group), "</details>"]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(document: Mapping[str, Any]) -> str:
    if "event" in document:
        return f"production serves version {_text(document['version'])}"
    verdict = document.get("verdict")
    return {"block": "blocked by the gate", "warn": "passed, with warnings", "pass": "passed"}.get(
        verdict or "", "done"
    )


def _sentence(check: Check) -> str:
    return f"`{check.name}` {_text(number(check.observed))}, limit {_text(check.limit_text)}: {_text(check.why)}"


def _lines(document: Mapping[str, Any]) -> list[str]:
    """Who, what, on which data, and where it is kept."""
    lines = []
    if "event" in document:
        lines.append(f"{document['event']} by {_text(document['who'])}: {_text(document['reason'])}")
        lines.append(f"before: {_text(document['previous'] or 'nothing')}")
    model, data, runs = document.get("model") or {}, document.get("data") or {}, document.get("runs") or {}
    if model.get("version"):
        aliases = ", ".join(model.get("aliases") or [])
        lines.append(f"model: {_text(model['name'])} {_text(model['version'])}" + (f" ({aliases})" if aliases else ""))
    if data.get("rows"):
        lines.append(f"data: {data['rows']:,} rows" + (f", md5 `{data['md5']}`" if data.get("md5") else ""))
    lines += [f"{name} run: `{runs[key]}`" for key, name in (("mlflow", "MLflow"), ("zenml", "ZenML")) if runs.get(key)]
    return lines


def _table(group: CheckGroup) -> str:
    rows = [
        f"| {check.state} | {_text(check.name)} | {_text(number(check.observed))} "
        f"| {f'`{check.bar.text}`' if check.bar else ''} | {_text(check.limit_text)} | {_text(check.why)} |"
        for check in group.checks
    ]
    return "\n".join(["| | check | observed | | limit | why |", "| --- | --- | ---: | --- | ---: | --- |", *rows])


def _text(value: object) -> str:
    """A text that may come from the data, as nothing but text: no markup, no mention, one line."""
    line = html.escape(" ".join(str(value).split()), quote=False)
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", line).replace("@", "@<!-- -->")
