"""A release: a model version ready to serve, with the hash of each file. It imports little, because the service reads it.

model.onnx       the model
contract.json    the columns it takes
card.json        what it is: metrics, lineage, verdict
ranges.json      the range of each column in the training data
golden.json      rows and the probabilities that the model must give them, to the last bit: a number a row, or a list of one
                 number a class if there are three classes or more
profile.json     the reference profile, for the drift checks; the service doesn't read it
sbom.cdx.json    the software bill of materials, in CycloneDX; old releases may lack it
manifest.json    the sha256 of each of these
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, model_validator

from driftgate.contract import Contract
from driftgate.errors import DriftgateError, first_line
from driftgate.production.ranges import Ranges
from driftgate.production.scoring import Scorer

if TYPE_CHECKING:
    import numpy as np

FILES = ("model.onnx", "contract.json", "card.json", "ranges.json", "golden.json", "profile.json")
SBOM = "sbom.cdx.json"
MANIFEST = "manifest.json"
GOLDEN_ROWS = 64


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Lineage(_Frozen):
    """Where a model comes from. `dirty` is true if files differed from the commit; times are ISO 8601.

    `trained_at` is UTC; `as_of` is in local time, as the data's timestamps are.
    """

    commit: str | None
    dirty: bool
    lock_sha256: str | None
    python: str
    platform: str | None = None
    threads: str | None = None
    data_path: str
    data_md5: str
    data_rows: int
    as_of: str | None
    trained_until: str | None
    mlflow_run: str
    zenml_run: str
    trained_at: str


class Card(_Frozen):
    """The model card. `metrics` has value, low and high of each metric; `verdict` is the verdict of the gate, as JSON.

    `members` are the family and settings of each model of an average. `calibration` is how probabilities are calibrated.
    `classes` are the names of the classes in the order of the model's probabilities; for two classes: negative, positive.
    `negative_name` and `positive_name` repeat them for two classes, and are None for more. Older releases have only these
    two.
    """

    name: str
    version: str
    description: str
    family: str
    settings: dict[str, Any]
    calibrated: bool
    members: tuple[dict[str, Any], ...] = ()
    calibration: str | None = None
    threshold: float
    positive_name: str | None = None
    negative_name: str | None = None
    metrics: dict[str, dict[str, float]]
    holdout_rows: int
    lineage: Lineage
    verdict: dict[str, Any]
    classes: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _classes_of_two_names(cls, value: Any) -> Any:
        """Fill in what older cards, or cards of two classes, don't repeat."""
        if not isinstance(value, dict):
            return value
        names, classes = (value.get("negative_name"), value.get("positive_name")), value.get("classes")
        if not classes and None not in names:
            return {**value, "classes": names}
        if classes and len(classes) == 2 and names == (None, None):
            return {**value, "negative_name": classes[0], "positive_name": classes[1]}
        return value

    @model_validator(mode="after")
    def _classes_differ(self) -> Card:
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise ValueError("a card needs two classes or more, each with its own name")
        two = self.classes if self.binary else (None, None)
        if (self.negative_name, self.positive_name) != two:
            raise ValueError("classes, negative_name and positive_name contradict each other")
        return self

    @property
    def binary(self) -> bool:
        """Whether there are two classes."""
        return len(self.classes) == 2


class Golden(_Frozen):
    """Rows, and what the model must give each: the probability of the positive class, or of every class if there are more."""

    rows: list[dict[str, Any]]
    probability: list[float] | list[list[float]]

    def differing(self, probability: Sequence[Any]) -> int:
        """How many rows got another probability, even in the last bit; a row has a number, or a list of numbers."""
        return sum(was != now for was, now in zip(self.probability, probability, strict=True))


@dataclass(frozen=True)
class Release:
    """A release read from disk, with every hash verified."""

    folder: Path
    card: Card
    contract: Contract
    ranges: Ranges
    golden: Golden
    model: bytes
    profile: bytes
    sbom: bytes | None

    def scorer(self) -> Scorer:
        """Make the scorer, and verify it on the golden rows.

        Raises:
            DriftgateError: If a golden row gets a different probability, or the model has another number of classes than
                the card.
        """
        scorer = Scorer(self.model, self.contract)
        found = scorer.probability_of_rows(self.golden.rows)
        _require_classes(found, self.card, str(self.folder))
        wrong = self.golden.differing(found.tolist())
        if wrong:
            raise DriftgateError(
                f"The release {self.folder} predicts {wrong} of its {len(found)} golden rows differently than at training.",
                "Serve it with the versions of onnxruntime and numpy it was made with.",
            )
        return scorer


