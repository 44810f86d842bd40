"""What a person sees of the data's versions, and of a model trained again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from cli.checks_table import print_checks
from cli.tables import COLOURS, make_console, print_line, print_table
from driftgate.verdict import Verdict

WIDTH = 11


def print_status(document: Mapping[str, Any], _: Verdict, results: IO[str]) -> None:
    """How the data stands, and what to do."""
    words = {True: "yes", False: "no", None: "not known"}
    lines = {"data": document["file"], "md5": document["md5"] or "none: the file is missing"}
    lines["state"] = document["state"]
    if document["state"] == "changed":
        lines["promised"] = document["promised"]
    lines |= _size(document)
    if document["promised"]:
        by = f"stage {document['stage']} of {document['pointer']}" if document["stage"] else document["pointer"]
        lines |= {
            "tracked by": by,
            "committed": words[document["committed"]],
            "in cache": words[document["cached"]],
            "remote": document["remote_error"] or document["remote"] or "none",
        }
        if document["remote"]:
            lines["pushed"] = words[document["pushed"]]
    for number, advice in enumerate(document["next"]):
        lines["next" if number == 0 else " " * number] = advice
    _write(lines, results)


def print_versions(document: Mapping[str, Any], _: Verdict, results: IO[str]) -> None:
    """The table of versions."""
    console, rows = make_console(results), []
    for found in document["versions"]:
        size = f"{found['rows']:,}" if found["rows"] is not None else f"{(found['size'] or 0) / 1e6:.1f} MB"
        rows.append(
            [
                "now" if found["current"] else "", found["md5"][:8], (found["commit"] or "–")[:8],
                (found["at"] or "–")[:10], size, ", ".join(found["where"]) or "nowhere", found["subject"],
            ]
        )  # fmt: skip
    if rows:
        head = ("", "md5", "commit", "date", "rows", "where", "subject")
        print_table(console, rows, head=head, right=(4,))
    if document["changed"]:
        print_line(console, f"{document['file']} is another version than the promised one: md5 {document['present']}")
    if document["remote_error"]:
        print_line(console, f"not looked for on the remote: {document['remote_error']}")


def print_use(document: Mapping[str, Any], _: Verdict, results: IO[str]) -> None:
    """What was brought back."""
    lines = {"data": document["file"], "md5": document["md5"], "from": document["from"], "before": document["previous"]}
    for number, md5 in enumerate(document["uncommitted"]):
        lines["kept" + " " * number] = f"{md5} is in DVC's cache alone; run.py data use {md5} brings it back"
    if document["pointer_differs"]:
        lines["next"] = f"git commit {document['pointer']}    to stay with it; training reads it from now on"
    _write(lines, results)


def print_add(document: Mapping[str, Any], verdict: Verdict, results: IO[str]) -> None:
    """The new version, or the rules that its rows break."""
    if verdict.outcome == "block":
        from rich.text import Text

        console = make_console(results)
        print_checks(verdict, console)
        console.print(Text.assemble("verdict  ", ("BLOCK", COLOURS["block"]), ": nothing was added"))
        return
    before = document["rows_before"]
    lines = {"data": document["file"], "md5": document["md5"], "before": document["previous"] or "nothing"}
    lines |= _size(document)
    if before is not None:
        lines["rows"] += f", {before:,} before"
    if document["md5"] == document["previous"]:
        lines["next"] = "nothing: it is the version that was there"
    else:
        ignored = "" if document["previous"] else f" {Path(document['pointer']).with_name('.gitignore')}"
        lines["next"] = f"git add {document['pointer']}{ignored} && git commit -m 'data: …'"
        lines[" "] = "run.py data push"
    _write(lines, results)


def print_push(document: Mapping[str, Any], _: Verdict, results: IO[str]) -> None:
    """What the remote has now."""
    lines = {"remote": document["remote"]}
    for key in ("pushed", "there", "not_at_hand"):
        if document[key]:
            lines[key.replace("_", " ")] = ", ".join(md5[:8] for md5 in document[key])
    _write(lines, results)


def print_pull(document: Mapping[str, Any], _: Verdict, results: IO[str]) -> None:
    """What was pulled."""
    came = f"from {document['remote']}" if document["fetched"] else "was on this machine already"
    _write({"data": document["file"], "md5": f"{document['md5']}, {came}"}, results)


def print_reproduction(document: Mapping[str, Any], verdict: Verdict, results: IO[str]) -> None:
    """What was compared, and whether the model is the same."""
    console = make_console(results)
    print_checks(verdict, console)
    same = "the same model, to the last bit" if document["same"] else "another model"
    name = f"{document['problem']} {document['version']}"
    _write({"model": f"{name}: {same}", "commit": document["commit"], "data": document["data_md5"]}, results)
    results.write(f"{'time':<{WIDTH}}{document['seconds']:.0f} s\n")


PRINTERS: dict[str, Callable[[dict[str, Any], Verdict, IO[str]], None]] = {
    "status": print_status,
    "versions": print_versions,
    "use": print_use,
    "add": print_add,
    "push": print_push,
    "pull": print_pull,
}


def _size(document: Mapping[str, Any]) -> dict[str, str]:
    found = {"rows": f"{document['rows']:,}"} if document["rows"] is not None else {}
    if document["dates"]:
        found["dates"] = f"{document['dates'][0]} to {document['dates'][1]}"
    return found


def _write(lines: Mapping[str, Any], results: IO[str]) -> None:
    results.writelines(f"{key.strip():<{WIDTH}}{value}\n" for key, value in lines.items())
