"""The prediction log: every prediction is written here before the service sends the answer.

The log is a folder of segments that only its owner can read. A segment is a file of JSON lines. Only one process appends to
it, and locks it as long as the process runs. `predictions-…jsonl` has one line per request, `labels-…jsonl` one line per
label, and `shadow-…jsonl` one line per request that a challenger predicted in shadow mode. The kernel has each line before
the write returns, so a killed process loses nothing. If the machine loses power, the last seconds may be lost.
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
MOST_LINE_BYTES = 64 * 2**20  # of one request; readers load a whole line into memory
SEGMENT_SECONDS = 3600.0


class SegmentWriter:
    """Appends lines to its own segments, and starts a new segment when the present one is too large or too old.

    Args:
        folder: Folder of the log; it is created for its owner only if it doesn't exist.
        kind: `PREDICTIONS`, `SHADOW` or `LABELS`.
        segment_bytes: Size in bytes from which a new segment is started.
        segment_seconds: Age in seconds from which a new segment is started.
    """

    def __init__(
        self, folder: Path, kind: str, *, segment_bytes: int = SEGMENT_BYTES, segment_seconds: float = SEGMENT_SECONDS
    ) -> None:
        self._folder, self._kind = folder, kind
        self._segment_bytes, self._segment_seconds = segment_bytes, segment_seconds
        self._file, self._size, self._begun = -1, 0, 0.0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def append(self, line: bytes) -> None:
        """Write a line, given without its line break.

        Raises:
            OSError: If it can't be written completely, for example because the disk is full; then no part of it is left.
                Or if it is longer than `MOST_LINE_BYTES`.
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
                self.close()  # a line after an incomplete one in the same segment would be unreadable
            raise
        self._size += written

    def close(self) -> None:
        """Close the segment; the next line starts a new one."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _due(self) -> bool:
        return (
            self._file < 0
            or self._size >= self._segment_bytes
            or time.monotonic() - self._begun >= self._segment_seconds
            or os.fstat(self._file).st_nlink == 0  # the file was deleted: further lines would be lost
        )

    def _begin(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{self._kind}-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}.jsonl"
        file = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)  # another process that starts may lock it for a moment
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
    """All paths that are named like a segment of a kind, by name; one may be a folder or a pipe."""
    return sorted(path for path in folder.glob(f"{kind}-*.jsonl") if NAME.fullmatch(path.name))


def repair(folder: Path) -> list[Path]:
    """Remove incomplete last lines from segments whose process has ended. Their requests were never answered.

    Returns:
        The segments that were changed.
    """
    cut = []
    for segment in [path for kind in (PREDICTIONS, SHADOW, LABELS) for path in segments(folder, kind)]:
        try:
            with segment.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _cut_torn_line(file.fileno()):
                    cut.append(segment)
        except OSError:
            continue  # locked by a running process, or not writable: readers skip an incomplete line anyway
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
