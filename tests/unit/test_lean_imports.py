"""What a command imports: seconds of each start. In processes of their own, since tests import everything."""

import subprocess
import sys

import pytest

from driftgate.workspace import PROJECT

PAGE = """
import re, sys
if "whole" in sys.argv: import evidently
from tests.unit.test_drift_check import COLUMNS, made
from driftgate.contract import Contract
from driftgate.drift import report
from evidently.core.report import Report
from evidently.tests.aliases import lte
import pandas as pd
metrics = [report.Overview(value=1)] + [
    report.Calibrated(column=name, measure="distance", value=value, limit=0.5, question="q", tests=[lte(0.5)])
    for name, value in (("x", 0.1), ("y", 0.9))
]
report.OverviewCalculation.widgets = [report.counter(title="t", counters=[report.CounterData(label="l", value="1")])]
run = Report(metrics, include_tests=False).run(pd.DataFrame({"rows": [1]}), None)
page = re.sub(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}|metric_test_[0-9a-f]+", "id", run.get_html_str(as_iframe=False))
import hashlib
statuses = [test.status.value for result in run._metrics.values() for test in result.tests]
print(len(page), hashlib.sha256(page.encode()).hexdigest(), statuses)
"""


def python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=PROJECT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("cli.main", ("numpy", "zenml", "mlflow")),
        ("driftgate.drift.report", ("scipy", "sklearn", "nltk", "evidently.ui")),
        ("pipelines.drift", ("sklearn", "scipy", "evidently", "bentoml")),
        ("driftgate.training.tuning", ("sklearn", "joblib", "optuna", "pandas")),
    ],
)
def test_module_leaves_heavy_libraries_alone(module: str, without: tuple[str, ...]) -> None:
    imported = python(f"import sys, {module}; print(*sys.modules)").split()
    assert not set(without) & set(imported)


def test_evidently_is_whole_for_who_asks_for_more() -> None:
    code = """
import driftgate.drift.report, evidently
from evidently.presets import DataDriftPreset
from evidently.tests import lte
from evidently.core.report import Report
print(evidently.Report is Report, evidently.tests.gt.__name__, evidently.metrics.ValueDrift.__name__, hasattr(evidently, "no such"))
"""
    assert python(code) == "True gt ValueDrift False"


def test_page_is_that_of_the_whole_evidently() -> None:
    lean, whole = python(PAGE, "lean"), python(PAGE, "whole")
    assert lean == whole
    assert lean.endswith("['SUCCESS', 'FAIL']")


def test_zenml_starts_without_the_libraries_of_other_runs() -> None:
    code = """
import sys
from stacks.lean import start_lean
start_lean(); start_lean()
from zenml.integrations.registry import integration_registry
from zenml.utils import source_utils
integration_registry.activate_integrations()
print(sorted({"bentoml", "sklearn", "scipy"} & set(sys.modules)))
import importlib.metadata
found = source_utils._get_package_for_module("pandas.core.frame"), source_utils._get_package_for_module("yaml")
print(found, source_utils._get_package_for_module("no_such_module"))
"""
    assert python(code).splitlines() == ["[]", "('pandas', 'PyYAML') None"]
