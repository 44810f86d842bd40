"""A release of several classes and columns of any name, served by the real `bentoml serve`."""

import json
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from bentos.build import build_bento
from bentos.proof import prove
from bentos.server import Served, serving
from driftgate.production.predictions import class_probabilities, read_predictions
from driftgate.production.release import Release
from driftgate.workspace import Workspace
from operations.prove import compare_answers
from tests.unit.classes import THREE, fitted

COLUMNS = (
    "petal length (cm)",
    "json",
    "model_config",
    "__class__",
    "$ref",
    "größe",
    'say "hi"',
    "😀",
    "F1",
    "f1",
    "l" * 200,
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def release(home: Workspace) -> Release:
    return fitted(home.releases / "rules" / "1", (*THREE, "two\nlines", "class 5"), columns=COLUMNS)


@pytest.fixture(scope="module")
def served(release: Release, home: Workspace) -> Iterator[Served]:
    bento = build_bento(release, workspace=home)
    with serving(bento, workspace=home, environment={"DRIFTGATE_LOG": str(home.predictions)}) as found:
        yield found


def test_the_service_passes_its_proof(served: Served, release: Release, home: Workspace) -> None:
    found = prove(served, release, log=home.predictions)
    assert (found.golden_rows, found.golden_differ, found.probes_failed) == (len(release.golden.rows), 0, ())
    assert (found.failed, found.lost) == (0, 0)


def test_answers_labels_and_log_agree_with_the_release(served: Served, release: Release, home: Workspace) -> None:
    rows, classes = release.golden.rows, release.card.classes
    answers = [served.post("/predict", row) for row in rows[:5]]
    expected = [release.scorer().probability_of_rows([row]).tolist()[0] for row in rows[:5]]
    assert compare_answers(expected, [list(answer["probabilities"].values()) for answer in answers]).equal == 5
    ids = [answer["prediction_id"] for answer in answers]
    for name, label in zip(ids, classes, strict=True):
        assert served.post("/feedback", {"prediction_id": name, "label": label})["label"] == label
    kept = read_predictions(home.predictions).set_index("prediction_id").loc[ids]
    assert kept["label"].tolist() == list(classes)
    assert class_probabilities(kept, classes).tolist() == expected
    assert served.get("/model/info")["classes"] == list(classes)


@pytest.mark.parametrize("name", COLUMNS)
def test_invalid_values_are_refused_by_name(name: str, served: Served, release: Release) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        served.post("/predict", {**release.golden.rows[0], name: "text"})
    assert raised.value.code == 422
    assert [fault["field"] for fault in json.loads(raised.value.read())["error"]["fields"]] == [name]


@pytest.mark.slow
def test_schemathesis_finds_no_error_of_ours(served: Served, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"), "run", f"{served.address}/openapi.json",
            "--url", served.address, "--header", f"Authorization: Bearer {served.token}",
            "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            "--max-examples", "30", "--seed", "1", "--no-color",
        ],
        capture_output=True, text=True, timeout=500, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
