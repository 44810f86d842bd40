"""The workspace is its owner's alone, and a shared one stays what it is."""

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftgate.files import make_private
from driftgate.workspace import Workspace


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o000], ids=["umask 022", "umask 000"])
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    old = os.umask(request.param)
    yield
    os.umask(old)


@pytest.mark.usefixtures("_umask")
def test_a_new_workspace_is_its_owners_alone(tmp_path: Path) -> None:
    Workspace(tmp_path / "deep" / "var").prepare()
    assert mode(tmp_path / "deep" / "var") == 0o700


@pytest.mark.usefixtures("_umask")
def test_an_open_workspace_is_closed_and_that_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = tmp_path / "var"
    root.mkdir()
    assert mode(root) & 0o077
    with caplog.at_level(logging.WARNING, "driftgate"):
        Workspace(root).prepare()
        Workspace(root).prepare()
    assert mode(root) == 0o700
    assert [record.getMessage() for record in caplog.records] == [
        f"other users had rights in {root}; now it is its owner's alone (mode 0700)"
    ]


@pytest.mark.parametrize("bit", [stat.S_ISGID, stat.S_ISVTX])
def test_a_workspace_that_is_shared_on_purpose_stays_so(
    bit: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "team"
    root.mkdir()
    root.chmod(0o770 | bit)
    Workspace(root).prepare()
    assert mode(root) == 0o770 | bit
    assert mode(root / "runs") & 0o077
    assert f"other users can read the workspace {root}: it is shared on purpose" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_stays_as_it_is(tmp_path: Path) -> None:
    root = tmp_path / "theirs"
    root.mkdir(mode=0o755)
    os.chown(root, 65534, 65534)
    Workspace(root).prepare()
    assert (mode(root), root.stat().st_uid) == (0o755, 65534)


@pytest.mark.usefixtures("_umask")
def test_a_folder_that_is_more_than_a_workspace_keeps_its_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one's home: only what Driftgate makes in it is closed."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = tmp_path / "home"
    root.mkdir()
    before = mode(root)
    (root / "runs").mkdir()
    Workspace(root).prepare()
    assert mode(root) == before
    assert {mode(path) for path in root.iterdir()} == {0o700}


def test_a_private_folder_within_a_link_is_the_one_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    make_private(tmp_path / "link")
    assert mode(tmp_path / "real") == 0o700
    assert (tmp_path / "link").is_symlink()
