"""Tune the candidates: Optuna draws settings, the folds score them, and the best of all families is chosen."""

from __future__ import annotations

import logging
import math
import statistics
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftgate.config import LOWER_IS_BETTER, Candidate, Problem
from driftgate.training.families.catalog import family_name
from driftgate.training.families.estimators import ROUNDS
from driftgate.training.finished import FinishedFit, FinishedFits
from driftgate.training.modelling import suggest
from driftgate.training.rounds import stops_early, with_rounds
from driftgate.training.selection import Done, Selection, rank
from driftgate.training.splitting import Fold, folds
from driftgate.training.trials import Fits, Wanted
from driftgate.training.tuned import Member, Trial, Tuned
from driftgate.words import plural

if TYPE_CHECKING:
    import optuna
    import pandas as pd

log = logging.getLogger("driftgate.tune")

RANDOM_TRIALS = 10  # drawn at random, before the sampler learns from the scores of earlier trials
BATCH = 4  # trials drawn at once after that; fixed, so that they don't depend on the number of processes
FEWEST_TO_PRUNE = 4  # trials of a family that have the same folds; with fewer, none is pruned


def tune(development: pd.DataFrame, problem: Problem, *, finished: FinishedFits | None = None) -> Tuned:
    """Run the trials of each family, choose a single model or an average, and cross-validate what was chosen.

    The number of trials is fixed and the sampler is seeded, so runs are repeatable; the time limit is a safety net. Trials
    run in parallel processes; the settings that are tried don't depend on the number of processes.

    Args:
        development: The rows before the holdout.
        problem: Gives families, search spaces, trials, metric and time limit in `tuning`.
        finished: Finished fits of the same search, if it was interrupted; new ones are added.
    """
    if finished is None:
        with tempfile.TemporaryDirectory() as folder:
            return tune(development, problem, finished=FinishedFits(Path(folder)))
    fits = Fits(development, problem, finished)
    parts = folds(development, problem)
    tuning_parts = parts[-1:] if problem.split.tune_on == "validation" else parts
    searches = _search(problem, fits, tuning_parts)
    ranked = rank([done for search in searches for done in search.done], problem.tuning.metric)
    return _choose(ranked, searches, problem, fits, tuning_parts, parts)


def _search(problem: Problem, fits: Fits, parts: list[Fold]) -> list[_Search]:
    """Run all trials, or those that start before the time limit and one of each family."""
    deadline = time.monotonic() + problem.tuning.time_limit_seconds
    searches = [_Search(candidate, problem) for candidate in problem.tuning.candidates]
    while not all(search.drawn for search in searches):
        drawn = [trial for search in searches for trial in search.ask()]
        _run(drawn, problem, fits, parts, deadline=deadline)
        if time.monotonic() > deadline:
            break
    if fits.reused:
        log.info(
            "the interrupted search of the same data, problem and code continues: %d fits were finished", fits.reused
        )
    for search in searches:
        if search.cut:
            name = family_name(search.candidate.family)
            log.warning(
                "time limit reached: the search of %s stopped after %d of %d trials",
                name, len(search.done), search.planned,
            )  # fmt: skip
    return searches


