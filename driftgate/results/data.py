"""Results about the versions of a problem's data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from driftgate.results.base import CheckedResult, Frozen, ProblemResult
from driftgate.results.training import LeftOut

Dates = tuple[str, str]


class DataStatusResult(ProblemResult):
    """The state of the data file: whether it is the tracked version, committed and pushed."""

    file: str = Field(description="The data file.")
    md5: str | None = Field(description="Version of the file; null where it is missing.")
    promised: str | None = Field(description="Version that DVC tracks; null where it tracks none.")
    rows: int | None = Field(description="Rows of the file.")
    dates: Dates | None = Field(description="First and last moment; null where the problem has no timestamp.")
    pointer: str | None = Field(description="File in which DVC records the version.")
    stage: str | None = Field(description="DVC stage that builds the data; null where none does.")
    state: Literal["untracked", "missing", "as promised", "changed"] = Field(
        description="The file compared with the version that DVC tracks."
    )
    committed: bool | None = Field(description="Whether a git commit names the version; null where that isn't known.")
    cached: bool | None = Field(description="Whether DVC's cache has the version.")
    pushed: bool | None = Field(description="Whether the remote has the version; null where that isn't known.")
    remote: str | None = Field(description="The DVC remote.")
    remote_error: str | None = Field(description="Why the remote couldn't be reached.")
    next: tuple[str, ...] = Field(description="What to do next.")


class DataVersionInfo(Frozen):
    """One version of the data."""

    md5: str = Field(description="The version.")
    commit: str | None = Field(description="Commit that first named it; null where none does.")
    at: str | None = Field(description="Time of that commit.")
    subject: str = Field(description="Subject of that commit.")
    current: bool = Field(description="Whether DVC tracks this version now.")
    size: int | None = Field(description="Size in bytes.")
    where: tuple[str, ...] = Field(description="Where the bytes are: `workspace`, `cache`, `remote`.")
    rows: int | None = Field(description="Rows; null where the bytes are not on this machine.")


class DataVersionsResult(ProblemResult):
    """The versions of the data that git's history names."""

    file: str = Field(description="The data file.")
    versions: tuple[DataVersionInfo, ...] = Field(description="The versions, the newest first.")
    remote: str | None = Field(description="The DVC remote.")
    remote_error: str | None = Field(description="Why the remote couldn't be reached.")
    present: str | None = Field(description="Version of the file; null where it is missing.")
    changed: bool = Field(description="Whether the file is another version than the one that DVC tracks.")


class DataUseResult(ProblemResult):
    """A version of the data that was restored."""

    file: str = Field(description="The data file.")
    md5: str = Field(description="Version of the file now.")
    previous: str = Field(description="Version that DVC tracked before.")
    commit: str | None = Field(description="Commit that names the version.")
    source: str = Field(
        alias="from", description="Where the bytes came from: `cache`, `workspace`, `remote` or `stage`."
    )
    uncommitted: tuple[str, ...] = Field(description="Versions that no commit names; only DVC's cache has them.")
    pointer: str = Field(description="File in which DVC records the version.")
    pointer_differs: bool = Field(description="Whether that file differs from the last commit.")


class DataAddResult(CheckedResult):
    """A new version of the data, or the rules of the contract that its rows break."""

    file: str = Field(description="The data file.")
    added: str = Field(description="The file that was added.")
    md5: str = Field(description="The new version.")
    previous: str | None = Field(description="The version before; null for the first one.")
    rows: int = Field(description="Rows of the new version.")
    left_out: LeftOut = Field(LeftOut(), description="Rows of the new version that a training leaves out, by reason.")
    rows_before: int | None = Field(description="Rows of the version before; null where its bytes aren't at hand.")
    dates: Dates | None = Field(description="First and last moment; null where the problem has no timestamp.")
    pointer: str = Field(description="File in which DVC records the version.")


class DataPushResult(ProblemResult):
    """Versions of the data that were pushed to the remote."""

    file: str = Field(description="The data file.")
    remote: str | None = Field(description="The DVC remote.")
    pushed: tuple[str, ...] = Field(description="Versions that were pushed.")
    there: tuple[str, ...] = Field(description="Versions that the remote had already.")
    not_at_hand: tuple[str, ...] = Field(description="Versions whose bytes are not on this machine.")


class DataPullResult(ProblemResult):
    """The tracked version of the data, brought from the remote."""

    file: str = Field(description="The data file.")
    md5: str = Field(description="Version of the file.")
    remote: str | None = Field(description="The DVC remote.")
    fetched: bool = Field(description="Whether the bytes came from the remote; false where they were here already.")
