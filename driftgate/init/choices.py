"""What a person chose on the command line, and questions that the table alone can't answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from driftgate.errors import DriftgateError

NONE = "none"  # as the value of --id, --timestamp or --group: no column


@dataclass(frozen=True)
class Choices:
    """What a person chose. None: it is inferred from the table; `none`: there is no such column."""

    target: str
    row_id: str | None = None
    timestamp: str | None = None
    group: str | None = None
    positive: str | None = None
    texts: tuple[str, ...] = ()
    time_zone: str | None = None


@dataclass(frozen=True)
class Question:
    """A question with a few answers, and the option that answers it."""

    text: str
    answers: tuple[str, ...]
    option: str


Ask = Callable[[Question], str]


def refuse(question: Question) -> str:
    """Answer a question where nobody can be asked.

    Raises:
        DriftgateError: Always; it names the option.
    """
    raise DriftgateError(question.text, f"Set {question.option} to one of: {', '.join(question.answers)}.")
