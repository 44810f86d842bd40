"""What the bento installs, what its running service imports, and that the two agree."""

import json
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path

import psutil
import pytest
from packaging.utils import canonicalize_name

from bentos.build import RUNTIME, ensure_bento
from bentos.server import Served, serving
from driftgate.evidence.sbom import LOCK, closure
from driftgate.production.release import SBOM, Release, read_release
from driftgate.workspace import PROJECT, Workspace
from tests.conftest import Ran

# Python runs this at its start, in each process of the service. Told to, a thread writes which modules are there by then.
TELLER = """\
import os, sys, threading, time
def tell():
    while not os.path.exists(folder + "/ask"):
        time.sleep(0.05)
    modules = [f"{name}\\t{getattr(module, '__file__', None)}" for name, module in list(sys.modules.items())]
    with open(f"{folder}/{os.getpid()}.part", "w") as file:
        file.write("\\n".join(modules))
    os.rename(file.name, file.name.removesuffix(".part"))
folder = os.path.dirname(__file__)
threading.Thread(target=tell, daemon=True).start()
"""
# Not needed, but taken where it is there for others: by tornado, anyio and httpcore, uvicorn, and Python's own start.
TAKEN_IF_THERE = {"colorama", "sniffio", "websockets", "setuptools"}


@pytest.fixture(scope="module")
def bento(main_job: Ran) -> Path:
    return Path(main_job.document["bento"])


@pytest.fixture(scope="module")
def release(main_job: Ran) -> Release:
    return read_release(Path(main_job.document["release"]))


def test_a_bento_that_is_not_whole_is_built_again(bento: Path, release: Release) -> None:
    """As a build that was killed leaves it."""
    workspace, built = Workspace(bento.parents[3]), (bento / "bento.yaml").stat().st_mtime_ns
    assert ensure_bento(release, workspace=workspace) == bento
    assert (bento / "bento.yaml").stat().st_mtime_ns == built
    (bento / "src" / "release" / "golden.json").unlink()
    assert ensure_bento(release, workspace=workspace) == bento
    assert (bento / "src" / "release" / "golden.json").exists()
    assert (bento / "bento.yaml").stat().st_mtime_ns > built


@pytest.fixture(scope="module")
def pins(bento: Path) -> dict[str, str]:
    """The bento's requirements: name, version."""
    lines = (bento / "env" / "python" / "requirements.txt").read_text().split()
    assert all(line.count("==") == 1 for line in lines)
    return dict(line.split("==") for line in lines)


@contextmanager
def telling(bento: Path, folder: Path, *, python: str = sys.executable) -> Iterator[Served]:
    """A service whose processes can be asked what they have imported."""
    (folder / "sitecustomize.py").write_text(TELLER)
    settings = {"PYTHONPATH": str(folder), "DRIFTGATE_LOG": str(folder / "log")}
    with serving(bento, workspace=Workspace(folder / "home"), environment=settings, python=python) as served:
        yield served


def imported(served: Served, folder: Path, *, packages: Path) -> tuple[set[str], set[str]]:
    """The distributions that a service has imported from a folder of packages, and the files there that belong to none."""
    processes = [served.process.pid, *(p.pid for p in psutil.Process(served.process.pid).children(recursive=True))]
    assert len(processes) > 1
    (folder / "ask").touch()
    deadline = time.monotonic() + 30
    while not all((folder / str(process)).exists() for process in processes):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    told = [line.split("\t") for process in processes for line in (folder / str(process)).read_text().splitlines()]
    files = {file.removeprefix(f"{packages}/") for _, file in told if Path(file).is_relative_to(packages)}
    owner = {
        file: str(canonicalize_name(found.name))
        for found in distributions(path=[str(packages)])
        for file in {line.split(",")[0] for line in (found.read_text("RECORD") or "").splitlines()} & files
    }
    return set(owner.values()), files - set(owner)


def ask(served: Served, release: Release) -> None:
    """Each thing that a caller can ask, so that whatever is imported late is there."""
    answers = served.post("/predict/batch", {"instances": release.golden.rows})["predictions"]
    assert [answer["probability"] for answer in answers] == release.golden.probability
    assert served.post("/predict", release.golden.rows[0])["model_version"] == release.card.version
    label = {"prediction_id": answers[0]["prediction_id"], "label": release.card.positive_name}
    served.post("/feedback", label)
    for path in ("/model/info", "/openapi.json", "/readyz"):
        served.get(path)


def test_the_bento_installs_what_the_lock_says_and_no_training_library(pins: dict[str, str]) -> None:
    locked = {(package["name"], package.get("version")) for package in tomllib.loads(LOCK.read_text())["package"]}
    assert set(pins.items()) <= locked
    assert set(pins) == {package.name for package in closure(RUNTIME)}
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (forbidden,) = (
        found["forbidden_modules"] for found in contracts if "bentos.service" in found.get("source_modules", ())
    )
    named = {"sklearn": "scikit-learn"}
    assert not {named.get(module, module) for module in forbidden} & set(pins)


def test_the_bento_holds_the_sbom_of_its_release(bento: Path, release: Release, pins: dict[str, str]) -> None:
    packed = read_release(bento / "src" / "release")
    assert packed.sbom == release.sbom == (release.folder / SBOM).read_bytes()
    parts = json.loads(packed.sbom or b"")["components"]
    assert {part["name"]: part["version"] for part in parts if part["type"] == "library"} == pins


def test_the_running_service_imports_nothing_else(
    bento: Path, release: Release, pins: dict[str, str], tmp_path: Path
) -> None:
    """Beside all that trains, which is installed here too."""
    with telling(bento, tmp_path) as served:
        ask(served, release)
        found, _ = imported(served, tmp_path, packages=Path(sysconfig.get_path("purelib")))
    assert set(RUNTIME) <= found
    assert found - set(pins) <= TAKEN_IF_THERE


@pytest.mark.slow
def test_its_requirements_alone_serve_it(bento: Path, release: Release, pins: dict[str, str], tmp_path: Path) -> None:
    """Installed into an empty environment, from the registry or uv's cache."""
    uv, fresh = str(Path(sys.executable).parent / "uv"), tmp_path / "fresh"
    requirements = bento / "env" / "python" / "requirements.txt"
    for command in (
        ["venv", "--python", sys.executable, str(fresh)],
        ["pip", "install", "--python", str(fresh / "bin" / "python"), "-r", str(requirements)],
    ):
        done = subprocess.run([uv, *command], capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, done.stderr
    (packages,) = (fresh / "lib").glob("python*/site-packages")
    assert {str(canonicalize_name(found.name)): found.version for found in distributions(path=[str(packages)])} == pins
    with telling(bento, tmp_path, python=str(fresh / "bin" / "python")) as served:
        ask(served, release)
        found, nobodys = imported(served, tmp_path, packages=packages)
    assert set(RUNTIME) <= found
    assert nobodys <= {"_virtualenv.py"}  # the environment's own
