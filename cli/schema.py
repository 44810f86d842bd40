"""The command `run.py schema`."""

from __future__ import annotations

import json

import click


@click.command(epilog="\b\nExamples:\n  python run.py schema\n  python run.py schema drift")
@click.argument("result", required=False)
def schema(result: str | None) -> None:
    """Print the JSON schema of a result.

    A result is what a command prints with --json. Without RESULT, the command lists all results and the commands that print them.
    """
    from driftgate.results.catalog import RESULTS, schema_of

    if result is None:
        width = max(len(name) for name in RESULTS) + 2
        for name, entry in RESULTS.items():
            click.echo(f"{name:<{width}}{', '.join(entry.commands)}")
    elif result in RESULTS:
        click.echo(json.dumps(schema_of(result), indent=2))
    else:
        raise click.UsageError(f"There is no result {result!r}. Choose one of: {', '.join(RESULTS)}.")
