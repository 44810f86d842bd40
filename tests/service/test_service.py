"""The bento, served by the real `bentoml serve`."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bentos.server import demand_free, post, serving
from driftgate.errors import DriftgateError
from driftgate.release import Release, read_release
from driftgate.workspace import Workspace
from tests.conftest import Ran


@pytest.fixture(scope="module")
def release(main_job: Ran) -> Release:
    return read_release(Path(main_job.document["release"]))


@pytest.fixture(scope="module")
def address(main_job: Ran) -> Iterator[str]:
    with serving(Path(main_job.document["bento"]), workspace=Workspace(main_job.home)) as found:
        yield found


def test_one_row_and_many_get_the_golden_predictions(address: str, release: Release) -> None:
    rows, expected = release.golden.rows, release.golden.probability
    batch = post(f"{address}/predict/batch", {"instances": rows})["predictions"]
    assert [answer["probability"] for answer in batch] == expected
    alone = float(release.scorer().probability_of_rows(rows[:1])[0])
    assert post(f"{address}/predict", rows[0]) == {**batch[0], "probability": alone}
    named = {True: release.card.positive_name, False: release.card.negative_name}
    assert [answer["prediction"] for answer in batch] == [named[p >= release.card.threshold] for p in expected]


def test_model_info_tells_lineage_and_contract(address: str, release: Release) -> None:
    with urllib.request.urlopen(f"{address}/model/info", timeout=10) as answer:
        found = json.load(answer)
    assert found["lineage"] == release.card.lineage.model_dump()
    assert set(found["contract"]["columns"]) == set(release.contract.columns)


@pytest.mark.parametrize("route", ["livez", "readyz", "metrics"])
def test_health(route: str, address: str) -> None:
    with urllib.request.urlopen(f"{address}/{route}", timeout=10) as answer:
        assert answer.status == 200


BAD: dict[str, dict[str, Any]] = {
    "unknown field": {"f9": 1},
    "text for a number": {"f1": "1"},
    "out of range": {"f4": 200.0},
    "null": {"f1": None},
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_row_is_refused(fault: str, address: str, release: Release) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        post(f"{address}/predict", {**release.golden.rows[0], **BAD[fault]})
    assert raised.value.code == 400


def test_taken_port_is_told(address: str) -> None:
    with pytest.raises(DriftgateError, match="is taken"):
        demand_free(int(address.rsplit(":", 1)[1]))
