"""What a version is trained again from, and how two models are told apart."""

import datetime as dt
import hashlib
import json
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from driftgate import git
from driftgate.config import Problem, load_problem
from driftgate.data.remote import push
from driftgate.errors import DriftgateError
from driftgate.evidence import reproduction
from driftgate.evidence.provenance import lock_hash, provenance
from driftgate.evidence.reproduction import Recorded, as_recorded, compare, obtain_data, surroundings
from driftgate.evidence.retraining import Place, TrainedAgain, set_up_environment, train_again
from driftgate.files import md5_of
from driftgate.production.release import Release
from driftgate.training.families.catalog import extras_of
from driftgate.workspace import PROJECT, Workspace
from tests.repository import Repository, commit, small
from tests.unit.test_release import make


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    problem = load_problem(PROJECT / "configs" / "rules.yaml")
    return make(tmp_path_factory.mktemp("release") / "1", problem)


@pytest.fixture
def checkout(tmp_path: Path) -> Place:
    """A checkout whose environment is that of the tests."""
    made = Place(tmp_path)
    made.python.parent.mkdir(parents=True)
    made.python.symlink_to(sys.executable)
    return made


def _trained(
    folder: Path, release: Release, *, golden: dict[str, Any] | None = None, model: bytes = b""
) -> TrainedAgain:
    folder.mkdir()
    (folder / "golden.json").write_text(json.dumps(golden or release.golden.model_dump()))
    (folder / "model.onnx").write_bytes(model or release.model)
    return TrainedAgain(release=str(folder), checks=())


def test_the_same_model_passes(release: Release, tmp_path: Path) -> None:
    assert all(check.passed for check in compare(release, _trained(tmp_path / "new", release)))


def test_one_bit_of_one_prediction_is_told(release: Release, tmp_path: Path) -> None:
    golden = release.golden.model_dump()
    golden["probability"][3] += 2**-52
    found = {check.name: check for check in compare(release, _trained(tmp_path / "new", release, golden=golden))}
    assert (found["predictions"].observed, found["predictions"].passed) == (1, False)
    assert "rows 3; by up to 2.2e-16, in row 3" in found["predictions"].why
    assert found["model"].passed


def test_other_bytes_are_another_model(release: Release, tmp_path: Path) -> None:
    found = {check.name: check for check in compare(release, _trained(tmp_path / "new", release, model=b"other"))}
    assert found["predictions"].passed
    assert not found["model"].passed


def test_other_golden_rows_are_told(release: Release, tmp_path: Path) -> None:
    golden = release.golden.model_dump()
    golden["rows"] = golden["rows"][::-1]
    assert "themselves" in compare(release, _trained(tmp_path / "new", release, golden=golden))[0].why


def test_a_gate_that_blocks_now_is_told(release: Release) -> None:
    failed = {"name": "performance.accuracy", "passed": False, "severity": "block"}
    found = compare(release, TrainedAgain.model_validate({"release": None, "checks": [failed]}))
    assert "performance.accuracy" in found[0].why


def test_surroundings_that_differ_warn(release: Release, checkout: Place) -> None:
    (checkout.project / "uv.lock").write_text("locked")
    lineage = release.card.lineage.model_copy(
        update={"dirty": True, "lock_sha256": hashlib.sha256(b"other").hexdigest(), "python": "3.12.1"}
    )
    card = release.card.model_copy(update={"lineage": lineage})
    recorded = Recorded(
        Release(**{**vars(release), "card": card}), problem={}, cut="random_forest"
    )  # as read from MLflow
    found = {check.name: check for check in surroundings(recorded, checkout, python="3.11.7")}
    assert {name for name, check in found.items() if not check.passed} == {"commit", "lock", "python", "search"}
    assert {check.severity for check in found.values()} == {"warn"}
    assert "not recorded" in found["platform"].why


