"""A search that was killed continues, and comes to the result of one that wasn't."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from driftgate.config import Problem
from driftgate.data.table import DataVersion
from driftgate.training import finished, tuning
from driftgate.training.finished import FinishedFits, read_fit
from driftgate.training.tuned import Member, Tuned
from driftgate.workspace import PROJECT, Workspace


def small(problem: Problem, **changes: object) -> Problem:
    content = problem.model_dump()
    space = {"learning_rate": {"low": 0.01, "high": 0.5}}
    boosted = {"family": "hist_gradient_boosting", "trials": 12, "fixed": {"max_iter": 5}, "search": space}
    content["tuning"] |= {"candidates": [boosted], "average": 3, **changes}
    content["split"]["folds"] = 3
    content["calibration"] = {"method": "none"}
    return Problem.model_validate(content)


def alike(tuned: Tuned) -> Tuned:
    """Without the times."""
    return tuned.model_copy(update={"trials": tuple(one.model_copy(update={"seconds": 0}) for one in tuned.trials)})


SEARCH = """
import sys, time
from pathlib import Path
from driftgate.config import Problem
from driftgate.datasets import rules
from driftgate.training import trials, tuning
from driftgate.training.finished import FinishedFits
plain = trials._fit_fold
trials._fit_fold = lambda *given: (time.sleep(0.1), plain(*given))[1]
problem = Problem.model_validate_json(Path(sys.argv[1]).read_text())
tuning.tune(rules.build(), problem, finished=FinishedFits(Path(sys.argv[2])))
"""


def test_killed_search_continues_to_the_same_result(
    problem: Problem, rows: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wanted, folder = small(problem), tmp_path / "fits"
    (tmp_path / "problem.json").write_text(wanted.model_dump_json())
    child = subprocess.Popen(
        [sys.executable, "-c", SEARCH, str(tmp_path / "problem.json"), str(folder)], cwd=PROJECT,
        env={**os.environ, "DRIFTGATE_PROCESSES": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while len(list(folder.glob("*.npz"))) < 5:
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("*.npz")}
    assert len(kept) < 20
    with caplog.at_level("INFO", "driftgate.tune"):
        resumed = tuning.tune(rows, wanted, finished=FinishedFits(folder))
    assert "the interrupted search" in caplog.text
    assert all(path.stat().st_mtime_ns == made for path, made in kept.items())  # none was made again
    whole = tuning.tune(rows, wanted)
    assert alike(resumed) == alike(whole)
    made = [
        tuning.train(rows, wanted, tuned=tuned, finished=fits)
        for tuned, fits in ((resumed, FinishedFits(folder)), (whole, None))
    ]
    assert made[0][1] == made[1][1]
    pd.testing.assert_frame_equal(made[0][2], made[1][2])


def test_damaged_fit_is_made_again(
    problem: Problem, rows: pd.DataFrame, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wanted, fits = small(problem, average=1), FinishedFits(tmp_path)
    whole = tuning.tune(rows, wanted, finished=fits)
    paths = sorted(tmp_path.glob("*.npz"))
    paths[0].write_bytes(b"")
    paths[1].write_bytes(paths[1].read_bytes()[:200])
    damaged = bytearray(paths[2].read_bytes())
    damaged[len(damaged) // 2] ^= 1
    paths[2].write_bytes(damaged)
    again = tuning.tune(rows, wanted, finished=fits)
    assert alike(again) == alike(whole)
    assert caplog.text.count("can't be read and is made again") >= 2
    assert all(read_fit(path) for path in paths)


def test_another_problem_data_or_code_starts_afresh(
    problem: Problem, version: DataVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def folder(problem: Problem, version: DataVersion) -> Path:
        return FinishedFits.of_run(problem, version, workspace=Workspace(tmp_path)).folder

    own = folder(problem, version)
    assert own == folder(problem, version)
    assert own == folder(problem.model_copy(update={"threshold": 0.3}), version)  # decides nothing here
    others = [
        folder(problem.model_copy(update={"seed": 1}), version),
        folder(small(problem), version),
        folder(problem, version.model_copy(update={"md5": "1" * 32})),
    ]
    monkeypatch.setattr(finished, "_version", lambda library: "0")
    others.append(folder(problem, version))
    assert len({own, *others}) == 5


def test_fits_of_a_run_that_never_continued_are_removed(problem: Problem, version: DataVersion, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    old, new = (workspace.searches / problem.name / name for name in ("old", "new"))
    for path in (old, new):
        path.mkdir(parents=True)
    os.utime(old, (0, 0))
    fits = FinishedFits.of_run(problem, version, workspace=workspace)
    assert (old.exists(), new.exists()) == (False, True)
    fits.folder.mkdir()
    fits.remove()
    assert not fits.folder.exists()
    fits.remove()


def test_file_names_tell_fits_apart(tmp_path: Path) -> None:
    fits = FinishedFits(tmp_path)
    member = Member(family="x", settings={"a": 1, "b": 2})
    same = Member(family="x", settings={"b": 2, "a": 1})
    assert fits.path(member, "1", rows=10) == fits.path(same, "1", rows=10)
    others = {
        fits.path(member, "2", rows=10),
        fits.path(member, "1", rows=11),
        fits.path(Member(family="x", settings={"a": 1}), "1", rows=10),
    }
    assert len(others | {fits.path(member, "1", rows=10)}) == 4
