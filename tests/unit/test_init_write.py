"""Problem files are written with their data, whole or not at all, and keep what a person edited."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.config import load_problem
from driftgate.errors import DriftgateError
from driftgate.init import write as writing
from driftgate.init.choices import Choices, refuse
from driftgate.init.merge import MISSING, apply, flow, merge
from driftgate.init.run import init
from driftgate.init.sources.read import SourceOptions
from driftgate.results.init import InitResult
from driftgate.workspace import Workspace
from tests.repository import small

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
)
LEAVES = SCALARS | st.lists(SCALARS, max_size=3)
TREES = st.dictionaries(st.sampled_from("abcd"), st.recursive(LEAVES, lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)), max_size=4)  # fmt: skip


class Place:
    """A project folder of its own, and a table."""

    def __init__(self, folder: Path) -> None:
        self.root, self.workspace = small(folder / "project"), Workspace(folder / "var")
        self.source = folder / "orders.csv"
        self.config, self.data = self.root / "configs" / "orders.yaml", self.root / "data" / "orders.csv"
        self.config.parent.mkdir()
        self.fill()

    def fill(self, rows: int = 300, *, scale: float = 10.0) -> None:
        draw = np.random.default_rng(0)
        y = draw.integers(0, 2, rows)
        table = {
            "order id": range(rows), "größe, m": np.round(y + draw.gamma(2, scale, rows), 2),
            "no": draw.choice(["yes", "no", "null-ish"], rows), "model_config": draw.integers(1, 6, rows),
            "bought": np.where(y == 1, "yes", "no"),
        }  # fmt: skip
        pd.DataFrame(table).to_csv(self.source, index=False)

    def run(self, *, check: bool = False, name: str | None = None, **choices: Any) -> InitResult:
        return init(
            str(self.source), Choices("bought", **choices), name=name, query=None, options=SourceOptions(), check=check,
            ask=refuse, workspace=self.workspace, project=self.root,
        )  # fmt: skip

    def files(self) -> list[str]:
        kept = [path for path in self.root.rglob("*") if path.is_file() and not {".git", ".dvc"} & set(path.parts)]
        return sorted(str(path.relative_to(self.root)) for path in kept)

    def edit(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert text.count(old) == 1
        self.config.write_text(text.replace(old, new))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_file_and_data_are_written_and_load(place: Place) -> None:
    result = place.run()
    problem = load_problem(place.config)
    assert list(problem.contract.columns) == ["größe, m", "no", "model_config"]
    assert problem.data.row_id == "order id"
    assert problem.data_path == place.data
    assert (place.root / "data" / "orders.csv.dvc").exists()
    assert place.data.read_bytes() == place.source.read_bytes()
    assert result.written
    assert result.md5


def test_check_writes_nothing(place: Place) -> None:
    before = place.files()
    result = place.run(check=True)
    assert (result.written, result.md5) == (False, None)
    assert place.files() == before


def test_second_run_changes_nothing(place: Place) -> None:
    place.run()
    before = {name: (place.root / name).read_bytes() for name in place.files()}
    assert place.run().kept == ()
    assert {name: (place.root / name).read_bytes() for name in place.files()} == before


def test_edits_stay_and_new_facts_arrive(place: Place) -> None:
    place.run()
    place.edit("seed: 42", "seed: 7  # mine")
    place.edit("  model_config: {type: integer", "  # five stars\n  model_config: {description: stars, type: integer")
    lines = [
        line
        for line in place.config.read_text().splitlines(True)
        if not line.startswith("  no:") and not line.startswith('  "no":')
    ]
    place.config.write_text("".join(lines))
    place.fill(scale=90.0)
    result = place.run()
    problem, text = load_problem(place.config), place.config.read_text()
    assert problem.seed == 7
    assert "# mine" in text
    assert "# five stars" in text
    assert problem.contract.columns["model_config"].description == "stars"
    assert "no" not in problem.contract.columns
    assert (problem.contract.columns["größe, m"].maximum or 0) > 300
    told = " ".join(result.kept)
    assert "seed is 7" in told
    assert "contract.no was removed" in told
    assert len(list((place.config.parent / ".init").iterdir())) == 1
    assert place.run().kept == result.kept


def test_edit_that_does_not_fit_new_values_is_refused_and_nothing_written(place: Place) -> None:
    place.run()
    place.edit("  column: bought", "  column: model_config")
    before = {name: (place.root / name).read_bytes() for name in place.files()}
    with pytest.raises(DriftgateError, match="What you edited doesn't fit"):
        place.run()
    assert {name: (place.root / name).read_bytes() for name in place.files()} == before


@pytest.mark.parametrize("content", ["name: orders\n", "", "# mine\nname: x\n"])
def test_file_of_someone_else_is_never_overwritten(place: Place, content: str) -> None:
    place.config.write_text(content)
    with pytest.raises(DriftgateError, match="init didn't write it"):
        place.run()
    assert place.config.read_text() == content
    assert not place.data.exists()


def test_name_of_another_file_is_refused(place: Place) -> None:
    (place.config.parent / "other.yaml").write_text("# by hand\nname: orders  # taken\n")
    with pytest.raises(DriftgateError, match=r"other.yaml has the name 'orders'"):
        place.run()
    with pytest.raises(DriftgateError, match="can't be the name of a problem"):
        place.run(name="My Orders")


def test_other_data_in_the_way_is_kept(place: Place) -> None:
    place.data.parent.mkdir()
    place.data.write_text("a,b\n1,2\n")
    with pytest.raises(DriftgateError, match="is in the way"):
        place.run()
    assert place.data.read_text() == "a,b\n1,2\n"
    assert not place.config.exists()


def test_table_in_its_place_is_taken(place: Place) -> None:
    place.data.parent.mkdir()
    place.source = place.source.rename(place.data)
    assert place.run().written


@pytest.mark.parametrize("at", ["add", "replace_text", "second replace_text"])
def test_killed_between_two_writes_runs_again(place: Place, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place.run()
    place.edit("seed: 42", "seed: 7")
    place.fill(scale=90.0)
    calls, real = [], getattr(writing, at.split()[-1])

    def killed(*given: Any, **more: Any) -> Any:
        calls.append(given)
        if len(calls) == (2 if "second" in at else 1):
            raise KeyboardInterrupt
        return real(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(writing, at.split()[-1], killed)
        with pytest.raises(KeyboardInterrupt):
            place.run()
    place.run()
    problem = load_problem(place.config)
    assert problem.seed == 7
    assert (problem.contract.columns["größe, m"].maximum or 0) > 300
    assert place.data.read_bytes() == place.source.read_bytes()


def test_second_of_two_at_once_waits(place: Place) -> None:
    (place.root / ".dvc" / "tmp").mkdir(exist_ok=True)
    with ThreadPoolExecutor(1) as pool:
        with _held_elsewhere(place.root):
            second = pool.submit(place.run)
            done, _ = wait([second], timeout=3)
            assert not done
            assert not place.config.exists()
        assert second.result(timeout=60).written


def test_file_that_changed_meanwhile_is_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.run()
    check = writing.check_draft

    def edit_first(*given: Any) -> Any:
        place.edit("seed: 42", "seed: 7")
        return check(*given)

    monkeypatch.setattr("driftgate.init.run.check_draft", edit_first)
    with pytest.raises(DriftgateError, match="was changed while this command ran"):
        place.run()
    assert load_problem(place.config).seed == 7


@contextlib.contextmanager
def _held_elsewhere(root: Path) -> Iterator[None]:
    import subprocess
    import sys

    code = (
        "import sys; from filelock import FileLock\n"
        f"with FileLock({str(root / '.dvc' / 'tmp' / 'driftgate.lock')!r}): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        try:
            yield
        finally:
            process.communicate("")


@settings(max_examples=40, deadline=None)
@given(TREES, TREES, TREES)
def test_merge_takes_new_values_only_where_nobody_edited(base: Any, mine: Any, new: Any) -> None:
    assert merge(base, mine, mine) == ({}, [])
    changes, kept = merge(base, base, new)
    assert not kept
    assert yaml.safe_load(apply(_text(base), changes)) == new if base else True
    changes, _ = merge(base, mine, new)
    merged = yaml.safe_load(apply(_text(mine), changes)) if mine else {}
    for key in mine:
        if key not in base and key not in new:
            assert merged[key] == mine[key]
        if key in base and base[key] == mine[key] and type(base[key]) is type(mine[key]) and key in new:
            assert merged[key] == new[key]


def _text(content: dict[str, Any]) -> str:
    return "".join(f"{flow(key)}: {flow(value)}\n" for key, value in content.items())


@settings(deadline=None)
@given(SCALARS | st.lists(SCALARS) | st.dictionaries(TEXTS, SCALARS))
def test_yaml_reads_what_was_written(value: Any) -> None:
    assert yaml.safe_load(f"key: {flow(value)}")["key"] == value


def test_removed_and_added_keys_are_a_persons() -> None:
    base, new = {"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"x": 5, "y": 3}, "b": 2, "c": 1}
    changes, kept = merge(base, {"a": {"y": 2, "mine": 0}, "b": 1}, new)
    assert changes == {("a", "y"): 3, ("b",): 2, ("c",): 1}
    assert len(kept) == 2
    assert merge({"a": 1}, {"a": 1}, {})[0] == {("a",): MISSING}