def write_release(
    folder: Path,
    *,
    model: bytes,
    contract: Contract,
    card: Card,
    ranges: Ranges,
    rows: Sequence[dict[str, Any]],
    profile: bytes,
    sbom: bytes,
) -> Release:
    """Write a release to a temporary folder, then rename it to `folder`, so that it is never seen incomplete.

    Args:
        folder: Must not exist.
        model: The ONNX model.
        contract: Its columns.
        card: The model card.
        ranges: The range of each column in the training data.
        profile: The reference profile, as JSON.
        sbom: The software bill of materials, as CycloneDX.
        rows: Golden rows; their probabilities are computed with the model now.

    Raises:
        DriftgateError: If the release exists, the model has another number of classes than the card, or the release can't
            be written; then no part of it is left.
    """
    if folder.exists():
        raise DriftgateError(
            f"The release {folder} exists already.", "A release is never changed: train a new version."
        )
    probability = Scorer(model, contract).probability_of_rows(rows)
    _require_classes(probability, card, str(folder))
    golden = Golden(rows=[dict(row) for row in rows], probability=probability.tolist())
    contents = {
        "model.onnx": model,
        "contract.json": _json(contract.model_dump(mode="json", exclude_defaults=True)),
        "card.json": _json(card.model_dump(mode="json")),
        "ranges.json": _json(_sorted(ranges.model_dump(mode="json", exclude_defaults=True))),
        "golden.json": _json(golden.model_dump(mode="json")),
        "profile.json": profile,
        SBOM: sbom,
    }
    manifest = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    draft = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        for name, content in {**contents, MANIFEST: _json({"sha256": manifest})}.items():
            (draft / name).write_bytes(content)
        draft.chmod(0o755)
        os.rename(draft, folder)
    except OSError as error:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)
        raise DriftgateError(
            f"The release {folder} can't be written: {error.strerror}.",
            "No part of it was left. Check your write permission and the free space, then run again.",
        ) from error
    return read_release(folder)


def read_release(folder: Path, *, manifest_sha256: str | None = None) -> Release:
    """Read a release; each file is compared with its hash in the manifest before it is used.

    Args:
        folder: Folder of the release.
        manifest_sha256: The expected sha256 of the manifest; None: not checked.

    Raises:
        DriftgateError: If a file is missing, was altered, or was written by another version of Driftgate.
    """
    remedy = "Copy the release again from where it was made, or train again."
    try:
        manifest = (folder / MANIFEST).read_bytes()
        if manifest_sha256 not in (None, hashlib.sha256(manifest).hexdigest()):
            raise DriftgateError(f"The manifest of {folder} is not the one that was deployed.", remedy)
        hashes = json.loads(manifest)["sha256"]
        # The manifest says whether there is a software bill of materials, and deployments pin the hash of the manifest. So
        # older releases without it can still be rolled back to, and a release that has one can't lose it unnoticed.
        names = (*FILES, SBOM) if SBOM in hashes else FILES
        contents = {name: (folder / name).read_bytes() for name in names}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DriftgateError(f"{folder} is not a complete release: {error}.", remedy) from error
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != hashes.get(name):
            raise DriftgateError(f"{folder / name} was altered: its sha256 is not that of {MANIFEST}.", remedy)
    try:
        return Release(
            folder=folder,
            card=Card.model_validate_json(contents["card.json"]),
            contract=Contract.model_validate_json(contents["contract.json"]),
            ranges=Ranges.model_validate_json(contents["ranges.json"]),
            golden=Golden.model_validate_json(contents["golden.json"]),
            model=contents["model.onnx"],
            profile=contents["profile.json"],
            sbom=contents.get(SBOM),
        )
    except ValueError as error:
        raise DriftgateError(
            f"{folder} was made by another version of Driftgate: {first_line(error)}.", remedy
        ) from error


def manifest_hash(folder: Path) -> str:
    """The sha256 of a release's manifest; it identifies every file of the release.

    Raises:
        DriftgateError: If there is none.
    """
    try:
        return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    except OSError as error:
        raise DriftgateError(
            f"{folder} is not a release: {MANIFEST} can't be read: {error.strerror}.", "Name the folder of a release."
        ) from error


def _require_classes(probability: np.ndarray, card: Card, name: str) -> None:
    """Raise a DriftgateError if the probabilities have another number of classes than the card."""
    found = 2 if probability.ndim == 1 else probability.shape[1]
    if found != len(card.classes):
        raise DriftgateError(
            f"The model of the release {name} gives probabilities of {found} classes, but its card names {len(card.classes)}.",
            "Train it again with the classes of the data.",
        )


def _sorted(value: Any) -> Any:
    """Sort lists made from sets: the same release must always have the same bytes."""
    if isinstance(value, dict):
        return {key: _sorted(item) for key, item in value.items()}
    return sorted(value) if isinstance(value, list) else value


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
