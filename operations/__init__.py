"""What acts on production without being a pipeline: promote, canary, rollback, experiments, proof of a running service."""
