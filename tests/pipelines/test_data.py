"""The data's verbs and `reproduce`, as their user runs them: in a copy of the project, with git and DVC as they are."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cli.exit_codes import INTERRUPTED
from driftgate.datasets import rules
from driftgate.files import md5_of
from driftgate.workspace import PROJECT
from tests import repository
from tests.conftest import Ran, run_cli
from tests.repository import commit, dvc, git, renamed

RULES = ("--config", "configs/rules.yaml", "--json")


class Copy:
    """A copy of the project, and commands in it."""

    def __init__(self, folder: Path) -> None:
        self.root, self.home = repository.whole(folder / "project"), folder / "home"
        self.data, self.lock = self.root / "data" / "rules.parquet", self.root / "dvc.lock"
        self.cache = self.root / ".dvc" / "cache"

    def ran(self, *arguments: str, code: int = 0) -> Ran:
        ran = run_cli(*arguments, home=self.home, cwd=self.root, project=self.root)
        assert ran.code == code, ran.err
        return ran

    def run(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        return self.ran(*arguments, *RULES, code=code).document


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_a_version_of_a_stage_is_added_pushed_lost_pulled_and_left_again(copy: Copy, tmp_path: Path) -> None:
    assert copy.run("data", "status")["state"] == "missing"
    shutil.copy(_built(tmp_path), copy.data)
    before = copy.run("data", "status")
    assert (before["state"], before["committed"], before["rows"]) == ("as promised", True, 1000)

    renamed(rules.build().head(40), "new").to_parquet(tmp_path / "new.parquet")
    added = copy.run("data", "add", str(tmp_path / "new.parquet"))
    assert (added["rows"], added["previous"]) == (1040, before["md5"])
    assert git(copy.root, "diff", "--stat").splitlines()[-1].split(",")[0].strip() == "1 file changed"
    assert dvc(copy.root, "status", "rules") == "Data and pipelines are up to date."
    assert copy.run("data", "add", str(tmp_path / "new.parquet"), code=3)["verdict"] == "block"

    refused = copy.run("data", "use", "HEAD", code=1)["error"]
    assert "No commit records" in refused["cause"]
    commit(copy.root, "data: more rows")
    dvc(copy.root, "remote", "add", "--default", "store", str(tmp_path / "store"))
    assert copy.run("data", "push")["pushed"] == [added["md5"]]

    shutil.rmtree(copy.cache)
    copy.data.unlink()
    assert copy.run("data", "pull")["fetched"]
    assert md5_of(copy.data) == added["md5"]

    # Neither cache nor remote has the first version; its stage makes it.
    assert copy.run("data", "use", "HEAD~1")["from"] == "stage"
    assert md5_of(copy.data) == before["md5"]
    assert git(copy.root, "diff", "HEAD~1", "--", "dvc.lock") == ""
    told = copy.run("data", "versions")["versions"]
    assert [(row["md5"], row["current"]) for row in told] == [(added["md5"], False), (before["md5"], True)]
    assert [row["where"] for row in told] == [["cache", "remote"], ["workspace", "cache"]]


def _built(folder: Path) -> Path:
    """The file that the stage makes."""
    path = folder / "rules.parquet"
    subprocess.run([sys.executable, "-m", "driftgate.datasets", "rules", str(path)], cwd=PROJECT, check=True)
    return path


def test_pages_for_people_name_what_comes_next(copy: Copy, tmp_path: Path) -> None:
    shutil.copy(_built(tmp_path), copy.data)
    config = ("--config", "configs/rules.yaml")
    assert "dvc remote add" in copy.ran("data", "status", *config).out
    renamed(rules.build().head(40), "new").to_csv(tmp_path / "new.csv", index=False)
    assert "git add dvc.lock && git commit" in copy.ran("data", "add", str(tmp_path / "new.csv"), *config).out
    assert "not committed yet" in copy.ran("data", "versions", *config).out
    assert "restores it" in copy.ran("data", "use", "HEAD", "--force", *config).out
    rules.build().head(40).assign(f4=500).to_csv(tmp_path / "bad.csv", index=False)
    assert "nothing was added" in copy.ran("data", "add", str(tmp_path / "bad.csv"), *config, code=3).out
    assert "pushed     7d077f16" in copy.ran("data", "push", "--remote", str(tmp_path / "store"), *config).out


@pytest.mark.slow
def test_a_model_comes_out_the_same_after_the_data_has_moved_on(copy: Copy, tmp_path: Path) -> None:
    """Trained by a problem file from elsewhere; then rows are added, and the first data is in the cache alone."""
    shutil.copy(_built(tmp_path), copy.data)
    mine = tmp_path / "mine.yaml"
    mine.write_text((copy.root / "configs" / "rules.yaml").read_text().replace("trials: 5", "trials: 2"))
    trained = copy.ran("train", "--config", str(mine), "--json").document
    pd.concat([rules.build(), renamed(rules.build().head(40), "new")]).to_parquet(tmp_path / "whole.parquet")
    copy.run("data", "add", str(tmp_path / "whole.parquet"), "--replace")
    commit(copy.root, "data: more rows")
    mine.unlink()

    told = copy.run("reproduce", "candidate")
    assert told["same"], told["checks"]
    assert {check["name"]: check["passed"] for check in told["checks"]} == dict.fromkeys(
        ("predictions", "model", "commit", "data", "lock", "python", "platform", "search"), True
    )
    assert told["data_md5"] == trained["data"]["md5"] != md5_of(copy.data)
    assert not git(copy.root, "status", "--porcelain")
    assert len(git(copy.root, "worktree", "list").splitlines()) == 1

    # Another model under the same name is told: the data that the release says it was trained on is not that of its model.
    _claim_other_data(copy, md5_of(copy.data))
    told = copy.run("reproduce", "candidate", code=3)
    failed = {check["name"] for check in told["checks"] if not check["passed"]}
    assert not told["same"]
    assert failed == {"predictions", "model"}


def _claim_other_data(copy: Copy, md5: str) -> None:
    """Write another md5 into the release's card, and its hash into the manifest."""
    folder = copy.home / "releases" / "rules" / "1"
    card = json.loads((folder / "card.json").read_text())
    card["lineage"]["data_md5"] = md5
    (folder / "card.json").write_text(json.dumps(card))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"]["card.json"] = hashlib.sha256((folder / "card.json").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.slow
def test_a_reproduction_that_is_stopped_leaves_nothing(copy: Copy, tmp_path: Path) -> None:
    shutil.copy(_built(tmp_path), copy.data)
    copy.run("train")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ZENML_", "MLFLOW_", "BENTOML_"))}
    for how in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(
            [sys.executable, "run.py", "reproduce", "1", "--config", "configs/rules.yaml"], cwd=copy.root,
            env={**clean, "DRIFTGATE_HOME": str(copy.home), "TMPDIR": str(scratch)}, stderr=subprocess.PIPE, text=True,
            # Tests that run in the background would hand down that the interrupt is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as process:  # fmt: skip
            assert process.stderr
            assert any("train        rules 1" in line for line in process.stderr)
            assert list(scratch.iterdir())
            time.sleep(1)
            process.send_signal(how)
            process.stderr.read()
        assert process.returncode == INTERRUPTED
        assert list(scratch.iterdir()) == []
