"""The result of the tests of a service on staging."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Proof(BaseModel):
    """The result of the tests of a service on staging.

    `golden_differ` of `golden_rows` probabilities differ from those at training. `probes_failed` lists the invalid
    requests that got another status than expected. `p99_ms` is the 99th percentile of the latency in milliseconds of
    single rows, sent one after the other over HTTP. Under load `answered` requests were answered and `failed` were not;
    `lost` answered rows are missing in the prediction log.
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
