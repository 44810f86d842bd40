"""Versions of the data: added by contract, found again, brought back; the data and its pointer move together."""

import shutil
import tempfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.config import Problem
from driftgate.contract import Contract
from driftgate.data import add as data_add
from driftgate.data.present import ensure_data
from driftgate.data.remote import push, status
from driftgate.data.store import Store
from driftgate.data.versions import pull
from driftgate.errors import DriftgateError
from driftgate.files import md5_of
from driftgate.workspace import Workspace
from tests import repository
from tests.repository import Repository, commit, dvc, git, renamed, rules_in


def test_the_first_version_is_tracked_as_dvc_does(place: Repository) -> None:
    git(place.root, "checkout", "--quiet", place.commits[0])
    dvc(place.root, "checkout")
    assert md5_of(place.data) == place.first
    assert "/rows.parquet" in (place.root / ".gitignore").read_text()
    assert not git(place.root, "status", "--porcelain")


def test_added_rows_follow_the_old_ones_and_dvc_agrees(place: Repository) -> None:
    found = pd.read_parquet(place.data)
    pd.testing.assert_frame_equal(
        found, pd.concat([place.rows, renamed(place.rows.head(50), "second")], ignore_index=True)
    )
    assert dvc(place.root, "status") == "Data and pipelines are up to date."
    assert "not in cache" not in dvc(place.root, "data", "status")


def test_rows_are_added_to_a_version_that_is_in_the_cache_alone(place: Repository) -> None:
    place.data.unlink()
    assert place.add(renamed(place.rows.head(3), "third"))["rows_before"] == 250


def test_a_csv_can_be_added_to_parquet(place: Repository) -> None:
    told = place.add(renamed(place.rows.head(7), "csv"), name="arrived.csv")
    assert (told["rows_before"], told["rows"]) == (250, 257)
    assert (pd.read_parquet(place.data).dtypes == place.rows.dtypes).all()


def test_the_index_that_pandas_writes_is_no_column(place: Repository) -> None:
    filtered = renamed(place.rows, "new").iloc[[3, 5, 8]]
    assert "__index_level_0__" in pq.read_schema(place.file(filtered)).names
    assert place.add(filtered)["rows"] == 253


