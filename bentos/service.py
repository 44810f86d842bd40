"""The REST service of one release. It loads what lies beside it in a bento, or what `DRIFTGATE_RELEASE` names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bentoml
from pydantic import BaseModel, ConfigDict, Field

from driftgate.contract import request_model
from driftgate.release import read_release

RELEASE = read_release(Path(os.environ.get("DRIFTGATE_RELEASE") or Path(__file__).resolve().parent.parent / "release"))
CARD = RELEASE.card
MAXIMUM_ROWS = 10_000

Row = request_model(RELEASE.contract, example=RELEASE.golden.rows[0])


class Prediction(BaseModel):
    """The answer for one row. `probability` is that of the positive class."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    prediction: str
    probability: float
    model_version: str


class Batch(BaseModel):
    """Several rows at once."""

    model_config = ConfigDict(extra="forbid")

    instances: list[Row] = Field(min_length=1, max_length=MAXIMUM_ROWS)  # type: ignore[valid-type]


class Predictions(BaseModel):
    predictions: list[Prediction]


@bentoml.service(
    name=CARD.name,
    http={"host": "127.0.0.1"},
    metrics={"enabled": True},
    tracing={"excluded_urls": ".*"},
    traffic={"timeout": 30},
)
class Service:
    """Predictions of one verified release."""

    def __init__(self) -> None:
        self._scorer = RELEASE.scorer()

    @bentoml.api(route="/predict")
    def predict(self, row: Row, /) -> Prediction:  # type: ignore[valid-type]
        """Predict one row."""
        return self._answer([row])[0]

    @bentoml.api(route="/predict/batch")
    def predict_batch(self, batch: Batch, /) -> Predictions:
        """Predict several rows."""
        return Predictions(predictions=self._answer(batch.instances))

    def _answer(self, rows: list[Any]) -> list[Prediction]:
        found = self._scorer.probability_of_rows([row.model_dump() for row in rows])
        names = (CARD.negative_name, CARD.positive_name)
        return [
            Prediction(
                prediction=names[int(value >= CARD.threshold)], probability=float(value), model_version=CARD.version
            )
            for value in found
        ]


def _information() -> Any:
    """`GET /model/info`: BentoML's own routes take POST only, so it is a mounted application."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    content = {
        **CARD.model_dump(mode="json"),
        "contract": RELEASE.contract.model_dump(mode="json", exclude_defaults=True),
    }

    async def info(_: Any) -> JSONResponse:
        return JSONResponse(content)

    return Starlette(routes=[Route("/info", info)])


Service = bentoml.asgi_app(_information(), path="/model")(Service)
