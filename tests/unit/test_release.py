"""A release is whole or not there, and nothing altered is ever loaded."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from driftgate.config import Problem
from driftgate.data.table import features_of, labels_of, rows_of
from driftgate.datasets import rules
from driftgate.errors import DriftgateError
from driftgate.production.ranges import ranges_of
from driftgate.production.release import FILES, MANIFEST, SBOM, Card, Lineage, Release, read_release, write_release
from driftgate.training import export, modelling
from driftgate.workspace import PROJECT

LINEAGE = Lineage(
    commit=None, dirty=False, lock_sha256=None, python="3", data_path="x", data_md5="0", data_rows=1, as_of=None,
    trained_until=None, mlflow_run="m", zenml_run="z", trained_at="now",
)  # fmt: skip
CARD = Card(
    name="rules", version="1", description="", family="logistic_regression", settings={}, calibrated=False,
    threshold=0.5, positive_name="holds", negative_name="fails", metrics={}, holdout_rows=0, lineage=LINEAGE, verdict={},
)  # fmt: skip


def make(folder: Path, problem: Problem, *, version: str = "1") -> Release:
    frame = rules.build()
    features, labels = features_of(frame, problem.contract), labels_of(frame, problem)
    model = modelling.build_model(problem, family="logistic_regression", settings={})
    onnx = export.to_onnx(modelling.fit(model, features, labels), problem.contract)
    rows = rows_of(frame.head(8), problem.contract)
    ranges = ranges_of(frame, problem.contract)
    return write_release(
        folder,
        model=onnx,
        contract=problem.contract,
        card=CARD.model_copy(update={"version": version}),
        ranges=ranges,
        rows=rows,
        profile=b"{}",
        sbom=b"{}",
    )


def test_what_is_written_is_read(tmp_path: Path, problem: Problem) -> None:
    made = make(tmp_path / "1", problem)
    found = read_release(tmp_path / "1")
    assert found == made
    assert found.scorer().probability_of_rows(found.golden.rows).tolist() == found.golden.probability


def test_a_release_is_never_overwritten(tmp_path: Path, problem: Problem) -> None:
    make(tmp_path / "1", problem)
    with pytest.raises(DriftgateError, match="exists already"):
        make(tmp_path / "1", problem)


@pytest.mark.parametrize("name", [*FILES, SBOM])
def test_altered_file_is_refused(name: str, tmp_path: Path, problem: Problem) -> None:
    make(tmp_path / "1", problem)
    path = tmp_path / "1" / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DriftgateError, match=f"{name} was altered"):
        read_release(tmp_path / "1")


@pytest.mark.parametrize("name", [*FILES, SBOM, MANIFEST])
def test_missing_file_is_refused(name: str, tmp_path: Path, problem: Problem) -> None:
    make(tmp_path / "1", problem)
    (tmp_path / "1" / name).unlink()
    with pytest.raises(DriftgateError, match="not a complete release"):
        read_release(tmp_path / "1")


def test_a_release_of_before_the_sbom_is_read(tmp_path: Path, problem: Problem) -> None:
    """Its manifest names none; production may have to go back to it."""
    make(tmp_path / "1", problem)
    (tmp_path / "1" / SBOM).unlink()
    manifest = json.loads((tmp_path / "1" / MANIFEST).read_text())
    del manifest["sha256"][SBOM]
    (tmp_path / "1" / MANIFEST).write_text(json.dumps(manifest))
    assert read_release(tmp_path / "1").sbom is None


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A process that may write no file above 500 bytes stands in for a full disk: the write fails in the same place."""
    code = (
        "import resource, sys; from pathlib import Path; from tests.unit.test_release import make\n"
        "from driftgate.config import load_problem; from driftgate.errors import DriftgateError\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (500, {resource.RLIM_INFINITY}))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try: make(Path(sys.argv[1]), load_problem(Path('configs/rules.yaml')))\n"
        "except DriftgateError as error: print(error.cause)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "1")], cwd=PROJECT, capture_output=True, text=True
    )
    assert "can't be written" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []
