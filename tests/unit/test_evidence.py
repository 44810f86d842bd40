"""The evidence of a decision: what people, machines and scripts find in its folder."""

import json
from pathlib import Path
from typing import Any

from cli.evidence import facts, keep_evidence, markdown
from driftgate.gate import production_checks
from driftgate.production.deployments import releases_result
from driftgate.production.move import Production
from driftgate.results.base import now
from driftgate.results.production import MoveResult, ServiceState
from driftgate.results.status import ErrorDetails, ErrorResult
from driftgate.verdict import Check, Verdict
from tests.results import trained


def check(*, passed: bool, why: str = "because", severity: Any = "block") -> Check:
    observed = 0.98 if passed else 0.9
    return Check(name="performance.accuracy", severity=severity, observed=observed, limit=0.97, passed=passed, why=why)


def test_what_failed_comes_first_and_says_why() -> None:
    told = markdown(trained(check(passed=True), check(passed=False, why="too low")))
    assert told.startswith(
        "### rules: blocked by the gate\n\n- **block** `performance.accuracy` 0.9000, limit ≥ 0.9700: too low\n"
    )
    assert "<summary><b>block</b> model: 1 of 2 checks failed</summary>" in told
    assert "| block | performance.accuracy | 0.9000 | `███████░│░░░` | ≥ 0.9700 | too low |\n| pass |" in told
    assert "model: rules 3 (candidate)" in told
    assert "MLflow run: `abc`" in told
    assert "ZenML run" not in told
    assert "passed, with warnings" in markdown(trained(check(passed=False, severity="warn")))


def test_a_text_of_the_data_is_nothing_but_text() -> None:
    """A category's name stands in the summary: it can't mention anybody, draw a table, a picture or a tag."""
    told = markdown(trained(check(passed=False, why="@ann | ![x](http://x) <img src=x>\n# `y` ~~z~~ *b*")))
    line = told.splitlines()[2]
    assert line.endswith("@<!-- -->ann \\| !\\[x\\](http://x) &lt;img src=x&gt; \\# \\`y\\` \\~\\~z\\~\\~ \\*b\\*")


def test_an_error_and_a_move_are_told() -> None:
    error = ErrorResult(error=ErrorDetails(cause="There is no candidate.", remedy="Train first."))
    assert "There is no candidate. Train first." in markdown(error)
    assert facts(error) == {"verdict": "error"}
    move = MoveResult(
        problem="rules", verdict="none", checks=(), event="rollback", version="1", previous="2", who="ann",
        reason="too many alarms", document="production.json", service=None, seconds=1.0, finished_at=now(),
    )  # fmt: skip
    told = markdown(move)
    assert "production serves version 1" in told
    assert "rollback by ann: too many alarms" in told
    assert facts(move)["version"] == "1"


def test_a_job_without_a_verdict_is_done(production: Production) -> None:
    """What serves where, an experiment: nothing was judged."""
    result = releases_result(production)
    assert markdown(result) == "### rules: done\n"
    assert facts(result) == {"verdict": "none", "problem": "rules", "version": ""}


def test_the_folder_holds_what_the_document_names(tmp_path: Path) -> None:
    release, report = tmp_path / "releases" / "3", tmp_path / "page.html"
    release.mkdir(parents=True)
    (release / "card.json").write_text("{}")
    report.write_text("<p>")
    told = trained(check(passed=True), release=str(release), report=str(report), bento=None)
    for _ in range(2):  # again over what is there
        keep_evidence(told, tmp_path / "evidence")
    found = sorted(path.name for path in (tmp_path / "evidence").iterdir())
    assert found == ["document.json", "facts.txt", "release", "report.html", "summary.md"]
    assert json.loads((tmp_path / "evidence" / "document.json").read_text()) == told.json_document()
    assert (tmp_path / "evidence" / "facts.txt").read_text() == "verdict=pass\nproblem=rules\nversion=3\n"


def test_production_is_proved_by_golden_rows_and_the_running_service() -> None:
    def outcome(**more: Any) -> str:
        known = {"rows": 8, "differ": 0, "said": None, **more}
        return Verdict(problem="rules", checks=tuple(production_checks(**known))).outcome

    serves = ServiceState(address="http://x", answers=True, version="3", error=None)
    assert outcome() == outcome(said=serves) == "pass"
    assert outcome(differ=1) == outcome(rows=0) == "block"
    assert outcome(said=serves.model_copy(update={"answers": False})) == "block"
    assert outcome(said=serves.model_copy(update={"error": "altered"})) == "block"
