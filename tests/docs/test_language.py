"""Phrases that the project doesn't use: old words for things that have a standard term, and inverted or ornate ones."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftgate.workspace import PROJECT
from tests.docs.markdown import page_names, read_page

INSTEAD = {  # pattern: what to write
    r"(held|holds?|holding)\b(?:[^\w.]+\w+){0,12}?[^\w.]+against": "compare with",
    r"doors?": "how to use it",
    r"the way back": "roll back",
    r"gross(ly)?": "severe, severely",
    r"what (a|the) \w+ is made of": "software bill of materials",
    r"(?<!software )bill of materials": "software bill of materials",
    r"(is|are|was|were|be|been) told": "reported, shown, listed",
    r"mend(s|ed|ing)?": "fix",
    r"grave(ly)?": "severe",
    r"oftener": "more often",
    r"all or none": "atomic",
    r"whoever comes next": "the next command",
    r"its whole life": "the whole lifecycle",
    r"beyond doubt": "what was measured",
    r"(whence|whereof|thereof|wherein|therein|hitherto)": "plain words",
}
PHRASE = re.compile("|".join(rf"\b{pattern}\b" for pattern in INSTEAD), re.IGNORECASE)
# Packages whose texts are checked. Add a package here once its texts are rewritten.
PACKAGES = ("benchmarks", "bentos", "cli", "docs", "driftgate", "operations", "pipelines", "stacks", "steps")
# Made from help texts and docstrings, which are checked in the code.
GENERATED = {"docs/reference/cli.md", "docs/reference/results.md"}
COMMENTED = (".ci/*", ".github/*.py", ".github/**/*.yml", "configs/*.yaml", "stacks/*.yaml", "pyproject.toml")


def phrases(text: str) -> list[str]:
    """Each phrase in a text that the project doesn't use. Line breaks count as spaces."""
    return [found[0] for found in PHRASE.finditer(" ".join(text.split()))]


def prose_of(page: str) -> str:
    """A page without its code, in which an old name may be shown."""
    text = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]+`", "", text)


def texts_of(source: str) -> Iterator[tuple[int, str]]:
    """The string literals of a module, docstrings too. A single word is a key or a name, and not a text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value.split()) > 1:
            yield node.lineno, re.sub(r"`[^`\n]+`", "", node.value)


@pytest.mark.parametrize("page", [page for page in page_names() if page not in GENERATED])
def test_pages_use_plain_language(page: str) -> None:
    assert phrases(prose_of(read_page(page))) == []


@pytest.mark.parametrize("pattern", COMMENTED)
def test_settings_and_scripts_use_plain_language(pattern: str) -> None:
    paths = [path for path in PROJECT.glob(pattern) if path.is_file()]
    assert paths
    assert {path.name: phrases(path.read_text()) for path in paths if phrases(path.read_text())} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_texts_in_the_code_use_plain_language(package: str) -> None:
    paths = sorted((PROJECT / package).rglob("*.py"))
    assert paths
    assert [fault for path in paths for fault in faults_of(path)] == []


def faults_of(path: Path) -> list[str]:
    name = path.relative_to(PROJECT)
    return [f"{name}:{line}: {phrase}" for line, text in texts_of(path.read_text()) for phrase in phrases(text)]


@pytest.mark.parametrize(
    "text",
    [
        "A week is held against weeks.",
        "It holds rows of that log, of the data,\nor of a file against the profile.",
        "Four doors",
        "Production, and the way\nback",
        "Grossly over its limit",
        "What a service is made of",
        "The bill of materials",
        "A line that was changed is told.",
        "The version that mends it",
    ],
)
def test_phrase_is_found(text: str) -> None:
    assert phrases(text)


@pytest.mark.parametrize(
    "text",
    [
        "It holds the lock.",
        "outdoors",
        "recommended",
        "The gravest mistake",
        "a software bill of materials",
        "Compared with last week",
    ],
)
def test_other_words_pass(text: str) -> None:
    assert phrases(text) == []


def test_code_may_show_an_old_name() -> None:
    assert phrases(prose_of("The older name `gross` still works.\n\n```yaml\ngross: 2\n```\n")) == []
    assert list(texts_of('"""Two words."""\nKEY = "gross"\n')) == [(1, "Two words.")]
