"""The OpenAPI document of a release, with real rows as examples, and the page on which users can try it."""

from __future__ import annotations

import re
from typing import Any

from pydantic.json_schema import models_json_schema

from bentos.api.answers import Answering, Feedback

TEXT = {"type": "string"}
REFERENCE = "$ref"
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "fields"],
            "properties": {
                "code": TEXT,
                "message": TEXT,
                "fields": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["field", "cause"],
                        "properties": {"field": TEXT, "cause": TEXT},
                    },
                },
            },
        }
    },
}
ACCEPTED = {
    "type": "object",
    "required": ["prediction_id", "label"],
    "properties": {"prediction_id": TEXT, "label": TEXT},
}
READINESS = {"type": "object", "required": ["ready", "release", "log", "channel"]}
# BentoML serves Swagger's files. BentoML's own Swagger page would load a tracker from another site.
PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><title>Driftgate</title>
<link rel="stylesheet" href="./static_content/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="./static_content/swagger-ui-bundle.js" charset="utf-8"></script>
<script>
window.ui = SwaggerUIBundle({url: "./openapi.json", dom_id: "#swagger-ui", deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis], tryItOutEnabled: true, persistAuthorization: false});
</script>
</body>
</html>
"""


def document(answering: Answering, *, secured: bool, label_token: bool = False) -> dict[str, Any]:
    """Describe every route.

    Args:
        answering: The release, with the request models of its contract.
        secured: Whether a token is required.
        label_token: Whether `/feedback` requires a separate token.
    """
    card, golden = answering.card, answering.release.golden
    models = [(model, "validation") for model in (answering.row, answering.batch, Feedback)]
    # With the attributes' names: a column may have a name that means something in a JSON schema, such as $ref.
    _, schemas = models_json_schema(models, by_alias=False, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    known = dict(schemas["$defs"])
    known["Row"] = _with_columns(known["Row"], answering)
    known |= {"Prediction": _prediction(answering.classes), "Error": ERROR, "Accepted": ACCEPTED}
    known["Predictions"] = {
        "type": "object",
        "required": ["predictions"],
        "properties": {"predictions": {"type": "array", "items": _reference("Prediction")}},
    }
    rows = [] if REFERENCE in answering.fields else golden.rows
    feedback = {"prediction_id": "0190f3c1a2b-0123456789abcdef-0", "label": answering.classes[1]}
    paths = {
        "/predict": {"post": _post("Predict one row", "Row", "Prediction", rows[0] if rows else None)},
        "/predict/batch": {
            "post": _post("Predict several rows", "Batch", "Predictions", {"instances": rows[:2]} if rows else None)
        },
        "/feedback": {
            "post": _post(
                "Send the true class of a predicted row at any time", "Feedback", "Accepted", feedback,
                status="202",
            )
        },
        "/model/info": {"get": _get("The current release: lineage, metrics, verdict, contract", {"type": "object"})},
        "/metrics": {"get": _get("Prometheus metrics", TEXT, kind="text/plain")},
        "/readyz": {"get": _get("Whether the service is ready, or why not", READINESS, more=("503",), secured=False)},
        "/livez": {"get": _get("Whether the process is alive", TEXT, kind="text/plain", secured=False)},
    }  # fmt: skip
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": card.name, "version": card.version, "description": card.description},
        "paths": paths,
        "components": {"schemas": known},
    }
    if secured:
        found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
    if label_token:
        schemes = found["components"].setdefault("securitySchemes", {})
        schemes["label_token"] = {"type": "http", "scheme": "bearer", "description": "DRIFTGATE_LABEL_TOKEN"}
        paths["/feedback"]["post"]["security"] = [{"label_token": []}]
    return found


def _with_columns(schema: dict[str, Any], answering: Answering) -> dict[str, Any]:
    """The schema of a row with the names of the columns, and an example.

    Readers of schemas take an object with the key $ref for a reference. So a column of this name is described by a pattern,
    and the schema has no example.
    """
    properties = {name: schema["properties"][field] for name, field in answering.fields.items()}
    required = set(schema.get("required", ()))
    found = {**schema, "properties": properties}
    if required:
        found["required"] = [name for name, field in answering.fields.items() if field in required]
    if REFERENCE not in properties:
        return {**found, "example": answering.release.golden.rows[0]}
    found["patternProperties"] = {f"^{re.escape(REFERENCE)}$": properties.pop(REFERENCE)}
    return found


def _prediction(classes: tuple[str, ...]) -> dict[str, Any]:
    share = {"type": "number", "minimum": 0, "maximum": 1}
    of_one = f"The probability of {classes[1]}" if len(classes) == 2 else "The probability of the predicted class"
    return {
        "type": "object",
        "required": [
            "prediction", "probability", "probabilities", "model_version", "prediction_id", "warnings",
        ],
        "properties": {
            "prediction": {"enum": list(classes)},
            "probability": {**share, "description": of_one},
            "probabilities": {"type": "object", "properties": dict.fromkeys(classes, share)},
            "model_version": TEXT,
            "prediction_id": {**TEXT, "description": "The id with which to send the row's label later"},
            "warnings": {"type": "array", "items": TEXT, "description": "Values that differ from the training data"},
        },
    }  # fmt: skip


def _post(summary: str, request: str, answer: str, example: Any, *, status: str = "200") -> dict[str, Any]:
    faults = {
        "400": "The body is not JSON", "401": "The token is missing or wrong",
        "403": "The service has no token, and the request is not from its machine",
        "408": "The body arrived too slowly", "413": "The body is too large",
        "415": "The content type is not application/json",
        "422": "A field breaks the contract", "503": "The prediction log can't be written",
    }  # fmt: skip
    content = {"schema": _reference(request)} | ({} if example is None else {"example": example})
    return {
        "summary": summary,
        "requestBody": {
            "required": True,
            "content": {"application/json": content},
        },
        "responses": {
            status: {"description": "Done", "content": {"application/json": {"schema": _reference(answer)}}},
            **{code: _fault(text) for code, text in faults.items()},
        },
    }


def _get(
    summary: str, schema: Any, *, kind: str = "application/json", more: tuple[str, ...] = (), secured: bool = True
) -> dict[str, Any]:
    answers: dict[str, Any] = {"200": {"description": "Done", "content": {kind: {"schema": schema}}}}
    answers |= {code: {"description": "Not ready", "content": {kind: {"schema": schema}}} for code in more}
    if secured:
        answers |= {"401": _fault("The token is missing or wrong"), "403": _fault("Not from this machine")}
    return {"summary": summary, "responses": answers, **({} if secured else {"security": []})}


def _fault(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": _reference("Error")}}}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
