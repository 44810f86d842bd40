"""A drift check as a small page without scripts, which ZenML's dashboard can show.

Evidently's page (`drift_page` in `driftgate.drift.report`) is interactive and needs scripts, which ZenML's preview doesn't
run. Both pages are made from the same counts.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from driftgate.bars import bar_of
from driftgate.contract import PREDICTION
from driftgate.drift.compare import (
    COMPARED_WITH,
    MEASURE_NAMES,
    SHOWN_COLUMNS,
    ColumnDrift,
    Drift,
    History,
    windows_text,
)
from driftgate.drift.counting import Counts, Layout
from driftgate.drift.estimate import Expected
from driftgate.markup import COLOURS, bar_picture, definitions, fold, mark, page, table
from driftgate.words import number, plural

if TYPE_CHECKING:
    import numpy as np

PICTURES, MOST_PICTURES = 8, 24
MOST_OPEN_ROWS = 60  # of columns over a limit; more are folded
MOST_STABLE_ROWS = 300
WIDTH, HEIGHT = 320, 150
LEFT, RIGHT, TOP, BOTTOM = 34, 8, 6, 18  # margins of a picture
SHOWN_CATEGORIES = 8
CATEGORY_WIDTH = 150
INK, SOFT, CURRENT = "#374151", "#9ca3af", "#2563eb"
STYLE = """
.pictures{display:flex;flex-wrap:wrap;gap:1em 1.6em}.picture{width:320px}.picture td,.picture th{border:0;padding:.05em .6em .05em 0}
.picture p{margin:.1em 0 .3em;font-size:.85em}.picture table{font-size:.85em}text{font:10px system-ui,sans-serif;fill:#6b7280}
"""


def static_page(
    drift: Drift, history: History, counts: Counts, expected: dict[str, Expected], *, problem: str, interactive: str
) -> str:
    """Render a drift check: facts, columns with their limits, the estimate, and pictures of the worst columns.

    Args:
        drift: The result of the comparison.
        history: The windows that the batch was compared with.
        counts: Counts of the batch by column, each of shape (cells,).
        expected: Estimated and realised performance.
        problem: Name of the problem.
        interactive: Where Evidently's page is kept, in words.

    Returns:
        One self-contained HTML file without scripts.
    """
    worst = drift.worst_first
    over = len(drift.drifted)
    state = "block" if any(column.blocks for column in worst) or not drift.rows else "warn" if over else "pass"
    summary = f"{over} of {plural(len(worst), 'column')} over a limit" if worst else "no columns to compare"
    drawn = worst[: min(max(PICTURES, over), MOST_PICTURES)] if drift.rows else []
    parts = [
        f"<h1>{html.escape(problem)}: drift {mark(state)}</h1>",
        f"<p class=soft>{summary}. {html.escape(interactive)}</p>",
        definitions(_facts(drift)),
        "<h2>Columns, the worst first</h2>",
        _columns(worst),
    ]
    if expected:
        parts += ["<h2>Performance on these rows</h2>", _estimates(expected)]
    if drawn:
        pictures = [_picture(column, history, counts[column.name]) for column in drawn]
        left = len(worst) - len(drawn)
        rest = _not_drawn(left, columns=len(worst))
        legend = (
            "Grey is the range of past windows, the dashed line their newest one, or their mean. "
            f"The coloured line or bar is the current batch.{rest}"
        )
        parts += [
            f"<h2>Distributions of the worst {plural(len(drawn), 'column')}</h2><p class=soft>{legend}</p>",
            f"<div class=pictures>{''.join(pictures)}</div>",
        ]
    return page(f"{problem}: drift", parts, style=STYLE)


def _not_drawn(left: int, *, columns: int) -> str:
    """What the page says about the columns that it doesn't draw."""
    if not left:
        return ""
    if columns <= SHOWN_COLUMNS:
        return f" {plural(left, 'more column')} {'is' if left == 1 else 'are'} on the interactive page."
    return f" {plural(left, 'more column')} are not drawn; the interactive page has the worst {SHOWN_COLUMNS}."


def _facts(drift: Drift) -> dict[str, str]:
    """What was compared. It says if rows or predictions are missing, so that an empty page doesn't look like a pass."""
    facts = {"rows": f"{drift.rows:,}" if drift.rows else "0: no rows arrived, which blocks"}
    if drift.first and drift.last:
        facts["from, to"] = f"{drift.first:%Y-%m-%d %H:%M} to {drift.last:%Y-%m-%d %H:%M}"
    facts["compared with"] = windows_text(windows=drift.windows, days=drift.window_days, joined=drift.joined)
    if not any(column.name == PREDICTION for column in drift.columns):
        facts["predictions"] = "none: the rows break the contract, or there are none"
    return facts


def _columns(columns: list[ColumnDrift]) -> str:
    """One table; of a wide one first the columns over a limit, and the milder ones of them folded."""
    drifted = [column for column in columns if column.state != "stable"]
    stable = [column for column in columns if column.state == "stable"]
    parts = [_column_table(drifted[:MOST_OPEN_ROWS])] if drifted else []
    milder = drifted[MOST_OPEN_ROWS:]
    if milder:
        blocking = sum(column.blocks for column in milder)
        summary = f"<b>{plural(len(milder), 'more column')}</b>over a limit, {blocking:,} of them block"
        parts.append(fold(summary, _short_table(milder), opened=False))
    if stable:
        shown = stable[:MOST_STABLE_ROWS]
        left = len(stable) - len(shown)
        rest = f"<p class=soft>{plural(left, 'more column')}, further from their limits, not shown.</p>" if left else ""
        summary = f"{mark('stable')}<b>{plural(len(stable), 'column')}</b>within their limits"
        parts.append(fold(summary, _column_table(shown) + rest, opened=not drifted and len(stable) <= PICTURES))
    return "".join(parts)


def _column_table(columns: list[ColumnDrift]) -> str:
    return table(
        ["", "column", "value", "", "limit", "missing", "measure"],
        [
            [
                mark(column.state), html.escape(column.name), f"{column.worst.value:.3f}",
                bar_picture(bar_of(column.worst.value, column.worst.limit, side="ceiling"), column.state),
                f"≤ {column.worst.limit:.3f}", f"{column.missing:.1%}", html.escape(_measure(column)),
            ]
            for column in columns
        ],
        classes={1: "name", 2: "number", 3: "bar", 4: "number", 5: "number"},
    )  # fmt: skip


def _short_table(columns: list[ColumnDrift]) -> str:
    """A table without bars: those of thousands of columns would make the page heavy."""
    rows = [
        [
            mark(column.state), html.escape(column.name), f"{column.worst.value:.3f}", f"≤ {column.worst.limit:.3f}",
            MEASURE_NAMES[column.worst.measure] + (". It blocks" if column.blocks else ""),
        ]
        for column in columns
    ]  # fmt: skip
    return table(["", "column", "value", "limit", "measure"], rows, classes={1: "name", 2: "number", 3: "number"})


def _measure(column: ColumnDrift) -> str:
    """The measure that decides, what it was compared with, and whether it blocks."""
    worst = column.worst
    text = MEASURE_NAMES[worst.measure]
    if worst.measure in ("distance", "missing"):
        text += f", compared with {COMPARED_WITH[worst.question]}"
    if column.blocks:
        return f"{text}. It blocks"
    return f"{text}. It only warns: {column.excuse}" if column.state == "severe" else text


def _estimates(expected: dict[str, Expected]) -> str:
    rows = [
        [
            html.escape(name), number(found.estimate.value), f"{number(found.estimate.low)} – {number(found.estimate.high)}",
            number(found.realised.value) if found.realised else "no labels yet",
        ]
        for name, found in expected.items()
    ]  # fmt: skip
    head = ["metric", "estimated, without labels", "interval", "measured, from labels"]
    return table(head, rows, classes={1: "number", 2: "number", 3: "number"})


def _picture(column: ColumnDrift, history: History, counts: np.ndarray) -> str:
    layout, windows = history.profile.layouts[column.name], history.windows(column.name)
    colour = CURRENT if column.state == "stable" else COLOURS[column.state]
    drawing = (_shares if layout.category else _cumulative)(layout, windows, counts, colour)
    measured = f"{MEASURE_NAMES[column.worst.measure]} {column.worst.value:.3f}, limit {column.worst.limit:.3f}"
    head = f"<h3>{html.escape(column.name)} {mark(column.state)}</h3><p class=soft>{measured}</p>"
    return f"<div class=picture>{head}{drawing}</div>"


def _cumulative(layout: Layout, windows: np.ndarray, counts: np.ndarray, colour: str) -> str:
    """The share of rows up to each value: the batch as a line, and the range of all past windows as a band."""
    import numpy as np

    edges, last = np.array(layout.edges), len(layout.edges)
    if not last or not counts[:-1].sum():
        return "<p class=soft>There are no values to draw.</p>"
    known = windows[windows[:, :-1].sum(axis=1) > 0][:, :-1]
    steps = (np.cumsum(known, axis=1) / np.maximum(known.sum(axis=1), 1)[:, None])[:, :last]
    here = (np.cumsum(counts[:-1]) / counts[:-1].sum())[:last]
    moving = np.flatnonzero((np.diff(np.vstack([steps, here]), axis=1, prepend=0) > 0).any(axis=0))
    first, end = max(int(moving.min(initial=last - 1)) - 1, 0), int(moving.max(initial=0)) + 1
    x = LEFT + (edges - edges[first]) / max(edges[min(end, last) - 1] - edges[first], 1e-300) * (WIDTH - LEFT - RIGHT)
    part = slice(first, end)

    def line(shares: np.ndarray) -> list[str]:
        y = HEIGHT - BOTTOM - shares[part] * (HEIGHT - TOP - BOTTOM)
        return [f"{across:.1f},{down:.1f}" for across, down in zip(x[part], y, strict=True)]

    drawn = [_axes(edges[first], edges[min(end, last) - 1])]
    if len(known):
        band = " ".join([*line(steps.max(axis=0)), *reversed(line(steps.min(axis=0)))])
        newest = " ".join(line(steps[-1]))
        drawn.append(f'<polygon points="{band}" fill="{SOFT}" fill-opacity=".35"/>')
        drawn.append(f'<polyline points="{newest}" fill="none" stroke="{SOFT}" stroke-dasharray="3 2"/>')
    drawn.append(f'<polyline points="{" ".join(line(here))}" fill="none" stroke="{colour}" stroke-width="2"/>')
    title = "Share of rows up to each value, for the current batch and for past windows"
    return f'<svg width={WIDTH} height={HEIGHT} role=img aria-label="{title}">{"".join(drawn)}</svg>'


def _axes(low: float, high: float) -> str:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    lines = [
        f'<line x1={LEFT} x2={right} y1={y:.0f} y2={y:.0f} stroke="#e5e7eb"/><text x={LEFT - 4} y={y + 3:.0f} text-anchor=end>{share:.0%}</text>'
        for share in (0.0, 0.5, 1.0)
        for y in (bottom - share * (HEIGHT - TOP - BOTTOM),)
    ]
    ends = f"<text x={LEFT} y={HEIGHT - 4}>{low:.4g}</text><text x={right} y={HEIGHT - 4} text-anchor=end>{high:.4g}</text>"
    return "".join(lines) + ends


def _shares(layout: Layout, windows: np.ndarray, counts: np.ndarray, colour: str) -> str:
    """The share of each of the categories that changed most: the batch as a bar, past windows as range and mean."""
    import numpy as np

    known = windows[windows[:, :-1].sum(axis=1) > 0][:, :-1]
    known = known if len(known) else np.zeros((1, layout.cells - 1), dtype=np.int64)
    past = known / np.maximum(known.sum(axis=1), 1)[:, None]
    here = counts[:-1] / max(counts[:-1].sum(), 1)
    names = [*layout.named, "(other categories)", "(never seen before)"]
    change = np.maximum(np.abs(here - past.mean(axis=0)), here / 10)
    order = [int(at) for at in np.argsort(-change, kind="stable")[:SHOWN_CATEGORIES] if change[at] > 0]
    low, mean, high = past.min(axis=0), past.mean(axis=0), past.max(axis=0)
    scale = CATEGORY_WIDTH / max(float(np.max([here[order], high[order]])), 1e-9) if order else 1.0
    rows = [
        f"<tr><td>{html.escape(names[at])}</td><td style=width:{CATEGORY_WIDTH}px><svg width={CATEGORY_WIDTH} height=12>"
        f'<rect x={low[at] * scale:.1f} width={max((high[at] - low[at]) * scale, 1):.1f} height=12 fill="{SOFT}" fill-opacity=".45"/>'
        f'<rect y=3 width={here[at] * scale:.1f} height=6 fill="{colour}"/>'
        f'<line x1={mean[at] * scale:.1f} x2={mean[at] * scale:.1f} y1=0 y2=12 stroke="{INK}" stroke-dasharray="3 2"/></svg></td>'
        f"<td class=number>{here[at]:.1%}</td></tr>"
        for at in order
    ]
    return f"<table>{''.join(rows)}</table>" if rows else "<p class=soft>There are no values to draw.</p>"
