"""How far an exported model is from the trained one."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ParityResult(BaseModel):
    """How far the exported model is from the one it was made of, over all rows compared."""

    model_config = ConfigDict(frozen=True)

    rows: int
    labels_differ: int
    largest_difference: float
