"""Write docs/reference/cli.md, the reference of the command line, from the commands themselves: `python -m docs.cli_reference`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

FILE = Path(__file__).resolve().parent / "reference" / "cli.md"
COMMAND = "python -m docs.cli_reference"


def reference(command: click.Command, name: str) -> str:
    """A group with all verbs below it, as one Markdown page."""
    head = f"# The command line\n\nMade from the code by `{COMMAND}`; a test holds it up to date.\n"
    return "\n".join([head, *_sections(command, name, parent=None)]).rstrip() + "\n"


def _sections(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    usage = command.get_usage(context).removeprefix("Usage: ")
    yield f"## {context.command_path}\n\n{_paragraphs(command.help)}\n"
    yield f"```text\n{' '.join(usage.split())}\n```\n"
    options = [row for row in (_row(parameter, context) for parameter in command.get_params(context)) if row]
    if options:
        yield "\n".join(["| option | what it is |", "| --- | --- |", *options, ""])
    if command.epilog:
        yield f"```text\n{_epilog(command.epilog)}\n```\n"
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            found = command.get_command(context, verb)
            if found and not found.hidden:
                yield from _sections(found, verb, context)


def _row(parameter: click.Parameter, context: click.Context) -> str | None:
    record = parameter.get_help_record(context)
    if record is None or "--help" in parameter.opts:  # an argument, or what every command has
        return None
    variable = f" Or `{parameter.envvar}`." if parameter.envvar else ""
    names, text = (part.replace("|", "\\|") for part in record)
    return f"| `{names}` | {text}{variable} |"


def _paragraphs(text: str | None) -> str:
    return inspect.cleandoc(text or "").replace("\b\n", "")


def _epilog(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", text.replace("\b\n", "")).strip()


def main() -> None:
    import run

    FILE.write_text(reference(run.main, "run.py"))


if __name__ == "__main__":
    main()
