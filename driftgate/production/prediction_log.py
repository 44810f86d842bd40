"""The prediction log: what was answered is written here before the answer leaves.

A folder of segments, its owner's alone. A segment is a file of JSON lines that one process alone appends to, and holds locked while it
lives: `predictions-…jsonl` a line a request, `labels-…jsonl` a line a label, `shadow-…jsonl` a line for what a challenger
would have said. A write is in the hands of the kernel before
it returns, so a killed process loses nothing; a machine that loses power may lose the last seconds.
"""

from __future__ import annotations

import datetime as dt
import errno
import fcntl
import os
import re
import time
from pathlib import Path

PREDICTIONS, SHADOW, LABELS = "predictions", "shadow", "labels"
NAME = re.compile(r"[a-z]+-\d{8}T\d{12}-\d+\.jsonl")
SEGMENT_BYTES = 64 * 2**20
MOST_LINE_BYTES = 64 * 2**20  # of one request; a reader holds a line in memory
SEGMENT_SECONDS = 3600.0


class SegmentWriter:
    """Appends lines to segments of its own, and begins a new one by size and by age.

    Args:
        folder: Is made if it isn't there, for its owner alone.
        kind: `PREDICTIONS`, `SHADOW` or `LABELS`.
        segment_bytes: A segment that has grown beyond this is left.
        segment_seconds: So is one older than this.
    """

    def __init__(
        self, folder: Path, kind: str, *, segment_bytes: int = SEGMENT_BYTES, segment_seconds: float = SEGMENT_SECONDS
    ) -> None:
        self._folder, self._kind = folder, kind
        self._segment_bytes, self._segment_seconds = segment_bytes, segment_seconds
        self._file, self._size, self._begun = -1, 0, 0.0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def append(self, line: bytes) -> None:
        """Write a line, without its end.

        Raises:
            OSError: If it isn't written whole, as on a full disk; then nothing of it is left. Or if it is longer than
                `MOST_LINE_BYTES`.
        """
        if len(line) >= MOST_LINE_BYTES:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        if self._due():
            self._begin()
        whole = line + b"\n"
        try:
            written = os.write(self._file, whole)
            if written != len(whole):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            try:
                os.ftruncate(self._file, self._size)
            except OSError:
                self.close()  # what came after a piece that stays would be lost with it
            raise
        self._size += written

    def close(self) -> None:
        """End the segment; the next line begins another."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _due(self) -> bool:
        return (
            self._file < 0
            or self._size >= self._segment_bytes
            or time.monotonic() - self._begun >= self._segment_seconds
            or os.fstat(self._file).st_nlink == 0  # somebody deleted it: what is written there is lost
        )

    def _begin(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{self._kind}-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}.jsonl"
        file = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)  # another process that starts may look at it for a moment
        except OSError:
            os.close(file)
            os.unlink(self._folder / name)
            raise
        self.close()
        self._file, self._size, self._begun = file, 0, time.monotonic()


def segments(folder: Path, kind: str) -> list[Path]:
    """The segments of a kind, by name."""
    return [path for path in candidates(folder, kind) if path.is_file()]


def candidates(folder: Path, kind: str) -> list[Path]:
    """Whatever is named like a segment of a kind, by name: it may be a folder or a pipe."""
    return sorted(path for path in folder.glob(f"{kind}-*.jsonl") if NAME.fullmatch(path.name))


def repair(folder: Path) -> list[Path]:
    """Cut what is left of an unfinished line from segments whose process is gone. Such a line was never answered.

    Returns:
        The segments that were cut.
    """
    cut = []
    for segment in [path for kind in (PREDICTIONS, SHADOW, LABELS) for path in segments(folder, kind)]:
        try:
            with segment.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _cut_torn_line(file.fileno()):
                    cut.append(segment)
        except OSError:
            continue  # held by a live process, or not ours to write: a reader leaves a torn line out anyway
    return cut


def _cut_torn_line(file: int) -> bool:
    size = os.fstat(file).st_size
    end, tail = size, b""
    while end > 0:
        start = max(0, end - 65536)
        tail = os.pread(file, end - start, start)
        at = tail.rfind(b"\n")
        if at >= 0:
            end = start + at + 1
            break
        end = start
    if end == size:
        return False
    os.ftruncate(file, end)
    return True
