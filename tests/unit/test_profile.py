"""`benchmarks/profile.py` on a real command, and what it reads out of import times."""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.profile import packages
from driftgate.workspace import PROJECT


def test_says_where_the_time_of_a_command_went(tmp_path: Path) -> None:
    environment = {**os.environ, "DRIFTGATE_HOME": str(tmp_path)}
    command = [sys.executable, "benchmarks/profile.py", "--json", "--", "drift", "--config", "configs/rules.yaml"]
    done = subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    found = json.loads(done.stdout)
    assert (found["exit code"], found["command"]) == (1, "run.py drift --config configs/rules.yaml")  # no model yet
    assert [stage["stage"] for stage in found["stages"]] == ["start", "set-up"]
    assert sum(stage["cpu"] for stage in found["stages"]) >= 0.5
    assert "mlflow" in found["imports"]


def test_packages_are_summed_without_what_they_import() -> None:
    text = "import time:       100 |        100 |     numpy.core\nimport time:    200000 |     300000 | numpy\nnoise\nimport time: 50000 | 250000 | pandas\n"
    assert packages([text]) == {"numpy": 0.2, "pandas": 0.05, "all others": 0.0}


def test_the_standard_library_s_profile_is_found_beside_ours() -> None:
    code = "import sys; sys.path.insert(0, 'benchmarks'); import cProfile; cProfile.run('1 + 1')"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "function calls" in done.stdout
