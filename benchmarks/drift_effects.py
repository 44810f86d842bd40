"""Which columns matter: the loss of the model if a column is stuck, and the effect of shuffling it.

    python benchmarks/drift_effects.py

The model is trained on January to March and evaluated on April to June. The constants of the drift checks were chosen on
these rows.
Each column in turn is stuck at the value of one row, for ten rows drawn at random. Results go to
benchmarks/results/drift-effects.json.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.drift import prepare
from benchmarks.record import save
from driftgate.data.table import features_of, labels_of
from driftgate.training.metrics import point_metrics

DRAWS = 10


def main() -> None:
    warnings.filterwarnings("ignore")
    study, draw = prepare("choose"), np.random.default_rng(3)
    contract, rows = study.problem.contract, study.later.reset_index(drop=True)
    features, labels = features_of(rows, contract), labels_of(rows, study.problem)

    def auc(frame: object) -> float:
        return point_metrics(labels, study.scorer.probability(frame), threshold=0.5)["roc_auc"]  # type: ignore[arg-type]

    base, found = auc(features), {}
    for name in contract.features:
        stuck = [features.assign(**{name: features[name].iloc[int(draw.integers(len(rows)))]}) for _ in range(DRAWS)]
        lost = [base - auc(frame) for frame in stuck]
        found[name] = {
            "effect": round(study.profile.effects[name], 4),
            "auc_lost_mean": round(float(np.mean(lost)), 4),
            "auc_lost_most": round(float(np.max(lost)), 4),
        }
    found = dict(sorted(found.items(), key=lambda item: item[1]["effect"]))
    save("drift-effects", {"roc_auc": round(base, 4), "columns": found})
    print(f"ROC AUC {base:.4f} on {len(rows):,} rows")
    for name, item in found.items():
        print(
            f"{name:20} effect {item['effect']:.4f}   lost {item['auc_lost_mean']:+.4f}, at most {item['auc_lost_most']:+.4f}"
        )


if __name__ == "__main__":
    main()
