"""The families of models: their estimators, their preprocessing, and how they convert to ONNX."""
