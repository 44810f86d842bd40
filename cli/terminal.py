"""What a person sees: progress lines, the verdict's table, errors. One JSON document is all that machines see."""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, cast

from driftgate.drift.limits import STATES
from driftgate.errors import DriftgateError
from driftgate.evidence.page import number, state_of
from driftgate.verdict import Verdict
from driftgate.workspace import PROJECT, show_path

COLOURS = {"pass": "green", "warn": "yellow", "block": "bold red"}
STATE_COLOURS = {"stable": "green", "drifted": "yellow", "severe": "bold red"}
SHOWN_ESTIMATES = ("roc_auc", "accuracy")
CLOSEST = 5
BAR_CELLS = 24
COMMAND = re.compile(
    r"\brun\.py (?:(?:data|experiment) [a-z]+|train|contract|drift|deploy|prove|rollback|releases|reproduce)\b(?! --config)"
)


def quiet_libraries(*, log_file: Path, debug: bool) -> tuple[IO[str], IO[str]]:
    """Show Driftgate's own progress on standard error, and send what libraries say to a file.

    Standard output is kept for results: what libraries print there goes to standard error.

    Returns:
        The real standard output, for the result, and the real standard error.
    """
    logging.captureWarnings(True)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    stream = log_file.open("a", encoding="utf-8", buffering=1)
    to_file = logging.StreamHandler(stream)
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    own = logging.getLogger("driftgate")
    own.setLevel(logging.INFO)
    own.propagate = False
    errors = os.fdopen(os.dup(2), "w", buffering=1)
    shown = logging.StreamHandler(errors)
    shown.setFormatter(_Progress())
    own.handlers = [shown, to_file]
    warnings = logging.getLogger("py.warnings")
    warnings.handlers, warnings.propagate = [to_file], debug
    os.environ["ZENML_LOGGING_VERBOSITY"] = "INFO" if debug else "CRITICAL"
    sys.stdout.flush()
    results = os.fdopen(os.dup(1), "w", buffering=1)
    if debug:
        os.dup2(2, 1)
    else:
        # Some libraries write past Python's logging; the file has it all.
        file = stream.fileno()
        os.dup2(file, 1)
        os.dup2(file, 2)
    return results, errors


class _Progress(logging.Formatter):
    """Seconds since the start, then the message."""

    started = time.monotonic()

    def format(self, record: logging.LogRecord) -> str:
        topic = "" if record.name == "driftgate.step" else "          "
        return f"{time.monotonic() - self.started:6.1f} s  {topic}{record.getMessage()}"


def print_json(document: Mapping[str, Any], results: IO[str]) -> None:
    """Write one JSON document."""
    results.write(json.dumps(document, indent=2) + "\n")
    results.flush()


def name_problem(text: str, config: Path) -> str:
    """A text whose commands of ours name the problem file, unless it is the default one: so that they can be copied."""
    if config.absolute() == PROJECT / "configs" / "flights.yaml":
        return text
    return COMMAND.sub(lambda found: f"{found[0]} --config {shlex.quote(show_path(config))}", text)


class _CommandWriter:
    """A stream whose commands of ours can be copied: they name the problem file, and begin as the one that is run."""

    def __init__(self, stream: IO[str], config: Path) -> None:
        self._stream, self._config = stream, config

    def write(self, text: str) -> int:
        told = name_problem(text, self._config)
        # `uv run` says so by this variable; outside its environment, `python` lacks the packages.
        return self._stream.write(told.replace("python run.py", "uv run run.py") if "UV" in os.environ else told)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def command_writer(stream: IO[str], config: Path) -> IO[str]:
    """A stream whose commands of ours can be copied: see `_CommandWriter`."""
    return cast(IO[str], _CommandWriter(stream, config))


def print_error(error: DriftgateError, errors: IO[str]) -> None:
    """One line: the cause and the remedy."""
    errors.write(f"error: {error.cause} {error.remedy}\n")
    errors.flush()


def print_run(document: Mapping[str, Any], verdict: Verdict, results: IO[str]) -> None:
    """The short page at the end of a run: the verdict's table and the model's figures."""
    from rich.text import Text

    console = make_console(results)
    print_checks(verdict, console)
    _print_metrics(document, console)
    model = document["model"]
    console.print(Text.assemble("verdict  ", (verdict.outcome.upper(), COLOURS[verdict.outcome])))
    _print_left_out(document, console)
    if model["version"]:
        aliases = ", ".join(model["aliases"]) or "no alias"
        console.print(f"model    {model['name']} {model['version']} ({model['family']}), {aliases}")
    if service := document.get("service"):
        console.print(f"service  {service['equal']:,} of {service['rows']:,} answers equal the offline predictions")


