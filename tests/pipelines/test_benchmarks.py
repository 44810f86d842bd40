"""The plain side of the orchestration benchmark still does what the pipeline does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from driftgate.production.release import read_release
from driftgate.workspace import PROJECT
from tests.conftest import Ran


@pytest.mark.slow
def test_plain_script_makes_the_same_model(main_job: Ran, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(PROJECT / "benchmarks" / "plain.py"), "configs/rules.yaml"],
        cwd=PROJECT, env={**os.environ, "DRIFTGATE_HOME": str(tmp_path)}, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    plain, ours = read_release(tmp_path / "releases" / "rules" / "1"), read_release(Path(main_job.document["release"]))
    assert (plain.model, plain.golden, plain.profile) == (ours.model, ours.golden, ours.profile)
    assert [check["name"] for check in plain.card.verdict["checks"]] == [
        check["name"] for check in ours.card.verdict["checks"]
    ]
