"""A process that has imported everything that `run.py` imports, and forks for each command. This saves seconds per command.

Most tests of the command line check what a command does, not how it starts. Tests that kill a command or check its environment
start a new process (`run_cli(..., fresh=True)`).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

PROJECT = Path(__file__).resolve().parent.parent
# The imports of a training, a drift check and a deployment. None of them may read the workspace's settings at import.
IMPORTS = (
    "cli.main", "cli.jobs", "cli.evidence", "cli.status", "pipelines.launch", "pipelines.training", "pipelines.drift",
    "pipelines.deployment", "operations.deploy", "operations.prove", "operations.experiment", "driftgate.drift.report",
    "driftgate.evidence.reproduction", "driftgate.data.add", "mlflow.store.tracking.sqlalchemy_store", "mlflow.data",
    "mlflow.models", "mlflow.onnx", "zenml.client", "zenml.zen_stores.sql_zen_store", "zenml.orchestrators.local",
    "zenml.integrations.mlflow.experiment_trackers", "pandera.pandas", "sklearn.ensemble", "sklearn.linear_model",
    "sklearn.compose", "sklearn.calibration", "skl2onnx", "onnxruntime", "optuna", "matplotlib.figure", "scipy.special",
)  # fmt: skip


class Warm:
    """The client of the warm process. It runs each command in a separate process."""

    def __init__(self) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("ZENML_", "MLFLOW_", "BENTOML_"))}  # fmt: skip
        self._folder = tempfile.TemporaryDirectory(prefix="warm-")
        environment["DRIFTGATE_HOME"] = self._folder.name
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.warm"], cwd=PROJECT, env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> tuple[int, str, str]:
        """Run a command. Returns its exit code, standard output and standard error."""
        assert self._server.stdin
        assert self._server.stdout
        with tempfile.TemporaryDirectory(dir=self._folder.name) as folder:
            asked = {"arguments": list(arguments), "cwd": str(cwd), "environment": dict(environment), "folder": folder}
            self._server.stdin.write(json.dumps(asked) + "\n")
            self._server.stdin.flush()
            code = int(self._server.stdout.readline())
            return code, *((Path(folder) / name).read_text() for name in ("out", "err"))

    def close(self) -> None:
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait(30)
        self._folder.cleanup()


def serve() -> None:
    """Import everything, then fork a process for each line of standard input, and print its exit code."""
    sys.path[0] = str(PROJECT)
    sys.dont_write_bytecode = False
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # output of libraries must not be read as an answer
    sys.modules["__main__"].__file__ = str(PROJECT / "run.py")  # ZenML finds the source root with it
    _import_all()
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if not child:
            _run(asked)
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")


def _import_all() -> None:
    import gc
    import importlib

    from driftgate.workspace import Workspace

    given = dict(os.environ)
    Workspace.current().set_environment()
    os.environ["ZENML_LOGGING_VERBOSITY"] = "CRITICAL"  # as the command line sets it; ZenML reads it at import
    for name in IMPORTS:
        importlib.import_module(name)
    from sqlalchemy.orm import configure_mappers

    configure_mappers()
    os.environ.clear()
    os.environ.update(given)
    gc.freeze()


def _run(asked: dict[str, Any]) -> NoReturn:
    import atexit

    from zenml.client import Client
    from zenml.config.global_config import GlobalConfiguration

    code = 1
    try:
        for name, number in (("out", 1), ("err", 2)):
            file = os.open(Path(asked["folder"]) / name, os.O_WRONLY | os.O_CREAT)
            os.dup2(file, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        GlobalConfiguration._reset_instance()
        Client._reset_instance()
        sys.argv = ["run.py", *asked["arguments"]]
        from cli.main import main

        main(prog_name="run.py")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
