"""Whether the deployment record explains what production serves: what doesn't fit, since when, and what to do."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from driftgate.errors import DriftgateError
from driftgate.production.channel import Challenger, Channel, read_channel
from driftgate.production.move import Intent, Production
from driftgate.production.record import HEAD, IN_PRODUCTION, TRIED, Entry, Record, inspect_record

ATTEMPTS = 20  # at reading channel and record between two changes of a command that runs meanwhile


@dataclass(frozen=True)
class Observed:
    """A problem's channels and record, as they stood at one moment.

    Attributes:
        serving: What production serves; None where nothing is, or the document can't be read.
        on_staging: Likewise for staging.
        since: When production's document was written.
        channel_faults: Why the document of production, and that of staging, can't be read; None: it can, or is missing.
        record: What could be read of the record.
        unfinished: A change whose document stands already, and whose entry may not.
    """

    serving: Channel | None
    on_staging: Channel | None
    since: dt.datetime | None
    channel_faults: tuple[DriftgateError | None, DriftgateError | None]
    record: Record
    unfinished: Intent | None

    @property
    def faults(self) -> list[DriftgateError]:
        """Why a document or the record can't be read; empty if all can."""
        return [fault for fault in (*self.channel_faults, self.record.damage) if fault]

    @property
    def entries(self) -> list[Entry]:
        """The record's entries, with that of a change whose document stands already."""
        entries = self.record.entries
        if self.unfinished and self.unfinished.entry.id not in {entry.id for entry in entries}:
            return [*entries, self.unfinished.entry]
        return entries

    @property
    def hashes(self) -> list[str | None]:
        """The hashes of the record's lines, with that of a change whose document stands already."""
        return [*self.record.hashes, *([self.unfinished.to.record_head] if self.unfinished else [])]


def observe(production: Production) -> Observed:
    """Read a problem's channels and record without its lock: a command that changes them meanwhile is no fault."""
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
    """What the record doesn't explain, a sentence or two each; empty if it explains the production channel.

    Where either can't be read, `observed.faults` says so, and nothing is compared.
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
            f"By the record production serves {_since(name, expected)}, but {production.channel} is missing. Restore it: "
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
    unwatched = record.head is None and record.entries and observed.unfinished is None
    if serving.record_head is not None and unwatched and not found:
        found.append(
            f"{HEAD} is missing beside the record, so a missing last entry would not be found. Compare the record with "
            "a backup; the next deployment writes the file again."
        )
    return found


def _explain_challenger(name: str, tried: Challenger | None, entries: list[Entry]) -> str | None:
    """What the record doesn't explain about the challenger beside the champion; None if it explains it."""
    last = _last(entries, *IN_PRODUCTION, *TRIED, "unchallenged")
    recorded = last if last and last.event in TRIED else None
    if tried is None:
        beside = "is tried in production, but the channel has no challenger"
        return f"By the record {_since(name, recorded)} {beside}" if recorded else None
    share = f"answers {tried.share:.0%} of the requests" if tried.share else "predicts in the shadow"
    if recorded is None or recorded.manifest_sha256 != tried.manifest_sha256:
        return f"The record doesn't explain that {name} {tried.version} {share}"
    # Entries of versions that did not record the challenger itself say nothing of its share.
    if recorded.challenger is not None and recorded.challenger != tried:
        return f"The record explains {name} {tried.version} as a challenger, but not that it {share}"
    return None


def _last(entries: list[Entry], *events: str) -> Entry | None:
    return next((entry for entry in reversed(entries) if entry.event in events), None)


def _since(name: str, entry: Entry) -> str:
    return f"{name} {entry.version} since {entry.at:%Y-%m-%d %H:%M} UTC"


def _read(path: Path) -> tuple[Channel | None, DriftgateError | None, dt.datetime | None]:
    """A channel's document, or why it can't be read, and when it was written; nothing where there is none."""
    try:
        content = path.read_bytes()
        written = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    except (FileNotFoundError, NotADirectoryError):
        return None, None, None
    except OSError as error:
        fault = DriftgateError(f"{path} can't be read: {error.strerror}.", "Give yourself the right to read it.")
        return None, fault, None
    try:
        return read_channel(path, content), None, written
    except DriftgateError as error:
        restore = "`run.py rollback --reason …` restores the last release of the record"
        prove = "`run.py deploy --to staging` writes it again"
        remedy = f"Services keep what they serve; {prove if path.name == 'staging.json' else restore}."
        return None, DriftgateError(error.cause, remedy), written
