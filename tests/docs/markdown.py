"""Parse the project's Markdown: shell blocks with their marks, code in the text, links, headings.

A mark is an HTML comment on the line above a block. Readers don't see it.

    <!-- not run: why -->               the block is only read; every other shell block is executed
    <!-- run: slow -->                  its page is executed by `pytest -m slow`
    <!-- run: background -->            its last command is a server, which answers until the page ends
    <!-- before: command -->            what a reader has and the tests must make, such as a file of new rows
    <!-- ends with 3: text -->          the block's commands that contain the text end with that exit code
    <!-- output --> <!-- output of: command -->     the block is what the block before, or that command, prints;
                                        `…` stands for anything, white space in JSON for nothing
"""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from driftgate.workspace import PROJECT

SHELLS = ("sh", "bash")
HOWS = frozenset({"slow", "background"})
COMMENT = re.compile(r"<!--\s*(.*?)\s*-->", re.DOTALL)
MARK = re.compile(r"(not run|run|before|output of|output|ends with (?P<code>\d+))(?:: *(?P<rest>.+))?$", re.DOTALL)
PARSER = MarkdownIt("commonmark").enable("table")


class MarkError(ValueError):
    """A block or a mark that the tests can't parse. The error names page and line."""


@dataclass(frozen=True)
class Block:
    """One fenced block: its place, its text and its marks."""

    page: str
    line: int
    language: str
    text: str
    reason: str | None = None
    how: frozenset[str] = frozenset()
    before: tuple[str, ...] = ()
    ends: tuple[tuple[int, str], ...] = ()
    output_of: str | None = None  # "": of the block before

    @property
    def is_shell(self) -> bool:
        return self.language in SHELLS

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Link:
    """The target of a link or a picture of a page."""

    page: str
    target: str
    is_picture: bool


def page_names() -> list[str]:
    """Every Markdown file of the project, committed or not yet."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(listed, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split("\n")
    return sorted({name for name in names if name and (PROJECT / name).exists()})


def read_page(name: str) -> str:
    return (PROJECT / name).read_text()


def blocks_of(page: str, text: str) -> list[Block]:
    """All fenced blocks of a page, with their marks.

    Raises:
        MarkError: If a mark is unknown or stands above no block, or a block names no language or an ambiguous one.
    """
    found: list[Block] = []
    comments: list[tuple[int, str]] = []
    for token in [*PARSER.parse(text), None]:
        line = (token.map or [0])[0] + 1 if token else 0
        if token and token.type == "html_block":
            comments += [(line, comment) for comment in COMMENT.findall(token.content)]
            continue
        if token and token.type == "fence":
            found.append(_block(page, token, line, [comment for _, comment in comments]))
        else:
            for at, comment in comments:
                if MARK.match(comment):
                    raise MarkError(f"{page}:{at}: the mark `{comment}` stands above no block")
        comments = []
    return found


def _block(page: str, token: Token, line: int, marks: list[str]) -> Block:
    language, where = token.info.strip(), f"{page}:{line}"
    if not language:
        raise MarkError(f"{where}: a block names its language; text, if it has none")
    if language in ("console", "shell", "shell-session"):
        raise MarkError(f"{where}: write commands as sh, and what they print as a block of its own with an output mark")
    block = Block(page, line, language, token.content)
    for mark in marks:
        known = MARK.match(mark)
        if not known:
            raise MarkError(f"{where}: nobody knows the mark `{mark}`; tests/docs/markdown.py lists them")
        block = _with_mark(block, known[1], known["rest"] or "")
    if not block.is_shell and (block.reason or block.how or block.before or block.ends):
        raise MarkError(f"{where}: only sh blocks are run")
    if block.reason is not None and block.how:
        raise MarkError(f"{where}: either run or not run")
    return block


def _with_mark(block: Block, mark: str, rest: str) -> Block:
    values = dict(vars(block))
    if mark == "not run":
        if len(rest.split()) < 2:
            raise MarkError(f"{block.where}: `not run` wants a reason")
        values["reason"] = rest
    elif mark == "run":
        values["how"] = frozenset(part.strip() for part in rest.split(","))
        if not values["how"] <= HOWS:
            raise MarkError(f"{block.where}: `run` knows {', '.join(sorted(HOWS))}, not {rest!r}")
    elif mark == "before":
        values["before"] = (*block.before, rest)
    elif mark.startswith("ends with"):
        if not any(rest in statement for statement in statements(block.text)):
            raise MarkError(f"{block.where}: no command of the block contains {rest!r}")
        values["ends"] = (*block.ends, (int(mark.split()[-1]), rest))
    else:
        values["output_of"] = rest
    return Block(**values)


def statements(text: str) -> list[str]:
    """A script's commands. Lines are joined after a backslash, in an open quote and in a here-document."""
    found, lines = [], iter(text.splitlines())
    for line in lines:
        statement = line
        while statement.endswith("\\") or not _closed(statement):
            following = next(lines, None)
            if following is None:
                break
            statement += "\n" + following
        here = re.search(r"<<\s*'?(\w+)'?", statement)
        if here:
            for following in lines:
                statement += "\n" + following
                if following == here[1]:
                    break
        if statement.strip():
            found.append(statement)
    return found


def _closed(text: str) -> bool:
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return False
    return True


def command_lines(text: str) -> Iterator[list[str]]:
    """The words of each single command in a script. `&&`, `|`, `;` and line ends separate commands."""
    for statement in statements(text):
        lexer = shlex.shlex(statement.replace("\\\n", " "), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set(";&|()"):
                if words:
                    yield words
                words = []
            else:
                words.append(word)


def run_arguments(text: str) -> list[list[str]]:
    """The arguments of every call of `run.py` in a script."""
    found = []
    for words in command_lines(text):
        at = next((index for index, word in enumerate(words) if word == "run.py"), None)
        if at is not None:
            found.append(words[at + 1 :])
    return found


def inline_code(text: str) -> list[str]:
    """Every piece of code within the text of a page."""
    return [token.content for token in _inline(text) if token.type == "code_inline"]


def links_of(page: str, text: str) -> list[Link]:
    """Every link and picture of a page."""
    found = []
    for token in _inline(text):
        if token.type == "link_open":
            found.append(Link(page, str(token.attrs["href"]), False))
        elif token.type == "image":
            found.append(Link(page, str(token.attrs["src"]), True))
    return found


def anchors_of(text: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    found: set[str] = set()
    tokens = PARSER.parse(text)
    for heading, content in itertools.pairwise(tokens):
        if heading.type == "heading_open":
            plain = "".join(child.content for child in content.children or ())
            slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            again = sum(1 for anchor in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", anchor))
            found.add(f"{slug}-{again}" if again else slug)
    return found


def _inline(text: str) -> Iterator[Token]:
    for token in PARSER.parse(text):
        yield from token.children or ()


def reading_order(start: str = "README.md") -> list[str]:
    """The pages that links from the README reach, in reading order."""
    reached = [start]
    for page in reached:
        for link in links_of(page, read_page(page)):
            path = _relative(page, link)
            pages = sorted(path.glob("*.md")) if path and path.is_dir() else [path] if path else []
            for found in pages:
                name = str(found.relative_to(PROJECT))
                if found.suffix == ".md" and found.exists() and name not in reached:
                    reached.append(name)
    return reached


def _relative(page: str, link: Link) -> Path | None:
    target = link.target.partition("#")[0]
    if not target or "://" in target or target.startswith("mailto:"):
        return None
    return (PROJECT / page).parent.joinpath(target).resolve()
