"""Prediction with an exported model; needs only numpy and onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from driftgate.contract import Contract

if TYPE_CHECKING:
    import pandas as pd


class Scorer:
    """An ONNX model that takes the columns of a contract; it runs on one thread.

    Args:
        model: The bytes of the ONNX model; one input of shape (n, 1) per column, probabilities as second output.
        contract: The columns.
    """

    def __init__(self, model: bytes, contract: Contract) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._output = self._session.get_outputs()[1].name
        self._contract = contract

    def probability(self, columns: Mapping[str, Any] | pd.DataFrame) -> np.ndarray:
        """Probability of the positive class, or of every class if there are three or more.

        Args:
            columns: A sequence of n values for each column of the contract, or a DataFrame; missing values are NaN, "" or
                None.

        Returns:
            float32 of shape (n,), or (n, classes).
        """
        feed = {}
        for name, column in self._contract.columns.items():
            values = columns[name]
            if column.is_category:
                texts = ["" if value is None else value for value in values]
                feed[name] = np.array(texts, dtype=object).reshape(-1, 1)
            else:
                feed[name] = np.asarray(values, dtype=np.float32).reshape(-1, 1)
        probability: np.ndarray = self._session.run([self._output], feed)[0]
        return probability[:, 1] if probability.shape[1] == 2 else probability

    def probability_of_rows(self, rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """The same for a list of rows, each a mapping from column to value, None where it is missing."""
        return self.probability({name: [row[name] for row in rows] for name in self._contract.columns})