def print_drift(document: Mapping[str, Any], verdict: Verdict, results: IO[str]) -> None:
    """The page of a drift check: the verdict's table, the columns that drifted, or came closest to it, and the estimate."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = make_console(results)
    print_checks(verdict, console)
    columns = sorted(document["columns"], key=lambda found: (-STATES.index(found["state"]), -_nearness(found)))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, justify in (
        ("column", "left"), ("distance", "right"), ("limit", "right"), ("", "left"), ("missing", "right"), ("state", "left")
    ):  # fmt: skip
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    shown = [found for found in columns if found["state"] != "stable"] or columns[:CLOSEST]
    for found in shown:
        colour = STATE_COLOURS[found["state"]]
        table.add_row(
            found["name"], f"{found['distance']:.3f}", f"{found['limit']:.3f}", Text(_bar(found), style=colour),
            f"{found['missing']:.1%}", Text(found["state"], style=colour),
        )  # fmt: skip
    console.print(table)
    rest = len(columns) - len(shown)
    if rest:
        console.print(f"{rest} more columns are stable")
    for name in SHOWN_ESTIMATES:
        if name in document["estimate"]:
            console.print(f"{name:<8} {_estimate_text(document['estimate'][name])}")
    data, windows = document["data"], document["windows"]
    console.print(f"rows     {data['rows']:,} of {data['source']}")
    _print_left_out(document, console, labels=False)
    console.print(
        f"against  {document['model']['name']} {document['model']['version']}: {windows['compared']} windows of "
        f"{windows['days']} days, {windows['joined']} of them seen since its training"
    )
    console.print(Text.assemble("verdict  ", (verdict.outcome.upper(), COLOURS[verdict.outcome])))


def print_verdict(document: Mapping[str, Any], verdict: Verdict, results: IO[str]) -> None:
    """The verdict's table, and what it was about."""
    from rich.text import Text

    console = make_console(results)
    print_checks(verdict, console)
    console.print(Text.assemble("verdict  ", (verdict.outcome.upper(), COLOURS[verdict.outcome])))
    about = f"version {document['version']}" if "version" in document else f"data md5 {document['data']['md5']}"
    console.print(f"of       {document['problem']}, {about} ({document['seconds']:.1f} s)")
    _print_left_out(document, console)


def _print_left_out(document: Mapping[str, Any], console: Any, *, labels: bool = True) -> None:
    """The rows of the data that the run left out, by reason; nothing where there are none."""
    from driftgate.data.table import LeftOut, told_left_out

    counts = (document.get("data") or {}).get("left_out")
    if told := told_left_out(LeftOut(**counts), labels=labels) if counts else "":
        console.print(told.removeprefix("; "))


def print_proof(document: Mapping[str, Any], verdict: Verdict, results: IO[str]) -> None:
    """The verdict of a proof on staging, and what comes next."""
    from rich.text import Text

    console = make_console(results)
    print_checks(verdict, console)
    console.print(Text.assemble("verdict  ", (verdict.outcome.upper(), COLOURS[verdict.outcome])))
    console.print(f"staging  {document['problem']} {document['version']}")
    if verdict.outcome != "block":
        console.print('approve  python run.py deploy --to production --approve "why"')


def print_move(document: Mapping[str, Any], _: Verdict, results: IO[str]) -> None:
    """What production serves now, and what served before."""
    lines = {
        "now": f"{document['problem']} {document['version']} in production",
        "before": document["previous"] or "nothing",
        "by": f"{document['who']}: {document['reason']}",
        "channel": show_path(document["document"]),
    }
    if document["verdict"] != "none":
        lines["verdict"] = document["verdict"]
    if service := document["service"]:
        lines["service"] = f"{service['address']} {'serves it' if service['version'] else 'does not answer'}"
        lines["service"] = service["error"] or lines["service"]
    results.writelines(f"{key:<9}{value}\n" for key, value in lines.items())
    results.write(f"         {document['seconds']:.1f} s; `python run.py rollback --reason …` goes back\n")


def print_releases(document: Mapping[str, Any], _: Verdict, results: IO[str]) -> None:
    """What serves where, and the record of deployments."""
    from rich import box
    from rich.table import Table

    console = make_console(results)
    for line in state_lines(document["problem"], document):
        console.print(line)
    if document["finished_now"]:
        console.print(f"finished the move to {document['finished_now']}, which had been cut off")
    table = Table("when (UTC)", "event", "version", "before", "verdict", "by", "reason", box=box.SIMPLE_HEAD)
    for entry in document["record"]:
        table.add_row(
            entry["at"][:19].replace("T", " "), entry["event"], entry["version"], entry["previous"] or "–",
            entry["verdict"] or "–", entry["who"], entry["reason"],
        )  # fmt: skip
    console.print(table)


