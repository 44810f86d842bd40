"""Results of what acts on staging and production, and of what serves there."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from pydantic import Field

from driftgate.results.base import (
    CheckedResult,
    ErrorDetails,
    Frozen,
    ModelVersion,
    Moment,
    PipelineResult,
    ProblemResult,
)


class StagingProof(Frozen):
    """What the service on staging showed."""

    version: str = Field(description="Version that was served.")
    golden_rows: int = Field(description="Golden rows that were sent.")
    golden_differ: int = Field(description="Golden rows whose probability differs from that at training.")
    probes: int = Field(description="Bad requests that were sent.")
    probes_failed: tuple[str, ...] = Field(description="Bad requests that got a wrong answer.")
    p99_ms: float = Field(description="99th percentile of the latency of one row over HTTP, in milliseconds.")
    answered: int = Field(description="Requests under load that were answered.")
    failed: int = Field(description="Requests under load that failed.")
    lost: int = Field(description="Answered rows that are missing in the prediction log.")


class DeploymentResult(PipelineResult):
    """A deployment to staging: the release, the proof on staging, and the verdict."""

    channel: Literal["staging"] = Field("staging", description="The channel that was moved.")
    version: str = Field(description="Version that was deployed.")
    previous: str | None = Field(description="Version in production; null where nothing is.")
    proof: StagingProof | None = Field(description="What the service on staging showed.")
    model: ModelVersion = Field(description="The model.")
    data: dict[str, Any] = Field(default_factory=dict, max_length=0, description="Empty: no data file is named.")
    release: str | None = Field(description="Folder of the release.")
    bento: str | None = Field(description="Folder of the bento.")
    warnings: tuple[str, ...] = Field(
        (), description="What the deployment record doesn't explain, and what is damaged."
    )
    document: str = Field(description="File of the channel.")


class ServiceState(Frozen):
    """What a running service said about the version that it serves."""

    address: str = Field(description="Address of the service.")
    answers: bool = Field(description="Whether it answers.")
    version: str | None = Field(description="The expected version, once the service serves it; else null.")
    error: str | None = Field(description="Why it doesn't serve the expected version; null where it does.")


class MoveResult(CheckedResult):
    """A move of production to another release: a deployment or a rollback."""

    event: str = Field(description="`production` or `rollback`.")
    channel: Literal["production"] = Field("production", description="The channel that was moved.")
    version: str = Field(description="Version in production now.")
    previous: str | None = Field(description="Version in production before; null where nothing was.")
    who: str = Field(description="Who approved.")
    reason: str = Field(description="Why.")
    document: str = Field(description="File of the channel.")
    service: ServiceState | None = Field(description="The running service; null without `--service`.")
    warnings: tuple[str, ...] = Field(
        (), description="What the deployment record doesn't explain, and what is damaged."
    )
    seconds: float = Field(description="How long the command took.")
    finished_at: Moment = Field(description="When the command ended, in UTC.")


class ProofResult(CheckedResult):
    """A proof of what production serves."""

    runs: dict[str, str | None] = Field(default_factory=dict, max_length=0, description="Empty: no pipeline runs.")
    finished_at: Moment = Field(description="When the proof ended, in UTC.")
    channel: Literal["production"] = Field("production", description="The channel that was read.")
    version: str = Field(description="Version in production.")
    service: ServiceState | None = Field(description="The running service; null without `--service`.")
    seconds: float = Field(description="How long the command took.")


class InProduction(Frozen):
    """What serves in production."""

    version: str = Field(description="The version.")
    since: Moment | None = Field(description="When it was deployed, in UTC; null where the record doesn't say.")
    by: str | None = Field(description="Who approved.")
    reason: str | None = Field(description="Why.")
    verdict: str | None = Field(description="Verdict of its proof on staging.")


class OnStaging(Frozen):
    """What serves on staging."""

    version: str = Field(description="The version.")
    verdict: str | None = Field(description="Verdict of its proof; null where there is none yet.")


class ChallengerState(Frozen):
    """A release that is tried beside the champion."""

    id: str = Field(description="Name of the experiment.")
    version: str = Field(description="The version.")
    release: str = Field(description="Folder of the release.")
    manifest_sha256: str = Field(description="Hash of the release's manifest.")
    share: float | None = Field(description="Share of the requests that it answers; null: it answers none (shadow).")
    budget_ms: float = Field(description="How long its answer to one row may take, in milliseconds.")
    canary: bool = Field(description="Whether it is a deployment that is under way.")


class RecordEntry(Frozen):
    """One entry of the record of deployments."""

    id: str = Field(description="Id of the entry.")
    at: dt.datetime = Field(description="When it was written.")
    event: str = Field(
        description="`staged`, `refused`, `production`, `rollback`, `challenged`, `stepped` or `unchallenged`: what was done."
    )
    version: str = Field(description="Version that it is about.")
    previous: str | None = Field(description="Version in production before.")
    who: str = Field(description="Who did it.")
    reason: str = Field(description="Why.")
    verdict: str | None = Field(description="Verdict that it rests on.")
    runs: dict[str, str | None] = Field(description="Ids of the deployment's run in MLflow and ZenML.")
    release: str = Field(description="Folder of the release.")
    manifest_sha256: str = Field(description="Hash of the release's manifest.")
    challenger: ChallengerState | None = Field(
        description="Challenger in the channel after the entry; null without one."
    )
    before: str = Field(description="Hash of the entry before it.")


class ChannelState(Frozen):
    """What serves in production and on staging, and what waits for approval."""

    channel: Literal["production"] = Field("production", description="The channel that the next keys are about.")
    document: str = Field(description="File of the production channel.")
    channel_error: str | None = Field(description="Why the production channel can't be read; null where it can.")
    version: str | None = Field(description="Version in production; null where nothing is.")
    previous: str | None = Field(description="Version in production before.")
    verdict: str = Field(description="Verdict of the version in production; `none` where there is none.")
    production: InProduction | None = Field(description="What serves in production.")
    staging: OnStaging | None = Field(description="What serves on staging.")
    waits_for_approval: str | None = Field(description="Version that passed on staging and isn't in production yet.")
    experiment: ChallengerState | None = Field(description="The challenger of a running experiment or canary.")
    warnings: tuple[str, ...] = Field(
        (), description="What the deployment record doesn't explain, and what is damaged."
    )


class ProblemState(ChannelState):
    """What serves for one problem, as `status` shows it."""

    error: ErrorDetails | None = Field(description="What can't be read; null where everything can.")


class ReleasesResult(ChannelState, ProblemResult):
    """What serves where, and the record of all deployments."""

    checks: tuple[()] = Field((), description="Empty: nothing is checked.")
    unfinished: str | None = Field(description="Version whose move was interrupted and isn't finished yet.")
    finished_now: str | None = Field(description="Version whose interrupted move this command finished.")
    record: tuple[RecordEntry, ...] = Field(description="The record, the newest entry first.")
    seconds: float = Field(description="How long the command took.")
