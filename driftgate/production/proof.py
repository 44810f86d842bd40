"""What a service on staging showed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Proof(BaseModel):
    """What a service on staging showed.

    `golden_differ` of `golden_rows` probabilities differ from those at training. `probes_failed` are bad requests that
    got another answer than they should. `p99_ms` is of single rows, one after the other, over HTTP. Under load
    `answered` requests were answered, `failed` were not, and `lost` of all answered rows are missing in the log.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    golden_rows: int
    golden_differ: int
    probes: int
    probes_failed: tuple[str, ...]
    p99_ms: float
    answered: int
    failed: int
    lost: int
