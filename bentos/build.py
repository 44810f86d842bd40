"""Build the bento of a release. It contains the release and the service, but no training library."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from driftgate.errors import DriftgateError
from driftgate.evidence.sbom import closure
from driftgate.production.release import MANIFEST, Release
from driftgate.workspace import PROJECT, Workspace

RUNTIME = ("bentoml", "httptools", "jiter", "numpy", "onnxruntime", "prometheus-client", "pydantic", "uvloop")
SERVICE, OURS = Path("bentos/service.py"), ("bentos", "driftgate")
BENTOFILE = """\
service: "bentos.service:Service"
include: ["bentos/*.py", "bentos/api/*.py", {folders}, "release/*"]
python:
  lock_packages: false
  packages: [{packages}]
"""


def build_bento(release: Release, *, workspace: Workspace) -> Path:
    """Build a bento with `bentoml build`, under the release's name and version.

    Returns:
        The bento's folder. `bentoml serve` can serve it.

    Raises:
        DriftgateError: If the build fails.
    """
    name, number = release.card.name, release.card.version
    with tempfile.TemporaryDirectory(prefix="bento-", dir=workspace.root) as context:
        _lay_out(Path(context), release)
        done = subprocess.run(
            [sys.executable, "-m", "bentoml", "build", "--version", number, "--output", "tag", "."],
            cwd=context,  # BentoML refuses a build file outside the working folder
            capture_output=True,
            text=True,
            env=service_environment(workspace),
        )
    folder = workspace.bentoml / "bentos" / name / number
    if done.returncode or not folder.exists():
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise DriftgateError(
            f"`bentoml build` of {name} {number} failed: {lines[-1].strip() if lines else 'it printed nothing'}",
            f"The release is in {release.folder}; run again with --debug.",
        )
    return folder


def ensure_bento(release: Release, *, workspace: Workspace) -> Path:
    """Return the bento of a release. An existing bento is used if it is complete; if not, a new one is built.

    A complete bento contains this release's manifest and every file of the service. A killed build leaves fewer files.

    Returns:
        The bento's folder.

    Raises:
        DriftgateError: If the build fails.
    """
    folder = workspace.bentoml / "bentos" / release.card.name / release.card.version
    manifest = folder / "src" / "release" / MANIFEST
    needed = [folder / "bento.yaml", *(folder / "src" / "release" / path.name for path in release.folder.iterdir())]
    needed += [folder / "src" / file for file in service_files()]
    if all(path.exists() for path in needed) and manifest.read_bytes() == (release.folder / MANIFEST).read_bytes():
        return folder
    if folder.exists():
        shutil.rmtree(folder)
    return build_bento(release, workspace=workspace)


def service_environment(workspace: Workspace) -> dict[str, str]:
    """The environment of BentoML's commands: the store is in the workspace, this Python's scripts are on the path."""
    scripts = str(Path(sys.executable).parent)
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {
        **inherited,
        "BENTOML_HOME": str(workspace.bentoml),
        "BENTOML_DO_NOT_TRACK": "true",
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")]),
    }


def service_files() -> list[Path]:
    """The project's files that the service imports, found from its own imports; paths are relative to the project."""
    found: set[Path] = set()
    left = [SERVICE, *(path.relative_to(PROJECT) for path in (PROJECT / "bentos" / "api").glob("*.py"))]
    while left:
        file = left.pop()
        if file not in found:
            found |= {file, *(folder / "__init__.py" for folder in file.parents if folder != Path())}
            left += _imported(file)
    return sorted(found)


def _imported(file: Path) -> Iterator[Path]:
    """The project's modules that a file imports; not those that only annotations need."""
    nodes: list[ast.AST] = [ast.parse((PROJECT / file).read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        nodes += ast.iter_child_nodes(node)
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{name}" for name in names)]
        for name in names:
            path = Path(*name.split("."))
            for candidate in (path.with_suffix(".py"), path / "__init__.py"):
                if path.parts[0] in OURS and (PROJECT / candidate).is_file():
                    yield candidate


def _lay_out(context: Path, release: Release) -> None:
    files = service_files()
    for file in files:
        (context / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / file, context / file)
    shutil.copytree(release.folder, context / "release")
    # Indirect requirements are pinned too. A container built later gets the tested versions, as listed in the SBOM.
    packages = ", ".join(f'"{package.pin}"' for package in closure(RUNTIME))
    folders = sorted({file.parent.as_posix() for file in files if file.parts[0] == "driftgate"})
    content = BENTOFILE.format(packages=packages, folders=", ".join(f'"{folder}/*.py"' for folder in folders))
    (context / "bentofile.yaml").write_text(content)
