"""Results of training and of what is checked about a model."""

from __future__ import annotations

from pydantic import Field

from driftgate.results.base import CheckedResult, Frozen, Moment, PipelineResult


class MetricEstimate(Frozen):
    """A metric and its confidence interval."""

    value: float = Field(description="Value on the rows.")
    low: float = Field(description="Lower end of the interval.")
    high: float = Field(description="Upper end of the interval.")


class ClassMetrics(Frozen):
    """The metrics of one class against all others; a metric is null where the rows don't define it."""

    name: str = Field(description="Name of the class.")
    rows: int = Field(description="Holdout rows of the class.")
    precision: float | None = Field(description="Share of the class among the rows that are predicted as it.")
    recall: float | None = Field(description="Share of the rows of the class that are predicted as it.")
    f1: float | None = Field(description="Harmonic mean of precision and recall.")
    roc_auc: float | None = Field(description="Area under the ROC curve.")
    pr_auc: float | None = Field(description="Average precision.")
    expected_calibration_error: float | None = Field(
        description="Mean gap between the predicted probability of the class and its observed frequency."
    )


class ChampionComparison(Frozen):
    """The champion on the same holdout rows."""

    champion: str = Field(description="Name and version of the champion.")
    metric: str = Field(description="Metric by which the models are compared.")
    gain: MetricEstimate = Field(description="By how much the new model is better, with its interval.")
    metrics: dict[str, float] = Field(description="The champion's metrics on these rows.")
    seen_rows: int = Field(description="Holdout rows that the champion was trained on.")


class TrainedModel(Frozen):
    """The model of a training run."""

    name: str = Field(description="Name of the model: that of its problem.")
    version: str | None = Field(description="Version in the MLflow registry; null where the gate blocked.")
    aliases: tuple[str, ...] = Field(description="Its MLflow aliases.")
    family: str | None = Field(description="Family of the estimator; null where nothing was trained.")


class PredictionSpeed(Frozen):
    """How fast the exported model predicts on this machine, on one thread and without the service around it."""

    single_row_p99_ms: float = Field(description="99th percentile of the CPU time for one row, in milliseconds.")
    rows_per_second: float = Field(description="Rows predicted in a second, 1,000 at once.")


class LeftOut(Frozen):
    """Rows of a data file that a run leaves out, by reason."""

    no_timestamp: int = Field(0, description="Rows without a timestamp.")
    after_as_of: int = Field(0, description="Rows dated at or after the as-of date.")
    no_label: int = Field(0, description="Rows without a label, among the rest.")

    def text(self, *, labels: bool = True) -> str:
        """The counts in words; empty if no row is left out.

        Args:
            labels: Whether rows without a label are left out; a drift check compares them.
        """
        words = {"no_timestamp": "without a timestamp", "after_as_of": "dated at or after as-of"}
        words |= {"no_label": "without a label"} if labels else {}
        counts = self.model_dump()
        listed = ", ".join(f"{counts[key]:,} {reason}" for key, reason in words.items() if counts[key])
        return f"rows left out: {listed}" if listed else ""


class TrainingData(Frozen):
    """The data that a run read."""

    md5: str = Field(description="Version of the data file.")
    rows: int = Field(description="Rows that were read.")
    as_of: Moment | None = Field(description="The as-of date; null where the problem has no timestamp.")
    left_out: LeftOut = Field(LeftOut(), description="Rows of the file that the run leaves out, by reason.")


class ServedAnswers(Frozen):
    """The comparison of the service's answers with offline predictions."""

    rows: int = Field(description="Rows that were sent.")
    equal: int = Field(description="Answers that equal the offline prediction to the last bit.")


class TrainingResult(PipelineResult):
    """A training run: the model, its metrics, and the verdict of the gate."""

    metrics: dict[str, MetricEstimate] = Field(description="Metrics on the holdout rows, by name.")
    classes: tuple[ClassMetrics, ...] = Field(
        (), description="Metrics of each class, in the order of the model's probabilities."
    )
    confusion_matrix: tuple[tuple[int, ...], ...] = Field(
        (), description="Holdout rows by class, and by predicted class within it, in the order of `classes`."
    )
    champion: ChampionComparison | None = Field(description="The champion on the same rows; null where there is none.")
    model: TrainedModel = Field(description="The model.")
    speed: PredictionSpeed | None = Field(
        None, description="How fast the exported model predicts; null where nothing was exported."
    )
    data: TrainingData = Field(description="The data.")
    release: str | None = Field(description="Folder of the release; null where the gate blocked.")
    bento: str | None = Field(description="Folder of the bento; null where the gate blocked.")
    report: str | None = Field(description="File of the drift report; null where the run ended before.")
    service: ServedAnswers | None = Field(
        None, description="The check of the service; null where the command doesn't start one."
    )


class ContractResult(CheckedResult):
    """A check of every row of the data against the contract."""

    runs: dict[str, str | None] = Field(default_factory=dict, max_length=0, description="Empty: no pipeline runs.")
    finished_at: Moment = Field(description="When the check ended, in UTC.")
    data: TrainingData = Field(description="The data.")
    seconds: float = Field(description="How long the command took.")


class ReproductionResult(CheckedResult):
    """A version that was trained again, compared with the registered one."""

    version: str = Field(description="Version that was trained again.")
    same: bool = Field(description="Whether the same model came out, to the last bit.")
    commit: str | None = Field(description="Commit of the code.")
    data_md5: str = Field(description="Version of the data file.")
    as_of: str | None = Field(description="The as-of date; null where the problem has no timestamp.")
    seconds: float = Field(description="How long the command took.")
