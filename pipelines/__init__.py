"""ZenML pipelines: wiring only, each readable on one screen."""
