"""The scores of a champion's and a challenger's predictions, from their lines in the log and the labels by class name.

The score is the Brier score of `sequential.squared_errors`. The versions may have different classes: they are scored on the
classes of both, and a class that a version doesn't know has probability 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from driftgate.production.release import Card
from driftgate.production.sequential import paired_gains, split_gains, squared_errors

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SHADOW = "shadow "  # before the name of each column of the challenger, where both predicted a row


class ArmScore(BaseModel):
    """The scores of one arm: its labels that count, the mean Brier score, and the share of correct predictions."""

    model_config = ConfigDict(frozen=True)

    labels: int
    brier: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Rivals:
    """The two versions of an experiment."""

    champion: Card
    challenger: Card

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of both."""
        return tuple(dict.fromkeys((*self.champion.classes, *self.challenger.classes)))

    def in_split(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows that the two versions answered, as the present champion and challenger."""
        one, other = (
            (rows["arm"] == arm) & (rows["version"] == card.version) & self._complete(rows, card)
            for arm, card in (("champion", self.champion), ("challenger", self.challenger))
        )
        return rows.loc[one | other]

    def in_shadow(self, rows: pd.DataFrame, shadow: pd.DataFrame) -> pd.DataFrame:
        """The rows that both versions predicted.

        Args:
            rows: Rows that the service answered.
            shadow: Rows that challengers predicted in shadow mode.
        """
        shadow = shadow[shadow["version"] == self.challenger.version]
        shadow = shadow[self._complete(shadow, self.challenger)]
        shadow = shadow.rename(columns=lambda name: name if name == "prediction_id" else f"{SHADOW}{name}")
        rows = rows[self._complete(rows, self.champion)]
        found: pd.DataFrame = rows.merge(shadow, on="prediction_id")
        return found

    def split_values(self, rows: pd.DataFrame, share: float) -> np.ndarray:
        """The values of the confidence sequence, if each row was predicted by one of the versions."""
        import numpy as np

        challenged = (rows["arm"] == "challenger").to_numpy()
        losses = np.where(challenged, *(self._losses(rows, card) for card in (self.challenger, self.champion)))
        return split_gains(losses, challenged, share=share)

    def shadow_values(self, rows: pd.DataFrame) -> np.ndarray:
        """The values of the confidence sequence, if both versions predicted each row."""
        one, other = self._aligned(rows, self.champion), self._aligned(_of_challenger(rows), self.challenger)
        return paired_gains(one, other, self._labels(rows))

    def scores_in_split(self, rows: pd.DataFrame) -> dict[str, ArmScore]:
        """The scores of each arm in its own rows."""
        arms = {"champion": self.champion, "challenger": self.challenger}
        return {arm: self._score(rows[rows["arm"] == arm], card) for arm, card in arms.items()}

    def scores_in_shadow(self, rows: pd.DataFrame) -> dict[str, ArmScore]:
        """The scores of both in the same rows."""
        other = _of_challenger(rows).assign(label=rows["label"])
        return {"champion": self._score(rows, self.champion), "challenger": self._score(other, self.challenger)}

    def _score(self, rows: pd.DataFrame, card: Card) -> ArmScore:
        import numpy as np

        from driftgate.probability import predicted
        from driftgate.production.predictions import class_probabilities

        if not len(rows):
            return ArmScore(labels=0, brier=None, accuracy=None)
        codes = predicted(class_probabilities(rows, card.classes), threshold=card.threshold)
        hits = np.array(card.classes, dtype=object)[codes] == rows["label"].to_numpy(dtype=object)
        return ArmScore(labels=len(rows), brier=float(self._losses(rows, card).mean()), accuracy=float(hits.mean()))

    def _losses(self, rows: pd.DataFrame, card: Card) -> np.ndarray:
        return squared_errors(self._aligned(rows, card), self._labels(rows))

    def _aligned(self, rows: pd.DataFrame, card: Card) -> np.ndarray:
        """The probabilities of one version, of shape (n,) if both have the same two classes, else for the classes of both."""
        from driftgate.production.predictions import class_probabilities

        return self.align(class_probabilities(rows, card.classes), card)

    def _labels(self, rows: pd.DataFrame) -> np.ndarray:
        import pandas as pd

        if self.same_two:
            return (rows["label"] == self.classes[1]).to_numpy(dtype=float)
        found: np.ndarray = pd.Index(self.classes, dtype=object).get_indexer(pd.Index(rows["label"], dtype=object))
        return found

    def align(self, probability: np.ndarray, card: Card) -> np.ndarray:
        """Probabilities of the classes of one version as those of `classes`, of shape (n, classes); 0 for classes it lacks.

        If both versions have the same two classes, the probabilities of the positive class, of shape (n,).
        """
        import numpy as np

        from driftgate.probability import of_every_class

        if self.same_two:
            return probability
        aligned = np.zeros((len(probability), len(self.classes)))
        aligned[:, [self.classes.index(name) for name in card.classes]] = of_every_class(probability)
        return aligned

    @property
    def same_two(self) -> bool:
        return self.champion.binary and self.champion.classes == self.challenger.classes

    @staticmethod
    def _complete(rows: pd.DataFrame, card: Card) -> np.ndarray:
        """Which rows have the probabilities of the classes of a card; lines of the same version with others are no answers."""
        import numpy as np

        from driftgate.production.predictions import class_probabilities

        found = class_probabilities(rows, card.classes)
        missing = np.isnan(found)
        complete: np.ndarray = ~(missing if missing.ndim == 1 else missing.any(axis=1))
        return complete


def _of_challenger(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns of the challenger, in rows that both predicted."""
    of_challenger = rows[[name for name in map(str, rows) if name.startswith(SHADOW)]]
    found: pd.DataFrame = of_challenger.rename(columns=lambda name: name.removeprefix(SHADOW))
    return found
