"""The software bill of materials (CycloneDX) of a release: every package that its service needs, and the model.

It contains no time and no random number, so the same release always gives the same bytes. It needs no network.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftgate.errors import DriftgateError
from driftgate.production.release import Card
from driftgate.workspace import PROJECT

if TYPE_CHECKING:
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License

LOCK = PROJECT / "uv.lock"
LONGEST_LICENSE = 80  # characters; above it, the old metadata field holds the licence's whole text


@dataclass(frozen=True)
class Package:
    """An installed package, and the names of the packages that it requires."""

    name: str
    version: str
    installed: Distribution = field(compare=False, repr=False)
    needs: frozenset[str]

    @property
    def pin(self) -> str:
        """The requirement that nothing but this version meets."""
        return f"{self.name}=={self.version}"


def closure(names: Iterable[str]) -> tuple[Package, ...]:
    """These packages and all packages that they require on this Python and platform, sorted by name.

    Args:
        names: Of packages that are installed here.

    Raises:
        DriftgateError: If one is missing.
    """
    from packaging.utils import canonicalize_name

    found: dict[str, Distribution] = {}
    needs: dict[str, set[str]] = {}
    seen: set[tuple[str, str]] = set()
    ahead = [(str(canonicalize_name(name)), "") for name in names]
    while ahead:
        name, extra = ahead.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found[name] = found.get(name) or _installed(name)
        wanted = list(_needs(found[name], extra))
        needs.setdefault(name, set()).update(need for need, _ in wanted if need != name)
        ahead += wanted
    return tuple(
        Package(name, found[name].version, installed=found[name], needs=frozenset(needs[name]))
        for name in sorted(found)
    )


def make_sbom(card: Card, *, model: bytes, requirements: Iterable[str], lock: Path = LOCK) -> bytes:
    """Make the software bill of materials of a release, as CycloneDX 1.6 in JSON.

    Args:
        card: What the release is.
        model: The ONNX model.
        requirements: The packages that its service imports directly; their requirements are added.
        lock: The `uv.lock` with the hashes of the packages' files; without it the document has no hashes.

    Returns:
        The document. A package has the hash of the locked file for this Python and platform if the lock names the
        installed version and the package was not installed from a path or an address.

    Raises:
        DriftgateError: If a package is missing, or the lock can't be read.
    """
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packaging.utils import canonicalize_name

    service = Component(name=card.name, version=card.version, type=ComponentType.APPLICATION, bom_ref="service")
    onnx = Component(
        name=card.name,
        version=card.version,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref="model.onnx",
        description=card.description or None,
        hashes=[_sha256(hashlib.sha256(model).hexdigest())],
    )
    direct, files = [str(canonicalize_name(name)) for name in requirements], _locked_files(lock)
    packages = closure(direct)
    parts = {package.name: _component(package, _files_of(package, files)) for package in packages}
    bom = Bom(metadata=BomMetaData(component=service), components=[onnx, *parts.values()])
    bom.register_dependency(service, [onnx, *(parts[name] for name in direct)])
    for package in packages:
        bom.register_dependency(parts[package.name], [parts[name] for name in sorted(package.needs)])
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["serialNumber"], document["metadata"]["timestamp"]  # both optional: a random number, and now
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _files_of(package: Package, files: dict[tuple[str, str], list[tuple[str, str]]]) -> list[tuple[str, str]]:
    """The locked files of a package; none if it was installed from a path or an address (PEP 610)."""
    if package.installed.read_text("direct_url.json"):
        return []
    return files.get((package.name, package.version), [])


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        raise DriftgateError(
            f"The service needs {name}, which is not installed.", "Install what is locked: `uv sync --locked`."
        ) from error


def _needs(package: Distribution, extra: str) -> Iterator[tuple[str, str]]:
    """The packages, each with each extra, that a package requires here; for an extra, those that it adds."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    for line in package.requires or ():
        need = Requirement(line)
        if need.marker is None or need.marker.evaluate({"extra": extra}):
            for of_it in ("", *sorted(need.extras)):
                yield str(canonicalize_name(need.name)), of_it


def _locked_files(lock: Path) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """The files of each locked name and version: file name, sha256. None if there is no lock."""
    try:
        if not lock.exists():
            return {}
        locked = tomllib.loads(lock.read_text())["package"]
        return {
            (package["name"], package.get("version", "")): [
                (file["url"].rsplit("/", 1)[1], file["hash"].removeprefix("sha256:"))
                for file in (*package.get("wheels", ()), package.get("sdist", {}))
                if {"url", "hash"} <= set(file)  # a source that is a folder or a repository has not both
            ]
            for package in locked
        }
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DriftgateError(
            f"{lock}, which knows the hashes of the packages, can't be read: {error}.",
            "Restore it: `git checkout uv.lock`.",
        ) from error


def _component(package: Package, files: list[tuple[str, str]]) -> Component:
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component
    from packageurl import PackageURL

    name, sha256 = _best(files)
    return Component(
        name=package.name,
        version=package.version,
        bom_ref=package.pin,
        purl=PackageURL("pypi", name=package.name, version=package.version),
        licenses=_licenses(package.installed.metadata),
        hashes=[_sha256(sha256)] if name else (),
        properties=[Property(name="driftgate:file", value=name)] if name else (),
    )


def _best(files: list[tuple[str, str]]) -> tuple[str, str]:
    """The file that an installer would choose here: the best matching wheel, else the source; two empty strings if none."""
    from packaging.utils import parse_wheel_filename

    ranks = _ranks()
    worst = len(ranks)

    def rank(file: tuple[str, str]) -> int:
        if not file[0].endswith(".whl"):
            return worst
        return min(ranks.get(tag, worst + 1) for tag in parse_wheel_filename(file[0])[3])

    best = min(files, key=rank, default=("", ""))
    return best if best[0] and rank(best) <= worst else ("", "")


@cache
def _ranks() -> dict[Any, int]:
    """The rank of each wheel tag that runs on this Python and platform; 0 is the best."""
    from packaging.tags import sys_tags

    return {tag: at for at, tag in enumerate(sys_tags())}


def _licenses(metadata: Any) -> list[License]:
    """The licences that the package declares: the SPDX expression, else the old field if it is short, else the classifiers."""
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.license import DisjunctiveLicense, LicenseAcknowledgement

    declared = LicenseAcknowledgement.DECLARED
    old = metadata.get("License") or ""
    named = metadata.get("License-Expression") or (old if "\n" not in old and len(old) <= LONGEST_LICENSE else "")
    if named:
        return [LicenseFactory().make_from_string(named, license_acknowledgement=declared)]
    classifiers = [line for line in metadata.get_all("Classifier") or () if line.startswith("License :: ")]
    return [DisjunctiveLicense(name=line.rsplit(" :: ", 1)[1], acknowledgement=declared) for line in classifiers]


def _sha256(content: str) -> Any:
    from cyclonedx.model import HashAlgorithm, HashType

    return HashType(alg=HashAlgorithm.SHA_256, content=content)
