"""Pieces of HTML that the pages share. They need neither scripts nor other files: ZenML's preview runs no scripts."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

from driftgate.bars import LIMIT_AT, Bar

COLOURS = {
    "pass": "#15803d", "warn": "#b45309", "block": "#b91c1c",
    "stable": "#15803d", "drifted": "#b45309", "severe": "#b91c1c",
}  # fmt: skip
BAR_WIDTH, BAR_HEIGHT = 96, 12
STYLE = f"""
body{{font:15px/1.5 system-ui,sans-serif;color:#1f2937;background:#fff;max-width:1080px;margin:1.2em auto;padding:0 1em}}
h1{{font-size:1.5em;margin:0 0 .2em}}h2{{font-size:1.1em;margin:2em 0 .4em}}h3{{font-size:1em;margin:0}}
table{{border-collapse:collapse;width:100%}}td,th{{text-align:left;padding:.35em .8em .35em 0;
border-bottom:1px solid #e5e7eb;vertical-align:top;overflow-wrap:anywhere}}th{{font-weight:600;overflow-wrap:normal}}
.number{{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}}.bar{{width:{BAR_WIDTH}px}}
.name{{min-width:9em}}.why{{width:45%}}
.mark{{display:inline-block;white-space:nowrap;min-width:3.2em;text-align:center;padding:0 .5em;border-radius:1em;color:#fff;font-weight:600}}
{"".join(f".{state}{{background:{colour}}}" for state, colour in COLOURS.items())}
details{{border:1px solid #e5e7eb;border-radius:.5em;margin:.5em 0;padding:.4em .9em}}summary{{cursor:pointer}}
summary b{{margin:0 .4em}}.soft{{color:#6b7280}}svg{{display:block}}td svg{{margin-top:.35em}}
"""


def page(title: str, parts: Iterable[str], *, style: str = "") -> str:
    """A whole page; `title` is plain text, `parts` are HTML."""
    head = f"<meta charset=utf-8><title>{html.escape(title)}</title><style>{STYLE}{style}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>"


def mark(state: str) -> str:
    """A state as a coloured label."""
    return f'<span class="mark {state}">{state}</span>'


def fold(summary: str, content: str, *, opened: bool) -> str:
    """Content below one line, which shows and hides it without a script."""
    return f"<details{' open' if opened else ''}><summary>{summary}</summary>{content}</details>"


def table(head: list[str], rows: list[list[str]], *, classes: Mapping[int, str]) -> str:
    """A table.

    Args:
        head: Titles of the columns, HTML.
        rows: Cells, HTML.
        classes: The class of a column's cells: `number`, `bar`, `name`, `why`.
    """

    def cell(tag: str, at: int, text: str) -> str:
        return f"<{tag} class={classes[at]}>{text}</{tag}>" if at in classes else f"<{tag}>{text}</{tag}>"

    top = "".join(cell("th", at, text) for at, text in enumerate(head))
    body = "".join("<tr>" + "".join(cell("td", at, text) for at, text in enumerate(row)) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def bar_picture(bar: Bar | None, state: str) -> str:
    """A value beside its limit: the filled part is the value, the dark line the limit, the red side the wrong one."""
    if bar is None:
        return ""
    at, length = BAR_WIDTH * LIMIT_AT, BAR_WIDTH * bar.length
    wrong = (at, BAR_WIDTH - at) if bar.side == "ceiling" else (0.0, at)
    title = "far over its limit" if bar.fraction > 999 else f"{bar.fraction:.0%} of its limit"
    return (
        f'<svg width={BAR_WIDTH} height={BAR_HEIGHT} role=img aria-label="{title}"><title>{title}</title>'
        f'<rect width={BAR_WIDTH} height={BAR_HEIGHT} fill="#e5e7eb"/>'
        f'<rect x={wrong[0]:.1f} width={wrong[1]:.1f} height={BAR_HEIGHT} fill="#fecaca"/>'
        f'<rect y=2 width={length:.1f} height={BAR_HEIGHT - 4} fill="{COLOURS[state]}"/>'
        f'<rect x={at - 1:.1f} width=2 height={BAR_HEIGHT} fill="#111827"/></svg>'
    )


def definitions(facts: Mapping[str, str]) -> str:
    """Facts as a table of names and values, both plain text."""
    rows = [
        f"<tr><td class=name>{html.escape(key)}</td><td>{html.escape(value)}</td></tr>" for key, value in facts.items()
    ]
    return f"<table>{''.join(rows)}</table>"