def print_experiment(document: Mapping[str, Any], _: Verdict, results: IO[str]) -> None:
    """Where an experiment stands, or what was begun or ended."""
    lines = {
        "experiment": f"{document['problem']} {document['challenger']} beside {document['champion']}, {document['mode']}"
    }
    if standing := document.get("standing"):
        gain, requests = standing["gain"], standing["requests"]
        lines["requests"] = ", ".join(f"{name} {number:,}" for name, number in requests.items())
        if standing["observed_share"] is not None:
            low, high = standing["share_low"], standing["share_high"]
            lines["share"] = (
                f"{standing['observed_share']:.1%} ({low:.1%} to {high:.1%}) of {sum(standing['draws'].values()):,} draws, "
                f"asked for {standing['share']:.0%}"
            )
        lines["labels"] = f"{gain['labels']:,}"
        if standing["labelled"] > gain["labels"]:
            lines["labels"] += f", the first of each draw; {standing['labelled']:,} in all"
        lines["gain"] = (
            f"{gain['mean']:+.4f} in squared error ({gain['low']:+.4f} to {gain['high']:+.4f}, at all times 95 %)"
        )
        lines["decision"] = standing["decision"]
    if power := document.get("labels_needed"):
        told = "; ".join(f"{gain}: {'more than 100,000' if n is None else f'{n:,}'}" for gain, n in power.items())
        lines["labels"] = f"needed to find a gain, with a power of 80 %: {told}"
    results.writelines(f"{key:<11}{value}\n" for key, value in lines.items())


def _file_of(problem: str) -> Path:
    """The problem file of a name, as far as one can tell."""
    file = PROJECT / "configs" / f"{problem}.yaml"
    return file if file.exists() else Path("FILE")


def state_lines(problem: str, state: Mapping[str, Any]) -> list[str]:
    """A problem's production, staging and what waits, a line each."""
    production, staging = state["production"], state["staging"]
    served = "nothing"
    if production:
        served = f"{problem} {production['version']}"
        if production["since"]:
            since = production["since"][:16].replace("T", " ")
            served += (
                f" since {since} UTC, by {production['by']} ({production['reason']}), verdict {production['verdict']}"
            )
    lines = [f"production  {served}"]
    if staging:
        lines.append(f"staging     {problem} {staging['version']}, verdict {staging['verdict'] or 'none yet'}")
    if tried := state["experiment"]:
        how = f"{tried['share']:.0%} of the requests" if tried["share"] else "in the shadow"
        what = "a canary" if tried["canary"] else "run.py experiment status"
        lines.append(f"challenger  {problem} {tried['version']}, {how}; {what}")
    if state["waits_for_approval"]:
        lines.append(
            f"waits       {problem} {state['waits_for_approval']}: "
            + name_problem('run.py deploy --to production --approve "why"', _file_of(problem))
        )
    return lines


def print_predictions(told: Mapping[str, Any], folder: Path, results: IO[str]) -> None:
    """The counts of a prediction log."""
    number, labelled = told["predictions"], told["labelled"]
    lines = {"log": f"{show_path(folder)}, {told['segments']:,} segments", "predictions": f"{number:,}"}
    if number:
        first, last = (told[end][:16].replace("T", " ") for end in ("first", "last"))
        lines["predictions"] += f", from {first} to {last} UTC"
        lines["labelled"] = f"{labelled:,} ({labelled / number:.1%})"
    lines |= {version: f"{count:,}" for version, count in told["by_version"].items()}
    results.writelines(f"{key:<12} {value}\n" for key, value in lines.items())


def make_console(results: IO[str]) -> Any:
    from rich.console import Console

    return Console(file=results, width=None if results.isatty() else 120, highlight=False)


def print_checks(verdict: Verdict, console: Any) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, justify in (("", "left"), ("check", "left"), ("observed", "right"), ("limit", "right"), ("why", "left")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for check in verdict.checks:
        state = state_of(check)
        table.add_row(
            Text(state, style=COLOURS[state]), check.name, number(check.observed), number(check.limit), Text(check.why)
        )
    console.print(table)


def _nearness(found: Mapping[str, Any]) -> float:
    """How close a column comes to a limit: the nearest one where it is over any, else that of its distance."""
    measures = found["measures"].values() if found["state"] != "stable" else [found["measures"]["distance"]]
    return max(float(measure["value"] / measure["limit"]) for measure in measures)


def _bar(found: Mapping[str, Any]) -> str:
    """The distance as a bar, its limit as a mark: ████▌   │ is stable, ██████│███ is over."""
    length = round(found["distance"] * BAR_CELLS)
    at = min(BAR_CELLS - 1, round(found["limit"] * BAR_CELLS))
    cells = ["█" if cell < length else " " for cell in range(BAR_CELLS)]
    cells[at] = "│"
    return "".join(cells)


def _estimate_text(found: Mapping[str, Any]) -> str:
    estimate, realised = found["estimate"], found["realised"]
    text = f"expected {estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"
    return f"{text}, from the labels {realised['value']:.3f}" if realised else f"{text}; no labels yet"


def _print_metrics(document: Mapping[str, Any], console: Any) -> None:
    from rich import box
    from rich.table import Table

    if not document["metrics"]:
        return
    champion = (document.get("champion") or {}).get("metrics", {})
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("holdout metric")
    for name in ("value", "low", "high", "champion"):
        table.add_column(name, justify="right")
    for name, found in document["metrics"].items():
        values = [number(found[key]) for key in ("value", "low", "high")]
        table.add_row(name, *values, number(champion.get(name)) if champion else "none yet")
    console.print(table)
