"""Small tables of invented orders, in formats that users have: a problem, and lines of CSV."""

from pathlib import Path
from typing import Any

import yaml

from driftgate.config import Problem
from driftgate.workspace import PROJECT

HEADER = "id,at,country,amount,visits,member,bought\n"
CONTRACT: dict[str, Any] = {
    "country": {"type": "category", "nullable": True},
    "amount": {"type": "number", "nullable": True},
    "visits": {"type": "integer", "nullable": True},
    "member": {"type": "boolean", "nullable": True},
}


def line(**values: str) -> str:
    """A line of a CSV file, with these fields instead of the usual ones."""
    usual = {
        "id": "a", "at": "2024-01-31 18:05:00", "country": "DE", "amount": "69.45", "visits": "6", "member": "true",
        "bought": "0",
    }  # fmt: skip
    return ",".join((usual | values).values()) + "\n"


def shop_content(**changes: Any) -> dict[str, Any]:
    """The content of a problem file about orders; `data`, `target` and `contract` are merged into the usual ones."""
    content: dict[str, Any] = yaml.safe_load((PROJECT / "configs" / "rules.yaml").read_text(encoding="utf-8"))
    usual = {
        "name": "shop",
        "data": {"path": "./orders.csv", "row_id": "id", "timestamp": "at"},
        "target": {"column": "bought", "positive": 1},
        "contract": CONTRACT,
        "split": {"method": "time", "holdout": {"days": 20}, "validation": {"days": 20}, "folds": 1},
    }
    content |= usual
    content["gate"]["slices"] = {}
    for key, value in changes.items():
        content[key] = {**content[key], **value} if key in ("data", "target") else value
    return content


def shop_problem(path: Path, *, timestamp: str | None = "at", **data: Any) -> Problem:
    """The problem of these orders, in a file; further keys are those of `data`."""
    return Problem.model_validate(shop_content(data={"path": str(path), "timestamp": timestamp, **data}))


def write_problem(path: Path, **changes: Any) -> Path:
    """Write a problem file."""
    path.write_text(yaml.safe_dump(shop_content(**changes), allow_unicode=True), encoding="utf-8")
    return path
