"""The text of a problem file: its keys, with comments that say what was assumed and how each limit was set."""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
from typing import Any

from driftgate.init.merge import comment, flow
from driftgate.words import one_line

WIDTH = 118
HEADER = re.compile(r"^# Written by run\.py init [^\n]*\(([0-9a-f]{12})\)\n")


def file_text(content: dict[str, Any], notes: dict[str, str], *, source: str) -> str:
    """The text of a problem file.

    Args:
        content: Its keys.
        notes: Comments, by the dotted name of their key.
        source: Where the table came from.
    """
    lines = [
        f"# Written by run.py init from {one_line(source)} ({mark_of(content)})",
        "# Edit it as you like: if you run the same command again, it keeps what you edited. docs/reference/problem-file.md",
        "# describes every key.",
    ]
    for key, value in content.items():
        if isinstance(value, dict) and value:
            lines += _section(key, value, notes)
        else:
            lines.append(f"{key}: {flow(value)}{comment(notes.get(key, ''))}")
    return "\n".join(lines) + "\n"


def _section(key: str, value: dict[str, Any], notes: dict[str, str]) -> list[str]:
    lines = ["", *_comment_lines(notes.get(key, "")), f"{key}:"]
    for name, item in value.items():
        note = comment(notes.get(f"{key}.{name}", ""))
        if isinstance(item, list) and item and isinstance(item[0], dict):
            lines += [f"  {name}:{note}", *(line for entry in item for line in _entry(entry))]
        else:
            lines.append(f"  {flow(name)}: {flow(item)}{note}")
    return lines


def _comment_lines(text: str) -> list[str]:
    lines = [
        line for part in text.splitlines() for line in textwrap.wrap(one_line(part), WIDTH, break_long_words=False)
    ]
    return [f"# {line}" for line in lines]


def _entry(entry: dict[str, Any]) -> list[str]:
    lines = []
    for at, (key, value) in enumerate(entry.items()):
        start = "    - " if not at else "      "
        if key == "search":
            lines += [f"{start}{key}:", *(f"        {name}: {flow(space)}" for name, space in value.items())]
        else:
            lines.append(f"{start}{key}: {flow(value)}")
    return lines


def mark_of(content: dict[str, Any]) -> str:
    """A mark of what was generated: twelve digits of its hash."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:12]


def mark_in(text: str) -> str | None:
    """The mark in the first line of a problem file; None if `run.py init` didn't write it."""
    found = HEADER.match(text)
    return found[1] if found else None


def with_first_line(text: str, generated: str) -> str:
    """A text with the first line of a generated one."""
    return generated.splitlines(keepends=True)[0] + text.split("\n", 1)[1]
