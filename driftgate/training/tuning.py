"""Tune and train: `tune` chooses what to train, `train` makes the final model of it."""

from driftgate.training.refit import train
from driftgate.training.search import RANDOM_TRIALS, tune
from driftgate.training.thresholds import best_f1_threshold, choose_threshold, lowest_cost_threshold
from driftgate.training.tuned import FoldScore, Member, Trained, Trial, Tuned

__all__ = [
    "RANDOM_TRIALS",
    "FoldScore",
    "Member",
    "Trained",
    "Trial",
    "Tuned",
    "best_f1_threshold",
    "choose_threshold",
    "lowest_cost_threshold",
    "train",
    "tune",
]
