"""How the terminal shows a problem file that was made from a table."""

from __future__ import annotations

import os
from typing import IO

from cli.tables import is_verbose, make_console, print_line, print_table
from driftgate.results.init import InitResult
from driftgate.words import one_line

SHOWN = 12
SHOWN_CLASSES = 6
SHOWN_LEFT_OUT = 5


def print_init(result: InitResult, results: IO[str]) -> None:
    """Print what was assumed, what is doubted, and the next command."""
    console = make_console(results)
    classes = ", ".join(f"{one_line(item.name)} ({item.rows:,})" for item in result.target.classes[:SHOWN_CLASSES])
    more = len(result.target.classes) - SHOWN_CLASSES
    features = [column for column in result.columns if column.role == "feature"]
    sampled = f", of which {result.read:,} were read" if result.read < result.rows else ""
    lines = [
        ("table", f"{result.source}: {result.rows:,} rows{sampled}, {len(result.columns):,} columns"),
        ("target", f"{one_line(result.target.column)}: {classes}{f' and {more} more classes' if more > 0 else ''}"),
        ("features", f"{len(features):,}: {_names([column.name for column in features])}"),
        *_left_out(result),
        ("split", result.split),
        ("search", result.search),
        (
            "gate",
            "; ".join(f"{limit.metric} {limit.limit:g} (baseline {limit.baseline:.3f})" for limit in result.limits),
        ),
    ]
    print_table(console, lines)
    if is_verbose():
        rows = [[column.name, column.role, column.type, column.why] for column in result.columns]
        print_line(console)
        print_table(console, rows, head=("column", "role", "type", ""), indent=2)
    _print_list(console, "assumed", result.assumed)
    _print_doubts(console, result)
    _print_list(console, "kept, because you edited it", result.kept)
    print_line(console)
    if result.written:
        print_line(console, f"written    {result.config} and {result.data}, under DVC")
    else:
        print_line(console, "checked    nothing was written")
    prefix = result.next.replace("python run.py", "uv run run.py") if "UV" in os.environ else result.next
    print_line(console, f"next       {prefix if result.written else 'the same command without --check'}")


def _left_out(result: InitResult) -> list[tuple[str, str]]:
    """The columns that are no features and that no doubt tells about."""
    told = {name for doubt in result.doubts for name in doubt.columns}
    columns = [column for column in result.columns if column.role == "left out" and column.name not in told]
    shown = "; ".join(f"{one_line(column.name)}: {column.why}" for column in columns[:SHOWN_LEFT_OUT])
    more = len(columns) - SHOWN_LEFT_OUT
    return [("left out", f"{shown}{f'; and {more:,} more' if more > 0 else ''}")] if columns else []


def _print_list(console: object, title: str, texts: tuple[str, ...]) -> None:
    if not texts:
        return
    print_line(console)
    print_line(console, (title, "bold"))
    shown = texts if is_verbose() else texts[:SHOWN]
    print_table(console, [[text] for text in shown], indent=2)
    if len(texts) > len(shown):
        print_line(console, f"  and {len(texts) - len(shown):,} more; --verbose shows all")


def _print_doubts(console: object, result: InitResult) -> None:
    print_line(console)
    if not result.doubts:
        print_line(console, ("to check", "bold"), "   nothing")
        return
    print_line(console, ("to check", "bold yellow"))
    shown = result.doubts if is_verbose() else result.doubts[:SHOWN]
    print_table(console, [[f"{doubt.text} {doubt.done}"] for doubt in shown], indent=2)
    if len(result.doubts) > len(shown):
        print_line(console, f"  and {len(result.doubts) - len(shown):,} more; --verbose shows all")


def _names(names: list[str]) -> str:
    shown = ", ".join(one_line(name) for name in names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN:,} more" if len(names) > SHOWN else shown
