"""The console that tables are printed on."""

from __future__ import annotations

from typing import IO, Any


def make_console(results: IO[str]) -> Any:
    from rich.console import Console

    return Console(file=results, width=None if results.isatty() else 120, highlight=False)
