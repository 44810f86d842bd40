"""What can go wrong in a way that its user can mend."""

from __future__ import annotations


class DriftgateError(Exception):
    """An error with its cause and its remedy, each one sentence.

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
    """A verdict said `block`. Raised by the step that enforces it, never by what decided it."""


def first_line(error: Exception) -> str:
    """What an error says first, or its type where it says nothing."""
    said = str(error).strip()
    return said.splitlines()[0].rstrip(".") if said else type(error).__name__
