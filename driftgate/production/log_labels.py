"""The labels of a prediction log, by the time of their predictions, with only one window in memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic_core import to_json

from driftgate.production.log_lines import LabelLine, parse_label

Which = Literal["first", "last"]
BUCKETS, BUCKET_BYTES = 256, 16 * 2**20


class SortedLabels:
    """Labels, sorted into one file per window of their predictions, so that a window's labels can be read alone."""

    def __init__(self, folder: Path, *, width: int) -> None:
        self._folder, self._width = folder, width

    def sort(self, labels: Iterable[LabelLine]) -> None:
        buckets: dict[int, list[bytes]] = {}
        size = 0
        for label in labels:
            line = to_json({"at": label.at, "prediction_id": label.prediction_id, "label": label.label}) + b"\n"
            buckets.setdefault(label.predicted_at // self._width, []).append(line)
            size += len(line)
            if len(buckets) > BUCKETS or size > BUCKET_BYTES:
                self._spill(buckets)
                size = 0
        self._spill(buckets)

    def _spill(self, buckets: dict[int, list[bytes]]) -> None:
        for number, lines in buckets.items():
            with (self._folder / str(number)).open("ab") as file:
                file.writelines(lines)
        buckets.clear()

    def of(self, start: int, stop: int, *, which: Which) -> dict[str, tuple[str, int]]:
        """The label and the time at which it was sent, by the id of the prediction."""
        found: dict[str, tuple[str, int]] = {}
        for number in range(start // self._width, stop // self._width + 1):
            path = self._folder / str(number)
            if not path.exists():
                continue
            with path.open("rb") as file:
                for line in file:
                    label = parse_label(line)
                    known = found.get(label.prediction_id)
                    if known is None or (label.at >= known[1] if which == "last" else label.at < known[1]):
                        found[label.prediction_id] = (label.label, label.at)
        return found
