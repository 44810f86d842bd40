"""How the terminal shows the versions of a problem's data."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from cli.checks_table import print_checks
from cli.output.lines import print_outcome, write_lines
from cli.tables import make_console, print_line, print_table
from driftgate.results.data import (
    DataAddResult,
    DataPullResult,
    DataPushResult,
    DataStatusResult,
    DataUseResult,
    DataVersionsResult,
)

WIDTH = 11


def print_data_status(result: DataStatusResult, results: IO[str]) -> None:
    """Print the state of the data file, and what to do next."""
    words = {True: "yes", False: "no", None: "not known"}
    lines = {"data": result.file, "md5": result.md5 or "none: the file is missing", "state": result.state}
    if result.state == "changed" and result.promised:
        lines["tracked"] = f"md5 {result.promised}"
    lines |= _size_lines(result)
    if result.promised:
        lines |= {
            "tracked by": f"stage {result.stage} of {result.pointer}" if result.stage else str(result.pointer),
            "committed": words[result.committed],
            "in cache": words[result.cached],
            "remote": result.remote_error or result.remote or "none",
        }
        if result.remote:
            lines["pushed"] = words[result.pushed]
    for number, advice in enumerate(result.next):
        lines["next" if number == 0 else " " * number] = advice
    write_lines(lines, results, width=WIDTH)


def print_data_versions(result: DataVersionsResult, results: IO[str]) -> None:
    """Print the versions as a table."""
    console, rows = make_console(results), []
    for version in result.versions:
        size = f"{version.rows:,}" if version.rows is not None else f"{(version.size or 0) / 1e6:.1f} MB"
        rows.append(
            [
                "now" if version.current else "", version.md5[:8], (version.commit or "–")[:8],
                (version.at or "–")[:10], size, ", ".join(version.where) or "nowhere", version.subject,
            ]
        )  # fmt: skip
    if rows:
        head = ("", "md5", "commit", "date", "rows", "where", "subject")
        print_table(console, rows, head=head, right=(4,))
    if result.changed:
        print_line(console, f"{result.file} differs from the version that DVC tracks; its md5 is {result.present}")
    if result.remote_error:
        print_line(console, f"the remote could not be read: {result.remote_error}")


def print_data_use(result: DataUseResult, results: IO[str]) -> None:
    """Print the version that was restored."""
    lines = {"data": result.file, "md5": result.md5, "from": result.source, "before": result.previous}
    for number, md5 in enumerate(result.uncommitted):
        lines["kept" + " " * number] = f"{md5} is only in DVC's cache; run.py data use {md5} restores it"
    if result.pointer_differs:
        lines["next"] = f"git commit {result.pointer}    records this version, so that training reads it"
    write_lines(lines, results, width=WIDTH)


def print_data_add(result: DataAddResult, results: IO[str]) -> None:
    """Print the new version, or the contract checks that its rows fail."""
    if result.blocks:
        console = make_console(results)
        print_checks(result.as_verdict(), console)
        print_outcome(result.verdict, console, more=": nothing was added")
        return
    lines = {"data": result.file, "md5": result.md5, "before": result.previous or "nothing", **_size_lines(result)}
    if result.rows_before is not None:
        lines["rows"] += f", {result.rows_before:,} before"
    if result.md5 == result.previous:
        lines["next"] = "nothing: the version is the same as before"
    else:
        ignored = "" if result.previous else f" {Path(result.pointer).with_name('.gitignore')}"
        lines["next"] = f"git add {result.pointer}{ignored} && git commit -m 'data: …'"
        lines[" "] = "run.py data push"
    write_lines(lines, results, width=WIDTH)


def print_data_push(result: DataPushResult, results: IO[str]) -> None:
    """Print which versions were pushed to the remote."""
    lines = {"remote": str(result.remote)}
    versions = {"pushed": result.pushed, "there": result.there, "not local": result.not_at_hand}
    lines |= {name: ", ".join(md5[:8] for md5 in md5s) for name, md5s in versions.items() if md5s}
    write_lines(lines, results, width=WIDTH)


def print_data_pull(result: DataPullResult, results: IO[str]) -> None:
    """Print the version that was pulled."""
    source = f"from {result.remote}" if result.fetched else "it was already on this machine"
    write_lines({"data": result.file, "md5": f"{result.md5}, {source}"}, results, width=WIDTH)


def _size_lines(result: DataStatusResult | DataAddResult) -> dict[str, str]:
    lines = {"rows": f"{result.rows:,}"} if result.rows is not None else {}
    if result.dates:
        lines["dates"] = f"{result.dates[0]} to {result.dates[1]}"
    return lines
