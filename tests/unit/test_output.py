"""What the terminal shows of a result."""

import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import click

from cli.output import data as shown_data
from cli.output.experiment import print_experiment
from cli.output.predictions import print_counts, print_file
from cli.output.production import print_move, print_releases
from cli.output.training import print_training
from cli.tables import VERBOSE
from driftgate.data import remote, versions
from driftgate.production.deployments import releases_result
from driftgate.production.move import Production
from driftgate.results.base import now
from driftgate.results.experiment import ExperimentProgress, ExperimentResult, Gain
from driftgate.results.predictions import PredictionsFileResult, PredictionsResult
from driftgate.results.production import MoveResult, ServiceState
from driftgate.results.training import ChampionComparison, ClassMetrics, MetricEstimate, ServedAnswers
from tests.repository import Repository, renamed
from tests.results import trained

ESTIMATE = MetricEstimate(value=0.9, low=0.8, high=0.95)


def shown(show: Callable[[Any, IO[str]], None], result: Any) -> str:
    page = io.StringIO()
    show(result, page)
    return page.getvalue()


def test_a_training_run_shows_metrics_beside_the_champion() -> None:
    alone = shown(print_training, trained(metrics={"accuracy": ESTIMATE}))
    assert "none yet" in alone
    champion = ChampionComparison(champion="rules 2", metric="accuracy", gain=ESTIMATE, metrics={"accuracy": 0.7}, seen_rows=0)  # fmt: skip
    result = trained(metrics={"accuracy": ESTIMATE}, champion=champion, service=ServedAnswers(rows=9, equal=9))
    page = shown(print_training, result)
    assert "0.7000" in page
    assert "model    rules 3 (random_forest), candidate" in page
    assert "service  9 of 9 answers equal the offline predictions" in page


def _classes(number: int) -> tuple[ClassMetrics, ...]:
    usual = {"precision": 0.9, "recall": 0.8, "roc_auc": None, "pr_auc": 0.7, "expected_calibration_error": 0.01}
    names = ["[red]late", "two\nlines", *(f"class {at}" for at in range(number))][:number]
    return tuple(ClassMetrics(name=name, rows=9, f1=0.5 + at / 100, **usual) for at, name in enumerate(names))


def test_few_classes_are_shown_in_a_table_and_many_by_the_worst() -> None:
    metrics = {"accuracy": ESTIMATE, "f1_weighted": ESTIMATE}
    few = shown(print_training, trained(metrics=metrics, classes=_classes(3)))
    assert "[red]late" in few
    assert "two lines" in few
    assert "f1_weighted" not in few
    many = shown(print_training, trained(metrics=metrics, classes=_classes(50)))
    assert "lowest F1 of 50 classes: '[red]late' 0.5000, 'two lines' 0.5100, 'class 0' 0.5200; --verbose" in many
    assert "class 40" not in many
    with click.Context(click.Command("train")) as context:
        context.meta[VERBOSE] = True
        every = shown(print_training, trained(metrics=metrics, classes=_classes(50)))
    assert "class 40" in every
    assert "f1_weighted" in every


def test_two_classes_need_no_table() -> None:
    assert "class 0" not in shown(print_training, trained(metrics={"accuracy": ESTIMATE}, classes=_classes(2)))


def test_a_move_shows_what_the_running_service_says() -> None:
    def line(**service: Any) -> str:
        state = ServiceState(**{"address": "http://x", "answers": True, "version": None, "error": None, **service})
        result = MoveResult(
            problem="rules", verdict="pass", checks=(), event="production", version="2", previous=None, who="ann",
            reason="read", document="production.json", service=state, seconds=1.0, finished_at=now(),
        )  # fmt: skip
        return next(line for line in shown(print_move, result).splitlines() if line.startswith("service"))

    assert line(version="2") == "service  http://x serves it"
    assert line(answers=False) == "service  http://x does not answer"
    assert line(error="altered") == "service  altered"


def test_releases_show_the_record(contested: Production) -> None:
    page = shown(print_releases, releases_result(contested))
    assert page.startswith("production  rules 1 since ")
    assert page.count("staged") == 1


def test_an_experiment_shows_its_progress_and_the_labels_it_needs() -> None:
    gain = Gain(labels=90, mean=0.01, low=-0.01, high=0.03)
    progress = ExperimentProgress(
        id="a", champion="1", challenger="2", mode="split", share=0.2, since=dt.datetime.now(dt.UTC),
        requests={"champion": 80, "challenger": 20}, draws={"champion": 8, "challenger": 2}, labelled=95,
        observed_share=0.2, share_low=0.1, share_high=0.3, fair=True, gain=gain, decision="undecided",
        caller_share=0.2, addresses=3, left_out=4, largest_share=0.2,
    )  # fmt: skip
    result = ExperimentResult(
        problem="rules", verdict="none", checks=(), action="status", version="1", previous=None, champion="1",
        challenger="2", mode="split", share=0.2, labels_needed={"0.01": None, "0.02": 700}, standing=None, seconds=1.0,
    )  # fmt: skip
    assert "0.01: more than 100,000; 0.02: 700" in shown(print_experiment, result)
    page = shown(print_experiment, result.model_copy(update={"labels_needed": None, "standing": progress}))
    assert "share      20.0% (10.0% to 30.0%) of 10 draws, configured 20%" in page
    assert "labels     90, the first of each draw, without 4 over the limit for one address; 95 in all" in page
    assert (
        "callers    3 network addresses, the largest with 20% of the labels; one address counts for at most 20%" in page
    )
    assert "decision   undecided" in page


def test_the_data_show_their_state_and_what_comes_next(place: Repository) -> None:
    everything: dict[str, Any] = {"remote": None, "workspace": place.workspace}
    assert "committed  yes" in shown(shown_data.print_data_status, remote.status(place.problem, **everything))
    listed = shown(shown_data.print_data_versions, versions.versions(place.problem, **everything))
    assert place.second[:8] in listed
    used = shown(shown_data.print_data_use, versions.use(place.problem, place.first, force=False, **everything))
    assert f"from       cache\nbefore     {place.second}" in used
    place.data.write_bytes(place.file(renamed(place.rows, "other")).read_bytes())
    page = shown(shown_data.print_data_status, remote.status(place.problem, **everything))
    assert "state      changed" in page
    assert f"next       run.py data use {place.first[:8]} --force" in page


def test_predictions_show_their_times_and_the_file() -> None:
    counts = PredictionsResult(
        predictions=4, labelled=1, by_version={"rules 1": 4}, first=dt.datetime(2026, 1, 1), last=dt.datetime(2026, 1, 2),
        segments=1, bad_lines=2, unreadable_files=0,
    )  # fmt: skip
    page = io.StringIO()
    print_counts(counts, Path("log"), page)
    assert "predictions  4, from 2026-01-01 00:00 to 2026-01-02 00:00 UTC" in page.getvalue()
    assert "labelled     1 (25.0%)" in page.getvalue()
    assert "bad lines    2, left out" in page.getvalue()
    assert "bad files" not in page.getvalue()
    written = PredictionsFileResult(rows=4, file="week.csv", bad_lines=0, unreadable_files=0)
    assert shown(print_file, written) == "4 predictions in week.csv\n"
