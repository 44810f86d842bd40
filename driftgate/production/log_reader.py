"""Find the lines of a time range in a prediction log by their content, not by the name or date of a file.

Clocks may be wrong and corrected later, and files may be copied. So each segment is read once for the times of its lines.
An index next to the segments keeps these times; it is valid for a segment while its size and modification time don't
change.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from driftgate.errors import DriftgateError
from driftgate.production.log_lines import (
    BadLine,
    LabelLine,
    PredictionLine,
    parse_label,
    parse_prediction,
    time_of,
    whole_lines,
)
from driftgate.production.prediction_log import LABELS, PREDICTIONS, candidates

log = logging.getLogger("driftgate.predictions")

INDEX = ".index.json"
HOUR = 3_600_000
MOST_SPANS = 1000  # of one segment

Span = tuple[int, int]
Line = TypeVar("Line", PredictionLine, LabelLine)


class Segment(NamedTuple):
    """A segment as it was when the reading began: its size in bytes, and the times of its lines.

    A span is a first and a last time, in milliseconds since 1970. No line is outside the spans.
    """

    path: Path
    size: int
    spans: tuple[Span, ...]

    def meets(self, start: int, stop: int) -> bool:
        """Whether a line may be in a time range, in milliseconds since 1970; `stop` is exclusive."""
        return any(low < stop and high >= start for low, high in self.spans)


class IndexEntry(BaseModel):
    """The times in a segment of this size and modification time."""

    model_config = ConfigDict(frozen=True)

    size: int
    modified_ns: int
    spans: tuple[Span, ...]


class Index(BaseModel):
    """The times in each segment of a folder, by the segment's name."""

    model_config = ConfigDict(frozen=True)

    segments: dict[str, IndexEntry] = {}


class LogReader:
    """One reading of a prediction log. Lines that the service writes meanwhile are not included.

    Bad lines and unreadable files are left out, counted, and logged as warnings.

    Args:
        folder: Folder of the log.

    Raises:
        DriftgateError: If there is no such folder, or it can't be read.
    """

    def __init__(self, folder: Path) -> None:
        require_log(folder)
        self.folder = folder
        self.unreadable: set[str] = set()
        self._segments: dict[str, list[Segment]] = {}
        self._bad: dict[str, int] = {}
        self._repeated: collections.Counter[str] = collections.Counter()

    @property
    def bad_lines(self) -> int:
        """How many lines were left out in the segments that were read."""
        return sum(self._bad.values()) + self._repeated.total()

    def segments(self, kind: str) -> list[Segment]:
        """The segments of a kind that can be read, by name."""
        if kind not in self._segments:
            self._segments[kind] = self._look(kind)
        return self._segments[kind]

    def spans(self, kind: str) -> list[Span]:
        """The times of all lines of a kind, in order; adjacent and overlapping spans are merged."""
        return _merged(sorted(span for segment in self.segments(kind) for span in segment.spans), gap=1)

    def predictions(self, start: int, stop: int, kind: str = PREDICTIONS) -> Iterator[tuple[Path, PredictionLine]]:
        """The predictions of a time range, and the segment of each.

        Args:
            start: First millisecond since 1970, inclusive.
            stop: Last millisecond, exclusive.
            kind: `PREDICTIONS` or `SHADOW`.
        """
        for segment in self.segments(kind):
            if segment.meets(start, stop):
                for line in self._parsed(segment, parse_prediction):
                    if start <= line.at < stop:
                        yield segment.path, line

    def labels(self, start: int, stop: int) -> Iterator[LabelLine]:
        """The labels of the predictions of a time range; the labels may have been sent at any time."""
        for segment in self.segments(LABELS):
            if segment.meets(start, stop):
                for line in self._parsed(segment, parse_label):
                    if start <= line.predicted_at < stop:
                        yield line

    def distinct(self, lines: Iterable[tuple[Path, PredictionLine]]) -> Iterator[PredictionLine]:
        """Leave out repeated requests, for example from a copied segment. Call it only once for each line."""
        known: set[str] = set()
        for path, line in lines:
            if line.request in known:
                if not self._repeated[path.name]:
                    log.warning("%s repeats predictions that are already in the log; they are left out", path.name)
                self._repeated[path.name] += 1
            else:
                known.add(line.request)
                yield line

    def _parsed(self, segment: Segment, parse: Callable[[bytes | None], Line]) -> Iterator[Line]:
        bad, first = 0, ""
        try:
            for number, line in enumerate(whole_lines(segment.path, size=segment.size), start=1):
                try:
                    yield parse(line)
                except BadLine as error:
                    bad += 1
                    first = first or f"line {number}: {error}"
        except OSError as error:
            self._leave_out(segment.path, error.strerror or type(error).__name__)
        if bad and segment.path.name not in self._bad:
            log.warning("%s: %s left out; the first is %s", segment.path.name, _lines(bad), first)
        if bad:
            self._bad[segment.path.name] = bad  # a segment may be read for more than one window

    def _look(self, kind: str) -> list[Segment]:
        index, found, fresh = _read_index(self.folder), [], {}
        for path in candidates(self.folder, kind):
            try:
                state = path.stat()
                if not stat.S_ISREG(state.st_mode):
                    self._leave_out(path, "it is not a regular file")
                    continue
                known = index.segments.get(path.name)
                if known is None or (known.size, known.modified_ns) != (state.st_size, state.st_mtime_ns):
                    spans = _spans(time_of(line, kind) for line in whole_lines(path, size=state.st_size))
                    known = IndexEntry(size=state.st_size, modified_ns=state.st_mtime_ns, spans=spans)
                    fresh[path.name] = known
            except FileNotFoundError:
                continue  # archived while the log was read
            except OSError as error:
                self._leave_out(path, error.strerror or type(error).__name__)
                continue
            segment = Segment(path, known.size, known.spans)
            if not segment.spans:
                # No line has a time, so no time range includes the segment: count its bad lines here.
                lines: Iterator[PredictionLine | LabelLine]
                lines = (
                    self._parsed(segment, parse_label) if kind == LABELS else self._parsed(segment, parse_prediction)
                )
                collections.deque(lines, maxlen=0)
            found.append(segment)
        if fresh:
            _write_index(self.folder, Index(segments={**index.segments, **fresh}))
        return found

    def _leave_out(self, path: Path, why: str) -> None:
        if path.name not in self.unreadable:
            log.warning("%s can't be read and is left out: %s", path.name, why)
        self.unreadable.add(path.name)


