"""Read the body of a request, and validate it. Every error has the same format.

`{"error": {"code": …, "message": …, "fields": [{"field": …, "cause": …}]}}`. Errors and the log contain no values of the
input.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, TypeVar

import jiter
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from driftgate.contract import MAXIMUM_NAME_LENGTH, normal_text

SHOWN_FIELDS = 20
SHOWN_NAME = MAXIMUM_NAME_LENGTH + 50  # a whole column name, and where it is
SHOWN_CAUSE = 1000
ROWS = "instances"
BODY_WITHIN_SECONDS = 30
HANG_UP = ((b"connection", b"close"),)  # so that the server doesn't read the rest of a refused body
# How much of a refused request is read and discarded before its connection is closed. Closing a connection with unread
# bytes resets it. Then a caller that is still sending sees a connection error instead of the answer.
LINGER_BYTES, LINGER_SECONDS = 32 * 2**20, 10.0
# Codes of refused requests whose body was read completely.
READ_WHOLE = frozenset({"empty_body", "bad_json", "bad_utf8", "duplicate_key", "too_deep", "invalid", "log"})

Model = TypeVar("Model", bound=BaseModel)
Scope = dict[str, Any]


class Refused(Exception):
    """A request that the service refuses, with the error answer.

    Args:
        status: The HTTP status.
        code: A short code of the cause. There are few codes, because metrics count by code.
        message: The cause in one sentence.
        fields: Name and cause of each invalid field.
        headers: More headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        fields: Sequence[tuple[str, str]] = (),
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message
        self.fields, self.headers = fields, headers

    def body(self) -> bytes:
        fields = [{"field": field, "cause": cause} for field, cause in self.fields]
        return to_json({"error": {"code": self.code, "message": self.message, "fields": fields}})


class Gone(Exception):
    """The caller has closed the connection, so no answer is sent."""


async def read_body(scope: Scope, receive: Any, *, most_bytes: int) -> bytes:
    """Read a JSON body, streamed or not, up to the allowed size.

    Raises:
        Refused: If the body is too large or too slow, or its content type isn't JSON.
        Gone: If the caller closed the connection.
    """
    headers = dict(scope["headers"])
    kind = headers.get(b"content-type", b"").split(b";")
    if kind[0].strip().lower() != b"application/json":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content_type", "The content type must be application/json.")
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length[:20]) > most_bytes:
        raise _too_large(most_bytes)
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_WITHIN_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                part = message.get("body", b"")
                size += len(part)
                if size > most_bytes:
                    raise _too_large(most_bytes)
                parts.append(part)
                if not message.get("more_body"):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except TimeoutError:
        late = f"The body did not arrive within {BODY_WITHIN_SECONDS} seconds."
        raise Refused(HTTPStatus.REQUEST_TIMEOUT, "slow_body", late) from None


async def drain(receive: Any) -> None:
    """Read and discard the rest of a refused request's body, up to `LINGER_BYTES` and `LINGER_SECONDS`."""
    left = LINGER_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
                left -= len(message.get("body", b""))


def parse(body: bytes, model: type[Model]) -> Model:
    """Read one JSON object strictly, and validate it.

    Raises:
        Refused: With 400 if the body isn't JSON or UTF-8, repeats a key, contains NaN or infinity, or is nested too
            deeply. With 422 if the model rejects it; the error names each field and cause.
    """
    checked, faults = _check(_decode(body), model)
    if checked is None:
        raise _invalid(faults)
    return checked


def parse_rows(body: bytes, model: type[Model], *, most_rows: int) -> list[Model]:
    """Read `{"instances": [row, …]}` strictly, and validate each row. It stops after `SHOWN_FIELDS` errors.

    Raises:
        Refused: In the same cases as `parse`.
    """
    value = _decode(body)
    if not isinstance(value, dict):
        raise _invalid([("body", "Input should be an object")])
    faults = [(key[:SHOWN_NAME], "Extra inputs are not permitted") for key in list(value)[:SHOWN_FIELDS] if key != ROWS]
    rows = value.get(ROWS)
    if not isinstance(rows, list) or not 1 <= len(rows) <= most_rows:
        faults.append((ROWS, f"Input should be a list of 1 to {most_rows:,} rows"))
        rows = []
    checked = []
    for at, row in enumerate(rows):
        found, wrong = _check(row, model)
        faults += [(f"{ROWS}.{at}.{field}", cause) for field, cause in wrong]
        if found is not None:
            checked.append(found)
        if len(faults) >= SHOWN_FIELDS:
            break
    if faults:
        raise _invalid(faults)
    return checked


def _decode(body: bytes) -> Any:
    if not body.strip():
        raise Refused(HTTPStatus.BAD_REQUEST, "empty_body", "The body is empty; send a JSON object.")
    try:
        return jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys")
    except ValueError as error:
        code, message = _cause_of(str(error))
        raise Refused(HTTPStatus.BAD_REQUEST, code, message) from None


def _check(value: Any, model: type[Model]) -> tuple[Model | None, list[tuple[str, str]]]:
    """Return the validated value, or the name and cause of each invalid field."""
    if isinstance(value, dict) and len(value) > len(model.model_fields) + SHOWN_FIELDS:
        return None, [("body", "It has many more fields than the contract")]  # an error for each costs memory
    try:
        return model.model_validate(value, strict=True), []
    except ValidationError as error:
        composed = _with_composed_names(value)
        if composed is not None:
            if len(composed) < len(value):
                return None, [("body", "Two fields have the same name, written with other code points")]
            return _check(composed, model)
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        return None, [(_place(fault["loc"]), _cut(fault["msg"])) for fault in faults]
    except (OverflowError, ValueError):  # an integer that is too large for a float
        return None, [("body", "A number is too large")]


def without_probability(rows: Sequence[int], *, alone: bool) -> Refused:
    """The refusal of rows for which the model gives no probability; `alone`: the body is the row."""
    places = ["body"] if alone else [f"{ROWS}.{row}" for row in rows]
    return _invalid([(place, "The model gives no probability: its numbers are too large") for place in places])


def _with_composed_names(value: Any) -> dict[str, Any] | None:
    """An object with its names in Unicode's composed form, as the contract has them; None if they are so already."""
    if not isinstance(value, dict) or all(map(str.isascii, value)):
        return None
    composed = {normal_text(name): item for name, item in value.items()}
    return None if composed.keys() == value.keys() else composed


def _cut(text: str) -> str:
    """A cause, without most of a long list of categories."""
    return text if len(text) <= SHOWN_CAUSE else f"{text[:SHOWN_CAUSE]} …"


def _invalid(faults: Sequence[tuple[str, str]]) -> Refused:
    first = f" for the first {SHOWN_FIELDS} errors" if len(faults) >= SHOWN_FIELDS else ""
    message = f"The request breaks the contract; see fields{first}."
    return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", message, fields=faults[:SHOWN_FIELDS])


def _too_large(most_bytes: int) -> Refused:
    text = f"The body is larger than {most_bytes:,} bytes."
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", text)


def _cause_of(error: str) -> tuple[str, str]:
    """A code and a message for the parser's error, without values of the input."""
    place = error[error.rfind(" at line ") :] if " at line " in error else ""
    if "uplicate" in error:
        return "duplicate_key", f"A key occurs twice{place}."
    if "recursion" in error:
        return "too_deep", f"The body is nested too deeply{place}."
    if "unicode" in error.lower() or "utf" in error.lower():
        return "bad_utf8", f"The body is not UTF-8{place}."
    return "bad_json", f"The body is not JSON{place}."


def _place(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location)[:SHOWN_NAME] or "body"