def _choose(
    ranked: list[Done],
    searches: list[_Search],
    problem: Problem,
    fits: Fits,
    tuning_parts: list[Fold],
    parts: list[Fold],
) -> Tuned:
    best, metric = ranked[0], problem.tuning.metric
    selection = Selection(fits, tuning_parts, problem)
    plain = next((one for one in ranked if one.trial.untuned), None)
    gain = selection.gain([best], [plain]) if plain and not best.trial.untuned else None
    log.info(
        "best: %s%s, %s %.4f",
        "untuned " if best.trial.untuned else "",
        family_name(best.trial.family),
        metric,
        best.trial.score,
    )
    if best.trial.untuned:
        log.info("no tuned candidate scores better than the best untuned one, which is taken")
    elif gain and plain:
        log.info("untuned %s: %s %.4f; gain %.4f [%.4f, %.4f]", family_name(plain.trial.family), metric, plain.trial.score, gain.value, gain.low, gain.high)  # fmt: skip
    averaged, gain_of_average = selection.average(ranked) if problem.tuning.average > 1 else ([], None)
    if gain_of_average:
        log.info(
            "average of the best: gain %.4f [%.4f, %.4f], %s",
            gain_of_average.value, gain_of_average.low, gain_of_average.high,
            f"taken: {len(averaged)} models" if averaged else "not taken",
        )  # fmt: skip
    members = averaged or [best]
    log.info("cross-validating %s", ", ".join(family_name(one.trial.family) for one in members))
    known = fits.trained_rows(tuning_parts)
    sampled = known if known < max(len(part.train) for part in tuning_parts) else None
    if sampled:
        log.info("trials were fitted on samples of %s rows", f"{sampled:,}")
    return Tuned(
        family=best.trial.family,
        settings=best.trial.settings,
        metric=metric,
        score=best.trial.score,
        trials=tuple(done.trial for search in searches for done in search.done),
        cross_validation=fits.cross_validate([one.member for one in members], parts),
        cut=tuple(search.candidate.family for search in searches if search.cut),
        untuned=best.trial.untuned,
        gain_over_untuned=gain,
        average=tuple(one.member for one in averaged),
        gain_of_average=gain_of_average,
        sampled_rows=sampled,
    )


@dataclass(frozen=True)
class _Drawn:
    """A trial that is to run: drawn by the sampler, or untuned (`trial` is None).

    `always` makes it run even after the time limit.
    """

    search: _Search
    trial: optuna.Trial | None
    number: int
    member: Member
    always: bool


class _Search:
    """The search of one family: its sampler, and the finished trials.

    The family's own settings are trial 0. The others are drawn in batches of a fixed size. The first batch has
    `RANDOM_TRIALS` random trials, which don't depend on other scores; after that, the sampler learns between batches.
    """

    def __init__(self, candidate: Candidate, problem: Problem) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.candidate = candidate
        self.planned = 1 + (candidate.trials if candidate.search else 0)
        self.done: list[Done] = []
        self.fits: list[list[FinishedFit]] = []  # of each finished or pruned trial
        self._asked = 0
        self._study = optuna.create_study(
            direction="minimize" if problem.tuning.metric in LOWER_IS_BETTER else "maximize",
            sampler=_sampler(problem.seed),
        )

    @property
    def drawn(self) -> bool:
        """Whether all trials were drawn."""
        return self._asked == self.planned

    @property
    def cut(self) -> bool:
        """Whether the time limit ended the search early."""
        return len(self.done) < self.planned

    def ask(self) -> list[_Drawn]:
        """Draw the next batch."""
        family, first = self.candidate.family, self._asked == 0
        batch = [_Drawn(self, None, 0, Member(family=family, settings=dict(self.candidate.fixed)), always=True)]
        batch = batch if first else []
        number = min(self.planned - self._asked - len(batch), RANDOM_TRIALS if first else BATCH)
        self._asked += len(batch) + number
        for _ in range(number):
            trial = self._study.ask()
            member = Member(family=family, settings=suggest(trial, self.candidate))
            batch.append(_Drawn(self, trial, trial.number + 1, member, always=False))
        return batch

    def tell(self, drawn: _Drawn, fits: list[FinishedFit], *, metric: str, pruned: bool) -> None:
        """Record a finished or pruned trial, and pass its mean score to the sampler."""
        import optuna

        mean = _mean(fits, metric)
        if drawn.trial is not None and pruned:
            drawn.trial.report(mean, len(fits))
            self._study.tell(drawn.trial, state=optuna.trial.TrialState.PRUNED)
        elif drawn.trial is not None:
            bad = math.isnan(mean)
            self._study.tell(drawn.trial, None if bad else mean, state=optuna.trial.TrialState.FAIL if bad else None)
        trial = Trial(
            family=self.candidate.family,
            number=drawn.number,
            settings=_fixed_rounds(drawn.member, fits).settings,
            score=mean,
            seconds=_seconds(fits),
            untuned=drawn.trial is None,
            pruned=pruned,
        )
        self.done.append(Done(trial, drawn.member))
        self.fits.append(fits)

    def report(self, drawn: _Drawn, fits: list[FinishedFit], *, metric: str, pruned: bool) -> None:
        """Log a finished or pruned trial."""
        log.info(
            "%s %s: %s %.4f (%.1f s)%s",
            family_name(self.candidate.family),
            "untuned" if drawn.trial is None else f"{drawn.number}/{self.candidate.trials}",
            metric,
            _mean(fits, metric),
            _seconds(fits),
            f", pruned after {plural(len(fits), 'fold')}" if pruned else "",
        )


