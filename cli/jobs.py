"""Run a command: load the problem, do the work, print the result, and return the exit code."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

from cli import terminal
from cli.exit_codes import BLOCKED, DONE, ERROR, INTERRUPTED
from driftgate.config import Problem, load_problem
from driftgate.errors import DriftgateError
from driftgate.results.base import ErrorDetails, PipelineResult, Result
from driftgate.results.status import ErrorResult
from driftgate.workspace import Workspace, show_path

R = TypeVar("R", bound=Result)


def run_job(
    work: Callable[[Problem, Workspace], R], show: Callable[[R, IO[str]], None], *, config: Path, as_json: bool,
    debug: bool, evidence: Path | None, workspace: Workspace, log_name: str,
) -> int:  # fmt: skip
    """Do the work on a problem, print the result, and write the evidence if a folder is given.

    Args:
        work: Returns the result.
        show: Prints the result for people.
        config: The problem file.
        as_json: Print the result's JSON document instead.
        debug: Show the logs of libraries, and tracebacks.
        evidence: Folder for the evidence; None: no evidence is written.
        workspace: The workspace.
        log_name: Name of the file in the workspace for the logs of libraries.

    Returns:
        The exit code: 0 done, 1 error, 3 blocked by the gate, 130 stopped by Ctrl-C.
    """
    from cli.evidence import keep_evidence

    results: IO[str] = sys.stdout
    errors: IO[str] = sys.stderr
    log_file = workspace.logs / log_name
    try:
        problem = load_problem(config)
        workspace.prepare()
        results, errors = terminal.quiet_libraries(log_file=log_file, debug=debug)
        result = work(problem, workspace)
        if evidence:
            keep_evidence(result, evidence)
    except KeyboardInterrupt:
        errors.write("stopped\n")
        return INTERRUPTED
    except Exception as error:
        known = known_error(error, log_file, debug=debug, errors=errors)
        failure = error_result(known, config)
        if evidence:
            with contextlib.suppress(OSError):  # the evidence folder may be what failed
                keep_evidence(failure, evidence)
        if as_json:
            terminal.print_json(failure, results)
        terminal.print_error(known, terminal.command_writer(errors, config))
        return ERROR
    if as_json:
        terminal.print_json(result, results)
    else:
        _print_result(result, show, terminal.command_writer(results, config), log_file=log_file)
    return BLOCKED if result.blocks else DONE


def _print_result(result: R, show: Callable[[R, IO[str]], None], results: IO[str], *, log_file: Path) -> None:
    show(result, results)
    if isinstance(result, PipelineResult):
        from cli.output.lines import print_locations

        print_locations(result, results, log_file=log_file)


def error_result(error: DriftgateError, config: Path | None = None) -> ErrorResult:
    """Make the result of a command that failed. If a problem file is given, the remedy's commands name it."""
    remedy = terminal.name_problem(error.remedy, config) if config else error.remedy
    return ErrorResult(error=ErrorDetails(cause=error.cause, remedy=remedy))


def known_error(error: Exception, log_file: Path, *, debug: bool, errors: IO[str]) -> DriftgateError:
    """The error in two sentences; with `debug`, its traceback is printed."""
    if debug:
        traceback.print_exception(error, file=errors)
    return error if isinstance(error, DriftgateError) else unexpected(error, log_file)


def unexpected(error: Exception, log_file: Path) -> DriftgateError:
    text = " ".join(str(error).split()) or type(error).__name__
    return DriftgateError(
        f"{type(error).__name__}: {text[:300].rstrip('.')}.",
        f"Run the command again with --debug, or read the libraries' log {show_path(log_file)}.",
    )
