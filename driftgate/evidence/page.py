"""The verdict as a page: one HTML file that needs no other."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping

from driftgate.training.evaluation import Evaluation
from driftgate.verdict import Check, Verdict

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1f2937;background:#fff;max-width:1080px;margin:2em auto;padding:0 1em}
h1{font-size:1.5em;margin-bottom:.2em}h2{font-size:1.1em;margin-top:2em}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.35em .8em .35em 0;border-bottom:1px solid #e5e7eb;
vertical-align:top}td.number,th.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.mark{display:inline-block;padding:.05em .7em;border-radius:1em;color:#fff;font-weight:600}
.pass{background:#15803d}.warn{background:#b45309}.block{background:#b91c1c}
figure{display:inline-block;margin:.5em 1em .5em 0}img{max-width:100%}.soft{color:#6b7280}
"""


def verdict_page(
    verdict: Verdict,
    *,
    evaluation: Evaluation | None = None,
    plots: Mapping[str, bytes] | None = None,
    facts: Mapping[str, str] | None = None,
) -> str:
    """Render a verdict, and beside it what it was made from.

    Args:
        verdict: With all its checks.
        evaluation: The holdout's figures, if it came to that.
        plots: PNG bytes by name.
        facts: Lines of lineage, such as the commit and the data's md5.
    """
    parts = [
        f"<h1>{html.escape(verdict.problem)}: {_mark(verdict.outcome)}</h1>",
        f"<p class=soft>decided at {verdict.decided_at:%Y-%m-%d %H:%M:%S} UTC</p>",
        _table(
            ["", "check", "observed", "limit", "why"],
            [
                [_mark(state_of(check))]
                + [html.escape(part) for part in (check.name, number(check.observed), number(check.limit), check.why)]
                for check in verdict.checks
            ],
            numbers={2, 3},
        ),
    ]
    if evaluation is not None:
        rival = evaluation.comparison.metrics if evaluation.comparison else {}
        parts += [
            f"<h2>Holdout: {evaluation.rows:,} rows, {evaluation.positives:,} positive</h2>",
            _table(
                ["metric", "value", f"{evaluation.confidence:.0%} interval", "champion"],
                [
                    [name, number(found.value), f"{found.low:.4f} – {found.high:.4f}", number(rival.get(name))]
                    for name, found in evaluation.metrics.items()
                ],
                numbers={1, 2, 3},
            ),
        ]
    if plots:
        parts.append("<h2>Plots</h2>")
        for name, picture in plots.items():
            source = base64.b64encode(picture).decode()
            parts.append(f'<figure><img alt="{name.replace("_", " ")}" src="data:image/png;base64,{source}"></figure>')
    if facts:
        rows = [[html.escape(key), html.escape(value)] for key, value in facts.items()]
        parts += ["<h2>Where it comes from</h2>", _table(["", ""], rows, numbers=set())]
    title = f"{html.escape(verdict.problem)}: {verdict.outcome}"
    head = f"<meta charset=utf-8><title>{title}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>"


def state_of(check: Check) -> str:
    """`pass`, or the severity of a failed check."""
    return "pass" if check.passed else check.severity


def number(value: float | int | str | None) -> str:
    """A value as a person reads it: four decimals, or two digits of something small."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.1e}" if value and abs(value) < 5e-4 else f"{value:.4f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _mark(state: str) -> str:
    return f'<span class="mark {state}">{state}</span>'


def _table(head: list[str], rows: list[list[str]], *, numbers: set[int]) -> str:
    def cell(tag: str, at: int, text: str) -> str:
        return f"<{tag} class=number>{text}</{tag}>" if at in numbers else f"<{tag}>{text}</{tag}>"

    top = "".join(cell("th", at, text) for at, text in enumerate(head))
    body = "".join("<tr>" + "".join(cell("td", at, text) for at, text in enumerate(row)) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"
