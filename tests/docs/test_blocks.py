"""Every shell block of every page is executed, or says why not; every call of `run.py` anywhere in the text parses."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from driftgate.workspace import PROJECT
from run import main
from tests.docs.markdown import Block, blocks_of, inline_code, page_names, read_page, reading_order, run_arguments
from tests.docs.runner import clone, run_page

PAGES = page_names()


def blocks(page: str) -> list[Block]:
    return blocks_of(page, read_page(page))


def is_slow(page: str) -> bool:
    return any("slow" in block.how for block in blocks(page))


def has_commands(page: str) -> bool:
    return any(block.is_shell and block.reason is None for block in blocks(page))


def parse(command: click.Command, arguments: list[str], parent: click.Context | None = None) -> None:
    """Parse a command line as the command would, down to the innermost verb, and call nothing."""
    try:
        context = command.make_context(command.name, list(arguments), parent=parent)
    except click.exceptions.Exit:  # --help
        return
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        if rest:
            _, verb, rest = command.resolve_command(context, rest)
            assert verb is not None
            parse(verb, rest, context)
        elif not command.invoke_without_command:
            raise click.UsageError(f"{command.name} wants a verb.")


def calls(page: str) -> Iterator[list[str]]:
    """What each call of `run.py` in the blocks and the text of a page is given."""
    yield from typed(page)
    yield from mentioned(page)


def typed(page: str) -> Iterator[list[str]]:
    for block in blocks_of(page, read_page(page)):
        if block.is_shell:
            yield from run_arguments(block.text)


def mentioned(page: str) -> Iterator[list[str]]:
    for code in inline_code(read_page(page)):
        if code.startswith(("run.py", "uv run run.py", "python run.py")) and "→" not in code:
            yield from run_arguments(code)


@pytest.mark.parametrize("page", PAGES)
def test_every_call_parses(page: str) -> None:
    """In the text, a verb may be named without what it must be given."""
    for lenient, arguments in [*((False, call) for call in typed(page)), *((True, call) for call in mentioned(page))]:
        try:
            parse(main, arguments)
        except click.UsageError as error:
            bare = not any(word.startswith("-") for word in arguments)
            if lenient and bare and isinstance(error, click.MissingParameter | click.exceptions.NoArgsIsHelpError):
                continue
            pytest.fail(f"{page}: run.py {' '.join(arguments)}: {error.format_message()}")


def test_calls_are_found() -> None:
    found = list(calls("README.md"))
    assert ["rollback", "--reason", "too many alarms"] in found  # in a block
    assert ["ui"] in found  # in the text


@pytest.mark.parametrize(
    "arguments",
    [["drift", "--sinze", "2013-07-01"], ["drfit"], ["rollback"], ["train", "--as-of", "tomorrow"], ["status", "now"]],
    ids=" ".join,
)
def test_wrong_call_is_found(arguments: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse(main, arguments)


def examples_of(command: click.Command) -> Iterator[str]:
    """The examples at the end of a command's help, and of the commands below it; what follows two spaces explains."""
    yield from re.findall(r"run\.py(?: \S+)*", command.epilog or "")
    if isinstance(command, click.Group):
        for verb in command.commands.values():
            yield from examples_of(verb)


def test_examples_of_the_help_parse() -> None:
    found = list(examples_of(main))
    assert len(found) > 10
    for example in found:
        for arguments in run_arguments(example):
            parse(main, arguments)


def test_verbs_within_verbs_are_parsed() -> None:
    @click.group()
    def outer() -> None: ...

    @outer.group()
    def inner() -> None: ...

    @inner.command()
    @click.option("--day")
    def innermost(day: str) -> None: ...

    parse(outer, ["inner", "innermost", "--day", "1"])
    for wrong in (["inner", "innermost", "--week", "1"], ["inner", "other"], ["inner"]):
        with pytest.raises(click.UsageError):
            parse(outer, wrong)


@pytest.mark.parametrize("page", [page for page in PAGES if has_commands(page) and not is_slow(page)])
def test_page_does_what_it_says(page: str, tmp_path: Path) -> None:
    run_page(blocks(page), cwd=clone(tmp_path / "project"), scratch=tmp_path / "scratch", timeout=500)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_slow_pages_do_what_they_say_one_after_the_other(tmp_path: Path) -> None:
    """In one checkout, in the order in which a reader meets them, as a reader goes on from where the README ends."""
    project = clone(tmp_path / "project")
    pages = [page for page in reading_order() if is_slow(page)]
    assert set(pages) == {page for page in PAGES if is_slow(page)}
    for page in pages:
        run_page(blocks(page), cwd=project, scratch=tmp_path / page.replace("/", "-"), timeout=1500)


def test_benchmarks_named_in_the_text_exist() -> None:
    """`python benchmarks/….py --option`: the file is there, and knows the option or the word."""
    named = [code.split() for page in PAGES for code in inline_code(read_page(page))]
    calls = [words[words.index("python") + 1 :] for words in named if "python" in words]
    scripts = [words for words in calls if words and words[0].startswith("benchmarks/")]
    assert len(scripts) > 5
    for script, *arguments in scripts:
        text = (PROJECT / script).read_text()
        for argument in arguments:
            assert argument.isdigit() or f'"{argument}"' in text, (script, argument)
