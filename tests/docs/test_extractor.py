"""The extractor and the runner of the pages can fail."""

from pathlib import Path

import pytest

from tests.docs.markdown import MarkError, anchors_of, blocks_of, inline_code, run_arguments, statements
from tests.docs.runner import PageError, run_page


def run(text: str, tmp_path: Path) -> None:
    run_page(blocks_of("page.md", text), cwd=tmp_path, scratch=tmp_path / "scratch", timeout=20)


def sh(text: str, *marks: str) -> str:
    return "\n".join([*marks, "```sh", text, "```", ""])


def test_blocks_run_in_order_in_one_shell(tmp_path: Path) -> None:
    run(f"# A page\n\n{sh('export A=1; cd /tmp')}\nText.\n\n{sh('test $A = 1 && test $PWD = /tmp')}", tmp_path)


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (sh("false"), "page.md:1: false: ended with 1 instead of 0"),
        (sh("false && true"), "ended with 1"),
        (sh("false | cat"), "ended with 1"),
        (sh("true\nno-such-program\ntrue"), "ended with 127"),
        (sh("exit 0"), "exit code 0"),
        (sh("true", "<!-- ends with 3: true -->"), "ended with 0 instead of 3"),
        (sh("true", "<!-- before: false -->"), "false: ended with 1"),
        (sh("sleep 60", "<!-- run: slow -->"), "none within"),
        (sh("true  # no server", "<!-- run: background -->"), "no server answers"),
        (sh("echo two") + "\n<!-- output -->\n```text\none\n```\n", "but this was printed\ntwo"),
        ("<!-- output of: echo two -->\n```text\none\n```\n", "but this was printed\ntwo"),
        ('<!-- output of: echo \'{"a": 2}\' -->\n```json\n{"a": 1}\n```\n', "but this was printed"),
    ],
)
def test_broken_page_fails(page: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(PageError) as raised:
        run_page(blocks_of("page.md", page), cwd=tmp_path, scratch=tmp_path / "scratch", timeout=3)
    assert told in str(raised.value)


def test_what_a_page_expects_passes(tmp_path: Path) -> None:
    run(sh("false", "<!-- ends with 1: false -->"), tmp_path)
    run(sh("test -e made", "<!-- before: touch made -->"), tmp_path)
    run(sh("no-such-program", "<!-- not run: only a picture of one -->"), tmp_path)
    run(sh("echo 'one two 7 three'") + "\n<!-- output -->\n```text\none … three\n```\n", tmp_path)
    run('<!-- output of: echo \'{"a":1,"id":"x"}\' -->\n```json\n{"a": 1, "id": "…"}\n```\n', tmp_path)


def test_server_answers_until_the_page_ends(tmp_path: Path) -> None:
    serve = sh("cd .\npython -m http.server $BENTOML_PORT   # http://127.0.0.1:3000", "<!-- run: background -->")
    run(f"{serve}\n{sh('curl -sf http://127.0.0.1:3000/ > listing')}", tmp_path)
    assert "scratch" in (tmp_path / "listing").read_text()


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (sh("true", "<!-- run: sometimes -->"), "`run` knows"),
        (sh("true", "<!-- not run: -->"), "nobody knows"),
        (sh("true", "<!-- not run: slow -->"), "wants a reason"),
        (sh("true", "<!-- skip -->"), "nobody knows the mark `skip`"),
        (sh("true", "<!-- ends with 3: false -->"), "no command of the block contains"),
        (sh("true", "<!-- run: slow -->", "<!-- not run: it is slow -->"), "either"),
        ("<!-- run: slow -->\n\nText between.\n\n" + sh("true"), "stands above no block"),
        (sh("true") + "\n<!-- run: slow -->\n", "stands above no block"),
        ("```\ntrue\n```\n", "names its language"),
        ("```console\n$ true\n```\n", "write commands as sh"),
        ("<!-- run: slow -->\n```python\npass\n```\n", "only sh blocks"),
    ],
)
def test_mark_that_means_nothing_is_refused(page: str, told: str) -> None:
    with pytest.raises(MarkError, match=told):
        blocks_of("page.md", page)


def test_block_within_a_list_is_found() -> None:
    assert [block.text for block in blocks_of("page.md", "1. First:\n\n   ```sh\n   true\n   ```\n")] == ["true\n"]


def test_commands_are_put_together() -> None:
    assert len(statements("one \\\n  two\nthree 'a\nb'\n\nfour <<END\nfive\nEND\nsix")) == 4


def test_calls_are_found_wherever_they_stand() -> None:
    text = "pip install uv && uv run run.py drift   # run.py no\nA=1 python run.py status | cat; uv run \\\n  run.py ui"
    assert run_arguments(text) == [["drift"], ["status"], ["ui"]]


def test_code_in_the_text_is_found() -> None:
    assert inline_code("A `run.py x` in\n\n| a |\n| --- |\n| `cell` |\n") == ["run.py x", "cell"]


def test_anchors_are_those_of_github() -> None:
    text = "# The gate, explained\n\n## What `it` does\n\n## Twice\n\n## Twice\n"
    assert anchors_of(text) == {"the-gate-explained", "what-it-does", "twice", "twice-1"}
