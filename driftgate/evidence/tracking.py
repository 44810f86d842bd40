"""MLflow: one run for each training, its trials as child runs, and the registry's versions and aliases."""

from __future__ import annotations

import hashlib
import logging
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftgate.config import Problem
from driftgate.data.table import DataVersion
from driftgate.errors import DriftgateError
from driftgate.evidence.provenance import Provenance
from driftgate.production.release import Release
from driftgate.training.evaluation import Evaluation
from driftgate.training.tuned import Tuned
from driftgate.verdict import Verdict
from driftgate.workspace import PROJECT, Workspace

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from mlflow import MlflowClient

    from driftgate.drift.batches import BatchInfo
    from driftgate.drift.check import DriftAnalysis

log = logging.getLogger("driftgate.mlflow")

RELEASE_ARTIFACT = "release"
DRIFT_PAGE = "drift.html"
EXAMPLE_ROWS = 5
MOST_METRICS, MOST_PARAMETERS = 500, 100  # in one request to MLflow
MOST_CHARACTERS = 200  # of the name of a metric or parameter
EPOCH_ORDINAL = 719_163  # of 1970-01-01


def client(workspace: Workspace) -> MlflowClient:
    """A client of the workspace's MLflow."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=workspace.mlflow_uri, registry_uri=workspace.mlflow_uri)


def ensure_experiment(name: str, *, workspace: Workspace) -> str:
    """Find or create the experiment. Its artifacts go to the workspace; MLflow would put them in the working folder.

    Returns:
        The experiment's id.
    """
    from mlflow.exceptions import MlflowException

    mlflow = client(workspace)
    found = mlflow.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    local = workspace.mlflow_uri.startswith("sqlite:")
    location = (workspace.mlflow_artifacts / name).as_uri() if local else None
    try:
        return str(mlflow.create_experiment(name, artifact_location=location))
    except MlflowException:
        found = mlflow.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)


class Tracker:
    """Writes to one MLflow run.

    Args:
        run_id: Id of the run. The run must be active to log a model or a data set.
        workspace: The workspace, which names the MLflow server.
    """

    def __init__(self, run_id: str, *, workspace: Workspace) -> None:
        self.run_id = run_id
        self._workspace = workspace
        self._client = client(workspace)

    @classmethod
    def of_active_run(cls, *, workspace: Workspace) -> Tracker:
        """The tracker of the run that is active in this process.

        Raises:
            DriftgateError: If no run is active.
        """
        import mlflow

        run = mlflow.active_run()
        if run is None:
            raise DriftgateError("No MLflow run is active.", "Run the step within a pipeline, on a stack with MLflow.")
        return cls(run.info.run_id, workspace=workspace)

    def start(self, problem: Problem, version: DataVersion, state: Provenance, *, zenml_run: str) -> None:
        """Log the inputs of a training: parameters, data version, commit, lock hash, ZenML run, and files to repeat it."""
        tags = {
            "problem": problem.name,
            "data_md5": version.md5,
            **state.tags(),
            "zenml_run_id": zenml_run,
            "mlflow.source.git.commit": state.commit or "none",
        }
        parameters = flat(problem.model_dump(mode="json"))
        parameters |= {"as_of": str(version.as_of), "data_rows": str(version.rows), "python": state.python}
        parameters |= {f"data_left_out.{reason}": str(rows) for reason, rows in version.left_out.model_dump().items()}
        self._log_batch(tags=tags, parameters=parameters)
        self._client.log_dict(self.run_id, problem.model_dump(mode="json"), "problem.json")
        self._client.log_dict(self.run_id, state.model_dump(mode="json"), "environment/provenance.json")
        self._client.log_text(self.run_id, _installed_packages(), "environment/packages.txt")
        if (PROJECT / "uv.lock").exists():
            self._client.log_artifact(self.run_id, str(PROJECT / "uv.lock"), "environment")

    def start_drift(self, problem: Problem, batch: BatchInfo, state: Provenance, *, zenml_run: str) -> None:
        """Log the inputs of a drift check: model, rows, commit, lock hash, ZenML run."""
        tags = {"problem": problem.name, "model": batch.model, "data_md5": batch.md5, "zenml_run_id": zenml_run}
        self._log_batch(
            tags={**tags, **state.tags()},
            parameters={key: str(value) for key, value in batch.model_dump().items()},
        )

    def start_deployment(self, problem: Problem, model: str, state: Provenance, *, zenml_run: str) -> None:
        """Log the inputs of a deployment: model, commit, lock hash, ZenML run."""
        self._log_batch(
            tags={"problem": problem.name, "model": model, "zenml_run_id": zenml_run, **state.tags()},
            parameters={"model": model},
        )

    def log_drift(self, analysis: DriftAnalysis, page: str) -> None:
        """Log the page, the result as JSON, and each column's distance, limit and missing share as metrics."""
        self._log_batch(metrics=drift_metrics(analysis))
        self._client.log_dict(self.run_id, analysis.model_dump(mode="json"), "drift.json")
        self._client.log_text(self.run_id, page, DRIFT_PAGE)

    def log_timeline(self, analysis: DriftAnalysis, *, name: str) -> None:
        """Log the same metrics to one permanent run per model version, so that MLflow can chart them over time.

        A step is the number of days since 1970.

        Args:
            analysis: The result of a check; nothing is logged if its rows have no time.
            name: Name of the model and its version.
        """
        from filelock import FileLock
        from mlflow.entities import Metric

        last = analysis.drift.last
        if last is None:
            return
        experiment = self._client.get_run(self.run_id).info.experiment_id
        with FileLock(self._workspace.root / "timeline.lock"):
            known = self._client.search_runs([experiment], f"tags.timeline = '{name}'")
            timeline = known[0] if known else self._client.create_run(
                experiment, run_name=f"timeline of {name}", tags={"timeline": name}
            )  # fmt: skip
        moment, day = max(0, int(last.timestamp() * 1000)), last.toordinal() - EPOCH_ORDINAL
        metrics = [Metric(allowed(key), value, moment, day) for key, value in drift_metrics(analysis).items()]
        for start in range(0, len(metrics), MOST_METRICS):
            self._client.log_batch(timeline.info.run_id, metrics=metrics[start : start + MOST_METRICS])
        self._client.set_terminated(timeline.info.run_id)

    def log_data_set(self, frame: pd.DataFrame, problem: Problem, version: DataVersion, *, context: str) -> None:
        """Log the rows as an MLflow data set; its digest is DVC's md5 of the file."""
        import mlflow.data

        columns = [*problem.contract.columns, problem.target.column]
        plain = [name for name in problem.contract.numeric if name in problem.contract.columns]
        # Whole numbers as floats: MLflow's schema allows missing values only in floats.
        shown = frame[columns].astype(dict.fromkeys(plain, "float64"))
        data_set = mlflow.data.from_pandas(
            shown,
            source=version.path,
            targets=problem.target.column,
            name=problem.name,
            digest=version.md5,
        )
        mlflow.log_input(data_set, context=context)

    def log_tuning(self, tuned: Tuned) -> None:
        """Log each trial as a child run, and the winner's settings and cross-validation to the run itself."""
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.utils.time import get_current_time_millis

        experiment = self._client.get_run(self.run_id).info.experiment_id
        for trial in tuned.trials:
            now = get_current_time_millis()
            child = self._client.create_run(
                experiment,
                start_time=now - int(trial.seconds * 1000),
                run_name=f"{trial.family} {trial.number or 'untuned'}",
                tags={"mlflow.parentRunId": self.run_id},
            )
            self._client.log_batch(
                child.info.run_id,
                metrics=[Metric(tuned.metric, trial.score, now, 0), Metric("seconds", trial.seconds, now, 0)],
                params=[Param("family", trial.family)]
                + [Param(key, str(value)) for key, value in trial.settings.items()],
                tags=[RunTag("trial", str(trial.number or "untuned")), RunTag("pruned", str(trial.pruned).lower())],
            )
            self._client.set_terminated(child.info.run_id, end_time=now)
        metrics = {}
        for name in tuned.cross_validation[0].metrics:
            metrics[f"cv_{name}_mean"] = tuned.mean(name)
            metrics[f"cv_{name}_std"] = tuned.spread(name)
        winner = {"winner": tuned.family} | {f"winner.{key}": str(value) for key, value in tuned.settings.items()}
        if tuned.average:
            winner["average"] = ", ".join(member.family for member in tuned.average)
        tags = {"tuning_cut": ", ".join(tuned.cut) or "no", "untuned": str(tuned.untuned).lower()}
        self._log_batch(metrics=metrics, parameters=winner, tags=tags)
        self._client.log_dict(self.run_id, tuned.model_dump(mode="json"), "tuning.json")

    def log_evaluation(self, evaluation: Evaluation, plots: Mapping[str, bytes]) -> None:
        """Log the holdout metrics with their intervals, those of each class, and the plots as PNG files."""
        metrics = {"threshold": evaluation.threshold}
        for name, found in evaluation.metrics.items():
            metrics |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        self._log_batch(metrics=metrics | class_metrics(evaluation))
        self._client.log_dict(self.run_id, evaluation.model_dump(mode="json"), "evaluation.json")
        with tempfile.TemporaryDirectory() as folder:
            for name, picture in plots.items():
                (Path(folder) / f"{name}.png").write_bytes(picture)
            self._client.log_artifacts(self.run_id, folder, "plots")

    def log_speed(self, *, latency_p99_ms: float, rows_per_second: float) -> None:
        """Log how fast the exported model predicts one row, and many at once."""
        self._log_batch(metrics={"latency_p99_ms": latency_p99_ms, "rows_per_second": rows_per_second})

    def log_verdict(self, verdict: Verdict, page: str) -> None:
        """Log the verdict as JSON and as a page, and as a tag for searches."""
        self._log_batch(tags={"verdict": verdict.outcome})
        self._client.log_dict(self.run_id, verdict.model_dump(mode="json"), "verdict.json")
        self._client.log_text(self.run_id, page, "verdict.html")

    def log_model(self, onnx: bytes, features: pd.DataFrame, probability: np.ndarray) -> str:
        """Log the ONNX model with signature and example, so that `mlflow models serve` can serve it; it has no pickle.

        Args:
            onnx: The model, from `export.for_tables`.
            features: Inputs of the model; the first rows become the example.
            probability: Probability of the positive class for these rows, of shape (n,), or of every class, of shape
                (n, classes).

        Returns:
            The model's URI.
        """
        import mlflow
        import numpy as np
        import onnx as onnx_package
        from mlflow.models import ModelSignature
        from mlflow.types.utils import _infer_schema

        example, model = features.head(EXAMPLE_ROWS), onnx_package.load_from_string(onnx)
        values = probability[:EXAMPLE_ROWS].astype(np.float32)
        of_outputs = [values] if values.ndim == 1 else list(values.T)
        outputs = {output.name: of_one for output, of_one in zip(model.graph.output, of_outputs, strict=True)}
        info = mlflow.onnx.log_model(
            model,
            name="model",
            signature=ModelSignature(inputs=_infer_schema(example), outputs=_infer_schema(outputs)),
            input_example=example,
            pip_requirements=[f"{name}=={_version_of(name)}" for name in ("mlflow", "onnx", "onnxruntime", "numpy")],
            save_as_external_data=False,
        )
        return str(info.model_uri)

    def register(self, problem: Problem, model_uri: str, *, tags: Mapping[str, str]) -> str:
        """Create a version of the problem's model; aliases don't change.

        Returns:
            The version, a whole number as text.
        """
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(problem.name, description=problem.description)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = self._client.create_model_version(problem.name, model_uri, self.run_id, tags=dict(tags))
        return str(made.version)

    def keep_release(self, release: Release) -> None:
        """Upload the release to the run, so that any machine can download it."""
        self._client.log_artifacts(self.run_id, str(release.folder), RELEASE_ARTIFACT)

    def _log_batch(
        self,
        *,
        metrics: Mapping[str, float] | None = None,
        parameters: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.utils.time import get_current_time_millis

        now = get_current_time_millis()
        values = [Metric(allowed(key), value, now, 0) for key, value in (metrics or {}).items()]
        known = [Param(allowed(key), str(value)[:6000]) for key, value in (parameters or {}).items()]
        labels = [RunTag(key, value) for key, value in (tags or {}).items()]
        for part in range(max(1, -(-len(values) // MOST_METRICS), -(-len(known) // MOST_PARAMETERS))):
            self._client.log_batch(
                self.run_id,
                metrics=values[part * MOST_METRICS : (part + 1) * MOST_METRICS],
                params=known[part * MOST_PARAMETERS : (part + 1) * MOST_PARAMETERS],
                tags=[] if part else labels,
            )


def allowed(key: str) -> str:
    """A name that MLflow accepts: other characters are replaced, and a hash of the original name keeps it unique."""
    kept = re.sub(r"[^\w.\- :]", "_", key)[:MOST_CHARACTERS].replace("..", "__").strip()
    return kept if kept == key else f"{kept}-{hashlib.sha256(key.encode()).hexdigest()[:6]}"


def class_metrics(evaluation: Evaluation) -> dict[str, float]:
    """The metrics of each class by name, such as `class.late.recall`; those that its rows don't define are left out."""
    return {
        f"class.{found.name}.{metric}": value
        for found in evaluation.classes
        for metric, value in found.model_dump(exclude={"name"}).items()
        if value is not None
    }


def drift_metrics(analysis: DriftAnalysis) -> dict[str, float]:
    """The measured values of a drift check by name: `distance.wx_temp`, `limit.wx_temp`, `estimate.roc_auc`, …"""
    metrics: dict[str, float] = {"rows": analysis.drift.rows, "columns_over_limit": len(analysis.drift.drifted)}
    for column in analysis.drift.columns:
        metrics |= {
            f"distance.{column.name}": column.distance.value,
            f"limit.{column.name}": column.distance.limit,
            f"missing.{column.name}": column.missing,
        }
    for name, expected in analysis.expected.items():
        metrics[f"estimate.{name}"] = expected.estimate.value
        if expected.realised is not None:
            metrics[f"realised.{name}"] = expected.realised.value
    return metrics


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested mappings and lists into one level, with keys joined by dots."""
    result: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            result |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for at, item in enumerate(value):
                result |= flat(item, f"{prefix}{key}.{at}.")
        elif value is not None:
            result[f"{prefix}{key}"] = str(value)
    return result


def _installed_packages() -> str:
    from importlib.metadata import distributions

    lines = {f"{found.metadata['Name']}=={found.version}" for found in distributions() if found.metadata["Name"]}
    return "\n".join(sorted(lines, key=str.lower)) + "\n"


def _version_of(package: str) -> str:
    from importlib.metadata import version

    return version(package)
