"""`run.py experiment` on a problem of three classes: started, read, and promoted by the labels."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from driftgate.evidence.tracking import client
from driftgate.production.move import Production
from driftgate.production.record import append
from driftgate.workspace import PROJECT, Workspace
from tests.conftest import run_cli
from tests.unit.classes import NUMBER, THREE, drawn
from tests.unit.moves import entry, move
from tests.unit.test_experiments_classes import play


@pytest.fixture
def config(tmp_path: Path) -> Path:
    content = yaml.safe_load((PROJECT / "configs" / "rules.yaml").read_text())
    content |= {"target": {"column": "target", "classes": list(THREE)}, "contract": {"x": {"type": "number"}}}
    content["gate"]["slices"]["columns"] = []
    path = tmp_path / "problem.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_an_experiment_of_three_classes_is_promoted(config: Path, tmp_path: Path) -> None:
    home = Workspace(tmp_path / "home")
    production, registry = Production("rules", workspace=home), client(home)
    registry.create_registered_model("rules")
    releases = []
    for version in ("1", "2"):
        registry.create_model_version("rules", source=str(tmp_path / version))
        releases.append(drawn(home.releases / "rules" / version, {"x": NUMBER}, THREE, version=version, rows=64))
    move(production, releases[0])
    append(production.record_path, entry(releases[1], "staged"))

    def run(*arguments: str) -> dict[str, Any]:
        ran = run_cli("experiment", *arguments, "--config", str(config), "--json", home=home.root)
        assert ran.code == 0, ran.out + ran.err
        return ran.document

    begun = run("start", "--challenger", "2", "--shadow")
    assert begun["labels_needed"]
    play(production, home.predictions, share=None, rows=800, better=True)
    found = run("status")["standing"]
    assert (found["decision"], found["gain"]["labels"]) == ("better", 800)
    assert found["arms"]["challenger"]["brier"] < found["arms"]["champion"]["brier"]
    shown = run_cli("experiment", "status", "--config", str(config), home=home.root).out
    assert "challenger Brier score" in shown
    promoted = run("promote", "--reason", "better")
    assert (promoted["version"], promoted["previous"]) == ("2", "1")
    assert str(registry.get_model_version_by_alias("rules", "champion").version) == "2"
