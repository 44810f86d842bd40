"""A random sample of the rows of a stream, with bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


class Reservoir:
    """A uniform random sample of at most `size` rows of a stream of batches, in the order of the stream.

    Each row gets a random key, and the rows with the smallest keys stay: sampling without replacement in one pass, the same
    for the same seed and the same sizes of batches. At most two samples and a batch are in memory.

    Args:
        size: The number of rows.
        seed: Of the random keys.
    """

    def __init__(self, size: int, *, seed: int) -> None:
        import numpy as np

        self.size, self._random = size, np.random.default_rng(seed)
        self._kept: list[Any] = []
        self._keys: list[Any] = []
        self._largest = 1.0
        self.seen = 0

    def add(self, batch: pa.Table) -> None:
        """Add the next rows; all batches have the same columns."""
        import pyarrow as pa

        keys = self._random.random(batch.num_rows)
        self.seen += batch.num_rows
        low = keys < self._largest
        if not low.any():
            return
        self._kept.append(batch.filter(pa.array(low)))
        self._keys.append(keys[low])
        if sum(map(len, self._keys)) > 2 * self.size:
            self._prune()

    def table(self) -> pa.Table | None:
        """The sample; None if no row was added."""
        self._prune()
        return self._kept[0] if self._kept else None

    def places(self) -> list[int]:
        """The first column of the sample, as a list."""
        found = self.table()
        return [] if found is None else [int(at) for at in found.column(0).to_pylist()]

    def _prune(self) -> None:
        import numpy as np
        import pyarrow as pa

        if not self._kept:
            return
        keys, kept = np.concatenate(self._keys), pa.concat_tables(self._kept)
        if len(keys) > self.size:
            chosen = np.sort(np.argpartition(keys, self.size)[: self.size])
            keys, kept = keys[chosen], kept.take(pa.array(chosen))
            self._largest = float(keys.max())
        self._keys, self._kept = [keys], [kept]
