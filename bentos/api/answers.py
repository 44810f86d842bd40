"""A release made ready to answer: its request model, its model, what it says of a row."""

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
    """What became of a predicted row."""

    prediction_id: str = Field(pattern=ID_PATTERN, description="As answered with the prediction")
    label: str = Field(max_length=200, description="The class that it turned out to be")


class Answering:
    """Answers rows by one release. Whoever holds it, holds all of it: a swap to another release is one assignment.

    Args:
        release: Verified by its hashes.
        most_rows: Of one request.

    Raises:
        DriftgateError: If a golden row gets another probability than at training.
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
        self.openapi: bytes | None = None  # the document, once somebody asks for it
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
            rows: Of the request model.
            request: Its id, which begins with the time: so whoever looks for labels of a week needs no other.
            arm: Of the experiment.
            caller: Whom the request came from, by pseudonym, where an experiment assigns by caller.
            peer: The network address it came from, by pseudonym, while an experiment runs.

        Returns:
            An answer for each, and the line for the prediction log.
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