def require_log(folder: Path) -> None:
    """Raise a DriftgateError if there is no such folder, or it can't be read."""
    if not folder.is_dir():
        raise DriftgateError(
            f"There is no prediction log {folder}.",
            "Set DRIFTGATE_LOG to the folder of the log, or name it with --log.",
        )
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise DriftgateError(
            f"The prediction log {folder} can't be read: {error.strerror}.",
            "Run the command as the user of the service, or give yourself read permission.",
        ) from error


def _lines(number: int) -> str:
    return "1 bad line is" if number == 1 else f"{number:,} bad lines are"


def _spans(times: Iterable[int | None]) -> tuple[Span, ...]:
    """The times as a few spans: consecutive hours are one span, and the closest spans are merged beyond `MOST_SPANS`."""
    hours: dict[int, Span] = {}
    for time in times:
        if time is not None:
            low, high = hours.get(time // HOUR, (time, time))
            hours[time // HOUR] = (min(low, time), max(high, time))
    found = _merged([hours[hour] for hour in sorted(hours)], gap=HOUR)
    if len(found) > MOST_SPANS:
        gaps = sorted((after[0] - before[1] for before, after in itertools.pairwise(found)), reverse=True)
        found = _merged(found, gap=gaps[MOST_SPANS - 1])
    return tuple(found)


def _merged(spans: list[Span], *, gap: int) -> list[Span]:
    """Merge sorted spans that are no more than a gap apart."""
    found: list[Span] = []
    for low, high in spans:
        if found and low - found[-1][1] <= gap:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def _read_index(folder: Path) -> Index:
    try:
        return Index.model_validate_json((folder / INDEX).read_bytes())
    except (OSError, ValidationError):
        return Index()


def _write_index(folder: Path, index: Index) -> None:
    """Write the index if the folder is writable; without it, the next reading is slower and finds the same lines."""
    kept = Index(segments={name: entry for name, entry in index.segments.items() if (folder / name).exists()})
    draft = folder / f"{INDEX}-{os.getpid()}"
    with contextlib.suppress(OSError):
        try:
            file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(file, "wb") as writer:
                writer.write(kept.model_dump_json().encode())
            draft.replace(folder / INDEX)
        finally:
            draft.unlink(missing_ok=True)
