"""From rows to a judged model: the split, tuning, what it is worth on the holdout, its ONNX form."""
