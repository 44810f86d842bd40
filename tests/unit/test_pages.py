"""The verdict looks the same everywhere: by group, what failed first, and on pages that need no script."""

import ast
import io
import re
from pathlib import Path
from typing import Any

import pytest

from cli.checks_table import print_checks
from cli.evidence import markdown
from cli.tables import make_console
from driftgate.evidence.page import verdict_page
from driftgate.verdict import GROUP_OF, GROUPS, Check, Verdict, make_check
from driftgate.workspace import PROJECT
from tests.results import trained

CHECKS = (
    make_check("contract", "block", 0, 0, True, "all rows keep every rule"),
    make_check("leakage.missing", "warn", None, 0.9, True, "nothing to check"),
    make_check("performance.roc_auc", "block", 0.72, 0.7, True, "good enough"),
    make_check("slices", "warn", 0.2, 0.1, False, "one slice is weak"),
    make_check("champion", "block", -0.02, -0.005, False, "worse than the champion"),
    make_check("latency", "block", 0.2, 5.0, True, "quick"),
    make_check("drift.x.missing", "warn", 0.3, 0.05, False, "a third is missing"),
    Check(name="rows", severity="warn", observed=700, limit="350 to 1,400", passed=True, why="700 rows arrived"),
)
VERDICT = Verdict(problem="shop", checks=CHECKS)
ORDER = ["model", "drift", "data", "export"]  # blocks, warns, passed; else as GROUPS has them


def test_failed_groups_and_failed_checks_come_first() -> None:
    assert [group.name for group in VERDICT.groups] == ORDER
    assert [check.name for check in VERDICT.groups[0].checks] == ["champion", "slices", "performance.roc_auc"]
    assert [group.state for group in VERDICT.groups] == ["block", "warn", "pass", "pass"]
    assert [group.summary for group in VERDICT.groups] == [
        "2 of 3 checks failed", "1 of 1 check failed", "3 checks passed", "1 check passed",
    ]  # fmt: skip


def _terminal() -> str:
    stream = io.StringIO()
    print_checks(VERDICT, make_console(stream))
    return stream.getvalue()


def _document() -> dict[str, Any]:
    return {"problem": "shop", "verdict": "block", "checks": [check.model_dump() for check in CHECKS]}


RENDERED = {"page": verdict_page(VERDICT), "terminal": _terminal(), "summary": markdown(trained(*CHECKS))}


@pytest.mark.parametrize("name", RENDERED)
def test_every_renderer_keeps_the_order(name: str) -> None:
    text = RENDERED[name].replace("\\_", "_")
    at = [text.index(group.summary, text.index(group.name)) for group in VERDICT.groups]
    assert at == sorted(at)
    # The summary lists what failed on top; the tables are below.
    table = text[text.index("2 of 3 checks failed") :]
    names = [table.index(check.name) for check in VERDICT.groups[0].checks]
    assert names == sorted(names)


@pytest.mark.parametrize("name", RENDERED)
def test_every_renderer_shows_value_bar_and_limit(name: str) -> None:
    text = RENDERED[name]
    for shown in ("0.2000", "≤ 0.1000", "≥ 0.7000", "one slice is weak"):
        assert shown in text
    assert ("<svg" if name == "page" else "████████│███") in text


def test_a_group_that_passed_is_folded() -> None:
    page = RENDERED["page"]
    assert [bool(opened) for opened in re.findall("<details( open)?>", page)] == [True, True, False, False]
    assert "leakage.missing" not in RENDERED["terminal"]
    assert "--verbose" in RENDERED["terminal"]


def test_the_page_needs_no_script_and_takes_no_markup_from_data() -> None:
    """ZenML's preview runs no scripts; a category's name is nothing but text."""
    bad = make_check("contract.x", "block", "<b>", 0, False, "<script>alert(1)</script>")
    page = verdict_page(Verdict(problem="shop", checks=(bad,)), facts={"<i>": "<u>"})
    assert not re.search("<script|<b>&|<i>|<u>| on[a-z]+=|https?://", page)
    assert "&lt;script&gt;" in page


def test_a_check_s_group_is_in_its_document() -> None:
    assert [check["group"] for check in _document()["checks"]] == [
        "data", "data", "model", "model", "model", "export", "drift", "data",
    ]  # fmt: skip
    assert Check.model_validate(_document()["checks"][0]) == CHECKS[0]


def _first_words(file: Path) -> list[str]:
    """The first part of the name of every check that a file makes."""
    words = []
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id not in ("make_check", "Check", "_floor_check"):
            continue
        named = [pair.value for pair in node.keywords if pair.arg == "name"] or node.args[:1]
        for value in named:
            first = value.values[0] if isinstance(value, ast.JoinedStr) else value
            if isinstance(first, ast.Constant):
                words.append(str(first.value).split(".")[0])
    return words


def test_every_check_has_a_group() -> None:
    """Also one that is added tomorrow: a new name needs its group."""
    files = [file for folder in ("driftgate", "operations", "steps") for file in (PROJECT / folder).rglob("*.py")]
    made = {word for file in files for word in _first_words(file)}
    assert {"contract", "performance", "staging", "realised", "gate"} <= made
    assert made <= set(GROUP_OF)
    assert set(GROUP_OF.values()) == set(GROUPS)


@pytest.mark.parametrize(
    ("name", "observed", "limit", "passed", "text"),
    [
        ("performance.roc_auc", 0.8, 0.7, True, "≥ 0.7000"),
        ("performance.log_loss", 0.4, 0.5, True, "≤ 0.5000"),
        ("performance.log_loss", 0.6, 0.5, False, "≤ 0.5000"),
        ("performance.accuracy", 0.7, 0.7, True, "≥ 0.7000"),
        ("parity.labels", 0, 0, True, "≤ 0"),
        ("rows", 700, 50, False, "≥ 50"),  # dated far from all others
        ("rows", 700, "350 to 1,400", True, "350 to 1,400"),
        ("production.service", "3", None, True, "–"),
    ],
)
def test_the_limit_says_on_which_side_it_is(name: str, observed: Any, limit: Any, passed: bool, text: str) -> None:
    check = Check(name=name, severity="warn", observed=observed, limit=limit, passed=passed, why="")
    assert check.limit_text == text
