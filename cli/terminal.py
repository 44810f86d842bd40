"""Terminal output while a command runs: progress, errors, and commands to copy. Only results go to standard output."""

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

from driftgate.errors import DriftgateError
from driftgate.results.base import Result
from driftgate.workspace import PROJECT, show_path

COMMAND = re.compile(
    r"\brun\.py (?:(?:data|experiment) [a-z]+|train|contract|drift|deploy|prove|rollback|releases|reproduce)\b(?! --config)"
)


def quiet_libraries(*, log_file: Path, debug: bool) -> tuple[IO[str], IO[str]]:
    """Show Driftgate's own progress on standard error, and send the libraries' output to a file.

    Standard output is reserved for results. Libraries that print there write to the file, or with `debug` to standard
    error.

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
        # Some libraries print without Python's logging; this output goes to the file too.
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


def print_json(result: Result, results: IO[str]) -> None:
    """Write the JSON document of a result."""
    results.write(json.dumps(result.json_document(), indent=2) + "\n")
    results.flush()


def name_problem(text: str, config: Path) -> str:
    """Add `--config` to Driftgate's commands in a text, so that they can be copied, unless the problem is the default one."""
    if config.absolute() == PROJECT / "configs" / "flights.yaml":
        return text
    return COMMAND.sub(lambda match: f"{match[0]} --config {shlex.quote(show_path(config))}", text)


class _CommandWriter:
    """A stream that makes Driftgate's commands ready to copy: with `--config`, and with `uv run` if uv started this process."""

    def __init__(self, stream: IO[str], config: Path) -> None:
        self._stream, self._config = stream, config

    def write(self, text: str) -> int:
        named = name_problem(text, self._config)
        # `uv run` sets this variable; without uv, `python` lacks the packages.
        return self._stream.write(named.replace("python run.py", "uv run run.py") if "UV" in os.environ else named)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def command_writer(stream: IO[str], config: Path) -> IO[str]:
    """Wrap a stream so that Driftgate's commands in it can be copied: see `_CommandWriter`."""
    return cast(IO[str], _CommandWriter(stream, config))


def print_error(error: DriftgateError, errors: IO[str]) -> None:
    """Print the cause and the remedy on one line."""
    errors.write(f"error: {error.cause} {error.remedy}\n")
    errors.flush()


def _file_of(problem: str) -> Path:
    """Return the file in configs/ of a problem's name, or `FILE` as a placeholder."""
    file = PROJECT / "configs" / f"{problem}.yaml"
    return file if file.exists() else Path("FILE")


def state_lines(problem: str, state: Mapping[str, Any]) -> list[str]:
    """Describe a problem's production, staging, challenger and pending approval, one line each."""
    production, staging = state["production"], state["staging"]
    served = "unknown" if state.get("channel_error") else "nothing"
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
    if experiment := state["experiment"]:
        how = f"{experiment['share']:.0%} of the requests" if experiment["share"] else "in shadow mode"
        what = "a canary" if experiment["canary"] else "run.py experiment status"
        lines.append(f"challenger  {problem} {experiment['version']}, {how}; {what}")
    if state["waits_for_approval"]:
        lines.append(
            f"waits       {problem} {state['waits_for_approval']}: "
            + name_problem('run.py deploy --to production --approve "why"', _file_of(problem))
        )
    if error := state.get("error"):
        lines.append(
            f"error       {problem}: " + name_problem(f"{error['cause']} {error['remedy']}", _file_of(problem))
        )
    lines += [f"warning     {name_problem(warning, _file_of(problem))}" for warning in state.get("warnings", ())]
    return lines
