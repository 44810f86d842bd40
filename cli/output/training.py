"""How the terminal shows a training run, a check of the contract, and a reproduction."""

from __future__ import annotations

from typing import IO, Any

from cli.checks_table import print_checks
from cli.output.lines import print_left_out, print_outcome, write_lines
from cli.tables import is_verbose, make_console, print_line
from driftgate.config import MULTICLASS_METRICS
from driftgate.results.training import ContractResult, ReproductionResult, TrainingResult
from driftgate.words import number, one_line

MOST_CLASSES = 10  # with more, their table is shown only with --verbose
WORST = 3


def print_training(result: TrainingResult, results: IO[str]) -> None:
    """Print the checks, the metrics, the verdict and the model."""
    console = make_console(results)
    print_checks(result.as_verdict(), console)
    _print_metrics(result, console)
    _print_classes(result, console)
    print_outcome(result.verdict, console)
    print_left_out(result.data.left_out, console)
    model = result.model
    if model.version:
        aliases = ", ".join(model.aliases) or "no alias"
        console.print(f"model    {model.name} {model.version} ({model.family}), {aliases}")
    if service := result.service:
        console.print(f"service  {service.equal:,} of {service.rows:,} answers equal the offline predictions")


def print_contract(result: ContractResult, results: IO[str]) -> None:
    """Print the checks, the verdict, and the version of the data."""
    console = make_console(results)
    print_checks(result.as_verdict(), console)
    print_outcome(result.verdict, console)
    console.print(f"data     {result.problem}, md5 {result.data.md5} ({result.seconds:.1f} s)")
    print_left_out(result.data.left_out, console)


def print_reproduction(result: ReproductionResult, results: IO[str]) -> None:
    """Print the checks, and whether the training gave the same model."""
    print_checks(result.as_verdict(), make_console(results))
    same = "the same model, to the last bit" if result.same else "another model"
    lines = {
        "model": f"{result.problem} {result.version}: {same}", "commit": result.commit, "data": result.data_md5,
        "time": f"{result.seconds:.0f} s",
    }  # fmt: skip
    write_lines(lines, results, width=11)


def _print_metrics(result: TrainingResult, console: Any) -> None:
    from rich import box
    from rich.table import Table

    if not result.metrics:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("holdout metric")
    for name in ("value", "low", "high", "champion"):
        table.add_column(name, justify="right")
    for name, metric in result.metrics.items():
        if name in MULTICLASS_METRICS and not is_verbose():
            continue
        champion = number(result.champion.metrics.get(name)) if result.champion else "none yet"
        table.add_row(name, number(metric.value), number(metric.low), number(metric.high), champion)
    console.print(table)


def _print_classes(result: TrainingResult, console: Any) -> None:
    """Print a table of three classes or more; the worst of them, if there are many."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if len(result.classes) < 3:
        return
    if len(result.classes) > MOST_CLASSES and not is_verbose():
        known = sorted((found for found in result.classes if found.rows), key=lambda found: found.f1 or 0.0)
        worst = ", ".join(f"{one_line(found.name)!r} {number(found.f1)}" for found in known[:WORST])
        print_line(console, f"lowest F1 of {len(result.classes)} classes: {worst}; --verbose shows all classes")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class", overflow="fold")
    for name in ("rows", "precision", "recall", "f1", "roc_auc", "pr_auc", "ece"):
        table.add_column(name, justify="right")
    for found in result.classes:
        values = (
            found.precision,
            found.recall,
            found.f1,
            found.roc_auc,
            found.pr_auc,
            found.expected_calibration_error,
        )
        table.add_row(Text(one_line(found.name)), f"{found.rows:,}", *(number(value) for value in values))
    console.print(table)
