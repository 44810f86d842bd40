"""Find the encoding and the delimiter of a CSV file."""

from __future__ import annotations

import csv
import io
import re
from itertools import islice

from driftgate.errors import DriftgateError

DELIMITERS = (",", ";", "\t", "|")
SNIFFED_CHARACTERS = 500_000
SNIFFED_ROWS = 1_000
GUESSED_BYTES = 100_000
MOSTLY = 0.9
FEW = 0.02  # control characters in text

MARKS = (  # byte order marks, the longest first
    (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"), (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"),
)  # fmt: skip
NO_SCRIPTS = (
    "Basic Latin",
    "Latin",
    "Control",
    "General Punctuation",
    "Currency",
    "Letterlike",
    "Spacing",
    "Mathematical",
)
OTHER_FORMATS = {
    "JSON": re.compile(r'\s*(\[\s*[\[{]|\{\s*")'),
    "HTML": re.compile(r"\s*<(!doctype html|html)", re.IGNORECASE),
    "XML": re.compile(r"\s*<\?xml", re.IGNORECASE),
}
OTHER_SCRIPTS = ("cp1251", "cp1253", "shift_jis", "euc_kr", "gb18030", "big5")


def encoding_of(content: bytes, *, shown: str, complete: bool = True) -> tuple[str, str | None]:
    """The encoding of text.

    Args:
        content: The bytes; all of them, or the beginning.
        shown: The source, for errors.
        complete: Whether all bytes are there.

    Returns:
        The name of the encoding, and a note if it was guessed.

    Raises:
        DriftgateError: If the content is not text.
    """
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return encoding, None
    head = content[:GUESSED_BYTES]
    if b"\0" in head:
        # UTF-16 without a mark: every other byte of ASCII text is NUL.
        for encoding, at in (("utf-16-le", 1), ("utf-16-be", 0)):
            if head[at::2].count(0) > 0.4 * len(head) and head[1 - at :: 2].count(0) == 0:
                return encoding, f"The encoding is guessed as {encoding}."
        raise _no_text(shown)
    controls = len(re.findall(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]", head))
    if controls > FEW * len(head):
        raise _no_text(shown)
    if _decodes(content, "utf-8", complete=complete):
        return "utf-8", None
    encoding = _guess(content)
    return encoding, f"The file is not UTF-8; its encoding is guessed as {encoding}. Give --encoding if this is wrong."


def _decodes(content: bytes, encoding: str, *, complete: bool) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        return not complete and error.start > len(content) - 4  # a character that is cut
    return True


def _guess(content: bytes) -> str:
    """An encoding of 8 bits or of an Asian script: Windows Western, unless the text is plausible only in another one."""
    from charset_normalizer import from_bytes

    lines = [line for line in content.splitlines() if not line.isascii()]
    telling = b"\n".join(lines)[:GUESSED_BYTES]
    western = next((name for name in ("cp1252", "latin-1") if _decodes(content, name, complete=True)), "latin-1")
    best = from_bytes(telling, cp_isolation=["cp1252", "latin_1", *OTHER_SCRIPTS], preemptive_behaviour=False).best()
    if best is None or best.encoding.replace("_", "") in ("cp1252", "latin1", "ascii"):
        return western
    found = best.encoding
    # Short Western texts are plausible in many encodings; only other scripts can be identified surely.
    foreign = any(not name.startswith(NO_SCRIPTS) for name in best.alphabets)
    return found if foreign and _decodes(content, found, complete=True) else western


def delimiter_of(text: str) -> str:
    """The delimiter that splits all rows into the same number of fields; the most fields, if there are several."""
    cut = len(text) > SNIFFED_CHARACTERS
    sample = text[:SNIFFED_CHARACTERS].rstrip("\r\n\t ") if not cut else text[:SNIFFED_CHARACTERS].rpartition("\n")[0]
    scores = {sign: _score(sample, sign) for sign in DELIMITERS}
    best = max(DELIMITERS, key=lambda sign: scores[sign])  # the first of equals
    if scores[best][1] < 2:
        even, width = _score(sample, " ")
        return " " if even == 1 and width > 1 else ","
    return best


def require_header(text: str, delimiter: str, *, shown: str) -> None:
    """Check that a text begins with the names of columns.

    Args:
        text: The beginning of the file.
        delimiter: Its delimiter.
        shown: The source, for errors.

    Raises:
        DriftgateError: If it is JSON, HTML or XML, or has a title or comments above the names.
    """
    if found := next((name for name, start in OTHER_FORMATS.items() if start.match(text)), None):
        raise DriftgateError(f"{shown} is not CSV: it is {found}.", "Convert it to a .csv or .parquet file.")
    first, _, rest = text.lstrip("\r\n").partition("\n")
    if not rest or len(first.split(delimiter)) > 1:
        return
    below = "\n".join(
        line for line in rest.rpartition("\n")[0].splitlines() if line.strip() and not line.startswith("#")
    )
    even, width = max(_score(below, sign) for sign in DELIMITERS)
    if width > 1 and even > MOSTLY and '"' not in first:
        raise DriftgateError(
            f"{shown} has a title or a comment above the column names: its first line has one field, and the lines below have {width}.",
            "Remove the lines above the column names.",
        )


def _score(sample: str, delimiter: str) -> tuple[float, int]:
    """The share of rows that have as many fields as the header, and the number of these fields; 0 for a single field."""
    rows: list[int] = []
    try:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, strict=True)
        rows.extend(len(row) for row in islice(reader, SNIFFED_ROWS) if row)
    except csv.Error:
        pass  # the reader names the line later
    if not rows or rows[0] < 2:
        return 0.0, 0
    return sum(width == rows[0] for width in rows) / len(rows), rows[0]


def _no_text(shown: str) -> DriftgateError:
    return DriftgateError(f"{shown} is not a text file.", "Name a .csv or .parquet file; convert other formats to one.")
