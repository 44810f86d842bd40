"""The verdict as a page: one HTML file that needs no other, and no scripts."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping

from driftgate.markup import bar_picture, definitions, fold, mark, page, table
from driftgate.training.evaluation import Evaluation
from driftgate.verdict import GROUPS, CheckGroup, Verdict
from driftgate.words import number, one_line, plural

OPENED_CLASSES = 10  # with more, a click opens the table of the classes


def verdict_page(
    verdict: Verdict,
    *,
    evaluation: Evaluation | None = None,
    plots: Mapping[str, bytes] | None = None,
    facts: Mapping[str, str] | None = None,
) -> str:
    """Render a verdict with the figures that it is based on.

    Args:
        verdict: The verdict with all its checks.
        evaluation: The evaluation on the holdout, if there is one.
        plots: PNG bytes by name.
        facts: Lines of lineage, such as the commit and the data's md5.
    """
    failed, total = len(verdict.failed), plural(len(verdict.checks), "check")
    summary = f"{failed} of {total} failed" if failed else f"{total} passed"
    parts = [
        f"<h1>{html.escape(verdict.problem)}: {mark(verdict.outcome)}</h1>",
        f"<p class=soft>{summary}. Decided at {verdict.decided_at:%Y-%m-%d %H:%M:%S} UTC.</p>",
        *(_group(group) for group in verdict.groups),
    ]
    if evaluation is not None:
        rival = evaluation.comparison.metrics if evaluation.comparison else {}
        parts += [
            f"<h2>Holdout: {evaluation.rows:,} rows, {_classes_text(evaluation)}</h2>",
            table(
                ["metric", "value", f"{evaluation.confidence:.0%} confidence interval", "champion"],
                [
                    [name, number(found.value), f"{found.low:.4f} – {found.high:.4f}", number(rival.get(name))]
                    for name, found in evaluation.metrics.items()
                ],
                classes=dict.fromkeys((1, 2, 3), "number"),
            ),
            *_class_table(evaluation),
        ]
    if plots:
        parts.append("<h2>Plots</h2>")
        for name, picture in plots.items():
            source = base64.b64encode(picture).decode()
            parts.append(
                '<figure style="display:inline-block;margin:.5em 1em .5em 0">'
                f'<img style="max-width:100%" alt="{name.replace("_", " ")}" src="data:image/png;base64,{source}"></figure>'
            )
    if facts:
        parts += ["<h2>Where it comes from</h2>", definitions(facts)]
    return page(f"{verdict.problem}: {verdict.outcome}", parts)


def _classes_text(evaluation: Evaluation) -> str:
    if evaluation.positives is None:
        return f"{len(evaluation.classes)} classes"
    return f"{evaluation.positives:,} positive"


def _class_table(evaluation: Evaluation) -> list[str]:
    """The metrics of each class, opened by a click; nothing for two classes, where the table of metrics shows them."""
    if evaluation.positives is not None or not evaluation.classes:
        return []
    metrics = ["precision", "recall", "f1", "roc_auc", "pr_auc", "expected_calibration_error"]
    rows = [
        [html.escape(one_line(found.name)), f"{found.rows:,}", *(number(getattr(found, name)) for name in metrics)]
        for found in evaluation.classes
    ]
    head = ["class", "rows", *(name.replace("expected_calibration_error", "calibration error") for name in metrics)]
    content = table(head, rows, classes={0: "name"} | dict.fromkeys(range(1, len(head)), "number"))
    return [fold("<b>Each class</b> against all others", content, opened=len(rows) <= OPENED_CLASSES)]


def _group(group: CheckGroup) -> str:
    """One line that opens by a click if all checks passed; else the checks, the failed ones first."""
    summary = f"{mark(group.state)}<b>{group.name}</b>{group.summary} <span class=soft>{GROUPS[group.name]}</span>"
    rows = [
        [
            mark(check.state), html.escape(check.name), html.escape(number(check.observed)),
            bar_picture(check.bar, check.state), html.escape(check.limit_text), html.escape(one_line(check.why)),
        ]
        for check in group.checks
    ]  # fmt: skip
    head = ["", "check", "observed", "", "limit", "why"]
    # Texts, such as the name of a category, may be long: only numbers stay on one line.
    texts = any(isinstance(value, str) for check in group.checks for value in (check.observed, check.limit))
    numbers = {} if texts else {2: "number", 4: "number"}
    content = table(head, rows, classes={1: "name", 3: "bar", 5: "why", **numbers})
    return fold(summary, content, opened=group.state != "pass")
