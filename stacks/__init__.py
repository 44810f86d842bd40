"""ZenML stacks: one YAML file each. `apply.py` applies them idempotently."""