def test_the_problem_of_the_training_is_used_but_for_the_machine(release: Release, problem: Problem) -> None:
    content = problem.model_dump(mode="json")
    recorded = Recorded(release, problem=content, cut="no")
    again = Problem.model_validate(as_recorded(recorded, Path("/there/data.parquet")))
    assert again.data_path == Path("/there/data.parquet")
    assert again.data.stage is None
    same = {"contract", "target", "split", "calibration", "threshold", "seed", "name"}
    assert again.model_dump(include=same) == problem.model_dump(include=same)
    assert again.tuning.candidates == problem.tuning.candidates


def _trained_on(md5: str, release: Release, problem: Problem) -> Recorded:
    lineage = release.card.lineage.model_copy(update={"data_md5": md5, "data_path": "nowhere/rows.parquet"})
    card = release.card.model_copy(update={"lineage": lineage})
    return Recorded(Release(**{**vars(release), "card": card}), problem=problem.model_dump(mode="json"), cut="no")


def test_data_comes_from_its_place_the_cache_or_the_remote(release: Release, place: Repository, tmp_path: Path) -> None:
    """The file holds the second version; the first is in the cache, then on the remote alone, then nowhere."""
    told = {"remote": str(tmp_path / "remote"), "workspace": place.workspace}
    push(place.problem, every=True, **told)
    for forget in ((), (place.first, place.second)):
        for md5 in forget:
            place.forget(md5)
        for md5 in (place.first, place.second):
            data = obtain_data(_trained_on(md5, release, place.problem), place.problem, Place(tmp_path), **told)
            assert (data.parent, md5_of(data)) == (tmp_path, md5)
    with pytest.raises(DriftgateError, match=r"can't be found: the remote .* doesn't have it"):
        obtain_data(_trained_on("0" * 32, release, place.problem), place.problem, Place(tmp_path), **told)


@pytest.mark.parametrize(("commit", "words"), [(None, "outside of a git"), ("0" * 40, "not in this repository")])
def test_a_commit_that_is_not_there_is_told(commit: str | None, words: str) -> None:
    with pytest.raises(DriftgateError, match=words):
        reproduction._require_commit(commit, "1")


def test_a_lock_that_no_longer_fits_is_told(checkout: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """uv itself says so: the lock names other dependencies than the project asks for."""
    project = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = []\n'
    (checkout.project / "pyproject.toml").write_text(project.replace("[]", '["certainly-not-there-driftgate"]'))
    (checkout.project / "uv.lock").write_text(
        'version = 1\nrequires-python = ">=3.11"\n\n[[package]]\nname = "x"\nversion = "1"\nsource = { virtual = "." }\n'
    )
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(DriftgateError, match="can't be set up"):
        set_up_environment(checkout, python=platform.python_version())


def test_the_environment_has_the_extras_that_the_candidates_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model of XGBoost can't be trained in the base environment. Here the extra holds a package of one module."""
    place = Place(tmp_path)
    place.project.mkdir()
    with zipfile.ZipFile(tmp_path / "boosted-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("boosted.py", "")
        wheel.writestr("boosted-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: boosted\nVersion: 1\n")
        wheel.writestr("boosted-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("boosted-1.dist-info/RECORD", "")
    (place.project / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.11"\n[project.optional-dependencies]\n'
        'boosting = ["boosted"]\n[tool.uv.sources]\nboosted = { path = "../boosted-1-py3-none-any.whl" }\n'
    )
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.delenv("UV_NO_SYNC", raising=False)
    monkeypatch.delenv("UV_PROJECT_ENVIRONMENT", raising=False)
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "lock", "--quiet", "--python", sys.executable], cwd=place.project, check=True)
    for extras, code in ((extras_of(["random_forest"]), 1), (extras_of(["random_forest", "lightgbm"]), 0)):
        set_up_environment(place, python=platform.python_version(), extras=extras)
        imported = subprocess.run([place.python, "-c", "import boosted"], capture_output=True)
        assert imported.returncode == code


def test_a_training_sees_nothing_of_this_process(checkout: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "ZENML_CONFIG_PATH", "DRIFTGATE_TOKEN", "VIRTUAL_ENV", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "mine")
    (checkout.project / "run.py").write_text(
        "import datetime, json, os, sys\nclock = str(datetime.datetime.now())\n"
        "seen = {'environment': dict(os.environ), 'arguments': sys.argv[1:], 'clock': clock}\n"
        "open('seen.json', 'w').write(json.dumps(seen))\n"
        "print(json.dumps({'release': None, 'checks': [], 'of an older version': 1}))"
    )

    def seen(as_of: str, threads: str | None) -> dict[str, Any]:
        assert train_again(checkout, problem={"name": "x"}, as_of=as_of, threads=threads).release is None
        found: dict[str, Any] = json.loads((checkout.project / "seen.json").read_text())
        return found

    told = seen("2013-08-01T00:00:00", "3")
    assert "mine" not in told["environment"].values()
    assert told["environment"]["DRIFTGATE_HOME"] == str(checkout.home)
    assert told["environment"]["OMP_NUM_THREADS"] == "3"
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    assert dt.datetime.fromisoformat(told["clock"]) > now + dt.timedelta(hours=13)  # ahead of wherever it was trained
    assert told["arguments"][-2:] == ["--as-of", "2013-08-01"]
    assert seen("2013-08-01T10:00:00.5", None)["arguments"][-1].endswith(".5")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ('print(\'{"error": {"cause": "No such column."}}\'); exit(1)', "No such column"),
        ("import sys; sys.exit('error: no module')", "exit code 1: error: no module"),
    ],
)
def test_a_training_that_fails_is_told(code: str, words: str, checkout: Place) -> None:
    (checkout.project / "run.py").write_text(code)
    with pytest.raises(DriftgateError, match=words):
        train_again(checkout, problem={}, as_of=None, threads=None)


