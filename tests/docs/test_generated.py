"""Pages that are made from something else are up to date."""

import click
from pydantic import BaseModel, Field

from benchmarks import table
from docs import cli_reference, problem_reference, results_reference
from run import main


def test_command_line_reference_is_up_to_date() -> None:
    made = cli_reference.reference(main, "run.py")
    assert cli_reference.FILE.read_text() == made, f"Renew it: {cli_reference.COMMAND}"


def test_results_reference_is_up_to_date() -> None:
    made = results_reference.reference()
    assert results_reference.FILE.read_text() == made, f"Renew it: {results_reference.COMMAND}"


def test_problem_file_reference_is_up_to_date() -> None:
    made = problem_reference.reference()
    assert problem_reference.FILE.read_text() == made, f"Renew it: {problem_reference.COMMAND}"


def test_every_key_of_a_problem_file_has_a_description() -> None:
    class New(BaseModel):
        told: int = Field(1, description="What it is.")
        untold: int = 1

    assert problem_reference.undescribed() == []
    assert problem_reference.undescribed([New]) == ["New.untold"]


def test_table_of_figures_is_up_to_date() -> None:
    assert table.FILE.read_text() == table.table(), f"Renew it: {table.COMMAND}"


def test_every_verb_and_option_is_in_the_reference() -> None:
    @click.group(epilog="\b\nExample: outer inner innermost")
    def outer() -> None:
        """Outermost."""

    @outer.group()
    def inner() -> None:
        """In between."""

    @inner.command()
    @click.argument("what", type=click.Choice(["this", "that"]))
    @click.option("--day", envvar="DAY", help="A day | a night.")
    def innermost(what: str, day: str) -> None:
        """What is done."""

    page = cli_reference.reference(outer, "run.py")
    assert "## run.py inner innermost\n\nWhat is done.\n" in page
    assert "run.py inner innermost [OPTIONS] {this|that}" in page
    assert "| `--day TEXT` | A day \\| a night. Or `DAY`. |" in page
    assert "Example: outer inner innermost" in page
