"""Drift: what arrives now against what a model was trained on, under limits that the past itself has set."""
