"""Errors that a user can fix."""

from __future__ import annotations

from pydantic import ValidationError


class DriftgateError(Exception):
    """An error with its cause and its remedy, one sentence each.

    Args:
        cause: What is wrong, naming the file, key or value.
        remedy: What the user can do about it.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause} {remedy}")
        self.cause = cause
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[DriftgateError], tuple[str, str]]:
        return (type(self), (self.cause, self.remedy))


class GateBlocked(Exception):
    """The verdict is `block`. The step that enforces a verdict raises it; the code that decides never does."""


def first_line(error: Exception) -> str:
    """The first line of an error message, or the error's type if it has no message."""
    if isinstance(error, ValidationError):  # the first line of its message only counts the faults
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        return f"{place}: {fault['msg']}".removeprefix(": ").splitlines()[0].rstrip(".")
    message = str(error).strip()
    return message.splitlines()[0].rstrip(".") if message else type(error).__name__
