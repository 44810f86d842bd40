"""ZenML stacks as files: one YAML each, applied idempotently by `apply.py`."""