def _run(drawn: list[_Drawn], problem: Problem, fits: Fits, parts: list[Fold], *, deadline: float) -> None:
    """Score each trial on the folds, prune those that score worse than most, and pass the scores to the searches.

    All trials of a batch run on the same folds before it is decided which go on. So it doesn't depend on which process is
    quicker. Trials that start after the deadline don't run.
    """
    metric = problem.tuning.metric
    found: dict[int, list[FinishedFit]] = {at: [] for at in range(len(drawn))}
    going, pruned = set(found), set[int]()
    for stage in _stages(parts, pruning=problem.tuning.pruning):
        order, last = sorted(going), stage[-1] is parts[-1]
        wanted = [Wanted(drawn[at].member, part, always=drawn[at].always) for at in order for part in stage]
        made = fits.make(wanted, deadline=deadline)
        for at in order:
            scores = [fit for fit in islice(made, len(stage)) if fit is not None]
            if len(scores) < len(stage):
                going.discard(at)  # the deadline came first
                del found[at]
                continue
            found[at] += scores
            if last:
                drawn[at].search.report(drawn[at], found[at], metric=metric, pruned=False)
        deque(made, maxlen=0)  # lets it end
        if not last:
            lost = _worse_than_most(drawn, {at: found[at] for at in going}, metric)
            going, pruned = going - lost, pruned | lost
            for at in sorted(lost):
                drawn[at].search.report(drawn[at], found[at], metric=metric, pruned=True)
    for at, scores in sorted(found.items()):
        drawn[at].search.tell(drawn[at], scores, metric=metric, pruned=at in pruned)


def _stages(parts: list[Fold], *, pruning: bool) -> list[list[Fold]]:
    """The folds between which trials may be pruned: the first third at once, then one by one."""
    if not pruning or len(parts) < 3:
        return [parts]
    first = math.ceil(len(parts) / 3)
    return [parts[:first], *([part] for part in parts[first:])]


def _worse_than_most(drawn: list[_Drawn], found: dict[int, list[FinishedFit]], metric: str) -> set[int]:
    """Trials whose mean score is worse than the median of all trials of their family on the same folds; untuned ones stay."""
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    lost: set[int] = set()
    for search in {id(one.search): one.search for one in drawn}.values():
        scores = {at: sign * _mean(fits, metric) for at, fits in found.items() if drawn[at].search is search}
        folds_so_far = max((len(found[at]) for at in scores), default=0)
        earlier = [sign * _mean(fits[:folds_so_far], metric) for fits in search.fits if len(fits) >= folds_so_far > 0]
        if len(scores) + len(earlier) >= FEWEST_TO_PRUNE:
            middle = statistics.median([*scores.values(), *earlier])
            lost |= {at for at, score in scores.items() if score < middle and drawn[at].trial is not None}
    return lost


def _mean(fits: Sequence[FinishedFit], metric: str) -> float:
    return sum(fit.score.metrics[metric] for fit in fits) / len(fits)


def _seconds(fits: Sequence[FinishedFit]) -> float:
    return round(sum(fit.seconds for fit in fits), 2)


def _fixed_rounds(member: Member, fits: Sequence[FinishedFit]) -> Member:
    """The model with the number of rounds that early stopping found: the median of the folds."""
    if not stops_early(member):
        return member
    key = ROUNDS[member.family]
    return with_rounds(member, round(statistics.median(int(str(fit.settings[key])) for fit in fits)))


def _sampler(seed: int) -> Any:
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # The constant liar keeps the trials of one batch apart from each other.
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS, constant_liar=True)
