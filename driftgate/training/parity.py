"""How far an exported model is from the trained one."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ParityResult(BaseModel):
    """The largest difference between the exported model and the trained one on the compared rows."""

    model_config = ConfigDict(frozen=True)

    rows: int
    labels_differ: int
    largest_difference: float
