"""Links, anchors, pictures and pages: each leads somewhere, and each is led to."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from driftgate.workspace import PROJECT
from tests.docs.markdown import Link, anchors_of, links_of, page_names, read_page, reading_order

PAGES = page_names()
INDEX = "docs/README.md"


def fault(link: Link, root: Path = PROJECT) -> str | None:
    """What is wrong with a link; None if nothing is. The network isn't asked."""
    parts = urlsplit(link.target)
    if parts.scheme:
        known = parts.scheme in ("http", "https") and re.fullmatch(r"([\w-]+\.)+[a-z]{2,}", parts.hostname or "")
        return None if known and not re.search(r"[\s<>…]", link.target) else "not a well-formed address"
    page = root / link.page
    path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not path.is_relative_to(root.resolve()):
        return "leads out of the project"
    if not path.exists():
        return "no such file"
    if link.is_picture and path.read_bytes()[:4] != b"\x89PNG":
        return "not a picture"
    if parts.fragment and parts.fragment not in anchors_of(path.read_text()):
        return "no such heading"
    return None


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    found = links_of(page, read_page(page))
    assert [(link.target, fault(link)) for link in found if fault(link)] == []


def test_every_picture_is_shown() -> None:
    links = [link for page in PAGES for link in links_of(page, read_page(page)) if link.is_picture]
    shown = {(PROJECT / link.page).parent.joinpath(link.target).resolve() for link in links}
    assert shown == set((PROJECT / "docs" / "pictures").iterdir())


def test_every_page_is_reached_from_the_readme() -> None:
    assert set(reading_order()) == set(PAGES)


def test_every_page_of_the_docs_is_reached_from_their_index() -> None:
    """By a link on the index itself, or to the folder of the page."""
    linked = {(PROJECT / "docs" / link.target).resolve() for link in links_of(INDEX, read_page(INDEX))}
    pages = {(PROJECT / page).resolve() for page in PAGES if page.startswith("docs/") and page != INDEX}
    assert [page for page in sorted(pages) if page not in linked and page.parent not in linked] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a](b.md)", None),
        ("[a](b.md#a-heading)", None),
        ("[a](#here)", None),
        ("[a](sub)", None),
        ("[a](https://example.org/a?b=c#d)", None),
        ("![a](a.png)", None),
        ("[a](c.md)", "no such file"),
        ("[a](b.md#another)", "no such heading"),
        ("[a](#there)", "no such heading"),
        ("[a](../../b.md)", "leads out"),
        ("[a](https://example)", "well-formed"),
        ("[a](htp://example.org)", "well-formed"),
        ("[a](<https://example.org/a b>)", None),  # the parser escapes the space
        ("![a](b.md)", "not a picture"),
        ("| a |\n| --- |\n| [a](c.md) |", "no such file"),
    ],
)
def test_wrong_link_is_found(text: str, told: str | None, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    (tmp_path / "page.md").write_text(f"# Here\n\n{text}\n")
    (tmp_path / "b.md").write_text("# A heading\n")
    (link,) = links_of("page.md", (tmp_path / "page.md").read_text())
    found = fault(link, tmp_path)
    assert found == told if told is None else told in str(found)
