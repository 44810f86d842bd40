"""The folder in which the counts of several workers meet: nobody else may write to it, or make it beforehand."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bentos.api.metrics import FOLDER, Metrics, make_folder
from driftgate.errors import DriftgateError
from driftgate.workspace import PROJECT

NOBODY = 65534


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    monkeypatch.setenv(FOLDER, "")
    return tmp_path


def test_a_new_folder_is_its_user_s_alone_and_has_a_name_nobody_can_know(home: Path) -> None:
    first, second = make_folder(), make_folder()
    assert first != second
    for folder in (first, second):
        found = folder.lstat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode), folder.parent) == (os.getuid(), 0o700, home)


def test_workers_use_the_folder_of_their_server(home: Path) -> None:
    folder = make_folder()
    Metrics().swaps.inc()
    assert list(home.glob("driftgate-metrics-*")) == [folder]


def _link(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(folder.parent / "elsewhere")


def _open_to_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)


def _of_another_user(folder: Path) -> None:
    if os.getuid():
        pytest.skip("only root can give a folder away")
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)


def _file(folder: Path) -> None:
    folder.write_text("")


def _nothing(folder: Path) -> None: ...


@pytest.mark.parametrize("planted", [_link, _open_to_all, _of_another_user, _file, _nothing])
def test_a_folder_that_others_can_reach_is_refused(
    planted: Callable[[Path], None], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(home / "planted")
    monkeypatch.setenv(FOLDER, str(home / "planted"))
    with pytest.raises(DriftgateError, match="metrics folder"):
        Metrics()


def test_folders_of_dead_servers_are_swept_and_no_other_user_s(home: Path) -> None:
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    left = home / f"driftgate-metrics-{os.getuid()}-{int(dead.stdout)}-abc"
    left.mkdir()
    target = home / "precious"
    target.mkdir()
    link = home / f"driftgate-metrics-{os.getuid()}-{int(dead.stdout)}-link"
    link.symlink_to(target)
    alive = home / f"driftgate-metrics-{os.getuid()}-{os.getpid()}-abc"
    alive.mkdir()
    make_folder()
    assert (left.exists(), target.exists(), alive.exists()) == (False, True, True)


def test_the_folder_goes_with_its_server(home: Path) -> None:
    code = "from bentos.api.metrics import make_folder; print(make_folder())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert done.stdout.strip().startswith(str(home))
    assert not Path(done.stdout.strip()).exists()
