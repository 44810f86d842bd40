"""Weights of rows, for libraries whose estimators take no `class_weight`."""

from __future__ import annotations

from typing import Any


def sample_weight(labels: Any, class_weight: str | None) -> Any:
    """The weight of each row: n / (classes × rows of its class) for `balanced`, None without weights.

    Raises:
        ValueError: If `class_weight` is neither.
    """
    if class_weight is None:
        return None
    if class_weight != "balanced":
        raise ValueError(f"class_weight must be balanced or null, not {class_weight!r}")
    from sklearn.utils.class_weight import compute_sample_weight

    return compute_sample_weight("balanced", labels)
