"""Answer prediction requests with one release: validate rows, predict, and write the line for the log."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic_core import to_json

from driftgate.contract import request_fields, request_model
from driftgate.production.release import Release

ID_PATTERN = r"^[0-9a-f]{11}-[0-9a-f]{16}-(0|[1-9][0-9]{0,8})$"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())


class Feedback(Strict):
    """The true class of a predicted row."""

    prediction_id: str = Field(pattern=ID_PATTERN, description="The id in the answer to the prediction request")
    label: str = Field(max_length=200, description="The true class of the row")


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
        self._fields = request_fields(release.contract)
        self.row: Any = request_model(release.contract, example=release.golden.rows[0])
        rows = (list[self.row], Field(min_length=1, max_length=most_rows))  # type: ignore[name-defined]
        self.batch: Any = create_model("Batch", __base__=Strict, instances=rows)
        self.information = to_json(
            {
                **self.card.model_dump(mode="json"),
                "contract": release.contract.model_dump(mode="json", exclude_defaults=True),
            }
        )
        self.openapi: bytes | None = None  # the document, created at the first request for it
        self._classes = (self.card.negative_name, self.card.positive_name)

    @property
    def classes(self) -> tuple[str, str]:
        """Names of the negative and the positive class."""
        return self._classes

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
        """
        values = [row.__dict__ for row in rows]
        columns = {name: [row[field] for row in values] for name, field in self._fields.items()}
        probability = self._scorer.probability(columns).tolist()
        warnings = self.release.ranges.warnings(columns)
        negative, positive = self._classes
        threshold, version = self.card.threshold, self.card.version
        answers = [
            {
                "prediction": positive if value >= threshold else negative,
                "probability": value,
                "probabilities": {negative: 1 - value, positive: value},
                "model_version": version,
                "prediction_id": f"{request}-{at}",
                "warnings": warnings.get(at, []),
            }
            for at, value in enumerate(probability)
        ]
        line = {
            "at": int(request[:11], 16), "request": request, "model": self.card.name, "version": version, "arm": arm,
            "probability": probability, "columns": columns,
        }  # fmt: skip
        if caller:
            line["caller"] = caller
        if peer:
            line["peer"] = peer
        return answers, to_json(line)
