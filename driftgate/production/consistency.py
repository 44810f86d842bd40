"""Compare the deployment record with what production serves: what differs, since when, and what to do."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from driftgate.errors import DriftgateError
from driftgate.production.channel import Challenger, Channel, read_channel
from driftgate.production.move import Intent, Production
from driftgate.production.record import HEAD, IN_PRODUCTION, TRIED, Entry, Record, inspect_record

ATTEMPTS = 20  # to read channel and record without a change by another command in between


@dataclass(frozen=True)
class Observed:
    """A problem's channels and record at one moment.

    Attributes:
        serving: The channel of production; None if there is none, or its document can't be read.
        on_staging: The same for staging.
        since: When production's document was written.
        channel_faults: Why the documents of production and staging can't be read; None if it can be read or is missing.
        record: The readable part of the record.
        unfinished: A change that has replaced the document, and whose entry may not be in the record yet.
    """

    serving: Channel | None
    on_staging: Channel | None
    since: dt.datetime | None
    channel_faults: tuple[DriftgateError | None, DriftgateError | None]
    record: Record
    unfinished: Intent | None

    @property
    def faults(self) -> list[DriftgateError]:
        """Why a document or the record can't be read; empty if all can be read."""
        return [fault for fault in (*self.channel_faults, self.record.damage) if fault]

    @property
    def entries(self) -> list[Entry]:
        """The record's entries, and the entry of an unfinished change that has replaced the document."""
        entries = self.record.entries
        if self.unfinished and self.unfinished.entry.id not in {entry.id for entry in entries}:
            return [*entries, self.unfinished.entry]
        return entries

    @property
    def hashes(self) -> list[str | None]:
        """The hashes of the record's lines, and that of an unfinished change that has replaced the document."""
        return [*self.record.hashes, *([self.unfinished.to.record_head] if self.unfinished else [])]


def observe(production: Production) -> Observed:
    """Read a problem's channels and record without its lock. A change by another command meanwhile is not reported."""
    for _ in range(ATTEMPTS):
        serving, fault, since = _read(production.channel)
        unfinished = production.unfinished()
        record = inspect_record(production.record_path)
        if fault or _read(production.channel) == (serving, fault, since):
            break
    staging, staging_fault, _ = _read(production.staging)
    begun = unfinished is not None and unfinished.to == serving
    return Observed(serving, staging, since, (fault, staging_fault), record, unfinished if begun else None)


def find_inconsistencies(production: Production, observed: Observed) -> list[str]:
    """What the record doesn't explain, one or two sentences each; empty if it explains the production channel.

    If either can't be read, `observed.faults` says so, and nothing is compared.
    """
    if observed.channel_faults[0] or observed.record.damage:
        return []
    name, serving, record = production.name, observed.serving, observed.record
    written = f"{production.channel.name}, written {observed.since:%Y-%m-%d %H:%M} UTC" if observed.since else ""
    expected = _last(observed.entries, *IN_PRODUCTION)
    if serving is None:
        if expected is None:
            return []
        return [
            f"The record says that production serves {_since(name, expected)}, but {production.channel} is missing. Restore it: "
            f"`run.py rollback --to {expected.version} --reason …`."
        ]
    if serving.record_head is not None and observed.entries and serving.record_head not in observed.hashes:
        # Before what else may be missing: to record anew what serves would hide it.
        return [
            f"The end of the record was changed or removed: {written}, names an entry that the record doesn't have. "
            "Restore the record from a backup."
        ]
    found = []
    if expected is None or expected.manifest_sha256 != serving.manifest_sha256 or expected.version != serving.version:
        by_record = f"the newest entry says {_since(name, expected)}" if expected else "the record has no deployment"
        back = (
            f"Go back to it: `run.py rollback --to {expected.version} --reason …`. Or record" if expected else "Record"
        )
        found.append(
            f"The record doesn't explain that production serves {name} {serving.version} ({written}): {by_record}. {back}"
            f' what serves: `run.py deploy --to production --version {serving.version} --approve "why"`.'
        )
    elif fault := _explain_challenger(name, serving.challenger, observed.entries):
        found.append(f"{fault} ({written}). End it: `run.py experiment stop`." if serving.challenger else
                     f"{fault} ({written}). Start it again: `run.py experiment start`.")  # fmt: skip
    unchecked = record.head is None and record.entries and observed.unfinished is None
    if serving.record_head is not None and unchecked and not found:
        found.append(
            f"{HEAD} is missing next to the record, so a missing last entry can't be detected. Compare the record with "
            "a backup; the next deployment writes the file again."
        )
    return found


def _explain_challenger(name: str, tried: Challenger | None, entries: list[Entry]) -> str | None:
    """What the record doesn't explain about the challenger; None if it explains all."""
    last = _last(entries, *IN_PRODUCTION, *TRIED, "unchallenged")
    recorded = last if last and last.event in TRIED else None
    if tried is None:
        missing = "is a challenger in production, but the channel has no challenger"
        return f"The record says that {_since(name, recorded)} {missing}" if recorded else None
    share = f"answers {tried.share:.0%} of the requests" if tried.share else "predicts in the shadow"
    if recorded is None or recorded.manifest_sha256 != tried.manifest_sha256:
        return f"The record doesn't explain that {name} {tried.version} {share}"
    # Older Driftgate versions did not record the share of the challenger.
    if recorded.challenger is not None and recorded.challenger != tried:
        return f"The record explains {name} {tried.version} as a challenger, but not that it {share}"
    return None


def _last(entries: list[Entry], *events: str) -> Entry | None:
    return next((entry for entry in reversed(entries) if entry.event in events), None)


def _since(name: str, entry: Entry) -> str:
    return f"{name} {entry.version} since {entry.at:%Y-%m-%d %H:%M} UTC"


def _read(path: Path) -> tuple[Channel | None, DriftgateError | None, dt.datetime | None]:
    """A channel's document, or why it can't be read, and when it was written; all None if it doesn't exist."""
    try:
        content = path.read_bytes()
        written = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    except (FileNotFoundError, NotADirectoryError):
        return None, None, None
    except OSError as error:
        fault = DriftgateError(f"{path} can't be read: {error.strerror}.", "Give yourself read permission.")
        return None, fault, None
    try:
        return read_channel(path, content), None, written
    except DriftgateError as error:
        restore = "`run.py rollback --reason …` restores the last release of the record"
        prove = "`run.py deploy --to staging` writes it again"
        remedy = f"Services keep their present release; {prove if path.name == 'staging.json' else restore}."
        return None, DriftgateError(error.cause, remedy), written
