"""Evaluate the part of GitHub's `${{ … }}` expressions that the workflows use. Unknown syntax is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][\w-]*)|(?P<sign>&&|\|\||[=!]=|[!().,]))"
)
TEMPLATE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
WORDS = {"true": True, "false": False, "null": None}

Functions = Mapping[str, Callable[..., Any]]


class PlayError(Exception):
    """A workflow that GitHub would refuse, or that uses a value that never exists."""


class Strict(dict[str, Any]):
    """A context with a fixed set of keys: an unknown key is an error. In a plain dict it is null, as on GitHub."""

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.name = name

    def __missing__(self, key: str) -> Any:
        raise PlayError(f"{self.name}.{key} is never set; there are: {', '.join(self) or 'none'}")


def evaluate(expression: str, contexts: Mapping[str, Any], functions: Functions) -> Any:
    """The value of an expression, without its `${{ }}`.

    Raises:
        PlayError: If it can't be read, or names an unknown context, function or value.
    """
    return _Parser(expression, contexts, functions).whole()


def render(text: str, contexts: Mapping[str, Any], functions: Functions) -> str:
    """Replace each `${{ … }}` in a text by its value."""
    return TEMPLATE.sub(lambda found: as_text(evaluate(found[1], contexts, functions)), text)


def condition(text: object, contexts: Mapping[str, Any], functions: Functions) -> bool:
    """Evaluate an `if:`, with or without `${{ }}`. Without a status function, it is true only after success."""
    whole = str(text).strip() if not isinstance(text, bool) else str(text).lower()
    inner = TEMPLATE.fullmatch(whole)
    expression = inner[1] if inner else whole
    if "${{" in expression:
        raise PlayError(f"an if: that is a text is always true: {text}")
    if not re.search(r"\b(success|failure|always|cancelled)\(", expression):
        expression = f"success() && ({expression})"
    return truthy(evaluate(expression, contexts, functions))


def truthy(value: object) -> bool:
    return value not in (None, False, 0, "")


def as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        raise PlayError(f"an object can't be written into a text: {value}")
    return str(value)


class _Parser:
    """From lowest to highest precedence: `||`, `&&`, `==` and `!=`, `!`."""

    def __init__(self, expression: str, contexts: Mapping[str, Any], functions: Functions) -> None:
        self.expression, self.contexts, self.functions = expression, contexts, functions
        self.tokens: list[tuple[str, str]] = []
        at, end = 0, len(expression.rstrip())
        while at < end:
            found = TOKEN.match(expression, at)
            if not found:
                raise PlayError(f"can't be read: {expression.strip()!r}, from {expression[at:]!r}")
            self.tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            at = found.end()

    def whole(self) -> Any:
        value = self._either()
        if self.tokens:
            raise PlayError(f"can't be read: {self.expression.strip()!r}, from {self.tokens[0][1]!r}")
        return value

    def _take(self, *signs: str) -> str | None:
        if self.tokens and self.tokens[0][0] == "sign" and self.tokens[0][1] in signs:
            return self.tokens.pop(0)[1]
        return None

    def _demand(self, sign: str) -> None:
        if not self._take(sign):
            raise PlayError(f"can't be read: {self.expression.strip()!r} lacks {sign!r}")

    def _either(self) -> Any:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value if truthy(value) else other
        return value

    def _both(self) -> Any:
        value = self._equal()
        while self._take("&&"):
            other = self._equal()
            value = other if truthy(value) else value
        return value

    def _equal(self) -> Any:
        value = self._not()
        while sign := self._take("==", "!="):
            value = _same(value, self._not()) == (sign == "==")
        return value

    def _not(self) -> Any:
        return not truthy(self._not()) if self._take("!") else self._atom()

    def _atom(self) -> Any:
        if self._take("("):
            value = self._either()
            self._demand(")")
            return value
        kind, text = self.tokens.pop(0) if self.tokens else ("end", "")
        if kind == "text":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return float(text)
        if kind != "name":
            raise PlayError(f"can't be read: {self.expression.strip()!r}, near {text!r}")
        if text in WORDS:
            return WORDS[text]
        return self._call(text) if self._take("(") else self._look_up(text)

    def _call(self, name: str) -> Any:
        arguments = []
        while not self._take(")"):
            arguments.append(self._either())
            self._take(",")
        if name not in self.functions:
            raise PlayError(f"there is no function {name}() here")
        return self.functions[name](*arguments)

    def _look_up(self, name: str) -> Any:
        if name not in self.contexts:
            raise PlayError(f"there is no context {name!r} here; there are: {', '.join(self.contexts)}")
        value = self.contexts[name]
        while self._take("."):
            key = self.tokens.pop(0)[1]
            value = (value[key] if isinstance(value, Strict) else value.get(key)) if isinstance(value, dict) else None
        return value


def _same(left: object, right: object) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    return left == right if type(left) is type(right) else _number(left) == _number(right)


def _number(value: object) -> float:
    try:
        return float(value or 0)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")
