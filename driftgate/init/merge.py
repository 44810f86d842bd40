"""Keep what a person edited in a problem file when it is made again: a three-way merge of its keys."""

from __future__ import annotations

import functools
import io
import re
from typing import Any

import yaml

from driftgate.words import one_line

Path = tuple[Any, ...]
MISSING = object()  # no value at a path
SAFE = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
SHOWN = 60


def merge(base: dict[str, Any], mine: dict[str, Any], new: dict[str, Any]) -> tuple[dict[Path, Any], list[str]]:
    """Compare a person's file with what was generated before and now.

    Args:
        base: What was generated before.
        mine: The person's file, which began as `base`.
        new: What is generated now.

    Returns:
        What to change in the person's file, by path (`MISSING`: remove it); and what is kept although it differs from
        `new`, one sentence each. A key that the person added, changed or removed is never touched. Lists count as one value.
    """
    changes: dict[Path, Any] = {}
    kept: list[str] = []
    _walk(base, mine, new, (), changes, kept)
    return changes, kept


def _walk(base: Any, mine: Any, new: Any, path: Path, changes: dict[Path, Any], kept: list[str]) -> None:
    for key in [
        *mine,
        *(key for key in new if key not in mine),
        *(key for key in base if key not in mine and key not in new),
    ]:
        here = (*path, key)
        was, has, will = (part.get(key, MISSING) for part in (base, mine, new))
        if isinstance(has, dict) and isinstance(will, dict) and (isinstance(was, dict) or was is MISSING):
            _walk({} if was is MISSING else was, has, will, here, changes, kept)
        elif _same(was, has):
            if not _same(has, will):
                changes[here] = will
        elif not _same(has, will):
            kept.append(_kept_text(here, has, will))


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and bool(one == other))


def _kept_text(path: Path, has: Any, will: Any) -> str:
    name = ".".join(str(part) for part in path)
    edited = "was removed" if has is MISSING else f"is {_short(has)}"
    return (
        f"{name} {edited}, as you edited it; otherwise it would be {'left out' if will is MISSING else _short(will)}."
    )


def _short(value: Any) -> str:
    text = flow(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def apply(text: str, changes: dict[Path, Any]) -> str:
    """Change values in a YAML text; its comments, order and style stay."""
    editor = _editor()
    content = editor.load(text)
    for path, value in changes.items():
        place = content
        for part in path[:-1]:
            place = place[part]
        if value is MISSING:
            del place[path[-1]]
        else:
            place[path[-1]] = _node(value)
    out = io.StringIO()
    editor.dump(content, out)
    return out.getvalue()


class _Written(float):
    """A number as it is written: ruamel.yaml would round its last digits."""

    text: str


def _editor() -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import RoundTripConstructor
    from ruamel.yaml.representer import RoundTripRepresenter

    class Constructor(RoundTripConstructor):
        pass

    class Representer(RoundTripRepresenter):
        pass

    Constructor.add_constructor("tag:yaml.org,2002:float", _as_written)
    Representer.add_representer(
        _Written, lambda dumper, found: dumper.represent_scalar("tag:yaml.org,2002:float", found.text)
    )
    editor = YAML()
    editor.Constructor, editor.Representer = Constructor, Representer
    editor.preserve_quotes = True
    editor.width = 4096
    editor.indent(mapping=2, sequence=4, offset=2)
    return editor


def _as_written(_constructor: Any, node: Any) -> _Written:
    number = _Written()
    number.text = node.value
    return number


def _node(value: Any) -> Any:
    """A value for ruamel.yaml, in flow style; YAML 1.1 reads its texts alike."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, dict | list):
        node = CommentedMap({_node(key): _node(item) for key, item in value.items()}) if isinstance(value, dict) else CommentedSeq(map(_node, value))  # fmt: skip
        node.fa.set_flow_style()
        return node
    if isinstance(value, float):
        number = _Written(value)
        number.text = flow(value)
        return number
    return DoubleQuotedScalarString(value) if isinstance(value, str) and not _is_plain(value) else value


def flow(value: Any) -> str:
    """A value as YAML on one line. YAML 1.1 and 1.2 read it alike."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    if isinstance(value, str):
        if _is_plain(value):
            return value
        return yaml.safe_dump(value, default_style='"', allow_unicode=True, width=10**9).removesuffix("\n")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        digits, sign, power = repr(value).partition("e")
        return digits + (".0" if sign and "." not in digits else "") + sign + power
    return str(value)


@functools.lru_cache(maxsize=10_000)
def _is_plain(value: str) -> bool:
    return bool(SAFE.fullmatch(value)) and yaml.safe_load(value) == value and value.lower() not in ("y", "n")


def comment(text: str) -> str:
    """A text for the end of a line, as a comment; nothing for an empty text."""
    return f"  # {one_line(text)}" if text else ""
