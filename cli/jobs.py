"""A job from the command line: run, tell, and end with an exit code."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from cli import terminal, terminal_data
from driftgate.config import Problem, load_problem
from driftgate.errors import DriftgateError
from driftgate.production.predictions import Which
from driftgate.verdict import Verdict
from driftgate.workspace import Workspace, show_path

DONE, ERROR, BLOCKED = 0, 1, 3

Work = Callable[[Problem, Workspace], dict[str, Any]]
Show = Callable[[dict[str, Any], Verdict, IO[str]], None]


def training_job(*, as_of: dt.date | None, serve: bool) -> tuple[Work, Show]:
    """Train, and serve the result for a moment if asked to."""

    def work(problem: Problem, workspace: Workspace) -> dict[str, Any]:
        from operations.prove import prove_service
        from pipelines.launch import train

        document = train(problem, as_of=as_of, workspace=workspace)
        if serve and document["bento"]:
            document["service"] = prove_service(document, problem, workspace=workspace)
        return document

    return work, terminal.print_run


def contract_job() -> tuple[Work, Show]:
    """Hold the data against the contract."""

    def work(problem: Problem, workspace: Workspace) -> dict[str, Any]:
        from pipelines.launch import check_contract

        return check_contract(problem, workspace=workspace)

    return work, terminal.print_verdict


def drift_job(
    *,
    model: str | None,
    current: Path | None,
    log_folder: Path | None,
    since: dt.date | None,
    until: dt.date | None,
) -> tuple[Work, Show]:
    """Hold rows against what a model was trained on."""

    def work(problem: Problem, workspace: Workspace) -> dict[str, Any]:
        from pipelines.launch import check_drift

        return check_drift(
            problem, model=model, current=current, log_folder=log_folder, since=since, until=until, workspace=workspace
        )

    return work, terminal.print_drift


def deploy_job(
    *,
    to: str,
    model: str | None,
    reason: str | None,
    who: str | None,
    service: str | None,
    steps: tuple[int, ...] = (),
    hold: float = 600.0,
    wait: float = 0.0,
) -> tuple[Work, Show]:
    """Prove a version on staging, or move production to a proved one."""

    def work(problem: Problem, workspace: Workspace) -> dict[str, Any]:
        from operations import deploy

        if to == "staging":
            return deploy.deploy_to_staging(problem, model=model, who=who, workspace=workspace, wait=wait)
        return deploy.deploy_to_production(
            problem, model=model, reason=reason or "", who=who, service=service, workspace=workspace, steps=steps,
            hold=hold, wait=wait,
        )  # fmt: skip

    return work, terminal.print_proof if to == "staging" else terminal.print_move


def prove_job(*, service: str | None) -> tuple[Work, Show]:
    """Prove what production serves."""

    def work(problem: Problem, workspace: Workspace) -> dict[str, Any]:
        from operations.prove import prove_production

        return prove_production(problem, service=service, workspace=workspace)

    return work, terminal.print_verdict


def rollback_job(
    *, to: str | None, leaving: str | None, reason: str, who: str | None, wait: float, service: str | None
) -> tuple[Work, Show]:
    """Go back to a release that was in production."""

    def work(problem: Problem, workspace: Workspace) -> dict[str, Any]:
        from operations.deploy import roll_back

        return roll_back(
            problem.name,
            to=to,
            leaving=leaving,
            reason=reason,
            who=who,
            service=service,
            workspace=workspace,
            wait=wait,
        )

    return work, terminal.print_move


def experiment_job(
    *, action: str, challenger: str | None, share: float | None, who: str | None, reason: str, log_folder: Path
) -> tuple[Work, Show]:
    """Start, look at, stop or promote an experiment."""

    def work(problem: Problem, workspace: Workspace) -> dict[str, Any]:
        from operations.experiment import experiment

        return experiment(
            problem, action=action, challenger=challenger, share=share, who=who, reason=reason,
            log_folder=log_folder, workspace=workspace,
        )  # fmt: skip

    return work, terminal.print_experiment


def releases_job() -> tuple[Work, Show]:
    """What serves where, the record of deployments; finishes what a crash left."""

    def work(problem: Problem, workspace: Workspace) -> dict[str, Any]:
        from operations.releases import show_releases

        return show_releases(problem.name, workspace=workspace)

    return work, terminal.print_releases


def reproduce_job(*, version: str, remote: str | None) -> tuple[Work, Show]:
    """Train a version again, and compare."""

    def work(problem: Problem, workspace: Workspace) -> dict[str, Any]:
        from driftgate.evidence.reproduction import reproduce

        return reproduce(problem, version, remote=remote, workspace=workspace)

    return work, terminal_data.print_reproduction


def data_job(verb: str, **options: Any) -> tuple[Work, Show]:
    """Look at the data's versions, or change, push or pull one.

    Args:
        verb: `status`, `versions`, `use`, `add`, `push` or `pull`.
        options: Of the function of that name.
    """

    def work(problem: Problem, workspace: Workspace) -> dict[str, Any]:
        from driftgate.data import add as data_add
        from driftgate.data import remote as data_remote
        from driftgate.data import versions as data_versions

        work_of: dict[str, Callable[..., dict[str, Any]]] = {
            "status": data_remote.status, "versions": data_versions.versions, "use": data_versions.use,
            "add": data_add.add, "push": data_remote.push, "pull": data_versions.pull,
        }  # fmt: skip
        return work_of[verb](problem, **options, workspace=workspace)

    return work, terminal_data.PRINTERS[verb]


def run_job(
    job: tuple[Work, Show], *, config: Path, as_json: bool, debug: bool, evidence: Path | None, workspace: Workspace,
    log_name: str,
) -> int:  # fmt: skip
    """Do a job on a problem, tell what came of it, and put the evidence into a folder where one is named.

    Returns:
        The exit code: 0 done, 1 error, 3 blocked by the gate.
    """
    from cli.evidence import keep_evidence

    work, show = job
    results: IO[str] = sys.stdout
    errors: IO[str] = sys.stderr
    log_file = workspace.logs / log_name
    try:
        problem = load_problem(config)
        workspace.prepare()
        results, errors = terminal.quiet_libraries(log_file=log_file, debug=debug)
        document = work(problem, workspace)
        if evidence:
            keep_evidence(document, evidence)
    except KeyboardInterrupt:
        errors.write("stopped\n")
        return ERROR
    except Exception as error:
        known = error if isinstance(error, DriftgateError) else _unforeseen(error, log_file)
        if debug:
            traceback.print_exception(error, file=errors)
        document = _told(known, config)
        if as_json:
            terminal.print_json(document, results)
        if evidence:
            with contextlib.suppress(OSError):  # it may be what failed
                keep_evidence(document, evidence)
        terminal.print_error(known, terminal.command_writer(errors, config))
        return ERROR
    if as_json:
        terminal.print_json(document, results)
    else:
        from pipelines.documents import verdict_of

        page = terminal.command_writer(results, config)
        show(document, verdict_of(document), page)
        if document.get("runs"):
            _print_where(document, page, log_file=log_file)
    return BLOCKED if document.get("verdict") == "block" else DONE


def _told(error: DriftgateError, config: Path | None = None) -> dict[str, Any]:
    remedy = terminal.name_problem(error.remedy, config) if config else error.remedy
    return {"error": {"cause": error.cause, "remedy": remedy}}


def _unforeseen(error: Exception, log_file: Path) -> DriftgateError:
    text = " ".join(str(error).split()) or type(error).__name__
    return DriftgateError(
        f"{type(error).__name__}: {text[:300].rstrip('.')}.",
        f"Run again with --debug; what libraries said is in {show_path(log_file)}.",
    )


def _print_where(document: dict[str, Any], results: IO[str], *, log_file: Path) -> None:
    lines = {"mlflow": f"run {document['runs']['mlflow']}", "zenml": f"run {document['runs']['zenml']}"}
    for name in ("release", "bento", "report"):
        if document.get(name):
            lines[name] = show_path(document[name])
    lines["log"] = f"{show_path(log_file)} ({document['seconds']:.0f} s)"
    lines["next"] = "python run.py ui        MLflow's pages and ZenML's dashboard"
    results.writelines(f"{key:<8} {value}\n" for key, value in lines.items())
    if document.get("bento"):
        results.write("         python run.py drift     what arrives, held against what the model was trained on\n")
        # Absolute: `bentoml serve` looks for a relative folder below that folder itself.
        bento, kept = (_shell_path(path) for path in (document["bento"], Workspace.current().predictions))
        results.write(
            "         the service, for this machine alone; docs/serving.md has its token and other settings:\n"
        )
        results.write(f"         DRIFTGATE_INSECURE=1 DRIFTGATE_LOG={kept} uv run bentoml serve {bento}\n")


def _shell_path(path: Path | str) -> str:
    """An absolute path as one types it in a shell."""
    shown = show_path(path)
    return shown if Path(shown).is_absolute() else f"$PWD/{shown}"


def show_predictions(
    folder: Path, *, since: dt.datetime | None, until: dt.datetime | None, label: Which, out: Path | None, as_json: bool
) -> int:
    """Count the predictions of a log, or write them to a file.

    Returns:
        The exit code: 0 done, 1 error.
    """
    from driftgate.production.predictions import count_predictions, write_predictions

    try:
        if out:
            rows = write_predictions(folder, out, since=since, until=until, label=label)
            told: dict[str, Any] = {"rows": rows, "file": str(out)}
        else:
            told = count_predictions(folder, since=since, until=until).model_dump(mode="json")
    except DriftgateError as error:
        if as_json:
            terminal.print_json(_told(error), sys.stdout)
        terminal.print_error(error, sys.stderr)
        return ERROR
    if as_json:
        terminal.print_json(told, sys.stdout)
    elif out:
        print(f"{told['rows']:,} predictions in {show_path(out)}")
    else:
        terminal.print_predictions(told, folder, sys.stdout)
    return DONE
