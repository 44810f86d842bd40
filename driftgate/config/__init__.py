"""The problem file: one prediction task, read from one YAML in `configs/`."""

from driftgate.config.base import Span
from driftgate.config.data import MAXIMUM_CLASSES, Csv, Data, Target, Texts
from driftgate.config.limits import (
    CalibrationLimit,
    ChampionLimit,
    DriftRule,
    Gate,
    LeakageLimit,
    SliceLimit,
)
from driftgate.config.problem import RESERVED, Problem, is_reserved, load_problem
from driftgate.config.training import (
    FAMILIES,
    LOWER_IS_BETTER,
    METRICS,
    MULTICLASS_METRICS,
    Calibration,
    Candidate,
    Costs,
    GroupSplit,
    Metric,
    RandomSplit,
    Range,
    Setting,
    TimeSplit,
    Tuning,
)

__all__ = [
    "FAMILIES",
    "LOWER_IS_BETTER",
    "MAXIMUM_CLASSES",
    "METRICS",
    "MULTICLASS_METRICS",
    "RESERVED",
    "Calibration",
    "CalibrationLimit",
    "Candidate",
    "ChampionLimit",
    "Costs",
    "Csv",
    "Data",
    "DriftRule",
    "Gate",
    "GroupSplit",
    "LeakageLimit",
    "Metric",
    "Problem",
    "RandomSplit",
    "Range",
    "Setting",
    "SliceLimit",
    "Span",
    "Target",
    "Texts",
    "TimeSplit",
    "Tuning",
    "is_reserved",
    "load_problem",
]  # fmt: skip
