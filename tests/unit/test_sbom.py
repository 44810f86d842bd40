"""The bill of materials: valid by CycloneDX's own schema, the same in every process, and no word in it but the lock's."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from bentos.build import RUNTIME
from driftgate.errors import DriftgateError
from driftgate.evidence.sbom import LOCK, closure, make_sbom
from driftgate.workspace import PROJECT
from tests.unit.test_release import CARD

MODEL = b"onnx"


@pytest.fixture(scope="module")
def written() -> bytes:
    return make_sbom(CARD, model=MODEL, requirements=RUNTIME)


@pytest.fixture(scope="module")
def document(written: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(written)
    return found


def libraries(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {found["name"]: found for found in document["components"] if found["type"] == "library"}


def test_it_is_valid(written: bytes, document: dict[str, Any]) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(written.decode()) is None
    document = {**document, "components": [{"type": "library"}]}
    assert validator.validate_str(json.dumps(document)) is not None


def test_each_process_writes_the_same_bytes_without_uv_and_network(written: bytes, tmp_path: Path) -> None:
    """Other hash seeds, another working folder, an empty PATH, and every socket refused."""
    code = (
        "import sys; sys.addaudithook(lambda event, _: sys.exit(event) if event in ('socket.connect', 'subprocess.Popen') else None)\n"
        "from driftgate.evidence.sbom import make_sbom; from bentos.build import RUNTIME; from tests.unit.test_release import CARD\n"
        "sys.stdout.buffer.write(make_sbom(CARD, model=b'onnx', requirements=RUNTIME))"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path, capture_output=True, timeout=120,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(PROJECT), "PATH": ""},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout == written


def test_each_file_is_one_that_the_lock_knows(document: dict[str, Any]) -> None:
    locked = {
        (package["name"], package["version"], file["url"].rsplit("/", 1)[1]): file["hash"]
        for package in tomllib.loads(LOCK.read_text())["package"]
        for file in (*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ()))
    }
    for name, part in libraries(document).items():
        (file,) = (entry["value"] for entry in part["properties"])
        assert locked[name, part["version"], file] == f"sha256:{part['hashes'][0]['content']}"
        assert part["purl"] == f"pkg:pypi/{name}@{part['version']}"
        assert part["licenses"], name


def test_it_lists_what_uv_finds_in_the_lock(document: dict[str, Any]) -> None:
    """uv's own walk from the same names: nothing that is needed is left out, nothing else is there."""
    named = [word for name in RUNTIME for word in ("--package", name)]
    done = subprocess.run(
        [str(Path(sys.executable).parent / "uv"), "tree", "--locked", "--offline", *named],
        cwd=PROJECT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = set(re.findall(r"^[│├└─ ]*([a-z0-9-]+)\S* v(\S+)", done.stdout, re.MULTILINE))
    assert {(name, part["version"]) for name, part in libraries(document).items()} == expected


def test_a_package_that_the_lock_does_not_know_has_no_hash(tmp_path: Path) -> None:
    """Installed by hand over what is locked: the document doesn't claim otherwise."""
    (tmp_path / "uv.lock").write_text(
        LOCK.read_text().replace(f'name = "numpy"\nversion = "{version("numpy")}"', 'name = "numpy"\nversion = "0"')
    )
    found = libraries(json.loads(make_sbom(CARD, model=MODEL, requirements=RUNTIME, lock=tmp_path / "uv.lock")))
    assert [name for name, part in found.items() if "hashes" not in part] == ["numpy"]


def test_a_package_from_a_path_or_an_address_has_no_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the locked version, but perhaps of other bytes."""
    folder = tmp_path / "prometheus_client-0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Name: prometheus-client\nVersion: {version('prometheus-client')}\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = make_sbom(CARD, model=MODEL, requirements=["prometheus-client"])
    assert "hashes" in libraries(json.loads(found))["prometheus-client"]
    (folder / "direct_url.json").write_text('{"url": "file:///somewhere"}')
    found = make_sbom(CARD, model=MODEL, requirements=["prometheus-client"])
    assert "hashes" not in libraries(json.loads(found))["prometheus-client"]


def test_without_a_lock_nothing_has_a_hash(tmp_path: Path) -> None:
    found = libraries(
        json.loads(make_sbom(CARD, model=MODEL, requirements=["Prometheus_Client"], lock=tmp_path / "no"))
    )
    assert set(found) == {"prometheus-client"}
    assert "hashes" not in found["prometheus-client"]


@pytest.mark.parametrize("text", ["", "[[package]]\n", "[["])
def test_a_lock_that_can_not_be_read_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text(text)
    with pytest.raises(DriftgateError, match=r"uv\.lock.*can't be read"):
        make_sbom(CARD, model=MODEL, requirements=RUNTIME, lock=tmp_path / "uv.lock")


def test_a_missing_package_is_told() -> None:
    with pytest.raises(DriftgateError, match="no-such-package, which is not installed"):
        closure(["No_Such.Package"])


def test_the_model_is_a_component_known_by_its_hash(document: dict[str, Any]) -> None:
    (model,) = (part for part in document["components"] if part["type"] == "machine-learning-model")
    assert (model["name"], model["version"]) == (CARD.name, CARD.version)
    assert model["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(MODEL).hexdigest()}]


def test_what_needs_what(document: dict[str, Any]) -> None:
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in document["dependencies"]}
    pins = {package.name: package.pin for package in closure(RUNTIME)}
    assert set(needs["service"]) == {"model.onnx", *(pins[name] for name in RUNTIME)}
    assert pins["pydantic-core"] in needs[pins["pydantic"]]
