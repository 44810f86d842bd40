"""Names in the text of the pages are those of the code: options, settings, files, routes."""

import re
from collections.abc import Iterator

import click
import pytest

from driftgate.workspace import PROJECT
from run import main
from tests.docs.markdown import inline_code, page_names, read_page

PAGES = page_names()
CODE = ("run.py", "driftgate", "bentos", "pipelines", "steps", "stacks")
SETTING = re.compile(r"DRIFTGATE_[A-Z_]+[A-Z]")
OF_THE_READER = {
    "configs/orders.yaml",
    "configs/NAME.yaml",
    "data/orders.csv",
    "benchmarks/results",
}  # files that a page tells its reader to make


def options_of(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        yield from parameter.opts
    if isinstance(command, click.Group):
        for verb in command.commands.values():
            yield from options_of(verb)


def code() -> str:
    paths = [path for name in CODE for path in [PROJECT / name, *(PROJECT / name).rglob("*.py")] if path.is_file()]
    paths += (PROJECT / ".github" / "workflows").glob("*.yml")
    return "\n".join(path.read_text() for path in paths)


@pytest.mark.parametrize("page", PAGES)
def test_options_named_alone_exist(page: str) -> None:
    from bentoml_cli.serve import build_serve_command

    known = {*options_of(main), *options_of(build_serve_command()), "--help"}
    named = [re.findall(r"--[a-z-]+", text) for text in inline_code(read_page(page)) if text.startswith("--")]
    assert {option for options in named for option in options} - known == set()


def test_settings_are_documented_and_exist() -> None:
    told = {name for page in PAGES for name in SETTING.findall(read_page(page))}
    assert told == set(SETTING.findall(code()))


@pytest.mark.parametrize("page", PAGES)
def test_files_named_exist(page: str) -> None:
    named = [text for text in inline_code(read_page(page)) if re.fullmatch(r"(\.?\w+/)[\w./-]*\w\.\w+", text)]
    made = [text for text in named if text.startswith("var/") or text in OF_THE_READER]
    assert [text for text in named if text not in made and not (PROJECT / text).exists()] == []


def test_routes_are_those_of_the_service() -> None:
    table = re.findall(r"`(GET|POST) (/[\w/]*)`", read_page("docs/reference/service-api.md"))
    assert len(table) >= 6
    assert [path for _, path in table if f'"{path}"' not in code()] == []


def test_exit_codes_are_those_of_the_code() -> None:
    from cli.jobs import BLOCKED, DONE, ERROR

    said = f"{DONE} done, {ERROR} error, {click.UsageError.exit_code} wrong usage, {BLOCKED} blocked by the gate"
    assert said in " ".join(read_page("README.md").split())
