"""Answer prediction requests with one release: validate rows, predict, and write the line for the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic_core import to_json

from driftgate.contract import MAXIMUM_CATEGORY_LENGTH, Column, Contract, request_fields, request_model
from driftgate.production.release import Release

if TYPE_CHECKING:
    import numpy as np

ROW_BYTES = 64 * 1024  # the maximum size of a body with one row; more if the contract's columns may need it
ESCAPED, NUMBER_BYTES = 12, 48  # bytes of an escaped character, and of a number with quotes, colon, comma and blanks
ID_PATTERN = r"^[0-9a-f]{11}-[0-9a-f]{16}-(0|[1-9][0-9]{0,8})$"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())


class Feedback(Strict):
    """The true class of a predicted row."""

    prediction_id: str = Field(pattern=ID_PATTERN, description="The id in the answer to the prediction request")
    label: str = Field(max_length=200, description="The true class of the row")


class NoProbability(Exception):
    """The model gives no probability for some rows, because numbers are so large that its calculation overflows.

    Args:
        rows: The numbers of these rows in the request.
    """

    def __init__(self, rows: list[int]) -> None:
        super().__init__("no probability")
        self.rows = rows


class Answering:
    """Predicts rows with one release.

    An object contains everything that belongs to the release, so a swap to another release is one assignment.

    Args:
        release: The release, already verified by its hashes.
        most_rows: The maximum number of rows in one request.

    Raises:
        DriftgateError: If the probability of a golden row differs from the one at training.
    """

    def __init__(self, release: Release, *, most_rows: int) -> None:
        self.release, self.card = release, release.card
        self._scorer = release.scorer()
        self.fields = request_fields(release.contract)
        self.row: Any = request_model(release.contract)
        rows = (list[self.row], Field(min_length=1, max_length=most_rows))  # type: ignore[name-defined]
        self.batch: Any = create_model("Batch", __base__=Strict, instances=rows)
        self.information = to_json(
            {
                **self.card.model_dump(mode="json"),
                "contract": release.contract.model_dump(mode="json", exclude_defaults=True),
            }
        )
        self.openapi: bytes | None = None  # the document, created at the first request for it
        self.row_bytes = max(ROW_BYTES, _row_bytes(release.contract))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities; of two classes: negative, positive."""
        return self.card.classes

    def answer(
        self, rows: list[Any], *, request: str, arm: str, caller: str | None = None, peer: str | None = None
    ) -> tuple[list[dict[str, Any]], bytes]:
        """Predict rows.

        Args:
            rows: Instances of the request model.
            request: The request's id. It starts with the time, so a reader of labels can select a period by id.
            arm: The experiment's arm.
            caller: The caller's pseudonym, if an experiment assigns arms by caller.
            peer: The pseudonym of the caller's network address, while an experiment runs.

        Returns:
            One answer for each row, and the line for the prediction log.

        Raises:
            NoProbability: If a probability is not a number.
        """
        values = [row.__dict__ for row in rows]
        columns = {name: [row[field] for row in values] for name, field in self.fields.items()}
        found = self._scorer.probability(columns)
        if (total := found.sum()) != total:  # NaN, which JSON doesn't have
            raise NoProbability([at for at, value in enumerate(found) if value.sum() != value.sum()])
        probability = found.tolist()
        warnings = self.release.ranges.warnings(columns)
        version = self.card.version
        answers = self._two_classes(probability) if self.card.binary else self._every_class(found, probability)
        for at, answer in enumerate(answers):
            answer["model_version"] = version
            answer["prediction_id"] = f"{request}-{at}"
            answer["warnings"] = warnings.get(at, [])
        line = {
            "at": int(request[:11], 16), "request": request, "model": self.card.name, "version": version, "arm": arm,
            "probability": probability, "columns": columns,
        }  # fmt: skip
        if not self.card.binary:
            line["classes"] = self.classes  # a later version may have other classes
        if caller:
            line["caller"] = caller
        if peer:
            line["peer"] = peer
        return answers, to_json(line)

    def _two_classes(self, probability: list[float]) -> list[dict[str, Any]]:
        """Prediction and probabilities of each row; the probability is that of the positive class."""
        (negative, positive), threshold = self.classes, self.card.threshold
        return [
            {
                "prediction": positive if value >= threshold else negative,
                "probability": value,
                "probabilities": {negative: 1 - value, positive: value},
            }
            for value in probability
        ]

    def _every_class(self, found: np.ndarray, probability: list[list[float]]) -> list[dict[str, Any]]:
        """Prediction and probabilities of each row; the probability is that of the predicted class, the most probable one."""
        names = self.classes
        return [
            {
                "prediction": names[code],
                "probability": values[code],
                "probabilities": dict(zip(names, values, strict=True)),
            }
            for values, code in zip(probability, found.argmax(axis=1).tolist(), strict=True)
        ]


def _row_bytes(contract: Contract) -> int:
    """The largest size of a row in JSON: names and texts may be written with escapes, of up to 12 bytes a character."""
    texts = (len(name) + _longest(column) for name, column in contract.columns.items())
    return ESCAPED * sum(texts) + NUMBER_BYTES * len(contract.columns)


def _longest(column: Column) -> int:
    """The number of characters of a column's longest text."""
    if not column.is_category:
        return 0
    return max((MAXIMUM_CATEGORY_LENGTH, *map(len, column.categories or ())))