def test_what_a_training_started_is_stopped_with_it(checkout: Place) -> None:
    """The interrupt comes while its lines are read; the process that it started ends as well."""
    (checkout.project / "run.py").write_text(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('child', 'w').write(str(child.pid))\ntime.sleep(60)\n"
    )

    def interrupt() -> None:
        while not (checkout.project / "child").exists() or not (checkout.project / "child").read_text():
            time.sleep(0.05)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    # Runs of ZenML in this process leave a handler of their own.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            train_again(checkout, problem={}, as_of=None, threads=None)
    finally:
        signal.signal(signal.SIGINT, before)
    child = int((checkout.project / "child").read_text())
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("it still runs")


def test_a_clone_writes_nothing_to_the_repository(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    somebody = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init"], [*somebody, "commit", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)
    commit = git.commit_of(root, "HEAD")
    assert commit
    before = sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))
    assert git.clone(root, commit, tmp_path / "copy") is None
    assert git.commit_of(tmp_path / "copy", "HEAD") == commit
    assert sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*")) == before
    assert git.clone(root, "0" * 40, tmp_path / "other")


def test_within_a_hook_of_git_the_repository_is_still_that_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git tells its hooks by GIT_DIR which repository it works on."""
    roots = [small(tmp_path / name) for name in ("mine", "other")]
    commits = [commit(root, root.name) for root in roots]
    monkeypatch.setenv("GIT_DIR", str(roots[1] / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(roots[1]))
    assert git.commit_of(roots[0], "HEAD") == commits[0]
    assert git.clone(roots[0], commits[0], tmp_path / "copy") is None
    assert git.output(roots[1], "symbolic-ref", "--short", "HEAD")


def test_a_version_without_its_problem_file_is_told(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproduction.registry, "release_of", lambda *_, **__: release)
    with pytest.raises(DriftgateError, match="no longer has its problem file"):
        reproduction.read_recorded("rules", "1", workspace=Workspace(tmp_path))


def test_what_a_run_is_known_by_is_recorded() -> None:
    found = provenance()
    assert found.platform
    assert found.lock_sha256 == lock_hash(PROJECT)