FAULTS = {
    "column gone": (lambda rows: rows.drop(columns="f1"), "it lacks f1"),
    "column more": (lambda rows: rows.assign(more=1), "it also has more"),
    "column without a name": (lambda rows: rows.assign(**{"": 1}), "it also has ''"),
    "text": (lambda rows: rows.assign(f1="x"), "can't be converted to the column types"),
    "empty": (lambda rows: rows.head(0), "has no rows"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_table_that_does_not_fit_is_refused(fault: str, place: Repository) -> None:
    before, (change, words) = place.state(), FAULTS[fault]
    with pytest.raises(DriftgateError, match=words):
        place.add(change(renamed(place.rows.head(5), "new")))
    assert place.state() == before


@pytest.mark.parametrize("content", [b"", b"PAR1 torn"], ids=["empty", "torn"])
def test_an_unreadable_file_is_refused(content: bytes, place: Repository) -> None:
    before, file = place.state(), place.file(place.rows)
    file.write_bytes(content)
    for replace in (False, True):
        with pytest.raises(DriftgateError, match=r"is empty|can't be read"):
            data_add.add(place.problem, file, replace=replace, workspace=place.workspace)
    assert place.state() == before


def test_a_broken_contract_tells_every_fault_and_changes_nothing(place: Repository) -> None:
    before, bad = place.state(), renamed(place.rows.head(9), "new")
    bad.loc[:3, "f4"], bad.loc[5, "f5"], bad.loc[7, "row_id"] = 500, 0, place.rows["row_id"].iloc[0]
    told = place.add(bad)
    assert told["verdict"] == "block"
    assert {check["name"] for check in told["checks"]} == {"contract.f4", "contract.f5", "contract.row_id"}
    assert any("already in the data" in check["why"] for check in told["checks"])
    assert place.state() == before


def test_replace_takes_the_file_as_it_is(place: Repository) -> None:
    told = place.add(place.rows.head(120), replace=True)
    assert (told["rows"], md5_of(place.data)) == (120, told["md5"])
    assert place.data.read_bytes() == place.file(place.rows.head(120)).read_bytes()
    assert place.add(place.rows.head(120), replace=True)["previous"] == told["md5"]


def test_a_changed_file_that_becomes_a_version_tells_how_many_rows_were_before(place: Repository) -> None:
    pd.concat([place.rows, renamed(place.rows.head(7), "mine")]).to_parquet(place.data)
    told = data_add.add(place.problem, place.data, replace=True, workspace=place.workspace)
    assert (told.rows, told.rows_before) == (207, 250)


def test_untracked_data_becomes_the_first_version_where_it_lies(tmp_path: Path, rows: pd.DataFrame) -> None:
    root = repository.small(tmp_path / "repo")
    problem, workspace = rules_in(root / "sub" / "mine.csv"), Workspace(tmp_path / "var")
    problem.data_path.parent.mkdir()
    rows.to_csv(problem.data_path, index=False)
    assert status(problem, remote=None, workspace=workspace).state == "untracked"
    rows.head(9).to_csv(tmp_path / "more.csv", index=False)
    with pytest.raises(DriftgateError, match="doesn't track"):
        data_add.add(problem, tmp_path / "more.csv", replace=False, workspace=workspace)
    md5 = data_add.add(problem, problem.data_path, replace=False, workspace=workspace).md5
    assert md5 == md5_of(problem.data_path)
    assert status(problem, remote=None, workspace=workspace).state == "as promised"


def test_versions_are_told_newest_first_and_each_once(place: Repository) -> None:
    place.use(place.commits[0])
    commit(place.root, "back")
    third = place.add(renamed(place.rows.head(3), "third"))["md5"]
    told = place.versions()
    assert [(row["md5"], row["commit"]) for row in told] == [
        (third, None),
        (place.second, place.commits[1]),
        (place.first, place.commits[0]),
    ]
    assert [row["current"] for row in told] == [True, False, False]
    assert [row["rows"] for row in told] == [203, 250, 200]
    assert told[0]["where"] == ["workspace", "cache"]


def test_use_takes_a_revision_a_tag_or_an_md5(place: Repository) -> None:
    git(place.root, "tag", "v1", place.commits[0])
    before = place.state()
    for revision in (place.commits[0], "HEAD~1", "v1", place.first[:8], place.first):
        place.use(revision)
        place.require_whole(place.first)
        place.use(place.second[:8])
        assert place.state() == before


@pytest.mark.parametrize("revision", ["nothing", "deadbeef", "--all", "HEAD~9", "HEAD~2"])
def test_a_revision_without_the_data_is_told(revision: str, place: Repository) -> None:
    before = place.state()
    with pytest.raises(DriftgateError, match=r"no revision|does not track"):
        place.use(revision)
    assert place.state() == before


def test_bytes_that_are_nowhere_are_told(place: Repository) -> None:
    before = place.state()
    place.forget(place.first)
    with pytest.raises(DriftgateError, match=r"can't be found.*no remote is configured"):
        place.use("HEAD~1")
    assert place.state() == before
    assert {row["md5"]: row["where"] for row in place.versions()}[place.first] == []


def test_a_version_without_a_commit_is_not_lost_unless_forced(place: Repository) -> None:
    third = place.add(renamed(place.rows.head(3), "third"))["md5"]
    with pytest.raises(DriftgateError, match=r"No commit records the present version .*, and it was never pushed"):
        place.use("HEAD")
    place.require_whole(third)
    assert place.use("HEAD", force=True)["uncommitted"] == [third]
    place.require_whole(place.second)
    place.use(third)  # its whole md5 finds it in the cache
    place.require_whole(third)


def test_a_file_changed_behind_dvcs_back_is_told_by_each_verb(place: Repository) -> None:
    place.data.write_bytes(b"PAR1 other")
    before, everything = place.state(), {"remote": None, "workspace": place.workspace}
    for verb in (lambda: place.use("HEAD~1"), lambda: pull(place.problem, **everything)):
        with pytest.raises(DriftgateError, match="changed without DVC"):
            verb()
    for verb in (
        lambda: place.add(renamed(place.rows.head(3), "third")),
        lambda: place.add(place.rows, replace=True),
        lambda: push(place.problem, every=False, **everything),
    ):
        with pytest.raises(DriftgateError, match="another version of the data"):
            verb()
    assert place.state() == before
    assert status(place.problem, **everything).state == "changed"
    place.use(place.second[:8], force=True)
    place.require_whole(place.second)


def test_after_a_checkout_of_git_the_promised_version_comes_back(place: Repository) -> None:
    """The file is a known version then: nothing is lost."""
    git(place.root, "checkout", "--quiet", place.commits[0])
    with pytest.raises(DriftgateError, match="another version of the data"):
        ensure_data(place.problem, workspace=place.workspace)
    place.use("HEAD")
    place.require_whole(place.first)


def test_after_a_pull_of_git_the_new_version_is_pulled(place: Repository, tmp_path: Path) -> None:
    """As on a colleague's machine, whose file is the version of before."""
    remote = str(tmp_path / "remote")
    push(place.problem, every=False, remote=remote, workspace=place.workspace)
    place.use("HEAD~1")
    place.forget(place.second)
    git(place.root, "checkout", "--quiet", "HEAD", "--", place.pointer.name)
    assert pull(place.problem, remote=remote, workspace=place.workspace).fetched
    place.require_whole(place.second)


def test_a_missing_file_comes_from_the_cache_else_from_the_remote(place: Repository, tmp_path: Path) -> None:
    remote = str(tmp_path / "remote")
    push(place.problem, every=False, remote=remote, workspace=place.workspace)
    place.data.unlink()
    place.require_whole(place.second)
    place.data.unlink()
    place.forget(place.second)
    with pytest.raises(DriftgateError, match="no remote is configured"):
        ensure_data(place.problem, workspace=place.workspace)
    dvc(place.root, "remote", "add", "--default", "kept", remote)
    place.require_whole(place.second)


def test_torn_bytes_in_the_cache_are_not_taken(place: Repository) -> None:
    place.data.unlink()
    cached = place.root / ".dvc" / "cache" / "files" / "md5" / place.second[:2] / place.second[2:]
    cached.chmod(0o644)
    cached.write_bytes(b"torn")
    with pytest.raises(DriftgateError, match="no data file"):
        ensure_data(place.problem, workspace=place.workspace)
    assert not place.data.exists()


def test_torn_bytes_in_the_cache_are_not_pushed(place: Repository, tmp_path: Path) -> None:
    """They would be on the remote under that md5 for good."""
    cached = place.root / ".dvc" / "cache" / "files" / "md5" / place.second[:2] / place.second[2:]
    cached.chmod(0o644)
    cached.write_bytes(b"torn")
    remote, told = str(tmp_path / "remote"), {"workspace": place.workspace}
    whole = place.data.read_bytes()
    place.data.unlink()
    with pytest.raises(DriftgateError, match="only damaged bytes"):
        push(place.problem, every=False, remote=remote, **told)
    place.data.write_bytes(whole)
    assert push(place.problem, every=False, remote=remote, **told).pushed == (place.second,)
    place.data.unlink()
    place.forget(place.second)
    assert pull(place.problem, remote=remote, **told).fetched
    place.require_whole(place.second)


def test_a_file_of_others_in_the_cache_is_no_version(place: Repository) -> None:
    before = place.state()
    foreign = place.file(place.rows[["f1", "f2"]])
    Store(place.root, workspace=place.workspace).keep(foreign, md5_of(foreign))
    with pytest.raises(DriftgateError, match="it lacks row_id, target, f3"):
        place.use(md5_of(foreign))
    foreign.write_bytes(b"no table")
    Store(place.root, workspace=place.workspace).keep(foreign, md5_of(foreign))
    with pytest.raises(DriftgateError, match="is not a version"):
        place.use(md5_of(foreign))
    assert place.state() == before


def test_what_a_stash_holds_is_named_by_no_commit(place: Repository) -> None:
    third = place.add(renamed(place.rows.head(3), "third"))["md5"]
    git(place.root, "stash")
    assert third not in [row["md5"] for row in place.versions()]


def test_any_subject_of_a_commit_is_read(place: Repository) -> None:
    place.add(renamed(place.rows.head(3), "third"))
    commit(place.root, "one\u2028two\tthree")
    assert place.versions()[0]["subject"] == "one\u2028two\tthree"


def test_push_and_pull_by_a_folder(place: Repository, tmp_path: Path) -> None:
    told, remote = {"workspace": place.workspace}, str(tmp_path / "remote")
    assert push(place.problem, every=False, remote=remote, **told).pushed == (place.second,)
    found = push(place.problem, every=True, remote=remote, **told)
    assert (found.pushed, found.there) == ((place.first,), (place.second,))
    place.forget(place.first)
    assert place.use("HEAD~1", remote=remote)["from"] == "remote"
    place.require_whole(place.first)
    place.data.unlink()
    place.forget(place.first)
    assert pull(place.problem, remote=remote, **told).fetched
    place.require_whole(place.first)
    assert status(place.problem, remote=remote, **told).pushed


REMOTES = {
    None: "No DVC remote is configured",
    "unknown": "no remote 'unknown'",
    "s3://bucket/data": "uv add 'dvc\\[s3\\]'",
    "what://ever": "can't be opened",
    "/proc/nowhere": "can't be used",
}


@pytest.mark.parametrize("remote", REMOTES)
def test_a_remote_that_can_not_be_used_is_told(remote: str | None, place: Repository) -> None:
    before = place.state()
    with pytest.raises(DriftgateError, match=REMOTES[remote]):
        push(place.problem, every=False, remote=remote, workspace=place.workspace)
    assert place.state() == before


def test_a_version_that_the_remote_lacks_is_told(place: Repository, tmp_path: Path) -> None:
    place.data.unlink()
    place.forget(place.second)
    (tmp_path / "remote").mkdir()
    with pytest.raises(DriftgateError, match="doesn't have"):
        pull(place.problem, remote=str(tmp_path / "remote"), workspace=place.workspace)


def test_a_cache_that_can_not_be_written_changes_nothing(place: Repository, tmp_path: Path) -> None:
    before = place.state()
    (tmp_path / "file").write_text("no folder")
    dvc(place.root, "config", "cache.dir", str(tmp_path / "file" / "cache"))
    with pytest.raises(DriftgateError, match=r"cache .* can't be written"):
        place.add(renamed(place.rows.head(3), "third"))
    assert place.state() == before


def test_marks_of_a_merge_are_told(place: Repository) -> None:
    place.pointer.write_text("<<<<<<< HEAD\nouts:\n=======\n")
    with pytest.raises(DriftgateError, match="not in DVC's format"):
        status(place.problem, remote=None, workspace=place.workspace)


def test_a_history_that_git_can_not_read_is_told(place: Repository) -> None:
    (place.root / ".git" / "HEAD").write_text("torn")
    with pytest.raises(DriftgateError, match="git can't read the history"):
        place.use(place.first)
    assert status(place.problem, remote=None, workspace=place.workspace).committed is None


def test_without_git_the_present_version_is_known(place: Repository) -> None:
    shutil.rmtree(place.root / ".git")
    assert [row["md5"] for row in place.versions()] == [place.second]
    with pytest.raises(DriftgateError, match="has no git history"):
        place.use("HEAD")


def test_a_server_that_can_not_be_reached_is_no_missing_version(place: Repository) -> None:
    with pytest.raises(DriftgateError, match="can't be used: Connect call failed"):
        pull(place.problem, remote="http://127.0.0.1:1/data", workspace=_without_bytes(place))


def _without_bytes(place: Repository) -> Workspace:
    place.data.unlink()
    place.forget(place.second)
    return place.workspace


@pytest.fixture(scope="module")
def problem_of_texts() -> Problem:
    problem = rules_in(Path("old.csv"))
    data, target = {"row_id": "id"}, {"column": "none"}
    columns = Contract(columns={"text": {"type": "category", "nullable": True}})  # type: ignore[dict-item]
    return problem.model_copy(
        update={
            "data": problem.data.model_copy(update=data), "contract": columns,
            "target": problem.target.model_copy(update=target),
        }
    )  # fmt: skip


TEXTS = st.lists(st.text("ab,\"'\n ;é0.", max_size=6), min_size=1, max_size=5)


@given(old=TEXTS, new=TEXTS)
@settings(deadline=None)
def test_csv_rows_are_appended_as_they_are_written(problem_of_texts: Problem, old: list[str], new: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, texts in (("old.csv", old), ("new.csv", new)):
            pd.DataFrame({"id": range(len(texts)), "text": texts}).to_csv(folder / file, index=False)
        kept = (folder / "old.csv").read_bytes()
        data_add._append(folder / "old.csv", folder / "new.csv", folder / "both.csv", problem_of_texts)
        assert (folder / "both.csv").read_bytes().startswith(kept)
        found = pd.read_csv(folder / "both.csv", dtype=str, keep_default_na=False)
        assert found["text"].tolist() == old + new
