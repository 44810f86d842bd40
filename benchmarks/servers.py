"""The servers that `serving.py` compares with: one function per application, started by `uvicorn --factory`.

`SERVING_RELEASE` names the release, `SERVING_MODEL` the same model in scikit-learn's format.
"""

import os
import pickle
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fastapi import FastAPI

from driftgate.production.release import read_release

RELEASE = read_release(Path(os.environ["SERVING_RELEASE"]))


def tutorial() -> FastAPI:
    """A service as in tutorials: a DataFrame and scikit-learn for each request, and a loop over the rows of a batch."""
    import pandas as pd

    from driftgate.contract import request_model

    model = pickle.loads(Path(os.environ["SERVING_MODEL"]).read_bytes())  # trusted: serving.py has just written it
    row_model: Any = request_model(RELEASE.contract)
    application = FastAPI()

    def answer(row: dict[str, Any]) -> dict[str, Any]:
        probability = float(model.predict_proba(pd.DataFrame([row]))[0, 1])
        return {"prediction": int(probability >= RELEASE.card.threshold), "probability": probability}

    @application.post("/predict")
    def predict(row: row_model) -> dict[str, Any]:
        return answer(row.model_dump())

    @application.post("/predict/batch")
    def predict_batch(body: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
        return {"predictions": [answer(row) for row in body["instances"]]}

    return application


def bare() -> FastAPI:
    """The upper limit: only FastAPI and the ONNX model, without our checks, log, metrics and token."""
    from driftgate.contract import request_fields, request_model

    scorer = RELEASE.scorer()
    row_model: Any = request_model(RELEASE.contract)
    fields = request_fields(RELEASE.contract)
    application = FastAPI()

    @application.post("/predict")
    async def predict(row: row_model) -> dict[str, Any]:
        values = row.__dict__
        return {"probability": float(scorer.probability({name: [values[field]] for name, field in fields.items()})[0])}

    return application
